/* Why: a Service and its EndpointSlices joined into what the dataplane and DNS ask for: ports with
 * addresses and endpoints, in canonical order.
 *
 * Service port and slice port meet by name and protocol, and the number is the slice's
 * (networking.md 1.2); nil conditions count as the API says; the same endpoint in two slices is
 * one. */
#include "model/service-priv.h"

#include <ctype.h>

enum proto proto_parse(struct slice text)
{
	if (!text.len || slice_is(text, "TCP")) {
		return PROTO_TCP;
	}
	if (slice_is(text, "UDP")) {
		return PROTO_UDP;
	}
	return slice_is(text, "SCTP") ? PROTO_SCTP : 0;
}

uint16_t port_number(const struct val *v)
{
	int64_t n = val_int(v, 0);

	return n > 0 && n <= UINT16_MAX ? (uint16_t)n : 0;
}

/* ---- the index of addresses ---- */

static void unindex(struct model *m, struct service *s, struct ip ip)
{
	service_vec *v = map_find(&m->service_by_ip, key_of_ip(&ip));

	for (size_t i = 0; v && i < v->n; i++) {
		if (v->at[i] == s) {
			vec_remove(v, i);
			break;
		}
	}
	if (v && !v->n) {
		map_remove(&m->service_by_ip, key_of_ip(&ip));
		vec_fini(v);
		free(v);
	}
}

static void index_ip(struct model *m, struct service *s, struct ip ip)
{
	service_vec *v = map_find(&m->service_by_ip, key_of_ip(&ip));

	if (!v) {
		v = NEW(service_vec);
		map_set(&m->service_by_ip, key_of_ip(&ip), v);
	}
	for (size_t i = 0; i < v->n; i++) {
		if (v->at[i] == s) {
			return;
		}
	}
	vec_push(v, s);
}

void service_forget(struct model *m, struct service *s)
{
	for (size_t i = 0; i < s->n_cluster_ips; i++) {
		unindex(m, s, s->cluster_ips[i]);
	}
	for (size_t i = 0; i < s->n_hosts; i++) {
		unindex(m, s, s->hosts[i].ip);
	}
	arena_reset(&s->arena);
	s->type = SERVICE_NONE;
	s->cluster_ips = NULL;
	s->ports = NULL;
	s->hosts = NULL;
	s->n_cluster_ips = s->n_ports = s->n_hosts = 0;
	s->external_name = (struct slice){ 0 };
}

/* ---- endpoints ---- */

static struct endpoint endpoint_of(const struct val *v, struct ip ip, uint16_t port)
{
	const struct val *c = val_get(v, "conditions"), *ref = val_get(v, "targetRef");
	struct endpoint e = { .ip = ip, .port = port };

	e.ready = val_bool(val_get(c, "ready"), true);
	e.serving = val_bool(val_get(c, "serving"), e.ready);
	e.terminating = val_bool(val_get(c, "terminating"), false);
	e.hostname = val_get_str(v, "hostname");
	e.node = val_get_str(v, "nodeName");
	e.hints = val_get(v, "hints");
	if (slice_is(val_get_str(ref, "kind"), "Pod")) {
		e.pod_ns = val_get_str(ref, "namespace");
		e.pod_name = val_get_str(ref, "name");
	}
	return e;
}

static bool is_of_family(const struct val *slice, struct ip ip)
{
	return slice_is(val_get_str(slice, "addressType"), ip.family == IP_V4 ? "IPv4" : "IPv6");
}

/* By address, port; of one endpoint named twice the more useful one first. */
static int by_address(const void *a, const void *b)
{
	const struct endpoint *x = a, *y = b;
	int r = ip_cmp(x->ip, y->ip);

	if (r || x->port != y->port) {
		return r ? r : (int)x->port - (int)y->port;
	}
	if (x->ready != y->ready || x->serving != y->serving) {
		return x->ready != y->ready ? (int)y->ready - (int)x->ready
		                            : (int)y->serving - (int)x->serving;
	}
	r = (int)x->terminating - (int)y->terminating;
	r = r ? r : slice_cmp(y->hostname, x->hostname);
	r = r ? r : slice_cmp(y->pod_name, x->pod_name);
	return r ? r : slice_cmp(y->node, x->node);
}

typedef VEC(struct endpoint) endpoint_vec;

