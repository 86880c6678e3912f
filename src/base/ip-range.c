/* Why: see ip-range.h. */
#include "base/ip-range.h"

#include <string.h>

static size_t size_of(enum ip_family family)
{
	return family == IP_V4 ? 4 : 16;
}

/* ip + n; false when that leaves the family's space. */
static bool ip_add(struct ip ip, uint64_t n, struct ip *ret)
{
	for (size_t i = size_of(ip.family); i-- > 0 && n;) {
		n += ip.bytes[i];
		ip.bytes[i] = (uint8_t)n;
		n >>= 8;
	}
	*ret = ip;
	return n == 0;
}

static struct ip last_of(struct prefix p)
{
	struct ip last = p.ip;

	for (size_t bit = p.len; bit < size_of(last.family) * 8; bit++) {
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
	return last;
}

static bool parse_one(struct slice text, struct ip_range *ret)
{
	struct slice first, last;
	struct prefix p;

	if (slice_cut(text, '-', &first, &last)) {
		return ip_parse(slice_trim(first), &ret->first) &&
		       ip_parse(slice_trim(last), &ret->last) &&
		       ret->first.family == ret->last.family && ip_cmp(ret->first, ret->last) <= 0;
	}
	if (slice_find(text, '/') < 0) {
		ret->last = (struct ip){ 0 };
		if (!ip_parse(text, &ret->first)) {
			return false;
		}
		ret->last = ret->first;
		return true;
	}
	if (!prefix_parse(text, &p)) {
		return false;
	}
	*ret = (struct ip_range){ p.ip, last_of(p) };
	if (p.ip.family == IP_V4 && p.len < 31) {
		ret->first = ip_v4(ip_to_v4(ret->first) + 1);
		ret->last = ip_v4(ip_to_v4(ret->last) - 1);
	}
	return true;
}

bool ip_ranges_parse(struct slice text, struct ip_ranges *ret)
{
	struct slice field;

	*ret = (struct ip_ranges){ 0 };
	while (slice_next(&text, ',', &field)) {
		if (ret->n == IP_RANGES_MAX || !parse_one(slice_trim(field), &ret->at[ret->n])) {
			return false;
		}
		ret->n++;
	}
	return ret->n > 0;
}

bool ip_ranges_have(const struct ip_ranges *r, struct ip ip)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->at[i].first.family == ip.family && ip_cmp(r->at[i].first, ip) <= 0 &&
		    ip_cmp(ip, r->at[i].last) <= 0) {
			return true;
		}
	}
	return false;
}

/* How many addresses a range has, as far as that fits. */
static uint64_t count_of(const struct ip_range *r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < size_of(r->first.family); i++) {
		if (n >> 40) {
			return UINT64_MAX;
		}
		n = n * 256 + r->last.bytes[i] - r->first.bytes[i];
	}
	return n + 1;
}

bool ip_ranges_nth(const struct ip_ranges *r, size_t n, struct ip *ret)
{
	for (size_t i = 0; i < r->n; i++) {
		uint64_t here = count_of(&r->at[i]);

		if (n < here) {
			return ip_add(r->at[i].first, n, ret);
		}
		n -= here;
	}
	return false;
}
