/* What: addresses and prefixes as values; text exists only at the edges. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/slice.h"

/* What an instance carries, as --ip-families says it; the primary family first. */
#define IP_FAMILIES_SINGLE "IPv4"
#define IP_FAMILIES_DUAL   "IPv4,IPv6"

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

/* bytes are in network order; v4 uses the first four and leaves the rest zero. */
struct ip {
	uint8_t family; /* enum ip_family; zeroed struct: no address */
	uint8_t bytes[16];
};

/* What a dual-stack thing has: the primary address first; both may be none. */
struct ip_pair {
	struct ip at[2];
};

struct prefix {
	struct ip ip; /* host bits are zero */
	uint8_t len;  /* bits */
};

#define IP_TEXT_SIZE      46
#define PREFIX_TEXT_SIZE  50
#define IP_PAIR_TEXT_SIZE (2 * IP_TEXT_SIZE)

bool ip_parse(struct slice text, struct ip *ret);
bool prefix_parse(struct slice text, struct prefix *ret); /* "10.0.0.0/16"; host bits are cleared */
/* Writes the canonical text (RFC 5952 for v6) into buf of at least IP_TEXT_SIZE; returns buf. */
const char *ip_format(struct ip ip, char *buf);
const char *prefix_format(struct prefix p, char *buf); /* PREFIX_TEXT_SIZE */

/* "10.244.0.7,fd00:10:244::7": of two families, or one alone. */
bool ip_pair_parse(struct slice text, struct ip_pair *ret);
const char *ip_pair_format(struct ip_pair ips, char *buf); /* IP_PAIR_TEXT_SIZE; returns buf */
/* The address of that family; none. */
struct ip ip_pair_of(struct ip_pair ips, enum ip_family family);

struct ip ip_v4(uint32_t host_order);
uint32_t ip_to_v4(struct ip ip); /* host order; 0 unless v4 */
bool ip_eq(struct ip a, struct ip b);
int ip_cmp(struct ip a, struct ip b); /* v4 before v6, then by bytes */
bool prefix_contains(struct prefix p, struct ip ip);
bool prefix_overlaps(struct prefix a, struct prefix b);
bool prefix_eq(struct prefix a, struct prefix b);
struct ip prefix_last(struct prefix p); /* all host bits are one */
/* The n-th address counted from the prefix's base. */
struct ip prefix_nth(struct prefix p, uint32_t n);

/* Fills a sockaddr for connect/bind; returns its length. port in host order. */
socklen_t ip_to_sockaddr(struct ip ip, uint16_t port, struct sockaddr_storage *ret);
bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ret_ip, uint16_t *ret_port);
