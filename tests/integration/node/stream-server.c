/* What: the kubelet's service over made-up pods, for stream.test: containers are plain processes, a
 * log is a file, so that what is tested is the way between them and the client.
 *
 *   stream-server SOCKET FOLDER [NETNS]
 *
 * Pod default/web: container "main" runs (log FOLDER/main.log), "done" has ended (FOLDER/done.log,
 * the run before in FOLDER/done.old.log), "new" waits to be created. A file FOLDER/ended makes main
 * end. Attach goes to FOLDER/attach. Pod default/slow has no network yet. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/json.h"
#include "host/cgroup.h"
#include "loop/process.h"
#include "node/server.h"

enum { FULL = 256 << 10 };

struct runtime_container {
	const char *id;
	enum runtime_state state;
};

static const char *folder, *netns;
static struct doc *web, *slow;
static struct runtime_container main_container = { "main", RUNTIME_RUNNING };
static struct runtime_container done_container = { "done", RUNTIME_EXITED };
static struct loop *the_loop;

/* ---- pods ---- */

static void view_of(const struct doc *d, struct pod_view *ret)
{
	const struct val *meta = val_get(d->root, "metadata");

	*ret = (struct pod_view){
		.doc = d,
		.ns = val_get_str(meta, "namespace"),
		.name = val_get_str(meta, "name"),
		.uid = val_get_str(meta, "uid"),
		.netns_path = d == web ? netns : NULL,
	};
}

bool pods_find(const struct pods *p, struct slice ns, struct slice name, struct pod_view *ret)
{
	(void)p;
	if (!slice_is(ns, "default") || (!slice_is(name, "web") && !slice_is(name, "slow"))) {
		return false;
	}
	view_of(slice_is(name, "web") ? web : slow, ret);
	return true;
}

static struct pod_container_view container_view(const char *name)
{
	static char paths[3][4096];
	struct pod_container_view c = { .list = POD_APP };

	val_for_each (val_path(web->root, "spec.containers"), it) {
		if (slice_is(val_get_str(it, "name"), name)) {
			c.spec = it;
		}
	}
	snprintf(paths[0], sizeof(paths[0]), "%s/main.log", folder);
	snprintf(paths[1], sizeof(paths[1]), "%s/done.log", folder);
	snprintf(paths[2], sizeof(paths[2]), "%s/done.old.log", folder);
	if (strcmp(name, "main") == 0) {
		char ended[4096];

		snprintf(ended, sizeof(ended), "%s/ended", folder);
		main_container.state = access(ended, F_OK) == 0 ? RUNTIME_EXITED : RUNTIME_RUNNING;
		c.runtime = &main_container;
		c.log_path = paths[0];
	} else if (strcmp(name, "done") == 0) {
		c.runtime = &done_container;
		c.log_path = paths[1];
		c.previous_log_path = paths[2];
	} else {
		c.waiting_reason = "ContainerCreating";
	}
	return c;
}

int pods_container(const struct pod_view *v, struct slice name, struct pod_container_view *ret,
                   struct err *err)
{
	static const char *const known[] = { "main", "done", "new" };

	if (name.len == 0) {
		name = SLICE("main");
	}
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (slice_is(name, known[i])) {
			*ret = container_view(known[i]);
			return 0;
		}
	}
	return err_raise(err, ERR_NOTFOUND,
	                 "container " SLICE_FMT " is not valid for pod " SLICE_FMT, SLICE_ARG(name),
	                 SLICE_ARG(v->name));
}

void pods_each(const struct pods *p, pods_visit_fn *fn, void *arg)
{
	struct pod_view v;

	(void)p;
	view_of(web, &v);
	if (fn(arg, &v)) {
		view_of(slow, &v);
		(void)fn(arg, &v);
	}
}

void pods_each_container(const struct pod_view *v, pods_visit_container_fn *fn, void *arg)
{
	struct pod_container_view c = container_view("main");

	if (v->doc == web) {
		(void)fn(arg, &c);
	}
}

/* ---- containers ---- */

enum runtime_state runtime_state(const struct runtime_container *c)
{
	return c->state;
}

const char *runtime_id(const struct runtime_container *c)
{
	return c->id;
}

struct runtime_container *runtime_find(const struct runtime *rt, const char *id)
{
	(void)rt;
	return strcmp(id, "main") == 0 ? &main_container : NULL;
}

