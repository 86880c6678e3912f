/* Why: DNS: names in values, and the way to the resolver. The table of the family is at the end. */
#include <stdlib.h>
#include <string.h>

#include "analyse/calls.h"
#include "analyse/ingress.h"
#include "analyse/nearest.h"
#include "analyse/policies.h"
#include "analyse/rule.h"
#include "base/mem.h"

enum { DNS_PORT = 53 };

/* "DB_HOST of Deployment web" */
#define CALL_FMT    "%s of " SLICE_FMT " " SLICE_FMT
#define CALL_ARG(x) (x)->r->name, SLICE_ARG((x)->from->object->kind), SLICE_ARG((x)->from->name)

static bool said_already(struct map *said, const void *a, struct slice b)
{
	scoped_free char *key = mem_printf("%p " SLICE_FMT, a, SLICE_ARG(b));

	return map_set(said, slice_of(key), said) != NULL;
}

/* ---- DNS001, DNS002: names nobody has ---- */

static const struct object *same_name_elsewhere(const struct subject *s, const struct call *x)
{
	return subject_find_elsewhere(s, OBJECT_SERVICE, x->to.ns, x->to.name);
}

/* The text with the right host in it, where it can be shown. */
static void replace_host(struct check *c, struct finding *f, const struct call *x, const char *host)
{
	const struct val *at = x->r->where.node;
	const char *text = val_cstr(at),
		   *found = at && at->type == VAL_STRING ? strstr(text, x->r->host) : NULL;
	size_t len = strlen(x->r->host);

	if (found && !x->r->is_secret && !strchr(text, '\n') && !strstr(found + len, x->r->host)) {
		finding_replace(c, f, x->by, at, "%.*s%s%s", (int)(found - text), text, host,
		                found + len);
	}
}

static void dns001(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each(c->subject, x)
	{
		const struct object *near, *elsewhere;
		struct finding *f;

		if (x->to.kind != TARGET_MISSING ||
		    said_already(&said, x->r->where.node, slice_of(x->r->host))) {
			continue;
		}
		elsewhere = same_name_elsewhere(c->subject, x);
		if (elsewhere && slice_find(slice_of(x->r->host), '.') < 0) {
			continue; /* DNS002 */
		}
		near = nearest_object(c->subject, OBJECT_SERVICE, x->to.ns, x->to.name);
		f = check_found(c, x->by, x->r->where.node,
		                CALL_FMT " names %s, and there is no Service " SLICE_FMT
		                         " in namespace " SLICE_FMT ".",
		                CALL_ARG(x), x->r->host, SLICE_ARG(x->to.name),
		                SLICE_ARG(x->to.ns));
		if (elsewhere) {
			finding_shows(c, f, elsewhere, val_path(elsewhere->v, "metadata.name"),
			              "is in namespace " SLICE_FMT ".", SLICE_ARG(elsewhere->ns));
		}
		if (near) {
			finding_shows(c, f, near, val_path(near->v, "metadata.name"),
			              "has a similar name.");
			finding_repair(c, f, "Write " SLICE_FMT ".", SLICE_ARG(near->name));
			if (slice_eq(slice_of(x->r->host), x->to.name)) {
				scoped_free char *host = slice_dup(near->name);

				replace_host(c, f, x, host);
			}
		}
	}
}

static void dns002(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each(c->subject, x)
	{
		const struct object *other;
		scoped_free char *host = NULL;
		struct finding *f;

		other = x->to.kind == TARGET_MISSING && slice_find(slice_of(x->r->host), '.') < 0
		                ? same_name_elsewhere(c->subject, x)
		                : NULL;
		if (!other || said_already(&said, x->r->where.node, slice_of(x->r->host))) {
			continue;
		}
		f = check_found(
			c, x->by, x->r->where.node,
			CALL_FMT " names %s without namespace: that is looked for in " SLICE_FMT
				 ", the Service is in " SLICE_FMT ".",
			CALL_ARG(x), x->r->host, SLICE_ARG(x->from->ns), SLICE_ARG(other->ns));
		finding_shows(c, f, other, val_path(other->v, "metadata.name"),
		              "is the Service of that name.");
		finding_repair(c, f, "Write " SLICE_FMT "." SLICE_FMT ".", SLICE_ARG(other->name),
		               SLICE_ARG(other->ns));
		host = mem_printf(SLICE_FMT "." SLICE_FMT, SLICE_ARG(other->name),
		                  SLICE_ARG(other->ns));
		replace_host(c, f, x, host);
	}
}

