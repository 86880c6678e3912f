/* Why: who may have which port of the edge is a rule, and rules are tested without sockets; see
 * lb-plan.h. */
#include "edge/lb-plan.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

enum { IDLE_S = 350, IDLE_MIN_S = 60, IDLE_MAX_S = 6000, UDP_IDLE_S = 120, ADDRESSES_MAX = 4096 };

static struct slice annotation(const struct val *service, const char *suffix)
{
	scoped_strbuf struct strbuf key = { 0 };

	strbuf_addf(&key, LB_ANNOTATION "%s", suffix);
	return val_str(
		val_get_slice(val_path(service, "metadata.annotations"), strbuf_slice(&key)));
}

bool lb_service_is_ours(const struct val *service)
{
	const struct val *spec = val_get(service, "spec");
	struct slice class = val_get_str(spec, "loadBalancerClass");

	return slice_is(val_get_str(spec, "type"), "LoadBalancer") &&
	       (class.len == 0 || slice_is(class, LB_CLASS) ||
	        slice_is(class, "service.k8s.aws/nlb"));
}

/* ---- settings ---- */

/* A number of an annotation within its bounds, or 'otherwise'. */
static int64_t number(const struct val *service, const char *suffix, int64_t least, int64_t most,
                      int64_t otherwise)
{
	int64_t n;

	return slice_to_i64(annotation(service, suffix), &n) && n >= least && n <= most ? n
	                                                                                : otherwise;
}

static struct health_rule health_rule_of(const struct val *service)
{
	struct health_rule r = HEALTH_RULE_DEFAULT;

	r.interval_us = number(service, "healthcheck-interval", 5, 300, 10) * US_PER_S;
	r.timeout_us = number(service, "healthcheck-timeout", 2, 120, 10) * US_PER_S;
	r.healthy_after = (unsigned)number(service, "healthcheck-healthy-threshold", 2, 10, 3);
	r.unhealthy_after = (unsigned)number(service, "healthcheck-unhealthy-threshold", 2, 10, 3);
	return r;
}

/* The value of 'key' in a "k=v,k=v" list. */
static struct slice attribute(struct slice list, const char *key)
{
	struct slice field, k, v;

	while (slice_next(&list, ',', &field)) {
		if (slice_cut(slice_trim(field), '=', &k, &v) && slice_is(slice_trim(k), key)) {
			return slice_trim(v);
		}
	}
	return (struct slice){ "", 0 };
}

static bool list_has_port(struct slice list, uint16_t port)
{
	struct slice field;
	uint64_t n;

	while (slice_next(&list, ',', &field)) {
		if (slice_to_u64(slice_trim(field), &n) && n == port) {
			return true;
		}
	}
	return false;
}

static bool wants_proxy_protocol(const struct val *service, uint16_t port)
{
	return slice_is(annotation(service, "proxy-protocol"), "*") ||
	       list_has_port(annotation(service, "proxy-protocol-per-target-group"), port) ||
	       slice_is(attribute(annotation(service, "target-group-attributes"),
	                          "proxy_protocol_v2.enabled"),
	                "true");
}

static int64_t idle_us_of(const struct val *service, int protocol, uint16_t port)
{
	char suffix[48];
	int64_t seconds;

	if (protocol == IPPROTO_UDP) {
		return UDP_IDLE_S * US_PER_S;
	}
	snprintf(suffix, sizeof(suffix), "listener-attributes.TCP-%u", port);
	if (slice_to_i64(attribute(annotation(service, suffix), "tcp.idle_timeout.seconds"),
	                 &seconds) &&
	    seconds >= IDLE_MIN_S && seconds <= IDLE_MAX_S) {
		return seconds * US_PER_S;
	}
	return IDLE_S * US_PER_S;
}

/* ---- one service ---- */

static int protocol_of(const struct val *port)
{
	struct slice text = val_get_str(port, "protocol");

	return slice_is(text, "UDP")    ? IPPROTO_UDP
	       : slice_is(text, "SCTP") ? IPPROTO_SCTP
	                                : IPPROTO_TCP;
}

static bool wants_pods(const struct val *service)
{
	return slice_is(annotation(service, "nlb-target-type"), "ip") ||
	       slice_is(annotation(service, "type"), "nlb-ip");
}

