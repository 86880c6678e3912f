/* Why: one walk along two sorted lists of ranges serves every operation; see cidr.h. */
#include "analyse/cidr.h"

#include <stdlib.h>

static unsigned bits_of(struct ip ip)
{
	return ip.family == IP_V4 ? 32 : 128;
}

static struct ip lowest(enum ip_family family)
{
	return (struct ip){ .family = (uint8_t)family };
}

static struct ip highest(enum ip_family family)
{
	struct ip ip = lowest(family);

	memset(ip.bytes, 0xff, family == IP_V4 ? 4 : 16);
	return ip;
}

/* The neighbour; false: there is none in its family. */
static bool step(struct ip *ip, int by)
{
	for (int i = (int)bits_of(*ip) / 8 - 1; i >= 0; i--) {
		ip->bytes[i] = (uint8_t)(ip->bytes[i] + by);
		if (ip->bytes[i] != (by > 0 ? 0 : 255)) {
			return true;
		}
	}
	return false;
}

static struct ip last_of(struct prefix p)
{
	for (unsigned i = p.len; i < bits_of(p.ip); i++) {
		p.ip.bytes[i / 8] |= (uint8_t)(0x80u >> (i % 8));
	}
	return p.ip;
}

/* ---- making ---- */

struct cidr_set cidr_all(void)
{
	static const struct cidr_range all[] = {
		{ { IP_V4, { 0 } }, { IP_V4, { 255, 255, 255, 255 } } },
		{ { IP_V6, { 0 } },
		  { IP_V6,
		    { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
		      255 } } },
	};

	return (struct cidr_set){ all, 2 };
}

struct cidr_set cidr_of_range(struct arena *a, struct ip from, struct ip to)
{
	struct cidr_range range = { from, to };

	if (from.family != to.family || ip_cmp(from, to) > 0) {
		return (struct cidr_set){ 0 };
	}
	return (struct cidr_set){ arena_dup(a, &range, sizeof(range)), 1 };
}

struct cidr_set cidr_of(struct arena *a, struct prefix p)
{
	return cidr_of_range(a, p.ip, last_of(p));
}

static int by_from(const void *a, const void *b)
{
	return ip_cmp(((const struct cidr_range *)a)->from, ((const struct cidr_range *)b)->from);
}

static bool adjoin(struct ip end, struct ip begin)
{
	return end.family == begin.family && step(&end, 1) && ip_eq(end, begin);
}

struct cidr_set cidr_of_ranges(struct arena *a, struct cidr_range *ranges, size_t n)
{
	struct cidr_range *out = ARENA_ARRAY(a, struct cidr_range, n + 1);
	size_t made = 0;

	if (n) {
		qsort(ranges, n, sizeof(*ranges), by_from);
	}
	for (size_t i = 0; i < n; i++) {
		struct cidr_range *last = made ? &out[made - 1] : NULL;

		if (last &&
		    (ip_cmp(ranges[i].from, last->to) <= 0 || adjoin(last->to, ranges[i].from))) {
			last->to = ip_cmp(ranges[i].to, last->to) > 0 ? ranges[i].to : last->to;
		} else {
			out[made++] = ranges[i];
		}
	}
	return (struct cidr_set){ out, made };
}

/* ---- operations ---- */

struct cidr_set cidr_union(struct arena *a, struct cidr_set x, struct cidr_set y)
{
	struct cidr_range *all = ARENA_ARRAY(a, struct cidr_range, x.n + y.n + 1);

	if (x.n) {
		memcpy(all, x.at, x.n * sizeof(*all));
	}
	if (y.n) {
		memcpy(all + x.n, y.at, y.n * sizeof(*all));
	}
	return cidr_of_ranges(a, all, x.n + y.n);
}

struct cidr_set cidr_intersect(struct arena *a, struct cidr_set x, struct cidr_set y)
{
	struct cidr_range *out = ARENA_ARRAY(a, struct cidr_range, x.n + y.n + 1);
	size_t n = 0;

	for (size_t i = 0, k = 0; i < x.n && k < y.n;) {
		struct ip from =
			ip_cmp(x.at[i].from, y.at[k].from) > 0 ? x.at[i].from : y.at[k].from;
		struct ip to = ip_cmp(x.at[i].to, y.at[k].to) < 0 ? x.at[i].to : y.at[k].to;

		if (ip_cmp(from, to) <= 0) {
			out[n++] = (struct cidr_range){ from, to };
		}
		if (ip_cmp(x.at[i].to, y.at[k].to) < 0) {
			i++;
		} else {
			k++;
		}
	}
	return (struct cidr_set){ out, n };
}

