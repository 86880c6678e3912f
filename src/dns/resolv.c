/* Why: where questions go that are not ours; see resolv.h. Source: resolv.conf(5) */
#include "dns/resolv.h"

static bool is_loopback(struct ip ip)
{
	static const uint8_t v6[16] = { [15] = 1 };

	return ip.family == IP_V4 ? ip.bytes[0] == 127 : memcmp(ip.bytes, v6, sizeof(v6)) == 0;
}

static bool is_known(const struct upstream *all, size_t n, struct ip ip)
{
	for (size_t i = 0; i < n; i++) {
		if (ip_eq(all[i].ip, ip)) {
			return true;
		}
	}
	return false;
}

/* The first word of *line. */
static struct slice next_word(struct slice *line)
{
	size_t n = 0;

	*line = slice_trim(*line);
	while (n < line->len && line->p[n] != ' ' && line->p[n] != '\t') {
		n++;
	}
	struct slice word = slice_head(*line, n);

	*line = slice_from(*line, n);
	return word;
}

size_t resolv_parse(struct slice text, struct upstream *ret)
{
	struct slice line;
	size_t n = 0;

	while (n < FORWARD_SERVERS && slice_next(&text, '\n', &line)) {
		struct slice word = next_word(&line), address = next_word(&line);
		struct ip ip;

		if (slice_is(word, "nameserver") && ip_parse(address, &ip) && !is_loopback(ip) &&
		    !is_known(ret, n, ip)) {
			ret[n++] = (struct upstream){ ip, 53 };
		}
	}
	return n;
}

static bool port_parse(struct slice text, uint16_t *ret)
{
	uint64_t port;

	if (!slice_to_u64(text, &port) || !port || port > UINT16_MAX) {
		return false;
	}
	*ret = (uint16_t)port;
	return true;
}

bool upstream_parse(struct slice text, struct upstream *ret)
{
	struct slice address, rest;

	ret->port = 53;
	if (ip_parse(text, &ret->ip)) {
		return true;
	}
	if (text.len && text.p[0] == '[') {
		return slice_cut(slice_from(text, 1), ']', &address, &rest) &&
		       ip_parse(address, &ret->ip) &&
		       (!rest.len ||
		        (rest.p[0] == ':' && port_parse(slice_from(rest, 1), &ret->port)));
	}
	return slice_cut(text, ':', &address, &rest) && ip_parse(address, &ret->ip) &&
	       port_parse(rest, &ret->port);
}
