/* Why: the policy table (model/policy-table.h) as set elements, and the generation that says
 * whether flows judged before may still be believed. */
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

static bool put(struct stack *s, enum node_set set, const struct set_key *key, const void *value)
{
	struct mirror_key k = key_of(key->bytes, key->size);

	return mirror_put(&s->mirrors[set], &k, value, s);
}

static struct set_key mark_key(uint32_t mark)
{
	struct set_key k = { 0 };

	set_key_mark(&k, mark);
	return k;
}

/* ---- pods ---- */

/* True when an address that had a class has another or none now: flows judged by it are to be
 * judged again. */
static bool plan_pods(struct stack *s, const struct policy_table *t)
{
	bool others = false;

	mirror_begin_all(&s->mirrors[SET_PODS]);
	mirror_begin_all(&s->mirrors[SET_SAME]);
	for (size_t i = 0; i < t->n_pods; i++) {
		const struct policy_pod *pod = &t->pods[i];
		struct set_key once = { 0 }, twice = { 0 };
		const uint32_t *had;
		struct mirror_key k;

		if (pod->ip.family != s->family) {
			continue;
		}
		set_key_ip(&once, pod->ip);
		set_key_ip(&twice, pod->ip);
		set_key_ip(&twice, pod->ip);
		k = key_of(once.bytes, once.size);
		had = mirror_wanted(&s->mirrors[SET_PODS], &k);
		others |= had && *had != pod->class_id;
		put(s, SET_PODS, &once, &pod->class_id);
		put(s, SET_SAME, &twice, NULL);
	}
	others |= mirror_end_all(&s->mirrors[SET_PODS]);
	(void)mirror_end_all(&s->mirrors[SET_SAME]);
	return others;
}

/* ---- rules ---- */

static bool plan_blocks(struct stack *s, const struct policy_table *t)
{
	bool changes = false;

	mirror_begin_all(&s->mirrors[SET_BLOCKS]);
	for (size_t i = 0; i < t->n_blocks; i++) {
		const struct policy_block *b = &t->blocks[i];
		struct set_key range = { 0 };

		if (b->from.family != s->family) {
			continue;
		}
		set_key_ip(&range, b->from);
		set_key_proto(&range, 0);
		set_key_ip(&range, b->to);
		set_key_proto(&range, 255);
		changes |= put(s, SET_BLOCKS, &range, &b->class_id);
	}
	return mirror_end_all(&s->mirrors[SET_BLOCKS]) || changes;
}

static bool plan_isolated(struct stack *s, const struct policy_table *t, enum policy_direction dir)
{
	struct mirror *m = &s->mirrors[sets[dir].isolated];
	bool changes = false;

	mirror_begin_all(m);
	for (size_t i = 0; i < t->n_isolated[dir]; i++) {
		struct set_key k = mark_key(t->isolated[dir][i].class_id);

		changes |= put(s, sets[dir].isolated, &k, NULL);
	}
	return mirror_end_all(m) || changes;
}

/* One end of a row's range: the classes given (peer: unless any), protocol and port. */
static void add_row_end(struct set_key *k, const struct policy_row *row, uint8_t proto,
                        uint16_t port)
{
	set_key_mark(k, row->subject);
	if (row->peer != POLICY_PEER_ANY) {
		set_key_mark(k, row->peer);
	}
	set_key_proto(k, proto);
	set_key_port(k, port);
}

/* Protocols of a row as the kernel knows them: ranges of numbers. */
static const struct proto_range {
	uint8_t from, to;
} others[] = { { 0, PROTO_TCP - 1 },
	       { PROTO_TCP + 1, PROTO_UDP - 1 },
	       { PROTO_UDP + 1, PROTO_SCTP - 1 },
	       { PROTO_SCTP + 1, UINT8_MAX } };

static bool plan_row(struct stack *s, enum policy_direction dir, const struct policy_row *row)
{
	const struct proto_range all = { 0, UINT8_MAX }, one = { row->proto, row->proto };
	const struct proto_range *range = row->proto == POLICY_PROTO_OTHERS ? others
	                                  : row->proto == POLICY_PROTO_ANY  ? &all
	                                                                    : &one;
	size_t n = row->proto == POLICY_PROTO_OTHERS ? ARRAY_SIZE(others) : 1;
	enum node_set set = row->peer == POLICY_PEER_ANY ? sets[dir].any
	                    : row->admits                ? sets[dir].rows
	                                                 : sets[dir].denied;
	bool changes = false;

	for (size_t i = 0; i < n; i++) {
		struct set_key k = { 0 };

		add_row_end(&k, row, range[i].from, row->port_from);
		add_row_end(&k, row, range[i].to, row->port_to);
		changes |= put(s, set, &k, NULL);
	}
	return changes;
}

