/* Why: the role that keeps listeners, status and finalizers in step with the Services; see lb.h.
 *
 * One reconcile looks at all Services: plan (lb-plan.c), open and close ports, then for each
 * Service at most one write towards what its object should say. Whatever changes asks for another
 * look.
 *
 *   finalizer on --> ports open --> status set        wanted
 *   ports closed --> status clear --> finalizer off   deleted, or no longer ours */
#include "edge/lb.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "client/client.h"
#include "edge/lb-plan.h"
#include "edge/listener.h"
#include "edge/udp.h"
#include "model/model.h"

enum {
	NODES_MAX = 64,
	NODE_HEALTH_PORT = 10256,
	HOST_PORTS_MAX = 1024 /* with so many open, no node ports are opened on the host */
};
static const int64_t drain_us = 300 * US_PER_S, stop_us = 4 * US_PER_S,
		     stop_look_us = 50 * US_PER_MS, again_us = 500 * US_PER_MS,
		     port_again_us = 2 * US_PER_S, node_port_again_us = 30 * US_PER_S;

struct lb_options {
	const char *kubeconfig;
	struct ip_ranges edge;
	struct ip nodes[NODES_MAX];
	size_t n_nodes;
	uid_t uid; /* 0: stay */
};

/* A port of the edge that is open for a Service. */
struct open_port {
	struct lb_front front;
	char *uid; /* of the Service */
	int fd;
	struct listener *listener; /* TCP, SCTP */
	struct udp_port *udp;
	bool wanted; /* mark of the present reconcile */
};

/* What we remember of a Service between looks. */
struct memory {
	char *said;   /* last complaint, so that it is made once */
	bool writing; /* a write is under way */
};

struct lb {
	struct lb_options options;
	const struct lb_provider *provider;
	struct loop *loop;
	struct client *client;
	struct replica *services, *slices;
	struct model *model; /* of both: who answers for a Service that is sent to pods */
	struct recorder *recorder;
	struct relay_pool *pool;
	VEC(struct open_port) ports;
	size_t n_draining;
	struct arena arena;  /* texts of the present reconcile */
	struct map memories; /* uid -> struct memory */
	struct loop_defer look;
	struct loop_timer again;
	int64_t again_at_us;
	struct loop_timer stop;
	int64_t stop_at_us; /* 0: not stopping */
};

static void reconcile(struct lb *lb);

/* ---- asking for another look ---- */

static void on_look(struct loop_defer *d)
{
	reconcile(container_of(d, struct lb, look));
}

static void on_again(struct loop_timer *t)
{
	reconcile(container_of(t, struct lb, again));
}

static void look_later(struct lb *lb, int64_t us)
{
	int64_t at_us = loop_now_us(lb->loop) + us;

	if (!loop_timer_is_armed(&lb->again) || at_us < lb->again_at_us) {
		lb->again_at_us = at_us;
		loop_timer_start(lb->loop, &lb->again, us, on_again);
	}
}

static void on_changed(void *arg, const struct doc *old, const struct doc *now)
{
	struct lb *lb = arg;

	if (now) {
		model_put(lb->model, now);
	} else if (old) {
		model_remove(lb->model, old);
	}
	loop_defer(lb->loop, &lb->look, on_look);
}

static void on_synced(void *arg)
{
	on_changed(arg, NULL, NULL);
}

/* ---- memories ---- */

static struct memory *memory_of(struct lb *lb, struct slice uid)
{
	struct memory *m = map_find(&lb->memories, uid);

	if (!m) {
		m = NEW(struct memory);
		map_set(&lb->memories, uid, m);
	}
	return m;
}

static void forget(struct lb *lb, struct slice uid)
{
	struct memory *m = map_find(&lb->memories, uid);

	if (m && !m->writing) {
		map_remove(&lb->memories, uid);
		free(m->said);
		free(m);
	}
}

