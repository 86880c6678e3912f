/* Why: OBS: the ways of metrics and traces. Each class is one function and one entry in the table at the end. */
#include "analyse/family.h"
#include "analyse/nearest.h"
#include "analyse/value.h"
#include "base/mem.h"

/* ---- OBS001: annotations ---- */

static void show_ports(struct check *c, struct finding *f, const struct workload *w)
{
	container_each(w->spec, k)
	{
		val_for_each (val_get(k, "ports"), p) {
			finding_shows(c, f, w->object, val_get(p, "containerPort"),
			              "it has port %lld.",
			              (long long)val_int(val_get(p, "containerPort"), 0));
		}
	}
}

/* 'x': the Service that carries the annotations, or null. */
static void scraped(struct check *c, const struct object *o, const struct val *annotations,
                    const struct workload *w, const struct svc *x)
{
	const struct val *at = val_get(annotations, "prometheus.io/port");
	const struct svc_port *p;
	int64_t port;
	struct finding *f;

	if (!at || !slice_is(val_get_str(annotations, "prometheus.io/scrape"), "true")) {
		return;
	}
	if (!slice_to_i64(val_str(at), &port) || port <= 0 || port > UINT16_MAX) {
		f = check_found(c, o, at,
		                OBJECT_FMT " is to be scraped on port " SLICE_FMT
		                           ", which is no number.",
		                OBJECT_ARG(o), SLICE_ARG(val_str(at)));
		finding_repair(c, f, "Write the number of the container's port.");
		return;
	}
	if (!pod_has_ports(w->spec) || pod_port_numbered(w->spec, (uint16_t)port, PROTO_TCP)) {
		return;
	}
	f = check_found(c, o, at,
	                OBJECT_FMT " is to be scraped on port %lld, which its pods do not have.",
	                OBJECT_ARG(o), (long long)port);
	show_ports(c, f, w);
	p = x ? svc_port_numbered(x, (uint16_t)port, PROTO_TCP) : NULL;
	if (p && svc_port_target(p, w)) {
		finding_repair(c, f,
		               "Write %u: pods are scraped directly, the Service's own port means "
		               "nothing to them.",
		               svc_port_target(p, w));
		finding_replace(c, f, o, at, "%u", svc_port_target(p, w));
	}
}

static void obs001(struct check *c)
{
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];

		if (!w->object->assumed) {
			scraped(c, w->object, val_get(w->meta, "annotations"), w, NULL);
		}
	}
	for (size_t i = 0; i < c->subject->services.n; i++) {
		const struct svc *x = c->subject->services.at[i];

		if (!x->object->assumed && x->n_pods) {
			scraped(c, x->object, val_path(x->object->v, "metadata.annotations"),
			        x->pods[0], x);
		}
	}
}

/* ---- OBS002: monitors ---- */

/* The namespaces of the set that a monitor looks into. */
struct looked_into {
	VEC(const struct space *) at;
};

static void spaces_of(const struct subject *s, const struct object *monitor,
                      struct looked_into *ret)
{
	const struct val *x = val_get(object_spec(monitor), "namespaceSelector");
	const struct val *names = val_get(x, "matchNames");
	bool any = val_bool(val_get(x, "any"), false);
	const struct space *space;

	for (size_t i = 0; any && i < s->spaces.n; i++) {
		vec_push(&ret->at, (const struct space *)s->spaces.at[i]);
	}
	val_for_each (any ? NULL : names, n) {
		space = subject_space(s, val_str(n));
		if (space) {
			vec_push(&ret->at, space);
		}
	}
	space = any || val_len(names) ? NULL : subject_space(s, monitor->ns);
	if (space) {
		vec_push(&ret->at, space);
	}
}

static bool looks_into(const struct looked_into *in, const struct space *space)
{
	for (size_t i = 0; i < in->at.n; i++) {
		if (in->at.at[i] == space) {
			return true;
		}
	}
	return false;
}

/* Is something of every namespace it looks into among the objects? */
static bool sees_all(const struct subject *s, const struct object *monitor)
{
	const struct val *names = val_path(object_spec(monitor), "namespaceSelector.matchNames");

	val_for_each (names, n) {
		if (!slice_eq(val_str(n), monitor->ns) && !subject_space(s, val_str(n))) {
			return false;
		}
	}
	return true;
}