static void read_ports(struct arena *a, const struct val *service, struct lb_service *s)
{
	const struct val *spec = val_get(service, "spec"), *ports = val_get(spec, "ports");
	bool allocates = val_bool(val_get(spec, "allocateLoadBalancerNodePorts"), true);

	s->ports = ARENA_ARRAY(a, struct lb_port, val_len(ports) + 1);
	val_for_each (ports, it) {
		struct lb_port p = { .protocol = protocol_of(it) };

		p.port = (uint16_t)val_int(val_get(it, "port"), 0);
		p.node_port = (uint16_t)val_int(val_get(it, "nodePort"), 0);
		p.to_pods = wants_pods(service) || (!p.node_port && !allocates);
		p.proxy_protocol =
			p.protocol == IPPROTO_TCP && wants_proxy_protocol(service, p.port);
		p.idle_us = idle_us_of(service, p.protocol, p.port);
		s->proxies = s->proxies || p.proxy_protocol;
		s->waiting = s->waiting || (!p.node_port && !p.to_pods);
		s->ports[s->n_ports++] = p;
	}
	if (s->n_ports == 0) {
		s->problem = "it has no ports";
	}
}

/* ---- checks ---- */

/* It goes into a request as it is. */
static const char *check_path(struct arena *a, struct slice path, const char *otherwise)
{
	for (size_t i = 0; i < path.len; i++) {
		if (path.p[i] <= ' ' || path.p[i] > '~') {
			return otherwise;
		}
	}
	return path.len && path.p[0] == '/' ? arena_printf(a, SLICE_FMT, SLICE_ARG(path))
	                                    : otherwise;
}

/* eTP Local: the nodes say themselves whether they have endpoints; annotations come before that. */
static void read_check(struct arena *a, const struct val *service, struct lb_service *s)
{
	struct slice protocol = annotation(service, "healthcheck-protocol");
	struct slice path = annotation(service, "healthcheck-path");
	bool local = slice_is(val_str(val_path(service, "spec.externalTrafficPolicy")), "Local");
	uint16_t health = (uint16_t)val_int(val_path(service, "spec.healthCheckNodePort"), 0);
	uint16_t asked = (uint16_t)number(service, "healthcheck-port", 1, 65535, 0);

	if (slice_eq_nocase(protocol, SLICE("http"))) {
		s->own_check = true;
		s->check_port = asked ? asked : local ? health : 0;
		s->check_path = check_path(a, path, local ? "/healthz" : "/");
	} else if (!protocol.len && local && health) {
		s->check_port = health;
		s->check_path = "/healthz";
	} else {
		s->own_check = asked != 0;
		s->check_port = asked;
	}
}

static bool add_source(struct arena *a, struct lb_service *s, struct slice text)
{
	if (!prefix_parse(text, &s->sources[s->n_sources])) {
		s->problem = arena_printf(a, "source range \"" SLICE_FMT "\" is not a CIDR",
		                          SLICE_ARG(text));
		return false;
	}
	s->n_sources++;
	return true;
}

static void read_sources(struct arena *a, const struct val *service, struct lb_service *s)
{
	const struct val *ranges = val_path(service, "spec.loadBalancerSourceRanges");
	struct slice old =
		val_str(val_get(val_path(service, "metadata.annotations"),
	                        "service.beta.kubernetes.io/load-balancer-source-ranges"));
	struct slice field;

	if (val_len(ranges)) {
		s->sources = ARENA_ARRAY(a, struct prefix, val_len(ranges));
		val_for_each (ranges, it) {
			if (!add_source(a, s, slice_trim(val_str(it)))) {
				return;
			}
		}
		return;
	}
	if (slice_trim(old).len == 0) {
		return;
	}
	s->sources = ARENA_ARRAY(a, struct prefix, old.len / 2 + 1);
	while (slice_next(&old, ',', &field)) {
		if (!add_source(a, s, slice_trim(field))) {
			return;
		}
	}
}

