/* Why: a reviewer wants to know which line of the change opened a flow; see diff.h. The sides of a
 * flow are looked at apart: only an object that the changed side depends on is named. */
#include "analyse/diff-priv.h"

#include <stdlib.h>

#include "analyse/mesh-flow.h"
#include "analyse/policies.h"
#include "base/mem.h"

enum {
	LOOKED_AT_MAX = 50
}; /* workloads of one joint whose labels are compared: the first are as good as all */

typedef VEC(uint32_t) id_vec;

/* ---- what selectors speak of ---- */

static void add_selector_keys(struct map *keys, const struct val *selector)
{
	val_for_each (val_get(selector, "matchLabels"), it) {
		map_set(keys, it->key, keys);
	}
	val_for_each (val_get(selector, "matchExpressions"), it) {
		map_set(keys, val_get_str(it, "key"), keys);
	}
}

static void add_keys_of_rules(struct map *keys, const struct val *rules, const char *peers)
{
	val_for_each (rules, rule) {
		val_for_each (val_get(rule, peers), peer) {
			add_selector_keys(keys, val_get(peer, "podSelector"));
			add_selector_keys(keys, val_get(peer, "namespaceSelector"));
		}
	}
}

static void add_cluster_keys(struct map *keys, const struct val *pods)
{
	add_selector_keys(keys, val_get(pods, "namespaces"));
	add_selector_keys(keys, val_path(pods, "pods.namespaceSelector"));
	add_selector_keys(keys, val_path(pods, "pods.podSelector"));
}

static void add_keys_of_cluster_rules(struct map *keys, const struct object *policy,
                                      enum policy_direction dir)
{
	val_for_each (netpol_rules(policy, dir), rule) {
		val_for_each (netpol_peers(rule, dir), peer) {
			add_cluster_keys(keys, peer);
		}
	}
}

static void collect_cluster_keys(struct causes *c, const struct subject *s)
{
	static const enum object_kind kinds[] = { OBJECT_ADMINPOLICY, OBJECT_BASELINEPOLICY,
		                                  OBJECT_CLUSTERPOLICY };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		object_each(s, kinds[i], o)
		{
			add_cluster_keys(&c->selector_keys, val_get(object_spec(o), "subject"));
			add_keys_of_cluster_rules(&c->selector_keys, o, POLICY_INGRESS);
			add_keys_of_cluster_rules(&c->selector_keys, o, POLICY_EGRESS);
		}
	}
}

static void collect_keys(struct causes *c)
{
	for (int side = 0; side < 2; side++) {
		collect_cluster_keys(c, c->sides[side]->subject);
		object_each(c->sides[side]->subject, OBJECT_NETWORKPOLICY, o)
		{
			const struct val *spec = object_spec(o);

			add_selector_keys(&c->selector_keys, val_get(spec, "podSelector"));
			add_keys_of_rules(&c->selector_keys, val_get(spec, "ingress"), "from");
			add_keys_of_rules(&c->selector_keys, val_get(spec, "egress"), "to");
		}
	}
}

/* Is a label other than before, of those that selectors speak of? */
static bool one_way_differs(const struct causes *c, const struct val *a, const struct val *b)
{
	val_for_each (a, it) {
		if (map_has(&c->selector_keys, it->key) && !val_eq(it, val_get_slice(b, it->key))) {
			return true;
		}
	}
	return false;
}

static bool labels_differ(const struct causes *c, const struct val *a, const struct val *b)
{
	return one_way_differs(c, a, b) || one_way_differs(c, b, a);
}

/* ---- texts ---- */

static const char *object_title(struct causes *c, const struct object *o, const char *what)
{
	scoped_strbuf struct strbuf b = { 0 };

	strbuf_add_slice(&b, o->kind);
	strbuf_addc(&b, ' ');
	if (o->ns.len) {
		strbuf_addf(&b, SLICE_FMT "/", SLICE_ARG(o->ns));
	}
	strbuf_addf(&b, SLICE_FMT " %s", SLICE_ARG(o->name), what);
	if (o->file && o->v->line) {
		strbuf_addf(&b, " (%s:%u)", o->file, o->v->line);
	}
	return arena_strdup(&c->d->arena, strbuf_str(&b));
}

static void blame(struct causes *c, id_vec *ids, const struct object *was, const struct object *is,
                  const char *what)
{
	const void *const parts[] = { was, is, what };
	struct slice key = { (const char *)parts, sizeof(parts) };
	uintptr_t id = (uintptr_t)map_find(&c->blamed, key);

	if (!id) {
		const char *text = object_title(c, is ? is : was,
		                                !was  ? "is added"
		                                : !is ? "is removed"
		                                      : what);

		id = (uintptr_t)map_find(&c->text_ids, slice_of(text));
		if (!id) {
			vec_push(&c->texts, text);
			id = c->texts.n;
			map_set(&c->text_ids, slice_of(text), (void *)id);
		}
		map_set(&c->blamed, key, (void *)id);
	}
	vec_push(ids, (uint32_t)id - 1);
}