/* ---- DNS003, DNS004, DNS005: the way to the resolver ---- */

static const struct workload *resolver(const struct subject *s)
{
	static const char *const names[] = { "kube-dns", "coredns", "rke2-coredns-rke2-coredns" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct svc *x = subject_service(s, SLICE("kube-system"), slice_of(names[i]));

		if (x && x->n_pods) {
			return x->pods[0];
		}
	}
	return NULL;
}

/* Does the pod call anybody? One that may call nobody and wants to call nobody is well. */
static void mark_callers(struct check *c, bool *calls)
{
	call_each(c->subject, x)
	{
		calls[x->from->id] = calls[x->from->id] || !x->r->ip.family;
	}
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct netpol_list *all =
			netpols_of(c->subject, c->subject->workloads.at[i], POLICY_EGRESS);

		for (size_t j = 0; j < all->at.n; j++) {
			val_for_each (netpol_rules(all->at.at[j], POLICY_EGRESS), rule) {
				val_for_each (netpol_peers(rule, POLICY_EGRESS), peer) {
					/* rules for pods and names; an address needs no name */
					calls[i] = calls[i] || !val_get(peer, "ipBlock");
				}
			}
		}
	}
}

static bool uses_cluster_dns(const struct workload *w)
{
	struct slice policy = val_get_str(w->spec, "dnsPolicy");

	return !w->object->assumed && !w->host_network && !slice_is(policy, "None") &&
	       !slice_is(policy, "Default");
}

/* The policy that has a rule for the resolver's port, incomplete as it is; else the one to change. */
static const struct object *dns_policy(struct check *c, const struct workload *w)
{
	const struct netpol_list *all = netpols_of(c->subject, w, POLICY_EGRESS);

	for (size_t i = 0; i < all->at.n; i++) {
		val_for_each (netpol_rules(all->at.at[i], POLICY_EGRESS), rule) {
			if (val_len(val_get(rule, "ports")) &&
			    (netpol_ports_hold(rule, NULL, PROTO_UDP, DNS_PORT) ||
			     netpol_ports_hold(rule, NULL, PROTO_TCP, DNS_PORT))) {
				return all->at.at[i];
			}
		}
	}
	return netpol_to_change(c->subject, w, POLICY_EGRESS);
}

struct dns_way {
	bool udp, tcp; /* what passes */
};

static void no_way(struct check *c, const struct object *policy, const struct workload *w,
                   const struct workload *dns, struct dns_way way)
{
	const struct val *rules = netpol_rules(policy, POLICY_EGRESS),
			 *at = rules ? rules : object_spec(policy);
	struct finding *f;

	if (!way.udp && !way.tcp) {
		f = check_found(c, policy, at,
		                "NetworkPolicy " SLICE_FMT " closes the egress of " SLICE_FMT
		                " " SLICE_FMT " and no rule admits cluster DNS: no name is found.",
		                SLICE_ARG(policy->name), SLICE_ARG(w->object->kind),
		                SLICE_ARG(w->name));
	} else {
		f = check_found(c, policy, at,
		                "NetworkPolicy " SLICE_FMT " lets " SLICE_FMT " " SLICE_FMT
		                " ask cluster DNS by %s and not by %s: %s.",
		                SLICE_ARG(policy->name), SLICE_ARG(w->object->kind),
		                SLICE_ARG(w->name), way.udp ? "UDP" : "TCP",
		                way.udp ? "TCP" : "UDP",
		                way.udp ? "large answers get lost" : "no name is found");
		f->severity = way.udp ? f->severity : SEVERITY_ERROR;
	}
	finding_shows(c, f, dns->object, dns->labels,
	              "is the resolver, in namespace " SLICE_FMT ".", SLICE_ARG(dns->ns));
	finding_repair(
		c, f,
		"%s an egress rule: to namespaceSelector kubernetes.io/metadata.name: " SLICE_FMT
		" with podSelector k8s-app: kube-dns, ports UDP 53 and TCP 53.",
		way.udp || way.tcp ? "Complete it to" : "Add", SLICE_ARG(dns->ns));
}

