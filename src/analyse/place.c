/* Why: commands and expectations name places in the same words; see place.h. */
#include "analyse/place.h"

#include <stdlib.h>

#include "analyse/nearest.h"
#include "base/mem.h"

struct seeker {
	struct arena *a;
	struct subject *s;
	const struct matrix *m;
	VEC(struct place_member) found;
	const struct val *at; /* the node being read; null: text alone */
};

/* ---- members ---- */

static void add_workload(struct seeker *k, uint32_t id, const struct svc *service)
{
	uint32_t end = matrix_end_of(k->m, id);

	if (end != UINT32_MAX) {
		vec_push(&k->found, ((struct place_member){ id, end, service }));
	}
}

static void add_outside(struct seeker *k, uint32_t end)
{
	vec_push(&k->found, ((struct place_member){ UINT32_MAX, end, NULL }));
}

/* kinds: bits of enum matrix_kind. */
static void add_kinds(struct seeker *k, unsigned kinds)
{
	size_t n;
	const struct matrix_end *ends = matrix_ends(k->m, &n);

	for (size_t i = 0; i < k->s->workloads.n && kinds >> MATRIX_PODS & 1u; i++) {
		if (!k->s->workloads.at[i]->host_network) {
			add_workload(k, (uint32_t)i, NULL);
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		if (ends[i].kind != MATRIX_PODS && kinds >> ends[i].kind & 1u) {
			add_outside(k, i);
		}
	}
}

/* A range means what is outside in it: pods and nodes are named as such, or by their one address. */
static void add_addresses(struct seeker *k, struct cidr_set set)
{
	struct arena a = { 0 };
	size_t n;
	const struct matrix_end *ends = matrix_ends(k->m, &n);
	bool is_one = set.n == 1 && ip_eq(set.at[0].from, set.at[0].to);

	for (size_t i = 0; i < k->s->workloads.n && is_one; i++) {
		if (cidr_has(set, k->s->workloads.at[i]->ip)) {
			add_workload(k, (uint32_t)i, NULL);
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		bool meant = ends[i].kind == MATRIX_RANGE || ends[i].kind == MATRIX_INTERNET ||
		             (ends[i].kind == MATRIX_NODE &&
		              (is_one || !cidr_minus(&a, set, ends[i].addresses).n));

		if (meant && cidr_intersect(&a, ends[i].addresses, set).n) {
			add_outside(k, i);
		}
	}
	arena_fini(&a);
}

static int by_member(const void *a, const void *b)
{
	const struct place_member *x = a, *y = b;

	if (x->workload != y->workload) {
		return x->workload < y->workload ? -1 : 1;
	}
	return x->end < y->end ? -1 : x->end > y->end;
}

static void finish(struct seeker *k, const char *text, struct place *ret)
{
	size_t n = 0;

	if (k->found.n) {
		qsort(k->found.at, k->found.n, sizeof(*k->found.at), by_member);
	}
	for (size_t i = 0; i < k->found.n; i++) {
		if (n == 0 || by_member(&k->found.at[n - 1], &k->found.at[i]) != 0) {
			k->found.at[n++] = k->found.at[i];
		}
	}
	*ret = (struct place){ arena_dup(k->a, k->found.at, n * sizeof(*k->found.at)), n, text };
	vec_fini(&k->found);
}

/* ---- names ---- */

struct guess { /* what was probably meant */
	struct slice ns, name;
	unsigned distance;
};

/* The right name in another namespace is near; so is a name with a mistake or two. */
static void consider(struct guess *g, struct slice ns, struct slice name, struct slice wanted_ns,
                     struct slice wanted)
{
	enum { MISTAKES_MAX = 2 };
	unsigned distance =
		edit_distance(wanted, name, MISTAKES_MAX) + (slice_eq(ns, wanted_ns) ? 0 : 1);

	if (distance <= MISTAKES_MAX && distance < g->distance) {
		*g = (struct guess){ ns, name, distance };
	}
}

static int not_found(const struct seeker *k, struct slice text, struct slice ns, struct slice name,
                     struct err *err)
{
	struct guess g = { .distance = UINT32_MAX };

	for (size_t i = 0; i < k->s->workloads.n; i++) {
		consider(&g, k->s->workloads.at[i]->ns, k->s->workloads.at[i]->name, ns, name);
	}
	for (size_t i = 0; i < k->s->services.n; i++) {
		consider(&g, k->s->services.at[i]->ns, k->s->services.at[i]->name, ns, name);
	}
	return err_raise(
		err, ERR_NOTFOUND,
		"there is no workload or Service '" SLICE_FMT "'%s" SLICE_FMT "%s" SLICE_FMT "%s",
		SLICE_ARG(slice_head(text, 80)), g.name.len ? "; did you mean " : "",
		SLICE_ARG(g.ns), g.name.len ? "/" : "", SLICE_ARG(g.name), g.name.len ? "?" : "");
}

static void add_service(struct seeker *k, const struct svc *x)
{
	for (size_t i = 0; i < x->n_pods; i++) {
		add_workload(k, x->pods[i]->id, x);
	}
}

static int find_workloads(struct seeker *k, struct slice kind, struct slice ns, struct slice name,
                          struct slice *first_ns, struct err *err)
{
	size_t before = k->found.n;

	for (size_t i = 0; i < k->s->workloads.n; i++) {
		const struct workload *w = k->s->workloads.at[i];

		if ((ns.len && !slice_eq(w->ns, ns)) ||
		    (!slice_is(name, "*") && !slice_eq(w->name, name)) ||
		    (kind.len && !slice_eq_nocase(w->object->kind, kind))) {
			continue;
		}
		if (!ns.len && k->found.n > before && !slice_eq(*first_ns, w->ns)) {
			return err_raise(err, ERR_SYNTAX,
			                 "'" SLICE_FMT "' is in namespace " SLICE_FMT
			                 " and in " SLICE_FMT ": write which",
			                 SLICE_ARG(name), SLICE_ARG(*first_ns), SLICE_ARG(w->ns));
		}
		*first_ns = w->ns;
		add_workload(k, w->id, NULL);
	}
	return 0;
}

static int find_services(struct seeker *k, struct slice ns, struct slice name, bool *ret_there,
                         struct err *err)
{
	const struct svc *found = NULL;

	for (size_t i = 0; i < k->s->services.n; i++) {
		const struct svc *x = k->s->services.at[i];

		if ((ns.len && !slice_eq(x->ns, ns)) || !slice_eq(x->name, name)) {
			continue;
		}
		if (found) {
			return err_raise(err, ERR_SYNTAX,
			                 "Service '" SLICE_FMT "' is in namespace " SLICE_FMT
			                 " and in " SLICE_FMT ": write which",
			                 SLICE_ARG(name), SLICE_ARG(found->ns), SLICE_ARG(x->ns));
		}
		found = x;
	}
	*ret_there = found;
	if (found) {
		add_service(k, found);
	}
	return 0;
}

/* "shop/web", "web", a star for the name; each with an optional kind in front. */
static int find_name(struct seeker *k, struct slice text, struct err *err)
{
	struct slice kind = { "", 0 }, ns = { "", 0 }, name = text, rest, first_ns = { "", 0 };
	size_t before = k->found.n;
	bool there = false;
	int r = 0;

	if (slice_cut(text, ' ', &kind, &rest)) {
		name = slice_trim(rest);
	} else {
		kind = (struct slice){ "", 0 };
	}
	if (slice_cut(name, '/', &ns, &rest)) {
		name = rest;
	} else {
		ns = (struct slice){ "", 0 };
	}
	if (!name.len || (slice_is(name, "*") && !ns.len) || slice_find(name, '/') >= 0) {
		return err_raise(err, ERR_SYNTAX,
		                 "'" SLICE_FMT
		                 "' is no place: NAMESPACE/NAME, NAMESPACE/*, an address "
		                 "range, internet, node, outside or everything",
		                 SLICE_ARG(slice_head(text, 60)));
	}
	if (!slice_eq_nocase(kind, SLICE("service"))) {
		r = find_workloads(k, kind, ns, name, &first_ns, err);
		there = k->found.n > before;
	}
	if (r == 0 && !there && (!kind.len || slice_eq_nocase(kind, SLICE("service")))) {
		r = find_services(k, ns, name, &there, err);
	}
	if (r == 0 && !there && slice_is(name, "*") && subject_space(k->s, ns)) {
		there = true; /* an empty namespace is a place of nobody */
	}
	return r == 0 && !there ? not_found(k, text, ns, name, err) : r;
}

enum {
	PODS = 1 << MATRIX_PODS,
	OUTSIDE = 1 << MATRIX_NODE | 1 << MATRIX_RANGE | 1 << MATRIX_INTERNET
};
static const struct {
	const char *word;
	unsigned kinds;
} words[] = {
	{ "everything", PODS | OUTSIDE },
	{ "every workload", PODS },
	{ "outside", OUTSIDE },
	{ "everything outside", OUTSIDE },
	{ "internet", 1 << MATRIX_INTERNET },
	{ "private networks", 1 << MATRIX_RANGE },
	{ "node", 1 << MATRIX_NODE },
};

/* "internet but 203.0.113.0/24": without the ends, found last, that lie in there altogether. */
static void drop_within(struct seeker *k, size_t from, struct cidr_set but)
{
	struct arena a = { 0 };
	size_t n, kept = from;
	const struct matrix_end *ends = matrix_ends(k->m, &n);

	for (size_t i = from; i < k->found.n; i++) {
		const struct place_member *x = &k->found.at[i];

		if (x->workload != UINT32_MAX || cidr_minus(&a, ends[x->end].addresses, but).n) {
			k->found.at[kept++] = *x;
		}
	}
	k->found.n = kept;
	arena_fini(&a);
}

static bool cut_but(struct slice text, struct slice *head, struct slice *tail)
{
	static const char but[] = " but ";

	for (size_t i = 0; i + sizeof(but) - 1 < text.len; i++) {
		if (memcmp(text.p + i, but, sizeof(but) - 1) == 0) {
			*head = slice_trim(slice_head(text, i));
			*tail = slice_trim(slice_from(text, i + sizeof(but) - 1));
			return true;
		}
	}
	return false;
}

static int find_text(struct seeker *k, struct slice text, struct err *err)
{
	size_t before = k->found.n;
	struct slice but = { 0 };
	struct cidr_set set;
	int r;

	text = slice_trim(text);
	if (cut_but(text, &text, &but)) {
		r = cidr_parse(k->a, but, &set, err);
		if (r < 0) {
			return r;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (slice_is(text, words[i].word)) {
			add_kinds(k, words[i].kinds);
			if (but.len) {
				drop_within(k, before, set);
			}
			return 0;
		}
	}
	if (but.len) {
		return err_raise(
			err, ERR_SYNTAX,
			"'but' goes with internet, private networks, outside or everything");
	}
	if (cidr_parse(k->a, text, &set, NULL) == 0) {
		add_addresses(k, set);
		return 0;
	}
	return find_name(k, text, err);
}

/* ---- labels ---- */

static bool has_labels(const struct val *labels, const struct val *wanted)
{
	val_for_each (wanted, it) {
		if (!slice_eq(val_str(val_get_slice(labels, it->key)), val_str(it)) ||
		    !val_get_slice(labels, it->key)) {
			return false;
		}
	}
	return true;
}

static int find_labelled(struct seeker *k, const struct val *v, struct err *err)
{
	struct slice ns = val_get_str(v, "namespace");
	const struct val *labels = val_get(v, "labels"),
			 *space_labels = val_get(v, "namespaceLabels");
	size_t before = k->found.n;

	val_for_each (v, it) {
		k->at = it;
		if (!slice_is(it->key, "namespace") && !slice_is(it->key, "labels") &&
		    !slice_is(it->key, "namespaceLabels")) {
			return err_raise(
				err, ERR_SYNTAX,
				"'" SLICE_FMT
				"' is no part of a place: namespace, namespaceLabels, labels",
				SLICE_ARG(slice_head(it->key, 60)));
		}
		if (it->type != (slice_is(it->key, "namespace") ? VAL_STRING : VAL_OBJECT)) {
			return err_raise(
				err, ERR_SYNTAX, "'" SLICE_FMT "' must be %s", SLICE_ARG(it->key),
				slice_is(it->key, "namespace") ? "a name" : "labels (key: value)");
		}
	}
	k->at = v;
	for (size_t i = 0; i < k->s->workloads.n; i++) {
		const struct workload *w = k->s->workloads.at[i];

		if ((!ns.len || slice_eq(ns, w->ns)) && has_labels(w->labels, labels) &&
		    has_labels(w->space->labels, space_labels)) {
			add_workload(k, w->id, NULL);
		}
	}
	return k->found.n > before ? 0
	                           : err_raise(err, ERR_NOTFOUND, "no workload has these labels");
}

/* ---- together ---- */

static int find_val(struct seeker *k, const struct val *v, struct err *err)
{
	int r = 0;

	k->at = v;
	if (v && v->type == VAL_STRING) {
		return find_text(k, v->s, err);
	}
	if (v && v->type == VAL_OBJECT) {
		return find_labelled(k, v, err);
	}
	if (!v || v->type != VAL_ARRAY || !v->first) {
		return err_raise(err, ERR_SYNTAX, "a place is a name, labels, or a list of them");
	}
	for (const struct val *it = v->first; it && r == 0; it = it->next) {
		if (it->type == VAL_ARRAY) {
			k->at = it;
			return err_raise(err, ERR_SYNTAX, "a list of places holds no lists");
		}
		r = find_val(k, it, err);
	}
	return r;
}

static void add_text_of(struct strbuf *out, const struct val *v)
{
	const char *between = "";

	if (v->type == VAL_STRING) {
		strbuf_add_slice(out, slice_trim(v->s));
		return;
	}
	strbuf_adds(out, v->type == VAL_OBJECT ? "{" : "");
	val_for_each (v, it) {
		strbuf_adds(out, between);
		if (v->type == VAL_OBJECT) {
			strbuf_add_slice(out, it->key);
			strbuf_adds(out, ": ");
		}
		add_text_of(out, it);
		between = ", ";
	}
	strbuf_adds(out, v->type == VAL_OBJECT ? "}" : "");
}

int place_of_val(struct arena *a, struct subject *s, const struct matrix *m, const struct val *v,
                 struct place *ret, const struct val **ret_at, struct err *err)
{
	struct seeker k = { .a = a, .s = s, .m = m };
	scoped_strbuf struct strbuf text = { 0 };
	int r = find_val(&k, v, err);

	if (r < 0) {
		if (ret_at) {
			*ret_at = k.at;
		}
		vec_fini(&k.found);
		return r;
	}
	add_text_of(&text, v);
	finish(&k, arena_strdup(a, strbuf_str(&text)), ret);
	return 0;
}

int place_of_text(struct arena *a, struct subject *s, const struct matrix *m, struct slice text,
                  struct place *ret, struct err *err)
{
	struct seeker k = { .a = a, .s = s, .m = m };
	int r = find_text(&k, text, err);

	if (r < 0) {
		vec_fini(&k.found);
		return r;
	}
	finish(&k, arena_slice(a, text).p, ret);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

struct ends place_ends(struct arena *a, const struct place *p)
{
	uint32_t *ids = ARENA_ARRAY(a, uint32_t, p->n + 1);
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		ids[i] = p->at[i].end;
	}
	qsort(ids, p->n, sizeof(*ids), by_number);
	for (size_t i = 0; i < p->n; i++) {
		if (n == 0 || ids[n - 1] != ids[i]) {
			ids[n++] = ids[i];
		}
	}
	return (struct ends){ ids, n };
}