static bool has_target_port(const struct svc *x, const struct val *endpoint)
{
	const struct val *target = val_get(endpoint, "targetPort");

	for (size_t i = 0; i < x->n_pods; i++) {
		const struct val *spec = x->pods[i]->spec;
		int64_t number = val_int(target, 0);

		if (!pod_has_ports(spec) || pod_port_named(spec, val_str(target), 0) ||
		    (number > 0 && number <= UINT16_MAX &&
		     pod_port_numbered(spec, (uint16_t)number, 0))) {
			return true;
		}
	}
	return !x->n_pods;
}

static bool has_endpoint(const struct svc *x, const struct val *endpoint)
{
	struct slice name = val_get_str(endpoint, "port");

	return name.len                          ? svc_port_named(x, name) != NULL
	       : val_get(endpoint, "targetPort") ? has_target_port(x, endpoint)
	                                         : true;
}

/* Services the monitor selects. */
struct selected {
	VEC(const struct svc *) at;
};

static void select_services(const struct looked_into *in, const struct selector *selector,
                            struct selected *ret)
{
	for (size_t i = 0; i < in->at.n; i++) {
		for (size_t j = 0; j < in->at.at[i]->services.n; j++) {
			const struct svc *x = in->at.at[i]->services.at[j];

			if (selector_matches(selector, object_labels(x->object))) {
				vec_push(&ret->at, x);
			}
		}
	}
}

static void no_service(struct check *c, const struct object *monitor, const struct looked_into *in)
{
	const struct val *pairs = val_path(object_spec(monitor), "selector.matchLabels");
	scoped_strbuf struct strbuf b = { 0 };
	struct finding *f;
	size_t n = 0;

	labels_text(&b, pairs);
	f = check_found(c, monitor,
	                val_first(pairs) ? val_first(pairs)
	                                 : val_get(object_spec(monitor), "selector"),
	                "ServiceMonitor " SLICE_FMT
	                " selects no Service: none in its namespaces is labelled %s.",
	                SLICE_ARG(monitor->name), strbuf_str(&b));
	for (size_t i = 0; i < c->subject->services.n && n < 5; i++) {
		const struct svc *x = c->subject->services.at[i];
		bool like = false;

		val_for_each (pairs, p) { /* its pods are labelled so, or its selector says so */
			const struct val *own =
				val_get_slice(val_get(object_spec(x->object), "selector"), p->key);

			like = like || slice_eq(val_str(own), val_str(p));
		}
		if (like && val_len(pairs)) {
			n++;
			strbuf_reset(&b);
			labels_text(&b, object_labels(x->object));
			finding_shows(c, f, x->object, object_labels(x->object),
			              looks_into(in, x->space)
			                      ? "it has %s; what counts are its own labels."
			                      : "it has %s, in a namespace the monitor does not "
			                        "look into.",
			              strbuf_str(&b));
		}
	}
}

static void endpoint_of(struct check *c, const struct object *monitor, const struct val *endpoint,
                        const struct selected *found)
{
	const struct val *at = val_get(endpoint, "port") ? val_get(endpoint, "port")
	                                                 : val_get(endpoint, "targetPort");
	const struct svc *x = found->at.at[0];
	struct finding *f;

	for (size_t i = 0; i < found->at.n; i++) {
		if (has_endpoint(found->at.at[i], endpoint)) {
			return;
		}
	}
	f = check_found(c, monitor, at,
	                "ServiceMonitor " SLICE_FMT " scrapes port " SLICE_FMT
	                "%s, which Service " SLICE_FMT " does not have.",
	                SLICE_ARG(monitor->name), SLICE_ARG(val_str(at)),
	                val_get(endpoint, "port") ? "" : " of pods", SLICE_ARG(x->name));
	for (size_t i = 0; i < x->n_ports; i++) {
		finding_shows(c, f, x->object,
		              val_get(x->ports[i].v, x->ports[i].name.len ? "name" : "port"),
		              x->ports[i].name.len ? "its port %u is named " SLICE_FMT "."
		                                   : "its port %u has no name" SLICE_FMT ".",
		              x->ports[i].port, SLICE_ARG(x->ports[i].name));
	}
	if (x->n_ports == 1 && x->ports[0].name.len && val_get(endpoint, "port")) {
		finding_repair(c, f, "Write port: " SLICE_FMT " (the name of the Service's port).",
		               SLICE_ARG(x->ports[0].name));
		finding_replace(c, f, monitor, at, SLICE_FMT, SLICE_ARG(x->ports[0].name));
	}
}

