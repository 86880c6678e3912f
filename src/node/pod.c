/* Why: one pod, reconciled: what its spec and the facts ask for is done, what was observed is said.
 * The machine is drawn in pod-priv.h. */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/cgroup.h"
#include "host/mount.h"
#include "node/file.h"
#include "node/names.h"
#include "node/pod-priv.h"
#include "node/resources.h"
#include "node/server.h"

static const int64_t retry_us = 2 * US_PER_S, forced_grace_us = 2 * US_PER_S, leave_us = US_PER_S,
		     look_again_us = 10 * US_PER_MS, settle_us = 100 * US_PER_MS;

static void pod_sync(struct loop_defer *d);

/* ---- small questions ---- */

bool pod_is_deleting(const struct pod *p)
{
	return p->is_deleted || val_path(pod_val(p), "metadata.deletionTimestamp") != NULL;
}

int64_t pod_grace_us(const struct pod *p)
{
	return val_int(val_path(pod_val(p), "spec.terminationGracePeriodSeconds"), 30) * US_PER_S;
}

void pod_hostname(const struct pod *p, struct strbuf *out)
{
	if (p->host_network) {
		strbuf_adds(out, p->pods->agent->node_name);
	} else {
		names_hostname(pod_val(p), out);
	}
}

struct container *pod_find_container(const struct pod *p, struct slice name)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		if (slice_is(name, p->containers[i]->name)) {
			return p->containers[i];
		}
	}
	return NULL;
}

static int64_t now_us(const struct pod *p)
{
	return loop_now_us(p->pods->agent->loop);
}

static const char *list_field(enum pod_container_list list)
{
	static const char *const fields[] = { "initContainers", "containers",
		                              "ephemeralContainers" };

	return fields[list];
}

void pod_event(const struct pod *p, const struct container *c, const char *type, const char *reason,
               const char *fmt, ...)
{
	scoped_arena struct arena a = { 0 };
	struct val *about = val_new_object(&a), *meta = val_need_object(&a, about, "metadata");
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	val_set_cstr(&a, about, "apiVersion", "v1");
	val_set_cstr(&a, about, "kind", "Pod");
	val_set_cstr(&a, meta, "namespace", p->ns);
	val_set_cstr(&a, meta, "name", p->name);
	val_set_cstr(&a, meta, "uid", p->uid);
	val_set_str(&a, meta, "resourceVersion",
	            val_str(val_path(pod_val(p), "metadata.resourceVersion")));
	if (c) {
		val_set(&a, about, "fieldPath",
		        val_new_strf(&a, "spec.%s{%s}", list_field(c->facts.list), c->name));
	}
	recorder_event(p->pods->agent->recorder, about, type, reason, "%s", text);
}

/* ---- facts for variables and volumes ---- */

static const struct val *find_object(void *arg, const char *kind, struct slice ns,
                                     struct slice name)
{
	struct finder *f = arg;
	struct objects *o = f->pod->pods->objects;
	const struct val *v = objects_find(o, kind, ns, name);

	if (!v && !objects_is_absent(o, kind, ns, name)) {
		f->is_asking = true;
	}
	return v;
}

static void each_service(void *arg, struct slice ns,
                         void (*visit)(void *visit_arg, const struct val *service), void *visit_arg)
{
	const struct finder *f = arg;

	objects_each_service(f->pod->pods->objects, ns, visit, visit_arg);
}

void pod_facts_fill(struct finder *f, struct pod_facts *ret, struct pod *p)
{
	static char host_ips[IP_PAIR_TEXT_SIZE];

	*f = (struct finder){ .pod = p };
	*ret = (struct pod_facts){
		.pod = pod_val(p),
		.node_name = slice_of(p->pods->agent->node_name),
		.host_ips = ip_pair_format(p->pods->agent->node_ips, host_ips),
		.pod_ips = p->ip_text,
		.node_cpu_milli = p->pods->node_cpu_milli,
		.node_memory_bytes = p->pods->node_memory_bytes,
		.find = find_object,
		.services = each_service,
		.arg = f,
	};
}

/* ---- life in memory ---- */

