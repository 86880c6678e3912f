/* Why: SVC: a Service and the pods that should be behind it. Each class is one function and one entry in the table at
 * the end. */
#include <stdlib.h>
#include <string.h>

#include "analyse/calls.h"
#include "analyse/nearest.h"
#include "analyse/rule.h"
#include "base/mem.h"

/* For each Service that somebody wrote. */
#define service_each(c, it)                                                                        \
	for (size_t it##_i = 0; it##_i < (c)->subject->services.n; it##_i++)                       \
		for (const struct svc *it = (c)->subject->services.at[it##_i];                     \
		     it && !it->object->assumed; it = NULL)

static const struct val *selector_at(const struct svc *x)
{
	const struct val *v = val_get(object_spec(x->object), "selector");

	return val_first(v) ? val_first(v) : v;
}

static void show_selector(struct check *c, struct finding *f, const struct svc *x)
{
	scoped_strbuf struct strbuf b = { 0 };

	labels_text(&b, val_get(object_spec(x->object), "selector"));
	finding_shows(c, f, x->object, selector_at(x), "selects %s.", strbuf_str(&b));
}

/* ---- SVC001, SVC002: nobody is selected ---- */

static const struct workload *selected_elsewhere(const struct subject *s, const struct svc *x)
{
	const struct val *pairs = val_get(object_spec(x->object), "selector");
	scoped_arena struct arena a = { 0 };
	const struct selector *selector = selector_of_map(&a, pairs);

	for (size_t i = 0; i < s->spaces.n; i++) {
		scoped_selection struct selection found = { 0 };

		if (s->spaces.at[i] != x->space) {
			subject_select(s, s->spaces.at[i], selector, pairs, &found);
		}
		if (found.at.n) {
			return found.at.at[0];
		}
	}
	return NULL;
}

static bool selects_nobody(const struct svc *x)
{
	return x->has_selector && !x->external && !x->n_pods;
}

static void say_nearest(struct check *c, struct finding *f, const struct object *o,
                        const struct near_labels *near)
{
	const struct object *w = near->workload->object;

	if (near->key_differs) {
		finding_shows(c, f, w, near->has,
		              "its pods carry " SLICE_FMT "=" SLICE_FMT ", under another key.",
		              SLICE_ARG(near->has->key), SLICE_ARG(val_str(near->has)));
	} else if (near->has) {
		finding_shows(c, f, w, near->has, "its pods carry " SLICE_FMT "=" SLICE_FMT ".",
		              SLICE_ARG(near->has->key), SLICE_ARG(val_str(near->has)));
	} else if (near->wanted) {
		finding_shows(c, f, w, near->workload->labels,
		              "its pods do not carry the label " SLICE_FMT ".",
		              SLICE_ARG(near->wanted->key));
	}
	if (near->has && !near->key_differs) {
		finding_repair(c, f,
		               "Select " SLICE_FMT "=" SLICE_FMT " (or label the pods of " SLICE_FMT
		               " " SLICE_FMT " so).",
		               SLICE_ARG(near->has->key), SLICE_ARG(val_str(near->has)),
		               SLICE_ARG(w->kind), SLICE_ARG(w->name));
		if (near->n_wrong == 1) {
			finding_replace(c, f, o, near->wanted, SLICE_FMT,
			                SLICE_ARG(val_str(near->has)));
		}
	}
}

static void svc001(struct check *c)
{
	service_each(c, x)
	{
		struct near_labels near;
		struct finding *f;
		scoped_strbuf struct strbuf b = { 0 };

		if (!selects_nobody(x) || selected_elsewhere(c->subject, x)) {
			continue;
		}
		near = nearest_labels(x->space, val_get(object_spec(x->object), "selector"));
		labels_text(&b, val_get(object_spec(x->object), "selector"));
		f = check_found(c, x->object, near.wanted ? near.wanted : selector_at(x),
		                "Service " SLICE_FMT
		                " selects no pod: nothing in namespace " SLICE_FMT
		                " is labelled %s.",
		                SLICE_ARG(x->name), SLICE_ARG(x->ns), strbuf_str(&b));
		if (near.workload) {
			say_nearest(c, f, x->object, &near);
		}
	}
}

static void svc002(struct check *c)
{
	service_each(c, x)
	{
		const struct workload *w =
			selects_nobody(x) ? selected_elsewhere(c->subject, x) : NULL;
		struct finding *f;

		if (!w) {
			continue;
		}
		f = check_found(c, x->object, val_path(x->object->v, "metadata.namespace"),
		                "Service " SLICE_FMT " is in namespace " SLICE_FMT
		                ", the pods it selects are in namespace " SLICE_FMT ".",
		                SLICE_ARG(x->name), SLICE_ARG(x->ns), SLICE_ARG(w->ns));
		show_selector(c, f, x);
		finding_shows(c, f, w->object, w->labels,
		              "its pods carry these labels, in namespace " SLICE_FMT ".",
		              SLICE_ARG(w->ns));
		finding_repair(c, f,
		               "Put the Service into namespace " SLICE_FMT
		               " (callers elsewhere use " SLICE_FMT "." SLICE_FMT
		               "), or the workload into " SLICE_FMT ".",
		               SLICE_ARG(w->ns), SLICE_ARG(x->name), SLICE_ARG(w->ns),
		               SLICE_ARG(x->ns));
	}
}

/* ---- SVC003: pods of several programs ---- */

/* The image without registry host, tag and digest. */
static struct slice program_of(const struct workload *w)
{
	struct slice image = val_get_str(val_first(val_get(w->spec, "containers")), "image"), head,
		     tail;
	ptrdiff_t slash;

	(void)slice_cut(image, '@', &head, &tail);
	slash = slice_rfind(head, '/');
	head = slice_from(head, (size_t)(slash + 1));
	(void)slice_cut(head, ':', &head, &tail);
	return head;
}

static bool lacks_target(const struct svc *x, const struct workload *w)
{
	for (size_t i = 0; i < x->n_ports; i++) {
		if (pod_has_ports(w->spec) &&
		    !pod_port_numbered(w->spec, svc_port_target(&x->ports[i], w),
		                       x->ports[i].proto)) {
			return true;
		}
	}
	return false;
}

static void svc003(struct check *c)
{
	service_each(c, x)
	{
		for (size_t i = 1; i < x->n_pods; i++) {
			const struct workload *a = x->pods[0], *b = x->pods[i],
					      *odd = a->ends ? a : b;
			bool stranger =
				!slice_eq(program_of(a), program_of(b)) &&
				(lacks_target(x, a) != lacks_target(x, b) || a->ends || b->ends);
			struct finding *f;

			if (!stranger && a->ends == b->ends) {
				continue;
			}
			f = check_found(
				c, x->object, selector_at(x),
				"Service " SLICE_FMT " selects pods of two programs: " SLICE_FMT
				" " SLICE_FMT " and " SLICE_FMT " " SLICE_FMT ".",
				SLICE_ARG(x->name), SLICE_ARG(a->object->kind), SLICE_ARG(a->name),
				SLICE_ARG(b->object->kind), SLICE_ARG(b->name));
			finding_shows(c, f, a->object, a->labels, "its pods match.");
			finding_shows(c, f, b->object, b->labels,
			              odd == b && b->ends
			                      ? "so do those of this job, which serves nobody."
			                      : "so do these.");
			finding_repair(c, f,
			               "Give each program a label of its own (such as "
			               "app.kubernetes.io/component) and "
			               "select by it.");
			break;
		}
	}
}

/* ---- SVC004 ---- */

static void svc004(struct check *c)
{
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];
		const struct val *selector = val_get(object_spec(w->object), "selector");
		scoped_arena struct arena a = { 0 };
		const struct selector *x;
		struct err err = { 0 };
		struct finding *f;

		if (w->object->assumed || w->ends || w->object->id == OBJECT_POD ||
		    w->object->id == OBJECT_CONTROLLER || !selector ||
		    selector_of_object(&a, selector, &x, &err) < 0 ||
		    selector_matches(x, w->labels)) {
			continue;
		}
		f = check_found(c, w->object, val_first(val_get(selector, "matchLabels")),
		                "The selector of " SLICE_FMT " " SLICE_FMT
		                " does not match the labels of its own pods.",
		                SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
		val_for_each (val_get(selector, "matchLabels"), pair) {
			const struct val *own = val_get_slice(w->labels, pair->key);

			if (!own || !slice_eq(val_str(own), val_str(pair))) {
				f->at = pair;
				finding_shows(
					c, f, w->object, own ? own : w->labels,
					"the selector wants " SLICE_FMT "=" SLICE_FMT
					", the template has " SLICE_FMT ".",
					SLICE_ARG(pair->key), SLICE_ARG(val_str(pair)),
					SLICE_ARG(own ? val_str(own) : SLICE("no such label")));
				if (own) {
					finding_replace(c, f, w->object, own, SLICE_FMT,
					                SLICE_ARG(val_str(pair)));
				}
			}
		}
	}
}

/* ---- SVC005, SVC006, SVC008: the target port ---- */

/* The only port, or the one of the same protocol when there is only one: what was probably meant. */
static const struct val *likely_port(const struct workload *w, enum proto proto)
{
	const struct val *found = NULL;
	size_t n = 0;

	container_each(w->spec, k)
	{
		val_for_each (val_get(k, "ports"), p) {
			if (proto_of(p) == proto) {
				found = p;
				n++;
			}
		}
	}
	return n == 1 ? found : NULL;
}

static const struct val *target_at(const struct svc_port *p)
{
	const struct val *v = val_get(p->v, "targetPort");

	return v ? v : val_get(p->v, "port");
}

static void show_ports(struct check *c, struct finding *f, const struct workload *w)
{
	container_each(w->spec, k)
	{
		val_for_each (val_get(k, "ports"), p) {
			finding_shows(c, f, w->object, val_get(p, "containerPort"),
			              "container " SLICE_FMT " has port %lld/%s%s" SLICE_FMT ".",
			              SLICE_ARG(val_get_str(k, "name")),
			              (long long)val_int(val_get(p, "containerPort"), 0),
			              proto_text(proto_of(p)), val_get(p, "name") ? " named " : "",
			              SLICE_ARG(val_get_str(p, "name")));
		}
	}
}

static void wrong_number(struct check *c, const struct svc *x, const struct svc_port *p,
                         const struct workload *w)
{
	const struct val *meant = likely_port(w, p->proto);
	struct finding *f = check_found(c, x->object, target_at(p),
	                                "Service " SLICE_FMT
	                                " sends port %u to port %u of its pods, where nothing is "
	                                "declared to listen.",
	                                SLICE_ARG(x->name), p->port, p->target);

	show_ports(c, f, w);
	if (meant) {
		finding_repair(c, f, "Set targetPort to %lld%s" SLICE_FMT "%s.",
		               (long long)val_int(val_get(meant, "containerPort"), 0),
		               val_get(meant, "name") ? ", best by its name " : "",
		               SLICE_ARG(val_get_str(meant, "name")),
		               val_get(meant, "name") ? "" : " (and name the port)");
		if (val_get(p->v, "targetPort")) {
			finding_replace(c, f, x->object, val_get(p->v, "targetPort"), "%lld",
			                (long long)val_int(val_get(meant, "containerPort"), 0));
		} else {
			finding_insert(c, f, x->object, val_get(p->v, "port"), "targetPort: %lld",
			               (long long)val_int(val_get(meant, "containerPort"), 0));
		}
	}
}

static void svc005(struct check *c)
{
	service_each(c, x)
	{
		for (size_t i = 0; i < x->n_ports; i++) {
			const struct svc_port *p = &x->ports[i];
			const struct workload *w = NULL;

			for (size_t j = 0; p->target && j < x->n_pods && !w; j++) {
				if (pod_has_ports(x->pods[j]->spec) &&
				    !pod_port_numbered(x->pods[j]->spec, p->target, 0)) {
					w = x->pods[j];
				}
			}
			if (w) {
				wrong_number(c, x, p, w);
			}
		}
	}
}

static void unknown_name(struct check *c, const struct svc *x, const struct svc_port *p,
                         const struct workload *w, size_t n_without)
{
	const struct val *meant = likely_port(w, p->proto);
	struct finding *f =
		check_found(c, x->object, target_at(p),
	                    "Service " SLICE_FMT " sends port %u to the port named " SLICE_FMT
	                    ", which the pods of " SLICE_FMT " " SLICE_FMT " do not have.",
	                    SLICE_ARG(x->name), p->port, SLICE_ARG(p->target_name),
	                    SLICE_ARG(w->object->kind), SLICE_ARG(w->name));

	if (n_without < x->n_pods) {
		f->severity = SEVERITY_WARN;
		finding_symptom(c, f,
		                "These pods are never endpoints of the Service; the others carry "
		                "all the load.");
	}
	show_ports(c, f, w);
	if (meant && val_get(meant, "name")) {
		finding_repair(c, f, "Set targetPort to " SLICE_FMT ".",
		               SLICE_ARG(val_get_str(meant, "name")));
		finding_replace(c, f, x->object, val_get(p->v, "targetPort"), SLICE_FMT,
		                SLICE_ARG(val_get_str(meant, "name")));
	} else if (meant) {
		finding_repair(c, f, "Name the container's port " SLICE_FMT ".",
		               SLICE_ARG(p->target_name));
		finding_insert(c, f, w->object, val_get(meant, "containerPort"), "name: " SLICE_FMT,
		               SLICE_ARG(p->target_name));
	}
}

static void svc006(struct check *c)
{
	service_each(c, x)
	{
		for (size_t i = 0; i < x->n_ports; i++) {
			const struct svc_port *p = &x->ports[i];
			const struct workload *w = NULL;
			size_t n = 0;

			for (size_t j = 0; p->target_name.len && j < x->n_pods; j++) {
				if (!pod_port_named(x->pods[j]->spec, p->target_name, 0)) {
					w = w ? w : x->pods[j];
					n++;
				}
			}
			if (w) {
				unknown_name(c, x, p, w, n);
			}
		}
	}
}

static bool is_udp_by_custom(uint16_t port)
{
	static const uint16_t ports[] = { 53, 69, 123, 161, 1812, 1813, 8125 };

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		if (ports[i] == port) {
			return true;
		}
	}
	return false;
}

