/* Why: objects found by kind, namespace and name without looking at all of them; see subject.h. */
#include "analyse/subject.h"

#include <stdlib.h>

#include "analyse/subject-priv.h"
#include "analyse/value.h"
#include "base/mem.h"
#include "codec/yaml.h"

struct kind_entry {
	const char *group, *kind;
	bool namespaced;
};
static const struct kind_entry kinds[OBJECT_KINDS] = {
#define OBJECT(id, group, kind, namespaced) [OBJECT_##id] = { group, kind, namespaced },
#include "analyse/objects.def"
#undef OBJECT
	[OBJECT_OTHER] = { "", "", true },
};

bool object_is_namespaced(enum object_kind id)
{
	return kinds[id].namespaced;
}

static struct slice group_of(struct slice api_version)
{
	struct slice group, version;

	return slice_cut(api_version, '/', &group, &version) ? group : (struct slice){ "", 0 };
}

enum object_kind object_kind_of(struct slice api_version, struct slice kind)
{
	for (size_t i = 0; i < OBJECT_OTHER; i++) {
		if (slice_is(kind, kinds[i].kind) &&
		    slice_is(group_of(api_version), kinds[i].group)) {
			return (enum object_kind)i;
		}
	}
	return OBJECT_OTHER;
}

bool object_group_is_known(struct slice group)
{
	for (size_t i = 0; i < OBJECT_OTHER; i++) {
		if (slice_is(group, kinds[i].group)) {
			return true;
		}
	}
	return false;
}

struct slice pointer_key(const void *const *p)
{
	return (struct slice){ (const char *)p, sizeof(*p) };
}

struct slice subject_key(char *buf, enum object_kind id, struct slice ns, struct slice name)
{
	size_t len = 0;

	if (ns.len + name.len + 2 > ANALYSE_KEY_SIZE) {
		return (struct slice){ "", 0 };
	}
	buf[len++] = (char)(id + 1);
	memcpy(buf + len, ns.len ? ns.p : "", ns.len);
	len += ns.len;
	buf[len++] = '/';
	memcpy(buf + len, name.len ? name.p : "", name.len);
	return (struct slice){ buf, len + name.len };
}

struct subject *subject_new(const struct profile *profile)
{
	struct subject *s = NEW(struct subject);

	s->profile = profile;
	s->index = NEW(struct subject_index);
	return s;
}

static void free_index(struct subject_index *x)
{
	for (struct map_iter it = { 0 }; map_next(&x->pairs, &it);) {
		class_vec *v = it.value;

		vec_fini(v);
		free(v);
	}
	for (size_t i = 0; i < x->n_docs; i++) {
		doc_unref(x->docs[i]);
	}
	free(x->docs);
	edge_index_free(x->edges);
	free(x->targets);
	if (x->values) {
		values_fini(x->values);
		free(x->values);
	}
	map_fini(&x->by_key);
	map_fini(&x->by_name);
	map_fini(&x->by_space);
	map_fini(&x->by_value);
	map_fini(&x->spaces);
	map_fini(&x->workloads);
	map_fini(&x->classes);
	map_fini(&x->pairs);
	map_fini(&x->services);
	map_fini(&x->selectors);
	map_fini(&x->unknown);
	free(x);
}

struct subject *subject_free(struct subject *s)
{
	if (!s) {
		return NULL;
	}
	s->model = model_free(s->model);
	for (size_t i = 0; i < s->spaces.n; i++) {
		vec_fini(&s->spaces.at[i]->classes);
		vec_fini(&s->spaces.at[i]->policies);
		vec_fini(&s->spaces.at[i]->services);
	}
	for (size_t i = 0; i < s->classes.n; i++) {
		vec_fini(&s->classes.at[i]->workloads);
	}
	for (size_t i = 0; s->index->services_of && i < s->workloads.n; i++) {
		vec_fini(&s->index->services_of[i].at);
	}
	subject_forget_policies(s);
	subject_forget_routes(s);
	subject_forget_calls(s);
	vec_fini(&s->workloads);
	vec_fini(&s->classes);
	vec_fini(&s->services);
	vec_fini(&s->spaces);
	vec_fini(&s->left_out);
	free_index(s->index);
	arena_fini(&s->arena);
	free(s);
	return NULL;
}

/* ---- taking in ---- */

