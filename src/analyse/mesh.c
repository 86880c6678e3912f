/* Why: what Istio's objects mean together; see mesh.h. */
#include "analyse/mesh.h"

#include "analyse/nearest.h"
#include "analyse/route.h"
#include "codec/yaml.h"

/* ---- proxies ---- */

static enum answer pod_says(const struct workload *w)
{
	struct slice label = val_get_str(w->labels, "sidecar.istio.io/inject");
	struct slice note = val_get_str(val_get(w->meta, "annotations"), "sidecar.istio.io/inject");
	struct slice mode = val_get_str(w->labels, "istio.io/dataplane-mode");

	label = label.len ? label : note;
	if (slice_is(label, "true") || slice_is(mode, "ambient")) {
		return ANSWER_YES;
	}
	return slice_is(label, "false") || slice_is(mode, "none") ? ANSWER_NO : ANSWER_UNKNOWN;
}

enum answer mesh_has_proxy(const struct workload *w)
{
	enum answer own = pod_says(w);
	struct slice injection, mode;

	container_each(w->spec, k)
	{
		if (slice_is(val_get_str(k, "name"), "istio-proxy")) {
			return ANSWER_YES;
		}
	}
	if (w->host_network) {
		return ANSWER_NO;
	}
	if (own != ANSWER_UNKNOWN || w->object->assumed || !w->space->object) {
		return own;
	}
	injection = val_get_str(w->space->labels, "istio-injection");
	mode = val_get_str(w->space->labels, "istio.io/dataplane-mode");
	return slice_is(injection, "enabled") || slice_is(mode, "ambient") ||
	                       (!injection.len && val_get(w->space->labels, "istio.io/rev"))
	               ? ANSWER_YES
	               : ANSWER_NO;
}

bool mesh_is_there(const struct subject *s)
{
	for (size_t i = 0; i < s->workloads.n; i++) {
		if (mesh_has_proxy(s->workloads.at[i]) == ANSWER_YES) {
			return true;
		}
	}
	return false;
}

/* ---- what a proxy demands ---- */

bool mesh_selects(const struct object *policy, const struct workload *w)
{
	const struct val *labels = val_path(object_spec(policy), "selector.matchLabels");
	bool root = slice_is(policy->ns, MESH_ROOT);

	return (root || slice_eq(policy->ns, w->ns)) &&
	       (!val_len(labels) || labels_have(w->labels, labels));
}

static bool read_mode(const struct val *at, enum mtls *ret)
{
	struct slice mode = val_str(at);

	if (slice_is(mode, "STRICT")) {
		*ret = MTLS_STRICT;
	} else if (slice_is(mode, "DISABLE")) {
		*ret = MTLS_DISABLE;
	} else if (slice_is(mode, "PERMISSIVE")) {
		*ret = MTLS_PERMISSIVE;
	} else {
		return false;
	}
	return true;
}

static const struct val *port_mode(const struct object *policy, uint16_t port)
{
	val_for_each (val_get(object_spec(policy), "portLevelMtls"), p) {
		int64_t number;

		if (slice_to_i64(p->key, &number) && number == port) {
			return val_get(p, "mode");
		}
	}
	return NULL;
}

/* 0: selects the workload; 1: the namespace's; 2: the mesh's. */
static unsigned level_of(const struct object *policy, const struct workload *w)
{
	return val_len(val_path(object_spec(policy), "selector.matchLabels")) ? 0
	       : slice_eq(policy->ns, w->ns)                                  ? 1
	                                                                      : 2;
}

enum mtls mesh_mtls(const struct subject *s, const struct workload *w, uint16_t port,
                    const struct object **ret_by, const struct val **ret_at)
{
	const struct object *by = NULL;
	const struct val *at = NULL;
	enum mtls mode = MTLS_PERMISSIVE, m;

	for (unsigned level = 0; level < 3 && !by; level++) {
		object_each(s, OBJECT_PEERAUTHENTICATION, o)
		{
			const struct val *own = level == 0 ? port_mode(o, port) : NULL;
			const struct val *all = val_path(object_spec(o), "mtls.mode");

			if (by || !mesh_selects(o, w) || level_of(o, w) != level) {
				continue;
			}
			if (read_mode(own, &m) || read_mode(all, &m)) {
				by = o;
				at = own && read_mode(own, &m) ? own : all;
				mode = m;
			}
		}
	}
	if (ret_by) {
		*ret_by = by;
	}
	if (ret_at) {
		*ret_at = at;
	}
	return mode;
}

