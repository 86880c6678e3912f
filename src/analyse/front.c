/* Why: rules about balancers ask who stands in front of a pod, and how it was told to behave; see front.h. */
#include "analyse/front.h"

#include <stdio.h>

#include "analyse/route.h"
#include "base/mem.h"

#define ALB "alb.ingress.kubernetes.io/"
#define NLB "service.beta.kubernetes.io/aws-load-balancer-"

/* ---- paths ---- */

static void take_path(const struct subject *s, const struct object *ingress, struct slice host,
                      struct slice path, const struct val *at, const struct val *backend,
                      struct ingress_paths *ret)
{
	struct ingress_path p = { .host = host, .path = path.len ? path : SLICE("/"), .at = at };
	const struct val *port;
	int64_t number;

	p.service = val_get(backend, "service");
	if (p.service) {
		p.svc = subject_service(s, ingress->ns, val_get_str(p.service, "name"));
		port = val_get(p.service, "port");
		number = val_int(val_get(port, "number"), 0);
		if (p.svc && number > 0 && number <= UINT16_MAX) {
			p.port = svc_port_numbered(p.svc, (uint16_t)number, PROTO_TCP);
		} else if (p.svc) {
			p.port = svc_port_named(p.svc, val_get_str(port, "name"));
		}
	}
	vec_push(&ret->all, p);
}

void ingress_paths_read(const struct subject *s, const struct object *ingress,
                        struct ingress_paths *ret)
{
	const struct val *spec = object_spec(ingress), *otherwise = val_get(spec, "defaultBackend");

	val_for_each (val_get(spec, "rules"), rule) {
		val_for_each (val_path(rule, "http.paths"), p) {
			take_path(s, ingress, val_get_str(rule, "host"), val_get_str(p, "path"), p,
			          val_get(p, "backend"), ret);
		}
	}
	if (otherwise) {
		take_path(s, ingress, (struct slice){ "", 0 }, SLICE("/"), otherwise, otherwise,
		          ret);
	}
}

void ingress_paths_fini(struct ingress_paths *p)
{
	vec_fini(&p->all);
}

bool ingress_has_host(const struct object *ingress, struct slice host)
{
	val_for_each (val_get(object_spec(ingress), "rules"), rule) {
		struct slice own = val_get_str(rule, "host");

		if (own.len && hosts_meet(own, host)) {
			return true;
		}
	}
	return false;
}

const struct object *ingress_of_host(const struct subject *s, struct slice host)
{
	object_each(s, OBJECT_INGRESS, o)
	{
		if (host.len && ingress_has_host(o, host)) {
			return o;
		}
	}
	return NULL;
}

bool ingress_has_tls(const struct object *ingress, struct slice host)
{
	val_for_each (val_get(object_spec(ingress), "tls"), tls) {
		const struct val *hosts = val_get(tls, "hosts");

		if (!val_len(hosts)) {
			return true;
		}
		val_for_each (hosts, h) {
			if (hosts_meet(val_str(h), host)) {
				return true;
			}
		}
	}
	return false;
}

/* ---- application load balancer ---- */

static const struct object *class_of(const struct subject *s, const struct object *ingress)
{
	struct slice name = val_get_str(object_spec(ingress), "ingressClassName");

	return subject_find(s, OBJECT_INGRESSCLASS, (struct slice){ "", 0 },
	                    name.len ? name
	                             : object_annotation(ingress, "kubernetes.io/ingress.class"));
}

bool ingress_is_alb(const struct subject *s, const struct object *ingress)
{
	const struct object *class = class_of(s, ingress);
	struct slice name = val_get_str(object_spec(ingress), "ingressClassName");

	if (class) {
		return slice_is(val_get_str(object_spec(class), "controller"),
		                "ingress.k8s.aws/alb");
	}
	return slice_is(name.len ? name : object_annotation(ingress, "kubernetes.io/ingress.class"),
	                "alb");
}

static struct slice of_params(const struct subject *s, const struct object *ingress,
                              const char *key)
{
	const struct object *class = class_of(s, ingress), *params = NULL;

	if (class) {
		params = subject_find(s, OBJECT_INGRESSCLASSPARAMS, (struct slice){ "", 0 },
		                      val_str(val_path(object_spec(class), "parameters.name")));
	}
	if (!params) {
		return (struct slice){ "", 0 };
	}
	return val_get_str(object_spec(params),
	                   strcmp(key, "target-type") == 0 ? "targetType" : key);
}

struct slice alb_setting(const struct subject *s, const struct object *ingress,
                         const struct object *service, const char *key)
{
	scoped_free char *name = mem_printf(ALB "%s", key);
	struct slice params = of_params(s, ingress, key), own;

	if (params.len) {
		return params; /* the class's parameters overrule annotations */
	}
	own = service ? object_annotation(service, name) : (struct slice){ "", 0 };
	return own.len ? own : object_annotation(ingress, name);
}