static void other_protocol(struct check *c, const struct svc *x, const struct svc_port *p,
                           const struct workload *w, const struct val *declared)
{
	enum proto wanted = declared ? proto_of(declared) : PROTO_UDP;
	struct finding *f = check_found(
		c, x->object,
		val_get(p->v, "protocol") ? val_get(p->v, "protocol") : val_get(p->v, "port"),
		"Service " SLICE_FMT " offers port %u as %s%s, the program behind it speaks %s.",
		SLICE_ARG(x->name), p->port, proto_text(p->proto),
		val_get(p->v, "protocol") ? "" : " (nothing is written, and that means TCP)",
		proto_text(wanted));

	if (declared) {
		finding_shows(c, f, w->object, declared, "the container declares %s.",
		              proto_text(wanted));
	}
	finding_repair(c, f, "Write protocol: %s at the Service's port%s.", proto_text(wanted),
	               declared ? "" : ", at the container's port and in policies");
	if (val_get(p->v, "protocol")) {
		finding_replace(c, f, x->object, val_get(p->v, "protocol"), "%s",
		                proto_text(wanted));
	} else {
		finding_insert(c, f, x->object, val_get(p->v, "port"), "protocol: %s",
		               proto_text(wanted));
	}
}

static void svc008(struct check *c)
{
	service_each(c, x)
	{
		for (size_t i = 0; i < x->n_ports; i++) {
			const struct svc_port *p = &x->ports[i];

			for (size_t j = 0; p->proto && j < x->n_pods; j++) {
				const struct workload *w = x->pods[j];
				const struct val *any =
					p->target_name.len
						? pod_port_named(w->spec, p->target_name, 0)
						: pod_port_numbered(w->spec, p->target, 0);
				uint16_t number =
					(uint16_t)val_int(val_get(any, "containerPort"), 0);

				if (any && !pod_port_numbered(w->spec, number, p->proto)) {
					other_protocol(c, x, p, w, any);
					break;
				}
				if (p->proto == PROTO_TCP && is_udp_by_custom(p->port) &&
				    is_udp_by_custom(number) &&
				    !svc_port_numbered(x, p->port, PROTO_UDP)) {
					other_protocol(c, x, p, w, NULL);
					break;
				}
			}
		}
	}
}

