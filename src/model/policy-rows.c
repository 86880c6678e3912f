/* Why: tiers of ordered rules become rows that need no order; see policy-rows.h.
 *
 * For one peer the ports of each protocol are a line from 0 to 65535. Claims paint it in order of
 * precedence, each only where nothing is painted yet; at the end of a tier what was passed on is
 * bare again. A peer that is named gets rows where its line differs from that of peers nobody
 * names. */
#include "model/policy-rows.h"

/* ---- order ---- */

static int cmp_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

int row_cmp(const struct policy_row *a, const struct policy_row *b)
{
	int r = cmp_u32(a->subject, b->subject);

	r = r ? r : cmp_u32(a->peer, b->peer);
	r = r ? r : (int)a->proto - (int)b->proto;
	r = r ? r : (int)a->port_from - (int)b->port_from;
	return r ? r : (int)a->port_to - (int)b->port_to;
}

const struct policy_row *row_find(const struct policy_row *rows, size_t n, uint32_t subject,
                                  uint32_t peer, unsigned proto, uint16_t port)
{
	struct policy_row want = { .subject = subject,
		                   .peer = peer,
		                   .port_from = port,
		                   .port_to = UINT16_MAX,
		                   .proto = (uint8_t)proto };
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (row_cmp(&rows[mid], &want) <= 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	if (!low || rows[low - 1].subject != subject || rows[low - 1].peer != peer ||
	    rows[low - 1].proto != proto || rows[low - 1].port_to < port) {
		return NULL;
	}
	return &rows[low - 1];
}

static int by_peer_and_rank(const void *a, const void *b)
{
	const struct policy_claim *x = a, *y = b;
	int r = cmp_u32(x->peer, y->peer);

	r = r ? r : cmp_u32(x->rank, y->rank);
	r = r ? r : (int)x->proto - (int)y->proto;
	return r ? r : (int)x->from - (int)y->from;
}

/* ---- a line of ports ---- */

struct stretch {
	uint16_t from, to;
	uint8_t action;
};
typedef VEC(struct stretch) line_vec; /* ascending, disjoint; neighbours of one action are one */

enum { LINES = 4 }; /* by protocol; no policy tells the others apart */
static const uint8_t protos[LINES] = { PROTO_TCP, PROTO_UDP, PROTO_SCTP, POLICY_PROTO_OTHERS };

struct profile {
	line_vec lines[LINES];
};

struct painter {
	line_vec scratch;
	struct profile base, own;
};

static void append(line_vec *v, uint32_t from, uint32_t to, uint8_t action)
{
	struct stretch *last = v->n ? &v->at[v->n - 1] : NULL;

	if (last && last->action == action && last->to + 1u == from) {
		last->to = (uint16_t)to;
	} else {
		vec_push(v, ((struct stretch){ (uint16_t)from, (uint16_t)to, action }));
	}
}

static bool is_painted(const line_vec *line)
{
	return line->n == 1 && line->at[0].from == 0 && line->at[0].to == UINT16_MAX;
}

static void swap(line_vec *a, line_vec *b)
{
	line_vec c = *a;

	*a = *b;
	*b = c;
}

static void paint_line(struct painter *p, line_vec *line, uint16_t from, uint16_t to,
                       uint8_t action)
{
	uint32_t at = from; /* first port of the claim that is not dealt with */

	if (is_painted(line)) {
		return;
	}
	vec_clear(&p->scratch);
	for (size_t i = 0; i < line->n; i++) {
		struct stretch s = line->at[i];

		if (at <= to && at < s.from) {
			append(&p->scratch, at, s.from <= to ? s.from - 1u : to, action);
		}
		append(&p->scratch, s.from, s.to, s.action);
		at = s.to >= at ? s.to + 1u : at;
	}
	if (at <= to) {
		append(&p->scratch, at, to, action);
	}
	swap(&p->scratch, line);
}

static void paint(struct painter *p, struct profile *to, const struct policy_claim *c)
{
	for (int i = 0; i < LINES; i++) {
		if (c->proto == POLICY_PROTO_ANY || c->proto == protos[i]) {
			paint_line(p, &to->lines[i], c->from, c->to, c->action);
		}
	}
}

/* What the tier passed on is for the next to decide. */
static void end_tier(struct profile *to)
{
	for (int i = 0; i < LINES; i++) {
		size_t n = 0;

		for (size_t k = 0; k < to->lines[i].n; k++) {
			if (to->lines[i].at[k].action != POLICY_PASS) {
				to->lines[i].at[n++] = to->lines[i].at[k];
			}
		}
		to->lines[i].n = n;
	}
}

/* Both lists sorted by rank. */
static void paint_all(struct painter *p, struct profile *to, const struct policy_claim *own,
                      size_t n_own, const struct policy_claim *any, size_t n_any)
{
	static const struct policy_claim rest = { .to = UINT16_MAX, .action = POLICY_DENY };
	uint32_t tier = 0;
	size_t i = 0, k = 0;

	for (int line = 0; line < LINES; line++) {
		vec_clear(&to->lines[line]);
	}
	while (i < n_own || k < n_any) {
		bool take_own = i < n_own && (k == n_any || own[i].rank <= any[k].rank);
		const struct policy_claim *c = take_own ? &own[i++] : &any[k++];

		if (c->rank >> RANK_TIER_SHIFT != tier) {
			end_tier(to);
			tier = c->rank >> RANK_TIER_SHIFT;
		}
		paint(p, to, c);
	}
	end_tier(to);
	paint(p, to, &rest);
}

/* ---- rows ---- */

static void emit(row_vec *out, struct policy_row like, uint32_t from, uint32_t to, bool admits)
{
	struct policy_row *last = out->n ? &out->at[out->n - 1] : NULL;

	like.port_from = (uint16_t)from;
	like.port_to = (uint16_t)to;
	like.admits = admits;
	if (last && last->subject == like.subject && last->peer == like.peer &&
	    last->proto == like.proto && last->admits == admits && last->port_to + 1u == from) {
		last->port_to = (uint16_t)to;
	} else {
		vec_push(out, like);
	}
}

/* Where two lines, both painted from end to end, differ; without the second: where the first
 * admits. */
static void emit_line(row_vec *out, struct policy_row like, const line_vec *line,
                      const line_vec *base)
{
	static const struct stretch denied = { 0, UINT16_MAX, POLICY_DENY };
	size_t i = 0, k = 0;

	for (uint32_t at = 0; at <= UINT16_MAX;) {
		const struct stretch *a = &line->at[i], *b = base ? &base->at[k] : &denied;
		uint32_t to = a->to < b->to ? a->to : b->to;

		if (a->action != b->action) {
			emit(out, like, at, to, a->action == POLICY_ALLOW);
		}
		at = to + 1;
		i += a->to == to;
		k += b->to == to;
	}
}

/* Rows of all four lines, each one whole line with one verdict, are one row. */
static void fold(row_vec *out, size_t start)
{
	if (out->n - start != LINES) {
		return;
	}
	for (size_t i = start; i < out->n; i++) {
		const struct policy_row *r = &out->at[i];

		if (r->port_from != 0 || r->port_to != UINT16_MAX ||
		    r->admits != out->at[start].admits || r->proto != protos[i - start]) {
			return;
		}
	}
	out->at[start].proto = POLICY_PROTO_ANY;
	out->n = start + 1;
}

static void emit_profile(row_vec *out, uint32_t subject, uint32_t peer, const struct profile *p,
                         const struct profile *base)
{
	size_t start = out->n;

	for (int i = 0; i < LINES; i++) {
		struct policy_row like = { .subject = subject, .peer = peer, .proto = protos[i] };

		emit_line(out, like, &p->lines[i], base ? &base->lines[i] : NULL);
	}
	fold(out, start);
}

void rows_of_claims(uint32_t subject, claim_vec *claims, row_vec *out)
{
	struct painter p = { 0 };
	const struct policy_claim *all = claims->at;
	size_t any;

	if (claims->n) {
		qsort(claims->at, claims->n, sizeof(*claims->at), by_peer_and_rank);
	}
	for (any = claims->n; any > 0 && all[any - 1].peer == POLICY_PEER_ANY; any--) {
	}
	paint_all(&p, &p.base, NULL, 0, all + any, claims->n - any);
	for (size_t i = 0, n; i < any; i += n) {
		for (n = 1; i + n < any && all[i + n].peer == all[i].peer; n++) {
		}
		paint_all(&p, &p.own, all + i, n, all + any, claims->n - any);
		emit_profile(out, subject, all[i].peer, &p.own, &p.base);
	}
	emit_profile(out, subject, POLICY_PEER_ANY, &p.base, NULL);
	vec_fini(&p.scratch);
	for (int i = 0; i < LINES; i++) {
		vec_fini(&p.base.lines[i]);
		vec_fini(&p.own.lines[i]);
	}
}
