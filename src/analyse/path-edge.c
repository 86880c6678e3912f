/* Why: from the browser to the Service: public name, CDN, balancer, controller, rule; and every way in which a Service
 * can be reached from outside. See path.h. */
#include <stdlib.h>
#include <string.h>

#include "analyse/finding.h"
#include "analyse/ingress.h"
#include "analyse/nearest.h"
#include "analyse/path-gateway.h"
#include "analyse/path-ingress.h"
#include "analyse/target.h"
#include "analyse/value.h"
#include "base/mem.h"

#define AWS_LB "service.beta.kubernetes.io/aws-load-balancer-"

/* ---- browser ---- */

static bool is_for_cluster_only(struct slice host)
{
	return slice_find(host, '.') < 0 || slice_has_suffix(host, SLICE(".svc")) ||
	       slice_has_suffix(host, SLICE(".svc.cluster.local")) ||
	       slice_has_suffix(host, SLICE(".local"));
}

/* Somebody wrote at the workload or the value that it is meant so. */
static bool is_accepted(const struct walk *w, const struct object *page, const struct reference *r,
                        const char *id)
{
	const struct object *holder = subject_object(w->s, r->where.object);

	return object_accepts(page, id) || (holder && object_accepts(holder, id));
}

static void judge_page(struct walk *w, struct explain_step *s, const struct workload *page)
{
	size_t n = 0;
	const struct reference *all = values_references(subject_values(w->s), page->object->v, &n);

	for (size_t i = 0; i < n; i++) {
		const struct reference *r = &all[i];
		struct slice host = slice_of(r->host);
		const struct target t = target_of(w->s, r);
		scoped_strbuf struct strbuf text = { 0 };

		/* a server in the pod reads it, and the browser has a way of its own */
		if (target_is_proxied(w->s, r, &t)) {
			continue;
		}
		if (r->use != USE_CONNECT ||
		    (r->place != PLACE_BROWSER && r->place != PLACE_BUILD) || !host.len) {
			continue;
		}
		value_reference_format(&text, r);
		step_note(w, s, NOTE_FACT, subject_object(w->s, r->where.object), r->where.node,
		          "%s makes the page call %s", r->name, strbuf_str(&text));
		if (is_for_cluster_only(host) && !is_accepted(w, page->object, r, "APP001")) {
			step_breaks(
				w, s, "APP001",
				"%s makes the page call %s, a name that only the cluster knows.",
				r->name, strbuf_str(&text));
			step_repair(w, s,
			            "Let the page call its own origin (a path such as /api) or the "
			            "public name.");
		}
	}
}

/* The pages are what the host's other paths serve. */
static void judge_pages(struct walk *w, struct explain_step *s, const struct ingress_host *h)
{
	for (size_t i = 0; h && i < h->n_paths; i++) {
		const struct svc *x =
			subject_service(w->s, h->paths[i].of->ns,
		                        val_str(val_path(h->paths[i].backend, "service.name")));

		for (size_t j = 0; x && j < x->n_pods; j++) {
			judge_page(w, s, x->pods[j]);
		}
	}
}

static bool is_origin(const struct reference *r, const struct path_end *e)
{
	struct slice host = slice_of(r->host);

	return slice_is(host, "*") ||
	       (slice_eq_nocase(host, e->name) && slice_eq(slice_of(r->scheme), e->scheme) &&
	        (!r->port || r->port == e->port));
}

/* What the program behind the URL allows as origin. */
void path_origins(struct walk *w, struct explain_step *s, const struct workload *api,
                  const struct path_end *e)
{
	const struct reference *all, *other = NULL;
	size_t n = 0;

	all = values_references(subject_values(w->s), api->object->v, &n);
	for (size_t i = 0; i < n; i++) {
		if (all[i].use != USE_ORIGIN || !all[i].host[0]) {
			continue;
		}
		s->probe = (struct explain_probe){ .type = PROBE_ORIGIN,
			                           .place = AT_HOST,
			                           .name = e->name,
			                           .path = e->path,
			                           .port = e->port,
			                           .tls = slice_is(e->scheme, "https") };
		if (is_origin(&all[i], e)) {
			return;
		}
		other = other ? other : &all[i];
	}
	if (other && s->verdict != EXPLAIN_BROKEN) {
		scoped_strbuf struct strbuf text = { 0 };

		value_reference_format(&text, other);
		step_note(w, s, NOTE_NEAR, subject_object(w->s, other->where.object),
		          other->where.node, "%s allows %s", other->name, strbuf_str(&text));
		step_breaks(w, s, "APP003",
		            "%s of %s allows the origin %s, the page comes from " SLICE_FMT
		            "://" SLICE_FMT ".",
		            other->name, path_name_of(w, api->object), strbuf_str(&text),
		            SLICE_ARG(e->scheme), SLICE_ARG(e->name));
		step_repair(w, s, "Write " SLICE_FMT "://" SLICE_FMT " into %s.",
		            SLICE_ARG(e->scheme), SLICE_ARG(e->name), other->name);
	}
}

