/* Why: kubectl proxy, dashboards and monitoring reach programs inside by the API server alone; see
 * proxy.h. Which pod and port is decided here; the connection is a tunnel's (tunnel.h). */
#include "api/proxy.h"

#include "api/api-priv.h"
#include "api/fail.h"
#include "api/tunnel.h"
#include "base/chance.h"
#include "base/mem.h"

enum { SEGMENTS_BEFORE = 7 }; /* /api/v1/namespaces/NS/services/NAME/proxy */

/* ---- names and paths ---- */

bool proxy_name_split(struct slice text, struct slice *scheme, struct slice *name,
                      struct slice *port)
{
	struct slice part[3] = { 0 };
	size_t n = 0;

	while (n < 3 && slice_next(&text, ':', &part[n])) {
		n++;
	}
	if (text.p && text.len) {
		return false;
	}
	*scheme = n == 3 ? part[0] : (struct slice){ 0 };
	*name = n == 3 ? part[1] : part[0];
	*port = n == 3 ? part[2] : part[1];
	return name->len &&
	       (!scheme->len || slice_is(*scheme, "http") || slice_is(*scheme, "https"));
}

struct slice proxy_path(struct slice raw_target)
{
	size_t i = 0;
	int slashes = 0;

	for (; i < raw_target.len && raw_target.p[i] != '?'; i++) {
		slashes += raw_target.p[i] == '/';
		if (slashes > SEGMENTS_BEFORE) {
			break;
		}
	}
	raw_target = slice_from(raw_target, i);
	for (i = 0; i < raw_target.len && raw_target.p[i] != '?'; i++) {
	}
	return slice_head(raw_target, i);
}

/* ---- the connection ---- */

struct destination {
	struct slice scheme, ns, pod, node, ip;
	uint16_t port;
};

static int redirect(struct call *c)
{
	struct slice target = c->http->raw_target;
	size_t path = target.len - (c->http->query.len ? c->http->query.len + 1 : 0);
	const char *location =
		arena_printf(c->arena, "Location: " SLICE_FMT "/%s" SLICE_FMT "\r\n",
	                     SLICE_ARG(slice_head(target, path)), c->http->query.len ? "?" : "",
	                     SLICE_ARG(c->http->query));

	return call_answer_text(c, 301, "text/plain; charset=utf-8", location, SLICE(""));
}

static int pass_on(struct call *c, const struct destination *to)
{
	scoped_strbuf struct strbuf dial = { 0 }, path = { 0 };
	struct slice rest = proxy_path(c->http->raw_target);

	if (!rest.len && (slice_is(c->http->method, "GET") || slice_is(c->http->method, "HEAD"))) {
		return redirect(c); /* so that links of the page lead to its neighbours */
	}
	strbuf_adds(&dial, "/dial/");
	http_percent_encode(&dial, to->ns);
	strbuf_addc(&dial, '/');
	http_percent_encode(&dial, to->pod);
	strbuf_addf(&dial, "?port=%u%s", to->port, slice_is(to->scheme, "https") ? "&tls=1" : "");
	strbuf_add_slice(&path, rest.len ? rest : SLICE("/"));
	return tunnel_proxy(
		c, to->node, strbuf_slice(&dial),
		arena_printf(c->arena,
	                     slice_find(to->ip, ':') >= 0 ? "[" SLICE_FMT "]:%u" : SLICE_FMT ":%u",
	                     SLICE_ARG(to->ip), to->port),
		strbuf_slice(&path));
}

static int split(struct call *c, struct slice *scheme, struct slice *name, struct slice *port)
{
	if (!proxy_name_split(c->route.name, scheme, name, port)) {
		return fail_code(c, ERR_SYNTAX, "invalid %s request \"" SLICE_FMT "\"",
		                 c->kind->singular, SLICE_ARG(c->route.name));
	}
	return 0;
}

static const struct doc *find(struct call *c, const struct kind *k, struct slice name)
{
	return store_get(c->api->store, (struct key){ k, c->route.ns, name });
}

/* ---- pods ---- */

/* A number, a container's port by name, or, without any, the first port of all. */
static uint16_t pod_port(const struct val *pod, struct slice port)
{
	uint64_t number;

	if (port.len && slice_to_u64(port, &number)) {
		return number <= UINT16_MAX ? (uint16_t)number : 0;
	}
	val_for_each (val_path(pod, "spec.containers"), c) {
		val_for_each (val_get(c, "ports"), p) {
			if (!port.len || slice_eq(val_get_str(p, "name"), port)) {
				return (uint16_t)val_int(val_get(p, "containerPort"), 0);
			}
		}
	}
	return port.len ? 0 : 80;
}

