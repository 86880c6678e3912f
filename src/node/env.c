/* Why: what a program reads from its environment is the contract most applications are wired with;
 * order and expansion follow the kubelet exactly. */
#include "node/env.h"

#include <ctype.h>

#include "base/base64.h"
#include "base/mem.h"
#include "schema/quantity.h"

/* ---- service links ---- */

static void add_upper(struct strbuf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		strbuf_addc(out, s.p[i] == '-' ? '_' : (char)toupper((unsigned char)s.p[i]));
	}
}

static void set_f(struct env *e, const char *prefix, const char *suffix, const char *value)
{
	scoped_strbuf struct strbuf name = { 0 };

	strbuf_addf(&name, "%s%s", prefix, suffix);
	env_set(e, strbuf_slice(&name), slice_of(value));
}

struct link_walk {
	struct env *env;
	bool links;      /* all services; else only default/kubernetes */
	struct slice ns; /* the pod's */
};

static void link_service(void *arg, const struct val *service)
{
	struct link_walk *w = arg;
	struct env *e = w->env;
	const struct val *meta = val_get(service, "metadata"), *spec = val_get(service, "spec");
	struct slice name = val_get_str(meta, "name");
	struct slice ip = val_get_str(spec, "clusterIP");
	bool is_master =
		slice_is(name, "kubernetes") && slice_is(val_get_str(meta, "namespace"), "default");
	scoped_strbuf struct strbuf up = { 0 };
	bool first = true;

	if (ip.len == 0 || slice_is(ip, "None") || (!w->links && !is_master)) {
		return;
	}
	add_upper(&up, name);
	set_f(e, strbuf_str(&up), "_SERVICE_HOST", ip.p);
	val_for_each (val_get(spec, "ports"), port) {
		struct slice port_name = val_get_str(port, "name");
		struct slice proto = val_get_str(port, "protocol");
		int64_t number = val_int(val_get(port, "port"), 0);
		scoped_strbuf struct strbuf key = { 0 }, lower = { 0 };
		char text[24];
		const char *url;

		if (proto.len == 0) {
			proto = SLICE("TCP");
		}
		for (size_t i = 0; i < proto.len; i++) {
			strbuf_addc(&lower, (char)tolower((unsigned char)proto.p[i]));
		}
		snprintf(text, sizeof(text), "%lld", (long long)number);
		url = arena_printf(e->arena, "%s://%s:%s", strbuf_str(&lower), ip.p, text);
		if (first) {
			set_f(e, strbuf_str(&up), "_SERVICE_PORT", text);
			set_f(e, strbuf_str(&up), "_PORT", url);
		}
		if (port_name.len > 0) {
			strbuf_addf(&key, "%s_SERVICE_PORT_", strbuf_str(&up));
			add_upper(&key, port_name);
			env_set(e, strbuf_slice(&key), slice_of(text));
			strbuf_reset(&key);
		}
		strbuf_addf(&key, "%s_PORT_%s_" SLICE_FMT, strbuf_str(&up), text, SLICE_ARG(proto));
		set_f(e, strbuf_str(&key), "", url);
		set_f(e, strbuf_str(&key), "_PROTO", strbuf_str(&lower));
		set_f(e, strbuf_str(&key), "_PORT", text);
		set_f(e, strbuf_str(&key), "_ADDR", ip.p);
		first = false;
	}
}

/* ---- ConfigMaps and Secrets ---- */

static struct slice decoded(struct arena *a, bool is_secret, const struct val *v)
{
	scoped_strbuf struct strbuf out = { 0 };

	if (!is_secret) {
		return val_str(v);
	}
	if (!base64_decode(&out, val_str(v))) {
		return (struct slice){ "", 0 };
	}
	return arena_slice(a, strbuf_slice(&out));
}

static int find_object(const struct pod_facts *f, const char *kind, struct slice name,
                       bool optional, const struct val **ret, struct err *err)
{
	struct slice ns = val_str(val_path(f->pod, "metadata.namespace"));

	*ret = f->find(f->arg, kind, ns, name);
	if (!*ret && !optional) {
		return err_raise(err, ERR_NOTFOUND, "%s \"" SLICE_FMT "\" not found",
		                 strcmp(kind, "Secret") == 0 ? "secret" : "configmap",
		                 SLICE_ARG(name));
	}
	return 0;
}

static int from_whole(struct env *e, const struct pod_facts *f, const struct val *from,
                      struct strbuf *skipped, struct err *err)
{
	const struct val *ref = val_get(from, "configMapRef"), *object = NULL;
	struct slice prefix = val_get_str(from, "prefix");
	bool is_secret = !ref;
	int r;

