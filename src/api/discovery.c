/* Why: clients learn from these documents what they may ask for. Two shapes for the same facts: one
 * document per group version, and one for everything. See discovery.h. Source: reference 1.2, 1.3,
 * 1.6 */
#include "api/discovery.h"

#include "api/api-priv.h"
#include "api/fail.h"
#include "api/subresource.h"
#include "base/mem.h"
#include "base/vec.h"
#include "codec/json.h"

/* ---- groups, in the order of the registry ---- */

struct group {
	const char *name;
	VEC(const char *) versions;
};

struct groups {
	VEC(struct group) all;
};

static void groups_fini(struct groups *g)
{
	for (size_t i = 0; i < g->all.n; i++) {
		vec_fini(&g->all.at[i].versions);
	}
	vec_fini(&g->all);
}

static struct group *need_group(struct groups *g, const char *name)
{
	for (size_t i = 0; i < g->all.n; i++) {
		if (strcmp(g->all.at[i].name, name) == 0) {
			return &g->all.at[i];
		}
	}
	vec_push(&g->all, ((struct group){ .name = name }));
	return &g->all.at[g->all.n - 1];
}

static void add_version(struct group *g, const char *version)
{
	for (size_t i = 0; i < g->versions.n; i++) {
		if (strcmp(g->versions.at[i], version) == 0) {
			return;
		}
	}
	vec_push(&g->versions, version);
}

static struct groups groups_of(const struct registry *r)
{
	struct groups g = { 0 };
	const struct kind *k;

	for (size_t i = 0; (k = registry_at(r, i)); i++) {
		if (*k->plural) {
			add_version(need_group(&g, k->group), k->version);
		}
	}
	return g;
}

/* ---- words ---- */

static struct val *verbs_of(struct arena *a, unsigned verbs)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {
		{ VERB_CREATE, "create" },
		{ VERB_DELETE, "delete" },
		{ VERB_DELETECOLLECTION, "deletecollection" },
		{ VERB_GET, "get" },
		{ VERB_LIST, "list" },
		{ VERB_PATCH, "patch" },
		{ VERB_UPDATE, "update" },
		{ VERB_WATCH, "watch" },
	};
	struct val *list = val_new_array(a);

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (verbs & words[i].bit) {
			val_append(list, val_new_cstr(a, words[i].word));
		}
	}
	return list;
}

static void add_words(struct arena *a, struct val *to, const char *key, const char *const *words)
{
	for (size_t i = 0; words && words[i]; i++) {
		val_append(val_need_array(a, to, key), val_new_cstr(a, words[i]));
	}
}

/* What a subresource is answered with. */
struct answers {
	const char *group, *version, *kind;
};

static struct answers answers_of(const struct kind *k, const struct subresource *s)
{
	return s && s->response_kind ? (struct answers){ s->group, s->version, s->response_kind }
	                             : (struct answers){ k->group, k->version, k->kind };
}

/* ---- one document per group version ---- */

static struct val *group_val(struct arena *a, const struct group *g)
{
	struct val *v = val_new_object(a), *versions;

	val_set_cstr(a, v, "name", g->name);
	versions = val_need_array(a, v, "versions");
	for (size_t i = 0; i < g->versions.n; i++) {
		struct val *one = val_append(versions, val_new_object(a));

		val_set(a, one, "groupVersion",
		        val_new_strf(a, "%s/%s", g->name, g->versions.at[i]));
		val_set_cstr(a, one, "version", g->versions.at[i]);
	}
	val_set(a, v, "preferredVersion", val_copy(a, val_first(versions)));
	return v;
}

void discovery_legacy_groups(struct strbuf *out, const struct registry *r)
{
	scoped_arena struct arena a = { 0 };
	struct groups g = groups_of(r);
	struct val *v = val_new_object(&a), *list;

	val_set_cstr(&a, v, "kind", "APIGroupList");
	val_set_cstr(&a, v, "apiVersion", "v1");
	list = val_need_array(&a, v, "groups");
	for (size_t i = 0; i < g.all.n; i++) {
		if (*g.all.at[i].name) {
			val_append(list, group_val(&a, &g.all.at[i]));
		}
	}
	json_write(out, v);
	groups_fini(&g);
}