/* ---- SVC007, SVC009, SVC017: what callers expect ---- */

/* The port of the Service behind which the number is the pods' own; else its only one. */
static const struct svc_port *port_behind(const struct svc *x, uint16_t number)
{
	for (size_t i = 0; i < x->n_ports; i++) {
		for (size_t j = 0; j < x->n_pods; j++) {
			if (svc_port_target(&x->ports[i], x->pods[j]) == number) {
				return &x->ports[i];
			}
		}
	}
	return x->n_ports == 1 ? &x->ports[0] : NULL;
}

/* The value with the other port, as a repair; only where the text shows the port and is no secret. */
static void replace_port(struct check *c, struct finding *f, const struct call *x, uint16_t port)
{
	scoped_free char *was = mem_printf(":%u", x->r->port);
	const struct val *at = x->r->where.node;
	const char *found =
		at && at->type == VAL_STRING && !x->r->is_secret ? strstr(val_cstr(at), was) : NULL;
	size_t len = strlen(was);

	if (found && !(found[len] >= '0' && found[len] <= '9') && !strstr(found + len, was) &&
	    !strchr(val_cstr(at), '\n')) {
		finding_replace(c, f, x->by, at, "%.*s:%u%s", (int)(found - val_cstr(at)),
		                val_cstr(at), port, found + len);
	}
}

static void svc007(struct check *c)
{
	call_each(c->subject, x)
	{
		const struct svc *to = x->to.service;
		const struct svc_port *meant;
		scoped_strbuf struct strbuf b = { 0 };
		struct finding *f;

		if (x->to.kind != TARGET_SERVICE || x->to.port || !x->r->port || to->external ||
		    to->headless || !to->n_ports) {
			continue;
		}
		meant = port_behind(to, x->r->port);
		f = check_found(c, x->by, x->r->where.node,
		                "%s of " SLICE_FMT " " SLICE_FMT " calls %s, and Service " SLICE_FMT
		                " has no port %u.",
		                x->r->name, SLICE_ARG(x->from->object->kind),
		                SLICE_ARG(x->from->name), call_text(&b, x), SLICE_ARG(to->name),
		                x->r->port);
		for (size_t i = 0; i < to->n_ports; i++) {
			finding_shows(c, f, to->object, val_get(to->ports[i].v, "port"),
			              "has port %u.", to->ports[i].port);
		}
		if (meant) {
			finding_repair(c, f, "Call port %u%s.", meant->port,
			               x->r->port_given ? ""
			                                : " (no port is written, so the usual one "
			                                  "of the scheme is used)");
			replace_port(c, f, x, meant->port);
		}
	}
}

static void svc009(struct check *c)
{
	call_each(c->subject, x)
	{
		const struct svc *to = x->to.service;
		const struct workload *w = to && to->n_pods ? to->pods[0] : NULL;
		uint16_t target = w && x->to.port ? svc_port_target(x->to.port, w) : 0;
		scoped_strbuf struct strbuf b = { 0 };
		struct finding *f;

		if (x->to.kind != TARGET_SERVICE || !to->headless || !target ||
		    target == x->r->port || pod_port_numbered(w->spec, x->r->port, 0)) {
			continue;
		}
		f = check_found(c, x->by, x->r->where.node,
		                "%s of " SLICE_FMT " " SLICE_FMT
		                " calls %s, and headless Service " SLICE_FMT
		                " does not translate ports: its pods listen on %u.",
		                x->r->name, SLICE_ARG(x->from->object->kind),
		                SLICE_ARG(x->from->name), call_text(&b, x), SLICE_ARG(to->name),
		                target);
		finding_shows(c, f, to->object, val_get(object_spec(to->object), "clusterIP"),
		              "gives the addresses of pods.");
		finding_repair(c, f,
		               "Make the Service's port %u and call that, or give it a cluster IP.",
		               target);
		replace_port(c, f, x, target);
	}
}

static bool carries_its_host(const struct reference *r)
{
	return strcmp(r->scheme, "http") == 0 || strcmp(r->scheme, "https") == 0 || r->tls;
}