static void add_containers(struct pod *p, enum pod_container_list list)
{
	val_for_each (val_get(val_get(pod_val(p), "spec"), list_field(list)), it) {
		struct container *c;

		if (pod_find_container(p, val_get_str(it, "name"))) {
			continue;
		}
		c = NEW(struct container);
		container_init(c, p, it, list);
		p->containers =
			mem_realloc(p->containers, p->n_containers + 1, sizeof(*p->containers));
		p->containers[p->n_containers++] = c;
	}
}

static char *cgroup_of(const struct pod *p)
{
	enum qos q = qos_of_pod(pod_val(p));

	return mem_printf("%s/kubepods/%spod%s", p->pods->agent->cgroup,
	                  q == QOS_BURSTABLE     ? "burstable/"
	                  : q == QOS_BEST_EFFORT ? "besteffort/"
	                                         : "",
	                  p->uid);
}

static const char *kept_phase(const struct val *pod)
{
	struct slice s = val_str(val_path(pod, "status.phase"));

	return slice_is(s, "Succeeded") ? "Succeeded" : slice_is(s, "Failed") ? "Failed" : NULL;
}

struct pod *pod_new(struct pods *pods, const struct doc *d)
{
	const struct val *meta = val_get(d->root, "metadata");
	struct pod *p = NEW(struct pod);

	p->pods = pods;
	p->doc = doc_ref(d);
	p->uid = slice_dup(val_get_str(meta, "uid"));
	p->ns = slice_dup(val_get_str(meta, "namespace"));
	p->name = slice_dup(val_get_str(meta, "name"));
	p->dir = mem_printf("%s/%s", pods->agent->pods_dir, p->uid);
	p->pins = mem_printf("%s/pods/%s", pods->agent->run_dir, p->uid);
	p->host_network = val_bool(val_path(d->root, "spec.hostNetwork"), false);
	p->cgroup = cgroup_of(p);
	p->start_wall_us = clock_wall_us();
	p->seen_mono_us = now_us(p);
	p->write_backoff =
		(struct backoff){ .floor_us = 20 * US_PER_MS, .ceiling_us = 5 * US_PER_S };
	for (int list = POD_INIT; list <= POD_EPHEMERAL; list++) {
		add_containers(p, (enum pod_container_list)list);
	}
	p->phase = kept_phase(d->root);
	if (p->phase) {
		p->reason = "";
	}
	map_set(&pods->by_uid, pod_uid(p), p);
	return p;
}

void pod_free(struct pod *p)
{
	map_remove(&p->pods->by_uid, pod_uid(p));
	pod_write_stop(p);
	loop_defer_cancel(&p->sync);
	loop_timer_stop(&p->wake);
	for (size_t i = 0; i < p->n_containers; i++) {
		container_fini(p->containers[i]);
		free(p->containers[i]);
	}
	for (size_t i = 0; i < p->volumes.n; i++) {
		free(p->volumes.at[i].name);
		free(p->volumes.at[i].path);
	}
	vec_fini(&p->volumes);
	free(p->containers);
	doc_unref(p->doc);
	free(p->uid);
	free(p->ns);
	free(p->name);
	free(p->dir);
	free(p->pins);
	free(p->cgroup);
	free(p->last_failure);
	free(p);
}

/* Containers are found again by name; ephemeral ones may have been added, at the end. */
void pod_update(struct pod *p, const struct doc *d)
{
	doc_unref(p->doc);
	p->doc = doc_ref(d);
	for (int list = POD_INIT; list <= POD_EPHEMERAL; list++) {
		val_for_each (val_get(val_get(pod_val(p), "spec"),
		                      list_field((enum pod_container_list)list)),
		              it) {
			struct container *c = pod_find_container(p, val_get_str(it, "name"));

			if (c) {
				c->facts.spec = it;
			}
		}
	}
	add_containers(p, POD_EPHEMERAL);
	if (sandbox_is_made(p) &&
	    (val_str(val_path(d->root, "status.podIP")).len > 0 || p->host_network)) {
		model_put(p->pods->agent->model, d);
		agent_sync(p->pods->agent);
	}
	volumes_refresh(p); /* labels and annotations may be files */
	pod_look(p);
}

void pod_tell_server(const struct pod *p)
{
	if (p->pods->server) {
		server_pod_changed(p->pods->server, pod_uid(p));
	}
}

void pod_look(struct pod *p)
{
	loop_defer(p->pods->agent->loop, &p->sync, pod_sync);
}

