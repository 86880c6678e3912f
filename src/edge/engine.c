/* Why: everything that touches the nginx process; see engine.h. */
#include "edge/engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/chance.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "edge/balancer-text.h"
#include "http/client.h"
#include "loop/process.h"

enum { PUSH_MAX = 4 << 20 };
static const int64_t look_us = 10 * US_PER_MS, look_limit_us = 10 * US_PER_S,
		     push_again_us = 50 * US_PER_MS, test_limit_us = 30 * US_PER_S,
		     steady_us = 10 * US_PER_S;

enum config_state {
	CONFIG_IDLE,    /* what is wanted is what nginx has, or it is refused */
	CONFIG_TEST,    /* nginx -t runs */
	CONFIG_PUSH,    /* accepted; endpoints first */
	CONFIG_LOADING, /* nginx was started or told; its generation is looked for */
	CONFIG_GAP,     /* waits for the gap between reloads */
};

struct backend {
	struct strbuf addresses;
	bool is_dirty; /* not yet with nginx */
};

struct engine {
	struct engine_config c;
	struct http_client *http;
	struct strbuf wanted, testing, good;
	unsigned wanted_generation, testing_generation, good_generation, served_generation;
	enum config_state state;
	struct process *process; /* null: not running */
	pid_t pid;
	int64_t started_us;
	struct backoff backoff;
	struct loop_timer restart, look, gap, push_again;
	int64_t look_until_us, reloaded_us;
	bool is_pushing, is_up; /* up: its control socket answers and has the endpoints */
	bool quitting;
	bool last_was_good;
	unsigned reloads;
	struct map backends; /* key -> struct backend */
	struct loop_defer push;
	void (*gone)(void *arg);
	void *gone_arg;
};

static void go_on(struct engine *e);
static void start_nginx(struct engine *e);

/* ---- files ---- */

static char *path_of(const struct engine *e, const char *name)
{
	return mem_printf("%s/%s", e->c.dir, name);
}

static int write_file(const struct engine *e, const char *name, struct slice text, struct err *err)
{
	scoped_free char *path = path_of(e, name), *part = mem_printf("%s.part", path);
	scoped_fd int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t done = 0;

	if (fd < 0) {
		return err_sys(err, "open %s", part);
	}
	while (done < text.len) {
		ssize_t n = write(fd, text.p + done, text.len - done);

		if (n < 0 && errno != EINTR) {
			return err_sys(err, "write %s", part);
		}
		done += n > 0 ? (size_t)n : 0;
	}
	return rename(part, path) < 0 ? err_sys(err, "rename %s", part) : 0;
}

static int make_folders(const struct engine *e, struct err *err)
{
	static const char *const folders[] = { "", "ssl", "auth", "lua", "temp" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		scoped_free char *path = path_of(e, folders[i]);

		if (mkdir(path, 0700) < 0 && errno != EEXIST) {
			return err_sys(err, "make folder %s", path);
		}
	}
	return write_file(e, "lua/balancer.lua", SLICE(balancer_text), err);
}

/* Files of certificates and passwords that neither the good nor the wanted configuration names. */
static void sweep(const struct engine *e, const char *folder)
{
	scoped_free char *path = path_of(e, folder);
	scoped_dir DIR *dir = opendir(path);

	for (struct dirent *d; dir && (d = readdir(dir));) {
		if (d->d_name[0] != '.' && !strstr(strbuf_str(&e->good), d->d_name) &&
		    !strstr(strbuf_str(&e->wanted), d->d_name)) {
			(void)unlinkat(dirfd(dir), d->d_name, 0);
		}
	}
}

/* ---- endpoints ---- */

static void on_pushed(void *arg, const struct http_answer *a);

static bool has_dirty(const struct engine *e)
{
	for (struct map_iter it = { 0 }; map_next(&e->backends, &it);) {
		if (((struct backend *)it.value)->is_dirty) {
			return true;
		}
	}
	return false;
}

static void backend_free(struct backend *b)
{
	strbuf_fini(&b->addresses);
	free(b);
}

