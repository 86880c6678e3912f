/* What: the rules of the vpc namespace, the router of the virtual private cloud (ip table
 * "kennel").
 *
 *   routes (filter, forward, first; every packet, as routes know no flows)
 *       to the internet: only from and to what the route tables of its subnet have (ways), DNS excepted
 *   forward, output (filter)
 *       established, related -> accept; invalid -> drop
 *       from a host whose group limits that: only to what it names (rules_out: host . destination .
 *       protocol . port)
 *       to a host: only what its security group names (rules: host . source . protocol . port)
 *       the reserved cluster DNS address -> drop
 *       to the internet: from the VPC only, and not to private addresses (as an internet gateway
 * does), DNS excepted from the internet -> drop postrouting (nat): to the internet -> masquerade
 * (NAT gateway) */
#pragma once

#include "base/ip.h"
#include "host/nft.h"

#define VPC_INTERNET_LINK "internet"

enum vpc_set {
	VPC_HOSTS,     /* addresses with a security group */
	VPC_RULES,     /* host . source . protocol . port */
	VPC_HOSTS_OUT, /* addresses whose group limits what they open */
	VPC_RULES_OUT, /* host . destination . protocol . port */
	VPC_WAYS,      /* source . destination, outside */
	VPC_SETS
};
extern const struct nft_set vpc_sets[VPC_SETS];

struct vpc_table_config {
	struct prefix vpc_range;
	struct ip dns_ip; /* reserved: no host has it */
};
void vpc_table_queue(struct nft *n, const struct vpc_table_config *c);