static void service_monitor(struct check *c, const struct object *monitor)
{
	scoped_arena struct arena a = { 0 };
	struct selected found = { 0 };
	struct looked_into in = { 0 };
	const struct selector *selector;
	struct err err = { 0 };

	if (!sees_all(c->subject, monitor) ||
	    selector_of_object(&a, val_get(object_spec(monitor), "selector"), &selector, &err) <
	            0) {
		return;
	}
	spaces_of(c->subject, monitor, &in);
	select_services(&in, selector, &found);
	if (!found.at.n) {
		no_service(c, monitor, &in);
	}
	val_for_each (found.at.n ? val_get(object_spec(monitor), "endpoints") : NULL, endpoint) {
		endpoint_of(c, monitor, endpoint, &found);
	}
	vec_fini(&found.at);
	vec_fini(&in.at);
}

static bool pod_has_endpoint(const struct workload *w, const struct val *endpoint)
{
	struct slice name = val_get_str(endpoint, "port");

	return !name.len || !pod_has_ports(w->spec) || pod_port_named(w->spec, name, 0);
}

static void pod_monitor(struct check *c, const struct object *monitor)
{
	const struct val *selector = val_get(object_spec(monitor), "selector");
	scoped_selection struct selection pods = { 0 };
	struct looked_into in = { 0 };
	scoped_strbuf struct strbuf b = { 0 };

	spaces_of(c->subject, monitor, &in);
	for (size_t i = 0; i < in.at.n; i++) {
		subject_select_object(c->subject, in.at.at[i], selector, &pods);
	}
	vec_fini(&in.at);
	if (!sees_all(c->subject, monitor)) {
		return;
	}
	labels_text(&b, val_get(selector, "matchLabels"));
	if (!pods.at.n) {
		check_found(c, monitor, selector,
		            "PodMonitor " SLICE_FMT
		            " selects no pod: none in its namespaces is labelled %s.",
		            SLICE_ARG(monitor->name), strbuf_str(&b));
		return;
	}
	val_for_each (val_get(object_spec(monitor), "podMetricsEndpoints"), endpoint) {
		bool any = false;
		struct finding *f;

		for (size_t i = 0; i < pods.at.n; i++) {
			any = any || pod_has_endpoint(pods.at.at[i], endpoint);
		}
		if (!any) {
			f = check_found(
				c, monitor, val_get(endpoint, "port"),
				"PodMonitor " SLICE_FMT " scrapes port " SLICE_FMT
				", which the pods of " OBJECT_FMT " do not have by this name.",
				SLICE_ARG(monitor->name), SLICE_ARG(val_get_str(endpoint, "port")),
				OBJECT_ARG(pods.at.at[0]->object));
			show_ports(c, f, pods.at.at[0]);
		}
	}
}

/* Does this Prometheus take monitors of that kind, namespace and labels? */
static bool picks(struct subject *s, const struct object *prometheus, const struct object *monitor)
{
	bool services = monitor->id == OBJECT_SERVICEMONITOR;
	const struct val *spec = object_spec(prometheus);
	const struct val *selector =
		val_get(spec, services ? "serviceMonitorSelector" : "podMonitorSelector");
	const struct val *spaces = val_get(spec, services ? "serviceMonitorNamespaceSelector"
	                                                  : "podMonitorNamespaceSelector");
	const struct space *space = subject_space(s, monitor->ns);
	scoped_arena struct arena a = { 0 };
	const struct selector *x;
	struct err err = { 0 };

	if (!selector || selector_of_object(&a, selector, &x, &err) < 0 ||
	    !selector_matches(x, object_labels(monitor))) {
		return false;
	}
	if (!spaces) {
		return slice_eq(prometheus->ns, monitor->ns);
	}
	return !val_len(spaces) || !space || !space->object || space_matches(s, space, spaces);
}