static void leave_out(struct subject *s, const struct object *o)
{
	scoped_strbuf struct strbuf key = { 0 };
	struct slice version = val_get_str(o->v, "apiVersion");
	size_t i;

	strbuf_addf(&key, SLICE_FMT " " SLICE_FMT, SLICE_ARG(version), SLICE_ARG(o->kind));
	i = (size_t)map_find(&s->index->unknown, strbuf_slice(&key));
	if (!i) {
		vec_push(
			&s->left_out,
			((struct left_out){ .api_version = version, .kind = o->kind, .first = o }));
		i = s->left_out.n;
		map_set(&s->index->unknown, strbuf_slice(&key), (void *)i); /* NOLINT: a number */
	}
	s->left_out.at[i - 1].n++;
}

struct beside { /* objects of one kind in one namespace */
	struct object *first, *last;
};

static void link_beside(struct subject *s, struct object *o)
{
	char buf[ANALYSE_KEY_SIZE];
	struct slice key = subject_key(buf, o->id, o->ns, (struct slice){ "", 0 });
	struct beside *b = map_find(&s->index->by_space, key);

	if (!key.len) {
		return; /* no namespace has such a name */
	}
	if (!b) {
		b = ARENA_NEW(&s->arena, struct beside);
		b->first = b->last = o;
		map_set(&s->index->by_space, key, b);
	} else {
		b->last->next_beside = o;
		b->last = o;
	}
}

static void index_object(struct subject *s, struct object *o)
{
	char buf[ANALYSE_KEY_SIZE];
	struct slice key = subject_key(buf, o->id, o->ns, o->name);
	struct object *namesake;

	map_set(&s->index->by_key, key, o);
	key = subject_key(buf, o->id, (struct slice){ "", 0 }, o->name);
	namesake = map_find(&s->index->by_name, key);
	if (!namesake) {
		map_set(&s->index->by_name, key, o);
	} else {
		o->next_namesake = namesake->next_namesake;
		namesake->next_namesake = o;
	}
	if (s->index->last[o->id]) {
		s->index->last[o->id]->next = o;
	} else {
		s->first[o->id] = o;
	}
	s->index->last[o->id] = o;
	link_beside(s, o);
	s->n[o->id]++;
}

static void add(struct subject *s, const char *file, const struct val *v, bool assumed)
{
	struct slice name = val_str(val_path(v, "metadata.name")),
		     ns = val_str(val_path(v, "metadata.namespace"));
	struct slice kind = val_get_str(v, "kind");
	enum object_kind id = object_kind_of(val_get_str(v, "apiVersion"), kind);
	char buf[ANALYSE_KEY_SIZE];
	struct object *o, *before;

	if (!v || v->type != VAL_OBJECT) {
		return;
	}
	if (!name.len) {
		name = val_str(val_path(v, "metadata.generateName"));
	}
	ns = !object_is_namespaced(id) ? (struct slice){ "", 0 } : ns.len ? ns : SLICE("default");
	before = id == OBJECT_OTHER ? NULL
	                            : map_find(&s->index->by_key, subject_key(buf, id, ns, name));
	if (before && assumed) {
		return;
	}
	s->n_objects += !assumed && !before;
	o = before ? before : ARENA_NEW(&s->arena, struct object);
	o->v = v;
	o->file = file;
	o->kind = kind;
	o->ns = ns;
	o->name = name;
	o->id = id;
	o->assumed = assumed;
	if (id == OBJECT_OTHER) {
		leave_out(s, o);
	} else if (!before) {
		index_object(s, o);
	}
	map_set(&s->index->by_value, pointer_key((const void *const *)&v), o);
}

void subject_add(struct subject *s, const char *file, const struct val *v)
{
	add(s, file, v, false);
}

/* Is there a workload of that kind of the set's own whose pods carry all these labels? */
static bool has_pods_like(const struct subject *s, enum object_kind id, const struct val *labels)
{
	object_each(s, id, o)
	{
		const struct val *own = val_path(o->v, "spec.template.metadata.labels");
		bool all = !o->assumed;

		val_for_each (labels, it) {
			all = all && slice_eq(val_str(val_get_slice(own, it->key)), val_str(it));
		}
		if (all) {
			return true;
		}
	}
	return false;
}

struct assuming {
	struct subject *s;
	const char *file;
};

/* A controller is assumed unless the set brings one, under whatever name. */
static int assume(void *arg, struct val *root, struct err *err)
{
	struct assuming *a = arg;
	const struct val *labels = val_path(root, "spec.template.metadata.labels");

	(void)err;
	if (!labels || (!has_pods_like(a->s, OBJECT_DEPLOYMENT, labels) &&
	                !has_pods_like(a->s, OBJECT_DAEMONSET, labels))) {
		add(a->s, a->file, root, true);
	}
	return 0;
}

