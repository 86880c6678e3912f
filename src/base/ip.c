/* Why: one value for addresses of both families; see ip.h. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <stdio.h>

bool ip_parse(struct slice text, struct ip *ret)
{
	char buf[IP_TEXT_SIZE];
	struct ip ip = { 0 };

	if (text.len == 0 || text.len >= sizeof(buf)) {
		return false;
	}
	memcpy(buf, text.p, text.len);
	buf[text.len] = '\0';
	if (inet_pton(AF_INET, buf, ip.bytes) == 1) {
		ip.family = IP_V4;
	} else if (inet_pton(AF_INET6, buf, ip.bytes) == 1) {
		ip.family = IP_V6;
	} else {
		return false;
	}
	*ret = ip;
	return true;
}

static void clear_host_bits(struct prefix *p)
{
	unsigned total = p->ip.family == IP_V4 ? 32 : 128;

	for (unsigned bit = p->len; bit < total; bit++) {
		p->ip.bytes[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	}
}

bool prefix_parse(struct slice text, struct prefix *ret)
{
	struct slice addr, len;
	struct prefix p = { 0 };
	uint64_t bits;

	if (!slice_cut(text, '/', &addr, &len) || !ip_parse(addr, &p.ip) ||
	    !slice_to_u64(len, &bits) || bits > (p.ip.family == IP_V4 ? 32 : 128)) {
		return false;
	}
	p.len = (uint8_t)bits;
	clear_host_bits(&p);
	*ret = p;
	return true;
}

const char *ip_format(struct ip ip, char *buf)
{
	buf[0] = '\0';
	if (ip.family != IP_NONE) {
		inet_ntop(ip.family == IP_V4 ? AF_INET : AF_INET6, ip.bytes, buf, IP_TEXT_SIZE);
	}
	return buf;
}

const char *prefix_format(struct prefix p, char *buf)
{
	char text[IP_TEXT_SIZE];

	snprintf(buf, PREFIX_TEXT_SIZE, "%s/%u", ip_format(p.ip, text), p.len);
	return buf;
}

bool ip_pair_parse(struct slice text, struct ip_pair *ret)
{
	struct slice first, second;
	struct ip_pair ips = { 0 };
	bool two = slice_cut(text, ',', &first, &second);

	if (!ip_parse(two ? first : text, &ips.at[0]) ||
	    (two && (!ip_parse(second, &ips.at[1]) || ips.at[0].family == ips.at[1].family))) {
		return false;
	}
	*ret = ips;
	return true;
}

const char *ip_pair_format(struct ip_pair ips, char *buf)
{
	char first[IP_TEXT_SIZE], second[IP_TEXT_SIZE];

	snprintf(buf, IP_PAIR_TEXT_SIZE, "%s%s%s", ip_format(ips.at[0], first),
	         ips.at[1].family ? "," : "", ip_format(ips.at[1], second));
	return buf;
}

struct ip ip_pair_of(struct ip_pair ips, enum ip_family family)
{
	for (size_t i = 0; i < 2; i++) {
		if (ips.at[i].family == family) {
			return ips.at[i];
		}
	}
	return (struct ip){ 0 };
}

struct ip ip_v4(uint32_t host_order)
{
	struct ip ip = { .family = IP_V4 };
	uint32_t be = htonl(host_order);

	memcpy(ip.bytes, &be, sizeof(be));
	return ip;
}

uint32_t ip_to_v4(struct ip ip)
{
	uint32_t be = 0;

	if (ip.family == IP_V4) {
		memcpy(&be, ip.bytes, sizeof(be));
	}
	return ntohl(be);
}

bool ip_eq(struct ip a, struct ip b)
{
	return ip_cmp(a, b) == 0;
}

int ip_cmp(struct ip a, struct ip b)
{
	if (a.family != b.family) {
		return a.family < b.family ? -1 : 1;
	}
	return memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

bool prefix_contains(struct prefix p, struct ip ip)
{
	struct prefix q = { ip, p.len };

	if (p.ip.family != ip.family) {
		return false;
	}
	clear_host_bits(&q);
	return ip_eq(p.ip, q.ip);
}

bool prefix_overlaps(struct prefix a, struct prefix b)
{
	return a.len <= b.len ? prefix_contains(a, b.ip) : prefix_contains(b, a.ip);
}

bool prefix_eq(struct prefix a, struct prefix b)
{
	return a.len == b.len && ip_eq(a.ip, b.ip);
}

struct ip prefix_last(struct prefix p)
{
	unsigned total = p.ip.family == IP_V4 ? 32 : 128;

	for (unsigned bit = p.len; bit < total; bit++) {
		p.ip.bytes[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
	}
	return p.ip;
}

struct ip prefix_nth(struct prefix p, uint32_t n)
{
	uint64_t sum = n;

	for (size_t i = p.ip.family == IP_V4 ? 4 : 16; i-- > 0; sum >>= 8) {
		sum += p.ip.bytes[i];
		p.ip.bytes[i] = (uint8_t)sum;
	}
	return p.ip;
}

socklen_t ip_to_sockaddr(struct ip ip, uint16_t port, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (ip.family == IP_V6) {
		struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ret;

		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(port);
		memcpy(&sin6->sin6_addr, ip.bytes, 16);
		return sizeof(*sin6);
	}
	struct sockaddr_in *sin = (struct sockaddr_in *)ret;

	sin->sin_family = AF_INET;
	sin->sin_port = htons(port);
	memcpy(&sin->sin_addr, ip.bytes, 4);
	return sizeof(*sin);
}

bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ret_ip, uint16_t *ret_port)
{
	struct ip ip = { 0 };

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *sin = (const struct sockaddr_in *)(const void *)sa;

		ip.family = IP_V4;
		memcpy(ip.bytes, &sin->sin_addr, 4);
		*ret_port = ntohs(sin->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)(const void *)sa;

		ip.family = IP_V6;
		memcpy(ip.bytes, &sin6->sin6_addr, 16);
		*ret_port = ntohs(sin6->sin6_port);
	} else {
		return false;
	}
	*ret_ip = ip;
	return true;
}
