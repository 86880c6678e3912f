/* Why: NP, second half: what policies do to flows that something in the set asks for. Every verdict is model/'s. */
#include <stdlib.h>

#include "analyse/check-np-priv.h"
#include "analyse/ingress.h"
#include "analyse/limits.h"
#include "analyse/policies.h"
#include "base/mem.h"

static const struct val *side_at(const struct object *policy, enum policy_direction dir)
{
	const struct val *rules = netpol_rules(policy, dir);

	return rules ? rules : val_get(object_spec(policy), "podSelector");
}

static bool said_already(struct map *said, const void *a, const void *b, unsigned port)
{
	scoped_free char *key = mem_printf("%p %p %u", a, b, port);

	return map_set(said, slice_of(key), said) != NULL;
}

/* All policies that close the side, as evidence; a person may change any. */
static void show_policies(struct check *c, struct finding *f, const struct workload *w,
                          enum policy_direction dir)
{
	enum { SHOWN = 3 };
	const struct netpol_list *all = netpols_of(c->subject, w, dir);

	for (size_t i = 0; i < all->at.n && i < SHOWN; i++) {
		if (all->at.at[i] != f->object) {
			finding_shows(
				c, f, all->at.at[i], side_at(all->at.at[i], dir),
				"isolates these pods for %s too, and has no rule for it either.",
				netpol_side(dir));
		}
	}
}

void np_show_idle(struct check *c, struct finding *f, const struct workload *w,
                  enum policy_direction dir)
{
	for (size_t i = 0; i < w->space->policies.n; i++) {
		const struct object *policy = w->space->policies.at[i];
		scoped_selection struct selection pods = { 0 };

		if (netpol_isolates(policy, dir) || !val_len(netpol_rules(policy, dir))) {
			continue;
		}
		subject_select_object(c->subject, w->space,
		                      val_get(object_spec(policy), "podSelector"), &pods);
		for (size_t j = 0; j < pods.at.n; j++) {
			if (pods.at.at[j] == w) {
				finding_shows(c, f, policy, netpol_rules(policy, dir),
				              "has %s rules for these pods, without effect.",
				              netpol_side(dir));
				break;
			}
		}
	}
}

/* ---- NP001 ---- */

/* A rule that means the source, with other ports: so close that it is worth showing. */
static void show_other_ports(struct check *c, struct finding *f, const struct workload *from,
                             const struct workload *to, uint16_t port)
{
	const struct netpol_list *all = netpols_of(c->subject, to, POLICY_INGRESS);

	for (size_t i = 0; i < all->at.n; i++) {
		val_for_each (netpol_rules(all->at.at[i], POLICY_INGRESS), rule) {
			val_for_each (netpol_peers(rule, POLICY_INGRESS), peer) {
				scoped_selection struct selection pods = { 0 };

				netpol_peer_pods(c->subject, all->at.at[i], peer, &pods);
				for (size_t j = 0; j < pods.at.n; j++) {
					if (pods.at.at[j] == from &&
					    !netpol_ports_hold(rule, to->spec, PROTO_TCP, port)) {
						finding_shows(
							c, f, all->at.at[i], val_get(rule, "ports"),
							"admits it, but on other ports than %u.",
							port);
						return;
					}
				}
			}
		}
	}
}

static void not_admitted(struct check *c, const struct route *r, const struct workload *from,
                         const struct workload *to, uint16_t port)
{
	const struct object *policy = netpol_to_change(c->subject, to, POLICY_INGRESS);
	struct finding *f;

	if (!policy) {
		return;
	}
	f = check_found(c, policy, side_at(policy, POLICY_INGRESS),
	                "NetworkPolicy " SLICE_FMT
	                " does not admit the ingress controller to port %u of " WORKLOAD_FMT
	                ", where Ingress " SLICE_FMT " sends " SLICE_FMT SLICE_FMT ".",
	                SLICE_ARG(policy->name), port, WORKLOAD_ARG(to),
	                SLICE_ARG(r->ingress->name),
	                SLICE_ARG(r->host.len ? r->host : SLICE("every host")), SLICE_ARG(r->at));
	finding_shows(c, f, r->ingress, r->service_at,
	              "sends " SLICE_FMT " to Service " SLICE_FMT ".", SLICE_ARG(r->at),
	              SLICE_ARG(r->service));
	finding_shows(c, f, r->svc->object,
	              val_get(r->port->v, "targetPort") ? val_get(r->port->v, "targetPort")
	                                                : r->port->v,
	              "leads to port %u of the pods.", port);
	finding_shows(c, f, from->object, from->labels,
	              "is the controller, in namespace " SLICE_FMT ".", SLICE_ARG(from->ns));
	show_other_ports(c, f, from, to, port);
	show_policies(c, f, to, POLICY_INGRESS);
	finding_repair(c, f,
	               "Add an ingress rule: from namespaceSelector "
	               "kubernetes.io/metadata.name: " SLICE_FMT
	               " with the controller's podSelector, port %u.",
	               SLICE_ARG(from->ns), port);
}