static void browser(struct walk *w, struct explain_path *p, const struct routing *r,
                    const struct path_end *e)
{
	struct explain_step *s =
		path_step(w, p, EXPLAIN_BROWSER, "a page of " SLICE_FMT " asks " SLICE_FMT,
	                  SLICE_ARG(e->name), SLICE_ARG(e->path));
	struct ingress_choice c = ingress_choose(&r->table, e->name, e->path, NULL);
	const struct svc *x;

	judge_pages(w, s, c.host);
	x = c.path ? subject_service(w->s, c.path->of->ns,
	                             val_str(val_path(c.path->backend, "service.name")))
	           : NULL;
	if (c.path && slice_is(e->scheme, "http") &&
	    ingress_redirects(w->s, c.path->of->owner, e->name)) {
		return; /* the page is one of HTTPS then */
	}
	for (size_t i = 0; x && i < x->n_pods; i++) {
		path_origins(w, s, x->pods[i], e);
	}
}

/* ---- public name, CDN ---- */

static bool is_record_for(const struct object *o, struct slice name)
{
	struct slice own = val_get_str(object_spec(o), "name");

	if (own.len && own.p[own.len - 1] == '.') {
		own.len--;
	}
	return slice_eq_nocase(own, name);
}

static const struct object *distribution_of(const struct subject *s, struct slice name)
{
	object_each(s, OBJECT_DISTRIBUTION, o)
	{
		val_for_each (val_path(o->v, "spec.distributionConfig.aliases.items"), it) {
			if (slice_eq_nocase(val_str(it), name)) {
				return o;
			}
		}
	}
	return NULL;
}

static void public_name(struct walk *w, struct explain_path *p, const struct path_end *e)
{
	struct explain_step *s;

	if (!e->name.len || e->ip.family) {
		return;
	}
	s = path_step(w, p, EXPLAIN_NAME, SLICE_FMT " leads to the balancer", SLICE_ARG(e->name));
	object_each(w->s, OBJECT_RECORDSET, o)
	{
		if (is_record_for(o, e->name)) {
			step_note(w, s, NOTE_DECIDED, o, val_get(object_spec(o), "name"),
			          "%s is its record", path_name_of(w, o));
			return;
		}
	}
	step_unsure(w, s,
	            "No record for " SLICE_FMT
	            " is among the objects; it is made where the zone is kept.",
	            SLICE_ARG(e->name));
}

static void cdn(struct walk *w, struct explain_path *p, const struct path_end *e)
{
	const struct object *d = distribution_of(w->s, e->name);
	struct explain_step *s;

	if (!d) {
		return;
	}
	s = path_step(w, p, EXPLAIN_CDN, "%s answers or passes on " SLICE_FMT, path_name_of(w, d),
	              SLICE_ARG(e->path));
	if (!val_bool(val_path(d->v, "spec.distributionConfig.enabled"), true)) {
		step_breaks(w, s, NULL, "%s is not enabled.", path_name_of(w, d));
		step_repair(w, s, "Set spec.distributionConfig.enabled: true.");
	}
	val_for_each (val_path(d->v, "spec.distributionConfig.origins.items"), it) {
		step_note(w, s, NOTE_FACT, d, val_get(it, "domainName"), "origin " SLICE_FMT,
		          SLICE_ARG(val_get_str(it, "domainName")));
	}
	val_for_each (val_path(d->v, "spec.distributionConfig.cacheBehaviors.items"), it) {
		step_note(w, s, NOTE_FACT, d, val_get(it, "pathPattern"),
		          "behaviour for " SLICE_FMT, SLICE_ARG(val_get_str(it, "pathPattern")));
	}
}

/* ---- balancer ---- */

