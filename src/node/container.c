/* Why: one container from the pod's words to a running process: image, variables, user, layers, OCI
 * configuration. What it needs of its image is in container-image.c, what is kept of it in
 * container-state.c, its end in container-stop.c.
 *
 *   H/pods/<uid>/containers/<name>/state.json   what container_facts hold, and the runtime's id
 *   H/pods/<uid>/containers/<name>/image        id of the image below it (image.c counts these)
 *   .../<run>/{upper,work}  .../rootfs          its layers, and where they are mounted
 *   H/logs/pods/<ns>_<pod>_<uid>/<name>/<run>.log */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/mount.h"
#include "node/builtin.h"
#include "node/file.h"
#include "node/log-rotate.h"
#include "node/pod-priv.h"
#include "node/resources.h"
#include "node/spec.h"
#include "node/user.h"

static const struct runtime_events runtime_events;

void container_init(struct container *c, struct pod *p, const struct val *spec,
                    enum pod_container_list list)
{
	*c = (struct container){
		.pod = p,
		.name = slice_dup(val_get_str(spec, "name")),
		.facts = { .spec = spec, .list = list },
		.pull_backoff = { .floor_us = 10 * US_PER_S, .ceiling_us = 300 * US_PER_S },
		.stop_signal = SIGTERM,
	};
	c->dir = mem_printf("%s/containers/%s", p->dir, c->name);
}

void container_fini(struct container *c)
{
	probers_stop(c);
	c->hook = hook_cancel(c->hook);
	loop_timer_stop(&c->kill_timer);
	if (c->pull) {
		pulls_cancel(c->pull);
	}
	free(c->name);
	free(c->dir);
	free(c->log_path);
	free(c->previous_log_path);
	free(c->facts.message);
	free(c->facts.image_id);
	free(c->facts.end.message);
	free(c->facts.last.message);
}

void container_wait(struct container *c, const char *reason, const char *message)
{
	struct container_facts *f = &c->facts;

	if (f->phase == CONTAINER_TERMINATED) {
		free(f->last.message);
		f->last = f->end;
		f->end = (struct container_end){ 0 };
	}
	f->phase = CONTAINER_WAITING;
	f->reason = reason;
	free(f->message);
	f->message = message ? mem_strdup(message) : NULL;
	f->is_started = f->is_ready = false;
}

/* A start that failed before there was a process: reason and message of waiting; tried again later.
 */
void container_refuse(struct container *c, const char *reason, const char *message)
{
	bool is_new = !c->facts.reason || strcmp(c->facts.reason, reason) != 0 ||
	              !c->facts.message || strcmp(c->facts.message, message) != 0;

	container_wait(c, reason, message);
	c->facts.restart_at_us = loop_now_us(c->pod->pods->agent->loop) + 10 * US_PER_S;
	if (is_new) {
		pod_event(c->pod, c, "Warning", "Failed", "Error: %s", message);
	}
	pod_look(c->pod);
}

/* ---- life ---- */

/* The run is over and nobody knows how (the machine or the runtime's folder went away). */
void container_lost(struct container *c, const char *reason, int code, const char *message)
{
	struct container_facts *f = &c->facts;

	free(f->end.message);
	f->end = (struct container_end){
		.code = code,
		.reason = reason,
		.message = message ? mem_strdup(message) : NULL,
		.started_us = f->started_us,
		.finished_us = clock_wall_us(),
	};
	snprintf(f->end.id, sizeof(f->end.id), "%s", f->id);
	f->phase = CONTAINER_TERMINATED;
	f->is_busy = f->is_ready = f->is_started = false;
	f->id[0] = '\0';
}

/* A process is there: what ended before becomes the last state. */
static void begin_run(struct container *c)
{
	struct container_facts *f = &c->facts;

	container_wait(c, NULL, NULL);
	if (f->last.reason) {
		f->restarts++;
	}
	f->is_busy = false;
	f->has_begun = true;
	f->phase = CONTAINER_RUNNING;
	f->started_us = clock_wall_us();
	pod_tell_server(c->pod);
}

void container_adopt(struct container *c)
{
	struct runtime *rt = c->pod->pods->agent->runtime;
	struct container_facts *f = &c->facts;

	if (!container_load(c) || !f->id[0]) {
		return;
	}
	if (runtime_adopt(rt, f->id, &runtime_events, c, &c->runtime, NULL) < 0) {
		if (f->phase == CONTAINER_RUNNING) {
			container_lost(c, "ContainerStatusUnknown", 137,
			               "The container could not be located when the node started");
		}
		f->id[0] = '\0';
		return;
	}
	switch (runtime_state(c->runtime)) {
	case RUNTIME_RUNNING:
		if (f->phase != CONTAINER_RUNNING) { /* it died before it noted the start */
			begin_run(c);
		}
		c->started_mono_us =
			loop_now_us(c->pod->pods->agent->loop) - (clock_wall_us() - f->started_us);
		container_ran(c);
		break;
	case RUNTIME_EXITED:
		if (f->phase != CONTAINER_RUNNING) {
			begin_run(c);
		}
		container_ended(c, runtime_exit_of(c->runtime));
		break;
	case RUNTIME_CREATED:
		f->is_busy = true;
		runtime_start(c->runtime);
		break;
	case RUNTIME_CREATING:
		break;
	}
}

