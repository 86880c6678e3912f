/* What: the kubelet's service over one made-up pod whose containers are real (crun and conmon), for
 * box.test.
 *
 *   stream-box SOCKET FOLDER [end]
 *
 * Pod default/box: "talker" prints a line every 50 ms, "shell" is a shell on a terminal that attach
 * reaches, "cat" repeats its input and ends with its first client. Started again it takes up what
 * runs; "end" ends all that is left. */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/json.h"
#include "host/cgroup.h"
#include "node/file.h"
#include "node/server.h"
#include "node/spec.h"

enum { N = 3 };

static struct box {
	const char *name, *json;
	char id[RUNTIME_ID_SIZE];
	struct runtime_container *c;
	char *log;
	struct val *spec;
} boxes[N] = {
	{ .name = "talker",
	  .json = "{\"name\":\"talker\",\"command\":[\"sh\",\"-c\",\"i=0; while :; do i=$((i+1)); "
	          "echo line $i; sleep 0.05; "
	          "done\"]}" },
	{ .name = "shell",
	  .json = "{\"name\":\"shell\",\"command\":[\"sh\"],\"stdin\":true,\"tty\":true}" },
	{ .name = "cat",
	  .json = "{\"name\":\"cat\",\"command\":[\"cat\"],\"stdin\":true,\"stdinOnce\":true}" },
};
static const char *folder;
static char *group;
static struct agent agent;
static struct doc *pod;

/* ---- the pod ---- */

static void view_of(struct pod_view *ret)
{
	*ret = (struct pod_view){ .doc = pod,
		                  .ns = SLICE("default"),
		                  .name = SLICE("box"),
		                  .uid = SLICE("uid-box"),
		                  .netns_path = "/proc/self/ns/net",
		                  .cgroup = group };
}

bool pods_find(const struct pods *p, struct slice ns, struct slice name, struct pod_view *ret)
{
	(void)p;
	view_of(ret);
	return slice_is(ns, "default") && slice_is(name, "box");
}

static struct pod_container_view container_view(const struct box *b)
{
	return (struct pod_container_view){ .spec = b->spec,
		                            .list = POD_APP,
		                            .runtime = b->c,
		                            .log_path = b->log,
		                            .has_started = true };
}

int pods_container(const struct pod_view *v, struct slice name, struct pod_container_view *ret,
                   struct err *err)
{
	(void)v;
	for (size_t i = 0; i < N; i++) {
		if (slice_is(name, boxes[i].name)) {
			*ret = container_view(&boxes[i]);
			return 0;
		}
	}
	return err_raise(err, ERR_NOTFOUND, "no such container");
}

void pods_each(const struct pods *p, pods_visit_fn *fn, void *arg)
{
	struct pod_view v;

	(void)p;
	view_of(&v);
	(void)fn(arg, &v);
}

void pods_each_container(const struct pod_view *v, pods_visit_container_fn *fn, void *arg)
{
	(void)v;
	for (size_t i = 0; i < N; i++) {
		struct pod_container_view c = container_view(&boxes[i]);

		(void)fn(arg, &c);
	}
}

/* ---- containers ---- */

static void on_created(void *arg, const struct err *why)
{
	const struct box *b = arg;

	if (why) {
		must_failed(why->msg, b->name, 0);
	}
	runtime_start(b->c);
}

static void on_started(void *arg, const struct err *why)
{
	const struct box *b = arg;
	scoped_free char *mark = mem_printf("%s/%s.started", folder, b->name);

	if (why) {
		must_failed(why->msg, b->name, 0);
	}
	must(file_write(mark, SLICE(""), 0600, NULL) == 0);
}

static void on_exited(void *arg, const struct runtime_exit *e)
{
	(void)arg, (void)e;
}

static const struct runtime_events events = { on_created, on_started, on_exited };

static char *make_root(const char *name)
{
	static const char *const dirs[] = { "usr", "proc", "sys", "dev", "tmp" };
	static const char *const links[] = { "bin", "sbin", "lib", "lib64" };
	char *root = mem_printf("%s/root-%s", folder, name);

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		scoped_free char *path = mem_printf("%s/%s", root, dirs[i]);

		must(dir_make(path, 0755, NULL) == 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		scoped_free char *path = mem_printf("%s/%s", root, links[i]),
				 *to = mem_printf("usr/%s", links[i]);

		must(symlink(to, path) == 0);
	}
	return root;
}