void np_controller_not_admitted(struct check *c)
{
	const struct routes *routes = subject_routes(c->subject);
	scoped_map struct map said = { 0 };

	for (size_t i = 0; i < routes->at.n; i++) {
		const struct route *r = &routes->at.at[i];
		const struct selection *controllers;

		if (!r->svc || !r->port || r->svc->external) {
			continue;
		}
		controllers = ingress_pods(c->subject, r->ingress);
		for (size_t j = 0; controllers->at.n && j < r->svc->n_pods; j++) {
			const struct workload *from = controllers->at.at[0], *to = r->svc->pods[j];
			uint16_t port = svc_port_target(r->port, to);

			if (port &&
			    subject_flow(c->subject, from, to, PROTO_TCP, port) ==
			            VERDICT_DENY_INGRESS &&
			    !said_already(&said, to, NULL, port)) {
				not_admitted(c, r, from, to, port);
			}
		}
	}
}

/* ---- NP007: a rule admits what the other side's policies close ---- */

struct one_sided {
	struct check *c;
	struct map said;
	size_t n; /* flows asked for */
	const struct object *policy;
	enum policy_direction dir; /* of the rule that opens */
	const struct val *rule;
};

static void say_one_side(struct one_sided *x, const struct workload *from,
                         const struct workload *to, enum proto proto, uint16_t port)
{
	enum policy_direction closed = x->dir == POLICY_INGRESS ? POLICY_EGRESS : POLICY_INGRESS;
	const struct workload *w = closed == POLICY_EGRESS ? from : to;
	const struct object *policy = netpol_to_change(x->c->subject, w, closed);
	struct finding *f;

	if (!policy || said_already(&x->said, from, to, port)) {
		return;
	}
	f = check_found(x->c, policy, side_at(policy, closed),
	                "Only one side is open from " WORKLOAD_FMT " to port %u/%s of " WORKLOAD_FMT
	                ": NetworkPolicy " SLICE_FMT " admits it, the %s of the %s stays closed.",
	                WORKLOAD_ARG(from), port, proto_text(proto), WORKLOAD_ARG(to),
	                SLICE_ARG(x->policy->name), netpol_side(closed),
	                closed == POLICY_EGRESS ? "caller" : "target");
	finding_shows(x->c, f, x->policy, x->rule, "opens the %s side.", netpol_side(x->dir));
	finding_shows(x->c, f, policy, side_at(policy, closed),
	              "isolates " WORKLOAD_FMT " for %s and has no rule for it.", WORKLOAD_ARG(w),
	              netpol_side(closed));
	np_show_idle(x->c, f, w, closed);
	finding_repair(x->c, f,
	               "Add an %s rule for " WORKLOAD_FMT " with %s " WORKLOAD_FMT " and port %u.",
	               netpol_side(closed), WORKLOAD_ARG(w),
	               closed == POLICY_EGRESS ? "to" : "from",
	               WORKLOAD_ARG(closed == POLICY_EGRESS ? to : from), port);
}

static void judge_pair(struct one_sided *x, const struct workload *subject,
                       const struct workload *peer, const struct val *port)
{
	const struct workload *from = x->dir == POLICY_INGRESS ? peer : subject,
			      *to = from == peer ? subject : peer;
	enum verdict bad = x->dir == POLICY_INGRESS ? VERDICT_DENY_EGRESS : VERDICT_DENY_INGRESS;
	enum proto proto = proto_of(port);
	const struct val *number = val_get(port, "port"), *declared;

	if (from == to || !proto || from->host_network || to->host_network ||
	    x->n++ > ANALYSE_PAIRS_MAX) {
		return;
	}
	declared = val_str(number).len
	                   ? pod_port_named(to->spec, val_str(number), proto)
	                   : pod_port_numbered(to->spec, (uint16_t)val_int(number, 0), proto);
	if (declared &&
	    subject_flow(x->c->subject, from, to, proto,
	                 (uint16_t)val_int(val_get(declared, "containerPort"), 0)) == bad) {
		say_one_side(x, from, to, proto,
		             (uint16_t)val_int(val_get(declared, "containerPort"), 0));
	}
}

