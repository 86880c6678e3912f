/* Why: every room asks the registry what a group, version and kind mean. Built-in kinds come from
 * the tables of builtin.h; kinds of definitions come and go, but a struct kind that was once handed
 * out keeps its address: it is only taken out of the lists. */
#include "schema/kind.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/vec.h"
#include "codec/json.h"
#include "schema/builtin.h"
#include "schema/custom.h"

struct slot {
	struct kind kind;
	struct kind_priv priv;
	struct arena names; /* texts of the kind */
	struct arena body;  /* types of a definition; replaced with it */
	bool is_builtin;
};

struct registry {
	VEC(struct slot *) slots;         /* all there ever were, by id; owned */
	VEC(const struct kind *) current; /* in registration order */
	struct map by_kind, by_resource;  /* "group version kind", "group version plural" */
};

/* ---- lists ---- */

static void make_key(struct strbuf *out, struct slice group, struct slice version,
                     struct slice name)
{
	strbuf_add_slice(out, group);
	strbuf_addc(out, ' ');
	strbuf_add_slice(out, version);
	strbuf_addc(out, ' ');
	strbuf_add_slice(out, name);
}

static const struct kind *look_up(const struct map *m, struct slice group, struct slice version,
                                  struct slice name)
{
	scoped_strbuf struct strbuf key = { 0 };

	make_key(&key, group, version, name);
	return map_find(m, strbuf_slice(&key));
}

static void list_in(struct map *m, const struct kind *k, const char *name, bool is_there)
{
	scoped_strbuf struct strbuf key = { 0 };

	make_key(&key, slice_of(k->group), slice_of(k->version), slice_of(name));
	if (is_there) {
		map_set(m, strbuf_slice(&key), (void *)k);
	} else if (map_find(m, strbuf_slice(&key)) == k) {
		map_remove(m, strbuf_slice(&key));
	}
}

static void list_kind(struct registry *r, struct slot *s)
{
	s->priv.is_removed = false;
	vec_push(&r->current, &s->kind);
	list_in(&r->by_kind, &s->kind, s->kind.kind, true);
	if (*s->kind.plural) {
		list_in(&r->by_resource, &s->kind, s->kind.plural, true);
	}
}

static void unlist_kind(struct registry *r, struct slot *s)
{
	for (size_t i = 0; i < r->current.n; i++) {
		if (r->current.at[i] == &s->kind) {
			vec_remove(&r->current, i);
			break;
		}
	}
	list_in(&r->by_kind, &s->kind, s->kind.kind, false);
	list_in(&r->by_resource, &s->kind, s->kind.plural, false);
	s->priv.is_removed = true;
}

static struct slot *add_slot(struct registry *r)
{
	struct slot *s = NEW(struct slot);

	s->kind.id = (unsigned)r->slots.n;
	s->kind.priv = &s->priv;
	s->priv.storage_kind = &s->kind;
	vec_push(&r->slots, s);
	return s;
}

/* ---- registry ---- */

static void add_builtin(struct registry *r, const struct builtin *b)
{
	struct slot *s = add_slot(r);
	unsigned id = s->kind.id;
	struct val *columns;

	s->is_builtin = true;
	s->kind = b->kind;
	s->kind.id = id;
	s->priv = b->priv;
	s->kind.priv = &s->priv;
	if (b->priv.columns) {
		must(json_parse(&s->names, slice_of(b->priv.columns), 0, &columns, NULL) == 0);
		s->kind.printer_columns = columns;
	}
	list_kind(r, s);
}

struct registry *registry_new(void)
{
	struct registry *r = NEW(struct registry);

	for (size_t i = 0; i < builtins_n; i++) {
		add_builtin(r, &builtins[i]);
	}
	for (size_t i = 0; i < r->slots.n; i++) {
		size_t storage = r->slots.at[i]->priv.storage;

		r->slots.at[i]->priv.storage_kind = &r->slots.at[storage ? storage - 1 : i]->kind;
	}
	return r;
}

static void drop_body(struct slot *s)
{
	arena_fini(&s->body);
}

struct registry *registry_free(struct registry *r)
{
	if (!r) {
		return NULL;
	}
	for (size_t i = 0; i < r->slots.n; i++) {
		drop_body(r->slots.at[i]);
		arena_fini(&r->slots.at[i]->names);
		free(r->slots.at[i]);
	}
	vec_fini(&r->slots);
	vec_fini(&r->current);
	map_fini(&r->by_kind);
	map_fini(&r->by_resource);
	free(r);
	return NULL;
}