/* ---- who ---- */

/* Policies that isolate the end on either side and are not as before. */
static void blame_policies(struct causes *c, enum policy_direction dir, const struct joint *subject,
                           id_vec *ids)
{
	for (int side = 0; side < 2; side++) {
		uint32_t end = side ? subject->after : subject->before;
		const struct policy_isolated *by =
			end == DIFF_NOBODY ? NULL
					   : matrix_isolation(c->sides[side]->matrix, dir, end);

		for (size_t i = 0; by && i < by->n_policies; i++) {
			const struct object *was = policy_object(c->sides[0]->subject,
			                                         by->policies[i]),
					    *is = policy_object(c->sides[1]->subject,
			                                        by->policies[i]);

			if (!was || !is || !val_eq(object_spec(was), object_spec(is))) {
				blame(c, ids, was, is, "changed");
			}
		}
	}
}

static void blame_labels(struct causes *c, const struct joint *j, bool also_namespace, id_vec *ids)
{
	for (size_t i = 0; i < j->workloads.n && i < LOOKED_AT_MAX; i++) {
		const struct workload *was = j->workloads.at[i].was, *is = j->workloads.at[i].is;
		const struct space *old = was ? was->space : NULL, *new = is ? is->space : NULL;

		if (!was || !is) {
			continue;
		}
		if (labels_differ(c, was->labels, is->labels)) {
			blame(c, ids, was->object, is->object, "has other labels");
		}
		if (also_namespace && labels_differ(c, old->labels, new->labels) &&
		    (old->object || new->object)) {
			blame(c, ids, old->object, new->object, "has other labels");
		}
	}
}

static const struct val *ports_of_container(const struct val *container)
{
	return val_get(container, "ports");
}

/* A policy may name a port: then the container's number counts. */
static bool declares_other_ports(const struct workload *a, const struct workload *b)
{
	const struct val *x = val_first(val_get(a->spec, "containers")),
			 *y = val_first(val_get(b->spec, "containers"));

	for (; x && y; x = x->next, y = y->next) {
		const struct val *p = ports_of_container(x), *q = ports_of_container(y);

		if ((p || q) && !(p && q && val_eq(p, q))) {
			return true;
		}
	}
	return x || y;
}

static void blame_ports(struct causes *c, const struct joint *to, id_vec *ids)
{
	for (size_t i = 0; i < to->workloads.n && i < LOOKED_AT_MAX; i++) {
		const struct twin *t = &to->workloads.at[i];

		if (t->was && t->is && declares_other_ports(t->was, t->is)) {
			blame(c, ids, t->was->object, t->is->object, "has other container ports");
		}
	}
}

static void blame_services_of(struct causes *c, int side, const struct workload *w, id_vec *ids)
{
	const struct svc_list *list = subject_services_of(c->sides[side]->subject, w);

	for (size_t i = 0; list && i < list->at.n; i++) {
		const struct object *o = list->at.at[i]->object;
		const struct object *was = subject_find(c->sides[0]->subject, OBJECT_SERVICE, o->ns,
		                                        o->name),
				    *is = subject_find(c->sides[1]->subject, OBJECT_SERVICE, o->ns,
		                                       o->name);

		if (!was || !is || !val_eq(object_spec(was), object_spec(is)) ||
		    !val_eq(val_path(was->v, "metadata.annotations"),
		            val_path(is->v, "metadata.annotations"))) {
			blame(c, ids, was, is, "changed");
		}
	}
}

static void blame_services(struct causes *c, const struct joint *to, id_vec *ids)
{
	for (size_t i = 0; i < to->workloads.n && i < LOOKED_AT_MAX; i++) {
		const struct twin *t = &to->workloads.at[i];

		if (t->was) {
			blame_services_of(c, 0, t->was, ids);
		}
		if (t->is) {
			blame_services_of(c, 1, t->is, ids);
		}
	}
}

/* Objects of the mesh that decide about connections to these pods and are not as before. */
struct mesh_blame {
	struct causes *c;
	id_vec *ids;
};

static void blame_decider(void *arg, const struct object *o)
{
	const struct mesh_blame *b = arg;
	const struct object *was = subject_find(b->c->sides[0]->subject, o->id, o->ns, o->name),
			    *is = subject_find(b->c->sides[1]->subject, o->id, o->ns, o->name);

	if (!was || !is || !val_eq(object_spec(was), object_spec(is))) {
		blame(b->c, b->ids, was, is, "changed");
	}
}

