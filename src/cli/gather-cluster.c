/* Why: objects out of a running cluster, by its API alone: the kinds that the analysis looks at, in the versions that the
 * server prefers. What it does not give is told, and the rest is looked at. */
#include "cli/gather-cluster.h"

#include "base/mem.h"
#include "cli/caller.h"

struct reading {
	struct gathered *g;
	struct caller caller;
};

static void not_read(struct gathered *g, const char *what, const struct err *err)
{
	vec_push(&g->manifests.problems, mem_printf("%s: %s", what, err->msg));
}

static void take_items(struct gathered *g, struct doc *list, const char *api_version,
                       struct slice kind)
{
	vec_push(&g->docs, list);
	for (struct val *it = (struct val *)val_first(val_get(list->root, "items")); it;
	     it = it->next) {
		val_set_cstr(&list->arena, it, "apiVersion", api_version);
		val_set_str(&list->arena, it, "kind", kind);
		subject_add(g->subject, "(cluster)", it);
	}
}

static void read_kind(struct reading *r, const char *prefix, const char *api_version,
                      const struct val *resource)
{
	scoped_free char *target =
		mem_printf("%s/%s/%s", prefix, api_version, val_cstr(val_get(resource, "name")));
	struct doc *list = NULL;
	struct err err = { 0 };

	if (caller_ask(&r->caller, "GET", target, NULL, NULL, &list, &err) < 0) {
		not_read(r->g, target, &err);
	} else {
		take_items(r->g, list, api_version, val_get_str(resource, "kind"));
	}
}

static bool can_list(const struct val *resource)
{
	val_for_each (val_get(resource, "verbs"), verb) {
		if (slice_is(val_str(verb), "list")) {
			return slice_find(val_get_str(resource, "name"), '/') < 0;
		}
	}
	return false;
}

/* One version of one group: all its kinds that the analysis looks at. */
static int read_version(struct reading *r, const char *prefix, const char *api_version,
                        struct err *err)
{
	scoped_free char *target = mem_printf("%s/%s", prefix, api_version);
	scoped_doc struct doc *resources = NULL;
	int ret = caller_ask(&r->caller, "GET", target, NULL, NULL, &resources, err);

	if (ret < 0) {
		return ret;
	}
	val_for_each (val_get(resources->root, "resources"), resource) {
		if (can_list(resource) &&
		    object_kind_of(slice_of(api_version), val_get_str(resource, "kind")) !=
		            OBJECT_OTHER) {
			read_kind(r, prefix, api_version, resource);
		}
	}
	return 0;
}

static int read_all(struct reading *r, struct err *err)
{
	scoped_doc struct doc *groups = NULL;
	int ret = read_version(r, "/api", "v1", err);

	if (ret == 0) {
		ret = caller_ask(&r->caller, "GET", "/apis", NULL, NULL, &groups, err);
	}
	if (ret < 0) {
		return ret;
	}
	val_for_each (val_get(groups->root, "groups"), group) {
		const char *version = val_cstr(val_path(group, "preferredVersion.groupVersion"));
		struct err why = { 0 };

		if (object_group_is_known(val_get_str(group, "name")) &&
		    read_version(r, "/apis", version, &why) < 0) {
			not_read(r->g, version, &why);
		}
	}
	return 0;
}

static int read_cluster(struct gathered *g, const char *kubeconfig, struct err *err)
{
	struct reading r = { .g = g };
	int ret = caller_open(&r.caller, kubeconfig, err);

	if (ret < 0) {
		return ret;
	}
	ret = read_all(&r, err);
	caller_close(&r.caller);
	return ret;
}

static int read_instance(struct gathered *g, const struct cli_parsed *p, struct err *err)
{
	struct cli_instance instance = { 0 };
	scoped_free char *kubeconfig = NULL;
	int r = cli_instance_of(p, &instance, err);

	if (r < 0) {
		return r;
	}
	kubeconfig = mem_printf("%s/kubeconfig", instance.home);
	r = read_cluster(g, kubeconfig, err);
	if (r < 0) {
		(void)err_while(err, r,
		                "instance %s (give manifests by -f, or a cluster by --kubeconfig)",
		                instance.name);
	}
	cli_instance_fini(&instance);
	return r;
}

int gather_running(struct gathered *g, const struct cli_parsed *p, struct err *err)
{
	const char *kubeconfig = cli_value(p, "kubeconfig", NULL);

	return kubeconfig ? read_cluster(g, kubeconfig, err) : read_instance(g, p, err);
}