static void judge_sources(struct walk *w, struct explain_step *s, const struct svc *x,
                          const struct origin *from)
{
	const struct val *ranges = val_get(object_spec(x->object), "loadBalancerSourceRanges");
	bool admitted = val_len(ranges) == 0, everybody = admitted;
	struct prefix range;

	val_for_each (ranges, it) {
		if (prefix_parse(slice_trim(val_str(it)), &range)) {
			everybody |= range.len == 0;
			admitted |= from->ip.family && prefix_contains(range, from->ip);
		}
	}
	if (everybody || admitted) {
		return;
	}
	step_note(w, s, NOTE_DECIDED, x->object, ranges, "loadBalancerSourceRanges");
	if (from->ip.family) {
		step_breaks(w, s, NULL,
		            "The balancer of %s takes connections only from its "
		            "loadBalancerSourceRanges.",
		            path_name_of(w, x->object));
		step_repair(w, s, "Add the client's address to loadBalancerSourceRanges.");
	} else {
		step_unsure(w, s, "Only clients within loadBalancerSourceRanges get through.");
	}
}

static bool is_internal(const struct svc *x)
{
	return slice_is(object_annotation(x->object, AWS_LB "internal"), "true") ||
	       slice_is(object_annotation(x->object, AWS_LB "scheme"), "internal");
}

/* The port of the Service that the balancer opens for the connection; null: broken. */
static const struct svc_port *balancer(struct walk *w, struct explain_path *p,
                                       const struct origin *from, const struct svc *x,
                                       uint16_t port)
{
	struct explain_step *s =
		path_step(w, p, EXPLAIN_BALANCER, "the balancer of %s takes TCP %u",
	                  path_name_of(w, x->object), port);
	const struct svc_port *chosen = svc_port_numbered(x, port, PROTO_TCP);

	s->probe = (struct explain_probe){ .type = PROBE_CONNECT,
		                           .place = AT_HOST,
		                           .service = x,
		                           .proto = PROTO_TCP,
		                           .port = port };
	if (!w->s->profile->has_load_balancer) {
		step_breaks(w, s, "LB001",
		            "Profile %s: nobody answers Services of type LoadBalancer.",
		            w->s->profile->name);
		step_repair(w, s, "Install a load balancer controller, or use a node port.");
	}
	if (!chosen) {
		step_breaks(w, s, "SVC007", "%s has no port %u for the balancer to open.",
		            path_name_of(w, x->object), port);
		step_repair(w, s, "Add port %u to %s.", port, path_name_of(w, x->object));
		return NULL;
	}
	step_note(w, s, NOTE_DECIDED, x->object, chosen->v, "port %u", port);
	if (is_internal(x) && from->is_outside) {
		step_breaks(w, s, "LB003", "The balancer of %s is internal.",
		            path_name_of(w, x->object));
		step_repair(w, s, "Set " AWS_LB "scheme: internet-facing.");
	}
	judge_sources(w, s, x, from);
	return chosen;
}

/* Where the balancer's connections seem to come from: a node. */
static struct origin behind_balancer(const struct subject *s)
{
	struct origin o = { 0 };
	struct prefix nodes;

	if (prefix_parse(slice_of(s->profile->node_cidr), &nodes)) {
		o.ip = prefix_nth(nodes, 5);
	}
	object_each(s, OBJECT_NODE, node)
	{
		val_for_each (val_path(node->v, "status.addresses"), it) {
			if (slice_is(val_get_str(it, "type"), "InternalIP")) {
				(void)ip_parse(val_get_str(it, "address"), &o.ip);
			}
		}
	}
	return o;
}

/* ---- controller ---- */

static const struct svc *balancer_of(const struct subject *s, const struct workload *controller)
{
	const struct svc_list *all = subject_services_of(s, controller);

	for (size_t i = 0; i < all->at.n; i++) {
		if (slice_is(all->at.at[i]->type, "LoadBalancer")) {
			return all->at.at[i];
		}
	}
	return NULL;
}

