/* Why: who may have which port of the edge is a rule, and rules are tested without sockets; see
 * lb-plan.h. */
#include "edge/lb-plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

enum { IDLE_S = 350, IDLE_MIN_S = 60, IDLE_MAX_S = 6000 };

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
	       (class.len == 0 || slice_is(class, "service.k8s.aws/nlb"));
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

static int64_t idle_us_of(const struct val *service, uint16_t port)
{
	char suffix[48];
	int64_t seconds;

	snprintf(suffix, sizeof(suffix), "listener-attributes.TCP-%u", port);
	if (slice_to_i64(attribute(annotation(service, suffix), "tcp.idle_timeout.seconds"),
	                 &seconds) &&
	    seconds >= IDLE_MIN_S && seconds <= IDLE_MAX_S) {
		return seconds * US_PER_S;
	}
	return IDLE_S * US_PER_S;
}

/* ---- one service ---- */

static void read_ports(struct arena *a, const struct val *service, struct lb_service *s)
{
	const struct val *ports = val_path(service, "spec.ports");

	s->ports = ARENA_ARRAY(a, struct lb_port, val_len(ports));
	val_for_each (ports, p) {
		struct slice proto = val_get_str(p, "protocol");
		uint16_t port = (uint16_t)val_int(val_get(p, "port"), 0);
		uint16_t node_port = (uint16_t)val_int(val_get(p, "nodePort"), 0);

		if (proto.len && !slice_is(proto, "TCP")) {
			s->hint = arena_printf(a,
			                       "port %u/" SLICE_FMT
			                       " is not served: the load balancer "
			                       "carries TCP only so far",
			                       port, SLICE_ARG(proto));
			continue;
		}
		if (port && !node_port && !s->waiting) {
			s->waiting = true;
			if (!val_bool(val_path(service, "spec.allocateLoadBalancerNodePorts"),
			              true)) {
				s->waiting = false;
				s->problem = "allocateLoadBalancerNodePorts is false and there is "
					     "no node "
					     "port to send to";
			}
		}
		s->ports[s->n_ports++] = (struct lb_port){
			.port = port,
			.node_port = node_port,
			.proxy_protocol = wants_proxy_protocol(service, port),
			.idle_us = idle_us_of(service, port),
		};
	}
	if (s->n_ports == 0) {
		s->problem = s->hint ? s->hint : "it has no ports";
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
		.health = health_rule_of(d->root),
	};

	if (s.wanted) {
		read_ports(a, d->root, &s);
		read_sources(a, d->root, &s);
	}
	return s;
}

/* ---- all of them ---- */

static int by_age(const void *x, const void *y)
{
	const struct lb_service *a = x, *b = y;
	int c = slice_cmp(val_str(val_path(a->object->root, "metadata.creationTimestamp")),
	                  val_str(val_path(b->object->root, "metadata.creationTimestamp")));

	c = c ? c : slice_cmp(a->ns, b->ns);
	return c ? c : slice_cmp(a->name, b->name);
}

static struct lb_service *holder_of_port(const struct lb_plan *p, size_t before,
                                         const struct lb_service *s, uint16_t *ret_port)
{
	for (size_t i = 0; i < before; i++) {
		struct lb_service *other = &p->services[i];

		for (size_t j = 0; !other->problem && j < other->n_ports; j++) {
			for (size_t k = 0; k < s->n_ports; k++) {
				if (s->ports[k].port == other->ports[j].port) {
					*ret_port = s->ports[k].port;
					return other;
				}
			}
		}
	}
	return NULL;
}

static void settle_ports(struct arena *a, struct lb_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct lb_service *s = &p->services[i];
		uint16_t port = 0;
		const struct lb_service *holder = holder_of_port(p, i, s, &port);

		if (holder && !s->problem) {
			s->problem = arena_printf(
				a,
				"port %u of the edge address belongs to service " SLICE_FMT
				"/" SLICE_FMT ", which is older",
				port, SLICE_ARG(holder->ns), SLICE_ARG(holder->name));
		}
	}
	for (size_t i = 0; i < p->n; i++) {
		if (p->services[i].problem || p->services[i].waiting) {
			p->services[i].n_ports = 0;
		}
	}
}

struct lb_plan lb_plan_make(struct arena *a, const struct doc *const *objects, size_t n)
{
	struct lb_plan p = { .services = ARENA_ARRAY(a, struct lb_service, n + 1) };

	for (size_t i = 0; i < n; i++) {
		if (lb_service_is_ours(objects[i]->root)) {
			p.services[p.n++] = read_service(a, objects[i]);
		}
	}
	if (p.n > 1) {
		qsort(p.services, p.n, sizeof(*p.services), by_age);
	}
	settle_ports(a, &p);
	return p;
}
