/* Why: a mistake is half repaired when the finding says what was meant; see nearest.h. */
#include "analyse/nearest.h"

#include "analyse/limits.h"
#include "base/mem.h"

enum { NAME_MAX_LEN = 253 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned edit_distance(struct slice a, struct slice b, unsigned max)
{
	unsigned rows[3][NAME_MAX_LEN + 1], *before = rows[0], *last = rows[1], *now = rows[2];

	if (a.len > NAME_MAX_LEN || b.len > NAME_MAX_LEN ||
	    (a.len > b.len ? a.len - b.len : b.len - a.len) > max) {
		return max + 1;
	}
	for (size_t j = 0; j <= b.len; j++) {
		last[j] = (unsigned)j;
	}
	for (size_t i = 1; i <= a.len; i++) {
		unsigned *recycled = before, best = now[0] = (unsigned)i;

		for (size_t j = 1; j <= b.len; j++) {
			now[j] = least(least(last[j], now[j - 1]) + 1,
			               last[j - 1] + (a.p[i - 1] != b.p[j - 1]));
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] &&
			    a.p[i - 2] == b.p[j - 1]) {
				now[j] = least(now[j], before[j - 2] + 1);
			}
			best = least(best, now[j]);
		}
		if (best > max) {
			return max + 1;
		}
		before = last;
		last = now;
		now = recycled;
	}
	return least(last[b.len], max + 1);
}

/* Is one word the other with something in front or behind: "backend" and "shop-backend"? */
static bool is_part(struct slice a, struct slice b)
{
	struct slice less = a.len < b.len ? a : b, more = a.len < b.len ? b : a;

	return less.len >= 3 && less.len < more.len &&
	       ((slice_has_suffix(more, less) && more.p[more.len - less.len - 1] == '-') ||
	        (slice_has_prefix(more, less) && more.p[less.len] == '-'));
}

/* 0: the same; the more the farther; UINT_MAX: not meant. */
static unsigned farness(struct slice a, struct slice b)
{
	unsigned max = a.len < 4 ? 1 : a.len < 8 ? 2 : 3, d = edit_distance(a, b, max);

	return d <= max ? d : is_part(a, b) ? max + 1 : ~0U;
}

const struct object *nearest_object(const struct subject *s, enum object_kind id, struct slice ns,
                                    struct slice name)
{
	const struct object *best = NULL;
	unsigned best_d = ~0U, looked = 0;

	object_each_in(s, id, ns, o)
	{
		unsigned d = looked++ < ANALYSE_NEAREST_MAX ? farness(name, o->name) : 0;

		if (d && d < best_d) {
			best = o;
			best_d = d;
		}
	}
	return best;
}

/* ---- labels ---- */

void labels_text(struct strbuf *out, const struct val *labels)
{
	bool first = true;

	val_for_each (labels, it) {
		strbuf_addf(out, "%s" SLICE_FMT "=" SLICE_FMT, first ? "" : ", ",
		            SLICE_ARG(it->key), SLICE_ARG(val_str(it)));
		first = false;
	}
	if (first) {
		strbuf_adds(out, "no labels");
	}
}

bool labels_have(const struct val *labels, const struct val *pairs)
{
	val_for_each (pairs, it) {
		const struct val *own = val_get_slice(labels, it->key);

		if (!own || !slice_eq(val_str(own), val_str(it))) {
			return false;
		}
	}
	return true;
}

/* The cost of taking these labels for the wanted ones, and what to say about it. */
static unsigned compare(struct near_labels *ret, const struct val *labels, const struct val *pairs)
{
	unsigned cost = 0;

	*ret = (struct near_labels){ 0 };
	val_for_each (pairs, it) {
		const struct val *has = val_get_slice(labels, it->key), *other = NULL;
		unsigned d;

		if (has && slice_eq(val_str(has), val_str(it))) {
			continue;
		}
		val_for_each (labels, l) {
			if (!has && slice_eq(val_str(l), val_str(it))) {
				other = l;
			}
		}
		d = has ? farness(val_str(it), val_str(has)) : ~0U;
		cost += has ? (d < 8 ? d + 1 : 12) : other ? 4 : 8;
		if (!ret->n_wrong++) {
			ret->wanted = it;
			ret->has = has ? has : other;
			ret->key_differs = !has && other;
		}
	}
	return cost;
}

struct near_labels nearest_labels(const struct space *space, const struct val *pairs)
{
	struct near_labels best = { 0 };
	unsigned best_cost = (unsigned)val_len(pairs) * 8; /* nothing in common is not near */

	for (size_t i = 0; i < space->classes.n && i < ANALYSE_NEAREST_MAX; i++) {
		struct near_labels now;
		unsigned cost = compare(&now, space->classes.at[i]->labels, pairs);

		if (cost < best_cost) {
			best = now;
			best.workload = space->classes.at[i]->workloads.at[0];
			best_cost = cost;
		}
	}
	return best;
}
