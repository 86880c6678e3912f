/* Why: LB, the part about balancers: how they are told to behave and what their targets do. */
#include "analyse/calls.h"
#include "analyse/check-lb.h"
#include "analyse/front.h"
#include "base/mem.h"

/* ---- LB003: internal by default ---- */

static struct slice public_host(const struct subject *s, const struct object *ingress)
{
	val_for_each (val_get(object_spec(ingress), "rules"), rule) {
		if (host_is_public(s, val_get_str(rule, "host"))) {
			return val_get_str(rule, "host");
		}
	}
	return (struct slice){ "", 0 };
}

/* A content delivery network asks for it from outside. */
static const struct object *distribution_to(const struct subject *s, struct slice host)
{
	object_each(s, OBJECT_DISTRIBUTION, o)
	{
		val_for_each (val_path(object_spec(o), "distributionConfig.origins.items"),
		              origin) {
			if (host.len && slice_eq_nocase(val_get_str(origin, "domainName"), host) &&
			    !val_get(origin, "vpcOriginConfig")) {
				return o;
			}
		}
	}
	return NULL;
}

static void alb_scheme(struct check *c, const struct object *ingress)
{
	struct slice host = public_host(c->subject, ingress);
	struct slice scheme = alb_setting(c->subject, ingress, NULL, "scheme");
	const struct object *cdn = distribution_to(c->subject, host);
	const struct val *at = object_annotation_at(ingress, "alb.ingress.kubernetes.io/scheme");
	struct finding *f;

	if (!host.len || slice_is(scheme, "internet-facing") || (scheme.len && !cdn)) {
		return;
	}
	f = check_found(c, ingress, at ? at : val_path(ingress->v, "metadata.name"),
	                "Ingress " SLICE_FMT " serves " SLICE_FMT
	                " from an internal load balancer: %s.",
	                SLICE_ARG(ingress->name), SLICE_ARG(host),
	                scheme.len ? "the scheme says so"
	                           : "no scheme is written, and that means internal");
	if (cdn) {
		finding_shows(c, f, cdn, NULL, "this distribution comes from the internet.");
	}
	finding_repair(c, f, "Annotate alb.ingress.kubernetes.io/scheme: internet-facing.");
	if (at) {
		finding_replace(c, f, ingress, at, "internet-facing");
	}
}

/* The public name under which somebody looks for the balancer, or empty. */
static struct slice nlb_public_name(const struct subject *s, const struct svc *x)
{
	struct slice names = svc_external_names(x), name;

	while (slice_next(&names, ',', &name)) {
		if (host_is_public(s, slice_trim(name))) {
			return slice_trim(name);
		}
	}
	object_each(s, OBJECT_INGRESS, ingress)
	{
		if (svc_is_controller(x) && !ingress_is_alb(s, ingress) &&
		    public_host(s, ingress).len) {
			return public_host(s, ingress);
		}
	}
	return (struct slice){ "", 0 };
}

static void nlb_scheme(struct check *c, const struct svc *x)
{
	struct slice name = nlb_public_name(c->subject, x), scheme = nlb_setting(x, "scheme");
	const struct object *cdn = distribution_to(c->subject, name);
	bool written = scheme.len || nlb_setting(x, "internal").len;
	struct finding *f;

	if (!name.len || slice_is(scheme, "internet-facing") ||
	    slice_is(nlb_setting(x, "internal"), "false") || (written && !cdn)) {
		return;
	}
	f = check_found(c, x->object,
	                nlb_setting_at(x, "scheme") ? nlb_setting_at(x, "scheme")
	                                            : val_get(object_spec(x->object), "type"),
	                "Service " SLICE_FMT " makes an internal load balancer for " SLICE_FMT
	                ": %s.",
	                SLICE_ARG(x->name), SLICE_ARG(name),
	                written ? "its annotations say so"
	                        : "no scheme is written, and that means internal");
	if (cdn) {
		finding_shows(c, f, cdn, NULL, "this distribution comes from the internet.");
	}
	finding_repair(
		c, f,
		"Annotate service.beta.kubernetes.io/aws-load-balancer-scheme: internet-facing.");
}

void lb003(struct check *c)
{
	written_each(c->subject, OBJECT_INGRESS, ingress)
	{
		if (ingress_is_alb(c->subject, ingress)) {
			alb_scheme(c, ingress);
		}
	}
	service_each(c, x)
	{
		if (svc_is_nlb(x)) {
			nlb_scheme(c, x);
		}
	}
}

/* ---- LB004: instance targets ---- */