static void collect_endpoints(const struct val *slice, uint16_t port, endpoint_vec *out)
{
	val_for_each (val_get(slice, "endpoints"), it) {
		struct ip ip;

		/* of several addresses of one endpoint only the first is used */
		if (ip_parse(val_str(val_at(val_get(it, "addresses"), 0)), &ip) &&
		    is_of_family(slice, ip)) {
			vec_push(out, endpoint_of(it, ip, port));
		}
	}
}

static void sort_and_merge(endpoint_vec *v)
{
	size_t n = 0;

	if (v->n) {
		qsort(v->at, v->n, sizeof(*v->at), by_address);
	}
	for (size_t i = 0; i < v->n; i++) {
		if (n == 0 || !ip_eq(v->at[n - 1].ip, v->at[i].ip) ||
		    v->at[n - 1].port != v->at[i].port) {
			v->at[n++] = v->at[i];
		}
	}
	v->n = n;
}

static void derive_endpoints(struct service *s, struct service_port *p)
{
	endpoint_vec found = { 0 };

	for (size_t i = 0; i < s->slices.n; i++) {
		const struct val *slice = s->slices.at[i]->doc->root;

		val_for_each (val_get(slice, "ports"), it) {
			uint16_t number = port_number(val_get(it, "port"));

			if (number && slice_eq(val_get_str(it, "name"), p->name) &&
			    proto_parse(val_get_str(it, "protocol")) == p->proto) {
				collect_endpoints(slice, number, &found);
			}
		}
	}
	sort_and_merge(&found);
	p->n_endpoints = found.n;
	p->endpoints = found.n ? arena_dup(&s->arena, found.at, found.n * sizeof(*found.at)) : NULL;
	vec_fini(&found);
}

static void derive_hosts(struct service *s)
{
	endpoint_vec found = { 0 };

	for (size_t i = 0; i < s->slices.n; i++) {
		collect_endpoints(s->slices.at[i]->doc->root, 0, &found);
	}
	sort_and_merge(&found);
	s->hosts = ARENA_ARRAY(&s->arena, struct service_host, found.n + 1);
	for (size_t i = 0; i < found.n; i++) {
		s->hosts[i] = (struct service_host){ found.at[i].ip, found.at[i].ready,
			                             found.at[i].hostname };
	}
	s->n_hosts = found.n;
	vec_fini(&found);
}

/* ---- addresses ---- */

struct ips {
	struct ip *at;
	size_t n;
};

static void add_ip(struct ips *l, struct slice text)
{
	struct ip ip;

	if (!ip_parse(text, &ip)) {
		return;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (ip_eq(l->at[i], ip)) {
			return;
		}
	}
	l->at[l->n++] = ip;
}

static struct ips ips_of_array(struct arena *a, const struct val *array, struct slice first)
{
	struct ips l = { ARENA_ARRAY(a, struct ip, val_len(array) + 1), 0 };

	add_ip(&l, first);
	val_for_each (array, it) {
		add_ip(&l, val_str(it));
	}
	return l;
}

/* Only addresses that the node may capture: ipMode Proxy wants to pass through the balancer itself.
 * Source: networking.md 1.5 */
static struct ips balancer_ips(struct arena *a, const struct val *service)
{
	const struct val *ingress = val_path(service, "status.loadBalancer.ingress");
	struct ips l = { ARENA_ARRAY(a, struct ip, val_len(ingress) + 1), 0 };

	val_for_each (ingress, it) {
		if (!slice_is(val_get_str(it, "ipMode"), "Proxy")) {
			add_ip(&l, val_get_str(it, "ip"));
		}
	}
	return l;
}

static size_t derive_sources(struct arena *a, const struct val *service, const struct prefix **ret)
{
	const struct val *ranges = val_path(service, "spec.loadBalancerSourceRanges");
	struct slice text = val_str(
		val_get(val_path(service, "metadata.annotations"), SOURCE_RANGES_ANNOTATION));
	struct prefix *at = ARENA_ARRAY(a, struct prefix, val_len(ranges) + text.len / 2 + 1);
	struct slice field;
	size_t n = 0;

	val_for_each (ranges, it) {
		n += (size_t)prefix_parse(slice_trim(val_str(it)), &at[n]);
	}
	while (!val_len(ranges) && text.len && slice_next(&text, ',', &field)) {
		n += (size_t)prefix_parse(slice_trim(field), &at[n]);
	}
	*ret = at;
	return n;
}

/* ---- ports ---- */

static int by_port(const void *a, const void *b)
{
	const struct service_port *x = a, *y = b;

	if (x->port != y->port) {
		return (int)x->port - (int)y->port;
	}
	return x->proto != y->proto ? (int)x->proto - (int)y->proto : slice_cmp(x->name, y->name);
}

