/* Why: databases and caches stand outside the cluster under names of their own; those names lead to
 * the private address that the annotation carries. */
#include "model/model-priv.h"

#include <ctype.h>

/* Kinds share a namespace's names, so the kind is part of the key. */
static char *host_key(const struct val *root)
{
	return mem_printf(SLICE_FMT "/" SLICE_FMT "/" SLICE_FMT,
	                  SLICE_ARG(val_get_str(root, "kind")),
	                  SLICE_ARG(val_str(val_path(root, "metadata.namespace"))),
	                  SLICE_ARG(val_str(val_path(root, "metadata.name"))));
}

static void add_name(struct host *h, struct slice name)
{
	char *text;

	if (name.len && name.p[name.len - 1] == '.') {
		name.len--;
	}
	if (!name.len) {
		return;
	}
	text = slice_dup(name);
	for (char *c = text; *c; c++) {
		*c = (char)tolower((unsigned char)*c);
	}
	for (size_t i = 0; i < h->names.n; i++) {
		if (strcmp(h->names.at[i], text) == 0) {
			free(text);
			return;
		}
	}
	vec_push(&h->names, text);
}

/* Source: cloud-kinds.md, status of DBInstance and CacheCluster */
static struct host *host_new(const struct doc *d)
{
	const struct val *root = d->root;
	struct host *h = NEW(struct host);

	h->doc = doc_ref(d);
	if (!ip_parse(val_str(val_get(val_path(root, "metadata.annotations"),
	                              HOST_ADDRESS_ANNOTATION)),
	              &h->ip)) {
		return h; /* not placed yet: no address, no names */
	}
	add_name(h, val_str(val_path(root, "status.endpoint.address")));
	add_name(h, val_str(val_path(root, "status.configurationEndpoint.address")));
	val_for_each (val_path(root, "status.cacheNodes"), it) {
		add_name(h, val_str(val_path(it, "endpoint.address")));
	}
	return h;
}

void host_free(struct host *h)
{
	for (size_t i = 0; i < h->names.n; i++) {
		free(h->names.at[i]);
	}
	vec_fini(&h->names);
	doc_unref(h->doc);
	free(h);
}

static bool same_names(const struct host *a, const struct host *b)
{
	if (!a || !ip_eq(a->ip, b->ip) || a->names.n != b->names.n) {
		return false;
	}
	for (size_t i = 0; i < a->names.n; i++) {
		if (strcmp(a->names.at[i], b->names.at[i]) != 0) {
			return false;
		}
	}
	return true;
}

static void unlink_names(struct model *m, const struct host *h)
{
	for (size_t i = 0; h && i < h->names.n; i++) {
		if (map_find(&m->host_by_name, slice_of(h->names.at[i])) == h) {
			map_remove(&m->host_by_name, slice_of(h->names.at[i]));
		}
	}
}

/* Rules that name hosts mean other addresses now. */
static void rules_by_name_changed(struct model *m)
{
	if (m->n_address_peers) {
		policies_changed(m);
	}
}

void host_put(struct model *m, const struct doc *d)
{
	scoped_free char *key = host_key(d->root);
	struct host *now = host_new(d), *old = map_set(&m->hosts, slice_of(key), now);
	bool same = same_names(old, now);

	unlink_names(m, old);
	for (size_t i = 0; i < now->names.n; i++) {
		map_set(&m->host_by_name, slice_of(now->names.at[i]), now);
	}
	if (old) {
		host_free(old);
	}
	if (!same) {
		model_changed(m, MODEL_NAMES);
		rules_by_name_changed(m);
	}
}

void host_remove(struct model *m, const struct doc *d)
{
	scoped_free char *key = host_key(d->root);
	struct host *h = map_remove(&m->hosts, slice_of(key));

	if (h) {
		unlink_names(m, h);
		host_free(h);
		model_changed(m, MODEL_NAMES);
		rules_by_name_changed(m);
	}
}