/* One event for a complaint, not one for each look; null: all is well again. */
static void complain(struct lb *lb, const struct lb_service *s, const char *reason,
                     const char *text)
{
	struct memory *m = memory_of(lb, s->uid);

	if (m->said && text && strcmp(m->said, text) == 0) {
		return;
	}
	free(m->said);
	m->said = mem_strdup(text);
	if (text) {
		log_odd("Service " SLICE_FMT "/" SLICE_FMT ": %s", SLICE_ARG(s->ns),
		        SLICE_ARG(s->name), text);
		recorder_event(lb->recorder, s->object->root, "Warning", reason, "%s", text);
	}
}

/* ---- ports ---- */

static struct open_port *port_find(struct lb *lb, const struct lb_front *f)
{
	for (size_t i = 0; i < lb->ports.n; i++) {
		const struct lb_front *at = &lb->ports.at[i].front;

		if (at->port == f->port && at->protocol == f->protocol && ip_eq(at->ip, f->ip)) {
			return &lb->ports.at[i];
		}
	}
	return NULL;
}

static void on_drained(void *arg)
{
	struct lb *lb = arg;

	lb->n_draining--;
}

static void port_retire(struct lb *lb, struct open_port *p)
{
	if (p->listener) {
		lb->n_draining++;
		listener_stop(p->listener, drain_us, on_drained, lb);
		p->listener = NULL;
	}
	p->udp = udp_port_free(p->udp);
}

static void port_close(struct lb *lb, size_t i)
{
	struct open_port *p = &lb->ports.at[i];

	log_info("Port of the edge is closed port=%u", p->front.port);
	port_retire(lb, p);
	close(p->fd);
	lb->provider->close(lb->provider->arg, &p->front);
	free(p->uid);
	vec_remove(&lb->ports, i);
}

static int port_open(struct lb *lb, const struct lb_front *f, struct open_port **ret_p,
                     struct err *err)
{
	struct open_port p = { .front = *f, .fd = -1 };
	int r = lb->provider->listen(lb->provider->arg, f, &p.fd, err);

	if (r < 0) {
		return r;
	}
	log_info("Port of the edge is open port=%u", f->port);
	vec_push(&lb->ports, p);
	*ret_p = &lb->ports.at[lb->ports.n - 1];
	return 0;
}

/* ---- where to send ---- */

struct aim {
	const struct lb_port *port;
	VEC(struct target_address) at;
};

static enum proto proto_of(int protocol)
{
	return protocol == IPPROTO_UDP    ? PROTO_UDP
	       : protocol == IPPROTO_SCTP ? PROTO_SCTP
	                                  : PROTO_TCP;
}

static bool add_endpoints(void *arg, const struct service_port *p)
{
	struct aim *aim = arg;
	struct service_port all = *p;
	const struct endpoint **use;
	size_t n;

	if (p->port != aim->port->port || p->proto != proto_of(aim->port->protocol)) {
		return true;
	}
	use = mem_alloc((p->n_endpoints + 1) * sizeof(*use));
	all.external_local = false; /* the balancer is on no node */
	n = service_usable(&all, true, (struct slice){ 0 }, use, p->n_endpoints);
	for (size_t i = 0; i < n; i++) {
		vec_push(&aim->at, ((struct target_address){ use[i]->ip, use[i]->port }));
	}
	free(use);
	return true;
}

static void take_aim(struct lb *lb, const struct lb_service *s, struct aim *aim)
{
	if (aim->port->to_pods) {
		model_each_port_of(lb->model, s->ns, s->name, add_endpoints, aim);
		return;
	}
	for (size_t i = 0; i < lb->options.n_nodes; i++) {
		vec_push(&aim->at,
		         ((struct target_address){ lb->options.nodes[i], aim->port->node_port }));
	}
}

/* Node ports on the host are not looked after: they lead where the node's rules say. UDP cannot be
 * checked by connecting: nodes are asked whether their rules are in place, pods are ready or not. */
static struct targets_spec targets_of(const struct lb_service *s, const struct aim *aim)
{
	struct targets_spec t = {
		.at = aim->at.at,
		.n = aim->at.n,
		.protocol = aim->port->protocol,
		.health = s->health,
		.proxy_protocol = aim->port->proxy_protocol,
		.check_port = s->check_port,
		.check_path = s->check_path,
	};