static void is_picked(struct check *c, const struct object *monitor)
{
	const struct object *first = NULL;
	struct finding *f;

	object_each(c->subject, OBJECT_PROMETHEUS, p)
	{
		if (picks(c->subject, p, monitor)) {
			return;
		}
		first = first ? first : p;
	}
	if (!first) {
		return;
	}
	f = check_found(c, monitor, object_labels(monitor),
	                OBJECT_FMT " is picked by no Prometheus of the set.", OBJECT_ARG(monitor));
	finding_shows(c, f, first, val_get(object_spec(first), "serviceMonitorSelector"),
	              "it picks others.");
	finding_repair(c, f,
	               "Give the monitor the labels that Prometheus selects, or widen its "
	               "selectors of monitors and their "
	               "namespaces.");
}

static void obs002(struct check *c)
{
	written_each(c->subject, OBJECT_SERVICEMONITOR, monitor)
	{
		service_monitor(c, monitor);
		is_picked(c, monitor);
	}
	written_each(c->subject, OBJECT_PODMONITOR, monitor)
	{
		pod_monitor(c, monitor);
		is_picked(c, monitor);
	}
}

/* ---- OBS003: where traces go ---- */

enum { OTLP_GRPC = 4317, OTLP_HTTP = 4318 };

static const struct setting *known(const struct values *v, const struct val *container,
                                   const char *name)
{
	const struct setting *s = values_setting(v, container, name);

	return s && s->is_known && !s->is_secret && s->value.len ? s : NULL;
}

static int64_t port_of_url(struct slice url)
{
	struct slice rest = url, host = url;
	const char *scheme = strstr(url.p, "://");
	ptrdiff_t colon;
	int64_t port = 0;

	if (scheme) {
		rest = slice_from(url, (size_t)(scheme - url.p) + 3);
	}
	(void)slice_cut(rest, '/', &host, &rest);
	colon = slice_rfind(host, ':');
	return colon >= 0 && slice_to_i64(slice_from(host, (size_t)colon + 1), &port) ? port : 0;
}

static void exporter(struct check *c, const struct values *v, const struct workload *w,
                     const struct val *container, const char *endpoint, const char *protocol)
{
	const struct setting *to = known(v, container, endpoint),
			     *by = known(v, container, protocol);
	const struct object *o;
	struct finding *f;
	int64_t port;
	bool grpc;

	by = by ? by : known(v, container, "OTEL_EXPORTER_OTLP_PROTOCOL");
	if (!to || !by) {
		return; /* what is meant without it depends on the library */
	}
	port = port_of_url(to->value);
	grpc = slice_is(by->value, "grpc");
	if (!(grpc && port == OTLP_HTTP) && !(!grpc && port == OTLP_GRPC)) {
		return;
	}
	o = subject_object(c->subject, to->where.object);
	f = check_found(c, o ? o : w->object, to->where.node,
	                OBJECT_FMT " sends traces by " SLICE_FMT
	                           " to port %lld, where collectors speak %s.",
	                OBJECT_ARG(w->object), SLICE_ARG(by->value), (long long)port,
	                grpc ? "HTTP" : "gRPC");
	finding_shows(c, f,
	              subject_object(c->subject, by->where.object)
	                      ? subject_object(c->subject, by->where.object)
	                      : w->object,
	              by->where.node, "the protocol.");
	finding_repair(c, f, "Use port %d, or protocol %s.", grpc ? OTLP_GRPC : OTLP_HTTP,
	               grpc ? "http/protobuf" : "grpc");
}

static void obs003(struct check *c)
{
	const struct values *v = subject_values(c->subject);

	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];

		if (w->object->assumed) {
			continue;
		}
		container_each(w->spec, k)
		{
			exporter(c, v, w, k, "OTEL_EXPORTER_OTLP_ENDPOINT",
			         "OTEL_EXPORTER_OTLP_PROTOCOL");
			exporter(c, v, w, k, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
			         "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL");
		}
	}
}

/* ---- OBS004: traces that begin anew ---- */

/* Does a line of the text begin with the directive? *ret_value: the rest of the line. */
static bool directive(struct slice text, const char *name, struct slice *ret_value)
{
	struct slice line, head, tail;

	while (slice_next(&text, '\n', &line)) {
		(void)slice_cut(slice_trim(line), ' ', &head, &tail);
		if (slice_is(head, name)) {
			*ret_value = slice_trim(tail);
			return true;
		}
	}
	return false;
}