/* Takes what has to be sent into body, and marks it sent. */
static void gather_push(struct engine *e, struct strbuf *body)
{
	for (struct map_iter it = { 0 }; body->size < PUSH_MAX && map_next(&e->backends, &it);) {
		struct backend *b = it.value;

		if (!b->is_dirty) {
			continue;
		}
		b->is_dirty = false;
		strbuf_add_slice(body, it.key);
		if (b->addresses.size) {
			strbuf_addf(body, " %s", strbuf_str(&b->addresses));
		}
		strbuf_addc(body, '\n');
	}
}

static void push_now(struct engine *e)
{
	scoped_strbuf struct strbuf body = { 0 };

	/* A started nginx has its socket from birth; is_up only follows once it answered. */
	if (e->is_pushing || !e->process || e->quitting ||
	    (!e->is_up && e->state != CONFIG_LOADING)) {
		return;
	}
	gather_push(e, &body);
	if (body.size == 0) {
		return;
	}
	e->is_pushing = true;
	(void)http_call(e->http,
	                &(struct http_call_spec){ .method = "POST",
	                                          .target = "/backends",
	                                          .content_type = "text/plain",
	                                          .headers = "Connection: close\r\n",
	                                          .body = strbuf_slice(&body),
	                                          .timeout_us = 5 * US_PER_S },
	                on_pushed, e);
}

static void on_push(struct loop_defer *d)
{
	struct engine *e = container_of(d, struct engine, push);

	if (e->is_up) {
		push_now(e);
	}
}

static void on_push_again(struct loop_timer *t)
{
	struct engine *e = container_of(t, struct engine, push_again);

	if (e->is_up) {
		push_now(e);
	}
}

static void mark_all(struct engine *e)
{
	for (struct map_iter it = { 0 }; map_next(&e->backends, &it);) {
		((struct backend *)it.value)->is_dirty = true;
	}
}

static void forget_empty(struct engine *e)
{
	for (struct map_iter it = { 0 }; map_next(&e->backends, &it);) {
		struct backend *b = it.value;

		if (!b->is_dirty && b->addresses.size == 0) {
			map_remove(&e->backends, it.key);
			backend_free(b);
		}
	}
}

static void on_pushed(void *arg, const struct http_answer *a)
{
	struct engine *e = arg;

	e->is_pushing = false;
	if (a->status != 200) {
		log_odd("Endpoints cannot be handed to nginx status=%d: %s", a->status,
		        a->why ? a->why->msg : "refused");
		mark_all(e);
		loop_timer_start(e->c.loop, &e->push_again, push_again_us, on_push_again);
		return;
	}
	forget_empty(e);
	push_now(e);
	go_on(e);
}

void engine_set_backend(struct engine *e, struct slice key, struct slice addresses)
{
	struct backend *b = map_find(&e->backends, key);

	if (b && slice_eq(strbuf_slice(&b->addresses), addresses)) {
		return;
	}
	if (!b) {
		b = NEW(struct backend);
		map_set(&e->backends, key, b);
	}
	strbuf_reset(&b->addresses);
	strbuf_add_slice(&b->addresses, addresses);
	b->is_dirty = true;
	loop_defer(e->c.loop, &e->push, on_push);
}

void engine_each_backend(const struct engine *e, void (*fn)(void *arg, struct slice key), void *arg)
{
	scoped_arena struct arena a = { 0 };
	struct slice *keys = ARENA_ARRAY(&a, struct slice, e->backends.n + 1);
	size_t n = 0;

	for (struct map_iter it = { 0 }; map_next(&e->backends, &it);) {
		if (((struct backend *)it.value)->addresses.size) {
			keys[n++] = arena_slice(&a, it.key);
		}
	}
	for (size_t i = 0; i < n; i++) {
		fn(arg, keys[i]);
	}
}

/* ---- the process ---- */

static void on_orphan_gone(void *arg, pid_t pid, int status)
{
	(void)arg;
	(void)pid;
	(void)status;
}

