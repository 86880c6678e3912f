/* Why: rows of nodes, namespaces, events, configuration and rights. */
#include <ctype.h>

#include "base/mem.h"
#include "base/vec.h"
#include "schema/table-priv.h"

/* ---- nodes ---- */

static int cmp_slices(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void cell_roles(struct row *r)
{
	const struct slice prefix = SLICE("node-role.kubernetes.io/");
	scoped_strbuf struct strbuf text = { 0 };
	VEC(struct slice) roles = { 0 };

	val_for_each (val_path(r->object, "metadata.labels"), it) {
		if (slice_has_prefix(it->key, prefix) && it->key.len > prefix.len) {
			vec_push(&roles, slice_from(it->key, prefix.len));
		} else if (slice_is(it->key, "kubernetes.io/role") && val_str(it).len) {
			vec_push(&roles, val_str(it));
		}
	}
	if (roles.n) {
		qsort(roles.at, roles.n, sizeof(*roles.at), cmp_slices);
	}
	for (size_t i = 0; i < roles.n; i++) {
		if (i == 0 || !slice_eq(roles.at[i], roles.at[i - 1])) {
			join(&text, ",");
			strbuf_add_slice(&text, roles.at[i]);
		}
	}
	cell_take(r, &text, "<none>");
	vec_fini(&roles);
}

static struct slice node_address(const struct row *r, const char *type)
{
	val_for_each (val_path(r->object, "status.addresses"), it) {
		if (slice_is(val_get_str(it, "type"), type)) {
			return val_get_str(it, "address");
		}
	}
	return SLICE("");
}

static void node_row(struct row *r)
{
	const struct val *info = val_path(r->object, "status.nodeInfo");
	const char *word = "Unknown";

	val_for_each (val_path(r->object, "status.conditions"), it) {
		if (slice_is(val_get_str(it, "type"), "Ready")) {
			word = slice_is(val_get_str(it, "status"), "True") ? "Ready" : "NotReady";
		}
	}
	cell_name(r);
	cell_strf(r, "%s%s", word,
	          val_bool(val_path(r->object, "spec.unschedulable"), false) ? ",SchedulingDisabled"
	                                                                     : "");
	cell_roles(r);
	cell_created_age(r);
	cell_str(r, val_get_str(info, "kubeletVersion"));
	cell_str_or(r, node_address(r, "InternalIP"), "<none>");
	cell_str_or(r, node_address(r, "ExternalIP"), "<none>");
	cell_str_or(r, val_get_str(info, "osImage"), "<unknown>");
	cell_str_or(r, val_get_str(info, "kernelVersion"), "<unknown>");
	cell_str_or(r, val_get_str(info, "containerRuntimeVersion"), "<unknown>");
}

static const struct column node_columns[] = {
	COLUMN_NAME,
	{ "Status" },
	{ "Roles" },
	{ "Age" },
	{ "Version" },
	{ "Internal-IP", .priority = 1 },
	{ "External-IP", .priority = 1 },
	{ "OS-Image", .priority = 1 },
	{ "Kernel-Version", .priority = 1 },
	{ "Container-Runtime", .priority = 1 },
};

/* ---- namespaces, configuration, identities ---- */

static void namespace_row(struct row *r)
{
	cell_name(r);
	cell_str(r, val_str(val_path(r->object, "status.phase")));
	cell_created_age(r);
}

static const struct column namespace_columns[] = { COLUMN_NAME, { "Status" }, { "Age" } };

static void configmap_row(struct row *r)
{
	cell_name(r);
	cell_int(r, (int64_t)(val_len(val_get(r->object, "data")) +
	                      val_len(val_get(r->object, "binaryData"))));
	cell_created_age(r);
}

static const struct column configmap_columns[] = { COLUMN_NAME, { "Data" }, { "Age" } };

static void secret_row(struct row *r)
{
	cell_name(r);
	cell_str(r, val_get_str(r->object, "type"));
	cell_int(r, (int64_t)val_len(val_get(r->object, "data")));
	cell_created_age(r);
}

static const struct column secret_columns[] = {
	COLUMN_NAME,
	{ "Type" },
	{ "Data" },
	{ "Age" },
};

static void account_row(struct row *r)
{
	cell_name(r);
	cell_int(r, (int64_t)val_len(val_get(r->object, "secrets")));
	cell_created_age(r);
}

static const struct column account_columns[] = { COLUMN_NAME, { "Secrets" }, { "Age" } };

static void lease_row(struct row *r)
{
	cell_name(r);
	cell_str(r, val_str(val_path(r->object, "spec.holderIdentity")));
	cell_created_age(r);
}

static const struct column lease_columns[] = { COLUMN_NAME, { "Holder" }, { "Age" } };

static void priority_row(struct row *r)
{
	cell_name(r);
	cell_int(r, val_int(val_get(r->object, "value"), 0));
	cell_bool(r, val_bool(val_get(r->object, "globalDefault"), false));
	cell_created_age(r);
	cell_str(r, val_get_str(r->object, "preemptionPolicy"));
}

static const struct column priority_columns[] = {
	COLUMN_NAME,
	{ "Value" },
	{ "Global-Default" },
	{ "Age" },
	{ "PreemptionPolicy", .priority = 1 },
};

/* ---- events ---- */

static void cell_event_target(struct row *r, const struct val *target)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct slice kind = val_get_str(target, "kind"), name = val_get_str(target, "name");

	for (size_t i = 0; i < kind.len; i++) {
		strbuf_addc(&text, (char)tolower((unsigned char)kind.p[i]));
	}
	if (name.len) {
		strbuf_addc(&text, '/');
		strbuf_add_slice(&text, name);
	}
	cell_take(r, &text, "");
}

