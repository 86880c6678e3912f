/* Why: what databases and caches there are, what they refer to, and who has which address; see
 * managed.h. */
#include "node/managed.h"

#include <dirent.h>
#include <string.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/cloud.h"
#include "node/file.h"
#include "node/managed-priv.h"

/* ---- items ---- */

static struct managed_item *find_item(const struct managed *m, enum managed_kind kind,
                                      struct slice ns, struct slice name)
{
	list_for_each (&m->items, i, struct managed_item, in_managed) {
		if (i->kind == kind && slice_is(ns, i->ns) && slice_is(name, i->name)) {
			return i;
		}
	}
	return NULL;
}

static void look_at_all(struct managed *m)
{
	list_for_each (&m->items, i, struct managed_item, in_managed) {
		item_look(i);
	}
}

void managed_forget(struct managed *m, struct managed_item *i)
{
	scoped_doc struct doc *again = NULL;
	const struct doc *d = replica_find(m->objects[i->kind], slice_of(i->ns), slice_of(i->name));
	enum managed_kind kind = i->kind;

	/* Made anew under the same name meanwhile: a new life begins. */
	if (d && val_is_null(val_path(d->root, "metadata.deletionTimestamp"))) {
		again = doc_ref(d);
	}
	item_free(i);
	if (again) {
		const struct val *meta = val_get(again->root, "metadata");

		item_set_object(item_new(m, kind, val_get_str(meta, "namespace"),
		                         val_get_str(meta, "name")),
		                again);
	}
	look_at_all(m); /* an identifier or an address is free */
}

bool managed_is_taken(const struct managed *m, const struct managed_item *i)
{
	list_for_each (&m->items, other, struct managed_item, in_managed) {
		if (other == i) {
			return false; /* items stand in the order in which they came */
		}
		if (other->kind == i->kind && slice_eq(other->wish.id, i->wish.id) &&
		    other->wish.id.len) {
			return true;
		}
	}
	return false;
}

bool managed_is_synced(const struct managed *m)
{
	for (int k = 0; k < MANAGED_KINDS; k++) {
		if (!replica_is_synced(m->objects[k])) {
			return false;
		}
	}
	return replica_is_synced(m->maps);
}

/* ---- what items refer to ---- */

static void on_reference(void *arg, const struct doc *old, const struct doc *now)
{
	struct managed_watch *w = arg;

	(void)old, (void)now;
	look_at_all(w->m);
}

static void on_reference_synced(void *arg)
{
	struct managed_watch *w = arg;

	look_at_all(w->m);
}

struct managed_watch *managed_unwatch(struct managed_watch *w)
{
	if (w) {
		replica_free(w->replica);
		free(w->ns);
		free(w->name);
		free(w->selector);
		free(w);
	}
	return NULL;
}

/* Makes *w watch that object; name empty: nothing. */
static void watch(struct managed *m, struct managed_watch **w, const char *api_version,
                  const char *plural, struct slice ns, struct slice name)
{
	if (*w && (!slice_is(ns, (*w)->ns) || !slice_is(name, (*w)->name))) {
		*w = managed_unwatch(*w);
	}
	if (*w || !name.len) {
		return;
	}
	*w = NEW(struct managed_watch);
	(*w)->m = m;
	(*w)->ns = slice_dup(ns);
	(*w)->name = slice_dup(name);
	(*w)->selector = mem_printf("metadata.name=" SLICE_FMT, SLICE_ARG(name));
	(*w)->replica = replica_new(m->agent->client,
	                            &(struct replica_spec){ .api_version = api_version,
	                                                    .plural = plural,
	                                                    .ns = (*w)->ns,
	                                                    .field_selector = (*w)->selector,
	                                                    .changed = on_reference,
	                                                    .synced = on_reference_synced,
	                                                    .arg = *w });
}

/* Null, or what is wrong with the password. */
static const char *refresh_password(struct managed_item *i)
{
	scoped_strbuf struct strbuf password = { 0 };
	const struct doc *d =
		replica_find(i->secret->replica, i->wish.secret_ns, i->wish.secret_name);
	const struct val *value;
	const char *fault;
	struct slice type;

	if (!d) {
		return "kubernetes secret not found";
	}
	type = val_get_str(d->root, "type");
	if (type.len && !slice_is(type, "Opaque")) {
		return "only opaque secrets can be used";
	}
	value = val_get_slice(val_get(d->root, "data"), i->wish.secret_key);
	if (!value || !base64_decode(&password, val_str(value))) {
		return "kubernetes secret has no such key";
	}
	fault = managed_password_fault(strbuf_slice(&password));
	if (!fault) {
		managed_password_hash(strbuf_slice(&password), i->password);
	}
	explicit_bzero(password.p, password.size);
	return fault;
}

static const char *refresh_group(struct managed_item *i)
{
	const struct doc *d = replica_find(i->group->replica, i->wish.group_ns, i->wish.group_name);

	doc_unref(take(i->group_doc));
	i->overrides = NULL;
	if (!d) {
		return "the DBParameterGroup that dbParameterGroupRef names does not exist";
	}
	i->group_doc = doc_ref(d);
	i->overrides = val_path(d->root, "spec.parameterOverrides");
	return NULL;
}