	if (aim->port->to_pods && s->check_port && !s->own_check) {
		t.check_port = 0; /* it is the nodes' */
		t.check_path = NULL;
	}
	if (aim->port->protocol == IPPROTO_UDP && !t.check_path && !aim->port->to_pods) {
		t.check_port = NODE_HEALTH_PORT;
		t.check_path = "/healthz";
	}
	t.unchecked = !s->balancer || (aim->port->protocol == IPPROTO_UDP && !t.check_path);
	return t;
}

static int serve_stream(struct lb *lb, struct open_port *p, const struct lb_service *s,
                        const struct aim *aim, struct err *err)
{
	const struct listener_spec spec = {
		.ip = p->front.ip,
		.port = p->front.port,
		.protocol = p->front.protocol,
		.fd = p->fd,
		.proxy_protocol = aim->port->proxy_protocol,
		.sticky = s->sticky,
		.idle_us = aim->port->idle_us,
		.sources = s->sources,
		.n_sources = s->n_sources,
		.targets = targets_of(s, aim),
	};

	if (p->listener) {
		listener_change(p->listener, &spec);
		return 0;
	}
	return listener_start(lb->pool, lb->loop, &spec, &p->listener, err);
}

static int serve_datagrams(struct lb *lb, struct open_port *p, const struct lb_service *s,
                           const struct aim *aim, struct err *err)
{
	const struct udp_spec spec = {
		.fd = p->fd,
		.sticky = s->sticky,
		.idle_us = aim->port->idle_us,
		.sources = s->sources,
		.n_sources = s->n_sources,
		.targets = targets_of(s, aim),
	};

	if (p->udp) {
		udp_port_change(p->udp, &spec);
		return 0;
	}
	return udp_port_start(lb->loop, &spec, &p->udp, err);
}

/* One port of a Service listens as planned when this returns 0. */
static int serve_port(struct lb *lb, const struct lb_service *s, const struct lb_port *want,
                      struct err *err)
{
	const struct lb_front front = { s->ip, want->protocol, want->port };
	struct open_port *p = port_find(lb, &front);
	struct aim aim = { .port = want };
	int r = p ? 0 : port_open(lb, &front, &p, err);

	if (r < 0) {
		return r;
	}
	p->wanted = true;
	if (p->uid && !slice_is(s->uid, p->uid)) {
		port_retire(lb, p); /* another Service has the port now */
		free(take(p->uid));
	}
	if (!p->uid) {
		p->uid = slice_dup(s->uid);
	}
	take_aim(lb, s, &aim);
	r = want->protocol == IPPROTO_UDP ? serve_datagrams(lb, p, s, &aim, err)
	                                  : serve_stream(lb, p, s, &aim, err);
	vec_fini(&aim.at);
	return r;
}

/* ---- what the object says ---- */

static bool has_finalizer(const struct val *service)
{
	val_for_each (val_path(service, "metadata.finalizers"), it) {
		if (slice_is(val_str(it), LB_FINALIZER)) {
			return true;
		}
	}
	return false;
}

static const char *protocol_name(int protocol)
{
	return protocol == IPPROTO_UDP ? "UDP" : protocol == IPPROTO_SCTP ? "SCTP" : "TCP";
}

/* All of them, when one has an error. Source: KEP-1435 */
static void add_ports(struct arena *a, struct val *entry, const struct lb_service *s)
{
	struct val *list = val_new_array(a);
	bool any = false;

	for (size_t i = 0; i < s->n_ports; i++) {
		const struct lb_port *p = &s->ports[i];
		struct val *v = val_append(list, val_new_object(a));

		val_set_int(a, v, "port", p->port);
		val_set_cstr(a, v, "protocol", protocol_name(p->protocol));
		if (p->error) {
			val_set_cstr(a, v, "error", p->error);
		}
		any = any || p->error;
	}
	if (any) {
		val_set(a, entry, "ports", list);
	}
}

/* VIP: nodes may take what pods send to the address to the endpoints at once. Not where that would
 * leave out the PROXY header, nor on loopback, where a pod means itself. Source: networking.md 1.5 */
static bool may_cut_short(const struct lb_service *s)
{
	return !s->proxies && !(s->ip.family == IP_V4 && s->ip.bytes[0] == 127);
}