static struct lb_service read_service(struct arena *a, const struct doc *d)
{
	const struct val *meta = val_get(d->root, "metadata");
	struct lb_service s = {
		.object = d,
		.ns = val_get_str(meta, "namespace"),
		.name = val_get_str(meta, "name"),
		.uid = val_get_str(meta, "uid"),
		.wanted = val_is_null(val_get(meta, "deletionTimestamp")),
		.balancer = true,
		.sticky = slice_is(val_str(val_path(d->root, "spec.sessionAffinity")), "ClientIP"),
		.hostname = slice_is(
			val_str(val_get(val_get(meta, "annotations"), LB_STATUS_ANNOTATION)),
			"hostname"),
		.guest = slice_is(
			val_str(val_get(val_get(meta, "annotations"), LB_GUEST_ANNOTATION)),
			"true"),
		.health = health_rule_of(d->root),
	};

	if (s.wanted) {
		read_ports(a, d->root, &s);
		read_sources(a, d->root, &s);
		read_check(a, d->root, &s);
	}
	return s;
}

/* ---- all of them ---- */

static int by_age(const void *x, const void *y)
{
	const struct lb_service *a = x, *b = y;
	int c = (int)a->guest - (int)b->guest;

	c = c ? c
	      : slice_cmp(val_str(val_path(a->object->root, "metadata.creationTimestamp")),
	                  val_str(val_path(b->object->root, "metadata.creationTimestamp")));
	c = c ? c : slice_cmp(a->ns, b->ns);
	return c ? c : slice_cmp(a->name, b->name);
}

/* ---- addresses ---- */

static bool uses(const struct lb_service *s, int protocol, uint16_t port)
{
	for (size_t i = 0; i < s->n_ports; i++) {
		if (!s->ports[i].error && s->ports[i].protocol == protocol &&
		    s->ports[i].port == port) {
			return true;
		}
	}
	return false;
}

static bool is_settled(const struct lb_service *s)
{
	return s->wanted && !s->problem && s->ip.family != IP_NONE;
}

/* How many besides guests share the address; *ret_clash: some port of s is among theirs. */
static size_t others_at(const struct lb_plan *p, const struct lb_service *s, struct ip ip,
                        bool *ret_clash)
{
	size_t n = 0;

	*ret_clash = false;
	for (size_t i = 0; i < p->n; i++) {
		const struct lb_service *o = &p->services[i];

		if (o == s || o->guest || !is_settled(o) || !ip_eq(o->ip, ip)) {
			continue;
		}
		n++;
		for (size_t j = 0; j < s->n_ports; j++) {
			*ret_clash |= uses(o, s->ports[j].protocol, s->ports[j].port);
		}
	}
	return n;
}

/* A free address, else the first on which all its ports are free, else the first. */
static struct ip find_address(const struct lb_plan *p, const struct ip_ranges *edge,
                              const struct lb_service *s)
{
	struct ip ip, sharing = { 0 }, first = { 0 };
	bool clash;

	for (size_t i = 0; i < ADDRESSES_MAX && ip_ranges_nth(edge, i, &ip); i++) {
		size_t others = others_at(p, s, ip, &clash);

		first = i == 0 ? ip : first;
		if (others == 0) {
			return ip;
		}
		if (!clash && sharing.family == IP_NONE) {
			sharing = ip;
		}
	}
	return sharing.family != IP_NONE ? sharing : first;
}

/* What it asks for, or had; of a guest the first. */
static struct ip wished_address(struct arena *a, const struct ip_ranges *edge, struct lb_service *s)
{
	const struct val *root = s->object->root;
	struct slice wish = val_str(val_path(root, "spec.loadBalancerIP"));
	const struct val *had = val_at(val_path(root, "status.loadBalancer.ingress"), 0);
	struct ip ip;

	if (s->guest && ip_ranges_nth(edge, 0, &ip)) {
		return ip;
	}
	if (wish.len && ip_parse(wish, &ip) && ip_ranges_have(edge, ip)) {
		return ip;
	}
	if (wish.len) {
		s->hint = arena_printf(a,
		                       "loadBalancerIP " SLICE_FMT
		                       " is no address of the edge (--edge-address)",
		                       SLICE_ARG(wish));
	}
	if (ip_parse(val_get_str(had, "ip"), &ip) && ip_ranges_have(edge, ip)) {
		return ip;
	}
	return (struct ip){ 0 };
}

static void settle_addresses(struct arena *a, const struct ip_ranges *edge, struct lb_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->services[i].wanted) {
			p->services[i].ip = wished_address(a, edge, &p->services[i]);
		}
	}
	for (size_t i = 0; i < p->n; i++) {
		struct lb_service *s = &p->services[i];

		if (s->wanted && s->ip.family == IP_NONE) {
			s->ip = find_address(p, edge, s);
		}
	}
}