static void server_text(struct check *c, const struct object *o, const struct val *text)
{
	struct slice value, context = { "", 0 };

	if (!strstr(val_cstr(text), "proxy_pass")) {
		return;
	}
	if (directive(val_str(text), "otel_trace", &value) && !slice_is(value, "off;") &&
	    (!directive(val_str(text), "otel_trace_context", &context) ||
	     slice_is(context, "ignore;"))) {
		struct finding *f =
			check_found(c, o, text,
		                    "The proxy configured in ConfigMap " SLICE_FMT
		                    " traces requests and does not pass the trace on: "
		                    "otel_trace_context is %s.",
		                    SLICE_ARG(o->name),
		                    context.len ? "ignore" : "not set, and that means ignore");

		finding_repair(c, f, "Add otel_trace_context propagate;");
	}
}

static void obs004(struct check *c)
{
	written_each(c->subject, OBJECT_CONFIGMAP, o)
	{
		const struct val *data = val_get(o->v, "data");
		const struct val *trust = val_get(data, "opentelemetry-trust-incoming-span");

		val_for_each (data, text) {
			server_text(c, o, text);
		}
		if (slice_is(val_get_str(data, "enable-opentelemetry"), "true") &&
		    slice_is(val_str(trust), "false")) {
			struct finding *f = check_found(
				c, o, trust,
				"The ingress controller (ConfigMap " SLICE_FMT
				") begins a new trace with each request, whatever the caller sent.",
				SLICE_ARG(o->name));

			finding_replace(c, f, o, trust, "true");
		}
	}
	written_each(c->subject, OBJECT_INGRESS, o)
	{
		const char *key = "nginx.ingress.kubernetes.io/opentelemetry-trust-incoming-span";

		if (slice_is(object_annotation(o, key), "false")) {
			check_found(
				c, o, object_annotation_at(o, key),
				"Ingress " SLICE_FMT
				" begins a new trace with each request, whatever the caller sent.",
				SLICE_ARG(o->name));
		}
	}
}

static const struct rule rules[] = {
	{
		.id = "OBS001",
		.title = "Scrape annotation does not fit",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_METRICS,
		.symptom = "The target is down.",
		.cause = "prometheus.io/port names a port on which the pods do not listen; often "
			 "it is the Service's.",
		.evidence = "The annotation against the ports of the containers.",
		.probe = "GET the metrics at the pod.",
		.fix = "Write the container's port.",
		.sources = "a public three-tier example application",
		.check = obs001,
	},
	{
		.id = "OBS002",
		.title = "Monitor that selects nothing",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_METRICS,
		.symptom = "Prometheus has no target for it.",
		.cause = "Labels, namespaces or the port's name do not fit (a ServiceMonitor reads "
			 "the Service's labels and the names of "
			 "its ports), or no Prometheus picks the monitor.",
		.evidence = "Selectors, namespaces and ports looked up; selectors of Prometheus "
			    "objects in the set.",
		.probe = "Look at the list of targets.",
		.fix = "Make labels and names agree.",
		.sources = "stackrox/kube-linter dangling-servicemonitor; prometheus-operator, "
			   "troubleshooting",
		.check = obs002,
	},
	{
		.id = "OBS003",
		.title = "Exporter of traces speaks to the wrong port",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_METRICS,
		.symptom = "No traces; the exporter logs errors of the protocol.",
		.cause = "Port 4317 is for gRPC, 4318 for HTTP, and the variables say the other.",
		.evidence = "OTEL_EXPORTER_OTLP_PROTOCOL against the port of the endpoint.",
		.probe = "Export one span.",
		.fix = "Make port and protocol agree.",
		.sources = "opentelemetry.io, OTLP exporter configuration",
		.after = "DNS001 SVC007",
		.check = obs003,
	},
	{
		.id = "OBS004",
		.title = "Trace is lost at a proxy",
		.severity = SEVERITY_INFO,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_METRICS,
		.symptom = "Traces end, or begin anew, at a proxy.",
		.cause = "The proxy traces, but does not take over or pass on traceparent.",
		.evidence =
			"Configuration of the proxy that switches tracing on and propagation off.",
		.probe = "Send traceparent and let the program show what arrives.",
		.fix = "Propagate the context.",
		.sources = "W3C Trace Context; nginx, ngx_otel_module",
		.check = obs004,
	},
	{ 0 },
};

const struct family family_obs = { "OBS", "Observability paths", rules };
