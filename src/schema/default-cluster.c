/* Why: defaults of namespaces, secrets, services, policies, rights and definitions that depend on
 * other fields. */
#include "base/base64.h"
#include "base/mem.h"
#include "schema/default-priv.h"

void fix_namespace(struct fixer *f, struct val *v)
{
	struct val *metadata = val_get(v, "metadata"), *spec = val_get(v, "spec"), *labels;
	struct slice name = val_get_str(metadata, "name");

	if (!metadata || metadata->type != VAL_OBJECT) {
		return;
	}
	if (name.len) {
		labels = fix_object(f, metadata, "labels");
		fix_str(f, labels, "kubernetes.io/metadata.name",
		        val_cstr(val_get(metadata, "name")));
	}
	/* only at birth: its end is that the list becomes empty */
	if (spec && spec->type == VAL_OBJECT && !val_get(metadata, "uid") &&
	    !val_get(spec, "finalizers")) {
		val_append(val_need_array(f->arena, spec, "finalizers"),
		           val_new_cstr(f->arena, "kubernetes"));
	}
}

void fix_secret(struct fixer *f, struct val *v)
{
	const struct val *texts = val_get(v, "stringData");
	struct val *data;

	if (!texts || texts->type != VAL_OBJECT) {
		return;
	}
	data = val_len(texts) ? fix_object(f, v, "data") : NULL;
	val_for_each (texts, it) {
		scoped_strbuf struct strbuf text = { 0 };

		base64_encode(&text, val_str(it));
		if (data) {
			val_set_slice(f->arena, data, it->key,
			              val_new_str(f->arena, strbuf_slice(&text)));
		}
	}
	val_remove(v, "stringData");
}

/* ---- services ---- */

void fix_service_port(struct fixer *f, struct val *v)
{
	const struct val *target = val_get(v, "targetPort"), *port = val_get(v, "port");
	bool is_empty = !target || (target->type == VAL_INT && target->i == 0) ||
	                (target->type == VAL_STRING && !target->s.len);

	if (is_empty && port && port->type == VAL_INT) {
		val_set_int(f->arena, v, "targetPort", port->i);
	}
}

static void fix_affinity(struct fixer *f, struct val *v)
{
	if (slice_is(val_get_str(v, "sessionAffinity"), "ClientIP")) {
		struct val *config = fix_object(f, v, "sessionAffinityConfig");

		fix_int(f, fix_object(f, config, "clientIP"), "timeoutSeconds", 10800);
	} else {
		val_remove(v, "sessionAffinityConfig");
	}
}

void fix_service_spec(struct fixer *f, struct val *v)
{
	struct slice type = val_get_str(v, "type");
	bool is_balanced = slice_is(type, "LoadBalancer");
	bool is_open = is_balanced || slice_is(type, "NodePort");

	fix_affinity(f, v);
	if (is_open || (val_len(val_get(v, "externalIPs")) && slice_is(type, "ClusterIP"))) {
		fix_str(f, v, "externalTrafficPolicy", "Cluster");
	}
	if (is_balanced) {
		fix_bool(f, v, "allocateLoadBalancerNodePorts", true);
	}
	if (!slice_is(type, "ExternalName")) {
		fix_str(f, v, "internalTrafficPolicy", "Cluster");
	}
}

void fix_policy_spec(struct fixer *f, struct val *v)
{
	struct val *types;

	if (val_len(val_get(v, "policyTypes"))) {
		return;
	}
	types = val_need_array(f->arena, v, "policyTypes");
	val_append(types, val_new_cstr(f->arena, "Ingress"));
	if (val_len(val_get(v, "egress"))) {
		val_append(types, val_new_cstr(f->arena, "Egress"));
	}
}

/* ---- rights ---- */

#define RBAC "rbac.authorization.k8s.io"

void fix_role_binding(struct fixer *f, struct val *v)
{
	struct val *ref = val_get(v, "roleRef"), *subjects = val_get(v, "subjects");

	if (ref && ref->type == VAL_OBJECT && !val_get_str(ref, "apiGroup").len) {
		val_set_cstr(f->arena, ref, "apiGroup", RBAC);
	}
	for (size_t i = 0; subjects && subjects->type == VAL_ARRAY && i < val_len(subjects); i++) {
		struct val *subject = val_at(subjects, i);
		struct slice kind = val_get_str(subject, "kind");

		if ((slice_is(kind, "User") || slice_is(kind, "Group")) &&
		    !val_get_str(subject, "apiGroup").len) {
			val_set_cstr(f->arena, subject, "apiGroup", RBAC);
		}
	}
}

/* ---- definitions ---- */

void fix_custom_resource_definition(struct fixer *f, struct val *v)
{
	struct val *names = val_get(val_get(v, "spec"), "names");
	struct slice kind = val_get_str(names, "kind");
	char *lower;

	if (!kind.len) {
		return;
	}
	lower = arena_printf(f->arena, SLICE_FMT, SLICE_ARG(kind));
	for (char *p = lower; *p; p++) {
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	}
	fix_str(f, names, "singular", lower);
	fix_str(f, names, "listKind", arena_printf(f->arena, SLICE_FMT "List", SLICE_ARG(kind)));
}