static void judge_peer(struct one_sided *x, const struct selection *subjects,
                       const struct val *peer)
{
	scoped_selection struct selection peers = { 0 };

	/* "all pods" is no wish for a flow between two of them */
	if (!val_len(val_get(peer, "podSelector"))) {
		return;
	}
	netpol_peer_pods(x->c->subject, x->policy, peer, &peers);
	for (size_t i = 0; i < subjects->at.n; i++) {
		for (size_t j = 0; j < peers.at.n; j++) {
			val_for_each (val_get(x->rule, "ports"), port) {
				judge_pair(x, subjects->at.at[i], peers.at.at[j], port);
			}
		}
	}
}

void np_one_side(struct check *c)
{
	struct one_sided x = { .c = c };

	object_each(c->subject, OBJECT_NETWORKPOLICY, policy)
	{
		scoped_selection struct selection subjects = { 0 };

		subject_select_object(c->subject, subject_space(c->subject, policy->ns),
		                      val_get(object_spec(policy), "podSelector"), &subjects);
		x.policy = policy;
		for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
			x.dir = dir;
			val_for_each (netpol_isolates(policy, dir) ? netpol_rules(policy, dir)
			                                           : NULL,
			              rule) {
				x.rule = rule;
				val_for_each (netpol_peers(rule, dir), peer) {
					judge_peer(&x, &subjects, peer);
				}
			}
		}
	}
	map_fini(&x.said);
}

/* ---- NP011, NP012: what SDKs and API clients need ---- */

static struct slice account_of(const struct workload *w)
{
	struct slice name = val_get_str(w->spec, "serviceAccountName");

	return name.len ? name : SLICE("default");
}

static const struct val *cloud_variable(const struct workload *w)
{
	const struct val *found = NULL;

	container_each(w->spec, k)
	{
		val_for_each (val_get(k, "env"), e) {
			struct slice name = val_get_str(e, "name");

			if (slice_is(name, "AWS_ACCESS_KEY_ID")) {
				return NULL; /* brings its own credentials */
			}
			found = slice_is(name, "AWS_REGION") || slice_is(name, "AWS_DEFAULT_REGION")
			                ? e
			                : found;
		}
	}
	return found;
}

static bool reaches(struct subject *s, const struct workload *w, const char *address, uint16_t port)
{
	struct flow f = { .src = w->ip, .proto = PROTO_TCP, .dst_port = port };

	return ip_parse(slice_of(address), &f.dst) && subject_decide(s, &f) == VERDICT_ALLOW;
}

static struct finding *egress_closed(struct check *c, const struct workload *w, const char *what)
{
	const struct object *policy = netpol_to_change(c->subject, w, POLICY_EGRESS);
	struct finding *f = check_found(c, policy, side_at(policy, POLICY_EGRESS),
	                                "NetworkPolicy " SLICE_FMT
	                                " closes the egress of " WORKLOAD_FMT " to %s.",
	                                SLICE_ARG(policy->name), WORKLOAD_ARG(w), what);

	show_policies(c, f, w, POLICY_EGRESS);
	return f;
}

void np_credentials(struct check *c)
{
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];
		const struct object *account =
			subject_find(c->subject, OBJECT_SERVICEACCOUNT, w->ns, account_of(w));
		const struct val *role =
			account ? object_annotation_at(account, "eks.amazonaws.com/role-arn")
				: NULL;
		const struct val *variable = cloud_variable(w);
		struct finding *f;

		if (!netpols_of(c->subject, w, POLICY_EGRESS)->at.n) {
			continue;
		}
		if (role && !netpol_admits_outside(c->subject, w, POLICY_EGRESS, PROTO_TCP, 443)) {
			f = egress_closed(c, w,
			                  "the token service (STS, port 443) that gives it the "
			                  "role's credentials");
			finding_shows(c, f, account, role, "gives the pods an IAM role.");
			finding_repair(c, f,
			               "Add an egress rule to port 443 (0.0.0.0/0, or the endpoint "
			               "of STS in the VPC).");
		} else if (!role && variable && !reaches(c->subject, w, "169.254.170.23", 80) &&
		           !reaches(c->subject, w, "169.254.169.254", 80)) {
			f = egress_closed(c, w,
			                  "169.254.170.23 and 169.254.169.254, where the AWS SDK "
			                  "gets credentials");
			finding_shows(c, f, w->object, variable,
			              "the pods use the AWS SDK and bring no key.");
			finding_repair(c, f,
			               "Add an egress rule: ipBlock 169.254.170.23/32 (EKS Pod "
			               "Identity), port 80.");
		}
	}
}

/* The binding that gives rights to each account, by "namespace/name". */
static void bound_accounts(struct check *c, struct map *bound, enum object_kind id)
{
	object_each(c->subject, id, o)
	{
		val_for_each (val_get(o->v, "subjects"), x) {
			struct slice ns = val_get_str(x, "namespace");
			scoped_free char *key = NULL;

			if (slice_is(val_get_str(x, "kind"), "ServiceAccount")) {
				key = mem_printf(SLICE_FMT "/" SLICE_FMT,
				                 SLICE_ARG(ns.len ? ns : o->ns),
				                 SLICE_ARG(val_get_str(x, "name")));
				map_set(bound, slice_of(key), (void *)o);
			}
		}
	}
}