static void say_no_balancer(struct walk *w, struct explain_path *p,
                            const struct workload *controller)
{
	struct explain_step *s = path_step(w, p, EXPLAIN_BALANCER, "a balancer leads to %s",
	                                   path_name_of(w, controller->object));
	const struct svc_list *all = subject_services_of(w->s, controller);

	if (controller->object->assumed) {
		step_note(w, s, NOTE_FACT, NULL, NULL,
		          "the ingress controller and its balancer are not among the objects; "
		          "profile %s has them",
		          w->s->profile->name);
		return;
	}
	if (controller->host_network) {
		step_note(w, s, NOTE_FACT, controller->object, NULL,
		          "it listens on the nodes' own addresses");
		return;
	}
	for (size_t i = 0; i < all->at.n; i++) {
		step_note(w, s, NOTE_NEAR, all->at.at[i]->object,
		          val_get(object_spec(all->at.at[i]->object), "type"),
		          "%s is of type " SLICE_FMT, path_name_of(w, all->at.at[i]->object),
		          SLICE_ARG(all->at.at[i]->type));
	}
	step_breaks(w, s, NULL, "No Service of type LoadBalancer leads to %s.",
	            path_name_of(w, controller->object));
	step_repair(w, s, "Make its Service one of type LoadBalancer.");
}

/* Balancer and controller; false: nothing beyond can be said. */
static bool to_controller(struct walk *w, struct explain_path *p, const struct origin *from,
                          const struct routing *r, const struct path_end *e)
{
	const struct svc *x = r->workload ? balancer_of(w->s, r->workload) : NULL;
	const struct svc_port *port;
	struct explain_step *s;
	struct origin node = behind_balancer(w->s);

	if (x) {
		port = balancer(w, p, from, x, e->port);
		if (port && r->workload->space->policies.n) {
			path_policies(w, p, &node, r->workload, PROTO_TCP,
			              svc_port_target(port, r->workload));
		}
	} else if (r->workload) {
		say_no_balancer(w, p, r->workload);
	}
	s = path_step(w, p, EXPLAIN_CONTROLLER, "%s serves classes of " SLICE_FMT,
	              r->workload ? path_name_of(w, r->workload->object) : "the ingress controller",
	              SLICE_ARG(r->controller));
	if (!r->workload && slice_is(r->controller, "ingress.k8s.aws/alb")) {
		step_note(w, s, NOTE_FACT, NULL, NULL,
		          "the AWS controller makes a balancer of the Ingress itself");
		return true;
	}
	if (x) {
		s->probe = (struct explain_probe){ .type = PROBE_CONNECT,
			                           .place = AT_VPC,
			                           .service = x,
			                           .proto = PROTO_TCP,
			                           .port = e->port };
	}
	if (!r->workload) {
		step_breaks(w, s, "ING004",
		            "No ingress controller for " SLICE_FMT " is there (profile %s).",
		            SLICE_ARG(r->controller), w->s->profile->name);
		step_repair(w, s, "Install one, or use a class whose controller is there.");
	}
	return true;
}

/* ---- the backend ---- */

static void say_no_service(struct walk *w, struct explain_path *p, const struct object *ingress,
                           const struct val *at, struct slice name)
{
	struct explain_step *s = path_step(w, p, EXPLAIN_SERVICE,
	                                   "the rule names Service " SLICE_FMT, SLICE_ARG(name));
	const struct object *near = nearest_object(w->s, OBJECT_SERVICE, ingress->ns, name);
	const struct object *elsewhere =
		subject_find_elsewhere(w->s, OBJECT_SERVICE, ingress->ns, name);

	step_note(w, s, NOTE_FACT, ingress, at, "asks for Service " SLICE_FMT, SLICE_ARG(name));
	step_breaks(w, s, "ING001",
	            "There is no Service " SLICE_FMT " in namespace " SLICE_FMT
	            "; the controller answers 503.",
	            SLICE_ARG(name), SLICE_ARG(ingress->ns));
	if (elsewhere) {
		step_note(w, s, NOTE_NEAR, elsewhere, NULL,
		          "%s is in another namespace; an Ingress reaches its own only",
		          path_name_of(w, elsewhere));
		step_repair(w, s, "Put the Ingress into namespace " SLICE_FMT ".",
		            SLICE_ARG(elsewhere->ns));
	} else if (near) {
		step_note(w, s, NOTE_NEAR, near, NULL, "%s has nearly that name",
		          path_name_of(w, near));
		step_repair(w, s, "Write name: " SLICE_FMT ".", SLICE_ARG(near->name));
	} else {
		step_repair(w, s, "Make that Service.");
	}
}