/* Group of a process: field 5 of its stat. */
static pid_t group_of(const char *pid_text)
{
	char path[64], text[512], *p;
	scoped_file FILE *f = NULL;
	int group = 0;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid_text);
	f = fopen(path, "re");
	if (!f || !fgets(text, sizeof(text), f) || !(p = strrchr(text, ')'))) {
		return 0;
	}
	return sscanf(p + 1, " %*c %*d %d", &group) == 1 ? group : 0;
}

/* The workers of a master that is gone still hold the ports. They are ours now (we are their
 * subreaper): told to finish their requests, and reaped. */
static void release_workers(struct engine *e, pid_t group)
{
	scoped_dir DIR *dir = opendir("/proc");

	(void)kill(-group, SIGQUIT);
	for (struct dirent *d; dir && (d = readdir(dir));) {
		struct loop_child *child;

		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' && group_of(d->d_name) == group) {
			int64_t pid = 0;

			if (slice_to_i64(slice_of(d->d_name), &pid)) {
				(void)!loop_child_open(e->c.loop, (pid_t)pid, on_orphan_gone, e,
				                       &child, NULL);
			}
		}
	}
}

static void on_restart(struct loop_timer *t)
{
	start_nginx(container_of(t, struct engine, restart));
}

static void on_nginx_end(void *arg, const struct process_result *r)
{
	struct engine *e = arg;
	pid_t group = e->pid;

	(void)r;
	e->process = NULL;
	e->pid = 0;
	e->is_up = false;
	loop_timer_stop(&e->look);
	if (e->quitting) {
		e->gone(e->gone_arg);
		return;
	}
	log_odd("nginx ended and is started again pid=%d status=%d", group, r->status);
	release_workers(e, group);
	if (e->state == CONFIG_LOADING || e->state == CONFIG_PUSH) {
		e->state = CONFIG_IDLE;
	}
	if (loop_now_us(e->c.loop) - e->started_us > steady_us) {
		backoff_reset(&e->backoff);
	}
	loop_timer_start(e->c.loop, &e->restart, backoff_next_us(&e->backoff, chance_u32()),
	                 on_restart);
}

static void on_look(struct loop_timer *t);

static void look_for_generation(struct engine *e)
{
	e->state = CONFIG_LOADING;
	e->look_until_us = loop_now_us(e->c.loop) + look_limit_us;
	loop_timer_start(e->c.loop, &e->look, look_us, on_look);
}

static void start_nginx(struct engine *e)
{
	scoped_free char *sock = path_of(e, "control.sock"), *conf = path_of(e, "nginx.conf");
	scoped_free char *prefix = mem_printf("%s/", e->c.dir);
	const char *const argv[] = { e->c.nginx, "-p", prefix, "-c", conf, "-e", "stderr", NULL };
	struct err err;

	if (e->quitting || e->process) {
		return;
	}
	(void)unlink(sock); /* left by one that was killed; bind would refuse it */
	if (process_start(
		    e->c.loop,
		    &(struct process_spec){
			    .argv = argv, .stdout_fd = 1, .stderr_fd = 2, .new_session = true },
		    on_nginx_end, e, &e->process, &err) < 0) {
		log_broken("nginx cannot be started: %s", err.msg);
		loop_timer_start(e->c.loop, &e->restart, backoff_next_us(&e->backoff, chance_u32()),
		                 on_restart);
		return;
	}
	e->pid = process_pid(e->process);
	e->started_us = e->reloaded_us = loop_now_us(e->c.loop);
	log_info("nginx started pid=%d generation=%u", e->pid, e->good_generation);
	mark_all(e);
	look_for_generation(e);
}

/* ---- has it arrived? ---- */

static void on_generation(void *arg, const struct slice *body)
{
	struct engine *e = arg;
	uint64_t n;

	if (e->state != CONFIG_LOADING || !e->process) {
		return;
	}
	if (body && slice_to_u64(slice_trim(*body), &n) && n == e->good_generation) {
		e->served_generation = e->good_generation;
		if (!e->is_up && has_dirty(e)) {
			push_now(e); /* on_pushed goes on */
			return;
		}
		e->is_up = true;
		e->state = CONFIG_IDLE;
		e->last_was_good = true;
		sweep(e, "ssl");
		sweep(e, "auth");
		push_now(e);
		e->c.serving(e->c.arg, e->served_generation);
		go_on(e);
		return;
	}
	if (loop_now_us(e->c.loop) >= e->look_until_us) {
		log_broken("nginx does not come up with its configuration generation=%u",
		           e->good_generation);
		e->last_was_good = false;
		e->state = CONFIG_IDLE;
		if (!e->is_up) {
			process_kill(e->process, SIGKILL); /* and it is started again */
		}
		go_on(e);
		return;
	}
	loop_timer_start(e->c.loop, &e->look, look_us, on_look);
}