/* Policies are told once each, with the first workload they close. */
static void each_isolated(struct check *c, bool half)
{
	const struct workload *dns = resolver(c->subject);
	size_t n = c->subject->workloads.n;
	scoped_map struct map said = { 0 };
	bool *calls;

	if (!dns || !c->subject->first[OBJECT_NETWORKPOLICY]) {
		return;
	}
	calls = mem_alloc((n + 1) * sizeof(*calls));
	mark_callers(c, calls);
	for (size_t i = 0; i < n; i++) {
		const struct workload *w = c->subject->workloads.at[i];
		const struct object *policy;
		struct dns_way way;

		if (!calls[i] || !uses_cluster_dns(w) ||
		    !netpols_of(c->subject, w, POLICY_EGRESS)->at.n) {
			continue;
		}
		way.udp = subject_flow(c->subject, w, dns, PROTO_UDP, DNS_PORT) !=
		          VERDICT_DENY_EGRESS;
		way.tcp = subject_flow(c->subject, w, dns, PROTO_TCP, DNS_PORT) !=
		          VERDICT_DENY_EGRESS;
		policy = dns_policy(c, w);
		if ((half ? way.udp != way.tcp : !way.udp && !way.tcp) &&
		    !said_already(&said, policy, w->space->name)) {
			no_way(c, policy, w, dns, way);
		}
	}
	free(calls);
}

static void dns003(struct check *c)
{
	each_isolated(c, false);
}

static void dns004(struct check *c)
{
	const struct profile *p = c->subject->profile;

	each_isolated(c, true);
	for (size_t i = 0; p->dns_cache && i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];
		struct flow flow = { .src = w->ip, .proto = PROTO_UDP, .dst_port = DNS_PORT };
		const struct object *policy = netpol_to_change(c->subject, w, POLICY_EGRESS);

		if (policy && uses_cluster_dns(w) && ip_parse(slice_of(p->dns_cache), &flow.dst) &&
		    subject_decide(c->subject, &flow) == VERDICT_DENY_EGRESS) {
			(void)check_found(c, policy, object_spec(policy),
			                  "NetworkPolicy " SLICE_FMT
			                  " leaves out the node's DNS cache %s (profile %s).",
			                  SLICE_ARG(policy->name), p->dns_cache, p->name);
			return;
		}
	}
}

static void dns005(struct check *c)
{
	const struct workload *dns = resolver(c->subject);
	const struct object *policy =
		dns ? netpol_to_change(c->subject, dns, POLICY_INGRESS) : NULL;
	struct finding *f = NULL;

	for (size_t i = 0; policy && i < c->subject->spaces.n; i++) {
		const struct space *space = c->subject->spaces.at[i];
		const struct workload *w =
			space->classes.n ? space->classes.at[0]->workloads.at[0] : NULL;

		if (!w || w == dns || w->host_network || w->object->assumed ||
		    subject_flow(c->subject, w, dns, PROTO_UDP, DNS_PORT) != VERDICT_DENY_INGRESS) {
			continue;
		}
		if (!f) {
			f = check_found(c, policy,
			                netpol_rules(policy, POLICY_INGRESS)
			                        ? netpol_rules(policy, POLICY_INGRESS)
			                        : object_spec(policy),
			                "NetworkPolicy " SLICE_FMT
			                " closes cluster DNS to namespace " SLICE_FMT
			                ": its pods find no name any more.",
			                SLICE_ARG(policy->name), SLICE_ARG(space->name));
			finding_repair(c, f,
			               "Admit UDP and TCP 53 from all namespaces "
			               "(namespaceSelector: {}).");
		}
		if (f->evidence.n < 3) {
			finding_shows(c, f, w->object, NULL, "is not admitted.");
		}
	}
}

/* ---- DNS006, DNS007, DNS008: load and delay ---- */

static const struct val *resolver_option(const struct workload *w, const char *name)
{
	val_for_each (val_path(w->spec, "dnsConfig.options"), option) {
		if (slice_is(val_get_str(option, "name"), name)) {
			return option;
		}
	}
	return NULL;
}

