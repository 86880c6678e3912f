/* Why: crun makes containers and conmon keeps them; this file turns their files and exit codes into
 * states and callbacks. The machine is drawn in runtime.h. */
#include "node/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/chance.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "host/cgroup.h"
#include "node/file.h"
#include "node/runtime-priv.h"

static void announce(struct loop_defer *d);

/* ---- the runtime ---- */

/* Absolute path of a program in PATH, or null. Caller frees. */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");
	struct slice rest = slice_of(path && *path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"), dir;

	while (slice_next(&rest, ':', &dir)) {
		char *full = mem_printf(SLICE_FMT "/%s", SLICE_ARG(dir), name);

		if (access(full, X_OK) == 0) {
			return full;
		}
		free(full);
	}
	return NULL;
}

int runtime_new(struct loop *l, const char *run_dir, struct runtime **ret, struct err *err)
{
	scoped_free char *containers = mem_printf("%s/c", run_dir),
			 *conmon = find_program("conmon");
	struct runtime *rt = NEW(struct runtime);
	int r;

	rt->loop = l;
	rt->run_dir = mem_strdup(run_dir);
	rt->crun_root = mem_printf("%s/crun", run_dir);
	rt->exit_dir = mem_printf("%s/exit", run_dir);
	rt->crun = find_program("crun");
	if (!rt->crun || !conmon) {
		r = err_raise(err, ERR_NOTFOUND, "%s is not installed",
		              rt->crun ? "conmon" : "crun");
	} else {
		r = cgroups_open(&rt->cgroups, err);
	}
	if (r == 0) {
		r = dir_make(containers, 0700, err);
	}
	if (r == 0) {
		r = dir_make(rt->crun_root, 0700, err);
	}
	if (r == 0) {
		r = dir_make(rt->exit_dir, 0700, err);
	}
	if (r < 0) {
		runtime_free(rt);
		return r;
	}
	*ret = rt;
	return 0;
}

static struct runtime_container *container_free(struct runtime_container *c)
{
	runtime_exec_abandon(c);
	loop_defer_cancel(&c->tell);
	loop_fd_close(c->sync);
	loop_child_close(c->conmon);
	if (c->launcher) {
		process_forget(c->launcher);
	}
	if (c->starter) {
		process_forget(c->starter);
	}
	if (c->sync_fd >= 0) {
		close(c->sync_fd);
	}
	if (c->pid_fd >= 0) {
		close(c->pid_fd);
	}
	strbuf_fini(&c->said);
	free(c->dir);
	free(c->log_path);
	free(c->cgroup);
	free(c->attach_path);
	free(c);
	return NULL;
}

struct runtime *runtime_free(struct runtime *rt)
{
	if (rt) {
		for (struct map_iter it = { 0 }; map_next(&rt->containers, &it);) {
			container_free(it.value);
		}
		map_fini(&rt->containers);
		cgroups_close(rt->cgroups);
		free(rt->run_dir);
		free(rt->crun_root);
		free(rt->exit_dir);
		free(rt->crun);
		free(rt);
	}
	return NULL;
}

void runtime_new_id(char id[RUNTIME_ID_SIZE])
{
	uint8_t bytes[(RUNTIME_ID_SIZE - 1) / 2];

	chance_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
	}
}

struct runtime_container *runtime_find(const struct runtime *rt, const char *id)
{
	return map_find(&rt->containers, slice_of(id));
}

struct cgroups *runtime_cgroups(const struct runtime *rt)
{
	return rt->cgroups;
}

/* ---- one container: making it ---- */

static struct runtime_container *container_new(struct runtime *rt, const char *id,
                                               const struct runtime_events *events, void *arg)
{
	struct runtime_container *c = NEW(struct runtime_container);

	c->rt = rt;
	snprintf(c->id, sizeof(c->id), "%s", id);
	c->dir = mem_printf("%s/c/%s", rt->run_dir, id);
	c->attach_path = mem_printf("%s/attach", c->dir);
	c->sync_fd = c->pid_fd = -1;
	c->events = *events;
	c->arg = arg;
	map_set(&rt->containers, slice_of(id), c);
	return c;
}

static void read_config(struct runtime_container *c, const struct val *config)
{
	c->cgroup = mem_strdup(val_cstr(val_path(config, "linux.cgroupsPath")));
	c->tty = val_bool(val_path(config, "process.terminal"), false);
}

static pid_t read_pid(const struct runtime_container *c, const char *name)
{
	scoped_free char *path = mem_printf("%s/%s", c->dir, name);
	scoped_strbuf struct strbuf text = { 0 };
	int64_t pid;

	if (file_read(path, 64, &text, NULL) < 0 ||
	    !slice_to_i64(slice_trim(strbuf_slice(&text)), &pid)) {
		return 0;
	}
	return (pid_t)pid;
}