int proxy_pod(struct call *c)
{
	struct destination to = { .ns = c->route.ns };
	struct slice port;
	const struct doc *d;
	int r = split(c, &to.scheme, &to.pod, &port);

	if (r < 0) {
		return r;
	}
	d = find(c, c->kind, to.pod);
	if (!d) {
		return fail_not_found(c, c->kind, to.pod);
	}
	to.port = pod_port(d->root, port);
	if (!to.port) {
		return fail_code(c, ERR_SYNTAX,
		                 "pod \"" SLICE_FMT "\" has no port \"" SLICE_FMT "\"",
		                 SLICE_ARG(to.pod), SLICE_ARG(port));
	}
	to.node = val_str(val_path(d->root, "spec.nodeName"));
	to.ip = val_str(val_path(d->root, "status.podIP"));
	if (!to.ip.len) {
		return fail_code(c, ERR_UNAVAILABLE, "pod \"" SLICE_FMT "\" has no address yet",
		                 SLICE_ARG(to.pod));
	}
	return pass_on(c, &to);
}

/* ---- services ---- */

/* The Service's port of that name or number; without any its only one. Null: none. */
static const struct val *service_port(const struct val *service, struct slice port)
{
	const struct val *ports = val_path(service, "spec.ports");
	uint64_t number = 0;

	(void)slice_to_u64(port, &number);
	if (!port.len) {
		return val_len(ports) == 1 ? val_at(ports, 0) : NULL;
	}
	val_for_each (ports, it) {
		if (slice_eq(val_get_str(it, "name"), port) ||
		    (number && (uint64_t)val_int(val_get(it, "port"), 0) == number)) {
			return it;
		}
	}
	return NULL;
}

struct picking {
	struct slice service, port_name;
	struct destination *to;
	uint32_t seen; /* ready ones */
};

static uint16_t slice_port(const struct picking *p, const struct val *slice)
{
	val_for_each (val_get(slice, "ports"), it) {
		struct slice protocol = val_get_str(it, "protocol");

		if (slice_eq(val_get_str(it, "name"), p->port_name) &&
		    (!protocol.len || slice_is(protocol, "TCP"))) {
			return (uint16_t)val_int(val_get(it, "port"), 0);
		}
	}
	return 0;
}

/* One of all, each as likely as another. */
static bool pick(void *arg, const struct doc *d)
{
	struct picking *p = arg;
	uint16_t port = slice_port(p, d->root);
	struct slice of = val_str(
		val_get(val_path(d->root, "metadata.labels"), "kubernetes.io/service-name"));

	val_for_each (port &&slice_eq(of, p->service) ? val_get(d->root, "endpoints") : NULL, e) {
		const struct val *ref = val_get(e, "targetRef");

		if (val_bool(val_path(e, "conditions.ready"), true) &&
		    slice_is(val_get_str(ref, "kind"), "Pod") && chance_u32() % ++p->seen == 0) {
			p->to->ip = val_str(val_at(val_get(e, "addresses"), 0));
			p->to->node = val_get_str(e, "nodeName");
			p->to->pod = val_get_str(ref, "name");
			p->to->port = port;
		}
	}
	return true;
}

int proxy_service(struct call *c)
{
	struct destination to = { .ns = c->route.ns };
	struct picking p = { .to = &to };
	const struct val *found;
	struct slice port;
	const struct doc *d;
	int r = split(c, &to.scheme, &p.service, &port);

	if (r < 0) {
		return r;
	}
	d = find(c, c->kind, p.service);
	if (!d) {
		return fail_not_found(c, c->kind, p.service);
	}
	found = service_port(d->root, port);
	if (!found) {
		return fail_code(c, ERR_UNAVAILABLE,
		                 "no service port \"" SLICE_FMT "\" found for service \"" SLICE_FMT
		                 "\"",
		                 SLICE_ARG(port), SLICE_ARG(p.service));
	}
	p.port_name = val_get_str(found, "name");
	store_each(c->api->store, c->api->kinds.endpoint_slice, c->route.ns, pick, &p);
	if (!p.seen) {
		return fail_code(c, ERR_UNAVAILABLE,
		                 "no endpoints available for service \"" SLICE_FMT "\"",
		                 SLICE_ARG(c->route.name));
	}
	return pass_on(c, &to);
}