static bool has_final_dot(const struct reference *r)
{
	const char *found = r->where.node ? strstr(val_cstr(r->where.node), r->host) : NULL;

	return found && found[strlen(r->host)] == '.';
}

static size_t dots(const char *host)
{
	size_t n = 0;

	for (; *host; host++) {
		n += *host == '.';
	}
	return n;
}

static void dns006(struct check *c)
{
	enum { NDOTS = 5 };
	scoped_map struct map said = { 0 };

	call_each(c->subject, x)
	{
		struct finding *f;

		if (x->to.kind != TARGET_OUTSIDE || x->r->ip.family || !*x->r->host ||
		    dots(x->r->host) >= NDOTS || resolver_option(x->from, "ndots") ||
		    !uses_cluster_dns(x->from) || has_final_dot(x->r) ||
		    said_already(&said, x->from, x->from->name)) {
			continue;
		}
		f = check_found(c, x->by, x->r->where.node,
		                CALL_FMT " names %s, outside: each look-up asks for it in three "
		                         "domains of the cluster first.",
		                CALL_ARG(x), x->r->host);
		finding_repair(c, f,
		               "Set dnsConfig.options ndots: \"2\" in the pod, or end the name "
		               "with a dot.");
	}
}

static const struct call *first_by_name(struct check *c)
{
	call_each(c->subject, x)
	{
		if (!x->r->ip.family && *x->r->host && uses_cluster_dns(x->from)) {
			return x;
		}
	}
	return NULL;
}

static void dns007(struct check *c)
{
	const struct call *x = first_by_name(c);

	if (x && c->subject->profile->conntrack_dns && !c->subject->profile->dns_cache &&
	    !resolver_option(x->from, "single-request-reopen") &&
	    !resolver_option(x->from, "use-vc")) {
		(void)check_found(c, x->from->object, x->from->spec,
		                  "Pods such as those of " SLICE_FMT " " SLICE_FMT
		                  " ask for both families at once through iptables, where one "
		                  "question may get lost (profile %s).",
		                  SLICE_ARG(x->from->object->kind), SLICE_ARG(x->from->name),
		                  c->subject->profile->name);
	}
}

static void dns008(struct check *c)
{
	enum { MANY = 100, FEW = 2 };
	const struct workload *dns = resolver(c->subject);
	int64_t replicas = 0;

	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		replicas += c->subject->workloads.at[i]->replicas_max;
	}
	if (dns && c->subject->profile->on_aws && !c->subject->profile->dns_cache &&
	    replicas > MANY && dns->replicas_max <= FEW && first_by_name(c)) {
		const struct call *x = first_by_name(c);

		(void)check_found(c, x->from->object,
		                  val_get(object_spec(x->from->object), "replicas"),
		                  "%lld pods ask %lld resolvers, and AWS answers about 1024 "
		                  "packets a second for each of their nodes.",
		                  (long long)replicas, (long long)dns->replicas_max);
	}
}

/* ---- DNS009 ---- */

static void dns009(struct check *c)
{
	static const char *const loops[] = { "forward . 127.", "forward . ::1", "proxy . 127." };

	object_each(c->subject, OBJECT_CONFIGMAP, o)
	{
		const struct val *file = val_get(val_get(o->v, "data"), "Corefile");

		for (size_t i = 0; file && i < ARRAY_SIZE(loops); i++) {
			if (strstr(val_cstr(file), loops[i])) {
				(void)check_found(
					c, o, file,
					"The Corefile of ConfigMap " SLICE_FMT
					" forwards to the pod's own loopback: questions go in a "
					"circle.",
					SLICE_ARG(o->name));
				break;
			}
		}
	}
}

/* ---- DNS010 ---- */