static void create(struct box *b)
{
	scoped_arena struct arena a = { 0 };
	scoped_free char *root = make_root(b->name),
			 *id_path = mem_printf("%s/%s.id", folder, b->name);
	const struct spec_mount mounts[] = { { "/usr", "/usr", NULL, "rbind,ro" } };
	struct env own = { .arena = &a }, env = { .arena = &a };
	struct user user = { .home = "/" };
	struct val *config;
	struct err err = { 0 };

	runtime_new_id(b->id);
	must(file_write(id_path, slice_of(b->id), 0600, NULL) == 0);
	env_with_image(&env, &own, NULL);
	env_set(&env, SLICE("PATH"), SLICE("/usr/bin:/bin"));
	if (spec_render(
		    &a,
		    &(struct spec_input){ .container = b->spec,
	                                  .own_env = &own,
	                                  .env = &env,
	                                  .user = &user,
	                                  .rootfs = root,
	                                  .hostname = "box",
	                                  .cgroup_path = arena_printf(&a, "%s/%s", group, b->name),
	                                  .mounts = mounts,
	                                  .n_mounts = 1 },
		    &config, &err) < 0 ||
	    runtime_create(agent.runtime,
	                   &(struct runtime_spec){
				   .id = b->id,
				   .config = config,
				   .log_path = b->log,
				   .tty = val_bool(val_get(b->spec, "tty"), false),
				   .stdin_open = val_bool(val_get(b->spec, "stdin"), false),
				   .stdin_once = val_bool(val_get(b->spec, "stdinOnce"), false) },
	                   &events, b, &b->c, &err) < 0) {
		must_failed(err.msg, b->name, 0);
	}
}

static void create_or_adopt(struct box *b)
{
	scoped_free char *id_path = mem_printf("%s/%s.id", folder, b->name);
	scoped_strbuf struct strbuf id = { 0 };

	b->log = mem_printf("%s/%s.log", folder, b->name);
	must(json_parse(&pod->arena, slice_of(b->json), 0, &b->spec, NULL) == 0);
	if (file_read(id_path, 100, &id, NULL) < 0) {
		create(b);
		return;
	}
	snprintf(b->id, sizeof(b->id), "%s", strbuf_str(&id));
	if (runtime_adopt(agent.runtime, b->id, &events, b, &b->c, NULL) < 0) {
		b->c = NULL;
	}
}

/* ---- main ---- */

static void on_signal(void *arg, int signum)
{
	(void)signum;
	loop_stop(arg);
}

static void serve(const char *socket)
{
	struct server *server;
	struct err err;

	for (size_t i = 0; i < N; i++) {
		create_or_adopt(&boxes[i]);
	}
	if (server_new(&agent, socket, &server, &err) < 0) {
		must_failed(err.msg, socket, 0);
	}
	loop_run(agent.loop);
	server_free(server);
}

int main(int argc, char **argv)
{
	struct err err;

	must(argc >= 3);
	log_init("stream-box", LOG_INFO);
	folder = argv[2];
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		return 2;
	}
	(void)umount2("/sys/fs/cgroup/unified", MNT_DETACH);
	group = mem_printf("/kennel-test-box%s", strrchr(folder, '-'));
	must(json_parse_doc(SLICE("{\"metadata\":{\"name\":\"box\",\"namespace\":\"default\"},"
	                          "\"spec\":{}}"),
	                    0, &pod, NULL) == 0);
	agent = (struct agent){ .loop = loop_new(), .node_name = "test-node" };
	must(loop_on_signal(agent.loop, SIGTERM, on_signal, agent.loop, NULL) == 0);
	{
		scoped_free char *run = mem_printf("%s/run", folder);

		if (runtime_new(agent.loop, run, &agent.runtime, &err) < 0) {
			must_failed(err.msg, run, 0);
		}
	}
	if (argc > 3) {
		for (int i = 0; i < 50 && !cgroup_kill(runtime_cgroups(agent.runtime), group);
		     i++) {
		}
		(void)cgroup_remove(runtime_cgroups(agent.runtime), group);
	} else {
		serve(argv[1]);
	}
	runtime_free(agent.runtime);
	loop_free(agent.loop);
	for (size_t i = 0; i < N; i++) {
		free(boxes[i].log);
	}
	doc_unref(pod);
	free(group);
	return 0;
}