int discovery_group(struct strbuf *out, const struct registry *r, struct slice group)
{
	scoped_arena struct arena a = { 0 };
	struct groups g = groups_of(r);
	struct val *v = NULL;

	for (size_t i = 0; i < g.all.n; i++) {
		if (group.len && slice_is(group, g.all.at[i].name)) {
			v = group_val(&a, &g.all.at[i]);
		}
	}
	groups_fini(&g);
	if (!v) {
		return -ERR_NOTFOUND;
	}
	val_set_cstr(&a, v, "kind", "APIGroup");
	val_set_cstr(&a, v, "apiVersion", "v1");
	json_write(out, v);
	return 0;
}

static void add_resource(struct arena *a, struct val *list, const struct kind *k,
                         const struct subresource *s)
{
	struct answers as = answers_of(k, s);
	struct val *v = val_append(list, val_new_object(a));

	val_set(a, v, "name",
	        s ? val_new_strf(a, "%s/%s", k->plural, s->name) : val_new_cstr(a, k->plural));
	val_set_cstr(a, v, "singularName", s ? "" : k->singular);
	val_set_bool(a, v, "namespaced", k->namespaced);
	if (s && (strcmp(as.group, k->group) != 0 || strcmp(as.version, k->version) != 0)) {
		val_set_cstr(a, v, "group", as.group);
		val_set_cstr(a, v, "version", as.version);
	}
	val_set_cstr(a, v, "kind", as.kind);
	val_set(a, v, "verbs", verbs_of(a, s ? s->verbs : k->verbs));
	if (!s) {
		add_words(a, v, "shortNames", k->short_names);
		add_words(a, v, "categories", k->categories);
		if (!k->is_virtual) {
			val_set(a, v, "storageVersionHash",
			        val_new_strf(a, "%08llx=",
			                     (unsigned long long)slice_hash(
						     slice_of(kind_qualified(kind_storage(k))))));
		}
	}
}

int discovery_legacy_resources(struct strbuf *out, const struct registry *r, struct slice group,
                               struct slice version)
{
	scoped_arena struct arena a = { 0 };
	struct val *v = val_new_object(&a), *list;
	const struct kind *k;

	val_set_cstr(&a, v, "kind", "APIResourceList");
	val_set_cstr(&a, v, "apiVersion", "v1");
	val_set(&a, v, "groupVersion",
	        val_new_strf(&a, SLICE_FMT "%s" SLICE_FMT, SLICE_ARG(group), group.len ? "/" : "",
	                     SLICE_ARG(version)));
	list = val_need_array(&a, v, "resources");
	for (size_t i = 0; (k = registry_at(r, i)); i++) {
		const struct subresource *s;

		if (!*k->plural || !slice_is(group, k->group) || !slice_is(version, k->version)) {
			continue;
		}
		add_resource(&a, list, k, NULL);
		for (size_t n = 0; (s = subresource_at(k, n)); n++) {
			add_resource(&a, list, k, s);
		}
	}
	if (!val_len(list)) {
		return -ERR_NOTFOUND;
	}
	json_write(out, v);
	return 0;
}

/* ---- everything in one ---- */

static void set_response(struct arena *a, struct val *v, const struct answers *as)
{
	struct val *kind = val_need_object(a, v, "responseKind");

	val_set_cstr(a, kind, "group", as->group);
	val_set_cstr(a, kind, "version", as->version);
	val_set_cstr(a, kind, "kind", as->kind);
}

static void add_aggregated_resource(struct arena *a, struct val *list, const struct kind *k)
{
	struct val *v = val_append(list, val_new_object(a));
	struct answers as = answers_of(k, NULL);
	const struct subresource *s;

	val_set_cstr(a, v, "resource", k->plural);
	set_response(a, v, &as);
	val_set_cstr(a, v, "scope", k->namespaced ? "Namespaced" : "Cluster");
	val_set_cstr(a, v, "singularResource", k->singular);
	val_set(a, v, "verbs", verbs_of(a, k->verbs));
	add_words(a, v, "shortNames", k->short_names);
	add_words(a, v, "categories", k->categories);
	for (size_t n = 0; (s = subresource_at(k, n)); n++) {
		struct val *sub =
			val_append(val_need_array(a, v, "subresources"), val_new_object(a));

		as = answers_of(k, s);
		val_set_cstr(a, sub, "subresource", s->name);
		set_response(a, sub, &as);
		val_set(a, sub, "verbs", verbs_of(a, s->verbs));
	}
}

