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

enum { NODES_MAX = 64 };
static const int64_t drain_us = 300 * US_PER_S, stop_us = 4 * US_PER_S,
		     stop_look_us = 50 * US_PER_MS, again_us = 500 * US_PER_MS,
		     port_again_us = 2 * US_PER_S;

struct lb_options {
	const char *kubeconfig;
	struct ip edge;
	struct ip nodes[NODES_MAX];
	size_t n_nodes;
	uid_t uid; /* 0: stay */
};

/* A port of the edge that is open for a Service. */
struct open_port {
	uint16_t port;
	char *uid; /* of the Service */
	int fd;
	struct listener *listener;
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
	struct replica *services;
	struct recorder *recorder;
	struct relay_pool *pool;
	VEC(struct open_port) ports;
	size_t n_draining;
	struct map memories; /* uid -> struct memory */
	struct loop_defer look;
	struct loop_timer again;
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
	if (!loop_timer_is_armed(&lb->again)) {
		loop_timer_start(lb->loop, &lb->again, us, on_again);
	}
}

static void on_changed(void *arg, const struct doc *old, const struct doc *now)
{
	struct lb *lb = arg;

	(void)old;
	(void)now;
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

static struct open_port *port_find(struct lb *lb, uint16_t port)
{
	for (size_t i = 0; i < lb->ports.n; i++) {
		if (lb->ports.at[i].port == port) {
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

static void listener_retire(struct lb *lb, struct open_port *p)
{
	if (p->listener) {
		lb->n_draining++;
		listener_stop(p->listener, drain_us, on_drained, lb);
		p->listener = NULL;
	}
}

static void port_close(struct lb *lb, size_t i)
{
	struct open_port *p = &lb->ports.at[i];

	log_info("Port of the edge is closed port=%u", p->port);
	listener_retire(lb, p);
	close(p->fd);
	lb->provider->close(lb->provider->arg, lb->options.edge, p->port);
	free(p->uid);
	vec_remove(&lb->ports, i);
}

static int port_open(struct lb *lb, uint16_t port, struct open_port **ret_p, struct err *err)
{
	struct open_port p = { .port = port, .fd = -1 };
	int r = lb->provider->listen(lb->provider->arg, lb->options.edge, port, &p.fd, err);

	if (r < 0) {
		return r;
	}
	log_info("Port of the edge is open port=%u", port);
	vec_push(&lb->ports, p);
	*ret_p = &lb->ports.at[lb->ports.n - 1];
	return 0;
}

/* One port of a Service listens as planned when this returns 0. */
static int serve_port(struct lb *lb, const struct lb_service *s, const struct lb_port *want,
                      struct err *err)
{
	struct open_port *p = port_find(lb, want->port);
	int r = p ? 0 : port_open(lb, want->port, &p, err);

	if (r < 0) {
		return r;
	}
	const struct listener_spec spec = {
		.ip = lb->options.edge,
		.port = want->port,
		.fd = p->fd,
		.targets = lb->options.nodes,
		.n_targets = lb->options.n_nodes,
		.target_port = want->node_port,
		.proxy_protocol = want->proxy_protocol,
		.idle_us = want->idle_us,
		.sources = s->sources,
		.n_sources = s->n_sources,
		.health = s->health,
	};

	p->wanted = true;
	if (p->uid && !slice_is(s->uid, p->uid)) {
		listener_retire(lb, p); /* another Service has the port now */
		free(take(p->uid));
	}
	if (!p->uid) {
		p->uid = slice_dup(s->uid);
	}
	if (p->listener) {
		listener_change(p->listener, &spec);
		return 0;
	}
	return listener_start(lb->pool, lb->loop, &spec, &p->listener, err);
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

static struct val *status_wanted(const struct lb *lb, struct arena *a)
{
	struct val *list = val_new_array(a), *entry = val_append(list, val_new_object(a));
	char text[IP_TEXT_SIZE];

	val_set_cstr(a, entry, "ip", ip_format(lb->options.edge, text));
	/* Proxy: nobody may short-cut to the endpoints, or the PROXY header would be missing. */
	val_set_cstr(a, entry, "ipMode", "Proxy");
	return list;
}

static bool status_is(const struct val *service, const struct val *want)
{
	const struct val *have = val_path(service, "status.loadBalancer.ingress");

	return want ? val_eq(have, want) : val_len(have) == 0;
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

static void write_status(struct lb *lb, const struct lb_service *s, const struct val *want)
{
	scoped_arena struct arena a = { 0 };
	struct val *body = val_new_object(&a);
	struct val *balancer =
		val_need_object(&a, val_need_object(&a, body, "status"), "loadBalancer");

	val_set(&a, balancer, "ingress", want ? val_copy(&a, want) : val_new_null(&a));
	patch(lb, s, "status", body);
}

/* ---- one Service ---- */

static bool is_writing(struct lb *lb, struct slice uid)
{
	const struct memory *m = map_find(&lb->memories, uid);

	return m && m->writing;
}

static bool open_ports(struct lb *lb, const struct lb_service *s)
{
	struct err err;
	bool all = s->n_ports > 0;

	for (size_t i = 0; i < s->n_ports; i++) {
		if (serve_port(lb, s, &s->ports[i], &err) < 0) {
			complain(lb, s, "SyncLoadBalancerFailed", err.msg);
			look_later(lb, port_again_us);
			all = false;
		}
	}
	return all;
}

static void serve_service(struct lb *lb, const struct lb_service *s)
{
	scoped_arena struct arena a = { 0 };
	const struct val *object = s->object->root, *want;
	bool served;

	if (!has_finalizer(object)) {
		if (!is_writing(lb, s->uid)) {
			recorder_event(lb->recorder, object, "Normal", "EnsuringLoadBalancer",
			               "Ensuring load balancer");
			write_finalizer(lb, s, true);
		}
		return;
	}
	served = open_ports(lb, s);
	if (s->problem) {
		complain(lb, s, "SyncLoadBalancerFailed", s->problem);
	} else if (served) {
		complain(lb, s, "LoadBalancerPortSkipped", s->hint);
	}
	want = served ? status_wanted(lb, &a) : NULL;
	if (!status_is(object, want) && !is_writing(lb, s->uid)) {
		write_status(lb, s, want);
		if (want) {
			recorder_event(lb->recorder, object, "Normal", "EnsuredLoadBalancer",
			               "Ensured load balancer");
		}
	}
}

/* Deleted, or of another type now: its ports are closed by the time this is called. */
static void release_service(struct lb *lb, const struct lb_service *s)
{
	const struct val *object = s->object->root;

	if (is_writing(lb, s->uid)) {
		return;
	}
	if (!has_finalizer(object)) {
		forget(lb, s->uid);
	} else if (val_is_null(val_path(object, "metadata.deletionTimestamp")) &&
	           !status_is(object, NULL)) {
		write_status(lb, s, NULL);
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

	if (!replica_is_synced(lb->services) || lb->stop_at_us) {
		return;
	}
	g.at = ARENA_ARRAY(&a, const struct doc *, replica_count(lb->services) + 1);
	replica_each(lb->services, gather_one, &g);
	plan = lb_plan_make(&a, g.at, g.n);
	for (size_t i = 0; i < lb->ports.n; i++) {
		lb->ports.at[i].wanted = false;
	}
	for (size_t i = 0; i < plan.n; i++) {
		if (plan.services[i].wanted) {
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
		if (lb->ports.at[i].listener) {
			listener_pause(lb->ports.at[i].listener);
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
		close(lb->ports.at[i].fd);
		free(lb->ports.at[i].uid);
	}
	vec_fini(&lb->ports);
	replica_free(lb->services);
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
		return ip_parse(slice_of(value), &o->edge)
		               ? 0
		               : err_raise(err, ERR_USAGE, "--edge-address %s is no address",
		                           value);
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
	if (!o->edge.family || !o->n_nodes || !o->kubeconfig) {
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