static struct val *status_wanted(struct arena *a, const struct lb_service *s)
{
	struct val *list = val_new_array(a), *entry = val_append(list, val_new_object(a));
	char text[IP_TEXT_SIZE];

	if (s->hostname) {
		val_set_cstr(a, entry, "hostname", lb_hostname(a, s));
	} else {
		val_set_cstr(a, entry, "ip", ip_format(s->ip, text));
		val_set_cstr(a, entry, "ipMode", may_cut_short(s) ? "VIP" : "Proxy");
	}
	add_ports(a, entry, s);
	return list;
}

/* What its object should say: null and null when nothing is served and nothing wrong. */
struct said {
	const struct val *ingress;
	const char *error; /* of a condition */
};

#define CONDITION "LoadBalancerPortsError"

static const struct val *condition_of(const struct val *service)
{
	val_for_each (val_path(service, "status.conditions"), it) {
		if (slice_is(val_get_str(it, "type"), CONDITION)) {
			return it;
		}
	}
	return NULL;
}

static bool condition_is(const struct val *service, const char *error)
{
	const struct val *have = condition_of(service);

	return error ? slice_is(val_get_str(have, "message"), error) : !have;
}

static bool status_is(const struct val *service, const struct said *want)
{
	const struct val *have = val_path(service, "status.loadBalancer.ingress");

	return condition_is(service, want->error) &&
	       (want->ingress ? val_eq(have, want->ingress) : val_len(have) == 0);
}

struct writing {
	struct lb *lb;
	struct memory *memory;
};

static void on_written(void *arg, const struct client_answer *a)
{
	struct writing *w = arg;
	struct lb *lb = w->lb;

	w->memory->writing = false;
	free(w);
	if (a->status >= 200 && a->status < 300 && a->body) {
		replica_put(lb->services, a->body);
		loop_defer(lb->loop, &lb->look, on_look);
		return;
	}
	if (a->status != 404 && a->status != 409) {
		log_odd("Service cannot be written: %s", a->why ? a->why->msg : "no answer");
	}
	look_later(lb, again_us);
}

static void patch(struct lb *lb, const struct lb_service *s, const char *subresource,
                  const struct val *body)
{
	scoped_strbuf struct strbuf path = { 0 };
	struct writing *w = NEW(struct writing);

	*w = (struct writing){ lb, memory_of(lb, s->uid) };
	w->memory->writing = true;
	client_path(&path, "v1", "services", s->ns, s->name, subresource);
	(void)client_request(lb->client, "PATCH", strbuf_str(&path), "application/merge-patch+json",
	                     body, on_written, w);
}

static void write_finalizer(struct lb *lb, const struct lb_service *s, bool on)
{
	scoped_arena struct arena a = { 0 };
	struct val *body = val_new_object(&a), *meta = val_need_object(&a, body, "metadata");
	struct val *list = val_need_array(&a, meta, "finalizers");

	val_for_each (val_path(s->object->root, "metadata.finalizers"), it) {
		if (!slice_is(val_str(it), LB_FINALIZER)) {
			val_append(list, val_copy(&a, it))->key = (struct slice){ 0 };
		}
	}
	if (on) {
		val_append(list, val_new_cstr(&a, LB_FINALIZER));
	}
	val_set_str(&a, meta, "resourceVersion",
	            val_str(val_path(s->object->root, "metadata.resourceVersion")));
	patch(lb, s, NULL, body);
}

static void add_conditions(struct arena *a, struct val *status, const struct val *service,
                           const char *error)
{
	struct val *list = val_need_array(a, status, "conditions"), *v;
	char now[TIME_TEXT_SIZE];

	val_for_each (val_path(service, "status.conditions"), it) {
		if (it != condition_of(service)) {
			val_append(list, val_copy(a, it))->key = (struct slice){ 0 };
		}
	}
	if (error) {
		v = val_append(list, val_new_object(a));
		val_set_cstr(a, v, "type", CONDITION);
		val_set_cstr(a, v, "status", "True");
		val_set_cstr(a, v, "reason", "PortNotServed");
		val_set_cstr(a, v, "message", error);
		val_set_cstr(a, v, "lastTransitionTime", time_format(clock_wall_us(), now));
	}
}