static void svc017(struct check *c)
{
	call_each(c->subject, x)
	{
		const struct svc *to = x->to.service;
		scoped_strbuf struct strbuf b = { 0 };
		const struct val *name;
		struct finding *f;

		if (x->to.kind != TARGET_SERVICE || !to->external || !carries_its_host(x->r)) {
			continue;
		}
		name = val_get(object_spec(to->object), "externalName");
		f = check_found(
			c, x->by, x->r->where.node,
			"%s of " SLICE_FMT " " SLICE_FMT " calls %s, another name for " SLICE_FMT
			": the server there is asked for the wrong host.",
			x->r->name, SLICE_ARG(x->from->object->kind), SLICE_ARG(x->from->name),
			call_text(&b, x), SLICE_ARG(val_str(name)));
		finding_shows(c, f, to->object, name,
		              "is an alias in DNS: Host and server name stay " SLICE_FMT ".",
		              SLICE_ARG(to->name));
		finding_repair(c, f, "Call " SLICE_FMT " itself.", SLICE_ARG(val_str(name)));
	}
}

/* ---- SVC011 ---- */

static bool has_readiness(const struct workload *w)
{
	container_each(w->spec, k)
	{
		if (val_get(k, "readinessProbe")) {
			return true;
		}
	}
	return false;
}

static void svc011(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each(c->subject, x)
	{
		const struct svc *to = x->to.service;
		bool own = false;
		scoped_strbuf struct strbuf b = { 0 };
		struct finding *f;

		for (size_t i = 0; x->to.kind == TARGET_SERVICE && i < to->n_pods; i++) {
			own = own || to->pods[i] == x->from;
		}
		if (!own || !to->headless || !x->to.is_pod ||
		    x->from->object->id != OBJECT_STATEFULSET || !has_readiness(x->from) ||
		    val_bool(val_get(object_spec(to->object), "publishNotReadyAddresses"), false) ||
		    map_set(&said, to->name, &said)) {
			continue;
		}
		f = check_found(
			c, to->object, val_get(object_spec(to->object), "clusterIP"),
			"Service " SLICE_FMT
			" gives names to ready pods alone, and the pods of StatefulSet " SLICE_FMT
			" need each other's names to become ready.",
			SLICE_ARG(to->name), SLICE_ARG(x->from->name));
		finding_shows(c, f, x->by, x->r->where.node, "%s names %s, a pod of the set.",
		              x->r->name, call_text(&b, x));
		finding_repair(c, f,
		               "Set publishNotReadyAddresses: true on that Service (and call "
		               "another one from outside).");
		finding_insert(c, f, to->object, val_get(object_spec(to->object), "clusterIP"),
		               "publishNotReadyAddresses: true");
	}
}

/* ---- SVC010 ---- */

static void governing_is_missing(struct check *c, const struct workload *w, const struct val *at)
{
	const struct object *near = nearest_object(c->subject, OBJECT_SERVICE, w->ns, val_str(at));
	struct finding *f =
		check_found(c, w->object, at,
	                    "StatefulSet " SLICE_FMT " names the Service " SLICE_FMT
	                    " for its pods' names, and there is none in namespace " SLICE_FMT ".",
	                    SLICE_ARG(w->name), SLICE_ARG(val_str(at)), SLICE_ARG(w->ns));

	if (near) {
		finding_shows(c, f, near, val_path(near->v, "metadata.name"),
		              "has a similar name.");
		finding_replace(c, f, w->object, at, SLICE_FMT, SLICE_ARG(near->name));
	}
	finding_repair(c, f,
	               "Create a Service " SLICE_FMT
	               " with clusterIP: None and the labels of the pods%s" SLICE_FMT "%s.",
	               SLICE_ARG(val_str(at)), near ? ", or name " : "",
	               SLICE_ARG(near ? near->name : SLICE("")), "");
}

static void svc010(struct check *c)
{
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];
		const struct val *at = val_get(object_spec(w->object), "serviceName");
		const struct svc *x = subject_service(c->subject, w->ns, val_str(at));
		struct finding *f = NULL;
		bool selected = false;

		if (w->object->id != OBJECT_STATEFULSET || !val_str(at).len) {
			continue;
		}
		if (!x) {
			governing_is_missing(c, w, at);
			continue;
		}
		for (size_t j = 0; j < x->n_pods; j++) {
			selected = selected || x->pods[j] == w;
		}
		if (!x->headless) {
			f = check_found(c, w->object, at,
			                "Service " SLICE_FMT " of StatefulSet " SLICE_FMT
			                " is not headless: its pods get no names of their own.",
			                SLICE_ARG(x->name), SLICE_ARG(w->name));
			finding_shows(c, f, x->object, val_get(object_spec(x->object), "clusterIP"),
			              "has a cluster IP; clusterIP: None is missing.");
			finding_repair(c, f,
			               "Add a headless Service (clusterIP: None) for the pods' "
			               "names and name it in "
			               "serviceName.");
		} else if (x->has_selector && !selected) {
			f = check_found(c, w->object, at,
			                "Service " SLICE_FMT " of StatefulSet " SLICE_FMT
			                " does not select its pods: they get no names.",
			                SLICE_ARG(x->name), SLICE_ARG(w->name));
			show_selector(c, f, x);
		}
	}
}

/* ---- SVC012 ---- */

static void svc012(struct check *c)
{
	object_each(c->subject, OBJECT_INGRESS, o)
	{
		val_for_each (val_get(object_spec(o), "rules"), rule) {
			val_for_each (val_path(rule, "http.paths"), path) {
				const struct val *at = val_path(path, "backend.service.name");
				const struct svc *x =
					subject_service(c->subject, o->ns, val_str(at));
				struct finding *f;

				if (!x || o->assumed ||
				    !slice_is(
					    val_get_str(object_spec(x->object), "sessionAffinity"),
					    "ClientIP") ||
				    slice_is(
					    object_annotation(
						    o,
						    "nginx.ingress.kubernetes.io/service-upstream"),
					    "true")) {
					continue;
				}
				f = check_found(c, x->object,
				                val_get(object_spec(x->object), "sessionAffinity"),
				                "Service " SLICE_FMT
				                " keeps clients by their address, but its callers "
				                "come through "
				                "Ingress " SLICE_FMT ", which picks pods itself.",
				                SLICE_ARG(x->name), SLICE_ARG(o->name));
				finding_shows(c, f, o, at,
				              "sends requests to the Service's pods directly.");
				finding_repair(c, f,
				               "Use cookie affinity at the Ingress "
				               "(nginx.ingress.kubernetes.io/affinity: "
				               "cookie), or take sessionAffinity out.");
			}
		}
	}
}

/* ---- SVC013, SVC014: node-local traffic ---- */

static bool is_spread(const struct workload *w)
{
	return w->object->id == OBJECT_DAEMONSET ||
	       val_len(val_get(w->spec, "topologySpreadConstraints")) ||
	       val_path(w->spec, "affinity.podAntiAffinity");
}

