/* Why: see world.h. */
#include "world.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "host/cgroup.h"
#include "host/mount.h"
#include "node/builtin.h"
#include "node/file.h"
#include "node/server.h"
#include "schema/object.h"

static struct world *the_world; /* the doubles below have no other way to it */

/* ---- objects ---- */

struct replica {
	struct replica_spec spec;
	struct loop_defer synced;
	bool is_synced;
};

static struct replica *replicas[16];

static char *key_of(const char *plural, struct slice ns, struct slice name)
{
	return mem_printf("%s/" SLICE_FMT "/" SLICE_FMT, plural, SLICE_ARG(ns), SLICE_ARG(name));
}

static void store(struct world *w, const char *plural,
                  struct doc *now) /* takes the share; root null: delete */
{
	const struct val *meta = val_get(now->root, "metadata");
	scoped_free char *key =
		key_of(plural, val_get_str(meta, "namespace"), val_get_str(meta, "name"));
	struct doc *old;

	val_set(&now->arena, val_get(now->root, "metadata"), "resourceVersion",
	        val_new_strf(&now->arena, "%llu", ++w->revision));
	old = map_set(&w->objects, slice_of(key), now);
	for (size_t i = 0; i < ARRAY_SIZE(replicas); i++) {
		if (replicas[i] && strcmp(replicas[i]->spec.plural, plural) == 0 &&
		    replicas[i]->is_synced) {
			replicas[i]->spec.changed(replicas[i]->spec.arg, old, now);
		}
	}
	doc_unref(old);
}

void world_drop(struct world *w, const char *plural, const char *ns, const char *name)
{
	scoped_free char *key = key_of(plural, slice_of(ns), slice_of(name));
	struct doc *old = map_remove(&w->objects, slice_of(key));

	if (!old) {
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(replicas); i++) {
		if (replicas[i] && strcmp(replicas[i]->spec.plural, plural) == 0 &&
		    replicas[i]->is_synced) {
			replicas[i]->spec.changed(replicas[i]->spec.arg, old, NULL);
		}
	}
	doc_unref(old);
}