static bool has_token(const struct subject *s, const struct workload *w)
{
	const struct object *account = subject_find(s, OBJECT_SERVICEACCOUNT, w->ns, account_of(w));
	bool by_account =
		!account || val_bool(val_get(account->v, "automountServiceAccountToken"), true);

	return val_bool(val_get(w->spec, "automountServiceAccountToken"), by_account);
}

void np_api_server(struct check *c)
{
	scoped_map struct map bound = { 0 };

	bound_accounts(c, &bound, OBJECT_ROLEBINDING);
	bound_accounts(c, &bound, OBJECT_CLUSTERROLEBINDING);
	for (size_t i = 0; bound.n && i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];
		scoped_free char *key = mem_printf(SLICE_FMT "/" SLICE_FMT, SLICE_ARG(w->ns),
		                                   SLICE_ARG(account_of(w)));
		const struct object *binding = map_find(&bound, slice_of(key));
		struct finding *f;

		if (!binding || !netpols_of(c->subject, w, POLICY_EGRESS)->at.n ||
		    !has_token(c->subject, w) ||
		    netpol_admits_outside(c->subject, w, POLICY_EGRESS, PROTO_TCP, 443) ||
		    netpol_admits_outside(c->subject, w, POLICY_EGRESS, PROTO_TCP, 6443)) {
			continue;
		}
		f = egress_closed(c, w, "the API server, to which its service account has rights");
		finding_shows(c, f, binding, val_get(binding->v, "subjects"),
		              "gives the rights to " SLICE_FMT ".", SLICE_ARG(account_of(w)));
		finding_repair(c, f,
		               "Add an egress rule: ipBlock of the API server's addresses (kubectl "
		               "get endpoints "
		               "kubernetes), ports 443 and 6443.");
	}
}

/* ---- NP013 ---- */

/* Is there a rule for the port that a scraper outside the namespace could use? */
static bool scraper_may(struct check *c, const struct workload *w, uint16_t port)
{
	const struct netpol_list *all = netpols_of(c->subject, w, POLICY_INGRESS);

	for (size_t i = 0; i < all->at.n; i++) {
		val_for_each (netpol_rules(all->at.at[i], POLICY_INGRESS), rule) {
			const struct val *peers = netpol_peers(rule, POLICY_INGRESS);
			bool holds = netpol_ports_hold(rule, w->spec, PROTO_TCP, port);

			if (holds && !val_len(peers)) {
				return true;
			}
			val_for_each (holds ? peers : NULL, peer) {
				const struct val *spaces = val_get(peer, "namespaceSelector");
				const struct space *ingress =
					subject_space(c->subject, SLICE("ingress-nginx"));

				if (val_get(peer, "ipBlock") ||
				    (spaces &&
				     !(ingress && space_matches(c->subject, ingress, spaces) &&
				       val_len(spaces)))) {
					return true;
				}
			}
		}
	}
	return !all->at.n;
}

/* Pods that are Prometheus by their labels, one of each class. */
struct scrapers {
	struct check *c;
	VEC(const struct workload *) known;
};

static void find_scrapers(struct scrapers *x)
{
	for (size_t i = 0; i < x->c->subject->classes.n; i++) {
		const struct pod_class *k = x->c->subject->classes.at[i];

		if (slice_is(val_get_str(k->labels, "app.kubernetes.io/name"), "prometheus") ||
		    slice_is(val_get_str(k->labels, "app"), "prometheus")) {
			vec_push(&x->known, (const struct workload *)k->workloads.at[0]);
		}
	}
}

static bool one_is_admitted(const struct scrapers *x, const struct workload *w, uint16_t port)
{
	for (size_t i = 0; i < x->known.n; i++) {
		if (subject_flow(x->c->subject, x->known.at[i], w, PROTO_TCP, port) !=
		    VERDICT_DENY_INGRESS) {
			return true;
		}
	}
	return false;
}

static void scraped(const struct scrapers *x, const struct workload *w, uint16_t port,
                    const struct object *by, const struct val *at)
{
	struct check *c = x->c;
	const struct object *policy = netpol_to_change(c->subject, w, POLICY_INGRESS);
	struct finding *f;

	if (!policy || !port ||
	    (x->known.n ? one_is_admitted(x, w, port) : scraper_may(c, w, port))) {
		return;
	}
	f = check_found(c, policy, side_at(policy, POLICY_INGRESS),
	                "NetworkPolicy " SLICE_FMT
	                " lets no metrics scraper reach port %u of " WORKLOAD_FMT ".",
	                SLICE_ARG(policy->name), port, WORKLOAD_ARG(w));
	finding_shows(c, f, by, at, "asks for these pods to be scraped.");
	show_policies(c, f, w, POLICY_INGRESS);
	finding_repair(c, f, "Add an ingress rule from the monitoring namespace to port %u.", port);
}

