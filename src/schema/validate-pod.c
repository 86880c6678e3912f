/* Why: what a pod and a template of pods must obey beyond the tables. Source: reference 7.2 */
#include "base/map.h"
#include "base/mem.h"
#include "schema/check.h"
#include "schema/format.h"
#include "schema/quantity.h"

static const char *const lists[] = { "initContainers", "containers", "ephemeralContainers" };

enum { CHECKED_CONTAINERS_MAX = 1000 }; /* per list; more cannot run and would cost squared time */

/* ---- handlers ---- */

static size_t count_of(const struct val *v, const char *const *names, const char **ret_second)
{
	size_t n = 0;

	for (size_t i = 0; names[i]; i++) {
		if (!val_is_null(val_get(v, names[i])) && ++n == 2) {
			*ret_second = names[i];
		}
	}
	return n;
}

static void check_handler(struct checker *c, const struct val *v, const char *const *names)
{
	const char *second = NULL;
	size_t n = count_of(v, names, &second);

	if (n == 0) {
		bad_required(c, "", v, "must specify a handler type");
	} else if (n > 1) {
		bad_forbidden(c, second, v, "may not specify more than 1 handler type");
	}
}

void check_probe(struct checker *c, const struct val *v)
{
	static const char *const names[] = { "exec", "httpGet", "tcpSocket", "grpc", NULL };

	check_handler(c, v, names);
}

void check_lifecycle_handler(struct checker *c, const struct val *v)
{
	static const char *const names[] = { "exec", "httpGet", "tcpSocket", "sleep", NULL };

	check_handler(c, v, names);
}

void check_http_get(struct checker *c, const struct val *v)
{
	check_port_value(c, "port", val_get(v, "port"));
}

void check_tcp_socket(struct checker *c, const struct val *v)
{
	check_port_value(c, "port", val_get(v, "port"));
}

/* ---- environment ---- */

static void check_field_ref(struct checker *c, const struct val *v)
{
	static const char *const paths[] = { "metadata.name",
		                             "metadata.namespace",
		                             "metadata.uid",
		                             "spec.nodeName",
		                             "spec.serviceAccountName",
		                             "status.hostIP",
		                             "status.hostIPs",
		                             "status.podIP",
		                             "status.podIPs",
		                             NULL };
	const struct val *path = val_get(v, "fieldPath");
	struct slice s = val_str(path);

	for (size_t i = 0; paths[i]; i++) {
		if (slice_is(s, paths[i])) {
			return;
		}
	}
	if (s.len && !((slice_has_prefix(s, SLICE("metadata.labels['")) ||
	                slice_has_prefix(s, SLICE("metadata.annotations['"))) &&
	               slice_has_suffix(s, SLICE("']")))) {
		bad_unsupported(c, "valueFrom.fieldRef.fieldPath", path, paths);
	}
}

void check_env_var(struct checker *c, const struct val *v)
{
	static const char *const sources[] = { "fieldRef",        "resourceFieldRef",
		                               "configMapKeyRef", "secretKeyRef",
		                               "fileKeyRef",      NULL };
	const struct val *from = val_get(v, "valueFrom");
	const char *second = NULL;
	size_t n;

	if (val_is_null(from)) {
		return;
	}
	n = count_of(from, sources, &second);
	if (val_get_str(v, "value").len) {
		bad_value(c, "valueFrom", NULL, "may not be specified when `value` is not empty");
	} else if (n == 0) {
		bad_value(
			c, "valueFrom", NULL,
			"must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or "
			"`secretKeyRef`");
	} else if (n > 1) {
		bad_value(c, "valueFrom", NULL,
		          "may not have more than one field specified at a time");
	}
	if (val_get(from, "fieldRef")) {
		check_field_ref(c, val_get(from, "fieldRef"));
	}
}

void check_env_from(struct checker *c, const struct val *v)
{
	static const char *const sources[] = { "configMapRef", "secretRef", NULL };
	const char *second = NULL;
	size_t n = count_of(v, sources, &second);

	if (n == 0) {
		bad_value(c, "", NULL, "must specify one of: `configMapRef` or `secretRef`");
	} else if (n > 1) {
		bad_value(c, "", NULL, "may not have more than one field specified at a time");
	}
}

/* ---- resources ---- */

static bool is_standard_resource(struct slice name)
{
	static const char *const known[] = { "cpu", "memory", "ephemeral-storage", "storage" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (slice_is(name, known[i])) {
			return true;
		}
	}
	return slice_has_prefix(name, SLICE("hugepages-"));
}