/* Was the controller told on its command line to register addresses unless something else is said? */
static bool controller_defaults_to_ip(const struct subject *s)
{
	const struct object *o =
		subject_find_anywhere(s, OBJECT_DEPLOYMENT, SLICE("aws-load-balancer-controller"));
	const struct workload *w = o ? subject_workload(s, o) : NULL;

	container_each(w ? w->spec : NULL, k)
	{
		val_for_each (val_get(k, "args"), arg) {
			if (slice_is(val_str(arg), "--default-target-type=ip")) {
				return true;
			}
		}
	}
	return false;
}

bool alb_targets_ip(const struct subject *s, const struct object *ingress,
                    const struct object *service)
{
	struct slice type = alb_setting(s, ingress, service, "target-type");

	return type.len ? slice_is(type, "ip") : controller_defaults_to_ip(s);
}

/* ---- network load balancer ---- */

struct slice nlb_setting(const struct svc *x, const char *key)
{
	return val_str(nlb_setting_at(x, key));
}

const struct val *nlb_setting_at(const struct svc *x, const char *key)
{
	scoped_free char *name = mem_printf(NLB "%s", key);

	return object_annotation_at(x->object, name);
}

bool svc_is_nlb(const struct svc *x)
{
	struct slice class = val_get_str(object_spec(x->object), "loadBalancerClass"),
		     type = nlb_setting(x, "type");

	return slice_is(x->type, "LoadBalancer") &&
	       (slice_is(class, "service.k8s.aws/nlb") || slice_is(type, "external") ||
	        slice_is(type, "nlb-ip"));
}

bool nlb_targets_ip(const struct svc *x)
{
	return slice_is(nlb_setting(x, "nlb-target-type"), "ip") ||
	       slice_is(nlb_setting(x, "type"), "nlb-ip");
}

struct slice attribute_of(struct slice list, const char *name)
{
	struct slice field, key, value;

	while (slice_next(&list, ',', &field)) {
		(void)slice_cut(slice_trim(field), '=', &key, &value);
		if (slice_is(slice_trim(key), name)) {
			return slice_trim(value);
		}
	}
	return (struct slice){ "", 0 };
}

/* ---- in front ---- */

static bool is_controller_name(struct slice name)
{
	static const char *const names[] = {
		"ingress-nginx",   "nginx-ingress",      "traefik",
		"haproxy-ingress", "kubernetes-ingress", "nginx-ingress-controller"
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_is(name, names[i])) {
			return true;
		}
	}
	return false;
}

bool svc_is_controller(const struct svc *x)
{
	const struct val *selector = val_get(object_spec(x->object), "selector");

	return slice_is(x->type, "LoadBalancer") &&
	       (is_controller_name(val_get_str(selector, "app.kubernetes.io/name")) ||
	        is_controller_name(val_get_str(selector, "app")));
}

struct slice svc_external_names(const struct svc *x)
{
	struct slice names =
		object_annotation(x->object, "external-dns.alpha.kubernetes.io/hostname");

	return names.len ? names
	                 : object_annotation(x->object, "external-dns.kubernetes.io/hostname");
}

bool list_has(struct slice list, struct slice name)
{
	struct slice field;

	while (slice_next(&list, ',', &field)) {
		if (slice_eq_nocase(slice_trim(field), name)) {
			return true;
		}
	}
	return false;
}

static bool is_in_zone(struct slice host, struct slice zone)
{
	if (zone.len && zone.p[zone.len - 1] == '.') {
		zone.len--;
	}
	return zone.len && slice_has_suffix(host, zone) &&
	       (host.len == zone.len || host.p[host.len - zone.len - 1] == '.');
}

bool host_is_public(const struct subject *s, struct slice host)
{
	static const char *const inside[] = { ".local",    ".localhost", ".internal", ".svc",
		                              ".lan",      ".corp",      ".home",     ".arpa",
		                              ".intranet", ".private",   ".test",     ".nip.io",
		                              ".sslip.io" };
	struct ip ip;

	if (slice_find(host, '.') < 0 || ip_parse(host, &ip)) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(inside); i++) {
		if (slice_has_suffix(host, slice_of(inside[i]))) {
			return false;
		}
	}
	object_each(s, OBJECT_HOSTEDZONE, zone)
	{
		const struct val *spec = object_spec(zone);

		if (is_in_zone(host, val_get_str(spec, "name")) &&
		    (val_get(spec, "vpc") || val_len(val_get(spec, "vpcs")) ||
		     val_bool(val_path(spec, "hostedZoneConfig.privateZone"), false))) {
			return false;
		}
	}
	return true;
}