static void svc013(struct check *c)
{
	service_each(c, x)
	{
		const struct val *at = val_get(object_spec(x->object), "externalTrafficPolicy");

		for (size_t i = 0; slice_is(val_str(at), "Local") && i < x->n_pods; i++) {
			const struct workload *w = x->pods[i];
			struct finding *f;

			if (w->replicas >= c->subject->profile->nodes && is_spread(w)) {
				continue;
			}
			if (c->subject->profile->nodes < 2) {
				continue;
			}
			f = check_found(c, x->object, at,
			                "Service " SLICE_FMT " takes outside traffic only on nodes "
			                "that run one of its pods, and not "
			                "every node does.",
			                SLICE_ARG(x->name));
			finding_shows(c, f, w->object, val_get(object_spec(w->object), "replicas"),
			              "%lld replica%s, %lld nodes or more, %s.",
			              (long long)w->replicas, w->replicas == 1 ? "" : "s",
			              (long long)c->subject->profile->nodes,
			              is_spread(w) ? "spread" : "nothing that spreads them");
			break;
		}
	}
}

static void svc014(struct check *c)
{
	service_each(c, x)
	{
		const struct val *at = val_get(object_spec(x->object), "internalTrafficPolicy");

		for (size_t i = 0; slice_is(val_str(at), "Local") && i < x->n_pods; i++) {
			const struct workload *w = x->pods[i];
			struct finding *f;

			if (w->object->id == OBJECT_DAEMONSET || c->subject->profile->nodes < 2) {
				continue;
			}
			f = check_found(
				c, x->object, at,
				"Service " SLICE_FMT
				" answers callers only from pods on their own node, and " SLICE_FMT
				" " SLICE_FMT " does not run on every node.",
				SLICE_ARG(x->name), SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
			finding_shows(
				c, f, w->object, NULL, "runs %lld replicas on %lld nodes or more.",
				(long long)w->replicas, (long long)c->subject->profile->nodes);
			break;
		}
	}
}

/* ---- SVC015, SVC016: endpoints by hand ---- */

static bool is_slice_of(const struct object *slice, const struct svc *x)
{
	return slice_eq(slice->ns, x->ns) &&
	       slice_eq(val_get_str(object_labels(slice), "kubernetes.io/service-name"), x->name);
}

static void svc015(struct check *c)
{
	service_each(c, x)
	{
		const struct object *unlabelled = NULL;
		bool found = subject_find(c->subject, OBJECT_ENDPOINTS, x->ns, x->name) != NULL;
		struct finding *f;

		if (x->has_selector || x->external ||
		    (slice_is(x->name, "kubernetes") && slice_is(x->ns, "default"))) {
			continue;
		}
		object_each_in(c->subject, OBJECT_ENDPOINTSLICE, x->ns, o)
		{
			found = found || is_slice_of(o, x);
			if (slice_has_prefix(o->name, x->name)) {
				unlabelled = o;
			}
		}
		if (found) {
			continue;
		}
		f = check_found(c, x->object, val_get(object_spec(x->object), "ports"),
		                "Service " SLICE_FMT
		                " has no selector, and nobody gives it endpoints.",
		                SLICE_ARG(x->name));
		if (unlabelled) {
			finding_shows(c, f, unlabelled, object_labels(unlabelled),
			              "lacks the label kubernetes.io/service-name=" SLICE_FMT ".",
			              SLICE_ARG(x->name));
			finding_repair(c, f,
			               "Label the EndpointSlice with "
			               "kubernetes.io/service-name: " SLICE_FMT ".",
			               SLICE_ARG(x->name));
		}
	}
}

/* Why no packet gets there; null when it may. */
static const char *unroutable(const struct subject *s, struct slice text)
{
	struct prefix services;
	struct ip ip;

	if (!ip_parse(text, &ip)) {
		return "is not an IP address; a name is for a Service of type ExternalName";
	}
	if (ip.family == IP_V4 && ip.bytes[0] == 127) {
		return "is the loopback address of whoever calls";
	}
	if (ip.family == IP_V4 && ip.bytes[0] == 169 && ip.bytes[1] == 254) {
		return "is link-local: it ends at the caller's own node";
	}
	if (ip.family == IP_V4 && (ip.bytes[0] == 0 || ip.bytes[0] >= 224)) {
		return "is no address of a host";
	}
	if (s->profile->declared && prefix_parse(slice_of(s->profile->service_cidr), &services) &&
	    prefix_contains(services, ip)) {
		return "is in the range of cluster IPs, which are no endpoints";
	}
	for (size_t i = 0; i < s->services.n; i++) {
		if (slice_eq(val_get_str(object_spec(s->services.at[i]->object), "clusterIP"),
		             text)) {
			return "is the cluster IP of a Service, which is no endpoint";
		}
	}
	return NULL;
}

static void judge_address(struct check *c, const struct object *o, const struct val *at)
{
	const char *why = unroutable(c->subject, val_str(at));

	if (why) {
		(void)check_found(
			c, o, at,
			"The endpoint address " SLICE_FMT " of " SLICE_FMT " " SLICE_FMT " %s.",
			SLICE_ARG(val_str(at)), SLICE_ARG(o->kind), SLICE_ARG(o->name), why);
	}
}

static void svc016(struct check *c)
{
	object_each(c->subject, OBJECT_ENDPOINTS, o)
	{
		val_for_each (val_get(o->v, "subsets"), subset) {
			val_for_each (val_get(subset, "addresses"), address) {
				judge_address(c, o, val_get(address, "ip"));
			}
		}
	}
	object_each(c->subject, OBJECT_ENDPOINTSLICE, o)
	{
		if (slice_is(val_get_str(o->v, "addressType"), "FQDN")) {
			continue;
		}
		val_for_each (val_get(o->v, "endpoints"), endpoint) {
			val_for_each (val_get(endpoint, "addresses"), address) {
				judge_address(c, o, address);
			}
		}
	}
}

/* ---- SVC018 ---- */

static void svc018(struct check *c)
{
	service_each(c, x)
	{
		const struct val *at = val_get(object_spec(x->object), "externalName");
		struct ip ip;

		if (!x->external) {
			continue;
		}
		if (ip_parse(val_str(at), &ip)) {
			struct finding *f = check_found(
				c, x->object, at,
				"Service " SLICE_FMT " gives the address " SLICE_FMT
				" as an external name: it is looked up as a name and not found.",
				SLICE_ARG(x->name), SLICE_ARG(val_str(at)));

			finding_repair(c, f,
			               "Take the selector and the type out, and give the address "
			               "in an EndpointSlice "
			               "labelled kubernetes.io/service-name: " SLICE_FMT ".",
			               SLICE_ARG(x->name));
			continue;
		}
		for (size_t i = 0; i < x->n_ports; i++) {
			const struct svc_port *p = &x->ports[i];

			if (val_get(p->v, "targetPort") &&
			    (p->target_name.len || p->target != p->port)) {
				(void)check_found(
					c, x->object, val_get(p->v, "targetPort"),
					"Service " SLICE_FMT " is only another name for " SLICE_FMT
					": port %u is not translated to " SLICE_FMT ".",
					SLICE_ARG(x->name), SLICE_ARG(val_str(at)), p->port,
					SLICE_ARG(val_get(p->v, "targetPort")->s));
			}
		}
	}
}

/* ---- SVC019: ports of nodes ---- */

enum { NODE_PORT_MIN = 30000, NODE_PORT_MAX = 32767 };

struct port_user {
	const struct object *object;
	const struct val *at;
};

/* Remembers who has it first; returns that one when it is taken. */
static const struct port_user *take_port(struct check *c, struct map *taken, const struct object *o,
                                         const struct val *at, enum proto proto)
{
	scoped_free char *key = mem_printf("%lld/%d", (long long)val_int(at, 0), (int)proto);
	struct port_user *first = map_find(taken, slice_of(key));

	if (!first) {
		first = ARENA_NEW(&c->found->arena, struct port_user);
		*first = (struct port_user){ o, at };
		map_set(taken, slice_of(key), first);
		return NULL;
	}
	return first;
}

static void node_ports(struct check *c)
{
	scoped_map struct map taken = { 0 };

	service_each(c, x)
	{
		for (size_t i = 0; i < x->n_ports; i++) {
			const struct val *at = val_get(x->ports[i].v, "nodePort");
			const struct port_user *first;
			struct finding *f;

			if (!val_int(at, 0)) {
				continue;
			}
			if (at->i < NODE_PORT_MIN || at->i > NODE_PORT_MAX) {
				(void)check_found(
					c, x->object, at,
					"Node port %lld of Service " SLICE_FMT
					" is outside 30000-32767; the API server refuses it.",
					(long long)at->i, SLICE_ARG(x->name));
			}
			first = take_port(c, &taken, x->object, at, x->ports[i].proto);
			if (first) {
				f = check_found(c, x->object, at,
				                "Node port %lld of Service " SLICE_FMT
				                " is taken already.",
				                (long long)at->i, SLICE_ARG(x->name));
				finding_shows(c, f, first->object, first->at,
				              "has the same node port.");
			}
		}
	}
}

static void host_port(struct check *c, struct map *taken, const struct workload *w,
                      const struct val *p)
{
	const struct val *at = val_get(p, "hostPort");
	const struct port_user *first;
	struct finding *f;

	if (!val_int(at, 0)) {
		return;
	}
	first = take_port(c, taken, w->object, at, proto_of(p));
	if (first && first->object != w->object) {
		f = check_found(c, w->object, at,
		                "Host port %lld of " SLICE_FMT " " SLICE_FMT
		                " is taken by another workload: "
		                "two of them never share a node.",
		                (long long)at->i, SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
		finding_shows(c, f, first->object, first->at, "has the same host port.");
	}
	if (c->subject->profile->nodes && w->object->id != OBJECT_DAEMONSET &&
	    w->replicas > c->subject->profile->nodes) {
		f = check_found(c, w->object, at,
		                "%lld replicas of " SLICE_FMT " " SLICE_FMT
		                " want host port %lld, and there are %lld nodes.",
		                (long long)w->replicas, SLICE_ARG(w->object->kind),
		                SLICE_ARG(w->name), (long long)at->i,
		                (long long)c->subject->profile->nodes);
		finding_symptom(c, f, "The replicas beyond the nodes stay Pending.");
	}
}

static void svc019(struct check *c)
{
	scoped_map struct map taken = { 0 };

	node_ports(c);
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];

		container_each(w->spec, k)
		{
			val_for_each (val_get(k, "ports"), p) {
				host_port(c, &taken, w, p);
			}
		}
	}
}