pid_t runtime_pid(const struct runtime_container *c)
{
	(void)c;
	return getpid();
}

bool runtime_has_tty(const struct runtime_container *c)
{
	(void)c;
	return false;
}

const char *runtime_attach_path(const struct runtime_container *c)
{
	static char path[4096];

	(void)c;
	snprintf(path, sizeof(path), "%s/attach", folder);
	return path;
}

const char *runtime_cgroup(const struct runtime_container *c)
{
	(void)c;
	return "/";
}

void runtime_resize(struct runtime_container *c, uint16_t columns, uint16_t rows)
{
	(void)c, (void)columns, (void)rows;
}

/* ---- exec ---- */

struct pipe_end {
	struct runtime_exec *e;
	struct loop_fd *w;
	int fd, stream;
};

struct runtime_exec {
	struct runtime_exec_events events; /* zeroed when dropped */
	void *arg;
	struct process *process;
	struct pipe_end in, out, err;
	struct strbuf queue;
	bool eof_wanted, paused, ended;
	int status;
	struct err why;
	struct loop_defer finish;
};

static void end_close(struct pipe_end *p)
{
	p->w = loop_fd_close(p->w);
	if (p->fd >= 0) {
		close(take_fd(&p->fd));
	}
}

static void on_finish(struct loop_defer *d)
{
	struct runtime_exec *e = container_of(d, struct runtime_exec, finish);
	struct runtime_exec_result r = { .why = e->why.code ? &e->why : NULL };

	r.code = WIFEXITED(e->status) ? WEXITSTATUS(e->status) : 128 + WTERMSIG(e->status);
	end_close(&e->in);
	if (e->events.done) {
		e->events.done(e->arg, &r);
	}
	strbuf_fini(&e->queue);
	free(e);
}

static void check_over(struct runtime_exec *e)
{
	if (e->ended && e->out.fd < 0 && e->err.fd < 0) {
		loop_defer(the_loop, &e->finish, on_finish);
	}
}

static void on_output(void *arg, int fd, unsigned events)
{
	struct pipe_end *p = arg;
	char buf[64 << 10];
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)events;
	if (n > 0) {
		if (p->e->events.data) {
			p->e->events.data(p->e->arg, p->stream, (struct slice){ buf, (size_t)n });
		}
	} else if (n == 0 || errno != EAGAIN) {
		end_close(p);
		check_over(p->e);
	}
}

static void flush_input(struct runtime_exec *e)
{
	bool was_full = e->queue.size > FULL;

	while (e->queue.size && e->in.fd >= 0) {
		ssize_t n = write(e->in.fd, e->queue.p, e->queue.size);

		if (n < 0) {
			if (errno != EAGAIN) {
				strbuf_reset(&e->queue);
				end_close(&e->in);
			}
			break;
		}
		strbuf_consume(&e->queue, (size_t)n);
	}
	if (!e->queue.size && e->eof_wanted && e->in.fd >= 0) {
		end_close(&e->in);
	}
	if (e->in.w) {
		loop_fd_set(e->in.w, e->queue.size ? LOOP_WRITE : 0);
	}
	if (was_full && e->queue.size <= FULL && e->events.drain) {
		e->events.drain(e->arg);
	}
}

static void on_input(void *arg, int fd, unsigned events)
{
	(void)fd, (void)events;
	flush_input(arg);
}

static void on_ended(void *arg, const struct process_result *r)
{
	struct runtime_exec *e = arg;

	e->status = r->status;
	e->ended = true;
	check_over(e);
}

static void watch(struct pipe_end *p, int fd, int stream, struct runtime_exec *e)
{
	*p = (struct pipe_end){ .e = e, .fd = fd, .stream = stream };
	must(loop_fd_open(the_loop, fd, LOOP_READ, on_output, p, &p->w, NULL) == 0);
}

