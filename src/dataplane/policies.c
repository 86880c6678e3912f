/* Why: the policy table (model/policy-table.h) as set elements, and the generation that says
 * whether flows judged before may still be believed. */
#include <arpa/inet.h>

#include "base/chance.h"
#include "dataplane/dataplane-priv.h"
#include "model/policy-table.h"

static const struct {
	enum node_set isolated, rows, denied, any;
} sets[POLICY_DIRECTIONS] = {
	[POLICY_INGRESS] = { SET_ISOLATED_INGRESS, SET_ROWS_INGRESS, SET_DENIED_INGRESS,
	                     SET_ANY_INGRESS },
	[POLICY_EGRESS] = { SET_ISOLATED_EGRESS, SET_ROWS_EGRESS, SET_DENIED_EGRESS,
	                    SET_ANY_EGRESS },
};

static bool put(struct dataplane *d, enum node_set set, const void *key, size_t size,
                const void *value)
{
	struct mirror_key k = key_of(key, size);

	return mirror_put(&d->mirrors[set], &k, value, d);
}

/* ---- pods ---- */

/* True when an address that had a class has another or none now: flows judged by it are to be
 * judged again. */
static bool plan_pods(struct dataplane *d, const struct policy_table *t)
{
	bool others = false;

	mirror_begin_all(&d->mirrors[SET_PODS]);
	mirror_begin_all(&d->mirrors[SET_SAME]);
	for (size_t i = 0; i < t->n_pods; i++) {
		const struct policy_pod *pod = &t->pods[i];
		struct mirror_key k = key_of(pod->ip.bytes, 4);
		const uint32_t *had = mirror_wanted(&d->mirrors[SET_PODS], &k);
		uint8_t twice[8];

		if (pod->ip.family != IP_V4) {
			continue;
		}
		others |= had && *had != pod->class_id;
		put(d, SET_PODS, pod->ip.bytes, 4, &pod->class_id);
		memcpy(twice, pod->ip.bytes, 4);
		memcpy(twice + 4, pod->ip.bytes, 4);
		put(d, SET_SAME, twice, sizeof(twice), NULL);
	}
	others |= mirror_end_all(&d->mirrors[SET_PODS]);
	(void)mirror_end_all(&d->mirrors[SET_SAME]);
	return others;
}

/* ---- rules ---- */

static bool plan_blocks(struct dataplane *d, const struct policy_table *t)
{
	bool changes = false;

	mirror_begin_all(&d->mirrors[SET_BLOCKS]);
	for (size_t i = 0; i < t->n_blocks; i++) {
		const struct policy_block *b = &t->blocks[i];
		struct {
			uint8_t from[4], proto_from[4], to[4], proto_to[4];
		} range = { .proto_to = { 255 } };

		if (b->from.family != IP_V4) {
			continue;
		}
		memcpy(range.from, b->from.bytes, 4);
		memcpy(range.to, b->to.bytes, 4);
		changes |= put(d, SET_BLOCKS, &range, sizeof(range), &b->class_id);
	}
	return mirror_end_all(&d->mirrors[SET_BLOCKS]) || changes;
}

static bool plan_isolated(struct dataplane *d, const struct policy_table *t,
                          enum policy_direction dir)
{
	struct mirror *m = &d->mirrors[sets[dir].isolated];
	bool changes = false;

	mirror_begin_all(m);
	for (size_t i = 0; i < t->n_isolated[dir]; i++) {
		changes |= put(d, sets[dir].isolated, &t->isolated[dir][i].class_id, 4, NULL);
	}
	return mirror_end_all(m) || changes;
}

/* Protocol and port of a row, one end of its range. */
struct row_end {
	uint8_t proto, pad[3];
	uint16_t port_be, pad2;
};

static bool put_any_row(struct dataplane *d, enum node_set set, const struct policy_row *row,
                        uint8_t proto_from, uint8_t proto_to)
{
	struct {
		uint32_t subject;
		struct row_end end;
	} range[2] = { { row->subject, { proto_from, { 0 }, htons(row->port_from), 0 } },
		       { row->subject, { proto_to, { 0 }, htons(row->port_to), 0 } } };

	return put(d, set, range, sizeof(range), NULL);
}

static bool put_row(struct dataplane *d, enum node_set set, const struct policy_row *row,
                    uint8_t proto_from, uint8_t proto_to)
{
	struct {
		uint32_t subject, peer;
		struct row_end end;
	} range[2] = { { row->subject, row->peer, { proto_from, { 0 }, htons(row->port_from), 0 } },
		       { row->subject, row->peer, { proto_to, { 0 }, htons(row->port_to), 0 } } };

	return put(d, set, range, sizeof(range), NULL);
}

/* Protocols of a row as the kernel knows them: ranges of numbers. */
static const struct proto_range {
	uint8_t from, to;
} others[] = { { 0, PROTO_TCP - 1 },
	       { PROTO_TCP + 1, PROTO_UDP - 1 },
	       { PROTO_UDP + 1, PROTO_SCTP - 1 },
	       { PROTO_SCTP + 1, UINT8_MAX } };