const struct kind *kind_storage(const struct kind *k)
{
	return k->priv ? kind_priv(k)->storage_kind : k;
}

const struct kind *registry_find(const struct registry *r, struct slice group, struct slice version,
                                 struct slice kind)
{
	if (slice_is(kind, "DeleteOptions")) {
		/* clients send it with any group, the resource's or "meta.k8s.io" */
		group = SLICE("");
		version = SLICE("v1");
	}
	return look_up(&r->by_kind, group, version, kind);
}

const struct kind *registry_find_resource(const struct registry *r, struct slice group,
                                          struct slice version, struct slice plural)
{
	return plural.len ? look_up(&r->by_resource, group, version, plural) : NULL;
}

const struct kind *registry_kind_of(const struct registry *r, const struct val *object)
{
	struct slice group, version;

	if (!slice_cut(val_get_str(object, "apiVersion"), '/', &group, &version)) {
		version = group;
		group = SLICE("");
	}
	return registry_find(r, group, version, val_get_str(object, "kind"));
}

const struct kind *registry_at(const struct registry *r, size_t n)
{
	return n < r->current.n ? r->current.at[n] : NULL;
}

const char *kind_api_version(const struct kind *k)
{
	return kind_priv(k)->api_version;
}

const char *kind_qualified(const struct kind *k)
{
	return kind_priv(k)->qualified;
}

/* ---- definitions ---- */

static bool is_of(const struct slot *s, struct slice group, struct slice kind)
{
	return slice_is(group, s->kind.group) && slice_is(kind, s->kind.kind);
}

static const char *const *copy_words(struct arena *a, const struct val *list)
{
	const char **words;
	size_t n = 0;

	if (!val_len(list)) {
		return NULL;
	}
	words = ARENA_ARRAY(a, const char *, val_len(list) + 1);
	val_for_each (list, it) {
		words[n++] = arena_strdup(a, val_cstr(it));
	}
	return words;
}

/* A path of a definition, ".spec.replicas", as the other paths of kinds are. */
static const char *copy_path(struct arena *a, struct slice path)
{
	return path.len ? arena_slice(a, path.p[0] == '.' ? slice_from(path, 1) : path).p : NULL;
}

static const char *copy(struct arena *a, struct slice s)
{
	return arena_slice(a, s).p;
}

static const char *copy_or_lower(struct arena *a, struct slice s, struct slice otherwise)
{
	char *text;

	if (s.len) {
		return copy(a, s);
	}
	text = arena_dup(a, otherwise.p, otherwise.len + 1);
	text[otherwise.len] = '\0';
	for (char *p = text; *p; p++) {
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	}
	return text;
}

static void fill_names(struct slot *s, const struct val *spec, const struct val *version)
{
	const struct val *names = val_get(spec, "names");
	struct arena *a = &s->names;
	struct kind *k = &s->kind;

	k->group = copy(a, val_get_str(spec, "group"));
	k->version = copy(a, val_get_str(version, "name"));
	k->kind = copy(a, val_get_str(names, "kind"));
	k->plural = copy(a, val_get_str(names, "plural"));
	k->singular = copy_or_lower(a, val_get_str(names, "singular"), val_get_str(names, "kind"));
	k->short_names = copy_words(a, val_get(names, "shortNames"));
	k->categories = copy_words(a, val_get(names, "categories"));
	k->namespaced = slice_is(val_get_str(spec, "scope"), "Namespaced");
	k->is_custom = true;
	k->verbs = VERB_GET | VERB_LIST | VERB_WATCH | VERB_CREATE | VERB_UPDATE | VERB_PATCH |
	           VERB_DELETE | VERB_DELETECOLLECTION;
	s->priv.names = FORMAT_SUBDOMAIN;
	s->priv.api_version = arena_printf(a, "%s/%s", k->group, k->version);
	s->priv.qualified = arena_printf(a, "%s.%s", k->plural, k->group);
}

static void fill_subresources(struct slot *s, const struct val *version)
{
	const struct val *sub = val_get(version, "subresources"), *scale = val_get(sub, "scale");
	const struct val *columns = val_get(version, "additionalPrinterColumns");
	struct arena *a = &s->body;
	struct kind *k = &s->kind;

	k->has_status = !val_is_null(val_get(sub, "status"));
	k->has_scale = !val_is_null(scale);
	k->scale_spec_path = copy_path(a, val_get_str(scale, "specReplicasPath"));
	k->scale_status_path = copy_path(a, val_get_str(scale, "statusReplicasPath"));
	k->scale_selector_path = copy_path(a, val_get_str(scale, "labelSelectorPath"));
	k->printer_columns = val_is_null(columns) ? NULL : val_copy(a, columns);
}