/* ---- waking up later ---- */

static void on_wake(struct loop_timer *t)
{
	struct pod *p = container_of(t, struct pod, wake);

	pod_sync(&p->sync);
}

static void wake_at(struct pod *p, int64_t at_us)
{
	int64_t wait = at_us - now_us(p);

	if (at_us == 0 || (loop_timer_is_armed(&p->wake) && p->wake.at_us <= at_us)) {
		return;
	}
	loop_timer_start(p->pods->agent->loop, &p->wake, wait > 0 ? wait : 0, on_wake);
}

/* ---- making it ready ---- */

/* Said once for each thing that goes wrong; tried again a little later. */
static void failed(struct pod *p, const char *reason, const char *why)
{
	if (!p->last_failure || strcmp(p->last_failure, why) != 0) {
		pod_event(p, NULL, "Warning", reason, "%s", why);
		free(p->last_failure);
		p->last_failure = mem_strdup(why);
	}
	p->retry_us = now_us(p) + retry_us;
	wake_at(p, p->retry_us);
}

/* True when sandbox and volumes are there. */
static bool prepare(struct pod *p)
{
	struct err err = { 0 };
	int r;

	if (p->retry_us > now_us(p)) {
		wake_at(p, p->retry_us);
		return false;
	}
	if (p->state == POD_NEW) {
		if (sandbox_make(p, &err) < 0) {
			scoped_free char *why =
				mem_printf("Failed to create pod sandbox: %s", err.msg);

			failed(p, "FailedCreatePodSandBox", why);
			return false;
		}
		if (val_bool(val_path(pod_val(p), "spec.shareProcessNamespace"), false)) {
			pod_event(p, NULL, "Warning", "Unsupported",
			          "shareProcessNamespace is not supported here: each container "
			          "sees its own processes");
		}
		p->state = POD_READY;
	}
	r = volumes_prepare(p, &err);
	if (r < 0) {
		failed(p, "FailedMount", err.msg);
		return false;
	}
	return r == VOLUMES_READY;
}

/* ---- containers ---- */

static void say_back_off(struct container *c)
{
	const struct pod *p = c->pod;
	scoped_free char *message = NULL;
	int64_t delay_us = c->facts.restart_at_us - now_us(p);

	if (c->facts.phase != CONTAINER_TERMINATED) {
		return; /* waits for another reason, which is said already */
	}
	message = mem_printf("back-off %s restarting failed container=%s pod=%s_%s(%s)",
	                     delay_us > 160 * US_PER_S  ? "5m0s"
	                     : delay_us > 80 * US_PER_S ? "2m40s"
	                     : delay_us > 40 * US_PER_S ? "1m20s"
	                     : delay_us > 20 * US_PER_S ? "40s"
	                     : delay_us > 10 * US_PER_S ? "20s"
	                                                : "10s",
	                     c->name, p->name, p->ns, p->uid);
	pod_event(p, c, "Warning", "BackOff",
	          "Back-off restarting failed container %s in pod %s_%s(%s)", c->name, p->name,
	          p->ns, p->uid);
	container_wait(c, "CrashLoopBackOff", message);
	(void)container_save(c);
}

static void gather(const struct pod *p, struct container_facts *facts)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		facts[i] = p->containers[i]->facts;
	}
}

/* Starts and stops what the plan says; decides the end of the pod. */
static void act(struct pod *p)
{
	scoped_arena struct arena a = { 0 };
	struct container_facts *facts =
		ARENA_ARRAY(&a, struct container_facts, p->n_containers + 1);
	enum plan_verb *verbs = ARENA_ARRAY(&a, enum plan_verb, p->n_containers + 1);
	struct plan plan;

	gather(p, facts);
	pod_plan(pod_val(p), facts, p->n_containers, now_us(p), verbs, &plan);
	p->is_initialized = plan.is_initialized;
	if (plan.outcome != PLAN_GOES_ON) {
		p->phase = plan.outcome == PLAN_SUCCEEDED ? "Succeeded" : "Failed";
		return;
	}
	for (size_t i = 0; i < p->n_containers; i++) {
		struct container *c = p->containers[i];

		switch (verbs[i]) {
		case PLAN_KEEP:
			break;
		case PLAN_START:
			container_start(c);
			wake_at(p, c->facts.restart_at_us > now_us(p) ? c->facts.restart_at_us : 0);
			break;
		case PLAN_BACK_OFF:
			say_back_off(c);
			break;
		case PLAN_STOP:
			container_stop(c, now_us(p) + pod_grace_us(p), "Stopping container");
			break;
		}
	}
	wake_at(p, plan.wake_us);
}