/* ---- SVC020: variables that Kubernetes makes of Services ---- */

/* The next variable that the text uses ($NAME, ${NAME...}, $(NAME)), as an empty slice at the end. */
static struct slice next_variable(struct slice *rest)
{
	while (rest->len) {
		ptrdiff_t dollar = slice_find(*rest, '$');
		size_t at, end;

		if (dollar < 0) {
			break;
		}
		at = (size_t)dollar + 1;
		at += at < rest->len && (rest->p[at] == '{' || rest->p[at] == '(');
		for (end = at; end < rest->len && (rest->p[end] == '_' ||
		                                   (rest->p[end] >= 'A' && rest->p[end] <= 'Z') ||
		                                   (rest->p[end] >= '0' && rest->p[end] <= '9'));) {
			end++;
		}
		if (end > at) {
			struct slice name = { rest->p + at, end - at };

			*rest = slice_from(*rest, end);
			return name;
		}
		*rest = slice_from(*rest, at);
	}
	*rest = (struct slice){ "", 0 };
	return *rest;
}

/* The Service whose NAME_PORT the variable is, or null. */
static const struct svc *service_of_variable(const struct subject *s, struct slice ns,
                                             struct slice variable)
{
	char name[64];
	size_t n = variable.len - (sizeof("_PORT") - 1);

	if (!slice_has_suffix(variable, SLICE("_PORT")) || n >= sizeof(name)) {
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		char ch = variable.p[i];

		name[i] = ch == '_' ? '-' : ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') : ch;
	}
	return subject_service(s, ns, (struct slice){ name, n });
}

static bool defines(const struct val *container, struct slice name)
{
	val_for_each (val_get(container, "env"), e) {
		if (slice_eq(val_get_str(e, "name"), name)) {
			return true;
		}
	}
	return val_len(val_get(container, "envFrom")) > 0;
}

static void links_in(struct check *c, const struct workload *w, const struct val *container,
                     const struct val *word)
{
	struct slice rest = val_str(word);

	for (struct slice name = next_variable(&rest); name.len; name = next_variable(&rest)) {
		const struct svc *x = service_of_variable(c->subject, w->ns, name);
		struct finding *f;

		if (!x || defines(container, name)) {
			continue;
		}
		f = check_found(c, w->object, word,
		                "Container " SLICE_FMT " reads " SLICE_FMT
		                ", which nobody sets: Kubernetes puts "
		                "tcp://ADDRESS:PORT of Service " SLICE_FMT " there.",
		                SLICE_ARG(val_get_str(container, "name")), SLICE_ARG(name),
		                SLICE_ARG(x->name));
		finding_shows(
			c, f, x->object, val_path(x->object->v, "metadata.name"),
			"gives every pod of the namespace variables that begin with its name.");
		finding_repair(c, f,
		               "Set " SLICE_FMT
		               " in the container's env, or enableServiceLinks: false in the pod.",
		               SLICE_ARG(name));
	}
}

static void svc020(struct check *c)
{
	static const char *const lists[] = { "command", "args" };

	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];

		if (w->object->assumed || !val_bool(val_get(w->spec, "enableServiceLinks"), true)) {
			continue;
		}
		container_each(w->spec, k)
		{
			for (size_t j = 0; j < ARRAY_SIZE(lists); j++) {
				val_for_each (val_get(k, lists[j]), word) {
					links_in(c, w, k, word);
				}
			}
		}
	}
}