static void add_assumed(struct subject *s)
{
	struct assuming a = { s, arena_printf(&s->arena, "(profile %s)", s->profile->name) };
	struct err err = { 0 };

	if (s->profile->assumed &&
	    yaml_parse_all(&s->arena, slice_of(s->profile->assumed), assume, &a, &err) < 0) {
		abort(); /* our own text; the tests parse every profile */
	}
}

static void gather_spaces(struct subject *s)
{
	object_each(s, OBJECT_NAMESPACE, o)
	{
		subject_need_space(s, o->name);
	}
	object_each(s, OBJECT_NETWORKPOLICY, o)
	{
		vec_push(&subject_need_space(s, o->ns)->policies, o);
	}
}

void subject_ready(struct subject *s)
{
	add_assumed(s);
	gather_spaces(s);
	subject_gather_workloads(s);
	subject_gather_services(s);
}

/* ---- namespaces ---- */

/* The labels with the one every namespace gets; the rest is shared. */
static const struct val *space_labels(struct subject *s, const struct space *p)
{
	const struct val *own = p->object ? val_path(p->object->v, "metadata.labels") : NULL;
	struct val *labels = val_new_object(&s->arena), *label;

	label = val_set_str(&s->arena, labels, "kubernetes.io/metadata.name", p->name);
	if (own && own->type == VAL_OBJECT && own->first) {
		label->next = own->first;
		labels->last = own->last;
		labels->n += own->n;
	}
	return labels;
}

struct space *subject_need_space(struct subject *s, struct slice name)
{
	struct space *p = map_find(&s->index->spaces, name);

	if (!p) {
		p = ARENA_NEW(&s->arena, struct space);
		p->name = name;
		p->object = subject_find(s, OBJECT_NAMESPACE, name, name);
		p->labels = space_labels(s, p);
		map_set(&s->index->spaces, name, p);
		vec_push(&s->spaces, p);
	}
	return p;
}

struct space *subject_space(const struct subject *s, struct slice name)
{
	return map_find(&s->index->spaces, name);
}

bool space_matches(struct subject *s, const struct space *space,
                   const struct val *namespace_selector)
{
	const struct selector *x = subject_selector(s, namespace_selector);

	return x && selector_matches(x, space->labels);
}

bool space_has_strangers(const struct subject *s, struct slice ns)
{
	for (size_t i = 0; i < s->left_out.n; i++) {
		if (slice_eq(s->left_out.at[i].first->ns, ns) &&
		    slice_find(s->left_out.at[i].api_version, '.') >= 0 &&
		    !slice_has_prefix(s->left_out.at[i].api_version,
		                      SLICE("rbac.authorization.k8s.io"))) {
			return true;
		}
	}
	return false;
}

/* ---- questions ---- */

const struct object *subject_find(const struct subject *s, enum object_kind id, struct slice ns,
                                  struct slice name)
{
	char buf[ANALYSE_KEY_SIZE];

	return map_find(&s->index->by_key,
	                subject_key(buf, id,
	                            object_is_namespaced(id) ? ns : (struct slice){ "", 0 }, name));
}

const struct object *subject_first_in(const struct subject *s, enum object_kind id, struct slice ns)
{
	char buf[ANALYSE_KEY_SIZE];
	const struct beside *b =
		map_find(&s->index->by_space, subject_key(buf, id, ns, (struct slice){ "", 0 }));

	return b ? b->first : NULL;
}

const struct object *subject_find_anywhere(const struct subject *s, enum object_kind id,
                                           struct slice name)
{
	char buf[ANALYSE_KEY_SIZE];

	return map_find(&s->index->by_name, subject_key(buf, id, (struct slice){ "", 0 }, name));
}

const struct object *subject_find_elsewhere(const struct subject *s, enum object_kind id,
                                            struct slice ns, struct slice name)
{
	const struct object *o = subject_find_anywhere(s, id, name);

	while (o && slice_eq(o->ns, ns)) {
		o = o->next_namesake;
	}
	return o;
}

const struct object *subject_object(const struct subject *s, const struct val *v)
{
	return map_find(&s->index->by_value, pointer_key((const void *const *)&v));
}

const struct val *object_spec(const struct object *o)
{
	return val_get(o->v, "spec");
}

const struct val *object_labels(const struct object *o)
{
	return val_path(o->v, "metadata.labels");
}

const struct val *object_annotation_at(const struct object *o, const char *key)
{
	return val_get(val_path(o->v, "metadata.annotations"), key);
}

struct slice object_annotation(const struct object *o, const char *key)
{
	return val_str(object_annotation_at(o, key));
}