/* ---- the way down ---- */

static bool has_process(const struct container *c)
{
	return c->runtime != NULL;
}

static int64_t deletion_deadline_us(const struct pod *p)
{
	int64_t wall;

	if (!p->is_deleted &&
	    time_parse(val_str(val_path(pod_val(p), "metadata.deletionTimestamp")), &wall)) {
		wall -= clock_wall_us();
		return now_us(p) + (wall > US_PER_S ? wall : US_PER_S);
	}
	return now_us(p) + (pod_grace_us(p) < forced_grace_us ? pod_grace_us(p) : forced_grace_us);
}

/* Tells what runs to end: app containers first, then sidecars from the last on. True: nothing runs
 * any more. */
static bool stop_all(struct pod *p, int64_t deadline_us)
{
	bool apps_run = false;

	for (size_t i = 0; i < p->n_containers; i++) {
		struct container *c = p->containers[i];

		if (container_is_sidecar(&c->facts)) {
			continue;
		}
		if (c->pull || has_process(c)) {
			scoped_free char *why = mem_printf("Stopping container %s", c->name);

			container_stop(c, deadline_us, why);
		}
		apps_run = apps_run || has_process(c);
	}
	if (apps_run) {
		return false;
	}
	for (size_t i = p->n_containers; i-- > 0;) {
		struct container *c = p->containers[i];

		if (has_process(c)) {
			scoped_free char *why = mem_printf("Stopping container %s", c->name);

			container_stop(c, deadline_us, why);
			return false;
		}
	}
	return true;
}

/* Everything of the pod on the host but its logs and its folder. */
static void dismantle(struct pod *p)
{
	if (p->state == POD_GONE) {
		return;
	}
	mounts_remove_below(p->dir);
	volumes_remove(p);
	if (sandbox_is_made(p)) {
		sandbox_remove(p);
	}
	tokens_forget(p->pods->tokens, pod_uid(p));
	p->state = POD_GONE;
}

struct last_work { /* of a deleted pod, off the loop */
	char *dir, *logs, *cgroup;
	struct cgroups *cgroups; /* a share */
};

static void sweep(void *arg)
{
	struct last_work *w = arg;

	(void)cgroup_kill(w->cgroups, w->cgroup);
	for (int i = 0; i < 50 && !cgroup_remove(w->cgroups, w->cgroup); i++) {
		usleep(2000);
	}
	tree_discard(w->dir);
	tree_discard(w->logs);
}

static void swept(void *arg)
{
	struct last_work *w = arg;

	cgroups_close(w->cgroups);
	free(w->dir);
	free(w->logs);
	free(w->cgroup);
	free(w);
}

/* The pod is gone from the API server and from the host: so is it from here. */
static void bury(struct pod *p)
{
	struct last_work *w = NEW(struct last_work);

	w->dir = mem_strdup(p->dir);
	w->logs = mem_printf("%s/logs/pods/%s_%s_%s", p->pods->agent->home, p->ns, p->name, p->uid);
	w->cgroup = mem_strdup(p->cgroup);
	w->cgroups = cgroups_ref(runtime_cgroups(p->pods->agent->runtime));
	loop_work(p->pods->agent->loop, sweep, swept, w);
	model_remove(p->pods->agent->model, p->doc);
	agent_sync(p->pods->agent);
	pod_free(p);
}

/* A pod behind a Service is told to end only when its endpoints are gone and those who balance have
 * heard so: what it is sent until then is answered. For a second at most. */