static void dns010(struct check *c)
{
	scoped_map struct map said = { 0 };

	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];
		const struct val *policy = val_get(w->spec, "dnsPolicy");

		if (slice_is(val_str(policy), "None") &&
		    !val_len(val_path(w->spec, "dnsConfig.nameservers")) && !w->object->assumed) {
			(void)check_found(c, w->object, policy,
			                  SLICE_FMT " " SLICE_FMT
			                            " has dnsPolicy None and no nameservers: the "
			                            "API server refuses its pods.",
			                  SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
		}
	}
	call_each(c->subject, x)
	{
		const struct val *policy = val_get(x->from->spec, "dnsPolicy");
		struct finding *f;

		if (x->to.kind != TARGET_SERVICE || !slice_is(val_str(policy), "Default") ||
		    x->from->host_network || said_already(&said, x->from, x->from->name)) {
			continue;
		}
		f = check_found(
			c, x->from->object, policy,
			SLICE_FMT
			" " SLICE_FMT
			" uses the node's resolver (dnsPolicy Default), which knows no Services.",
			SLICE_ARG(x->from->object->kind), SLICE_ARG(x->from->name));
		finding_shows(c, f, x->by, x->r->where.node, "%s names Service " SLICE_FMT ".",
		              x->r->name, SLICE_ARG(x->to.service->name));
		finding_repair(c, f, "Write dnsPolicy: ClusterFirst.");
		finding_replace(c, f, x->from->object, policy, "ClusterFirst");
	}
}

/* ---- DNS011, DNS012: names in the configuration of servers ---- */

static bool is_in_nginx(const struct call *x)
{
	return x->r->source == VALUE_FILE && !x->r->ip.family && *x->r->host &&
	       (strcmp(x->r->name, "proxy_pass") == 0 || strcmp(x->r->name, "server") == 0 ||
	        strcmp(x->r->name, "fastcgi_pass") == 0 || strcmp(x->r->name, "grpc_pass") == 0);
}

static bool has_resolver(struct check *c, const struct call *x)
{
	size_t n;
	const struct reference *all =
		values_references(subject_values(c->subject), x->r->workload, &n);

	for (size_t i = 0; i < n; i++) {
		if (all[i].use == USE_RESOLVE && strcmp(all[i].file, x->r->file) == 0) {
			return true;
		}
	}
	return false;
}

static void dns011(struct check *c)
{
	call_each(c->subject, x)
	{
		bool moves = x->to.kind == TARGET_OUTSIDE || x->to.kind == TARGET_STORE ||
		             (x->to.kind == TARGET_SERVICE &&
		              (x->to.service->headless || x->to.service->external));
		struct finding *f;

		if (!is_in_nginx(x) || !moves || has_resolver(c, x)) {
			continue;
		}
		f = check_found(c, x->by, x->r->where.node,
		                "nginx of " SLICE_FMT " " SLICE_FMT
		                " looks %s up once, at its start, and its addresses change.",
		                SLICE_ARG(x->from->object->kind), SLICE_ARG(x->from->name),
		                x->r->host);
		if (x->to.kind == TARGET_SERVICE) {
			finding_shows(c, f, x->to.service->object,
			              object_spec(x->to.service->object),
			              "has no address of its own.");
		}
		finding_repair(c, f,
		               "Add a resolver and put the name into a variable (set $up "
		               "http://%s; proxy_pass $up;).",
		               x->r->host);
	}
}

static void dns012(struct check *c)
{
	const struct workload *dns = resolver(c->subject);

	call_each(c->subject, x)
	{
		bool missing = x->to.kind == TARGET_MISSING;
		bool closed = dns && !missing && uses_cluster_dns(x->from) &&
		              netpols_of(c->subject, x->from, POLICY_EGRESS)->at.n &&
		              subject_flow(c->subject, x->from, dns, PROTO_UDP, DNS_PORT) ==
		                      VERDICT_DENY_EGRESS;
		struct finding *f;

		if (!is_in_nginx(x) || has_resolver(c, x) || (!missing && !closed)) {
			continue;
		}
		f = check_found(
			c, x->by, x->r->where.node,
			"nginx of " SLICE_FMT " " SLICE_FMT " does not start: its upstream %s %s.",
			SLICE_ARG(x->from->object->kind), SLICE_ARG(x->from->name), x->r->host,
			missing ? "does not exist"
				: "cannot be looked up, egress to DNS is closed");
		finding_shows(c, f, x->from->object, x->from->spec, "runs with that file.");
	}
}

/* ---- DNS013, DNS014 ---- */