static void blame_mesh(struct causes *c, const struct joint *to, id_vec *ids)
{
	struct mesh_blame b = { c, ids };

	for (size_t i = 0; i < to->workloads.n && i < LOOKED_AT_MAX; i++) {
		const struct twin *t = &to->workloads.at[i];

		if (t->was) {
			mesh_each_decider(c->sides[0]->subject, t->was, blame_decider, &b);
		}
		if (t->is) {
			mesh_each_decider(c->sides[1]->subject, t->is, blame_decider, &b);
		}
	}
}

static bool came_or_went(const struct joint *j)
{
	return j->before == DIFF_NOBODY || j->after == DIFF_NOBODY;
}

static void blame_members(struct causes *c, const struct joint *j, id_vec *ids)
{
	for (size_t i = 0; i < j->workloads.n && came_or_went(j); i++) {
		const struct twin *t = &j->workloads.at[i];
		const struct object *o = t->is ? t->is->object : t->was->object;

		blame(c, ids, j->before == DIFF_NOBODY ? NULL : o,
		      j->after == DIFF_NOBODY ? NULL : o, "");
	}
}

static bool side_changed(const struct causes *c, enum policy_direction dir,
                         const struct joint *from, const struct joint *to)
{
	return matrix_side(c->sides[0]->matrix, dir, from->before, to->before) !=
	       matrix_side(c->sides[1]->matrix, dir, from->after, to->after);
}

static bool is_internet(const struct causes *c, const struct joint *j)
{
	size_t n;

	return matrix_ends(c->sides[1]->matrix, &n)[j->after].kind == MATRIX_INTERNET;
}

static void blame_sides(struct causes *c, const struct joint *from, const struct joint *to,
                        id_vec *ids)
{
	for (int d = 0; d < POLICY_DIRECTIONS; d++) {
		enum policy_direction dir = (enum policy_direction)d;
		const struct joint *subject = dir == POLICY_EGRESS ? from : to,
				   *peer = dir == POLICY_EGRESS ? to : from;

		if (!side_changed(c, dir, from, to)) {
			continue;
		}
		blame_policies(c, dir, subject, ids);
		blame_labels(c, subject, false, ids);
		blame_labels(c, peer, true, ids);
		blame_ports(c, to, ids);
	}
	blame_mesh(c, to, ids);
	if (is_internet(c, from)) {
		blame_services(c, to, ids);
		blame_labels(c, to, false, ids);
	}
}

/* ---- the answer ---- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void sort_once(id_vec *ids)
{
	size_t n = 0;

	if (ids->n) {
		qsort(ids->at, ids->n, sizeof(*ids->at), by_number);
	}
	for (size_t i = 0; i < ids->n; i++) {
		if (n == 0 || ids->at[n - 1] != ids->at[i]) {
			ids->at[n++] = ids->at[i];
		}
	}
	ids->n = n;
}

struct answer {
	const char **texts;
	size_t n;
	uint32_t id;
};

void causes_of(struct causes *c, const struct joint *from, const struct joint *to,
               struct diff_change *ret)
{
	id_vec ids = { 0 };
	struct answer *known;
	struct slice key;

	/* one of two newcomers is enough to name, or every pair of them would stand by itself */
	if (came_or_went(from)) {
		blame_members(c, from, &ids);
	} else if (came_or_went(to)) {
		blame_members(c, to, &ids);
	} else {
		blame_sides(c, from, to, &ids);
	}
	sort_once(&ids);
	key = (struct slice){ (const char *)ids.at, ids.n * sizeof(*ids.at) };
	known = map_find(&c->found, key);
	if (!known) {
		known = ARENA_NEW(&c->d->arena, struct answer);
		known->id = (uint32_t)c->found.n;
		known->n = ids.n;
		known->texts = ARENA_ARRAY(&c->d->arena, const char *, ids.n + 1);
		for (size_t i = 0; i < ids.n; i++) {
			known->texts[i] = c->texts.at[ids.at[i]];
		}
		map_set(&c->found, key, known);
	}
	ret->causes = known->texts;
	ret->n_causes = known->n;
	ret->cause_id = known->id;
	vec_fini(&ids);
}

void causes_init(struct causes *c, struct diff *d, const struct diff_side *before,
                 const struct diff_side *after)
{
	*c = (struct causes){ .d = d, .sides = { before, after } };
	collect_keys(c);
}

void causes_fini(struct causes *c)
{
	map_fini(&c->found);
	map_fini(&c->text_ids);
	map_fini(&c->blamed);
	map_fini(&c->selector_keys);
	vec_fini(&c->texts);
}