/* ---- configuration of the mesh ---- */

static bool truth(const struct val *v)
{
	return val_bool(v, slice_is(val_str(v), "true"));
}

static void take_config(struct mesh_config *ret, const struct object *o, const struct val *mesh)
{
	ret->object = o;
	ret->holds = ret->holds ||
	             truth(val_path(mesh, "defaultConfig.holdApplicationUntilProxyStarts"));
	ret->registry_only =
		ret->registry_only ||
		slice_is(val_str(val_path(mesh, "outboundTrafficPolicy.mode")), "REGISTRY_ONLY");
}

struct mesh_config mesh_config_read(const struct subject *s)
{
	struct mesh_config c = { 0 };

	object_each(s, OBJECT_ISTIOOPERATOR, o)
	{
		const struct val *values = val_get(object_spec(o), "values");

		take_config(&c, o, val_get(object_spec(o), "meshConfig"));
		c.holds = c.holds ||
		          truth(val_path(values, "global.proxy.holdApplicationUntilProxyStarts")) ||
		          truth(val_path(values, "pilot.env.ENABLE_NATIVE_SIDECARS"));
	}
	object_each(s, OBJECT_CONFIGMAP, o)
	{
		scoped_arena struct arena a = { 0 };
		struct err err = { 0 };
		struct val *mesh;

		if (slice_is(o->ns, MESH_ROOT) &&
		    (slice_is(o->name, "istio") || slice_has_prefix(o->name, SLICE("istio-"))) &&
		    yaml_parse(&a, val_get_str(val_get(o->v, "data"), "mesh"), &mesh, &err) == 0 &&
		    mesh) {
			take_config(&c, o, mesh);
		}
	}
	return c;
}

/* ---- hosts ---- */

static const struct object *entry_of(const struct subject *s, struct slice host)
{
	object_each(s, OBJECT_SERVICEENTRY, o)
	{
		val_for_each (val_get(object_spec(o), "hosts"), h) {
			if (val_str(h).len && hosts_meet(val_str(h), host)) {
				return o;
			}
		}
	}
	return NULL;
}

struct mesh_host mesh_host_of(const struct subject *s, struct slice ns, struct slice host)
{
	struct mesh_host r = { .known = ANSWER_NO };
	struct slice name, rest, space, more;
	bool dotted = slice_cut(host, '.', &name, &rest), inside;

	(void)slice_cut(rest, '.', &space, &more);
	inside = !dotted || slice_is(more, "svc") || slice_has_prefix(more, SLICE("svc."));
	r.entry = entry_of(s, host);
	r.svc = subject_service(s, dotted ? space : ns, name);
	r.svc = r.svc && (inside || !more.len) ? r.svc : NULL;
	if (r.svc || r.entry) {
		r.known = ANSWER_YES;
	} else if (!host.len || slice_find(host, '*') >= 0 ||
	           (dotted && (inside || !more.len) && !slice_eq(space, ns) &&
	            !subject_space(s, space))) {
		r.known = ANSWER_UNKNOWN; /* in a namespace of which nothing is among the objects */
	}
	return r;
}

bool mesh_pattern_fits(struct slice pattern, struct slice text)
{
	if (slice_is(pattern, "*")) {
		return text.len > 0;
	}
	if (pattern.len && pattern.p[pattern.len - 1] == '*') {
		return slice_has_prefix(text, slice_head(pattern, pattern.len - 1));
	}
	if (pattern.len && pattern.p[0] == '*') {
		return slice_has_suffix(text, slice_from(pattern, 1));
	}
	return slice_eq(pattern, text);
}