	if (is_secret) {
		ref = val_get(from, "secretRef");
	}
	r = find_object(f, is_secret ? "Secret" : "ConfigMap", val_get_str(ref, "name"),
	                val_bool(val_get(ref, "optional"), false), &object, err);
	if (r < 0) {
		return r;
	}
	val_for_each (val_get(object, "data"), it) {
		scoped_strbuf struct strbuf name = { 0 };

		strbuf_add_slice(&name, prefix);
		strbuf_add_slice(&name, it->key);
		if (!env_name_is_valid(strbuf_slice(&name))) {
			if (skipped) {
				strbuf_addf(skipped, "%s%s", skipped->size ? ", " : "",
				            strbuf_str(&name));
			}
			continue;
		}
		env_set(e, strbuf_slice(&name), decoded(e->arena, is_secret, it));
	}
	return 0;
}

/* 1: *ret is set; 0: optional and absent. */
static int from_key(struct env *e, const struct pod_facts *f, const struct val *ref, bool is_secret,
                    struct slice *ret, struct err *err)
{
	const struct val *object = NULL, *v;
	const char *kind = is_secret ? "Secret" : "ConfigMap";
	struct slice name = val_get_str(ref, "name"), key = val_get_str(ref, "key");
	bool optional = val_bool(val_get(ref, "optional"), false);
	int r = find_object(f, kind, name, optional, &object, err);

	if (r < 0) {
		return r;
	}
	v = val_get_slice(val_get(object, "data"), key);
	if (!v && !is_secret) {
		v = val_get_slice(val_get(object, "binaryData"), key);
		is_secret = v != NULL; /* base64 as well */
	}
	if (!v && !optional) {
		return err_raise(err, ERR_NOTFOUND,
		                 "couldn't find key " SLICE_FMT " in %s " SLICE_FMT "/" SLICE_FMT,
		                 SLICE_ARG(key), kind,
		                 SLICE_ARG(val_str(val_path(f->pod, "metadata.namespace"))),
		                 SLICE_ARG(name));
	}
	if (!v) {
		return 0;
	}
	*ret = decoded(e->arena, is_secret, v);
	return 1;
}

static int from_value(struct env *e, const struct pod_facts *f, const struct val *container,
                      const struct val *var, struct err *err)
{
	const struct val *from = val_get(var, "valueFrom"), *ref;
	struct slice name = val_get_str(var, "name"), value = { "", 0 };
	int r = 1;

	if (!from) {
		value = env_expand(e, val_get_str(var, "value"));
	} else if ((ref = val_get(from, "fieldRef"))) {
		r = downward_field(e->arena, f, val_get_str(ref, "fieldPath"), &value, err);
	} else if ((ref = val_get(from, "resourceFieldRef"))) {
		r = downward_resource(e->arena, f, container, ref, &value, err);
	} else if ((ref = val_get(from, "configMapKeyRef"))) {
		r = from_key(e, f, ref, false, &value, err);
		if (r == 0) {
			return 0;
		}
	} else if ((ref = val_get(from, "secretKeyRef"))) {
		r = from_key(e, f, ref, true, &value, err);
		if (r == 0) {
			return 0;
		}
	}
	if (r < 0) {
		return r;
	}
	env_set(e, name, value);
	return 0;
}

int env_build(struct env *e, const struct pod_facts *f, const struct val *container,
              struct strbuf *skipped, struct err *err)
{
	const struct val *spec = val_get(f->pod, "spec");
	struct link_walk w = {
		.env = e,
		.links = val_bool(val_get(spec, "enableServiceLinks"), true),
		.ns = val_str(val_path(f->pod, "metadata.namespace")),
	};
	int r;