/* ---- files ---- */

void container_unmount(const struct container *c)
{
	scoped_free char *root = mem_printf("%s/rootfs", c->dir);

	mount_remove(root);
	for (size_t i = 0; i < val_len(val_get(c->facts.spec, "volumeMounts")); i++) {
		scoped_free char *part = mem_printf("%s/part-%zu", c->dir, i);

		mount_remove(part);
	}
}

static int make_layers(const struct container *c, const char *lower, char **ret_root,
                       struct err *err)
{
	scoped_free char *run = mem_printf("%s/%d", c->dir, c->runs),
			 *upper = mem_printf("%s/upper", run), *work = mem_printf("%s/work", run),
			 *root = mem_printf("%s/rootfs", c->dir);
	int r = dir_make(upper, 0755, err);

	if (r == 0) {
		r = dir_make(work, 0700, err);
	}
	if (r == 0) {
		r = dir_make(root, 0755, err);
	}
	if (r == 0) {
		mount_remove(root);
		r = mount_overlay(lower, upper, work, root, err);
	}
	if (r == 0 && c->runs > 0) { /* of a run that ended unseen */
		scoped_free char *before = mem_printf("%s/%d", c->dir, c->runs - 1);

		tree_discard_later(c->pod->pods->agent->loop, before);
	}
	if (r == 0) {
		*ret_root = take(root);
	}
	return r;
}

static int make_files(struct container *c, const struct image *image, struct err *err)
{
	struct pod *p = c->pod;
	scoped_free char *logs = mem_printf("%s/logs/pods/%s_%s_%s/%s", p->pods->agent->home, p->ns,
	                                    p->name, p->uid, c->name);
	scoped_free char *mark = mem_printf("%s/image", c->dir),
			 *message = mem_printf("%s/message", c->dir);
	int r = dir_make(c->dir, 0755, err);

	if (r == 0) {
		r = dir_make(logs, 0755, err);
	}
	if (r == 0) {
		r = file_write(mark, slice_of(image->id), 0644, err);
	}
	if (r == 0) {
		r = file_write(message, SLICE(""), 0666, err);
	}
	if (r < 0) {
		return r;
	}
	if (c->previous_log_path) { /* the present run and the one before are what can be asked for
		                     */
		log_discard(c->previous_log_path);
	}
	free(c->previous_log_path);
	c->previous_log_path = take(c->log_path);
	c->log_path = mem_printf("%s/%d.log", logs, c->runs);
	return 0;
}

static bool mounts_at(const struct val *container, const char *path)
{
	val_for_each (val_get(container, "volumeMounts"), it) {
		if (slice_is(val_get_str(it, "mountPath"), path)) {
			return true;
		}
	}
	return false;
}

/* Built-in image, names, termination message, then the pod's volumes; in a. */
static int list_mounts(struct container *c, const struct image *image, const struct env *env,
                       struct arena *a, struct spec_mount **ret, size_t *ret_n, struct err *err)
{
	struct pod *p = c->pod;
	static const char *const names[] = { "hosts", "resolv.conf", "hostname" };
	const char *message = val_cstr(val_get(c->facts.spec, "terminationMessagePath"));
	struct spec_mount *own, *at;
	size_t n_own, n = 0;
	int r = volumes_mounts(p, c, env, a, &own, &n_own, err);

	if (r < 0) {
		return r;
	}
	at = ARENA_ARRAY(a, struct spec_mount, n_own + BUILTIN_MAX_MOUNTS + ARRAY_SIZE(names) + 2);
	if (strcmp(image->id, IMAGE_BUILTIN_ID) == 0) {
		n += builtin_mounts(p->pods->agent->exe, a, at);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *dest = arena_printf(a, "/etc/%s", names[i]);

		if (!mounts_at(c->facts.spec, dest)) {
			at[n++] = (struct spec_mount){ arena_printf(a, "%s/%s", p->dir, names[i]),
				                       dest, NULL, NULL };
		}
	}
	at[n++] = (struct spec_mount){ arena_printf(a, "%s/message", c->dir),
		                       *message ? message : "/dev/termination-log", NULL, NULL };
	if (n_own) {
		memcpy(at + n, own, n_own * sizeof(*own));
	}
	*ret = at;
	*ret_n = n + n_own;
	return 0;
}