/* ---- ports ---- */

static const struct lb_service *holder_of(const struct lb_plan *p, size_t before, struct ip ip,
                                          const struct lb_port *port)
{
	for (size_t i = 0; i < before; i++) {
		const struct lb_service *o = &p->services[i];

		if (is_settled(o) && ip_eq(o->ip, ip) && uses(o, port->protocol, port->port)) {
			return o;
		}
	}
	return NULL;
}

static void settle_ports(struct arena *a, struct lb_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct lb_service *s = &p->services[i];
		size_t served = 0;

		for (size_t j = 0; j < s->n_ports && !s->problem; j++) {
			struct lb_port *port = &s->ports[j];
			const struct lb_service *holder = holder_of(p, i, s->ip, port);

			served += !holder;
			if (holder) {
				port->error = LB_ERROR_TAKEN;
				port->why = arena_printf(
					a,
					"port %u of the edge address belongs to service " SLICE_FMT
					"/" SLICE_FMT "%s",
					port->port, SLICE_ARG(holder->ns), SLICE_ARG(holder->name),
					s->guest ? "" : ", which is older");
			}
		}
		if (s->wanted && !s->problem && served == 0) {
			s->problem = s->ports[0].why;
		}
	}
	for (size_t i = 0; i < p->n; i++) {
		if (p->services[i].problem || p->services[i].waiting) {
			p->services[i].n_ports = 0;
		}
	}
}

/* ---- node ports ---- */

static bool has_node_ports(const struct val *service)
{
	struct slice type = val_str(val_path(service, "spec.type"));

	return (slice_is(type, "NodePort") || slice_is(type, "LoadBalancer")) &&
	       val_is_null(val_path(service, "metadata.deletionTimestamp"));
}

/* Those that no balancer has at that address. */
static void add_node_ports(struct arena *a, struct lb_plan *p, const struct doc *d, struct ip ip,
                           size_t n_balancers)
{
	struct lb_service s = read_service(a, d);
	size_t n = 0;

	s.balancer = false;
	s.ip = ip;
	s.n_sources = 0; /* they guard the balancer's address alone */
	s.check_port = 0;
	s.check_path = NULL;
	s.problem = s.hint = NULL;
	s.waiting = false;
	for (size_t i = 0; i < s.n_ports; i++) {
		struct lb_port port = s.ports[i];

		port.port = port.node_port;
		port.to_pods = port.proxy_protocol = false;
		if (port.node_port && !holder_of(p, n_balancers, ip, &port)) {
			s.ports[n++] = port;
		}
	}
	s.n_ports = n;
	if (n) {
		p->services[p->n++] = s;
	}
}

struct lb_plan lb_plan_make(struct arena *a, const struct ip_ranges *edge,
                            const struct doc *const *objects, size_t n)
{
	struct lb_plan p = { .services = ARENA_ARRAY(a, struct lb_service, 2 * n + 1) };
	size_t n_balancers;
	struct ip first;

	for (size_t i = 0; i < n; i++) {
		if (lb_service_is_ours(objects[i]->root)) {
			p.services[p.n++] = read_service(a, objects[i]);
		}
	}
	if (p.n > 1) {
		qsort(p.services, p.n, sizeof(*p.services), by_age);
	}
	settle_addresses(a, edge, &p);
	settle_ports(a, &p);
	n_balancers = p.n;
	for (size_t i = 0; i < n && ip_ranges_nth(edge, 0, &first); i++) {
		if (has_node_ports(objects[i]->root)) {
			add_node_ports(a, &p, objects[i], first, n_balancers);
		}
	}
	return p;
}

const char *lb_hostname(struct arena *a, const struct lb_service *s)
{
	uint32_t h = 0x811c9dc5;

	for (size_t i = 0; i < s->uid.len; i++) {
		h = (h ^ (uint8_t)s->uid.p[i]) * 0x01000193;
	}
	return arena_printf(a, "k8s-%.*s-%.*s-%08x.elb.kennel.local",
	                    (int)(s->ns.len < 8 ? s->ns.len : 8), s->ns.p,
	                    (int)(s->name.len < 8 ? s->name.len : 8), s->name.p, h);
}