static struct slot *find_slot(struct registry *r, const struct val *spec, const struct val *version)
{
	struct slice group = val_get_str(spec, "group");
	struct slice kind = val_str(val_path(spec, "names.kind"));

	for (size_t i = 0; i < r->slots.n; i++) {
		if (is_of(r->slots.at[i], group, kind) &&
		    slice_is(val_get_str(version, "name"), r->slots.at[i]->kind.version)) {
			return r->slots.at[i];
		}
	}
	return NULL;
}

static int add_version(struct registry *r, const struct val *spec, const struct val *version,
                       struct slot **ret, struct err *err)
{
	const struct val *schema = val_path(version, "schema.openAPIV3Schema");
	struct slot *s = find_slot(r, spec, version);
	struct arena body = { 0 };
	const struct type *type;
	int keep = custom_type(&body, schema, &type, err);

	if (keep < 0) {
		arena_fini(&body);
		return err_while(err, keep, "version " SLICE_FMT,
		                 SLICE_ARG(val_get_str(version, "name")));
	}
	if (s) {
		unlist_kind(r, s);
		drop_body(s);
	} else {
		s = add_slot(r);
	}
	s->body = body;
	s->kind.type = type;
	fill_names(s, spec, version);
	fill_subresources(s, version);
	*ret = s;
	return 0;
}

static int check_definition(const struct registry *r, const struct val *spec, bool *ret_builtin,
                            struct err *err)
{
	struct slice group = val_get_str(spec, "group");
	struct slice kind = val_str(val_path(spec, "names.kind"));

	*ret_builtin = false;
	if (!group.len || !kind.len || !val_str(val_path(spec, "names.plural")).len ||
	    !val_len(val_get(spec, "versions"))) {
		return err_raise(err, ERR_INVALID,
		                 "the definition lacks a group, names or versions");
	}
	for (size_t i = 0; i < r->slots.n; i++) {
		const struct slot *s = r->slots.at[i];

		if (!s->is_builtin || !slice_is(group, s->kind.group)) {
			continue;
		}
		if (!s->kind.is_custom) {
			return err_raise(err, ERR_INVALID, "the group %s is built in",
			                 s->kind.group);
		}
		if (is_of(s, group, kind)) {
			*ret_builtin = true;
		}
	}
	return 0;
}

/* The kind that objects of this definition are stored as. The first one stays: a change of the
 * storage version must not hide what is stored already. */
static const struct kind *choose_storage(const struct registry *r, const struct val *spec)
{
	const struct kind *chosen = NULL;

	for (size_t i = 0; i < r->slots.n && !chosen; i++) {
		const struct slot *s = r->slots.at[i];

		if (is_of(s, val_get_str(spec, "group"), val_str(val_path(spec, "names.kind")))) {
			chosen = s->priv.storage_kind;
		}
	}
	return chosen;
}

int registry_add_crd(struct registry *r, const struct val *crd, struct err *err)
{
	const struct val *spec = val_get(crd, "spec"), *versions = val_get(spec, "versions");
	VEC(struct slot *) added = { 0 };
	const struct kind *storage;
	bool is_builtin;
	int result = check_definition(r, spec, &is_builtin, err);

	if (result < 0 || is_builtin) {
		return result; /* a definition of what is built in changes nothing */
	}
	storage = choose_storage(r, spec);
	val_for_each (versions, it) {
		struct slot *s = NULL;

		result = add_version(r, spec, it, &s, err);
		if (result < 0) {
			break;
		}
		vec_push(&added, s);
		if (!storage && val_bool(val_get(it, "storage"), false)) {
			storage = &s->kind;
		}
	}
	if (result == 0) {
		registry_remove_crd(r, crd);
	}
	for (size_t i = 0; i < added.n; i++) {
		const struct val *version = val_at(versions, i);

		added.at[i]->priv.storage_kind = storage ? storage : &added.at[0]->kind;
		if (val_bool(val_get(version, "served"), true)) {
			list_kind(r, added.at[i]);
		}
	}
	vec_fini(&added);
	return result;
}

void registry_remove_crd(struct registry *r, const struct val *crd)
{
	const struct val *spec = val_get(crd, "spec");
	struct slice group = val_get_str(spec, "group");
	struct slice kind = val_str(val_path(spec, "names.kind"));

	for (size_t i = 0; i < r->slots.n; i++) {
		struct slot *s = r->slots.at[i];

		if (!s->is_builtin && !s->priv.is_removed && is_of(s, group, kind)) {
			unlist_kind(r, s);
		}
	}
}
