/* What: keys and values as the kernel's sets have them: fields one after another, each padded to a
 * multiple of 4 bytes (host/nft.h). Start from a zeroed one and add fields in the set's order; with
 * ranges, the end's fields follow. */
#pragma once

#include <arpa/inet.h>
#include <string.h>

#include "base/ip.h"
#include "host/nft.h"

struct set_key {
	uint8_t bytes[2 * NFT_KEY_MAX];
	size_t size;
};

static inline size_t ip_size(enum ip_family family)
{
	return family == IP_V6 ? 16 : 4;
}

static inline void set_key_add(struct set_key *k, const void *field, size_t size)
{
	memcpy(k->bytes + k->size, field, size);
	k->size += (size + 3) & ~(size_t)3;
}

static inline void set_key_ip(struct set_key *k, struct ip ip)
{
	set_key_add(k, ip.bytes, ip_size(ip.family));
}

static inline void set_key_proto(struct set_key *k, uint8_t proto)
{
	set_key_add(k, &proto, sizeof(proto));
}

static inline void set_key_port(struct set_key *k, uint16_t port)
{
	uint16_t be = htons(port);

	set_key_add(k, &be, sizeof(be));
}

static inline void set_key_mark(struct set_key *k, uint32_t mark)
{
	set_key_add(k, &mark, sizeof(mark));
}

/* The address that begins there. */
static inline struct ip set_key_ip_at(const void *bytes, enum ip_family family)
{
	struct ip ip = { .family = (uint8_t)family };

	memcpy(ip.bytes, bytes, ip_size(family));
	return ip;
}

static inline uint16_t set_key_port_at(const void *bytes)
{
	uint16_t be;

	memcpy(&be, bytes, sizeof(be));
	return ntohs(be);
}