static void on_look(struct loop_timer *t)
{
	struct engine *e = container_of(t, struct engine, look);

	engine_ask(e, "/generation", on_generation, e);
}

/* ---- a configuration on its way ---- */

static bool is_wanted_new(const struct engine *e)
{
	return e->wanted.size && e->wanted_generation != e->testing_generation;
}

static void load(struct engine *e)
{
	scoped_free char *from = path_of(e, "nginx.conf.next"), *to = path_of(e, "nginx.conf");

	if (rename(from, to) < 0) {
		log_broken("Configuration cannot be put in place: %s", strerror(errno));
		e->state = CONFIG_IDLE;
		return;
	}
	strbuf_reset(&e->good);
	strbuf_add_slice(&e->good, strbuf_slice(&e->testing));
	e->good_generation = e->testing_generation;
	if (!e->process) {
		start_nginx(e);
		return;
	}
	log_info("nginx reloads generation=%u", e->good_generation);
	e->reloads++;
	e->reloaded_us = loop_now_us(e->c.loop);
	process_kill(e->process, SIGHUP);
	look_for_generation(e);
}

static void on_tested(void *arg, const struct process_result *r)
{
	struct engine *e = arg;

	if (e->quitting) {
		return;
	}
	if (r->status != 0) {
		e->state = CONFIG_IDLE;
		e->last_was_good = false;
		e->c.refused(e->c.arg, strbuf_slice(&e->testing),
		             (struct slice){ r->err, r->err_size });
		go_on(e);
		return;
	}
	e->state = CONFIG_PUSH;
	go_on(e);
}

static void test(struct engine *e)
{
	scoped_free char *conf = path_of(e, "nginx.conf.next"),
			 *prefix = mem_printf("%s/", e->c.dir);
	const char *const argv[] = { e->c.nginx, "-t", "-q", "-p",     prefix,
		                     "-c",       conf, "-e", "stderr", NULL };
	struct process *p;
	struct err err;
	int r;

	strbuf_reset(&e->testing);
	strbuf_add_slice(&e->testing, strbuf_slice(&e->wanted));
	e->testing_generation = e->wanted_generation;
	r = write_file(e, "nginx.conf.next", strbuf_slice(&e->testing), &err);
	if (r == 0) {
		r = process_start(
			e->c.loop,
			&(struct process_spec){ .argv = argv, .timeout_us = test_limit_us },
			on_tested, e, &p, &err);
	}
	if (r < 0) {
		log_broken("Configuration cannot be tested: %s", err.msg);
		e->last_was_good = false;
		return;
	}
	e->state = CONFIG_TEST;
}

static void on_gap(struct loop_timer *t)
{
	struct engine *e = container_of(t, struct engine, gap);

	e->state = CONFIG_IDLE;
	go_on(e);
}

/* Does the next step that can be done now. */
static void go_on(struct engine *e)
{
	int64_t gap_us = e->reloaded_us + e->c.reload_gap_us - loop_now_us(e->c.loop);

	if (e->quitting) {
		return;
	}
	if (e->state == CONFIG_PUSH && !e->is_pushing && (!e->is_up || !has_dirty(e))) {
		load(e);
	} else if (e->state == CONFIG_IDLE && is_wanted_new(e)) {
		if (e->process && e->reloaded_us && gap_us > 0) {
			e->state = CONFIG_GAP;
			loop_timer_start(e->c.loop, &e->gap, gap_us, on_gap);
		} else {
			test(e);
		}
	} else if (e->state == CONFIG_LOADING && !e->is_pushing && !loop_timer_is_armed(&e->look)) {
		loop_timer_start(e->c.loop, &e->look, 0, on_look);
	}
}

