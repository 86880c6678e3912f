/* Why: a container's hostPort is a service of one endpoint: the node's address and that port lead to
 * the pod. Such a pod therefore has a record among the services, "pod/NAME", which no Service can be
 * called, and whoever balances services balances these. Source: networking.md 1.9 */
#include "model/service-priv.h"

static bool is_sidecar(const struct val *container)
{
	return slice_is(val_get_str(container, "restartPolicy"), "Always");
}

/* Each {hostPort, ...} entry of containers that serve. */
static void each_host_port(const struct val *pod, void (*fn)(void *arg, const struct val *port),
                           void *arg)
{
	static const char *const lists[] = { "spec.containers", "spec.initContainers" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		val_for_each (val_path(pod, lists[i]), c) {
			val_for_each (i == 0 || is_sidecar(c) ? val_get(c, "ports") : NULL, p) {
				if (val_int(val_get(p, "hostPort"), 0) > 0) {
					fn(arg, p);
				}
			}
		}
	}
}

static void count(void *arg, const struct val *port)
{
	(void)port;
	++*(size_t *)arg;
}

static struct slice record_name(struct strbuf *buf, const struct val *pod)
{
	strbuf_addf(buf, "pod/" SLICE_FMT, SLICE_ARG(val_str(val_path(pod, "metadata.name"))));
	return strbuf_slice(buf);
}

void host_ports_put(struct model *m, const struct pod *p)
{
	scoped_strbuf struct strbuf buf = { 0 };
	struct slice name = record_name(&buf, p->doc->root);
	size_t n = 0;

	if (p->is_peer && p->n_addresses && p->node.len) {
		each_host_port(p->doc->root, count, &n);
	}
	if (n) {
		service_hold(m, slice_of(p->space->name), name, p->doc, false);
	} else {
		service_let_go(m, slice_of(p->space->name), name);
	}
}

void host_ports_remove(struct model *m, const struct pod *p)
{
	scoped_strbuf struct strbuf buf = { 0 };

	service_let_go(m, slice_of(p->space->name), record_name(&buf, p->doc->root));
}

/* ---- derived ---- */

bool is_host_port_record(const struct service *s)
{
	return s->doc && slice_is(val_get_str(s->doc->root, "kind"), "Pod");
}

struct deriving {
	struct model *m;
	struct service *s;
};

static void endpoints_of(struct service *s, struct service_port *p, uint16_t port)
{
	const struct val *pod = s->doc->root, *ips = val_path(pod, "status.podIPs");
	struct endpoint *at = ARENA_ARRAY(&s->arena, struct endpoint, val_len(ips) + 1);
	struct endpoint e = { .port = port, .ready = true, .serving = true };

	e.node = val_str(val_path(pod, "spec.nodeName"));
	e.pod_ns = slice_of(s->ns);
	e.pod_name = val_str(val_path(pod, "metadata.name"));
	if (!val_len(ips) && ip_parse(val_str(val_path(pod, "status.podIP")), &e.ip)) {
		at[p->n_endpoints++] = e;
	}
	val_for_each (ips, it) {
		if (ip_parse(val_get_str(it, "ip"), &e.ip)) {
			at[p->n_endpoints++] = e;
		}
	}
	p->endpoints = at;
}

/* Clients keep their addresses, and only the pod's own node has the port. */
static void derive_one(void *arg, const struct val *v)
{
	struct deriving *d = arg;
	struct service *s = d->s;
	struct slice host_ip = val_get_str(v, "hostIP");
	struct service_port p = { .ns = slice_of(s->ns),
		                  .service = slice_of(s->name),
		                  .name = val_get_str(v, "name"),
		                  .proto = proto_parse(val_get_str(v, "protocol")),
		                  .external_local = true,
		                  .only_node = val_str(val_path(s->doc->root, "spec.nodeName")),
		                  .version = s->version,
		                  .model = d->m };
	struct ip ip;

	p.port = port_number(val_get(v, "hostPort"));
	if (!p.proto || !p.port) {
		return;
	}
	endpoints_of(s, &p, port_number(val_get(v, "containerPort")));
	if (!ip_parse(host_ip, &ip) || slice_is(host_ip, "0.0.0.0") || slice_is(host_ip, "::")) {
		p.node_port = p.port;
	} else {
		p.external_ips = arena_dup(&s->arena, &ip, sizeof(ip));
		p.n_external_ips = 1;
	}
	s->ports[s->n_ports++] = p;
}

void host_ports_derive(struct model *m, struct service *s)
{
	struct deriving d = { m, s };
	size_t n = 0;

	each_host_port(s->doc->root, count, &n);
	s->ports = ARENA_ARRAY(&s->arena, struct service_port, n + 1);
	s->type = SERVICE_HOST_PORTS;
	each_host_port(s->doc->root, derive_one, &d);
}