static void scraped_by_annotation(const struct scrapers *by, const struct workload *w)
{
	const struct val *annotations = val_get(w->meta, "annotations"),
			 *at = val_get(annotations, "prometheus.io/port");
	int64_t port = 0;

	if (!slice_is(val_get_str(annotations, "prometheus.io/scrape"), "true")) {
		return;
	}
	if (!slice_to_i64(val_str(at), &port)) {
		container_each(w->spec, k)
		{
			port = port ? port
			            : val_int(val_get(val_first(val_get(k, "ports")),
			                              "containerPort"),
			                      0);
		}
	}
	if (port > 0 && port <= UINT16_MAX) {
		scraped(by, w, (uint16_t)port, w->object,
		        val_get(annotations, "prometheus.io/scrape"));
	}
}

static void scraped_by_monitor(const struct scrapers *by, const struct object *monitor,
                               const struct svc *x)
{
	val_for_each (val_get(object_spec(monitor), "endpoints"), e) {
		const struct svc_port *p = svc_port_named(x, val_get_str(e, "port"));

		for (size_t i = 0; p && val_get_str(e, "port").len && i < x->n_pods; i++) {
			scraped(by, x->pods[i], svc_port_target(p, x->pods[i]), monitor,
			        val_get(e, "port"));
		}
	}
}

static void scraped_by_monitors(const struct scrapers *by, const struct object *monitor)
{
	const struct val *selector = val_get(object_spec(monitor), "selector");
	const struct space *space = subject_space(by->c->subject, monitor->ns);
	scoped_arena struct arena a = { 0 };
	const struct selector *x = NULL;
	struct err err = { 0 };

	if (!selector || selector_of_object(&a, selector, &x, &err) < 0) {
		return;
	}
	for (size_t i = 0; space && i < space->services.n; i++) {
		const struct svc *svc = space->services.at[i];

		if (selector_matches(x, object_labels(svc->object))) {
			scraped_by_monitor(by, monitor, svc);
		}
	}
}

void np_scraper(struct check *c)
{
	struct scrapers by = { .c = c };

	find_scrapers(&by);
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		if (netpols_of(c->subject, c->subject->workloads.at[i], POLICY_INGRESS)->at.n) {
			scraped_by_annotation(&by, c->subject->workloads.at[i]);
		}
	}
	object_each(c->subject, OBJECT_SERVICEMONITOR, monitor)
	{
		scraped_by_monitors(&by, monitor);
	}
	vec_fini(&by.known);
}

/* ---- NP014: the pod that answers an ACME challenge ---- */

enum { SOLVER_PORT = 8089 };
#define SOLVER_LABEL "acme.cert-manager.io/http01-solver"
#define SOLVER_IP    "100.127.255.254" /* the last of the invented range; nobody else has it */

static const struct val *http01_of(const struct object *issuer)
{
	val_for_each (issuer ? val_path(issuer->v, "spec.acme.solvers") : NULL, solver) {
		if (val_get(solver, "http01")) {
			return val_get(solver, "http01");
		}
	}
	return NULL;
}

static struct doc *solver_pod(struct slice ns)
{
	struct doc *d = doc_new();
	struct val *metadata, *labels, *status;

	d->root = val_new_object(&d->arena);
	val_set_cstr(&d->arena, d->root, "apiVersion", "v1");
	val_set_cstr(&d->arena, d->root, "kind", "Pod");
	metadata = val_need_object(&d->arena, d->root, "metadata");
	val_set_cstr(&d->arena, metadata, "name", "cm-acme-http-solver");
	val_set_str(&d->arena, metadata, "namespace", ns);
	labels = val_need_object(&d->arena, metadata, "labels");
	val_set_cstr(&d->arena, labels, SOLVER_LABEL, "true");
	status = val_need_object(&d->arena, d->root, "status");
	val_set_cstr(&d->arena, status, "phase", "Running");
	val_set_cstr(&d->arena, status, "podIP", SOLVER_IP);
	return d;
}

static enum verdict flow_to_solver(struct subject *s, const struct workload *from, struct slice ns)
{
	scoped_doc struct doc *pod = solver_pod(ns);
	struct flow f = { .src = from->ip, .proto = PROTO_TCP, .dst_port = SOLVER_PORT };
	enum verdict v;