static void write_status(struct lb *lb, const struct lb_service *s, const struct said *want)
{
	scoped_arena struct arena a = { 0 };
	struct val *body = val_new_object(&a), *status = val_need_object(&a, body, "status");
	struct val *balancer = val_need_object(&a, status, "loadBalancer");

	val_set(&a, balancer, "ingress",
	        want->ingress ? val_copy(&a, want->ingress) : val_new_null(&a));
	if (!condition_is(s->object->root, want->error)) {
		add_conditions(&a, status, s->object->root, want->error);
	}
	patch(lb, s, "status", body);
}

/* ---- one Service ---- */

static bool is_writing(struct lb *lb, struct slice uid)
{
	const struct memory *m = map_find(&lb->memories, uid);

	return m && m->writing;
}

/* Opens what can be; what cannot is an error at the port. True: something is served. *ret_why: the
 * first error, or null. */
static bool open_ports(struct lb *lb, struct lb_service *s, const char **ret_why)
{
	struct err err;
	const char *why = s->problem;
	size_t served = 0;

	for (size_t i = 0; i < s->n_ports; i++) {
		struct lb_port *p = &s->ports[i];

		if (!p->error && serve_port(lb, s, p, &err) < 0) {
			p->error = err.code == ERR_EXISTS ? LB_ERROR_TAKEN : LB_ERROR_PROTOCOL;
			p->why = arena_strdup(&lb->arena, err.msg);
			look_later(lb, port_again_us);
		}
		served += !p->error;
		why = p->why && !why ? p->why : why;
	}
	if (why) {
		complain(lb, s, "SyncLoadBalancerFailed", why);
	} else if (served) {
		complain(lb, s, "LoadBalancerHint", s->hint);
	}
	*ret_why = why;
	return served > 0;
}

/* Its node ports on the host. Nobody asked for them: who has them already may keep them. */
static void open_node_ports(struct lb *lb, const struct lb_service *s)
{
	struct err err;

	for (size_t i = 0; i < s->n_ports; i++) {
		const struct lb_front front = { s->ip, s->ports[i].protocol, s->ports[i].port };

		if (lb->ports.n >= HOST_PORTS_MAX && !port_find(lb, &front)) {
			continue;
		}
		if (serve_port(lb, s, &s->ports[i], &err) < 0) {
			look_later(lb, node_port_again_us);
			log_odd("Node port is not on the host service=" SLICE_FMT "/" SLICE_FMT
			        ": %s",
			        SLICE_ARG(s->ns), SLICE_ARG(s->name), err.msg);
		}
	}
}

static void serve_service(struct lb *lb, struct lb_service *s)
{
	scoped_arena struct arena a = { 0 };
	const struct val *object = s->object->root;
	struct said want = { 0 };
	bool served;

	if (!has_finalizer(object)) {
		if (!is_writing(lb, s->uid)) {
			recorder_event(lb->recorder, object, "Normal", "EnsuringLoadBalancer",
			               "Ensuring load balancer");
			write_finalizer(lb, s, true);
		}
		return;
	}
	served = open_ports(lb, s, &want.error);
	want.ingress = served ? status_wanted(&a, s) : NULL;
	if (!status_is(object, &want) && !is_writing(lb, s->uid)) {
		write_status(lb, s, &want);
		if (want.ingress) {
			recorder_event(lb->recorder, object, "Normal", "EnsuredLoadBalancer",
			               "Ensured load balancer");
		}
	}
}

/* Deleted, or of another type now: its ports are closed by the time this is called. */
static void release_service(struct lb *lb, const struct lb_service *s)
{
	static const struct said nothing = { 0 };
	const struct val *object = s->object->root;

	if (is_writing(lb, s->uid)) {
		return;
	}
	if (!has_finalizer(object)) {
		forget(lb, s->uid);
	} else if (val_is_null(val_path(object, "metadata.deletionTimestamp")) &&
	           !status_is(object, &nothing)) {
		write_status(lb, s, &nothing);
	} else {
		recorder_event(lb->recorder, object, "Normal", "DeletedLoadBalancer",
		               "Deleted load balancer");
		write_finalizer(lb, s, false);
	}
}