static void check_amounts(struct checker *c, const char *list, const struct val *v)
{
	val_for_each (v, it) {
		const char *sub = sub_path(c, "%s[" SLICE_FMT "]", list, SLICE_ARG(it->key));
		struct val name = {
			.type = VAL_STRING, .s = it->key, .line = it->line, .col = it->col
		};
		const char *words = format_wrong(FORMAT_QUALIFIED, it->key);
		struct quantity q;

		if (words) {
			bad_value(c, sub, &name, "%s", words);
		} else if (slice_find(it->key, '/') < 0 && !is_standard_resource(it->key)) {
			bad_value(c, sub, &name, "must be a standard resource for containers");
		}
		if (quantity_of_val(it, &q) && q.nano < 0) {
			bad_value(c, sub, it, "must be greater than or equal to 0");
		}
	}
}

void check_resources(struct checker *c, const struct val *v)
{
	const struct val *limits = val_get(v, "limits"), *requests = val_get(v, "requests");

	check_amounts(c, "limits", limits);
	check_amounts(c, "requests", requests);
	val_for_each (requests, it) {
		const struct val *limit = val_get_slice(limits, it->key);
		struct quantity want, most;

		if (quantity_of_val(it, &want) && quantity_of_val(limit, &most) &&
		    want.nano > most.nano) {
			bad_value(c, "requests", it,
			          "must be less than or equal to " SLICE_FMT " limit of " SLICE_FMT,
			          SLICE_ARG(it->key), SLICE_ARG(val_str(limit)));
		}
	}
}

/* ---- containers ---- */

static void check_success_threshold(struct checker *c, const struct val *container,
                                    const char *probe)
{
	const struct val *n = val_get(val_get(container, probe), "successThreshold");

	if (n && val_int(n, 1) != 1) {
		bad_value(c, sub_path(c, "%s.successThreshold", probe), n, "must be 1");
	}
}

static void check_mount_paths(struct checker *c, const struct val *mounts)
{
	scoped_map struct map seen = { 0 };
	size_t i = 0;

	val_for_each (mounts, it) {
		const struct val *path = val_get(it, "mountPath");

		if (val_str(path).len && map_set(&seen, val_str(path), c)) {
			bad_value(c, sub_path(c, "volumeMounts[%zu].mountPath", i), path,
			          "must be unique");
		}
		i++;
	}
}

void check_container(struct checker *c, const struct val *v)
{
	const struct val *image = val_get(v, "image");

	if (!val_str(image).len) {
		bad_required(c, "image", v, NULL);
	} else if (slice_trim(image->s).len != image->s.len) {
		bad_value(c, "image", image, "must not have leading or trailing whitespace");
	}
	check_unique(c, "ports", val_get(v, "ports"), "name");
	check_mount_paths(c, val_get(v, "volumeMounts"));
	check_success_threshold(c, v, "livenessProbe");
	check_success_threshold(c, v, "startupProbe");
}

void check_ephemeral_container(struct checker *c, const struct val *v)
{
	static const char *const banned[] = { "ports", "livenessProbe", "readinessProbe",
		                              "startupProbe", "lifecycle" };

	for (size_t i = 0; i < ARRAY_SIZE(banned); i++) {
		if (!val_is_null(val_get(v, banned[i]))) {
			bad_forbidden(c, banned[i], val_get(v, banned[i]),
			              "cannot be set for an Ephemeral Container");
		}
	}
	if (val_len(val_get(v, "resources"))) {
		bad_forbidden(c, "resources", val_get(v, "resources"),
		              "cannot be set for an Ephemeral Container");
	}
	if (!val_get_str(v, "image").len) {
		bad_required(c, "image", v, NULL);
	}
	check_mount_paths(c, val_get(v, "volumeMounts"));
}

/* ---- volumes ---- */

void check_volume(struct checker *c, const struct val *v)
{
	bool found = false;

	val_for_each (v, it) {
		if (slice_is(it->key, "name")) {
			continue;
		}
		if (found) {
			bad_forbidden(c, it->key.p, it, "may not specify more than 1 volume type");
		}
		found = true;
	}
	if (!found) {
		bad_required(c, "", v, "must specify a volume type");
	}
}

void check_volume_mount(struct checker *c, const struct val *v)
{
	const struct val *sub = val_get(v, "subPath"), *expr = val_get(v, "subPathExpr");
	const char *words = format_wrong(FORMAT_LOCAL_PATH, val_str(sub));

	if (words) {
		bad_value(c, "subPath", sub, "%s", words);
	}
	words = format_wrong(FORMAT_LOCAL_PATH, val_str(expr));
	if (words) {
		bad_value(c, "subPathExpr", expr, "%s", words);
	}
	if (val_str(sub).len && val_str(expr).len) {
		bad_value(c, "subPathExpr", expr, "subPathExpr and subPath are mutually exclusive");
	}
}

/* ---- scheduling ---- */