static struct cidr_set complement(struct arena *a, struct cidr_set x)
{
	static const enum ip_family families[] = { IP_V4, IP_V6 };
	struct cidr_range *out = ARENA_ARRAY(a, struct cidr_range, x.n + 3);
	size_t n = 0, i = 0;

	for (size_t f = 0; f < 2; f++) {
		struct ip from = lowest(families[f]);
		bool open = true;

		for (; i < x.n && x.at[i].from.family == families[f]; i++) {
			struct ip before = x.at[i].from;

			if (step(&before, -1) && ip_cmp(from, before) <= 0) {
				out[n++] = (struct cidr_range){ from, before };
			}
			from = x.at[i].to;
			open = step(&from, 1);
		}
		if (open) {
			out[n++] = (struct cidr_range){ from, highest(families[f]) };
		}
	}
	return (struct cidr_set){ out, n };
}

struct cidr_set cidr_minus(struct arena *a, struct cidr_set x, struct cidr_set y)
{
	return cidr_intersect(a, x, complement(a, y));
}

/* ---- questions ---- */

bool cidr_eq(struct cidr_set x, struct cidr_set y)
{
	for (size_t i = 0; x.n == y.n && i < x.n; i++) {
		if (!ip_eq(x.at[i].from, y.at[i].from) || !ip_eq(x.at[i].to, y.at[i].to)) {
			return false;
		}
	}
	return x.n == y.n;
}

bool cidr_has(struct cidr_set x, struct ip ip)
{
	size_t low = 0, high = x.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ip_cmp(x.at[mid].to, ip) < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low < x.n && ip_cmp(x.at[low].from, ip) <= 0;
}

/* ---- prefixes and text ---- */

/* The widest prefix that begins at 'from' and does not go past 'to'. */
static struct prefix widest(struct ip from, struct ip to)
{
	struct prefix p = { from, (uint8_t)bits_of(from) };

	while (p.len > 0) {
		struct prefix wider = { from, (uint8_t)(p.len - 1) };
		unsigned bit = wider.len;

		if (from.bytes[bit / 8] & (0x80u >> (bit % 8)) || ip_cmp(last_of(wider), to) > 0) {
			break;
		}
		p = wider;
	}
	return p;
}

void cidr_each_prefix(struct cidr_set x, cidr_prefix_fn *fn, void *arg)
{
	for (size_t i = 0; i < x.n; i++) {
		struct ip from = x.at[i].from;
		bool more = true;

		while (more && ip_cmp(from, x.at[i].to) <= 0) {
			struct prefix p = widest(from, x.at[i].to);

			if (!fn(arg, p)) {
				return;
			}
			from = last_of(p);
			more = step(&from, 1);
		}
	}
}

struct listing {
	struct strbuf *out;
	size_t n, max;
};

static bool list_prefix(void *arg, struct prefix p)
{
	struct listing *l = arg;
	char text[PREFIX_TEXT_SIZE];

	if (!l->max || l->n < l->max) {
		strbuf_addf(l->out, "%s%s", l->n ? "," : "", prefix_format(p, text));
	}
	l->n++;
	return true;
}

void cidr_format(struct strbuf *out, struct cidr_set x, size_t max)
{
	struct listing l = { out, 0, max };

	cidr_each_prefix(x, list_prefix, &l);
	if (!l.n) {
		strbuf_adds(out, "none");
	} else if (max && l.n > max) {
		strbuf_addf(out, ",+%zu more", l.n - max);
	}
}

int cidr_parse(struct arena *a, struct slice text, struct cidr_set *ret, struct err *err)
{
	struct slice rest = slice_trim(text), word;
	struct cidr_set set = { 0 };

	if (slice_is(rest, "none")) {
		*ret = set;
		return 0;
	}
	if (!rest.len) {
		return err_raise(err, ERR_SYNTAX, "no addresses named");
	}
	while (slice_next(&rest, ',', &word)) {
		struct prefix p = { 0 };

		word = slice_trim(word);
		if (ip_parse(word, &p.ip)) {
			p.len = (uint8_t)bits_of(p.ip);
		} else if (!prefix_parse(word, &p)) {
			return err_raise(err, ERR_SYNTAX,
			                 "'" SLICE_FMT
			                 "' is no address (10.0.0.7) or range (10.0.0.0/16)",
			                 SLICE_ARG(slice_head(word, 60)));
		}
		set = cidr_union(a, set, cidr_of(a, p));
	}
	*ret = set;
	return 0;
}