void item_refresh(struct managed_item *i)
{
	struct managed *m = i->m;

	i->is_looking_up = false;
	i->waits_for = NULL;
	if (i->doc && !i->wish.terminal && managed_is_taken(m, i)) {
		i->wish.terminal = "Resource already exists";
	}
	if (!i->doc || i->wish.terminal) {
		return;
	}
	item_offer_ca(i);
	watch(m, &i->secret, "v1", "secrets", i->wish.secret_ns, i->wish.secret_name);
	watch(m, &i->group, "rds.services.k8s.aws/v1alpha1", "dbparametergroups", i->wish.group_ns,
	      i->wish.group_name);
	if ((m->agent->cloud && !cloud_is_synced(m->agent->cloud)) ||
	    (i->secret && !replica_is_synced(i->secret->replica)) ||
	    (i->group && !replica_is_synced(i->group->replica))) {
		i->is_looking_up = true;
		i->waits_for = "references are being looked up";
		return;
	}
	if (i->secret) {
		i->waits_for = refresh_password(i);
	}
	if (i->group && !i->waits_for) {
		i->waits_for = refresh_group(i);
	}
	if (!i->waits_for && i->ip.family == IP_NONE) {
		i->waits_for = managed_no_place(i);
	}
}

void managed_network_changed(struct managed *m)
{
	list_for_each (&m->items, i, struct managed_item, in_managed) {
		if (i->prepared) {
			item_admit(i);
		}
	}
	look_at_all(m);
}

/* ---- objects ---- */

static void object_changed(struct managed *m, enum managed_kind kind, const struct doc *old,
                           const struct doc *now)
{
	const struct val *meta = val_get((now ? now : old)->root, "metadata");
	struct slice ns = val_get_str(meta, "namespace"), name = val_get_str(meta, "name");
	struct managed_item *i = find_item(m, kind, ns, name);

	if (!i && !now) {
		return;
	}
	if (!i) {
		i = item_new(m, kind, ns, name);
		item_load(i); /* data of former times, when the whole instance was down */
	}
	item_set_object(i, now);
}

static void on_database(void *arg, const struct doc *old, const struct doc *now)
{
	object_changed(arg, MANAGED_DATABASE, old, now);
}

static void on_cache(void *arg, const struct doc *old, const struct doc *now)
{
	object_changed(arg, MANAGED_CACHE, old, now);
}

static void on_map(void *arg, const struct doc *old, const struct doc *now)
{
	(void)old;
	if (!now) { /* somebody took it away */
		look_at_all(arg);
	}
}

static void on_synced(void *arg)
{
	look_at_all(arg);
}

static void watch_objects(struct managed *m)
{
	static void (*const changed[MANAGED_KINDS])(void *, const struct doc *,
	                                            const struct doc *) = {
		[MANAGED_DATABASE] = on_database,
		[MANAGED_CACHE] = on_cache,
	};

	for (int k = 0; k < MANAGED_KINDS; k++) {
		const struct managed_kind_info *info = managed_kind_info(k);

		m->objects[k] = replica_new(
			m->agent->client, &(struct replica_spec){ .api_version = info->api_version,
		                                                  .plural = info->plural,
		                                                  .changed = changed[k],
		                                                  .synced = on_synced,
		                                                  .arg = m });
	}
	m->maps = replica_new(m->agent->client,
	                      &(struct replica_spec){ .api_version = "v1",
	                                              .plural = "configmaps",
	                                              .field_selector = "metadata.name=rds-ca",
	                                              .changed = on_map,
	                                              .synced = on_synced,
	                                              .arg = m });
}

/* ---- what runs already ---- */

static void load_one(struct managed *m, enum managed_kind kind, const char *ns, const char *name)
{
	struct managed_item *i = item_new(m, kind, slice_of(ns), slice_of(name));

	item_load(i);
	if (!i->container) {
		item_free(i); /* its object, if there is one, brings it back */
	}
}

static void load_folder(struct managed *m, enum managed_kind kind, const char *path, const char *ns)
{
	scoped_dir DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		scoped_free char *below = mem_printf("%s/%s", path, e->d_name);

		if (e->d_name[0] == '.') {
			continue;
		}
		if (ns) {
			load_one(m, kind, ns, e->d_name);
		} else {
			load_folder(m, kind, below, e->d_name);
		}
	}
}

int managed_new(struct agent *a, struct managed **ret, struct err *err)
{
	struct managed *m = NEW(struct managed);

	(void)err;
	m->agent = a;
	for (int k = 0; k < MANAGED_KINDS; k++) {
		scoped_free char *path =
			mem_printf("%s/managed/%s", a->home, managed_kind_info(k)->folder);

		load_folder(m, k, path, NULL);
	}
	watch_objects(m);
	*ret = m;
	return 0;
}

struct managed *managed_free(struct managed *m)
{
	if (!m) {
		return NULL;
	}
	list_for_each (&m->items, i, struct managed_item, in_managed) {
		item_free(i);
	}
	for (int k = 0; k < MANAGED_KINDS; k++) {
		replica_free(m->objects[k]);
	}
	replica_free(m->maps);
	free(m);
	return NULL;
}