/* ---- all of them ---- */

struct gather {
	const struct doc **at;
	size_t n;
};

static bool gather_one(void *arg, const struct doc *d)
{
	struct gather *g = arg;

	g->at[g->n++] = d;
	return true;
}

static void release_others(struct lb *lb, const struct gather *g)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct val *meta = val_get(g->at[i]->root, "metadata");

		if (lb_service_is_ours(g->at[i]->root) &&
		    val_is_null(val_get(meta, "deletionTimestamp"))) {
			continue;
		}
		release_service(lb, &(struct lb_service){ .object = g->at[i],
		                                          .ns = val_get_str(meta, "namespace"),
		                                          .name = val_get_str(meta, "name"),
		                                          .uid = val_get_str(meta, "uid") });
	}
}

static void reconcile(struct lb *lb)
{
	scoped_arena struct arena a = { 0 };
	struct gather g = { 0 };
	struct lb_plan plan;

	if (!replica_is_synced(lb->services) || !replica_is_synced(lb->slices) || lb->stop_at_us) {
		return;
	}
	arena_reset(&lb->arena);
	g.at = ARENA_ARRAY(&a, const struct doc *, replica_count(lb->services) + 1);
	replica_each(lb->services, gather_one, &g);
	plan = lb_plan_make(&a, &lb->options.edge, g.at, g.n);
	for (size_t i = 0; i < lb->ports.n; i++) {
		lb->ports.at[i].wanted = false;
	}
	for (size_t i = 0; i < plan.n; i++) {
		if (!plan.services[i].balancer) {
			open_node_ports(lb, &plan.services[i]);
		} else if (plan.services[i].wanted) {
			serve_service(lb, &plan.services[i]);
		}
	}
	for (size_t i = lb->ports.n; i-- > 0;) {
		if (!lb->ports.at[i].wanted) {
			port_close(lb, i);
		}
	}
	release_others(lb, &g);
}

/* ---- the end ---- */

static void on_stop_look(struct loop_timer *t)
{
	struct lb *lb = container_of(t, struct lb, stop);
	size_t busy = 0;

	for (size_t i = 0; i < lb->ports.n; i++) {
		busy += lb->ports.at[i].listener ? listener_busy(lb->ports.at[i].listener) : 0;
	}
	if (busy == 0 || loop_now_us(lb->loop) >= lb->stop_at_us) {
		loop_stop(lb->loop);
		return;
	}
	loop_timer_start(lb->loop, t, stop_look_us, on_stop_look);
}

static void on_signal(void *arg, int signum)
{
	struct lb *lb = arg;

	(void)signum;
	if (lb->stop_at_us) {
		return;
	}
	log_info("Stopping");
	lb->stop_at_us = loop_now_us(lb->loop) + stop_us;
	/* The listening sockets stay with the supervisor: who comes now waits for our successor. */
	for (size_t i = 0; i < lb->ports.n; i++) {
		struct open_port *p = &lb->ports.at[i];

		p->udp = udp_port_free(p->udp);
		if (p->listener) {
			listener_pause(p->listener);
		}
	}
	on_stop_look(&lb->stop);
}

static void fini(struct lb *lb)
{
	loop_timer_stop(&lb->again);
	loop_timer_stop(&lb->stop);
	loop_defer_cancel(&lb->look);
	for (size_t i = 0; i < lb->ports.n; i++) {
		listener_free(lb->ports.at[i].listener);
		udp_port_free(lb->ports.at[i].udp);
		close(lb->ports.at[i].fd);
		free(lb->ports.at[i].uid);
	}
	vec_fini(&lb->ports);
	replica_free(lb->services);
	replica_free(lb->slices);
	model_free(lb->model);
	arena_fini(&lb->arena);
	recorder_free(lb->recorder);
	client_free(lb->client);
	for (struct map_iter it = { 0 }; map_next(&lb->memories, &it);) {
		free(((struct memory *)it.value)->said);
		free(it.value);
	}
	map_fini(&lb->memories);
}

/* ---- the start ---- */