static void dns013(struct check *c)
{
	scoped_map struct map said = { 0 };
	scoped_free char *suffix = mem_printf(".svc.%s", c->subject->profile->cluster_domain);

	call_each(c->subject, x)
	{
		const char *svc = strstr(x->r->host, ".svc.");
		struct finding *f;

		if (!svc || strcmp(svc, suffix) == 0 ||
		    said_already(&said, x->r->where.node, slice_of(x->r->host))) {
			continue;
		}
		f = check_found(c, x->by, x->r->where.node,
		                CALL_FMT " names %s, and the cluster's domain is %s.", CALL_ARG(x),
		                x->r->host, c->subject->profile->cluster_domain);
		finding_repair(c, f, "Write %.*s.svc, which is right in every cluster.",
		               (int)(svc - x->r->host), x->r->host);
	}
}

static void dns014(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each(c->subject, x)
	{
		const char *dot = strrchr(x->r->host, '.');
		const struct space *space = dot && dots(x->r->host) == 1
		                                    ? subject_space(c->subject, slice_of(dot + 1))
		                                    : NULL;
		struct finding *f;

		if (!space || (x->to.kind != TARGET_OUTSIDE && x->to.kind != TARGET_MISSING) ||
		    x->r->ip.family || said_already(&said, space, slice_of(x->r->host))) {
			continue;
		}
		f = check_found(
			c, x->by, x->r->where.node,
			CALL_FMT
			" names %s, which is first looked for as a Service of namespace " SLICE_FMT
			".",
			CALL_ARG(x), x->r->host, SLICE_ARG(space->name));
		finding_repair(c, f, "End the name with a dot, or rename the namespace.");
	}
}

/* ---- DNS015 ---- */

static bool in_zone(struct slice host, struct slice zone)
{
	while (zone.len && zone.p[zone.len - 1] == '.') {
		zone.len--;
	}
	return zone.len && slice_has_suffix(host, zone) &&
	       (host.len == zone.len || host.p[host.len - zone.len - 1] == '.');
}

static void dns015(struct check *c)
{
	scoped_map struct map said = { 0 };
	const struct routes *routes = subject_routes(c->subject);

	for (size_t i = 0; c->subject->first[OBJECT_HOSTEDZONE] && i < routes->at.n; i++) {
		const struct route *r = &routes->at.at[i];
		bool found = !r->host.len || said_already(&said, NULL, r->host);
		struct finding *f;

		object_each(c->subject, OBJECT_HOSTEDZONE, zone)
		{
			found = found || in_zone(r->host, val_get_str(object_spec(zone), "name"));
		}
		if (found) {
			continue;
		}
		f = check_found(c, r->ingress, val_get(r->rule, "host"),
		                "Host " SLICE_FMT " is in no zone of the set.", SLICE_ARG(r->host));
		object_each(c->subject, OBJECT_HOSTEDZONE, zone)
		{
			finding_shows(c, f, zone, val_get(object_spec(zone), "name"),
			              "is the zone " SLICE_FMT ".",
			              SLICE_ARG(val_get_str(object_spec(zone), "name")));
		}
	}
}

/* ---- DNS016 ---- */

/* The minor version of an Alpine base that the tag names, or -1. */
static int alpine_of(const char *image)
{
	const char *at = strstr(image, "alpine");
	int minor = -1;

	if (at &&
	    (sscanf(at, "alpine3.%d", &minor) == 1 || sscanf(at, "alpine:3.%d", &minor) == 1)) {
		return minor;
	}
	return -1;
}

static void dns016(struct check *c)
{
	enum { TCP_SINCE = 18 };

	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];

		container_each(w->spec, k)
		{
			const struct val *image = val_get(k, "image");
			int minor = alpine_of(val_cstr(image));

			if (minor >= 0 && minor < TCP_SINCE) {
				(void)check_found(c, w->object, image,
				                  "Image " SLICE_FMT " of " SLICE_FMT " " SLICE_FMT
				                  " has an Alpine before 3.18, whose resolver does "
				                  "not ask again by TCP.",
				                  SLICE_ARG(val_str(image)),
				                  SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
			}
		}
	}
}

/* ---- the family ---- */

