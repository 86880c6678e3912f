/* Why: the algebra of ports is one walk along two sorted lists, written once for all three
 * operations; see ports.h. */
#include "analyse/ports.h"

#include "base/mem.h"

enum { PORT_MIN = 1, PORT_MAX = 65535 };

static const struct {
	const char *name;
	enum proto number;
} protos[PORTS_PROTOS] = { { "TCP", PROTO_TCP }, { "UDP", PROTO_UDP }, { "SCTP", PROTO_SCTP } };

static const struct ports_range every_port[PORTS_PROTOS] = { { PORT_MIN, PORT_MAX },
	                                                     { PORT_MIN, PORT_MAX },
	                                                     { PORT_MIN, PORT_MAX } };

enum proto ports_proto_number(enum ports_proto p)
{
	return protos[p].number;
}

const char *ports_proto_name(enum ports_proto p)
{
	return protos[p].name;
}

struct ports ports_none(void)
{
	return (struct ports){ 0 };
}

struct ports ports_all(void)
{
	return (struct ports){ every_port, { 1, 1, 1 }, true };
}

struct ports ports_of(struct arena *a, enum proto proto, unsigned from, unsigned to)
{
	struct ports set = { 0 };
	struct ports_range range = { (uint16_t)(from < PORT_MIN ? PORT_MIN : from),
		                     (uint16_t)(to > PORT_MAX ? PORT_MAX : to) };

	for (int p = 0; p < PORTS_PROTOS; p++) {
		if (protos[p].number == proto && from <= PORT_MAX && range.from <= range.to) {
			set.n[p] = 1;
			set.ranges = arena_dup(a, &range, sizeof(range));
		}
	}
	return set;
}

const struct ports_range *ports_ranges(struct ports x, enum ports_proto p, size_t *ret_n)
{
	const struct ports_range *at = x.ranges;

	for (int i = 0; i < (int)p; i++) {
		at += x.n[i];
	}
	*ret_n = x.n[p];
	return at;
}

static size_t count(struct ports x)
{
	return (size_t)x.n[PORTS_TCP] + x.n[PORTS_UDP] + x.n[PORTS_SCTP];
}

/* ---- operations ---- */

/* What an operation keeps, by whether a port is in x (bit 1) and in y (bit 2). */
enum keep { KEEP_UNION = 0xe, KEEP_BOTH = 0x8, KEEP_FIRST_ONLY = 0x2 };

struct side {
	const struct ports_range *at;
	size_t left;
};

static bool inside(const struct side *s, unsigned port)
{
	return s->left && s->at->from <= port;
}

/* The last port up to which nothing changes, seen from 'port'. */
static unsigned steady_until(const struct side *s, unsigned port)
{
	if (!s->left) {
		return PORT_MAX;
	}
	return s->at->from <= port ? s->at->to : s->at->from - 1u;
}

static void pass(struct side *s, unsigned port)
{
	if (s->left && s->at->to <= port) {
		s->at++;
		s->left--;
	}
}

static size_t combine_proto(struct side x, struct side y, enum keep keep, struct ports_range *out)
{
	size_t n = 0;

	for (unsigned port = PORT_MIN; port <= PORT_MAX;) {
		unsigned where = (unsigned)inside(&x, port) | (unsigned)inside(&y, port) << 1;
		unsigned end_x = steady_until(&x, port), end_y = steady_until(&y, port);
		unsigned end = end_x < end_y ? end_x : end_y;

		if ((unsigned)keep >> where & 1u) {
			if (n && out[n - 1].to + 1u == port) {
				out[n - 1].to = (uint16_t)end;
			} else {
				out[n++] = (struct ports_range){ (uint16_t)port, (uint16_t)end };
			}
		}
		pass(&x, end);
		pass(&y, end);
		port = end + 1;
	}
	return n;
}

static struct ports combine(struct arena *a, struct ports x, struct ports y, enum keep keep)
{
	struct ports_range *out = ARENA_ARRAY(a, struct ports_range, count(x) + count(y) + 1);
	struct ports set = { .ranges = out };
	unsigned others = (unsigned)x.others | (unsigned)y.others << 1;

	for (int p = 0; p < PORTS_PROTOS; p++) {
		struct side sx, sy;
		size_t n;

		sx.at = ports_ranges(x, (enum ports_proto)p, &sx.left);
		sy.at = ports_ranges(y, (enum ports_proto)p, &sy.left);
		n = combine_proto(sx, sy, keep, out);
		set.n[p] = (uint16_t)n;
		out += n;
	}
	set.others = (unsigned)keep >> others & 1u;
	return set;
}

struct ports ports_union(struct arena *a, struct ports x, struct ports y)
{
	return combine(a, x, y, KEEP_UNION);
}

struct ports ports_intersect(struct arena *a, struct ports x, struct ports y)
{
	return combine(a, x, y, KEEP_BOTH);
}

struct ports ports_minus(struct arena *a, struct ports x, struct ports y)
{
	return combine(a, x, y, KEEP_FIRST_ONLY);
}

/* ---- questions ---- */

bool ports_is_none(struct ports x)
{
	return !count(x) && !x.others;
}

bool ports_eq(struct ports x, struct ports y)
{
	return memcmp(x.n, y.n, sizeof(x.n)) == 0 && x.others == y.others &&
	       (!count(x) || memcmp(x.ranges, y.ranges, count(x) * sizeof(*x.ranges)) == 0);
}

bool ports_is_all(struct ports x)
{
	return ports_eq(x, ports_all());
}

