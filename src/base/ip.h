/* What: addresses and prefixes as values; text exists only at the edges. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/slice.h"

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

/* bytes are in network order; v4 uses the first four and leaves the rest zero. */
struct ip {
	uint8_t family; /* enum ip_family; zeroed struct: no address */
	uint8_t bytes[16];
};

struct prefix {
	struct ip ip; /* host bits are zero */
	uint8_t len;  /* bits */
};

#define IP_TEXT_SIZE     46
#define PREFIX_TEXT_SIZE 50

bool ip_parse(struct slice text, struct ip *ret);
bool prefix_parse(struct slice text, struct prefix *ret); /* "10.0.0.0/16"; host bits are cleared */
/* Writes the canonical text (RFC 5952 for v6) into buf of at least IP_TEXT_SIZE; returns buf. */
const char *ip_format(struct ip ip, char *buf);
const char *prefix_format(struct prefix p, char *buf); /* PREFIX_TEXT_SIZE */

struct ip ip_v4(uint32_t host_order);
uint32_t ip_to_v4(struct ip ip); /* host order; 0 unless v4 */
bool ip_eq(struct ip a, struct ip b);
int ip_cmp(struct ip a, struct ip b); /* v4 before v6, then by bytes */
bool prefix_contains(struct prefix p, struct ip ip);
bool prefix_overlaps(struct prefix a, struct prefix b);
bool prefix_eq(struct prefix a, struct prefix b);
/* The n-th address counted from the prefix's base; v4 only. */
struct ip prefix_nth(struct prefix p, uint32_t n);

/* Fills a sockaddr for connect/bind; returns its length. port in host order. */
socklen_t ip_to_sockaddr(struct ip ip, uint16_t port, struct sockaddr_storage *ret);
bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ret_ip, uint16_t *ret_port);
