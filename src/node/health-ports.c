/* Why: see health-ports.h. What is answered is read from the model at that moment, so nothing here can
 * be stale; only the sockets are kept in step. */
#include "node/health-ports.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/json.h"
#include "http/server.h"

struct health_port {
	struct health_ports *all; /* the owner */
	struct http_server *http;
	uint16_t number;
	char *ns, *service; /* owned; null: the node's own port */
	bool seen;          /* mark of the present look */
};

struct health_ports {
	struct health_ports_config config;
	struct map ports; /* number (two bytes) -> struct health_port, owned */
	bool rules_are_right;
	uint64_t version; /* of MODEL_SERVICES that was followed */
	bool some_failed;
};

static struct slice key_of(const uint16_t *number)
{
	return (struct slice){ (const char *)number, sizeof(*number) };
}

/* ---- answers ---- */

struct counting {
	struct health_ports *all;
	struct ip seen[256];
	size_t n;
};

static bool count_port(void *arg, const struct service_port *p)
{
	struct counting *c = arg;

	for (size_t i = 0; i < p->n_endpoints; i++) {
		const struct endpoint *e = &p->endpoints[i];
		bool known = !e->ready || e->terminating || !slice_eq(e->node, c->all->config.node);

		for (size_t j = 0; j < c->n && !known; j++) {
			known = ip_eq(c->seen[j], e->ip);
		}
		if (!known && c->n < ARRAY_SIZE(c->seen)) {
			c->seen[c->n++] = e->ip;
		}
	}
	return true;
}

static void answer_service(struct health_port *p, struct http_request *r)
{
	scoped_strbuf struct strbuf body = { 0 };
	struct counting c = { .all = p->all };
	bool good;
	char header[64];

	model_each_port_of(p->all->config.model, slice_of(p->ns), slice_of(p->service), count_port,
	                   &c);
	good = c.n > 0 && p->all->rules_are_right;
	strbuf_adds(&body, "{\"service\":{\"namespace\":");
	json_write_str(&body, slice_of(p->ns));
	strbuf_adds(&body, ",\"name\":");
	json_write_str(&body, slice_of(p->service));
	strbuf_addf(&body, "},\"localEndpoints\":%zu,\"serviceProxyHealthy\":%s}\n", c.n,
	            p->all->rules_are_right ? "true" : "false");
	snprintf(header, sizeof(header), "X-Load-Balancing-Endpoint-Weight: %zu\r\n", c.n);
	http_reply(r, good ? 200 : 503, "application/json", header, strbuf_slice(&body));
}

static void answer_node(struct health_port *p, struct http_request *r)
{
	const struct health_ports *all = p->all;
	bool stays = !model_node_is_leaving(all->config.model, all->config.node);
	bool good = all->rules_are_right && (stays || slice_is(r->path, "/livez"));
	char body[128], now[TIME_TEXT_SIZE];

	if (!slice_is(r->path, "/healthz") && !slice_is(r->path, "/livez")) {
		http_reply(r, 404, "text/plain; charset=utf-8", NULL,
		           SLICE("404 page not found\n"));
		return;
	}
	snprintf(body, sizeof(body), "{\"currentTime\":\"%s\",\"nodeEligible\":%s}\n",
	         time_format(clock_wall_us(), now), stays ? "true" : "false");
	http_reply(r, good ? 200 : 503, "application/json", NULL, slice_of(body));
}

static void on_request(void *arg, struct http_request *r)
{
	struct health_port *p = arg;

	if (p->ns) {
		answer_service(p, r);
	} else {
		answer_node(p, r);
	}
}

/* ---- sockets ---- */

static int listen_at(struct ip ip, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(ip, port, &sa);
	scoped_fd int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0) {
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, 64) < 0) {
		return -1;
	}
	return take_fd(&fd);
}

static void port_free(struct health_port *p)
{
	http_server_free(p->http);
	free(p->ns);
	free(p->service);
	free(p);
}