static bool is_external_type(struct slice type)
{
	return slice_is(type, "NodePort") || slice_is(type, "LoadBalancer");
}

/* What all ports of a Service have in common. */
static struct service_port port_template(const struct model *m, struct service *s)
{
	const struct val *spec = val_get(s->doc->root, "spec");
	struct slice type = val_get_str(spec, "type");
	struct ips external = ips_of_array(&s->arena, val_get(spec, "externalIPs"), SLICE(""));
	struct service_port p = { .ns = slice_of(s->ns), .service = slice_of(s->name) };
	struct ips balancer = balancer_ips(&s->arena, s->doc->root);

	p.cluster_ips = s->cluster_ips;
	p.n_cluster_ips = s->n_cluster_ips;
	p.external_ips = external.at;
	p.n_external_ips = external.n;
	if (slice_is(type, "LoadBalancer")) {
		p.lb_ips = balancer.at;
		p.n_lb_ips = balancer.n;
		p.health_port = port_number(val_get(spec, "healthCheckNodePort"));
		p.n_lb_sources = derive_sources(&s->arena, s->doc->root, &p.lb_sources);
	}
	if (slice_is(val_get_str(spec, "sessionAffinity"), "ClientIP")) {
		p.affinity_s = (int32_t)val_int(
			val_path(spec, "sessionAffinityConfig.clientIP.timeoutSeconds"), 10800);
	}
	p.internal_local = slice_is(val_get_str(spec, "internalTrafficPolicy"), "Local");
	p.external_local = (is_external_type(type) || external.n) &&
	                   slice_is(val_get_str(spec, "externalTrafficPolicy"), "Local");
	p.version = s->version;
	p.model = m;
	return p;
}

static void derive_ports(const struct model *m, struct service *s)
{
	const struct val *spec = val_get(s->doc->root, "spec"), *ports = val_get(spec, "ports");
	bool external = is_external_type(val_get_str(spec, "type"));
	struct service_port common = port_template(m, s);

	s->ports = ARENA_ARRAY(&s->arena, struct service_port, val_len(ports) + 1);
	val_for_each (ports, it) {
		struct service_port *p = &s->ports[s->n_ports];

		*p = common;
		p->name = val_get_str(it, "name");
		p->proto = proto_parse(val_get_str(it, "protocol"));
		p->port = port_number(val_get(it, "port"));
		p->node_port = external ? port_number(val_get(it, "nodePort")) : 0;
		if (p->proto && p->port) {
			derive_endpoints(s, p);
			s->n_ports++;
		}
	}
	qsort(s->ports, s->n_ports, sizeof(*s->ports), by_port);
}

/* ---- the whole ---- */

static struct slice lower_name(struct arena *a, struct slice name)
{
	char *text;

	if (name.len && name.p[name.len - 1] == '.') {
		name.len--;
	}
	text = arena_alloc(a, name.len + 1);
	for (size_t i = 0; i < name.len; i++) {
		text[i] = (char)tolower((unsigned char)name.p[i]);
	}
	return (struct slice){ text, name.len };
}

void service_derive(struct model *m, struct service *s)
{
	const struct val *spec = s->doc ? val_get(s->doc->root, "spec") : NULL;
	struct slice first = val_get_str(spec, "clusterIP");
	struct ips ips;

	service_forget(m, s);
	if (!s->doc) {
		return;
	}
	if (is_host_port_record(s)) {
		host_ports_derive(m, s);
		return;
	}
	if (slice_is(val_get_str(spec, "type"), "ExternalName")) {
		s->type = SERVICE_EXTERNAL_NAME;
		s->external_name = lower_name(&s->arena, val_get_str(spec, "externalName"));
		return;
	}
	ips = ips_of_array(&s->arena, val_get(spec, "clusterIPs"), first);
	s->type = slice_is(first, "None") ? SERVICE_HEADLESS : SERVICE_CLUSTER;
	s->cluster_ips = ips.at;
	s->n_cluster_ips = s->type == SERVICE_CLUSTER ? ips.n : 0;
	derive_hosts(s);
	derive_ports(m, s);
	for (size_t i = 0; i < s->n_cluster_ips; i++) {
		index_ip(m, s, s->cluster_ips[i]);
	}
	for (size_t i = 0; i < s->n_hosts; i++) {
		index_ip(m, s, s->hosts[i].ip);
	}
}