static void to_backend(struct walk *w, struct explain_path *p, const struct routing *r,
                       const struct ingress_path *rule)
{
	const struct object *ingress = rule->of->owner;
	const struct val *service = val_get(rule->backend, "service"),
			 *port = val_get(service, "port");
	struct slice name = val_get_str(service, "name");
	int64_t number = val_int(val_get(port, "number"), 0);
	struct origin from = { .workload = r->workload,
		               .ip = r->workload ? r->workload->ip : behind_balancer(w->s).ip,
		               .is_controller = true };
	const struct svc *x = subject_service(w->s, ingress->ns, name);
	const struct svc_port *chosen;

	if (!name.len) {
		struct explain_step *s =
			path_step(w, p, EXPLAIN_SERVICE, "the rule names a resource");

		step_breaks(w, s, "ING001",
		            "A backend of kind resource is not supported by this controller.");
		step_repair(w, s, "Name a Service.");
		return;
	}
	if (!x) {
		say_no_service(w, p, ingress, val_get(service, "name"), name);
		return;
	}
	if (x->external) {
		path_service(w, p, &from, x, (uint16_t)number);
		return;
	}
	chosen = path_choose_port(w, p, x, val_get_str(port, "name"),
	                          number > 0 && number <= UINT16_MAX ? (uint16_t)number : 0);
	if (chosen) {
		path_service_port(w, p, &from, x, chosen);
	} else {
		struct explain_step *s = p->steps.at[p->steps.n - 1];

		step_note(w, s, NOTE_FACT, ingress, val_first(port), "the rule asks for that port");
	}
}

/* ---- the whole ---- */

/* Plain HTTP that the controller does not pass on. */
static void say_redirect(struct walk *w, struct explain_path *p, const struct object *ingress,
                         struct slice host)
{
	struct explain_step *s = p->steps.at[p->steps.n - 1];
	const char *why = ingress_redirects(w->s, ingress, host);

	if (why) {
		s->answer = 308;
		step_note(w, s, NOTE_FACT, ingress, NULL,
		          "plain HTTP is answered with a redirect to HTTPS (308): %s", why);
	}
}

void path_to_edge(struct walk *w, struct explain_path *p, const struct origin *from,
                  const struct path_end *e)
{
	if (from->workload && e->name.len) {
		struct ip outside = ip_v4(0xcb00710a); /* 203.0.113.10: somewhere on the internet */

		path_resolve(w, p, from, e);
		(void)path_egress(w, p, from, outside, PROTO_TCP, e->port);
	} else {
		public_name(w, p, e);
	}
	cdn(w, p, e);
}

static void walk_url(struct walk *w, struct explain_path *p, const struct origin *from,
                     const struct path_end *e)
{
	struct routing r = path_routing(w, e->name);
	struct ingress_choice choice;
	const struct ingress_path *rule;

	if (from->is_browser) {
		browser(w, p, &r, e);
	}
	path_to_edge(w, p, from, e);
	if (!to_controller(w, p, from, &r, e)) {
		return;
	}
	rule = path_rule(w, p, &r, e, &choice);
	if (rule && slice_is(e->scheme, "http")) {
		say_redirect(w, p, rule->of->owner, e->name);
	}
	if (choice.host || slice_is(e->scheme, "https")) {
		path_tls(w, p, &r, choice.host, e);
	}
	if (rule) {
		to_backend(w, p, &r, rule);
	}
}

void path_edge(struct walk *w, const struct origin *from, const struct path_end *e)
{
	bool by_ingress = path_ingress_has(w->s, e->name);
	struct explain_path *p;

	if (path_gateways(w, from, e, by_ingress) && !by_ingress) {
		return;
	}
	p = path_new(w, false, SLICE_FMT "://" SLICE_FMT SLICE_FMT, SLICE_ARG(e->scheme),
	             SLICE_ARG(e->name), SLICE_ARG(e->path));
	walk_url(w, p, from, e);
}

/* ---- from outside to a Service ---- */

/* A URL that the rule answers. */
static struct path_end url_of(struct walk *w, const struct ingress_host *h,
                              const struct ingress_path *rule)
{
	bool tls = h->of && ingress_tls_for(rule->of->ingress, h->host, NULL, NULL);
	struct slice host = h->host.len ? h->host : SLICE("any.host");

	if (host.p[0] == '*') {
		host = slice_of(arena_printf(&w->x->arena, "any" SLICE_FMT,
		                             SLICE_ARG(slice_from(host, 1))));
	}
	return (struct path_end){ .type = END_URL,
		                  .name = host,
		                  .scheme = tls ? SLICE("https") : SLICE("http"),
		                  .port = tls ? 443 : 80,
		                  .path = rule->path };
}