static int parse_option(struct lb_options *o, const char *name, const char *value, struct err *err)
{
	uint64_t uid;

	if (strcmp(name, "--kubeconfig") == 0) {
		o->kubeconfig = value;
	} else if (strcmp(name, "--edge-address") == 0) {
		return ip_ranges_parse(slice_of(value), &o->edge)
		               ? 0
		               : err_raise(err, ERR_USAGE,
		                           "--edge-address %s: no address, range or prefix", value);
	} else if (strcmp(name, "--node-ip") == 0) {
		if (o->n_nodes == NODES_MAX || !ip_parse(slice_of(value), &o->nodes[o->n_nodes])) {
			return err_raise(err, ERR_USAGE,
			                 "--node-ip %s is no address, or one too many", value);
		}
		o->n_nodes++;
	} else if (strcmp(name, "--uid") == 0) {
		if (!slice_to_u64(slice_of(value), &uid) || uid > UINT32_MAX - 1) {
			return err_raise(err, ERR_USAGE, "--uid %s is no user id", value);
		}
		o->uid = (uid_t)uid;
	} else if (strcmp(name, "--name") != 0 && strcmp(name, "--home") != 0) {
		return err_raise(err, ERR_USAGE, "unknown option %s", name);
	}
	return 0;
}

static int parse_options(int argc, char **argv, struct lb_options *o, struct err *err)
{
	for (int i = 1; i < argc; i += 2) {
		int r = i + 1 < argc ? parse_option(o, argv[i], argv[i + 1], err)
		                     : err_raise(err, ERR_USAGE, "%s needs a value", argv[i]);

		if (r < 0) {
			return r;
		}
	}
	if (!o->edge.n || !o->n_nodes || !o->kubeconfig) {
		return err_raise(err, ERR_USAGE,
		                 "--kubeconfig, --edge-address and --node-ip are needed");
	}
	return 0;
}

static int drop_rights(uid_t uid, struct err *err)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files); /* two descriptors a connection */
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		return err_sys(err, "renounce new rights");
	}
	if (uid && geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
	     setresuid(uid, uid, uid) < 0)) {
		return err_sys(err, "become user %u", uid);
	}
	return 0;
}

static int start(struct lb *lb, struct err *err)
{
	int r = client_new(lb->loop, lb->options.kubeconfig, "kennel-lb", &lb->client, err);

	if (r == 0) {
		r = drop_rights(lb->options.uid, err); /* the kubeconfig was root's to read */
	}
	if (r == 0) {
		r = loop_on_signal(lb->loop, SIGTERM, on_signal, lb, err);
	}
	if (r == 0) {
		r = loop_on_signal(lb->loop, SIGINT, on_signal, lb, err);
	}
	if (r < 0) {
		return r;
	}
	lb->recorder = recorder_new(lb->client, "service-controller", NULL);
	lb->model = model_new();
	lb->slices = replica_new(lb->client,
	                         &(struct replica_spec){ .api_version = "discovery.k8s.io/v1",
	                                                 .plural = "endpointslices",
	                                                 .changed = on_changed,
	                                                 .synced = on_synced,
	                                                 .arg = lb });
	lb->services = replica_new(lb->client, &(struct replica_spec){ .api_version = "v1",
	                                                               .plural = "services",
	                                                               .changed = on_changed,
	                                                               .synced = on_synced,
	                                                               .arg = lb });
	return 0;
}

int lb_main(int argc, char **argv, const struct lb_provider *p)
{
	struct lb lb = { .provider = p };
	struct err err = { 0 };
	int r = parse_options(argc, argv, &lb.options, &err);

	log_init("lb", LOG_INFO);
	if (r == 0) {
		lb.loop = loop_new();
		lb.pool = relay_pool_new(lb.loop);
		r = start(&lb, &err);
		if (r == 0) {
			loop_run(lb.loop);
		}
		fini(&lb);
		loop_run_once(lb.loop);
		loop_free(lb.loop);
		/* Listeners that still drain after their port went hold relays of the pool: the
		 * process's end frees both. */
		if (lb.n_draining == 0) {
			relay_pool_free(lb.pool);
		}
	}
	if (r < 0) {
		log_broken("Load balancer stops: %s", err.msg);
		return err_code_exit(err.code);
	}
	return 0;
}