/* ---- SVC021 ---- */

static void svc021(struct check *c)
{
	service_each(c, x)
	{
		const struct val *policy = val_get(object_spec(x->object), "ipFamilyPolicy"),
				 *families = val_get(object_spec(x->object), "ipFamilies");
		bool single = c->subject->profile->declared && !c->subject->profile->ipv6;

		if (slice_is(val_str(policy), "SingleStack") && val_len(families) > 1) {
			(void)check_found(
				c, x->object, policy,
				"Service " SLICE_FMT
				" asks for SingleStack and lists two families; the API server "
				"refuses it.",
				SLICE_ARG(x->name));
		} else if (single && slice_is(val_str(policy), "RequireDualStack")) {
			(void)check_found(
				c, x->object, policy,
				"Service " SLICE_FMT
				" requires two address families, the cluster has one (profile %s).",
				SLICE_ARG(x->name), c->subject->profile->name);
		} else if (single && slice_is(val_str(val_first(families)), "IPv6")) {
			(void)check_found(c, x->object, val_first(families),
			                  "Service " SLICE_FMT
			                  " wants IPv6, the cluster has IPv4 only (profile %s).",
			                  SLICE_ARG(x->name), c->subject->profile->name);
		}
	}
}

/* ---- the family ---- */

static const struct rule rules[] = {
	{
		.id = "SVC001",
		.title = "Service selector matches no pod",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "Connections to the Service are refused at once; behind an Ingress the "
			   "answer is 503.",
		.cause = "The selector asks for labels that no pod template of the namespace has: "
			 "a typo, a renamed label, "
			 "another release name.",
		.evidence = "A selector that is not empty, and no template in the Service's "
			    "namespace with all its pairs; the "
			    "nearest one is shown.",
		.probe = "The Service's EndpointSlices are empty; a connection to its cluster IP "
			 "is refused without delay.",
		.fix = "Make the selector and the labels of the pod template equal.",
		.sources = "kubescape/regolibrary C-0293; k8sgpt-ai/k8sgpt service analyzer; "
			   "kubernetes.io, Debug Services",
		.after = "SVC004",
		.check = svc001,
	},
	{
		.id = "SVC002",
		.title = "Selector matches pods in another namespace only",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "Connections to the Service are refused, although pods with its labels "
			   "run.",
		.cause = "Service and workload are in different namespaces, and a selector never "
			 "looks into another one.",
		.evidence =
			"The selector fits a template of another namespace and none of its own.",
		.probe = "EndpointSlices are empty in the Service's namespace; the pods are Ready "
			 "in the other.",
		.fix = "Move the Service or the workload, or call the Service of the other "
		       "namespace by NAME.NAMESPACE.",
		.sources = "kubernetes.io, Debug Services",
		.check = svc002,
	},
	{
		.id = "SVC003",
		.title = "Selector too broad: pods of several programs behind one Service",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_SERVICE,
		.symptom = "A share of the requests fails or is answered by the wrong program.",
		.cause = "The selector names only a label that web, worker and job pods have in "
			 "common.",
		.evidence = "Pods of a job, or of another image without the target port, match as "
			    "well.",
		.probe = "Repeat one request and note which pod answers; list the endpoints by "
			 "owner.",
		.fix = "Give each program a component label and select by it.",
		.sources = "kubernetes.io, Debug Services; "
			   "learnk8s/kubernetes-production-best-practices",
		.check = svc003,
	},
	{
		.id = "SVC004",
		.title = "Workload selector does not match its own template",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POD,
		.symptom = "The API server refuses the object, so nothing of it runs.",
		.cause = "spec.selector and the labels of spec.template differ.",
		.evidence = "The selector, evaluated over the template's labels.",
		.probe = "Applying it answers that the selector does not match template labels.",
		.fix = "Make both equal; an existing object's selector cannot be changed.",
		.sources = "stackrox/kube-linter mismatching-selector; zegl/kube-score",
		.check = svc004,
	},
	{
		.id = "SVC005",
		.title = "Numeric targetPort on which nothing listens",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_SERVICE,
		.symptom = "The pod refuses the connection; behind an Ingress the answer is 502.",
		.cause = "The number was guessed, or the image changed its port. A declared "
			 "container port is only information, so "
			 "this is strong evidence and no proof.",
		.evidence = "The number is in no ports of the selected containers, although they "
			    "declare some.",
		.probe = "Connect to the pod's address on that port, and compare with the sockets "
			 "that listen in the pod.",
		.fix = "Set targetPort to the real port, best by its name.",
		.sources = "kubernetes/kubernetes#73049",
		.check = svc005,
	},
	{
		.id = "SVC006",
		.title = "Named targetPort that a selected pod does not define",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "The pods are Ready and still no endpoints for the port; without "
			   "others, 503.",
		.cause = "The Service calls the port one thing, the container another.",
		.evidence = "No container of a selected template has a port of that name.",
		.probe = "The EndpointSlice has no address for the port.",
		.fix = "Use the container's name for the port, or its number.",
		.sources = "derailed/popeye 1106",
		.check = svc006,
	},
	{
		.id = "SVC007",
		.title = "Caller uses a port that the Service does not have",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CONFIG,
		.symptom = "Refused or timed out at the Service, although the pod is healthy.",
		.cause = "Clients use the container's port instead of the Service's, or the "
			 "reverse.",
		.evidence = "An address in a value means a Service without such a port.",
		.probe = "Connect to the Service and to the pod on that port; only the second "
			 "answers.",
		.fix = "Correct the address, or add the port.",
		.sources = "kubernetes.io, Debug Services",
		.check = svc007,
	},
	{
		.id = "SVC008",
		.title = "Protocol differs between Service and program",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_SERVICE,
		.symptom = "Datagrams (names, metrics, logs, QUIC) vanish, or connections are "
			   "refused.",
		.cause = "A port without protocol is TCP.",
		.evidence = "The container declares the target port with another protocol, or the "
			    "number is used with UDP by custom.",
		.probe = "Exchange datagrams through the Service and with the pod directly.",
		.fix = "Write the protocol at the Service's port, the container's and in policies.",
		.sources = "kubernetes.io, Service reference",
		.check = svc008,
	},
	{
		.id = "SVC009",
		.title = "Headless Service with another target port",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "Refused on the Service's port, answered on the pod's.",
		.cause = "A headless Service gives pod addresses; nothing translates port to "
			 "targetPort.",
		.evidence =
			"A caller uses the port of a headless Service that its pods do not have.",
		.probe = "Look the name up and connect to both ports.",
		.fix = "Make port and targetPort equal, or give the Service a cluster IP.",
		.sources = "kubernetes.io, Headless Services",
		.check = svc009,
	},
	{
		.id = "SVC010",
		.title = "Governing Service of a StatefulSet missing or not headless",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NAME,
		.symptom = "Names such as NAME-0.SERVICE do not exist; members of a cluster never "
			   "meet.",
		.cause = "spec.serviceName names no Service, one with a cluster IP, or one that "
			 "selects other pods.",
		.evidence = "The reference, clusterIP and the selector.",
		.probe = "Look a pod's own name up.",
		.fix = "Create a headless Service with the labels of the template.",
		.sources = "zegl/kube-score statefulset-has-servicename",
		.check = svc010,
	},
	{
		.id = "SVC011",
		.title = "Peers cannot find each other before they are ready",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_NAME,
		.symptom = "A clustered store never becomes ready: each pod waits for the others' "
			   "names.",
		.cause = "DNS has names of ready pods alone.",
		.evidence = "A StatefulSet with a readiness probe whose values name its own pods, "
			    "and a headless Service "
			    "without publishNotReadyAddresses.",
		.probe = "Look a peer's name up while it is not ready.",
		.fix = "publishNotReadyAddresses: true on the Service for peers.",
		.sources = "kubernetes.io, Service reference",
		.check = svc011,
	},
	{
		.id = "SVC012",
		.title = "Session affinity that does not do what is wanted",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "Clients are not kept on one pod, or all of them land on the same.",
		.cause = "Affinity by client address happens at the cluster IP: an ingress "
			 "controller goes to the pods directly, "
			 "and a proxy in front makes all clients one.",
		.evidence = "sessionAffinity: ClientIP on a Service that an Ingress without "
			    "service-upstream names.",
		.probe = "Count the answers by pod over many requests of one client.",
		.fix = "Keep clients by cookie at the Ingress, or not at all.",
		.sources = "kubernetes/ingress-nginx annotations, Service Upstream",
		.check = svc012,
	},
	{
		.id = "SVC013",
		.title = "externalTrafficPolicy Local without a pod on every node",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_BALANCER,
		.symptom = "Some of the load balancer's targets are unhealthy; some nodes do not "
			   "answer.",
		.cause = "With this policy a node answers only when one of its own pods is ready.",
		.evidence =
			"Fewer replicas than the profile has nodes, or nothing that spreads them.",
		.probe =
			"Ask the health check port of every node; connect from inside and outside.",
		.fix = "Spread the pods, run them as a DaemonSet, or use policy Cluster.",
		.sources = "kubernetes/ingress-nginx#2582",
		.check = svc013,
	},
	{
		.id = "SVC014",
		.title = "internalTrafficPolicy Local drops callers on other nodes",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_SERVICE,
		.symptom = "The Service answers from some nodes only.",
		.cause = "There is no ready endpoint on the caller's node.",
		.evidence = "The policy on a Service whose pods are no DaemonSet's, with several "
			    "nodes.",
		.probe = "Connect from a pod on each node.",
		.fix = "Use policy Cluster, or run a DaemonSet.",
		.sources = "kubernetes.io, Service reference",
		.check = svc014,
	},
	{
		.id = "SVC015",
		.title = "Service without selector and without endpoints",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "Connections are refused.",
		.cause = "The selector was forgotten, or the EndpointSlice by hand is missing or "
			 "lacks its label.",
		.evidence = "No selector, not an external name, and neither Endpoints nor "
			    "EndpointSlice for it.",
		.probe = "EndpointSlices are empty.",
		.fix = "Add a selector, or an EndpointSlice with the label "
		       "kubernetes.io/service-name.",
		.sources = "k8sgpt-ai/k8sgpt service analyzer",
		.check = svc015,
	},
	{
		.id = "SVC016",
		.title = "Endpoint address that no packet reaches",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "Connections time out, or the API server refuses the object.",
		.cause = "A loopback, link-local or cluster address, or a host name, was given as "
			 "endpoint.",
		.evidence = "The class of each address in Endpoints and EndpointSlices.",
		.probe = "Connect to the address directly.",
		.fix = "Give the real address, or use an ExternalName for a name.",
		.sources = "kubernetes.io, EndpointSlice reference",
		.check = svc016,
	},
	{
		.id = "SVC017",
		.title = "ExternalName used for HTTP or TLS",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NAME,
		.symptom = "404 or 421, a certificate for another name, redirects elsewhere.",
		.cause = "An ExternalName is an alias in DNS: the client still asks for the name "
			 "of the Service.",
		.evidence = "A caller of an ExternalName uses http, https or TLS.",
		.probe = "Request with either name as host.",
		.fix = "Call the real name, or a proxy that sets host and server name.",
		.sources = "kubernetes.io, ExternalName; skyhook-io/radar#1037",
		.check = svc017,
	},
	{
		.id = "SVC018",
		.title = "ExternalName expected to translate ports, or given an address",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NAME,
		.symptom = "The wrong port is called, or the name is not found.",
		.cause = "Such a Service is an alias in DNS and nothing else: its ports mean "
			 "nothing, and an address is taken for a "
			 "name.",
		.evidence = "A port with another targetPort, or an externalName that looks like an "
			    "address.",
		.probe = "Look the name up and connect.",
		.fix = "Use a Service without selector and an EndpointSlice.",
		.sources = "kubernetes.io, Service reference",
		.check = svc018,
	},
	{
		.id = "SVC019",
		.title = "Node or host port conflict",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NODE,
		.symptom = "The Service is refused, or pods stay Pending.",
		.cause = "A node port outside the range or taken, or two pods that want one host "
			 "port.",
		.evidence = "Node ports and host ports compared over all objects.",
		.probe = "The error of the apply, or the scheduler's event.",
		.fix = "Let the port be chosen.",
		.sources = "FairwindsOps/polaris hostPortSet",
		.check = svc019,
	},
	{
		.id = "SVC020",
		.title = "A Service's variables take the place of the program's own",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_CONFIG,
		.symptom = "The program does not understand its own port: it reads "
			   "tcp://10.96.1.2:6379.",
		.cause = "For every Service of the namespace Kubernetes sets NAME_PORT and others "
			 "in all pods.",
		.evidence = "A command that reads NAME_PORT of a Service without its being set; "
			    "enableServiceLinks is not false.",
		.probe = "Print the container's environment.",
		.fix = "enableServiceLinks: false, or set the variable.",
		.sources = "kubernetes.io, Accessing the Service",
		.check = svc020,
	},
	{
		.id = "SVC021",
		.title = "Address families that do not fit",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "The Service is refused, or gives an address on which nothing listens.",
		.cause = "ipFamilies or ipFamilyPolicy ask for what the cluster or the program "
			 "does not have.",
		.evidence = "The fields against each other and against the profile.",
		.probe = "Connect over each family.",
		.fix = "PreferDualStack, and let the program listen on ::.",
		.sources = "kubernetes.io, IPv4/IPv6 dual-stack",
		.check = svc021,
	},
	{ 0 },
};

const struct family family_svc = { "SVC", "Services and endpoints", rules };