static void read_exit(struct runtime_container *c)
{
	scoped_free char *path = mem_printf("%s/%s", c->rt->exit_dir, c->id);
	scoped_strbuf struct strbuf text = { 0 };
	struct stat st;
	int64_t code;

	c->exit = (struct runtime_exit){ .code = 137,
		                         .is_unknown = true,
		                         .at_wall_us = clock_wall_us() };
	if (file_read(path, 64, &text, NULL) == 0 &&
	    slice_to_i64(slice_trim(strbuf_slice(&text)), &code)) {
		c->exit.code = (int)(code & 0xff);
		c->exit.is_unknown = false;
		if (stat(path, &st) == 0) {
			c->exit.at_wall_us =
				st.st_mtim.tv_sec * US_PER_S + st.st_mtim.tv_nsec / 1000;
		}
	}
	c->exit.oom_killed = c->exit.code == 137 && cgroup_oom_kills(c->rt->cgroups, c->cgroup) > 0;
}

static void set_exited(struct runtime_container *c)
{
	read_exit(c);
	if (c->exit.is_unknown) {
		(void)cgroup_signal(c->rt->cgroups, c->cgroup, SIGKILL); /* its keeper has died */
	}
	c->state = RUNTIME_EXITED;
	loop_defer(c->rt->loop, &c->tell, announce);
}

static void on_conmon_end(void *arg, pid_t pid, int status)
{
	struct runtime_container *c = arg;

	(void)pid;
	(void)status;
	c->conmon = NULL;
	set_exited(c);
}

/* exited comes after started, whatever ended first. */
static void announce(struct loop_defer *d)
{
	struct runtime_container *c = container_of(d, struct runtime_container, tell);

	if (c->state != RUNTIME_EXITED || c->is_starting || c->is_announced) {
		return;
	}
	c->is_announced = true;
	runtime_exec_abandon(c);
	if (!c->is_failed && c->events.exited) {
		c->events.exited(c->arg, &c->exit);
	}
}

static void watch_conmon(struct runtime_container *c)
{
	pid_t pid = read_pid(c, "conmon.pid");

	if (pid <= 0 || loop_child_open(c->rt->loop, pid, on_conmon_end, c, &c->conmon, NULL) < 0) {
		set_exited(c);
	}
}

static void take_pid(struct runtime_container *c, pid_t pid)
{
	c->pid = pid;
	c->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
}

static void fail(struct runtime_container *c, void (*tell)(void *, const struct err *),
                 const struct err *why)
{
	c->is_failed = true;
	c->state = RUNTIME_EXITED;
	c->exit = (struct runtime_exit){ .code = 128, .at_wall_us = clock_wall_us() };
	(void)cgroup_signal(c->rt->cgroups, c->cgroup, SIGKILL);
	if (tell) {
		tell(c->arg, why);
	}
}

/* What crun printed, without its time stamp and with one line only. */
static struct slice crun_words(struct slice text)
{
	struct slice line = { 0 }, last = { 0 };
	const char *z;

	text = slice_trim(text);
	while (slice_next(&text, '\n', &line)) {
		last = line.len ? line : last;
	}
	z = last.len > 30 ? memmem(last.p, 40 < last.len ? 40 : last.len, "Z: ", 3) : NULL;
	return z ? slice_from(last, (size_t)(z - last.p) + 3) : last;
}

/* conmon forks; the child makes the container and tells us, the first process writes the child's
 * number and ends. Either may be first. */
static void check_created(struct runtime_container *c)
{
	if (c->state != RUNTIME_CREATING || c->launcher || c->pid <= 0) {
		return;
	}
	c->state = RUNTIME_CREATED;
	watch_conmon(c);
	if (c->events.created) {
		c->events.created(c->arg, NULL);
	}
}

/* conmon's word on its sync pipe: {"data": PID} or {"data": -1, "message": "..."}. */
static void on_sync(void *arg, int fd, unsigned events)
{
	struct runtime_container *c = arg;
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));
	scoped_doc struct doc *d = NULL;
	struct err why = { 0 };
	int64_t pid = -1;

	(void)events;
	if (n > 0) {
		strbuf_add(&c->said, buf, (size_t)n);
		if (slice_find(strbuf_slice(&c->said), '\n') < 0 && c->said.size < 65536) {
			return;
		}
	} else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	c->sync = loop_fd_close(c->sync);
	close(take_fd(&c->sync_fd));
	if (json_parse_doc(slice_trim(strbuf_slice(&c->said)), 0, &d, NULL) == 0) {
		pid = val_int(val_get(d->root, "data"), -1);
	}
	if (pid <= 0) {
		struct slice words =
			crun_words(d ? val_get_str(d->root, "message") : (struct slice){ 0 });

		(void)err_raise(
			&why, ERR_IO, SLICE_FMT,
			SLICE_ARG(words.len ? words : SLICE("conmon ended without an answer")));
		fail(c, c->events.created, &why);
		return;
	}
	take_pid(c, (pid_t)pid);
	check_created(c);
}