	(void)ip_parse(SLICE(SOLVER_IP), &f.dst);
	model_put(subject_model(s), pod);
	v = subject_decide(s, &f);
	model_remove(subject_model(s), pod);
	return v;
}

/* The policy of the namespace that isolates such a pod. */
static const struct object *isolates_solver(struct subject *s, struct slice ns)
{
	scoped_doc struct doc *pod = solver_pod(ns);
	const struct val *labels = val_path(pod->root, "metadata.labels");
	const struct space *space = subject_space(s, ns);

	for (size_t i = 0; i < space->policies.n; i++) {
		scoped_arena struct arena a = { 0 };
		const struct selector *x;
		struct err err = { 0 };

		if (netpol_isolates(space->policies.at[i], POLICY_INGRESS) &&
		    selector_of_object(&a, val_path(space->policies.at[i]->v, "spec.podSelector"),
		                       &x, &err) == 0 &&
		    selector_matches(x, labels)) {
			return space->policies.at[i];
		}
	}
	return NULL;
}

static void challenge(struct check *c, const struct object *by, const struct val *at,
                      const struct object *issuer)
{
	const struct selection *controllers = ingress_pods(c->subject, by);
	const struct space *space = subject_space(c->subject, by->ns);
	const struct object *policy = space ? isolates_solver(c->subject, by->ns) : NULL;
	struct finding *f;

	if (!policy || !http01_of(issuer)) {
		return;
	}
	if (!controllers->at.n ||
	    flow_to_solver(c->subject, controllers->at.at[0], by->ns) != VERDICT_DENY_INGRESS) {
		return;
	}
	f = check_found(c, policy, side_at(policy, POLICY_INGRESS),
	                "NetworkPolicy " SLICE_FMT " closes namespace " SLICE_FMT
	                " to the HTTP-01 challenge: the solver pod on port 8089 is not reached by "
	                "the ingress controller.",
	                SLICE_ARG(policy->name), SLICE_ARG(policy->ns));
	finding_shows(c, f, by, at, "asks for a certificate from " SLICE_FMT " " SLICE_FMT ".",
	              SLICE_ARG(issuer->kind), SLICE_ARG(issuer->name));
	finding_shows(c, f, issuer, http01_of(issuer), "proves the name by HTTP-01.");
	finding_repair(c, f,
	               "Add a NetworkPolicy with podSelector " SOLVER_LABEL
	               ": \"true\" that admits namespace " SLICE_FMT " on port 8089.",
	               SLICE_ARG(controllers->at.at[0]->ns));
}

void np_solver(struct check *c)
{
	scoped_map struct map said = { 0 };

	object_each(c->subject, OBJECT_INGRESS, o)
	{
		const struct val *cluster =
					 object_annotation_at(o, "cert-manager.io/cluster-issuer"),
				 *own = object_annotation_at(o, "cert-manager.io/issuer"),
				 *at = cluster ? cluster : own;
		const struct object *issuer =
			at ? subject_find(c->subject,
		                          cluster ? OBJECT_CLUSTERISSUER : OBJECT_ISSUER, o->ns,
		                          val_str(at))
			   : NULL;

		if (issuer && !map_set(&said, o->ns, &said)) {
			challenge(c, o, at, issuer);
		}
	}
}

/* ---- NP015 ---- */

static void webhook_service(struct check *c, const struct object *o, const struct val *hook)
{
	const struct val *ref = val_path(hook, "clientConfig.service");
	const struct svc *x = subject_service(c->subject, val_get_str(ref, "namespace"),
	                                      val_get_str(ref, "name"));
	int64_t number = val_int(val_get(ref, "port"), 443);
	const struct svc_port *p =
		x && number > 0 ? svc_port_numbered(x, (uint16_t)number, PROTO_TCP) : NULL;

	for (size_t i = 0; p && i < x->n_pods; i++) {
		const struct workload *w = x->pods[i];
		uint16_t port = svc_port_target(p, w);
		const struct object *policy = netpol_to_change(c->subject, w, POLICY_INGRESS);
		struct finding *f;

		if (!port || !policy ||
		    netpol_admits_outside(c->subject, w, POLICY_INGRESS, PROTO_TCP, port)) {
			continue;
		}
		f = check_found(
			c, policy, side_at(policy, POLICY_INGRESS),
			"NetworkPolicy " SLICE_FMT
			" does not let the API server call the webhook on port %u of " WORKLOAD_FMT
			".",
			SLICE_ARG(policy->name), port, WORKLOAD_ARG(w));
		finding_shows(c, f, o, ref,
		              "sends requests to Service " SLICE_FMT "/" SLICE_FMT ".",
		              SLICE_ARG(x->ns), SLICE_ARG(x->name));
		finding_repair(c, f,
		               "Add an ingress rule for port %u without from, or with the ipBlock "
		               "of the control plane.",
		               port);
		return;
	}
}