	if (f->services) {
		/* Without links there is the API server's alone. */
		f->services(f->arg, w.links ? w.ns : SLICE(""), link_service, &w);
	}
	val_for_each (val_get(container, "envFrom"), it) {
		r = from_whole(e, f, it, skipped, err);
		if (r < 0) {
			return r;
		}
	}
	val_for_each (val_get(container, "env"), it) {
		r = from_value(e, f, container, it, err);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

void env_with_image(struct env *e, const struct env *own, const struct val *image_config)
{
	val_for_each (val_get(image_config, "Env"), it) {
		struct slice name, value;

		slice_cut(val_str(it), '=', &name, &value);
		env_set(e, name, value);
	}
	if (!env_find(e, SLICE("PATH")).p) {
		env_set(e, SLICE("PATH"),
		        SLICE("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
	}
	for (size_t i = 0; i < own->n; i++) {
		env_set(e, own->at[i].name, own->at[i].value);
	}
}

/* ---- downward API ---- */

static int cmp_member(const void *x, const void *y)
{
	const struct val *const *a = x, *const *b = y;

	return slice_cmp((*a)->key, (*b)->key);
}

/* Go's %q for the characters that labels and annotations hold. */
static void add_quoted(struct strbuf *out, struct slice s)
{
	strbuf_addc(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		switch (c) {
		case '"':
		case '\\':
			strbuf_addf(out, "\\%c", c);
			break;
		case '\n':
			strbuf_adds(out, "\\n");
			break;
		case '\t':
			strbuf_adds(out, "\\t");
			break;
		case '\r':
			strbuf_adds(out, "\\r");
			break;
		default:
			if ((unsigned char)c < 0x20 || c == 0x7f) {
				strbuf_addf(out, "\\x%02x", (unsigned char)c);
			} else {
				strbuf_addc(out, c);
			}
		}
	}
	strbuf_addc(out, '"');
}

static struct slice format_map(struct arena *a, const struct val *map)
{
	scoped_strbuf struct strbuf out = { 0 };
	size_t n = val_len(map), i = 0;
	const struct val **sorted = ARENA_ARRAY(a, const struct val *, n + 1);

	val_for_each (map, it) {
		sorted[i++] = it;
	}
	qsort(sorted, n, sizeof(*sorted), cmp_member);
	for (i = 0; i < n; i++) {
		strbuf_addf(&out, "%s" SLICE_FMT "=", i ? "\n" : "", SLICE_ARG(sorted[i]->key));
		add_quoted(&out, val_str(sorted[i]));
	}
	return arena_slice(a, strbuf_slice(&out));
}

static struct slice primary(const char *ips)
{
	return slice_head(slice_of(ips), strcspn(ips, ","));
}

int downward_field(struct arena *a, const struct pod_facts *f, struct slice path, struct slice *ret,
                   struct err *err)
{
	static const char *const MAPS[] = { "labels", "annotations" };
	const struct val *meta = val_get(f->pod, "metadata"), *spec = val_get(f->pod, "spec");
	const struct {
		const char *path;
		struct slice value;
	} plain[] = {
		{ "metadata.name", val_get_str(meta, "name") },
		{ "metadata.namespace", val_get_str(meta, "namespace") },
		{ "metadata.uid", val_get_str(meta, "uid") },
		{ "spec.nodeName", f->node_name },
		{ "spec.serviceAccountName", val_get_str(spec, "serviceAccountName") },
		{ "status.hostIP", primary(f->host_ips) },
		{ "status.hostIPs", slice_of(f->host_ips) },
		{ "status.podIP", primary(f->pod_ips) },
		{ "status.podIPs", slice_of(f->pod_ips) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		if (slice_is(path, plain[i].path)) {
			*ret = arena_slice(a, plain[i].value);
			return 0;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(MAPS); i++) {
		const struct val *map = val_get(meta, MAPS[i]);
		const char *whole = arena_printf(a, "metadata.%s", MAPS[i]);
		struct slice rest;

		if (slice_is(path, whole)) {
			*ret = format_map(a, map);
			return 0;
		}
		rest = slice_from(path, strlen(whole));
		if (slice_has_prefix(path, slice_of(whole)) &&
		    slice_has_prefix(rest, SLICE("['")) && slice_has_suffix(rest, SLICE("']"))) {
			rest = slice_head(slice_from(rest, 2), rest.len - 4);
			*ret = arena_slice(a, val_str(val_get_slice(map, rest)));
			return 0;
		}
	}
	return err_raise(err, ERR_INVALID, "unsupported fieldPath: " SLICE_FMT, SLICE_ARG(path));
}

int downward_resource(struct arena *a, const struct pod_facts *f, const struct val *container,
                      const struct val *ref, struct slice *ret, struct err *err)
{
	struct slice name = val_get_str(ref, "containerName");
	struct slice resource = val_get_str(ref, "resource"), side, what;
	struct quantity q = { 0 }, divisor = { 0 };
	const struct val *resources, *v;
	bool is_cpu;

	if (name.len > 0) {
		static const char *const LISTS[] = { "containers", "initContainers" };

		container = NULL;
		for (size_t i = 0; i < ARRAY_SIZE(LISTS); i++) {
			val_for_each (val_get(val_get(f->pod, "spec"), LISTS[i]), it) {
				if (slice_eq(val_get_str(it, "name"), name)) {
					container = it;
				}
			}
		}
	}
	if (!container) {
		return err_raise(err, ERR_INVALID, "container " SLICE_FMT " not found",
		                 SLICE_ARG(name));
	}
	slice_cut(resource, '.', &side, &what);
	is_cpu = slice_is(what, "cpu");
	resources = val_get(container, "resources");
	v = val_get_slice(val_get_slice(resources, side), what);
	if (!v && slice_is(side, "requests")) {
		q.nano = 0;
	}
	if (v) {
		if (!quantity_of_val(v, &q)) {
			return err_raise(err, ERR_INVALID, "bad quantity in " SLICE_FMT,
			                 SLICE_ARG(resource));
		}
	} else if (slice_is(side, "limits")) {
		q.nano = is_cpu ? (__int128)f->node_cpu_milli * 1000000
		                : (__int128)f->node_memory_bytes * 1000000000;
	}
	v = val_get(ref, "divisor");
	if (!v || !quantity_of_val(v, &divisor) || divisor.nano == 0) {
		divisor.nano = 1000000000;
	}
	*ret = slice_of(
		arena_printf(a, "%lld", (long long)((q.nano + divisor.nano - 1) / divisor.nano)));
	return 0;
}