static void on_launched(void *arg, const struct process_result *r)
{
	struct runtime_container *c = arg;

	c->launcher = NULL;
	if (!WIFEXITED(r->status) || WEXITSTATUS(r->status) != 0) {
		log_odd("conmon failed status=%d error=%s", r->status, r->err);
	}
	check_created(c);
}

static int start_conmon(struct runtime_container *c, const struct runtime_spec *s, int sync_w,
                        struct err *err)
{
	struct runtime *rt = c->rt;
	scoped_free char *pid = mem_printf("%s/pid", c->dir),
			 *conmon_pid = mem_printf("%s/conmon.pid", c->dir),
			 *log = mem_printf("k8s-file:%s", s->log_path),
			 *root = mem_printf("--root=%s", rt->crun_root),
			 *path = mem_printf("PATH=%s", getenv("PATH")
	                                                       ? getenv("PATH")
	                                                       : "/usr/sbin:/usr/bin:/sbin:/bin");
	const char *argv[40] = { "conmon",
		                 "--api-version",
		                 "1",
		                 "-c",
		                 c->id,
		                 "-u",
		                 c->id,
		                 "-n",
		                 c->id,
		                 "-r",
		                 rt->crun,
		                 "-b",
		                 c->dir,
		                 "-p",
		                 pid,
		                 "-P",
		                 conmon_pid,
		                 "-l",
		                 log,
		                 "--exit-dir",
		                 rt->exit_dir,
		                 "--full-attach",
		                 "--log-level",
		                 "error",
		                 "--no-new-keyring",
		                 "--no-sync-log",
		                 "--runtime-arg",
		                 root,
		                 "--runtime-arg",
		                 "--cgroup-manager=cgroupfs" };
	const char *const env[] = { path, "_OCI_SYNCPIPE=3", NULL };
	const int pass[] = { sync_w, -1 };
	size_t n = 0;

	while (argv[n]) {
		n++;
	}
	if (s->tty) {
		argv[n++] = "--terminal";
	}
	if (s->stdin_open) {
		argv[n++] = "--stdin";
		if (!s->stdin_once) {
			argv[n++] = "--leave-stdin-open";
		}
	}
	return process_start(
		rt->loop,
		&(struct process_spec){ .argv = argv, .env = env, .pass_fds = pass, .cwd = "/" },
		on_launched, c, &c->launcher, err);
}

static int make_bundle(const struct runtime_container *c, const struct runtime_spec *s,
                       struct err *err)
{
	scoped_free char *config = mem_printf("%s/config.json", c->dir),
			 *log = mem_printf("%s/log", c->dir);
	scoped_strbuf struct strbuf text = { 0 };
	int r = dir_make(c->dir, 0700, err);

	if (r < 0) {
		return r;
	}
	if (symlink(s->log_path, log) < 0) {
		return err_sys(err, "link %s", log);
	}
	json_write(&text, s->config);
	return file_write(config, strbuf_slice(&text), 0600, err);
}

int runtime_create(struct runtime *rt, const struct runtime_spec *s,
                   const struct runtime_events *events, void *arg, struct runtime_container **ret,
                   struct err *err)
{
	struct runtime_container *c = container_new(rt, s->id, events, arg);
	int sync[2] = { -1, -1 };
	int r;