/* ---- the whole configuration ---- */

static const char *pin(const struct container *c, struct arena *a, const char *name)
{
	const char *path = arena_printf(a, "%s/%s", c->pod->pins, name);

	return mount_is_there(path) ? path : NULL;
}

/* An ephemeral container may look into the processes of another one. */
static const char *target_pidns(const struct container *c, struct arena *a)
{
	struct slice name = val_get_str(c->facts.spec, "targetContainerName");
	const struct container *target = name.len ? pod_find_container(c->pod, name) : NULL;

	if (!target || !target->runtime || runtime_pid(target->runtime) <= 0) {
		return NULL;
	}
	return arena_printf(a, "/proc/%d/ns/pid", runtime_pid(target->runtime));
}

static int oom_score(const struct container *c)
{
	const struct pods *pods = c->pod->pods;
	struct resources r = resources_of_container(c->facts.spec);
	int score = oom_score_adj(qos_of_pod(pod_val(c->pod)), pod_val(c->pod),
	                          r.memory_request_bytes, pods->node_memory_bytes);

	return score < pods->own_oom_score && !pods->may_lower_oom_score ? pods->own_oom_score
	                                                                 : score;
}

struct preparation { /* of one start; everything in the arena */
	struct arena arena;
	struct env own, all;
	struct user user;
	struct spec_mount *mounts;
	size_t n_mounts;
	char *root;
	struct val *config;
};

static void preparation_fini(struct preparation *t)
{
	free(t->root);
	arena_fini(&t->arena);
}

static int render(struct container *c, const struct image *image, struct preparation *t,
                  struct err *err)
{
	struct pod *p = c->pod;
	struct arena *a = &t->arena;
	scoped_strbuf struct strbuf hostname = { 0 };
	bool ro = val_bool(
		val_get(val_get(c->facts.spec, "securityContext"), "readOnlyRootFilesystem"),
		false);
	const char *uts = pin(c, a, "uts");

	pod_hostname(p, &hostname);
	return spec_render(
		a,
		&(struct spec_input){
			.pod = pod_val(p),
			.container = c->facts.spec,
			.image_config = image->config,
			.own_env = &t->own,
			.env = &t->all,
			.user = &t->user,
			.rootfs = t->root,
			.hostname = strbuf_str(&hostname),
			.cgroup_path = arena_printf(a, "%s/%s", p->cgroup, c->facts.id),
			.netns = p->host_network ? NULL : arena_printf(a, "%s/net", p->pins),
			.ipcns = pin(c, a, "ipc"),
			.utsns = uts,
			.pidns = target_pidns(c, a),
			.mounts = t->mounts,
			.n_mounts = t->n_mounts,
			.oom_score_adj = oom_score(c),
			.nofile = p->pods->nofile,
			.read_only_root = ro,
		},
		&t->config, err);
}

/* Variables and user: what may be missing or forbidden. False: the facts say why it does not start.
 */
static bool configure(struct container *c, const struct image *image, const char *lower,
                      struct preparation *t)
{
	struct pod *p = c->pod;
	scoped_strbuf struct strbuf skipped = { 0 }, hostname = { 0 };
	struct finder finder;
	struct pod_facts facts;
	struct err err = { 0 };
	int r;

	t->own.arena = t->all.arena = &t->arena;
	pod_facts_fill(&finder, &facts, p);
	pod_hostname(p, &hostname);
	env_set(&t->own, SLICE("HOSTNAME"), strbuf_slice(&hostname));
	r = env_build(&t->own, &facts, c->facts.spec, &skipped, &err);
	if (r < 0 && finder.is_asking) {
		c->is_waiting = true;
		return false;
	}
	if (r == 0) {
		env_with_image(&t->all, &t->own, image->config);
		r = container_find_user(c, image, lower, &t->user, &err);
	}
	if (r < 0) {
		container_refuse(c, "CreateContainerConfigError", err.msg);
		return false;
	}
	if (skipped.size) {
		pod_event(p, c, "Warning", "InvalidVariableNames",
		          "Keys [%s] from the EnvFrom references were skipped since they are "
		          "considered invalid environment "
		          "variable names.",
		          strbuf_str(&skipped));
	}
	return true;
}

static int create(struct container *c, const struct image *image, const char *lower,
                  struct preparation *t, struct err *err)
{
	struct agent *agent = c->pod->pods->agent;
	const struct val *spec = c->facts.spec;
	int r = make_files(c, image, err);