static bool has_left(struct pod *p)
{
	int64_t now = now_us(p), patience_us = (deletion_deadline_us(p) - now) / 2;
	bool is_endpoint;

	if (p->has_left || p->is_deleted || p->state == POD_NEW) {
		return true;
	}
	is_endpoint = objects_is_endpoint(p->pods->objects, slice_of(p->ns), pod_uid(p));
	if (!p->leave_by_us && !is_endpoint) {
		p->has_left = true;
		return true;
	}
	if (!p->leave_by_us) {
		p->leave_by_us = now + (patience_us < leave_us ? patience_us : leave_us);
	}
	if (is_endpoint && now < p->leave_by_us) {
		wake_at(p, now + look_again_us);
		return false;
	}
	if (!p->settled_at_us) {
		p->settled_at_us = is_endpoint ? now : now + settle_us;
	}
	wake_at(p, p->settled_at_us);
	p->has_left = now >= p->settled_at_us;
	return p->has_left;
}

static void terminate(struct pod *p)
{
	if (p->state == POD_READY) {
		p->state = POD_STOPPING;
	}
	if (!has_left(p) || !stop_all(p, deletion_deadline_us(p))) {
		pod_write_status(p);
		return;
	}
	dismantle(p);
	if (p->is_deleted) {
		bury(p);
		return;
	}
	pod_delete(p);
}

/* activeDeadlineSeconds. */
static bool is_overdue(struct pod *p)
{
	int64_t limit = val_int(val_path(pod_val(p), "spec.activeDeadlineSeconds"), 0),
		start = p->start_wall_us, left;

	if (limit <= 0) {
		return false;
	}
	(void)time_parse(val_str(val_path(pod_val(p), "status.startTime")), &start);
	left = start + limit * US_PER_S - clock_wall_us();
	if (left > 0) {
		wake_at(p, now_us(p) + left);
	}
	return left <= 0;
}

/* Ended for good: nothing starts any more; what still runs is told to end; the object stays. */
static void finish(struct pod *p)
{
	if (stop_all(p, now_us(p) + pod_grace_us(p))) {
		dismantle(p);
	}
	pod_write_status(p);
}

/* Only sysctls that stay inside the pod are let in. Source: reference 8.9, the safe set. */
static bool sysctls_are_safe(const struct pod *p)
{
	static const char *const safe[] = {
		"kernel.shm_rmid_forced",           "net.ipv4.ip_local_port_range",
		"net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
		"net.ipv4.ping_group_range",        "net.ipv4.tcp_fin_timeout",
		"net.ipv4.tcp_keepalive_intvl",     "net.ipv4.tcp_keepalive_probes",
		"net.ipv4.tcp_keepalive_time",      "net.ipv4.tcp_rmem",
		"net.ipv4.tcp_syncookies",          "net.ipv4.tcp_wmem",
	};

	val_for_each (val_path(pod_val(p), "spec.securityContext.sysctls"), it) {
		size_t i = 0;

		while (i < ARRAY_SIZE(safe) && !slice_is(val_get_str(it, "name"), safe[i])) {
			i++;
		}
		if (i == ARRAY_SIZE(safe)) {
			return false;
		}
	}
	return true;
}

/* What ends a pod whatever its containers do. */
static void judge(struct pod *p)
{
	if (is_overdue(p)) {
		p->phase = "Failed";
		p->reason = "DeadlineExceeded";
		p->message = "Pod was active on the node longer than the specified deadline";
	} else if (!sysctls_are_safe(p)) {
		p->phase = "Failed";
		p->reason = "SysctlForbidden";
		p->message = "forbidden sysctl: not in the safe set";
	}
}

/* A sandbox takes some milliseconds of system calls: a few in one turn of the loop, so that probes
 * and requests are heard in between however many pods come at once. */
static bool may_make(struct pods *pods)
{
	enum { SANDBOXES_PER_TURN = 2 };
	int64_t turn = loop_now_us(pods->agent->loop);

	if (pods->turn_us != turn) {
		pods->turn_us = turn;
		pods->made_in_turn = 0;
	}
	return pods->made_in_turn++ < SANDBOXES_PER_TURN;
}

static void pod_sync(struct loop_defer *d)
{
	struct pod *p = container_of(d, struct pod, sync);

	if (p->pods->is_stopping) {
		return;
	}
	if (pod_is_deleting(p)) {
		terminate(p);
		return;
	}
	if (!p->phase) {
		judge(p);
	}
	if (!p->phase && p->state == POD_NEW && !may_make(p->pods)) {
		pod_look(p);
		return;
	}
	if (!p->phase && prepare(p)) {
		act(p);
	}
	if (p->phase) {
		finish(p);
		return;
	}
	pod_write_status(p);
}