	read_config(c, s->config);
	c->log_path = mem_strdup(s->log_path);
	r = make_bundle(c, s, err);
	if (r == 0 && pipe2(sync, O_CLOEXEC) < 0) {
		r = err_sys(err, "make a pipe");
	}
	if (r == 0) {
		c->sync_fd = sync[0];
		r = loop_fd_open(rt->loop, sync[0], LOOP_READ, on_sync, c, &c->sync, err);
	}
	if (r == 0) {
		r = start_conmon(c, s, sync[1], err);
	}
	if (sync[1] >= 0) {
		close(sync[1]);
	}
	if (r < 0) {
		tree_discard(c->dir);
		map_remove(&rt->containers, slice_of(c->id));
		container_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

/* ---- start and signals ---- */

static void start_done(struct runtime_container *c, const struct err *why)
{
	c->starter = NULL;
	c->is_starting = false;
	if (why) {
		fail(c, c->events.started, why);
		return;
	}
	if (c->state == RUNTIME_CREATED) {
		c->state = RUNTIME_RUNNING;
	}
	if (c->events.started) {
		c->events.started(c->arg, NULL);
	}
	if (c->state == RUNTIME_EXITED) {
		loop_defer(c->rt->loop, &c->tell, announce);
	}
}

static void on_start(void *arg, const struct process_result *r)
{
	struct runtime_container *c = arg;
	struct err why = { 0 };

	if (WIFEXITED(r->status) && WEXITSTATUS(r->status) == 0) {
		start_done(c, NULL);
		return;
	}
	(void)err_raise(&why, ERR_IO, SLICE_FMT,
	                SLICE_ARG(crun_words((struct slice){ r->err, r->err_size })));
	start_done(c, &why);
}

static void on_start_failed(struct loop_defer *d)
{
	struct runtime_container *c = container_of(d, struct runtime_container, tell);
	struct err why = { 0 };

	(void)err_raise(&why, ERR_IO, "crun could not be run");
	start_done(c, &why);
}

/* What `crun start` does, without a program for it: one byte into the fifo that the container waits
 * at. False: it does not wait there (yet), or crun has changed. */
static bool start_by_fifo(struct runtime_container *c)
{
	scoped_free char *path = mem_printf("%s/%s/exec.fifo", c->rt->crun_root, c->id);
	scoped_fd int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && unlink(path) == 0 && write(fd, "", 1) == 1;
}

static void on_fifo(struct loop_defer *d)
{
	start_done(container_of(d, struct runtime_container, tell), NULL);
}

void runtime_start(struct runtime_container *c)
{
	scoped_free char *root = mem_printf("--root=%s", c->rt->crun_root);
	const char *const argv[] = { c->rt->crun, root, "start", c->id, NULL };

	c->is_starting = true;
	if (start_by_fifo(c)) {
		loop_defer(c->rt->loop, &c->tell, on_fifo);
		return;
	}
	if (process_start(c->rt->loop, &(struct process_spec){ .argv = argv }, on_start, c,
	                  &c->starter, NULL) < 0) {
		loop_defer(c->rt->loop, &c->tell, on_start_failed);
	}
}

void runtime_kill(struct runtime_container *c, int signum)
{
	if (c->state != RUNTIME_EXITED && c->pid_fd >= 0) {
		(void)syscall(SYS_pidfd_send_signal, c->pid_fd, signum, NULL, 0);
	}
}

void runtime_kill_all(struct runtime_container *c)
{
	runtime_kill(c, SIGKILL);
	if (c->state != RUNTIME_EXITED) {
		(void)cgroup_signal(c->rt->cgroups, c->cgroup, SIGKILL);
	}
}

/* ---- removal: off the loop, as the last processes may take a moment ---- */

struct removal {
	struct cgroups *cgroups;                   /* a share */
	char *dir, *crun_dir, *exit_file, *cgroup; /* owned */
	void (*done)(void *arg);
	void *arg;
};

static void removal_work(void *arg)
{
	struct removal *r = arg;

	if (*r->cgroup && !cgroup_remove(r->cgroups, r->cgroup)) {
		(void)cgroup_kill(r->cgroups, r->cgroup);
		for (int i = 0; i < 50 && !cgroup_remove(r->cgroups, r->cgroup); i++) {
			usleep(2000);
		}
	}
	tree_discard(r->dir);
	tree_discard(r->crun_dir);
	(void)unlink(r->exit_file);
}

static void removal_done(void *arg)
{
	struct removal *r = arg;

	if (r->done) {
		r->done(r->arg);
	}
	cgroups_close(r->cgroups);
	free(r->dir);
	free(r->crun_dir);
	free(r->exit_file);
	free(r->cgroup);
	free(r);
}

void runtime_remove(struct runtime_container *c, void (*done)(void *arg), void *arg)
{
	struct runtime *rt = c->rt;
	struct removal *r = NEW(struct removal);

	runtime_kill_all(c);
	if (c->starter) {
		process_kill(c->starter, SIGKILL);
	}
	r->cgroups = cgroups_ref(rt->cgroups);
	r->dir = mem_strdup(c->dir);
	r->crun_dir = mem_printf("%s/%s", rt->crun_root, c->id);
	r->exit_file = mem_printf("%s/%s", rt->exit_dir, c->id);
	r->cgroup = mem_strdup(c->cgroup);
	r->done = done;
	r->arg = arg;
	map_remove(&rt->containers, slice_of(c->id));
	container_free(c);
	loop_work(rt->loop, removal_work, removal_done, r);
}

/* ---- after a restart ---- */

/* A pid from a file may be somebody else's by now: conmon's arguments name its container. */
static bool is_conmon_of(pid_t pid, const char *id)
{
	char path[64];
	scoped_strbuf struct strbuf text = { 0 };

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	return pid > 0 && file_read(path, 65536, &text, NULL) == 0 &&
	       memmem(text.p ? text.p : "", text.size, id, strlen(id));
}

static bool path_exists(const char *dir, const char *name, const char *leaf)
{
	scoped_free char *path = mem_printf("%s/%s%s", dir, name, leaf);

	return access(path, F_OK) == 0;
}

int runtime_adopt(struct runtime *rt, const char *id, const struct runtime_events *events,
                  void *arg, struct runtime_container **ret, struct err *err)
{
	scoped_free char *config = mem_printf("%s/c/%s/config.json", rt->run_dir, id),
			 *link = mem_printf("%s/c/%s/log", rt->run_dir, id);
	scoped_strbuf struct strbuf text = { 0 };
	scoped_doc struct doc *d = NULL;
	struct runtime_container *c;
	char log[4096];
	ssize_t n;
	int r = file_read(config, 0, &text, err);

	if (r >= 0) {
		r = json_parse_doc(strbuf_slice(&text), 0, &d, err);
	}
	if (r < 0) {
		return err_while(err, r, "container %s", id);
	}
	c = container_new(rt, id, events, arg);
	read_config(c, d->root);
	n = readlink(link, log, sizeof(log) - 1);
	c->log_path = slice_dup((struct slice){ log, n < 0 ? 0 : (size_t)n });
	if (!is_conmon_of(read_pid(c, "conmon.pid"), id)) {
		read_exit(c);
		if (c->exit.is_unknown) {
			(void)cgroup_signal(rt->cgroups, c->cgroup, SIGKILL);
		}
		c->state = RUNTIME_EXITED;
		c->is_announced = true;
	} else {
		take_pid(c, read_pid(c, "pid"));
		c->state = path_exists(rt->crun_root, id, "/exec.fifo") ? RUNTIME_CREATED
		                                                        : RUNTIME_RUNNING;
		watch_conmon(c);
	}
	*ret = c;
	return 0;
}

void runtime_remove_strays(struct runtime *rt)
{
	static const struct runtime_events none = { 0 };
	scoped_free char *path = mem_printf("%s/c", rt->run_dir);
	scoped_dir DIR *d = opendir(path);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		struct runtime_container *c;

		if (e->d_name[0] == '.' || strlen(e->d_name) >= RUNTIME_ID_SIZE ||
		    runtime_find(rt, e->d_name)) {
			continue;
		}
		log_info("Container without a pod is removed id=%s", e->d_name);
		if (runtime_adopt(rt, e->d_name, &none, NULL, &c, NULL) == 0) {
			runtime_remove(c, NULL, NULL);
		} else {
			scoped_free char *dir = mem_printf("%s/%s", path, e->d_name);

			tree_discard(dir);
		}
	}
}

/* ---- questions ---- */

const char *runtime_id(const struct runtime_container *c)
{
	return c->id;
}

enum runtime_state runtime_state(const struct runtime_container *c)
{
	return c->state;
}

const struct runtime_exit *runtime_exit_of(const struct runtime_container *c)
{
	return c->state == RUNTIME_EXITED ? &c->exit : NULL;
}

pid_t runtime_pid(const struct runtime_container *c)
{
	return c->state == RUNTIME_EXITED ? 0 : c->pid;
}

bool runtime_has_tty(const struct runtime_container *c)
{
	return c->tty;
}

const char *runtime_attach_path(const struct runtime_container *c)
{
	return c->attach_path;
}

const char *runtime_log_path(const struct runtime_container *c)
{
	return c->log_path;
}

const char *runtime_cgroup(const struct runtime_container *c)
{
	return c->cgroup;
}

static void tell_conmon(const struct runtime_container *c, const char *text)
{
	scoped_free char *path = mem_printf("%s/ctl", c->dir);
	scoped_fd int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		log_debug("conmon does not listen id=%s", c->id);
	}
}

void runtime_resize(struct runtime_container *c, uint16_t columns, uint16_t rows)
{
	char text[40];

	snprintf(text, sizeof(text), "1 %u %u\n", rows, columns);
	tell_conmon(c, text);
}

void runtime_reopen_log(struct runtime_container *c)
{
	tell_conmon(c, "2 0 0\n");
}