static void lacks_node_port(struct check *c, const struct object *ingress,
                            const struct ingress_path *p)
{
	struct slice type = alb_setting(c->subject, ingress, p->svc->object, "target-type");
	struct finding *f = check_found(c, ingress, val_get(p->service, "name"),
	                                "Ingress " SLICE_FMT
	                                " registers nodes as targets, but Service " SLICE_FMT
	                                " is of type ClusterIP and has no node port.",
	                                SLICE_ARG(ingress->name), SLICE_ARG(p->svc->name));

	finding_shows(c, f, p->svc->object, val_get(object_spec(p->svc->object), "type"),
	              "type " SLICE_FMT ".", SLICE_ARG(p->svc->type));
	finding_repair(c, f,
	               "Annotate alb.ingress.kubernetes.io/target-type: ip%s, or make the Service "
	               "a NodePort.",
	               type.len ? "" : " (not written, it means instance)");
	if (object_annotation_at(ingress, "alb.ingress.kubernetes.io/target-type")) {
		finding_replace(
			c, f, ingress,
			object_annotation_at(ingress, "alb.ingress.kubernetes.io/target-type"),
			"ip");
	}
}

static void alb_targets(struct check *c, const struct object *ingress)
{
	scoped_ingress_paths struct ingress_paths paths = { 0 };

	ingress_paths_read(c->subject, ingress, &paths);
	for (size_t i = 0; i < paths.all.n; i++) {
		const struct ingress_path *p = &paths.all.at[i];
		bool before = false;

		for (size_t j = 0; j < i; j++) {
			before = before || paths.all.at[j].svc == p->svc;
		}
		if (p->svc && !before && slice_is(p->svc->type, "ClusterIP") &&
		    !alb_targets_ip(c->subject, ingress, p->svc->object)) {
			lacks_node_port(c, ingress, p);
		}
	}
}

static void binding_targets(struct check *c, const struct object *binding)
{
	const struct val *ref = val_get(object_spec(binding), "serviceRef"),
			 *type = val_get(object_spec(binding), "targetType");
	const struct svc *x = subject_service(c->subject, binding->ns, val_get_str(ref, "name"));

	if (x && slice_is(val_str(type), "instance") && slice_is(x->type, "ClusterIP")) {
		struct finding *f = check_found(
			c, binding, type,
			"TargetGroupBinding " SLICE_FMT
			" registers nodes as targets, but Service " SLICE_FMT " has no node port.",
			SLICE_ARG(binding->name), SLICE_ARG(x->name));

		finding_shows(c, f, x->object, NULL, "type ClusterIP.");
	}
}

void lb004(struct check *c)
{
	written_each(c->subject, OBJECT_INGRESS, ingress)
	{
		if (ingress_is_alb(c->subject, ingress)) {
			alb_targets(c, ingress);
		}
	}
	written_each(c->subject, OBJECT_TARGETGROUPBINDING, binding)
	{
		binding_targets(c, binding);
	}
	service_each(c, x)
	{
		const struct val *at =
			val_get(object_spec(x->object), "allocateLoadBalancerNodePorts");

		if (svc_is_nlb(x) && !nlb_targets_ip(x) && !val_bool(at, true)) {
			check_found(c, x->object, at,
			            "Service " SLICE_FMT
			            " registers nodes as targets, but asks for no node ports.",
			            SLICE_ARG(x->name));
		}
	}
}

/* ---- LB010: health checks ---- */

static const struct val *readiness_of(const struct svc *x)
{
	for (size_t i = 0; i < x->n_pods; i++) {
		container_each(x->pods[i]->spec, k)
		{
			const struct val *http = val_path(k, "readinessProbe.httpGet");

			if (http) {
				return http;
			}
		}
	}
	return NULL;
}

static bool has_path(const struct ingress_paths *paths, const struct svc *x, const char *path)
{
	for (size_t i = 0; i < paths->all.n; i++) {
		if (paths->all.at[i].svc == x && (slice_is(paths->all.at[i].path, path) ||
		                                  slice_is(paths->all.at[i].path, "/*"))) {
			return true;
		}
	}
	return false;
}

/* The balancer asks for '/', which nobody routes to this program and which is not what tells that it is ready. */
static void alb_health_path(struct check *c, const struct object *ingress,
                            const struct ingress_paths *paths, const struct ingress_path *p)
{
	const struct val *ready = val_get(readiness_of(p->svc), "path");
	struct finding *f;

	if (!ready || slice_is(val_str(ready), "/") || has_path(paths, p->svc, "/") ||
	    alb_setting(c->subject, ingress, p->svc->object, "healthcheck-path").len) {
		return;
	}
	f = check_found(
		c, ingress, p->at,
		"The load balancer of Ingress " SLICE_FMT " asks Service " SLICE_FMT
		" for '/' to see whether it is healthy, the program is ready when " SLICE_FMT
		" answers.",
		SLICE_ARG(ingress->name), SLICE_ARG(p->svc->name), SLICE_ARG(val_str(ready)));
	finding_shows(c, f, p->svc->pods[0]->object, ready, "its readiness probe.");
	finding_repair(c, f,
	               "Annotate alb.ingress.kubernetes.io/healthcheck-path: " SLICE_FMT
	               " (on the Service when several "
	               "are behind one Ingress).",
	               SLICE_ARG(val_str(ready)));
}