static bool plan_row(struct dataplane *d, enum policy_direction dir, const struct policy_row *row)
{
	const struct proto_range all = { 0, UINT8_MAX }, one = { row->proto, row->proto };
	const struct proto_range *range = row->proto == POLICY_PROTO_OTHERS ? others
	                                  : row->proto == POLICY_PROTO_ANY  ? &all
	                                                                    : &one;
	size_t n = row->proto == POLICY_PROTO_OTHERS ? ARRAY_SIZE(others) : 1;
	bool changes = false;

	for (size_t i = 0; i < n; i++) {
		changes |= row->peer == POLICY_PEER_ANY
		                   ? put_any_row(d, sets[dir].any, row, range[i].from, range[i].to)
		                   : put_row(d, row->admits ? sets[dir].rows : sets[dir].denied,
		                             row, range[i].from, range[i].to);
	}
	return changes;
}

static bool plan_rows(struct dataplane *d, const struct policy_table *t, enum policy_direction dir)
{
	const enum node_set all[] = { sets[dir].rows, sets[dir].denied, sets[dir].any };
	bool changes = false;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		mirror_begin_all(&d->mirrors[all[i]]);
	}
	for (size_t i = 0; i < t->n_rows[dir]; i++) {
		changes |= plan_row(d, dir, &t->rows[dir][i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		changes |= mirror_end_all(&d->mirrors[all[i]]);
	}
	return changes;
}

static bool plan_rules(struct dataplane *d, const struct policy_table *t)
{
	bool changes = plan_blocks(d, t);

	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		changes |= plan_isolated(d, t, dir);
		changes |= plan_rows(d, t, dir);
	}
	return changes;
}

/* ---- generation ---- */

static const uint32_t generation_key;

static void unsettle(struct dataplane *d)
{
	mirror_begin_all(&d->mirrors[SET_SETTLED]);
	mirror_begin_all(&d->mirrors[SET_GENERATION]);
	(void)mirror_end_all(&d->mirrors[SET_SETTLED]);
	(void)mirror_end_all(&d->mirrors[SET_GENERATION]);
	d->unsettled = true;
}

void policies_settle(struct dataplane *d)
{
	/* Never 0, and never what an earlier run of this program chose. */
	uint32_t generation = chance_u32() | 1u << 31;

	put(d, SET_SETTLED, &generation, sizeof(generation), NULL);
	put(d, SET_GENERATION, &generation_key, sizeof(generation_key), &generation);
	d->unsettled = false;
}

static bool policies_differ(const struct dataplane *d)
{
	for (int i = SET_BLOCKS; i <= SET_ANY_EGRESS; i++) {
		if (mirror_is_dirty(&d->mirrors[i])) {
			return true;
		}
	}
	return false;
}

struct differing {
	struct dataplane *d;
	bool any;
};

static void compare_class(void *arg, const struct mirror_key *k, const void *value)
{
	struct differing *differing = arg;
	const void *wanted = mirror_wanted(&differing->d->mirrors[SET_PODS], k);

	differing->any |= !wanted || memcmp(wanted, value, 4) != 0;
}

/* What the kernel has, by which flows were judged, is what we would judge by. */
static bool judged_alike(struct dataplane *d)
{
	struct differing pods = { d, false };

	mirror_each_in_kernel(&d->mirrors[SET_PODS], compare_class, &pods);
	return !pods.any && !policies_differ(d);
}

/* After a restart the kernel's generation stays, unless flows are to be judged again. */
static void adopt_generation(struct dataplane *d, bool again)
{
	struct mirror_key k = key_of(&generation_key, sizeof(generation_key)), settled;
	const void *generation = mirror_in_kernel(&d->mirrors[SET_GENERATION], &k);

	if (!generation || again) {
		unsettle(d);
		return;
	}
	settled = key_of(generation, 4);
	if (!mirror_in_kernel(&d->mirrors[SET_SETTLED], &settled)) {
		unsettle(d);
		return;
	}
	put(d, SET_GENERATION, k.bytes, 4, generation);
	put(d, SET_SETTLED, settled.bytes, 4, NULL);
	d->unsettled = false;
}

void policies_plan(struct dataplane *d, bool reread)
{
	const struct policy_table *t = policy_table_of(d->config.model);
	bool all = !d->knows_all, again = false;

	/* At first everything is a new wish; what matters is how the kernel differs, which is
	 * looked at below. */
	if (all || t->pods_version != d->pods_version) {
		again |= plan_pods(d, t);
	}
	if (all || t->rules_version != d->rules_version) {
		again |= plan_rules(d, t);
	}
	again = again && !all;
	d->pods_version = t->pods_version;
	d->rules_version = t->rules_version;
	if (reread) {
		for (int i = SET_PODS; i <= SET_ANY_EGRESS; i++) {
			mirror_forget_unwanted(&d->mirrors[i]);
		}
		again |= !judged_alike(d);
	}
	if (all) {
		adopt_generation(d, again);
	} else if (again) {
		unsettle(d);
	}
}
