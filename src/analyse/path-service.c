/* Why: from a Service's port to its pods: is the port there, who is behind it, and if nobody, whose labels or port
 * names differ by one; see path.h. Source: networking.md 1. */
#include <stdlib.h>

#include "analyse/finding.h"
#include "analyse/nearest.h"
#include "analyse/path.h"
#include "base/mem.h"

enum { PODS_MAX = 8 /* workloads behind one Service that get a path each */ };

/* ---- the port ---- */

static void add_ports(struct strbuf *b, const struct svc *x)
{
	for (size_t i = 0; i < x->n_ports; i++) {
		strbuf_addf(b, "%s%u", i ? ", " : "", x->ports[i].port);
		if (x->ports[i].name.len) {
			strbuf_addf(b, " (" SLICE_FMT ")", SLICE_ARG(x->ports[i].name));
		}
	}
}

static void say_no_port(struct walk *w, struct explain_step *s, const struct svc *x,
                        struct slice name, uint16_t number)
{
	scoped_strbuf struct strbuf all = { 0 }, asked = { 0 };
	const char *as = NULL;

	if (number) {
		strbuf_addf(&asked, "%u", number);
	} else {
		strbuf_addf(&asked, "\"" SLICE_FMT "\"", SLICE_ARG(name));
	}
	add_ports(&all, x);
	for (size_t i = 0; i < x->n_ports && number; i++) {
		if (x->ports[i].target == number && x->n_pods) {
			as = "it is the pods' port";
		}
	}
	step_breaks(w, s, "SVC007", "%s has no port %s%s%s; it has %s.", path_name_of(w, x->object),
	            strbuf_str(&asked), as ? ": " : "", as ? as : "",
	            all.size ? strbuf_str(&all) : "none");
	for (size_t i = 0; i < x->n_ports; i++) {
		step_note(w, s, NOTE_NEAR, x->object, x->ports[i].v,
		          "port %u leads to the pods' %s" SLICE_FMT, x->ports[i].port,
		          x->ports[i].target_name.len
		                  ? ""
		                  : arena_printf(&w->x->arena, "%u", x->ports[i].target),
		          SLICE_ARG(x->ports[i].target_name));
	}
	if (x->n_ports) {
		step_repair(w, s, "Ask port %u, or add port %s to the Service.", x->ports[0].port,
		            strbuf_str(&asked));
	} else {
		step_repair(w, s, "Add port %s to the Service.", strbuf_str(&asked));
	}
}

const struct svc_port *path_choose_port(struct walk *w, struct explain_path *p, const struct svc *x,
                                        struct slice name, uint16_t number)
{
	const struct svc_port *port =
		number ? svc_port_numbered(x, number, 0) : svc_port_named(x, name);

	if (!port) {
		struct explain_step *s =
			path_step(w, p, EXPLAIN_SERVICE, "%s is asked", path_name_of(w, x->object));

		say_no_port(w, s, x, name, number);
	}
	return port;
}

/* ---- who is behind it ---- */

static void say_nobody(struct walk *w, struct explain_step *s, const struct svc *x)
{
	const struct val *selector = val_get(object_spec(x->object), "selector");
	struct near_labels near = nearest_labels(x->space, selector);
	scoped_strbuf struct strbuf wanted = { 0 };

	labels_text(&wanted, selector);
	step_breaks(w, s, "SVC001",
	            "%s selects no pod: nothing in namespace " SLICE_FMT " is labelled %s.",
	            path_name_of(w, x->object), SLICE_ARG(x->ns), strbuf_str(&wanted));
	step_note(w, s, NOTE_FACT, x->object, selector, "selects %s", strbuf_str(&wanted));
	if (near.workload && near.has && !near.key_differs) {
		step_note(w, s, NOTE_NEAR, near.workload->object, near.has,
		          "%s is labelled " SLICE_FMT "=" SLICE_FMT,
		          path_name_of(w, near.workload->object), SLICE_ARG(near.has->key),
		          SLICE_ARG(val_str(near.has)));
		step_repair(w, s, "Select " SLICE_FMT "=" SLICE_FMT ", or label the pods so.",
		            SLICE_ARG(near.has->key), SLICE_ARG(val_str(near.has)));
	} else if (near.workload) {
		step_note(w, s, NOTE_NEAR, near.workload->object, near.workload->labels,
		          "%s lacks the label " SLICE_FMT "=" SLICE_FMT,
		          path_name_of(w, near.workload->object), SLICE_ARG(near.wanted->key),
		          SLICE_ARG(val_str(near.wanted)));
		step_repair(w, s,
		            "Label its pods " SLICE_FMT "=" SLICE_FMT
		            ", or leave that out of the selector.",
		            SLICE_ARG(near.wanted->key), SLICE_ARG(val_str(near.wanted)));
	} else {
		step_repair(w, s, "Give the pods these labels, or select those that they carry.");
	}
}