void world_put(struct world *w, const char *plural, const char *text)
{
	struct doc *d = doc_new();
	struct err err = { 0 };

	if (yaml_parse(&d->arena, slice_of(text), &d->root, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	store(w, plural, d);
}

void world_pod(struct world *w, const char *name, const char *spec)
{
	scoped_free char *text = mem_printf("apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\n  "
	                                    "namespace: t\n  uid: uid-%s-%d\n"
	                                    "  labels: {app: %s}\nspec: %s\n",
	                                    name, name, getpid(), name, spec);

	world_put(w, "pods", text);
}

const struct val *world_find_pod(const struct world *w, const char *name)
{
	scoped_free char *key = key_of("pods", SLICE("t"), slice_of(name));
	const struct doc *d = map_find(&w->objects, slice_of(key));

	return d ? d->root : NULL;
}

void world_delete_pod(struct world *w, const char *name, int grace_s)
{
	struct doc *d = doc_copy_of(world_find_pod(w, name));
	struct val *meta = val_get(d->root, "metadata");
	char when[TIME_TEXT_SIZE];

	val_set_cstr(&d->arena, meta, "deletionTimestamp",
	             time_format(clock_wall_us() + grace_s * US_PER_S, when));
	val_set_int(&d->arena, meta, "deletionGracePeriodSeconds", grace_s);
	store(w, "pods", d);
}

const char *world_text(const struct world *w, const char *pod, const char *path)
{
	static struct strbuf texts[4];
	static size_t next;
	struct strbuf *out = &texts[next++ % ARRAY_SIZE(texts)];
	const struct val *v = world_find_pod(w, pod);
	struct slice rest = slice_of(path), part;

	while (v && slice_next(&rest, '.', &part)) {
		struct slice name = part, index = { 0 };

		if (slice_cut(part, '[', &name, &index)) {
			v = val_at(val_get_slice(v, name), (size_t)strtoul(index.p, NULL, 10));
		} else {
			v = val_get_slice(v, name);
		}
	}
	strbuf_reset(out);
	if (v && v->type == VAL_STRING) {
		strbuf_add_slice(out, v->s);
	} else if (v) {
		json_write(out, v);
	}
	return strbuf_str(out);
}

/* ---- client.h, played ---- */

struct client_call {
	struct loop_defer answer;
	client_done_fn *done;
	void *arg;
	struct client_answer what;
	struct err why;
};

static void on_answer(struct loop_defer *d)
{
	struct client_call *c = container_of(d, struct client_call, answer);

	c->done(c->arg, &c->what);
	doc_unref(c->what.body);
	free(c);
}

void client_cancel(struct client_call *c)
{
	loop_defer_cancel(&c->answer);
	doc_unref(c->what.body);
	free(c);
}

static struct doc *token(void)
{
	struct doc *d = doc_new();
	char when[TIME_TEXT_SIZE];
	struct val *status;

	d->root = val_new_object(&d->arena);
	status = val_need_object(&d->arena, d->root, "status");
	val_set_cstr(&d->arena, status, "token", "the-token");
	val_set_cstr(&d->arena, status, "expirationTimestamp",
	             time_format(clock_wall_us() + 3600 * US_PER_S, when));
	return d;
}

static void serve(struct world *w, const char *method, const char *target, const struct val *body,
                  struct client_answer *ret)
{
	struct slice rest = slice_of(target), part[8] = { { 0 } };
	struct slice want, have;
	struct doc *d, *now;
	scoped_free char *plural = NULL, *key = NULL;
	struct val *patched;
	size_t n = 0;

	while (n < ARRAY_SIZE(part) && slice_next(&rest, '/', &part[n])) {
		n++; /* "", api, v1, namespaces, NS, PLURAL, NAME, SUB */
	}
	if (slice_is(part[7], "token")) {
		*ret = (struct client_answer){ 201, token(), NULL };
		return;
	}
	plural = slice_dup(part[5]);
	key = key_of(plural, part[4], part[6]);
	d = map_find(&w->objects, slice_of(key));
	if (!d) {
		*ret = (struct client_answer){ 404, NULL, NULL };
		return;
	}
	if (strcmp(method, "GET") == 0) {
		*ret = (struct client_answer){ 200, doc_ref(d), NULL };
		return;
	}
	if (strcmp(method, "DELETE") == 0) {
		*ret = (struct client_answer){ 200, NULL, NULL };
		world_drop(w, plural, "t", val_cstr(val_path(d->root, "metadata.name")));
		return;
	}
	want = val_str(val_path(body, "metadata.resourceVersion"));
	have = val_str(val_path(d->root, "metadata.resourceVersion"));
	if (want.len > 0 && !slice_eq(want, have)) {
		*ret = (struct client_answer){ 409, NULL, NULL };
		return;
	}
	now = doc_new();
	if (patch_merge(&now->arena, d->root, body, &patched, NULL) < 0) {
		fail_msg("bad patch");
	}
	now->root = val_copy(&now->arena, patched);
	w->n_status_writes++;
	*ret = (struct client_answer){ 200, doc_ref(now), NULL };
	store(w, plural, now);
}

struct client_call *client_request(struct client *c, const char *method, const char *target,
                                   const char *content_type, const struct val *body,
                                   client_done_fn *done, void *arg)
{
	struct client_call *call = NEW(struct client_call);

	(void)c;
	(void)content_type;
	call->done = done;
	call->arg = arg;
	call->what.why = &call->why;
	serve(the_world, method, target, body, &call->what);
	loop_defer(the_world->agent.loop, &call->answer, on_answer);
	return call;
}

void client_path(struct strbuf *out, const char *api_version, const char *plural, struct slice ns,
                 struct slice name, const char *subresource)
{
	strbuf_addf(out, "/api/%s/namespaces/" SLICE_FMT "/%s/" SLICE_FMT, api_version,
	            SLICE_ARG(ns), plural, SLICE_ARG(name));
	if (subresource) {
		strbuf_addf(out, "/%s", subresource);
	}
}

static void each_of(const struct replica *r, replica_visit_fn *fn, void *arg)
{
	scoped_free char *prefix = mem_printf("%s/", r->spec.plural);

	for (struct map_iter it = { 0 }; map_next(&the_world->objects, &it);) {
		if (slice_has_prefix(it.key, slice_of(prefix)) && !fn(arg, it.value)) {
			return;
		}
	}
}

static bool tell_added(void *arg, const struct doc *d)
{
	const struct replica *r = arg;

	r->spec.changed(r->spec.arg, NULL, d);
	return true;
}

static void on_synced(struct loop_defer *d)
{
	struct replica *r = container_of(d, struct replica, synced);

	each_of(r, tell_added, r);
	r->is_synced = true;
	r->spec.synced(r->spec.arg);
}

struct replica *replica_new(struct client *c, const struct replica_spec *s)
{
	struct replica *r = NEW(struct replica);

	(void)c;
	r->spec = *s;
	for (size_t i = 0; i < ARRAY_SIZE(replicas); i++) {
		if (!replicas[i]) {
			replicas[i] = r;
			break;
		}
	}
	loop_defer(the_world->agent.loop, &r->synced, on_synced);
	return r;
}

struct replica *replica_free(struct replica *r)
{
	for (size_t i = 0; r && i < ARRAY_SIZE(replicas); i++) {
		if (replicas[i] == r) {
			replicas[i] = NULL;
		}
	}
	if (r) {
		loop_defer_cancel(&r->synced);
		free(r);
	}
	return NULL;
}

bool replica_is_synced(const struct replica *r)
{
	return r->is_synced;
}

const struct doc *replica_find(const struct replica *r, struct slice ns, struct slice name)
{
	scoped_free char *key = key_of(r->spec.plural, ns, name);

	return map_find(&the_world->objects, slice_of(key));
}

void replica_each(const struct replica *r, replica_visit_fn *fn, void *arg)
{
	each_of(r, fn, arg);
}

void replica_put(struct replica *r, const struct doc *d)
{
	(void)r; /* this world's watch is never behind */
	(void)d;
}

void recorder_event(struct recorder *r, const struct val *object, const char *type,
                    const char *reason, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	(void)r;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	strbuf_addf(&the_world->events, "%s %s %s: %s\n", type, reason,
	            val_cstr(val_path(object, "metadata.name")), text);
}

/* ---- model.h and dataplane.h, played ---- */

void model_put(struct model *m, const struct doc *d)
{
	(void)m;
	(void)d;
}

void model_remove(struct model *m, const struct doc *d)
{
	(void)m;
	(void)d;
}

int dataplane_pod_attach(struct dataplane *d, struct slice pod_uid_, struct ip_pair ips,
                         int netns_fd, struct err *err)
{
	(void)d;
	(void)pod_uid_;
	(void)ips;
	(void)netns_fd;
	(void)err;
	return 0;
}

void dataplane_pod_detach(struct dataplane *d, struct slice pod_uid_, struct ip_pair ips)
{
	(void)d;
	(void)pod_uid_;
	(void)ips;
}

void agent_sync(struct agent *a)
{
	(void)a;
}

void server_pod_changed(struct server *s, struct slice uid)
{
	(void)s;
	(void)uid;
}

/* ---- the world ---- */

int world_set_up(void **state)
{
	struct world *w = NEW(struct world);
	struct agent *a = &w->agent;
	const char *tmp = getenv("TMPDIR");
	scoped_free char *dir = mem_printf("%s/kennel-pods-XXXXXX", tmp ? tmp : "/tmp");

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		return -1;
	}
	(void)umount2("/sys/fs/cgroup/unified", MNT_DETACH);
	the_world = w;
	w->dir = mem_strdup(mkdtemp(dir));
	w->home = mem_printf("%s/home", w->dir);
	w->pods_dir = mem_printf("%s/pods", w->home);
	w->run = mem_printf("%s/run", w->dir);
	w->group = mem_printf("/kennel-test-%d", getpid());
	w->exe = realpath("/proc/self/exe", NULL);
	*a = (struct agent){ .loop = loop_new(),
		             .instance = "test",
		             .home = w->home,
		             .pods_dir = w->pods_dir,
		             .node_name = "the-node",
		             .exe = w->exe,
		             .instance_dir = w->run,
		             .run_dir = w->run,
		             .cgroup = w->group };
	a->node_ips.at[0] = ip_v4(0x7f000001);
	(void)prefix_parse(SLICE("10.244.0.0/24"), &a->pod_ranges[0]);
	a->dns_ip = ip_v4(0x0a00000a);
	*state = w;
	if (runtime_new(a->loop, w->run, &a->runtime, NULL) < 0 ||
	    image_store_open(w->home, &a->images, NULL) < 0 || builtin_make(w->home, NULL) < 0) {
		return -1;
	}
	world_start_node(w);
	return 0;
}

void world_start_node(struct world *w)
{
	if (!w->agent.runtime) {
		assert_int_equal(runtime_new(w->agent.loop, w->run, &w->agent.runtime, NULL), 0);
	}
	(void)pods_new(&w->agent);
	world_pass(w, 1000);
}

void world_stop_node(struct world *w)
{
	w->agent.pods = pods_free(w->agent.pods);
	w->agent.runtime = runtime_free(w->agent.runtime);
}

int world_tear_down(void **state)
{
	struct world *w = *state;
	struct cgroups *groups;

	world_stop_node(w);
	world_pass(w, 300000); /* work that is off the loop comes back */
	if (cgroups_open(&groups, NULL) == 0) {
		(void)cgroup_kill(groups, w->group);
		(void)cgroup_remove(groups, w->group);
		cgroups_close(groups);
	}
	image_store_close(w->agent.images);
	loop_free(w->agent.loop);
	mounts_remove_below(w->dir);
	tree_discard(w->dir);
	for (struct map_iter it = { 0 }; map_next(&w->objects, &it);) {
		doc_unref(it.value);
	}
	map_fini(&w->objects);
	strbuf_fini(&w->events);
	free(w->dir);
	free(w->home);
	free(w->pods_dir);
	free(w->run);
	free(w->group);
	free(w->exe);
	free(w);
	return 0;
}

/* ---- waiting ---- */

static void on_tick(struct loop_timer *t)
{
	loop_stop(t->loop);
}

void world_pass(struct world *w, int64_t us)
{
	struct loop_timer t = { 0 };

	loop_timer_start(w->agent.loop, &t, us, on_tick);
	while (loop_timer_is_armed(&t)) {
		loop_run(w->agent.loop);
	}
}

static const int64_t patience_us = 20 * US_PER_S;

void world_wait(struct world *w, const char *pod, const char *path, const char *text)
{
	int64_t end = clock_mono_us() + patience_us;

	while (strcmp(world_text(w, pod, path), text) != 0) {
		if (clock_mono_us() > end) {
			fail_msg("%s of %s: wanted \"%s\", found \"%s\"\nstatus: %s\nevents:\n%s",
			         path, pod, text, world_text(w, pod, path),
			         world_text(w, pod, "status"), strbuf_str(&w->events));
		}
		world_pass(w, 2000);
	}
}

void world_wait_gone(struct world *w, const char *pod)
{
	int64_t end = clock_mono_us() + patience_us;

	while (world_find_pod(w, pod)) {
		if (clock_mono_us() > end) {
			fail_msg("%s is still there\nstatus: %s\nevents:\n%s", pod,
			         world_text(w, pod, "status"), strbuf_str(&w->events));
		}
		world_pass(w, 2000);
	}
}

void world_wait_event(struct world *w, const char *part)
{
	int64_t end = clock_mono_us() + patience_us;

	while (!strstr(strbuf_str(&w->events), part)) {
		if (clock_mono_us() > end) {
			fail_msg("no event \"%s\" among\n%s", part, strbuf_str(&w->events));
		}
		world_pass(w, 2000);
	}
}

struct said {
	struct strbuf out;
	bool done;
	int code;
};

static void on_said(void *arg, int stream, struct slice bytes)
{
	(void)stream;
	strbuf_add_slice(&((struct said *)arg)->out, bytes);
}

static void on_said_done(void *arg, const struct runtime_exec_result *r)
{
	struct said *s = arg;

	s->done = true;
	s->code = r->code;
	if (r->why) {
		strbuf_adds(&s->out, r->why->msg);
	}
}

char *world_exec(struct world *w, const char *pod, const char *shell_line)
{
	static const struct runtime_exec_events events = { on_said, NULL, on_said_done };
	scoped_arena struct arena a = { 0 };
	struct val *args = val_new_array(&a);
	struct pod_container_view c;
	struct said s = { 0 };
	struct pod_view v;
	struct err err = { 0 };

	assert_true(pods_find(w->agent.pods, SLICE("t"), slice_of(pod), &v));
	if (pods_container(&v, (struct slice){ 0 }, &c, &err) < 0 || !c.runtime) {
		fail_msg("%s has no running container: %s", pod, world_text(w, pod, "status"));
	}
	val_append(args, val_new_cstr(&a, "sh"));
	val_append(args, val_new_cstr(&a, "-c"));
	val_append(args, val_new_cstr(&a, shell_line));
	(void)runtime_exec(c.runtime,
	                   &(struct runtime_exec_spec){
				   .args = args, .stdout_open = true, .stderr_open = true },
	                   &events, &s);
	while (!s.done) {
		world_pass(w, 1000);
	}
	if (s.code != 0) {
		fail_msg("%s: \"%s\" ended with %d: %s", pod, shell_line, s.code,
		         strbuf_str(&s.out));
	}
	{
		char *text = slice_dup(slice_trim(strbuf_slice(&s.out)));

		strbuf_fini(&s.out);
		return text;
	}
}