static bool port_open(struct health_port *p)
{
	struct health_ports *all = p->all;
	int fd = listen_at(all->config.ip, p->number);
	struct err err;

	if (fd < 0) {
		log_odd("Health of services is not told port=%u: %s", p->number, strerror(errno));
		return false;
	}
	p->http = http_server_new(all->config.loop,
	                          &(struct http_server_config){ .on_request = on_request,
	                                                        .arg = p,
	                                                        .max_body = 1024,
	                                                        .name = "a health port" });
	if (http_server_listen(p->http, fd, &err) < 0) {
		log_odd("Health of services is not told port=%u: %s", p->number, err.msg);
		return false;
	}
	return true;
}

/* ns empty: the node's own. */
static void need(struct health_ports *h, uint16_t number, struct slice ns, struct slice service)
{
	struct health_port *p = map_find(&h->ports, key_of(&number));

	if (p && (p->ns ? slice_is(ns, p->ns) && slice_is(service, p->service) : !ns.len)) {
		p->seen = true;
		return;
	}
	if (p) {
		(void)map_remove(&h->ports, key_of(&number));
		port_free(p);
	}
	p = NEW(struct health_port);
	*p = (struct health_port){ .all = h, .number = number, .seen = true };
	p->ns = ns.len ? slice_dup(ns) : NULL;
	p->service = ns.len ? slice_dup(service) : NULL;
	if (port_open(p)) {
		(void)map_set(&h->ports, key_of(&number), p);
	} else {
		h->some_failed = true;
		port_free(p);
	}
}

static bool see_service(void *arg, const struct service_port *p)
{
	if (p->health_port) {
		need(arg, p->health_port, p->ns, p->service);
	}
	return true;
}

/* Those of one Service; of all when ns is empty. */
static bool is_of(const struct health_port *p, struct slice ns, struct slice service)
{
	return p->ns && (!ns.len || (slice_is(ns, p->ns) && slice_is(service, p->service)));
}

static void forget_seen(struct health_ports *h, struct slice ns, struct slice service)
{
	for (struct map_iter it = { 0 }; map_next(&h->ports, &it);) {
		struct health_port *p = it.value;

		p->seen = p->seen && !is_of(p, ns, service);
	}
}

static void close_unseen(struct health_ports *h)
{
	for (struct map_iter it = { 0 }; map_next(&h->ports, &it);) {
		struct health_port *p = it.value;

		if (!p->seen) {
			(void)map_remove(&h->ports, it.key);
			port_free(p);
		}
	}
}

static void follow_one(void *arg, struct slice ns, struct slice service)
{
	struct health_ports *h = arg;

	forget_seen(h, ns, service);
	model_each_port_of(h->config.model, ns, service, see_service, h);
	close_unseen(h);
}

static void follow_all(struct health_ports *h)
{
	forget_seen(h, (struct slice){ 0 }, (struct slice){ 0 });
	need(h, HEALTH_PORT_OF_NODE, (struct slice){ 0 }, (struct slice){ 0 });
	model_each_service_port(h->config.model, see_service, h);
	close_unseen(h);
}

void health_ports_follow(struct health_ports *h, bool rules_are_right)
{
	uint64_t version = model_version(h->config.model, MODEL_SERVICES);
	bool all = h->some_failed;

	h->rules_are_right = rules_are_right;
	h->some_failed = false;
	if (all || (version != h->version &&
	            !model_each_changed_service(h->config.model, h->version, follow_one, h))) {
		follow_all(h);
	}
	h->version = version;
}

/* ---- life ---- */

struct health_ports *health_ports_new(const struct health_ports_config *c)
{
	struct health_ports *h = NEW(struct health_ports);

	h->config = *c;
	h->some_failed = true; /* nothing listens yet */
	return h;
}

struct health_ports *health_ports_free(struct health_ports *h)
{
	if (h) {
		for (struct map_iter it = { 0 }; map_next(&h->ports, &it);) {
			port_free(it.value);
		}
		map_fini(&h->ports);
		free(h);
	}
	return NULL;
}