/* The slices a running cluster made for the Service. */
static bool count_ready(const struct subject *s, const struct svc *x, size_t *ret_ready,
                        size_t *ret_all)
{
	bool any = false;

	*ret_ready = *ret_all = 0;
	object_each(s, OBJECT_ENDPOINTSLICE, o)
	{
		if (!slice_eq(o->ns, x->ns) ||
		    !slice_eq(val_get_str(object_labels(o), "kubernetes.io/service-name"),
		              x->name)) {
			continue;
		}
		any = true;
		val_for_each (val_get(o->v, "endpoints"), e) {
			*ret_all += 1;
			*ret_ready += val_bool(val_path(e, "conditions.ready"), true);
		}
	}
	return any;
}

static bool judge_endpoints(struct walk *w, struct explain_step *s, const struct svc *x)
{
	size_t ready, all;
	bool known = count_ready(w->s, x, &ready, &all);

	if (!x->has_selector && !known) {
		step_breaks(w, s, "SVC015",
		            "%s has no selector, and no EndpointSlice names its endpoints.",
		            path_name_of(w, x->object));
		step_repair(w, s,
		            "Add an EndpointSlice labelled kubernetes.io/service-name: " SLICE_FMT
		            ".",
		            SLICE_ARG(x->name));
		return false;
	}
	if (x->has_selector && !x->n_pods) {
		say_nobody(w, s, x);
		return false;
	}
	if (known && !ready) {
		step_breaks(w, s, "POD003", "None of the %zu endpoints of %s is ready.", all,
		            path_name_of(w, x->object));
		step_repair(w, s, "See why: kubectl describe pods -n " SLICE_FMT ".",
		            SLICE_ARG(x->ns));
	} else if (known) {
		step_note(w, s, NOTE_FACT, NULL, NULL, "%zu of %zu endpoints are ready", ready,
		          all);
	}
	return x->n_pods > 0;
}

/* Replicas, and a readiness probe that can never pass. */
static void judge_readiness(struct walk *w, struct explain_step *s, const struct workload *to)
{
	/* An HPA leaves what was scaled to none alone; an event-driven scaler wakes it. */
	if (to->replicas == 0 && !(to->autoscaler && to->autoscaler->id == OBJECT_SCALEDOBJECT)) {
		step_breaks(w, s, NULL, "%s has no replicas.", path_name_of(w, to->object));
		step_note(w, s, NOTE_DECIDED, to->object, val_path(to->object->v, "spec.replicas"),
		          "replicas: 0");
		step_repair(w, s,
		            "kubectl scale -n " SLICE_FMT " " SLICE_FMT "/" SLICE_FMT
		            " --replicas=2",
		            SLICE_ARG(to->ns), SLICE_ARG(to->object->kind), SLICE_ARG(to->name));
	}
	container_each(to->spec, c)
	{
		static const char *const checks[] = { "httpGet", "tcpSocket" };

		for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
			const struct val *port =
				val_get(val_get(val_get(c, "readinessProbe"), checks[i]), "port");

			if (port && port->type == VAL_STRING &&
			    !pod_port_named(to->spec, port->s, PROTO_TCP)) {
				step_breaks(
					w, s, "POD003",
					"%s never becomes ready: its probe asks port \"" SLICE_FMT
					"\", and no container has one of that name.",
					path_name_of(w, to->object), SLICE_ARG(port->s));
				step_note(w, s, NOTE_DECIDED, to->object, port, "the probe's port");
				step_repair(w, s,
				            "Name a container's port " SLICE_FMT
				            ", or give the probe its number.",
				            SLICE_ARG(port->s));
			}
		}
	}
}