struct runtime_exec *runtime_exec(struct runtime_container *c, const struct runtime_exec_spec *s,
                                  const struct runtime_exec_events *events, void *arg)
{
	struct runtime_exec *e = NEW(struct runtime_exec);
	struct process_spec spec = { 0 };
	const char *argv[64] = { 0 };
	int in[2] = { -1, -1 }, out[2], err_pipe[2], size = 0, r;

	(void)c;
	e->events = *events;
	e->arg = arg;
	e->in.fd = e->out.fd = e->err.fd = -1;
	val_for_each (s->args, it) {
		argv[size++] = val_cstr(it);
	}
	spec.argv = argv;
	if (s->tty) {
		int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		int slave;

		must(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
		slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
		must(slave >= 0);
		spec.stdin_fd = spec.stdout_fd = spec.stderr_fd = slave;
		spec.new_session = true;
		r = process_start(the_loop, &spec, on_ended, e, &e->process, &e->why);
		close(slave);
		watch(&e->out, master, 1, e);
		e->in.fd = dup(master);
	} else {
		must(pipe2(out, O_CLOEXEC) == 0 && pipe2(err_pipe, O_CLOEXEC) == 0);
		if (s->stdin_open) {
			must(pipe2(in, O_CLOEXEC) == 0);
		}
		spec.stdin_fd = in[0];
		spec.stdout_fd = out[1];
		spec.stderr_fd = err_pipe[1];
		r = process_start(the_loop, &spec, on_ended, e, &e->process, &e->why);
		close(out[1]);
		close(err_pipe[1]);
		if (in[0] >= 0) {
			close(in[0]);
		}
		e->in.fd = in[1];
		watch(&e->out, out[0], 1, e);
		watch(&e->err, err_pipe[0], 2, e);
	}
	if (e->in.fd >= 0) {
		must(loop_fd_open(the_loop, e->in.fd, 0, on_input, e, &e->in.w, NULL) == 0);
	}
	if (r < 0) {
		e->ended = true;
		end_close(&e->out);
		end_close(&e->err);
		check_over(e);
	}
	return e;
}

void runtime_exec_write(struct runtime_exec *e, struct slice bytes)
{
	strbuf_add_slice(&e->queue, bytes);
	flush_input(e);
}

bool runtime_exec_is_full(const struct runtime_exec *e)
{
	return e->queue.size > FULL;
}

void runtime_exec_eof(struct runtime_exec *e)
{
	e->eof_wanted = true;
	flush_input(e);
}

void runtime_exec_pause(struct runtime_exec *e, bool paused)
{
	if (e->out.w) {
		loop_fd_set(e->out.w, paused ? 0 : LOOP_READ);
	}
	if (e->err.w) {
		loop_fd_set(e->err.w, paused ? 0 : LOOP_READ);
	}
}

void runtime_exec_resize(struct runtime_exec *e, uint16_t columns, uint16_t rows)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	(void)ioctl(e->out.fd, TIOCSWINSZ, &size);
}

void runtime_exec_drop(struct runtime_exec *e)
{
	e->events = (struct runtime_exec_events){ 0 };
	end_close(&e->in);
	end_close(&e->out);
	end_close(&e->err);
	check_over(e);
}

/* ---- main ---- */

static void on_signal(void *arg, int signum)
{
	(void)signum;
	loop_stop(arg);
}

static struct doc *pod(const char *name)
{
	scoped_free char *text = mem_printf("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{"
	                                    "\"name\":\"%s\",\"namespace\":"
	                                    "\"default\",\"uid\":\"uid-%s\"},\"spec\":{"
	                                    "\"containers\":[{\"name\":\"main\"},{\"name\":"
	                                    "\"done\"},{\"name\":\"new\"}]}}",
	                                    name, name);
	struct doc *d;

	must(json_parse_doc(slice_of(text), JSON_STRICT, &d, NULL) == 0);
	return d;
}

int main(int argc, char **argv)
{
	struct agent agent = { .node_name = "test-node" };
	struct server *server;
	struct err err;

	must(argc >= 3);
	log_init("stream-server", LOG_INFO);
	folder = argv[2];
	netns = argc > 3 ? argv[3] : "/proc/self/ns/net";
	web = pod("web");
	slow = pod("slow");
	agent.loop = the_loop = loop_new();
	must(loop_on_signal(the_loop, SIGTERM, on_signal, the_loop, NULL) == 0);
	if (server_new(&agent, argv[1], &server, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 2;
	}
	loop_run(the_loop);
	server_free(server);
	loop_run_once(the_loop);
	loop_free(the_loop);
	doc_unref(web);
	doc_unref(slow);
	return 0;
}
