/* What: the rules of the vpc namespace, the router of the virtual private cloud (ip table
 * "kennel").
 *
 *   forward, output (filter)
 *       established, related -> accept; invalid -> drop
 *       to a host: only what its security group names (rules: host . source . protocol . port)
 *       the reserved cluster DNS address -> drop
 *       to the internet: from the VPC only, and not to private addresses (as an internet gateway
 * does), DNS excepted from the internet -> drop postrouting (nat): to the internet -> masquerade
 * (NAT gateway) */
#pragma once

#include "base/ip.h"
#include "host/nft.h"

#define VPC_INTERNET_LINK "internet"
#define VPC_SUBNETS       4

enum vpc_set {
	VPC_HOSTS, /* addresses with a security group */
	VPC_RULES, /* host . source . protocol . port */
	VPC_SETS
};
extern const struct nft_set vpc_sets[VPC_SETS];

struct vpc_table_config {
	struct prefix vpc_range;
	struct ip dns_ip; /* reserved: no host has it */
};
void vpc_table_queue(struct nft *n, const struct vpc_table_config *c);