void np_webhook(struct check *c)
{
	static const enum object_kind kinds[] = { OBJECT_VALIDATINGWEBHOOK,
		                                  OBJECT_MUTATINGWEBHOOK };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		object_each(c->subject, kinds[i], o)
		{
			val_for_each (val_get(o->v, "webhooks"), hook) {
				webhook_service(c, o, hook);
			}
		}
	}
}

/* ---- NP018 ---- */

static bool has_word(const struct val *container, const char *const *words, size_t n)
{
	static const char *const lists[] = { "command", "args" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		val_for_each (val_get(container, lists[i]), word) {
			for (size_t j = 0; j < n; j++) {
				if (strstr(val_cstr(word), words[j])) {
					return true;
				}
			}
		}
	}
	return false;
}

void np_late(struct check *c)
{
	static const char *const connects[] = { "nc ",   "curl",      "wget",       "psql",
		                                "mysql", "redis-cli", "pg_isready", "migrate" };
	static const char *const repeats[] = { "until", "while", "retry", "wait-for" };

	for (size_t i = 0; c->subject->profile->enforces_late && i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];
		const struct object *policy = netpol_to_change(c->subject, w, POLICY_EGRESS);

		val_for_each (policy ? val_get(w->spec, "initContainers") : NULL, k) {
			struct finding *f;

			if (!has_word(k, connects, ARRAY_SIZE(connects)) ||
			    has_word(k, repeats, ARRAY_SIZE(repeats))) {
				continue;
			}
			f = check_found(c, w->object, val_get(k, "name"),
			                "Init container " SLICE_FMT " of " WORKLOAD_FMT
			                " calls out once at start, when its rules may not be in "
			                "place yet (profile %s).",
			                SLICE_ARG(val_get_str(k, "name")), WORKLOAD_ARG(w),
			                c->subject->profile->name);
			finding_shows(c, f, policy, side_at(policy, POLICY_EGRESS),
			              "isolates the pods for egress.");
		}
	}
}

/* ---- NP026 ---- */

enum { MESH_TUNNEL = 15008, MESH_CONTROL = 15012 };

static bool has_ports(struct check *c, const struct workload *w, enum policy_direction dir)
{
	const struct netpol_list *all = netpols_of(c->subject, w, dir);

	for (size_t i = 0; i < all->at.n; i++) {
		val_for_each (netpol_rules(all->at.at[i], dir), rule) {
			if (val_len(val_get(rule, "ports"))) {
				return true;
			}
		}
	}
	return false;
}

static bool any_rule_holds(struct check *c, const struct workload *w, enum policy_direction dir,
                           uint16_t port)
{
	const struct netpol_list *all = netpols_of(c->subject, w, dir);

	for (size_t i = 0; i < all->at.n; i++) {
		val_for_each (netpol_rules(all->at.at[i], dir), rule) {
			if (netpol_ports_hold(rule, w->spec, PROTO_TCP, port)) {
				return true;
			}
		}
	}
	return false;
}

void np_mesh(struct check *c)
{
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];
		const struct val *ambient = val_get(w->space->labels, "istio.io/dataplane-mode"),
				 *injected = val_get(w->space->labels, "istio-injection");
		enum policy_direction dir =
			slice_is(val_str(ambient), "ambient") ? POLICY_INGRESS : POLICY_EGRESS;
		uint16_t port = dir == POLICY_INGRESS ? MESH_TUNNEL : MESH_CONTROL;
		const struct object *policy = netpol_to_change(c->subject, w, dir);
		struct finding *f;

		if ((dir == POLICY_EGRESS && !slice_is(val_str(injected), "enabled")) || !policy ||
		    !has_ports(c, w, dir) || any_rule_holds(c, w, dir, port)) {
			continue;
		}
		f = check_found(c, policy, side_at(policy, dir),
		                "NetworkPolicy " SLICE_FMT
		                " leaves out port %u, which %s of " WORKLOAD_FMT " needs.",
		                SLICE_ARG(policy->name), port,
		                dir == POLICY_INGRESS ? "the mesh's tunnel to the pods"
		                                      : "the mesh's proxy in the pods",
		                WORKLOAD_ARG(w));
		if (w->space->object) {
			finding_shows(c, f, w->space->object,
			              dir == POLICY_INGRESS ? ambient : injected,
			              "puts the namespace into the mesh.");
		}
		finding_repair(c, f,
		               dir == POLICY_INGRESS ? "Admit TCP 15008 among pods of the mesh."
		                                     : "Allow egress to TCP 15012 (and 15017) in "
		                                       "the mesh's control plane.");
	}
}