static void health_port(struct check *c, const struct object *o, const struct val *at,
                        struct slice text, const struct svc *x)
{
	int64_t number = 0;

	if (!slice_to_i64(text, &number) || number <= 0 || number > UINT16_MAX) {
		return;
	}
	for (size_t i = 0; i < x->n_pods; i++) {
		const struct val *spec = x->pods[i]->spec;

		if (pod_has_ports(spec) && !pod_port_numbered(spec, (uint16_t)number, PROTO_TCP) &&
		    !x->pods[i]->object->assumed) {
			struct finding *f = check_found(
				c, o, at,
				"The load balancer checks the health of Service " SLICE_FMT
				" on port %lld, which its pods do not have.",
				SLICE_ARG(x->name), (long long)number);

			container_each(spec, k)
			{
				val_for_each (val_get(k, "ports"), p) {
					finding_shows(
						c, f, x->pods[i]->object,
						val_get(p, "containerPort"), "it has port %lld.",
						(long long)val_int(val_get(p, "containerPort"), 0));
				}
			}
			finding_repair(c, f,
			               "Check traffic-port, or a port that the pods declare.");
			return;
		}
	}
}

static void alb_health(struct check *c, const struct object *ingress)
{
	scoped_ingress_paths struct ingress_paths paths = { 0 };

	ingress_paths_read(c->subject, ingress, &paths);
	for (size_t i = 0; i < paths.all.n; i++) {
		const struct ingress_path *p = &paths.all.at[i];
		bool before = false;

		for (size_t j = 0; j < i; j++) {
			before = before || paths.all.at[j].svc == p->svc;
		}
		if (p->svc && !before) {
			alb_health_path(c, ingress, &paths, p);
			if (alb_targets_ip(c->subject, ingress, p->svc->object)) {
				health_port(c, ingress, p->at,
				            alb_setting(c->subject, ingress, p->svc->object,
				                        "healthcheck-port"),
				            p->svc);
			}
		}
	}
}

void lb010(struct check *c)
{
	written_each(c->subject, OBJECT_INGRESS, ingress)
	{
		if (ingress_is_alb(c->subject, ingress)) {
			alb_health(c, ingress);
		}
	}
	service_each(c, x)
	{
		if (svc_is_nlb(x) && nlb_targets_ip(x)) {
			health_port(c, x->object, nlb_setting_at(x, "healthcheck-port"),
			            nlb_setting(x, "healthcheck-port"), x);
		}
	}
}

/* ---- LB012: gone before the balancer knows ---- */

static bool waits_before_end(const struct workload *w)
{
	container_each(w->spec, k)
	{
		if (val_path(k, "lifecycle.preStop")) {
			return true;
		}
	}
	return false;
}

static void dies_at_once(struct check *c, const struct object *front, const struct workload *w)
{
	const struct object *space = w->space->object;
	struct finding *f;

	if (waits_before_end(w)) {
		return;
	}
	f = check_found(
		c, w->object, val_get(val_first(val_get(w->spec, "containers")), "name"),
		"Pods of " OBJECT_FMT
		" are targets of a load balancer and end without waiting for it to stop sending.",
		OBJECT_ARG(w->object));
	finding_shows(c, f, front, NULL, "it registers the pods' addresses as targets.");
	if (space && !val_get(w->space->labels, "elbv2.k8s.aws/pod-readiness-gate-inject")) {
		finding_shows(c, f, space, NULL,
		              "nor do new pods wait until they are targets: the label "
		              "elbv2.k8s.aws/pod-readiness-gate-inject is missing.");
	}
}

static void alb_target_dies(struct check *c, const struct object *ingress, const struct workload *w)
{
	const struct svc_list *services = subject_services_of(c->subject, w);

	for (size_t i = 0; i < services->at.n; i++) {
		if (alb_targets_ip(c->subject, ingress, services->at.at[i]->object)) {
			dies_at_once(c, ingress, w);
			return;
		}
	}
}