void check_toleration(struct checker *c, const struct val *v)
{
	static const char *const operators[] = { "Equal", "Exists", NULL };
	const struct val *op = val_get(v, "operator"), *effect = val_get(v, "effect");
	bool is_exists = slice_is(val_str(op), "Exists");

	if (!val_get_str(v, "key").len && !is_exists) {
		bad_value(c, "operator", op,
		          "operator must be Exists when `key` is empty, which means \"match all "
		          "values and all keys\"");
	}
	if (val_str(op).len && !is_exists && !slice_is(val_str(op), "Equal")) {
		bad_unsupported(c, "operator", op, operators);
	}
	if (is_exists && val_get_str(v, "value").len) {
		bad_value(c, "operator", op, "value must be empty when `operator` is 'Exists'");
	}
	if (val_get(v, "tolerationSeconds") && !slice_is(val_str(effect), "NoExecute")) {
		bad_value(c, "effect", effect,
		          "effect must be 'NoExecute' when `tolerationSeconds` is set");
	}
}

void check_topology_spread(struct checker *c, const struct val *v)
{
	const struct val *domains = val_get(v, "minDomains");

	if (!domains) {
		return;
	}
	if (val_int(domains, 0) <= 0) {
		bad_value(c, "minDomains", domains, "must be greater than 0");
	}
	if (!slice_is(val_get_str(v, "whenUnsatisfiable"), "DoNotSchedule")) {
		bad_value(c, "minDomains", domains,
		          "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not %s",
		          val_cstr(val_get(v, "whenUnsatisfiable")));
	}
}

void check_seccomp_profile(struct checker *c, const struct val *v)
{
	bool is_local = slice_is(val_get_str(v, "type"), "Localhost");
	const struct val *profile = val_get(v, "localhostProfile");

	if (is_local && !val_str(profile).len) {
		bad_required(c, "localhostProfile", v,
		             "must be set when seccomp type is Localhost");
	} else if (!is_local && profile) {
		bad_value(c, "localhostProfile", profile,
		          "can only be set when seccomp type is Localhost");
	}
}

/* ---- pods and templates ---- */

static void check_container_names(struct checker *c, const struct val *spec)
{
	scoped_map struct map seen = { 0 };

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		size_t i = 0;

		val_for_each (val_get(spec, lists[l]), it) {
			const struct val *name = val_get(it, "name");

			if (val_str(name).len && map_set(&seen, val_str(name), c)) {
				bad_duplicate(c, sub_path(c, "%s[%zu].name", lists[l], i), name);
			}
			i++;
		}
	}
}

static void check_mounts(struct checker *c, const struct val *spec)
{
	scoped_map struct map volumes = { 0 };
	size_t v = 0;

	val_for_each (val_get(spec, "volumes"), it) {
		const struct val *name = val_get(it, "name");

		if (val_str(name).len && map_set(&volumes, val_str(name), c)) {
			bad_duplicate(c, sub_path(c, "volumes[%zu].name", v), name);
		}
		v++;
	}
	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		size_t i = 0;

		val_for_each (val_get(spec, lists[l]), container) {
			size_t m = 0;

			val_for_each (val_get(container, "volumeMounts"), it) {
				const struct val *name = val_get(it, "name");

				if (val_str(name).len && !map_has(&volumes, val_str(name))) {
					bad_not_found(c,
					              sub_path(c, "%s[%zu].volumeMounts[%zu].name",
					                       lists[l], i, m),
					              name);
				}
				m++;
			}
			i++;
		}
	}
}

static void check_init_containers(struct checker *c, const struct val *spec)
{
	static const char *const always[] = { "Always", NULL };
	static const char *const banned[] = { "livenessProbe", "readinessProbe", "startupProbe",
		                              "lifecycle" };
	size_t i = 0;

	val_for_each (val_get(spec, "initContainers"), it) {
		const struct val *policy = val_get(it, "restartPolicy");

		if (policy && !slice_is(val_str(policy), "Always")) {
			bad_unsupported(c, sub_path(c, "initContainers[%zu].restartPolicy", i),
			                policy, always);
		}
		for (size_t b = 0; !policy && b < ARRAY_SIZE(banned); b++) {
			if (!val_is_null(val_get(it, banned[b]))) {
				bad_forbidden(c,
				              sub_path(c, "initContainers[%zu].%s", i, banned[b]),
				              val_get(it, banned[b]),
				              "may not be set for init containers without "
				              "restartPolicy=Always");
			}
		}
		i++;
	}
	i = 0;
	val_for_each (val_get(spec, "containers"), it) {
		if (val_get_str(it, "restartPolicy").len) {
			bad_forbidden(c, sub_path(c, "containers[%zu].restartPolicy", i),
			              val_get(it, "restartPolicy"),
			              "may not be set for non-init containers");
		}
		i++;
	}
}