/* ---- NP027 ---- */

void np_before_translation(struct check *c)
{
	for (size_t i = 0; c->subject->profile->enforces_before_dnat && i < c->subject->services.n;
	     i++) {
		const struct svc *x = c->subject->services.at[i];

		for (size_t j = 0; !x->object->assumed && !x->headless && j < x->n_ports; j++) {
			const struct svc_port *p = &x->ports[j];
			const struct workload *w = x->n_pods ? x->pods[0] : NULL;
			uint16_t target = w ? svc_port_target(p, w) : 0;
			struct finding *f;

			if (!target || target == p->port || !has_ports(c, w, POLICY_INGRESS)) {
				continue;
			}
			f = check_found(
				c, x->object, val_get(p->v, "port"),
				"Service " SLICE_FMT " translates port %u to %u, and this plug-in "
				"(profile %s) judges policies by "
				"the port before translation.",
				SLICE_ARG(x->name), p->port, target, c->subject->profile->name);
			finding_shows(c, f, netpol_to_change(c->subject, w, POLICY_INGRESS),
			              side_at(netpol_to_change(c->subject, w, POLICY_INGRESS),
			                      POLICY_INGRESS),
			              "opens ports of these pods by number.");
			finding_repair(c, f, "Make the Service's port %u, or open %u as well.",
			               target, p->port);
		}
	}
}

/* ---- NP028 ---- */

void np_balancer(struct check *c)
{
	for (size_t i = 0; i < c->subject->services.n; i++) {
		const struct svc *x = c->subject->services.at[i];
		bool outside = slice_is(x->type, "LoadBalancer") || slice_is(x->type, "NodePort");

		for (size_t j = 0; outside && !x->object->assumed && j < x->n_ports && x->n_pods;
		     j++) {
			const struct workload *w = x->pods[0];
			uint16_t target = svc_port_target(&x->ports[j], w);
			const struct object *policy =
				netpol_to_change(c->subject, w, POLICY_INGRESS);
			struct finding *f;

			if (!target || !policy ||
			    netpol_admits_outside(c->subject, w, POLICY_INGRESS, x->ports[j].proto,
			                          target)) {
				continue;
			}
			f = check_found(c, policy, side_at(policy, POLICY_INGRESS),
			                "NetworkPolicy " SLICE_FMT
			                " admits no addresses to port %u of " WORKLOAD_FMT
			                ", which the load balancer of Service " SLICE_FMT
			                " and its health checks call.",
			                SLICE_ARG(policy->name), target, WORKLOAD_ARG(w),
			                SLICE_ARG(x->name));
			finding_shows(c, f, x->object, val_get(object_spec(x->object), "type"),
			              "takes traffic from outside.");
			finding_repair(c, f,
			               "Add an ingress rule for port %u with the ipBlock of nodes "
			               "and balancer (or without "
			               "from).",
			               target);
			break;
		}
	}
}

/* ---- NP030 ---- */

static const struct object *isolating_policy(const struct space *space)
{
	for (size_t i = 0; i < space->policies.n; i++) {
		if (netpol_isolates(space->policies.at[i], POLICY_INGRESS)) {
			return space->policies.at[i];
		}
	}
	return NULL;
}

static bool isolates_somebody(struct check *c, const struct space *space)
{
	for (size_t i = 0; i < space->classes.n; i++) {
		if (netpols_of(c->subject, space->classes.at[i]->workloads.at[0], POLICY_INGRESS)
		            ->at.n) {
			return true;
		}
	}
	return false;
}

void np_without_policy(struct check *c)
{
	for (size_t i = 0; i < c->subject->spaces.n; i++) {
		const struct space *space = c->subject->spaces.at[i];
		const struct object *policy = isolating_policy(space);

		if (!policy || slice_is(space->name, "kube-system") ||
		    !isolates_somebody(c, space)) {
			continue;
		}
		for (size_t j = 0; j < space->classes.n; j++) {
			const struct workload *w = space->classes.at[j]->workloads.at[0];
			struct finding *f;

			if (w->ends || w->host_network || w->object->assumed ||
			    netpols_of(c->subject, w, POLICY_INGRESS)->at.n) {
				continue;
			}
			f = check_found(c, w->object, w->labels ? w->labels : w->spec,
			                WORKLOAD_FMT " is selected by no policy, in a namespace "
			                             "that isolates others: everybody "
			                             "reaches all its ports.",
			                WORKLOAD_ARG(w));
			finding_shows(c, f, policy, val_get(object_spec(policy), "podSelector"),
			              "isolates others of namespace " SLICE_FMT ".",
			              SLICE_ARG(space->name));
		}
	}
}