void lb012(struct check *c)
{
	written_each(c->subject, OBJECT_INGRESS, ingress)
	{
		if (ingress_is_alb(c->subject, ingress)) {
			lb_each_behind(c, ingress, alb_target_dies);
		}
	}
	service_each(c, x)
	{
		for (size_t i = 0; svc_is_nlb(x) && nlb_targets_ip(x) && i < x->n_pods; i++) {
			if (!x->pods[i]->object->assumed) {
				dies_at_once(c, x->object, x->pods[i]);
			}
		}
	}
}

/* ---- LB013: back to itself ---- */

static bool keeps_client_address(const struct svc *x)
{
	struct slice text = attribute_of(nlb_setting(x, "target-group-attributes"),
	                                 "preserve_client_ip.enabled");

	return text.len ? slice_is(text, "true") : !nlb_targets_ip(x);
}

static const struct svc *balancer_of_host(const struct subject *s, struct slice host)
{
	const struct object *ingress = ingress_of_host(s, host);

	for (size_t i = 0; i < s->services.n; i++) {
		const struct svc *x = s->services.at[i];

		if (svc_is_nlb(x) && !x->object->assumed &&
		    (list_has(svc_external_names(x), host) ||
		     (ingress && !ingress_is_alb(s, ingress) && svc_is_controller(x)))) {
			return x;
		}
	}
	return NULL;
}

static void calls_itself(struct check *c, const struct call *x)
{
	const struct svc *balancer =
		x->r->host[0] ? balancer_of_host(c->subject, slice_of(x->r->host)) : NULL;
	struct finding *f;

	if (!balancer || !keeps_client_address(balancer)) {
		return;
	}
	f = check_found(c, x->from->object, x->by == x->from->object ? x->r->where.node : NULL,
	                OBJECT_FMT
	                " calls %s through the load balancer of Service " SLICE_FMT
	                ", which cannot send a connection back to the node it came from.",
	                OBJECT_ARG(x->from->object), x->r->host, SLICE_ARG(balancer->name));
	finding_shows(c, f, balancer->object, nlb_setting_at(balancer, "target-group-attributes"),
	              nlb_targets_ip(balancer) ? "it keeps client addresses."
	                                       : "it registers nodes and keeps client addresses.");
}

void lb013(struct check *c)
{
	if (!c->subject->profile->on_aws) {
		return;
	}
	call_each(c->subject, x)
	{
		if (!x->from->object->assumed &&
		    (x->to.kind == TARGET_EDGE || x->to.kind == TARGET_OUTSIDE)) {
			calls_itself(c, x);
		}
	}
}

/* ---- LB014: zones ---- */

static bool is_spread_over_zones(const struct workload *w)
{
	val_for_each (val_get(w->spec, "topologySpreadConstraints"), t) {
		if (slice_is(val_get_str(t, "topologyKey"), "topology.kubernetes.io/zone")) {
			return true;
		}
	}
	val_for_each (val_path(w->spec, "affinity.podAntiAffinity"), terms) {
		val_for_each (terms, t) {
			const struct val *term =
				val_get(t, "podAffinityTerm") ? val_get(t, "podAffinityTerm") : t;

			if (slice_is(val_get_str(term, "topologyKey"),
			             "topology.kubernetes.io/zone")) {
				return true;
			}
		}
	}
	return w->object->id == OBJECT_DAEMONSET;
}

static bool crosses_zones(const struct svc *x)
{
	return slice_is(attribute_of(nlb_setting(x, "attributes"),
	                             "load_balancing.cross_zone.enabled"),
	                "true") ||
	       slice_is(attribute_of(nlb_setting(x, "target-group-attributes"),
	                             "load_balancing.cross_zone.enabled"),
	                "true") ||
	       slice_is(nlb_setting(x, "cross-zone-load-balancing-enabled"), "true");
}

void lb014(struct check *c)
{
	service_each(c, x)
	{
		bool local = slice_is(val_get_str(object_spec(x->object), "externalTrafficPolicy"),
		                      "Local");

		if (!c->subject->profile->on_aws || !svc_is_nlb(x) || crosses_zones(x) ||
		    !(nlb_targets_ip(x) || local)) {
			continue;
		}
		for (size_t i = 0; i < x->n_pods; i++) {
			const struct workload *w = x->pods[i];
			struct finding *f;

			if (w->object->assumed || is_spread_over_zones(w)) {
				continue;
			}
			f = check_found(c, x->object, val_get(object_spec(x->object), "type"),
			                "The load balancer of Service " SLICE_FMT
			                " sends within a zone only, and nothing puts a pod "
			                "of " OBJECT_FMT " into every zone.",
			                SLICE_ARG(x->name), OBJECT_ARG(w->object));
			finding_shows(
				c, f, w->object, NULL,
				"no topologySpreadConstraints over topology.kubernetes.io/zone.");
			break;
		}
	}
}