/* Does the rule lead to the Service, on that port (null: any)? */
static bool leads_to(const struct ingress_path *rule, const struct svc *x,
                     const struct svc_port *port)
{
	const struct object *ingress = rule->of->owner;
	const struct val *service = val_get(rule->backend, "service"),
			 *asked = val_get(service, "port");

	return slice_eq(ingress->ns, x->ns) && slice_eq(val_get_str(service, "name"), x->name) &&
	       (!port || val_int(val_get(asked, "number"), 0) == port->port ||
	        (port->name.len && slice_eq(val_get_str(asked, "name"), port->name)));
}

static size_t through_rules(struct walk *w, const struct origin *from, const struct svc *x,
                            const struct svc_port *port)
{
	struct routing r = path_routing(w, SLICE(""));
	size_t n = 0;

	for (size_t i = 0; i < r.table.n_hosts; i++) {
		for (size_t j = 0; j < r.table.hosts[i].n_paths; j++) {
			const struct ingress_path *rule = &r.table.hosts[i].paths[j];
			const struct object *ingress = rule->of->owner;

			if (leads_to(rule, x, port) && !r.table.hosts[i].is_regex) {
				struct path_end e = url_of(w, &r.table.hosts[i], rule);
				struct explain_path *p =
					path_new(w, n > 0,
				                 "through %s, " SLICE_FMT "://" SLICE_FMT SLICE_FMT,
				                 path_name_of(w, ingress), SLICE_ARG(e.scheme),
				                 SLICE_ARG(e.name), SLICE_ARG(e.path));

				walk_url(w, p, from, &e);
				n++;
			}
		}
	}
	return n;
}

static void through_node_port(struct walk *w, const struct origin *from, const struct svc *x,
                              const struct svc_port *port, bool is_alternative)
{
	int64_t number = val_int(val_get(port->v, "nodePort"), 0);
	struct explain_path *p = path_new(w, is_alternative, "through the node port of %s",
	                                  path_name_of(w, x->object));
	struct explain_step *s =
		path_step(w, p, EXPLAIN_ROUTE, "every node takes TCP %s",
	                  number ? arena_printf(&w->x->arena, "%lld", (long long)number)
	                         : "on a port that is assigned");
	struct origin node = behind_balancer(w->s);

	if (from->is_outside) {
		step_unsure(w, s,
		            "Nodes are reached from outside only where they have public addresses "
		            "and their security "
		            "group admits the port.");
	}
	path_service_port(w, p, &node, x, port);
}

void path_outside_in(struct walk *w, const struct origin *from, const struct svc *x,
                     uint16_t number)
{
	const struct svc_port *asked = number ? svc_port_numbered(x, number, 0) : NULL;
	const struct svc_port *port = asked || number ? asked : x->n_ports ? &x->ports[0] : NULL;
	bool is_balancer = slice_is(x->type, "LoadBalancer");
	struct origin node = behind_balancer(w->s);
	size_t n;

	if (number && !port) {
		(void)path_choose_port(w, path_new(w, false, "from outside"), x, SLICE(""), number);
		return;
	}
	n = through_rules(w, from, x, asked);
	n += path_gateway_rules(w, from, x, asked, n > 0);

	if (is_balancer && port) {
		struct explain_path *p = path_new(w, n++ > 0, "through the balancer of %s",
		                                  path_name_of(w, x->object));

		if (balancer(w, p, from, x, port->port)) {
			path_service_port(w, p, &node, x, port);
		}
	}
	if (port && (is_balancer || slice_is(x->type, "NodePort")) &&
	    val_bool(val_get(object_spec(x->object), "allocateLoadBalancerNodePorts"), true)) {
		through_node_port(w, from, x, port, n > 0);
		n++;
	}
	if (!n) {
		struct explain_path *p = path_new(w, false, "from outside");
		struct explain_step *s =
			path_step(w, p, EXPLAIN_BALANCER, "something leads from outside to %s",
		                  path_name_of(w, x->object));

		step_note(w, s, NOTE_FACT, x->object, val_get(object_spec(x->object), "type"),
		          "%s is of type " SLICE_FMT, path_name_of(w, x->object),
		          SLICE_ARG(x->type));
		step_breaks(w, s, NULL, "No Ingress rule, balancer or node port leads to %s.",
		            path_name_of(w, x->object));
		step_repair(
			w, s,
			"Add an Ingress rule for it, or make it a Service of type LoadBalancer.");
	}
}