	if (r == 0) {
		r = list_mounts(c, image, &t->own, &t->arena, &t->mounts, &t->n_mounts, err);
	}
	if (r == 0) {
		r = make_layers(c, lower, &t->root, err);
	}
	if (r == 0) {
		runtime_new_id(c->facts.id);
		r = render(c, image, t, err);
	}
	if (r < 0) {
		return r;
	}
	(void)container_save(
		c); /* before the container exists: a restarted node finds it by this */
	return runtime_create(
		agent->runtime,
		&(struct runtime_spec){ .id = c->facts.id,
	                                .config = t->config,
	                                .log_path = c->log_path,
	                                .tty = val_bool(val_get(spec, "tty"), false),
	                                .stdin_open = val_bool(val_get(spec, "stdin"), false),
	                                .stdin_once = val_bool(val_get(spec, "stdinOnce"), false) },
		&runtime_events, c, &c->runtime, err);
}

void container_start(struct container *c)
{
	struct pod *p = c->pod;
	struct preparation t = { 0 };
	scoped_strbuf struct strbuf lower = { 0 };
	struct image image;
	struct err err = { 0 };
	int r;

	c->is_waiting = false;
	if (!container_get_image(c, &image)) {
		return;
	}
	image_root(p->pods->agent->images, image.id, &lower);
	if (configure(c, &image, strbuf_str(&lower), &t)) {
		container_set_image_id(c, &image);
		c->stop_signal = container_stop_signal(c, &image);
		c->image_is_fetched = false;
		c->is_stopping = c->used_hook_extra = false;
		r = create(c, &image, strbuf_str(&lower), &t, &err);
		if (r < 0) {
			c->facts.id[0] = '\0';
			container_unmount(c);
			container_refuse(c, "CreateContainerError", err.msg);
		} else {
			c->facts.is_busy = true;
			c->runs++;
		}
	}
	preparation_fini(&t);
}

/* ---- what the runtime says ---- */

/* create or start failed: a run of no length that counts as one. */
static void start_failed(struct container *c, const struct err *why)
{
	struct container_facts *f = &c->facts;

	pod_event(c->pod, c, "Warning", "Failed", "Error: %s", why->msg);
	container_wait(c, NULL, NULL); /* what ended before becomes the last state */
	if (f->last.reason) {
		f->restarts++;
	}
	container_lost(c, "StartError", 128, why->msg);
	f->has_begun = true;
	f->end.started_us = 0;
	runtime_remove(take(c->runtime), NULL, NULL);
	container_unmount(c);
	c->facts.restart_at_us =
		restart_backoff_next(&c->backoff, loop_now_us(c->pod->pods->agent->loop), 0);
	(void)container_save(c);
	pod_look(c->pod);
}

static void on_created(void *arg, const struct err *why)
{
	struct container *c = arg;

	if (why) {
		start_failed(c, why);
		return;
	}
	pod_event(c->pod, c, "Normal", "Created", "Created container: %s", c->name);
	if (c->is_stopping) {
		container_lost(c, "Error", 137, NULL);
		runtime_remove(take(c->runtime), NULL, NULL);
		container_unmount(c);
		pod_look(c->pod);
		return;
	}
	runtime_start(c->runtime);
}

static void on_hooked(void *arg, const struct err *why)
{
	struct container *c = arg;

	c->hook = NULL;
	if (why) {
		pod_event(c->pod, c, "Warning", "FailedPostStartHook", "PostStartHook failed: %s",
		          why->msg);
		container_stop(c, loop_now_us(c->pod->pods->agent->loop) + pod_grace_us(c->pod),
		               "FailedPostStartHook");
		return;
	}
	container_ran(c);
}

static void on_started(void *arg, const struct err *why)
{
	struct container *c = arg;
	const struct val *hook = val_path(c->facts.spec, "lifecycle.postStart");

	if (why) {
		start_failed(c, why);
		return;
	}
	begin_run(c);
	c->started_mono_us = loop_now_us(c->pod->pods->agent->loop);
	pod_event(c->pod, c, "Normal", "Started", "Started container %s", c->name);
	if (c->is_stopping) {
		runtime_kill_all(c->runtime);
	} else if (hook) {
		c->hook = hook_start(c, hook, 0, on_hooked, c);
	} else {
		container_ran(c);
	}
	(void)container_save(c);
	pod_look(c->pod);
}

static void on_exited(void *arg, const struct runtime_exit *e)
{
	container_ended(arg, e);
}

static const struct runtime_events runtime_events = { on_created, on_started, on_exited };

void container_ran(struct container *c)
{
	const struct val *spec = c->facts.spec;

	if (!val_get(spec, "startupProbe")) {
		c->facts.is_started = true;
	}
	if (c->facts.is_started && !val_get(spec, "readinessProbe")) {
		c->facts.is_ready = true;
	}
	probers_start(c);
	(void)container_save(c);
	pod_look(c->pod);
}