static void check_host_port(struct checker *c, struct map *seen, const struct val *port,
                            const char *sub, bool is_host_network)
{
	const struct val *host = val_get(port, "hostPort");
	scoped_strbuf struct strbuf key = { 0 };
	struct val shown = { .type = VAL_STRING };
	int64_t n = val_int(host, 0);

	if (is_host_network && n && n != val_int(val_get(port, "containerPort"), 0)) {
		bad_value(c, sub_path(c, "%s.containerPort", sub), val_get(port, "containerPort"),
		          "must match `hostPort` when `hostNetwork` is true");
	}
	if (!n) {
		return;
	}
	strbuf_addf(&key, "%s/" SLICE_FMT "/%lld", val_cstr(val_get(port, "protocol")),
	            SLICE_ARG(val_get_str(port, "hostIP")), (long long)n);
	shown.s = strbuf_slice(&key);
	if (map_set(seen, shown.s, c)) {
		bad_duplicate(c, sub_path(c, "%s.hostPort", sub), &shown);
	}
}

static void check_host_ports(struct checker *c, const struct val *spec)
{
	bool is_host_network = val_bool(val_get(spec, "hostNetwork"), false);
	scoped_map struct map seen = { 0 };
	size_t i = 0;

	val_for_each (val_get(spec, "containers"), container) {
		size_t p = 0;

		val_for_each (val_get(container, "ports"), it) {
			check_host_port(c, &seen, it,
			                sub_path(c, "containers[%zu].ports[%zu]", i, p++),
			                is_host_network);
		}
		i++;
	}
}

void check_pod_spec(struct checker *c, const struct val *v)
{
	const struct val *account = val_get(v, "serviceAccountName"),
			 *node = val_get(v, "nodeName");
	const char *words;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		if (val_len(val_get(v, lists[l])) > CHECKED_CONTAINERS_MAX) {
			bad_too_long(c, lists[l], val_get(v, lists[l]), CHECKED_CONTAINERS_MAX);
			return;
		}
	}
	check_container_names(c, v);
	check_mounts(c, v);
	check_init_containers(c, v);
	check_host_ports(c, v);
	check_labels(c, "nodeSelector", val_get(v, "nodeSelector"));
	words = val_str(account).len ? format_wrong(FORMAT_SUBDOMAIN, val_str(account)) : NULL;
	if (words) {
		bad_value(c, "serviceAccountName", account, "%s", words);
	}
	words = val_str(node).len ? format_wrong(FORMAT_SUBDOMAIN, val_str(node)) : NULL;
	if (words) {
		bad_value(c, "nodeName", node, "%s", words);
	}
	if (slice_is(val_get_str(v, "dnsPolicy"), "None") &&
	    !val_len(val_path(v, "dnsConfig.nameservers"))) {
		bad_required(c, "dnsConfig.nameservers", v,
		             "must provide at least one DNS nameserver when `dnsPolicy` is None");
	}
}

/* ---- updates ---- */

/* The spec without what may change. */
static struct val *fixed_part(struct arena *a, const struct val *pod)
{
	static const char *const may_change[] = { "activeDeadlineSeconds", "tolerations",
		                                  "terminationGracePeriodSeconds",
		                                  "ephemeralContainers", "schedulingGates" };
	const struct val *spec = val_get(pod, "spec");
	struct val *copy = spec ? val_copy(a, spec) : val_new_object(a);

	for (size_t i = 0; i < ARRAY_SIZE(may_change); i++) {
		val_remove(copy, may_change[i]);
	}
	for (size_t l = 0; l < 2; l++) {
		const struct val *list = val_get(copy, lists[l]);

		for (size_t i = 0; i < val_len(list); i++) {
			val_remove(val_at(list, i), "image");
		}
	}
	return copy;
}

static void check_only_added(struct checker *c, const char *list, const struct val *v,
                             const struct val *old, const char *detail)
{
	const struct val *now = val_get(val_get(v, "spec"), list);

	val_for_each (val_get(val_get(old, "spec"), list), was) {
		bool found = false;

		val_for_each (now, it) {
			found = found || val_eq(it, was);
		}
		if (!found) {
			bad_forbidden(c, sub_path(c, "spec.%s", list), now, detail);
			return;
		}
	}
}

void update_pod(struct checker *c, const struct val *v, const struct val *old)
{
	scoped_arena struct arena a = { 0 };

	if (!val_eq(fixed_part(&a, v), fixed_part(&a, old))) {
		bad_forbidden(
			c, "spec", val_get(v, "spec"),
			"pod updates may not change fields other than "
			"`spec.containers[*].image`,`spec.initContainers[*].image`,"
			"`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
			"existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to "
			"be set to 1 if it was previously negative)");
	}
	check_only_added(c, "tolerations", v, old,
	                 "existing toleration can not be modified except its tolerationSeconds");
	check_only_added(c, "ephemeralContainers", v, old,
	                 "existing ephemeral containers may not be changed or removed");
}