static struct val *aggregated_group(struct arena *a, const struct registry *r,
                                    const struct group *g)
{
	struct val *item = val_new_object(a), *metadata = val_need_object(a, item, "metadata");
	const struct kind *k;

	if (*g->name) {
		val_set_cstr(a, metadata, "name", g->name);
	}
	for (size_t i = 0; i < g->versions.n; i++) {
		struct val *v = val_append(val_need_array(a, item, "versions"), val_new_object(a));
		struct val *list;

		val_set_cstr(a, v, "version", g->versions.at[i]);
		list = val_need_array(a, v, "resources");
		for (size_t n = 0; (k = registry_at(r, n)); n++) {
			if (*k->plural && strcmp(k->group, g->name) == 0 &&
			    strcmp(k->version, g->versions.at[i]) == 0) {
				add_aggregated_resource(a, list, k);
			}
		}
		val_set_cstr(a, v, "freshness", "Current");
	}
	return item;
}

void discovery_aggregated(struct strbuf *out, const struct registry *r, const char *version,
                          bool is_core)
{
	scoped_arena struct arena a = { 0 };
	struct groups g = groups_of(r);
	struct val *v = val_new_object(&a), *items;

	val_set_cstr(&a, v, "kind", "APIGroupDiscoveryList");
	val_set(&a, v, "apiVersion", val_new_strf(&a, "apidiscovery.k8s.io/%s", version));
	val_need_object(&a, v, "metadata");
	items = val_need_array(&a, v, "items");
	for (size_t i = 0; i < g.all.n; i++) {
		if ((*g.all.at[i].name == '\0') == is_core) {
			val_append(items, aggregated_group(&a, r, &g.all.at[i]));
		}
	}
	json_write(out, v);
	groups_fini(&g);
}

/* ---- paths ---- */

static int make_document(struct api *api, struct slice name, struct strbuf *out, struct err *err)
{
	struct slice root, rest, group, version;
	bool is_core;

	(void)err;
	slice_cut(name, ' ', &root, &rest); /* "/apis v2" or "/apis/apps/v1 " */
	is_core = slice_is(slice_head(root, 5), "/api/") || slice_is(root, "/api");
	if (rest.len) {
		discovery_aggregated(out, api->registry, slice_is(rest, "v2") ? "v2" : "v2beta1",
		                     is_core);
		return 0;
	}
	if (slice_is(root, "/api")) {
		strbuf_addf(out,
		            "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],"
		            "\"serverAddressByClientCIDRs\":[{\"clientCIDR\":\"0.0.0.0/0\","
		            "\"serverAddress\":\"%s\"}]}",
		            api->public_address ? api->public_address : "");
		return 0;
	}
	if (slice_is(root, "/apis")) {
		discovery_legacy_groups(out, api->registry);
		return 0;
	}
	if (is_core) {
		return discovery_legacy_resources(out, api->registry, SLICE(""),
		                                  slice_from(root, 5));
	}
	if (slice_cut(slice_from(root, 6), '/', &group, &version)) {
		return discovery_legacy_resources(out, api->registry, group, version);
	}
	return discovery_group(out, api->registry, group);
}

int discovery_answer(struct call *c, bool *found)
{
	struct slice path = c->route.path, accept = call_header(c, "Accept");
	const char *aggregated = NULL;
	scoped_strbuf struct strbuf name = { 0 };
	scoped_strbuf struct strbuf type = { 0 };
	const struct document *d;

	while (path.len > 1 && path.p[path.len - 1] == '/') {
		path.len--;
	}
	*found = slice_is(path, "/api") || slice_is(path, "/apis") ||
	         slice_has_prefix(path, SLICE("/api/")) || slice_has_prefix(path, SLICE("/apis/"));
	if (!*found) {
		return 0;
	}
	if (slice_is(path, "/api") || slice_is(path, "/apis")) {
		aggregated = accept_discovery(accept);
	}
	strbuf_addf(&name, SLICE_FMT " %s", SLICE_ARG(path), aggregated ? aggregated : "");
	d = document_get(c->api, strbuf_slice(&name), make_document, NULL);
	if (!d) {
		*found = false;
		return 0;
	}
	strbuf_adds(&type, "application/json");
	if (aggregated) {
		strbuf_addf(&type, ";g=apidiscovery.k8s.io;v=%s;as=APIGroupDiscoveryList",
		            aggregated);
	}
	return document_answer(c, d, strbuf_str(&type), "Cache-Control: public\r\n");
}