static uint16_t judge_target(struct walk *w, struct explain_step *s, const struct svc_port *port,
                             const struct svc *x, const struct workload *to)
{
	uint16_t target =
		x->headless && !port->target_name.len ? port->target : svc_port_target(port, to);
	scoped_strbuf struct strbuf names = { 0 };

	if (target) {
		step_note(w, s, NOTE_DECIDED, x->object, port->v, "port %u leads to %s on %u",
		          port->port, path_name_of(w, to->object), target);
		return target;
	}
	container_each(to->spec, c)
	{
		val_for_each (val_get(c, "ports"), p) {
			if (val_get_str(p, "name").len) {
				strbuf_addf(&names, "%s" SLICE_FMT, names.size ? ", " : "",
				            SLICE_ARG(val_get_str(p, "name")));
				step_note(w, s, NOTE_NEAR, to->object, val_get(p, "name"),
				          "a port is named " SLICE_FMT,
				          SLICE_ARG(val_get_str(p, "name")));
			}
		}
	}
	step_note(w, s, NOTE_FACT, x->object, val_get(port->v, "targetPort"),
	          "asks for the pods' port \"" SLICE_FMT "\"", SLICE_ARG(port->target_name));
	step_breaks(w, s, "SVC006",
	            "%s has no %s port named \"" SLICE_FMT "\" (it has %s), so it is no endpoint.",
	            path_name_of(w, to->object), proto_text(port->proto),
	            SLICE_ARG(port->target_name),
	            names.size ? strbuf_str(&names) : "no named ports");
	step_repair(w, s,
	            "Name the container's port " SLICE_FMT
	            ", or let targetPort name one that is there.",
	            SLICE_ARG(port->target_name));
	return 0;
}

static void to_workload(struct walk *w, struct explain_path *p, const struct origin *from,
                        const struct svc *x, const struct svc_port *port, const struct workload *to)
{
	struct explain_step *s = path_step(w, p, EXPLAIN_ENDPOINTS, "%s is behind %s",
	                                   path_name_of(w, to->object), path_name_of(w, x->object));
	uint16_t target;

	if (!judge_endpoints(w, s, x)) {
		return;
	}
	judge_readiness(w, s, to);
	target = judge_target(w, s, port, x, to);
	if (target) {
		path_pod(w, p, from, to, port->proto, target);
	}
}

/* ---- the Service ---- */

static void external_name(struct walk *w, struct explain_path *p, const struct svc *x)
{
	const struct val *name = val_get(object_spec(x->object), "externalName");
	struct explain_step *s =
		path_step(w, p, EXPLAIN_SERVICE, "%s is another name for " SLICE_FMT,
	                  path_name_of(w, x->object), SLICE_ARG(val_str(name)));

	step_note(w, s, NOTE_DECIDED, x->object, name, "externalName");
	step_unsure(w, s, "Files cannot tell where " SLICE_FMT " leads.", SLICE_ARG(val_str(name)));
}

void path_service_port(struct walk *w, struct explain_path *p, const struct origin *from,
                       const struct svc *x, const struct svc_port *port)
{
	struct explain_step *s;
	size_t n = x->n_pods < PODS_MAX ? x->n_pods : PODS_MAX;
	struct explain_path **ways;

	s = path_step(w, p, EXPLAIN_SERVICE, "%s has %s port %u", path_name_of(w, x->object),
	              proto_text(port->proto), port->port);
	step_note(w, s, NOTE_DECIDED, x->object, port->v, "port %u" SLICE_FMT SLICE_FMT, port->port,
	          SLICE_ARG(port->name.len ? SLICE(", named ") : SLICE("")), SLICE_ARG(port->name));
	if (from->workload && !from->is_controller && !x->headless) {
		p->whole = (struct explain_probe){ .type = PROBE_CONNECT,
			                           .place = AT_SOURCE,
			                           .from = from->workload,
			                           .service = x,
			                           .proto = port->proto,
			                           .port = port->port };
	}
	if (!n) {
		s = path_step(w, p, EXPLAIN_ENDPOINTS, "pods are behind %s",
		              path_name_of(w, x->object));
		(void)judge_endpoints(w, s, x);
		return;
	}
	ways = ARENA_ARRAY(&w->x->arena, struct explain_path *, n);
	ways[0] = p;
	for (size_t i = 1; i < n; i++) {
		ways[i] = path_fork(w, p);
	}
	for (size_t i = 0; i < n; i++) {
		if (n > 1) {
			ways[i]->title = arena_printf(&w->x->arena, "%s, to %s", ways[i]->title,
			                              path_name_of(w, x->pods[i]->object));
		}
		to_workload(w, ways[i], from, x, port, x->pods[i]);
	}
}

void path_service(struct walk *w, struct explain_path *p, const struct origin *from,
                  const struct svc *x, uint16_t port)
{
	const struct svc_port *chosen;

	if (x->external) {
		external_name(w, p, x);
		return;
	}
	chosen = path_choose_port(w, p, x, SLICE(""), port);
	if (chosen) {
		path_service_port(w, p, from, x, chosen);
	}
}