static void cell_event_source(struct row *r, const struct val *e)
{
	struct slice component = val_str(val_path(e, "source.component"));
	struct slice host = val_str(val_path(e, "source.host"));

	if (!component.len) {
		component = val_get_str(e, "reportingComponent");
		host = val_get_str(e, "reportingInstance");
	}
	cell_strf(r, SLICE_FMT "%s" SLICE_FMT, SLICE_ARG(component), host.len ? ", " : "",
	          SLICE_ARG(host));
}

static void event_row(struct row *r)
{
	const struct val *e = r->object, *target = val_get(e, "involvedObject");
	const struct val *first = val_get(e, "firstTimestamp"), *last = val_get(e, "lastTimestamp");
	const struct val *series = val_get(e, "series");
	int64_t count = val_int(val_get(e, "count"), 0);

	if (val_is_null(first)) {
		first = val_get(e, "eventTime");
	}
	if (val_is_null(last)) {
		last = first;
	}
	if (!val_is_null(series)) {
		last = val_get(series, "lastObservedTime");
		count = val_int(val_get(series, "count"), 0);
	}
	cell_age(r, last);
	cell_str(r, val_get_str(e, "type"));
	cell_str(r, val_get_str(e, "reason"));
	cell_event_target(r, target);
	cell_str(r, val_get_str(target, "fieldPath"));
	cell_event_source(r, e);
	cell_str(r, slice_trim(val_get_str(e, "message")));
	cell_age(r, first);
	cell_int(r, count ? count : 1);
	cell_name(r);
}

static const struct column event_columns[] = {
	{ "Last Seen" },
	{ "Type" },
	{ "Reason" },
	{ "Object" },
	{ "Subobject", .priority = 1 },
	{ "Source", .priority = 1 },
	{ "Message" },
	{ "First Seen", .priority = 1 },
	{ "Count", .type = "integer", .priority = 1 },
	{ "Name", .format = "name", .priority = 1 },
};

/* ---- rights ---- */

static void cell_subjects(struct row *r, const char *kind)
{
	scoped_strbuf struct strbuf text = { 0 };

	val_for_each (val_get(r->object, "subjects"), it) {
		struct slice ns = val_get_str(it, "namespace");

		if (!slice_is(val_get_str(it, "kind"), kind)) {
			continue;
		}
		join(&text, ", ");
		if (ns.len) {
			strbuf_add_slice(&text, ns);
			strbuf_addc(&text, '/');
		}
		strbuf_add_slice(&text, val_get_str(it, "name"));
	}
	cell_take(r, &text, "");
}

static void binding_row(struct row *r)
{
	const struct val *role = val_get(r->object, "roleRef");

	cell_name(r);
	cell_strf(r, "%s/%s", val_cstr(val_get(role, "kind")), val_cstr(val_get(role, "name")));
	cell_created_age(r);
	cell_subjects(r, "User");
	cell_subjects(r, "Group");
	cell_subjects(r, "ServiceAccount");
}

static const struct column binding_columns[] = {
	COLUMN_NAME,
	{ "Role" },
	{ "Age" },
	{ "Users", .priority = 1 },
	{ "Groups", .priority = 1 },
	{ "ServiceAccounts", .priority = 1 },
};

const struct table table_cluster[] = {
	TABLE("", "Node", node_columns, node_row),
	TABLE("", "Namespace", namespace_columns, namespace_row),
	TABLE("", "ConfigMap", configmap_columns, configmap_row),
	TABLE("", "Secret", secret_columns, secret_row),
	TABLE("", "ServiceAccount", account_columns, account_row),
	TABLE("coordination.k8s.io", "Lease", lease_columns, lease_row),
	TABLE("scheduling.k8s.io", "PriorityClass", priority_columns, priority_row),
	TABLE("", "Event", event_columns, event_row),
	TABLE("events.k8s.io", "Event", event_columns, event_row),
	TABLE("rbac.authorization.k8s.io", "RoleBinding", binding_columns, binding_row),
	TABLE("rbac.authorization.k8s.io", "ClusterRoleBinding", binding_columns, binding_row),
	{ 0 },
};