int engine_apply(struct engine *e, struct slice text, unsigned generation,
                 const struct engine_file *files, size_t n_files, struct err *err)
{
	for (size_t i = 0; i < n_files; i++) {
		scoped_free char *path = path_of(e, files[i].name);

		if (access(path, F_OK) < 0) {
			int r = write_file(e, files[i].name, files[i].text, err);

			if (r < 0) {
				return r;
			}
		}
	}
	strbuf_reset(&e->wanted);
	strbuf_add_slice(&e->wanted, text);
	e->wanted_generation = generation;
	go_on(e);
	return 0;
}

/* ---- questions ---- */

struct question {
	void (*done)(void *arg, const struct slice *body);
	void *arg;
};

static void on_answer(void *arg, const struct http_answer *a)
{
	struct question q = *(struct question *)arg;

	free(arg);
	q.done(q.arg, a->status == 200 ? &a->body : NULL);
}

void engine_ask(struct engine *e, const char *path,
                void (*done)(void *arg, const struct slice *body), void *arg)
{
	struct question *q = NEW(struct question);

	*q = (struct question){ done, arg };
	(void)http_call(
		e->http,
		&(struct http_call_spec){ .method = "GET",
	                                  .target = path,
	                                  /* no kept connection: it would stay with an old worker */
	                                  .headers = "Connection: close\r\n",
	                                  .timeout_us = 2 * US_PER_S },
		on_answer, q);
}

bool engine_is_serving(const struct engine *e)
{
	return e->is_up && e->process;
}

bool engine_is_settled(const struct engine *e)
{
	return engine_is_serving(e) && e->state == CONFIG_IDLE && !is_wanted_new(e);
}

unsigned engine_reloads(const struct engine *e)
{
	return e->reloads;
}

bool engine_last_was_good(const struct engine *e)
{
	return e->last_was_good;
}

/* ---- beginning and end ---- */

int engine_new(const struct engine_config *c, struct engine **ret_e, struct err *err)
{
	struct engine *e = NEW(struct engine);
	int r;

	e->c = *c;
	e->backoff = (struct backoff){ .floor_us = 20 * US_PER_MS, .ceiling_us = 5 * US_PER_S };
	scoped_free char *sock = path_of(e, "control.sock");

	r = make_folders(e, err);
	if (r < 0) {
		free(e);
		return r;
	}
	e->http = http_client_new(
		c->loop, &(struct http_client_config){
				 .target = { .unix_path = sock, .timeout_us = 2 * US_PER_S },
				 .host = "control" });
	*ret_e = e;
	return 0;
}

static void on_deferred_gone(struct loop_timer *t)
{
	struct engine *e = container_of(t, struct engine, look);

	e->gone(e->gone_arg);
}

void engine_quit(struct engine *e, void (*gone)(void *arg), void *arg)
{
	e->quitting = true;
	e->gone = gone;
	e->gone_arg = arg;
	loop_timer_stop(&e->restart);
	loop_timer_stop(&e->gap);
	loop_timer_stop(&e->look);
	if (e->process) {
		process_kill(e->process, SIGQUIT);
	} else {
		loop_timer_start(e->c.loop, &e->look, 0, on_deferred_gone);
	}
}

struct engine *engine_free(struct engine *e)
{
	if (!e) {
		return NULL;
	}
	if (e->pid) {
		kill(-e->pid, SIGKILL);
	}
	loop_timer_stop(&e->restart);
	loop_timer_stop(&e->look);
	loop_timer_stop(&e->gap);
	loop_timer_stop(&e->push_again);
	loop_defer_cancel(&e->push);
	e->quitting = true;
	e->http = http_client_free(e->http);
	for (struct map_iter it = { 0 }; map_next(&e->backends, &it);) {
		backend_free(it.value);
	}
	map_fini(&e->backends);
	strbuf_fini(&e->wanted);
	strbuf_fini(&e->testing);
	strbuf_fini(&e->good);
	free(e);
	return NULL;
}