static bool plan_rows(struct stack *s, const struct policy_table *t, enum policy_direction dir)
{
	const enum node_set all[] = { sets[dir].rows, sets[dir].denied, sets[dir].any };
	bool changes = false;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		mirror_begin_all(&s->mirrors[all[i]]);
	}
	for (size_t i = 0; i < t->n_rows[dir]; i++) {
		changes |= plan_row(s, dir, &t->rows[dir][i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		changes |= mirror_end_all(&s->mirrors[all[i]]);
	}
	return changes;
}

static bool plan_rules(struct stack *s, const struct policy_table *t)
{
	bool changes = plan_blocks(s, t);

	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		changes |= plan_isolated(s, t, dir);
		changes |= plan_rows(s, t, dir);
	}
	return changes;
}

/* ---- generation ---- */

#define GENERATION_KEY 0

static void put_generation(struct stack *s, uint32_t generation)
{
	struct set_key key = mark_key(GENERATION_KEY), settled = mark_key(generation);

	put(s, SET_SETTLED, &settled, NULL);
	put(s, SET_GENERATION, &key, &generation);
	s->unsettled = false;
}

static void unsettle(struct stack *s)
{
	mirror_begin_all(&s->mirrors[SET_SETTLED]);
	mirror_begin_all(&s->mirrors[SET_GENERATION]);
	(void)mirror_end_all(&s->mirrors[SET_SETTLED]);
	(void)mirror_end_all(&s->mirrors[SET_GENERATION]);
	s->unsettled = true;
}

void policies_settle(struct stack *s)
{
	/* Never 0, and never what an earlier run of this program chose. */
	put_generation(s, chance_u32() | 1u << 31);
}

static bool policies_differ(const struct stack *s)
{
	for (int i = SET_BLOCKS; i <= SET_ANY_EGRESS; i++) {
		if (mirror_is_dirty(&s->mirrors[i])) {
			return true;
		}
	}
	return false;
}

struct differing {
	struct stack *s;
	bool any;
};

static void compare_class(void *arg, const struct mirror_key *k, const void *value)
{
	struct differing *differing = arg;
	const void *wanted = mirror_wanted(&differing->s->mirrors[SET_PODS], k);

	differing->any |= !wanted || memcmp(wanted, value, 4) != 0;
}

/* What the kernel has, by which flows were judged, is what we would judge by. */
static bool judged_alike(struct stack *s)
{
	struct differing pods = { s, false };

	mirror_each_in_kernel(&s->mirrors[SET_PODS], compare_class, &pods);
	return !pods.any && !policies_differ(s);
}

/* After a restart the kernel's generation stays, unless flows are to be judged again. */
static void adopt_generation(struct stack *s, bool again)
{
	struct mirror_key k = key_of(&(uint32_t){ GENERATION_KEY }, 4), settled;
	const uint32_t *generation = mirror_in_kernel(&s->mirrors[SET_GENERATION], &k);

	if (!generation || again) {
		unsettle(s);
		return;
	}
	settled = key_of(generation, 4);
	if (!mirror_in_kernel(&s->mirrors[SET_SETTLED], &settled)) {
		unsettle(s);
		return;
	}
	put_generation(s, *generation);
}

void policies_plan(struct stack *s, bool reread)
{
	const struct policy_table *t = policy_table_of(s->d->config.model);
	bool all = !s->knows_all, again = false;

	/* At first everything is a new wish; what matters is how the kernel differs, which is
	 * looked at below. */
	if (all || t->pods_version != s->pods_version) {
		again |= plan_pods(s, t);
	}
	if (all || t->rules_version != s->rules_version) {
		again |= plan_rules(s, t);
	}
	again = again && !all;
	s->pods_version = t->pods_version;
	s->rules_version = t->rules_version;
	if (reread) {
		for (int i = SET_PODS; i <= SET_ANY_EGRESS; i++) {
			mirror_forget_unwanted(&s->mirrors[i]);
		}
		again |= !judged_alike(s);
	}
	if (all) {
		adopt_generation(s, again);
	} else if (again) {
		unsettle(s);
	}
}