bool ports_has(struct ports x, enum proto proto, unsigned port)
{
	for (int p = 0; p < PORTS_PROTOS; p++) {
		size_t n;
		const struct ports_range *r = ports_ranges(x, (enum ports_proto)p, &n);

		for (size_t i = 0; i < n && protos[p].number == proto; i++) {
			if (r[i].from <= port && port <= r[i].to) {
				return true;
			}
		}
		if (protos[p].number == proto) {
			return false;
		}
	}
	return x.others;
}

bool ports_first(struct ports x, enum proto *ret_proto, uint16_t *ret_port)
{
	for (int p = 0; p < PORTS_PROTOS; p++) {
		size_t n;
		const struct ports_range *r = ports_ranges(x, (enum ports_proto)p, &n);

		if (n) {
			*ret_proto = protos[p].number;
			*ret_port = r[0].from;
			return true;
		}
	}
	return false;
}

/* ---- text ---- */

static void format_plain(struct strbuf *out, struct ports x)
{
	const char *between = "";

	for (int p = 0; p < PORTS_PROTOS; p++) {
		size_t n;
		const struct ports_range *r = ports_ranges(x, (enum ports_proto)p, &n);

		if (!n) {
			continue;
		}
		strbuf_addf(out, "%s%s", between, protos[p].name);
		between = "; ";
		for (size_t i = 0; i < n && (r[i].from > PORT_MIN || r[i].to < PORT_MAX); i++) {
			strbuf_addf(out, "%c%u", i ? ',' : ' ', r[i].from);
			if (r[i].to > r[i].from) {
				strbuf_addf(out, "-%u", r[i].to);
			}
		}
	}
	if (x.others) {
		strbuf_addf(out, "%sothers", between);
	}
}

void ports_format(struct strbuf *out, struct ports x)
{
	struct arena a = { 0 };

	if (ports_is_none(x)) {
		strbuf_adds(out, "none");
	} else if (ports_is_all(x)) {
		strbuf_adds(out, "all");
	} else if (x.others) {
		struct ports rest = ports_minus(&a, ports_all(), x);

		/* three bare names say more than what is missing from them */
		if (x.n[PORTS_TCP] + x.n[PORTS_UDP] + x.n[PORTS_SCTP] == 0) {
			strbuf_adds(out, "others");
		} else {
			strbuf_adds(out, "all but ");
			format_plain(out, rest);
		}
	} else {
		format_plain(out, x);
	}
	arena_fini(&a);
}

static bool parse_range(struct slice word, unsigned *from, unsigned *to)
{
	struct slice head, tail;
	bool has_end = slice_cut(word, '-', &head, &tail);
	uint64_t first, last;

	if (!slice_to_u64(slice_trim(head), &first) ||
	    (has_end && !slice_to_u64(slice_trim(tail), &last))) {
		return false;
	}
	last = has_end ? last : first;
	*from = (unsigned)first;
	*to = (unsigned)last;
	return first >= PORT_MIN && first <= last && last <= PORT_MAX;
}

/* "TCP 80,443", "udp", "others", "8080" */
static int parse_part(struct arena *a, struct slice part, struct ports *set, struct err *err)
{
	struct slice word, rest;
	enum proto proto = PROTO_TCP;
	bool named = false;

	(void)slice_cut(part, ' ', &word, &rest);
	if (slice_eq_nocase(word, SLICE("others")) && !slice_trim(rest).len) {
		set->others = true;
		return 0;
	}
	for (int p = 0; p < PORTS_PROTOS && !named; p++) {
		if (slice_eq_nocase(word, slice_of(protos[p].name))) {
			proto = protos[p].number;
			named = true;
		}
	}
	rest = slice_trim(named ? rest : part);
	if (!rest.len && named) {
		*set = ports_union(a, *set, ports_of(a, proto, PORT_MIN, PORT_MAX));
		return 0;
	}
	if (!rest.len) {
		return err_raise(err, ERR_SYNTAX, "an empty place in a list of ports");
	}
	while (slice_next(&rest, ',', &word)) {
		unsigned from, to;

		if (!parse_range(slice_trim(word), &from, &to)) {
			return err_raise(err, ERR_SYNTAX,
			                 "'" SLICE_FMT
			                 "' is no port (1 to 65535), range (8000-8010) or "
			                 "protocol (TCP, UDP, SCTP, others)",
			                 SLICE_ARG(slice_head(slice_trim(word), 40)));
		}
		*set = ports_union(a, *set, ports_of(a, proto, from, to));
	}
	return 0;
}

int ports_parse(struct arena *a, struct slice text, struct ports *ret, struct err *err)
{
	struct slice rest = slice_trim(text), part;
	struct ports set = ports_none();
	bool but = false;

	if (slice_eq_nocase(rest, SLICE("none"))) {
		*ret = set;
		return 0;
	}
	if (slice_eq_nocase(rest, SLICE("all"))) {
		*ret = ports_all();
		return 0;
	}
	if (slice_eq_nocase(slice_head(rest, 8), SLICE("all but "))) {
		but = true;
		rest = slice_trim(slice_from(rest, 8));
	}
	if (!rest.len) {
		return err_raise(err, ERR_SYNTAX,
		                 "no ports named; 'all' and 'none' are words for that");
	}
	while (slice_next(&rest, ';', &part)) {
		int r = parse_part(a, slice_trim(part), &set, err);

		if (r < 0) {
			return r;
		}
	}
	*ret = but ? ports_minus(a, ports_all(), set) : set;
	return 0;
}