static const struct rule rules[] = {
	{
		.id = "DNS001",
		.title = "Name of a Service that does not exist",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NAME,
		.symptom = "NXDOMAIN at once: getaddrinfo ENOTFOUND, no such host.",
		.cause = "A typo, another release name, or the Service is not deployed.",
		.evidence = "A host in values of one label, or that ends in the cluster's domain, "
			    "and no such Service.",
		.probe = "Look it up from the pod with its own search list.",
		.fix = "Correct the name, or deploy the Service.",
		.sources = "kubernetes.io, Debugging DNS Resolution",
		.check = dns001,
	},
	{
		.id = "DNS002",
		.title = "Short name used across namespaces",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NAME,
		.symptom = "NXDOMAIN from one namespace, fine from another.",
		.cause = "A name without namespace is looked for in the caller's own.",
		.evidence = "A host of one label, and a Service of that name in another namespace "
			    "alone.",
		.probe = "Look it up from both.",
		.fix = "NAME.NAMESPACE.",
		.sources = "k3s-io/k3s#6332",
		.check = dns002,
	},
	{
		.id = "DNS003",
		.title = "Egress isolation without a rule for DNS",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Every call ends after 5 to 30 s in a resolver time-out, although its "
			   "target is admitted.",
		.cause = "Egress is denied by default, and no rule leads to the DNS pods on port "
			 "53.",
		.evidence =
			"The model denies UDP 53 from a pod that calls by name to the DNS pods.",
		.probe = "Look a name up with policies on, by UDP and TCP.",
		.fix = "Allow UDP and TCP 53 to the DNS pods.",
		.sources = "thecodeforge.io, Default-Deny Egress Blocks DNS; koti.dev",
		.after = "NP002 NP019 NP023",
		.check = dns003,
	},
	{
		.id = "DNS004",
		.title = "Rule for DNS incomplete",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Most names work; large answers get lost.",
		.cause = "UDP alone: an answer that does not fit is asked for again by TCP; or a "
			 "node's cache that is left "
			 "out.",
		.evidence = "UDP 53 passes and TCP 53 does not; or the profile's cache is not "
			    "admitted.",
		.probe = "Ask by TCP, and for a long TXT record.",
		.fix = "Both protocols.",
		.sources = "peacha.frozenspace.eu, ptee-dns-egress",
		.check = dns004,
	},
	{
		.id = "DNS005",
		.title = "Policy in front of cluster DNS shuts out clients",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The whole cluster loses its names at once.",
		.cause = "A policy that selects the DNS pods admits some namespaces alone.",
		.evidence = "The model denies ingress on 53 from a pod of some namespace.",
		.probe = "Look a name up from each namespace.",
		.fix = "Admit 53 from everywhere.",
		.sources = "nine.ch, Network Policies block DNS resolution",
		.check = dns005,
	},
	{
		.id = "DNS006",
		.title = "Search list multiplies questions",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_NAME,
		.symptom = "Calls to the outside are slow; DNS has four to eight times the load.",
		.cause = "Names with fewer than five dots are looked for in the search list first.",
		.evidence =
			"Outside hosts in values, without final dot and without ndots in the pod.",
		.probe = "Count the questions of one look-up.",
		.fix = "ndots 2, a final dot, a cache on the node.",
		.sources = "kubernetes/kubernetes#14051; kubernetes/dns#96; "
			   "triggerdotdev/trigger.dev#3441",
		.check = dns006,
	},
	{
		.id = "DNS007",
		.title = "Stalls of five seconds by a race in connection tracking",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NAME,
		.symptom = "Now and then exactly 5 or 10 s more.",
		.cause = "Two questions of one socket race in NAT, and one is dropped.",
		.evidence = "A profile whose DNS goes through iptables without a node's cache, and "
			    "pods without the resolver "
			    "option.",
		.probe = "A histogram of look-ups; the counter insert_failed.",
		.fix = "A cache on the node, single-request-reopen, or TCP.",
		.sources = "kubernetes/kubernetes#56903",
		.check = dns007,
	},
	{
		.id = "DNS008",
		.title = "Limit of the cloud's resolver",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NAME,
		.symptom = "Resolver time-outs under load on AWS.",
		.cause = "About 1024 packets a second and network interface.",
		.evidence = "Many pods, few DNS replicas, no cache, on AWS.",
		.probe = "Time-outs of CoreDNS' upstream; allowance counters of the interface.",
		.fix = "Spread CoreDNS, cache on nodes, lower ndots.",
		.sources = "coredns/coredns#4327",
		.check = dns008,
	},
	{
		.id = "DNS009",
		.title = "Resolver asks itself",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NAME,
		.symptom = "CoreDNS ends with: Loop detected.",
		.cause = "It forwards to a loopback address.",
		.evidence = "forward to 127.x in a Corefile.",
		.probe = "CoreDNS' log.",
		.fix = "Forward to real resolvers.",
		.sources = "coredns, plugin loop",
		.check = dns009,
	},
	{
		.id = "DNS010",
		.title = "dnsPolicy that does not fit",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NAME,
		.symptom = "Names of Services fail in this pod.",
		.cause = "dnsPolicy Default is the node's resolver; None needs nameservers.",
		.evidence = "The field, and values that name Services.",
		.probe = "Read resolv.conf in the pod.",
		.fix = "ClusterFirst.",
		.sources = "artsy/metaphysics#1186",
		.check = dns010,
	},
	{
		.id = "DNS011",
		.title = "Server keeps an old address",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_NAME,
		.symptom = "After a fail-over or a new Service one client fails until it is "
			   "started anew.",
		.cause = "nginx looks literal upstreams up once.",
		.evidence = "A literal upstream whose addresses change, and no resolver.",
		.probe = "Change the record and watch.",
		.fix = "resolver and a variable.",
		.sources =
			"NginxProxyManager/nginx-proxy-manager#3492; kubernetes/kubernetes#26309",
		.check = dns011,
	},
	{
		.id = "DNS012",
		.title = "Server does not start without its upstream's name",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_NAME,
		.symptom = "Crash loop: host not found in upstream.",
		.cause = "nginx looks literal upstreams up when it reads its configuration.",
		.evidence = "A literal upstream that is no Service, or DNS that policies close.",
		.probe = "The container's log.",
		.fix = "Deploy the Service first, or resolver and a variable.",
		.sources = "ThalesGroup/fred#2047; kubernetes/website#45965; Dynatrace/easytrade#5",
		.after = "DNS001 DNS002 DNS003",
		.check = dns012,
	},
	{
		.id = "DNS013",
		.title = "Cluster domain written out",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NAME,
		.symptom = "Works in one cluster alone.",
		.cause = "The domain differs between clusters.",
		.evidence = "A name that ends in .svc and another domain than the profile's.",
		.probe = "Look it up.",
		.fix = "NAME.NAMESPACE.svc.",
		.sources = "grafana/mimir#1669",
		.check = dns013,
	},
	{
		.id = "DNS014",
		.title = "Namespace named like a public domain",
		.severity = SEVERITY_INFO,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NAME,
		.symptom = "A call to the outside reaches a Service.",
		.cause = "api.dev is tried as api.dev.svc.cluster.local first.",
		.evidence = "A host of two labels whose second is a namespace.",
		.probe = "Look it up and compare.",
		.fix = "A final dot, or another name.",
		.sources = "kubernetes.io, DNS for Services and Pods",
		.check = dns014,
	},
	{
		.id = "DNS015",
		.title = "Public host outside every zone",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NAME,
		.symptom = "The browser finds no such name, or the old site.",
		.cause = "No record, or one in another zone.",
		.evidence = "A host of an Ingress outside all HostedZones of the set.",
		.probe = "Look it up in public and compare with the balancer.",
		.fix = "An alias record.",
		.sources = "kubernetes-sigs/external-dns documentation",
		.check = dns015,
	},
	{
		.id = "DNS016",
		.title = "Resolver of an old base image",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_NAME,
		.symptom = "A name is found in one image and not in another.",
		.cause = "musl before 1.2.4 does not ask again by TCP.",
		.evidence = "A tag that names an Alpine before 3.18.",
		.probe = "Look it up with the image's own resolver.",
		.fix = "A newer base image; lower ndots.",
		.sources = "kubernetes/dns#96",
		.check = dns016,
	},
	{ 0 },
};

const struct family family_dns = { "DNS", "Names", rules };
