/* Why: crun and conmon as they are installed, driven through runtime.h: states, exits, logs,
 * programs run inside, and what a restarted node finds. Needs root; makes a mount namespace of its
 * own.
 *
 *   test --- conmon --- container (root: host's /usr read-only) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "host/cgroup.h"
#include "node/file.h"
#include "node/runtime.h"
#include "node/spec.h"

struct world {
	struct loop *loop;
	struct runtime *rt;
	char *dir, *run, *group;
};

struct box { /* one container and what was heard of it */
	struct world *w;
	struct runtime_container *c;
	char id[RUNTIME_ID_SIZE];
	bool created, started, exited, removed;
	struct err why;
	struct runtime_exit exit;
	struct loop_timer limit;
};

static void on_created(void *arg, const struct err *why)
{
	struct box *b = arg;

	b->created = true;
	if (why) {
		b->why = *why;
		b->exited = true;
	} else {
		runtime_start(b->c);
	}
	loop_stop(b->w->loop);
}

static void on_started(void *arg, const struct err *why)
{
	struct box *b = arg;

	b->started = true;
	if (why) {
		b->why = *why;
	}
	loop_stop(b->w->loop);
}

static void on_exited(void *arg, const struct runtime_exit *e)
{
	struct box *b = arg;

	assert_false(b->exited);
	b->exited = true;
	b->exit = *e;
	loop_stop(b->w->loop);
}

static const struct runtime_events events = { on_created, on_started, on_exited };

static void on_limit(struct loop_timer *t)
{
	(void)t;
	fail_msg("nothing happened for 10 s");
}

static void wait_for(struct box *b, const bool *flag)
{
	loop_timer_start(b->w->loop, &b->limit, 10 * US_PER_S, on_limit);
	while (!*flag) {
		loop_run(b->w->loop);
	}
	loop_timer_stop(&b->limit);
}

static void on_removed(void *arg)
{
	struct box *b = arg;

	b->removed = true;
	loop_stop(b->w->loop);
}

static void make_root(const char *root)
{
	static const char *const dirs[] = { "usr", "proc", "sys", "dev", "tmp" };
	static const char *const links[] = { "bin", "sbin", "lib", "lib64" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		scoped_free char *path = mem_printf("%s/%s", root, dirs[i]);

		assert_int_equal(dir_make(path, 0755, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		scoped_free char *path = mem_printf("%s/%s", root, links[i]),
				 *to = mem_printf("usr/%s", links[i]);

		assert_int_equal(symlink(to, path), 0);
	}
}

static void box_run(struct box *b, struct world *w, const char *container_json)
{
	scoped_arena struct arena a = { 0 };
	struct val *container, *config;
	struct env own = { .arena = &a }, env = { .arena = &a };
	struct user user = { .home = "/" };
	struct err err = { 0 };
	scoped_free char *root = NULL, *log = NULL, *group = NULL;
	const struct spec_mount mounts[] = { { "/usr", "/usr", NULL, "rbind,ro" } };

	*b = (struct box){ .w = w };
	runtime_new_id(b->id);
	root = mem_printf("%s/root-%s", w->dir, b->id);
	log = mem_printf("%s/log-%s", w->dir, b->id);
	group = mem_printf("%s/%s", w->group, b->id);
	make_root(root);
	assert_int_equal(json_parse(&a, slice_of(container_json), 0, &container, NULL), 0);
	env_with_image(&env, &own, NULL);
	if (spec_render(&a,
	                &(struct spec_input){ .container = container,
	                                      .own_env = &own,
	                                      .env = &env,
	                                      .user = &user,
	                                      .rootfs = root,
	                                      .hostname = "box",
	                                      .cgroup_path = group,
	                                      .mounts = mounts,
	                                      .n_mounts = 1 },
	                &config, &err) < 0 ||
	    runtime_create(w->rt,
	                   &(struct runtime_spec){
				   .id = b->id,
				   .config = config,
				   .log_path = log,
				   .tty = val_bool(val_get(container, "tty"), false),
				   .stdin_open = val_bool(val_get(container, "stdin"), false) },
	                   &events, b, &b->c, &err) < 0) {
		fail_msg("%s", err.msg);
	}
}

static void box_remove(struct box *b)
{
	runtime_remove(b->c, on_removed, b);
	wait_for(b, &b->removed);
}

static int set_up(void **state)
{
	struct world *w = NEW(struct world);
	const char *tmp = getenv("TMPDIR");
	scoped_free char *dir = mem_printf("%s/kennel-runtime-XXXXXX", tmp ? tmp : "/tmp");

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		return -1;
	}
	(void)umount2("/sys/fs/cgroup/unified", MNT_DETACH);
	w->dir = mem_strdup(mkdtemp(dir));
	w->run = mem_printf("%s/run", w->dir);
	w->group = mem_printf("/kennel-test-%d", getpid());
	w->loop = loop_new();
	*state = w;
	return runtime_new(w->loop, w->run, &w->rt, NULL);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	(void)cgroup_kill(runtime_cgroups(w->rt), w->group);
	(void)cgroup_remove(runtime_cgroups(w->rt), w->group);
	runtime_free(w->rt);
	loop_free(w->loop);
	tree_discard(w->dir);
	free(w->dir);
	free(w->run);
	free(w->group);
	free(w);
	return 0;
}

static void a_container_logs_and_its_exit_code_comes(void **state)
{
	struct world *w = *state;
	scoped_strbuf struct strbuf log = { 0 };
	scoped_free char *path = NULL;
	struct box b;

	box_run(&b, w, "{\"command\":[\"sh\",\"-c\",\"echo hello; echo oops >&2; exit 3\"]}");
	wait_for(&b, &b.exited);
	assert_true(b.created && b.started);
	assert_int_equal(b.exit.code, 3);
	assert_false(b.exit.is_unknown);
	path = mem_printf("%s/log-%s", w->dir, b.id);
	assert_int_equal(file_read(path, 0, &log, NULL), 0);
	assert_non_null(strstr(strbuf_str(&log), " stdout F hello\n"));
	assert_non_null(strstr(strbuf_str(&log), " stderr F oops\n"));
	box_remove(&b);
}

/* conmon's first process writes the number of the one that stays; on a busy machine that is after
 * the answer. */
static void conmons_number_may_come_late(void **state)
{
	static const char slow[] = "#!/bin/bash\n"
				   "PATH=${PATH#*:}\n"
				   "for ((i = 1; i < $#; i++)); do\n"
				   "  [ \"${!i}\" != -P ] || { j=$((i + 1)); file=${!j}; }\n"
				   "done\n"
				   "conmon \"${@/#$file/$file.late}\" || exit\n"
				   "until [ -s \"${file%/*}/pid\" ]; do sleep 0.01; done\n"
				   "sleep 0.1\n"
				   "mv \"$file.late\" \"$file\"\n";
	struct world *w = *state;
	scoped_free char *bin = mem_printf("%s/bin", w->dir),
			 *program = mem_printf("%s/conmon", bin),
			 *before = mem_strdup(getenv("PATH")),
			 *path = mem_printf("%s:%s", bin, before);
	struct box b;

	assert_int_equal(dir_make(bin, 0755, NULL), 0);
	assert_int_equal(file_write(program, slice_of(slow), 0755, NULL), 0);
	setenv("PATH", path, 1);
	box_run(&b, w, "{\"command\":[\"sleep\",\"1000\"]}");
	wait_for(&b, &b.started);
	setenv("PATH", before, 1);
	assert_int_equal(runtime_state(b.c), RUNTIME_RUNNING);
	assert_false(b.exited);
	box_remove(&b);
}

static void a_missing_program_fails_create_with_its_name(void **state)
{
	struct box b;

	box_run(&b, *state, "{\"command\":[\"/no/such/program\"]}");
	wait_for(&b, &b.exited);
	assert_false(b.started);
	assert_non_null(strstr(b.why.msg, "/no/such/program"));
	box_remove(&b);
}

static void a_signal_ends_it_with_128_and_more(void **state)
{
	struct box b;

	box_run(&b, *state, "{\"command\":[\"sleep\",\"1000\"]}");
	wait_for(&b, &b.started);
	runtime_kill(b.c, SIGKILL);
	wait_for(&b, &b.exited);
	assert_int_equal(b.exit.code, 137);
	assert_false(b.exit.oom_killed);
	box_remove(&b);
}

static void too_much_memory_is_seen_as_such(void **state)
{
	struct box b;

	box_run(&b, *state,
	        "{\"command\":[\"sh\",\"-c\",\"x=$(head -c 200000000 /dev/zero | tr '\\\\0' x)\"],"
	        "\"resources\":{\"limits\":{\"memory\":\"20Mi\"}}}");
	wait_for(&b, &b.exited);
	assert_true(b.exit.code != 0);
	assert_true(b.exit.oom_killed || b.exit.code != 137);
	box_remove(&b);
}

/* ---- exec ---- */

struct run { /* one program in a box */
	struct box *b;
	struct strbuf out, err_out;
	bool done;
	int code;
	bool timed_out;
	struct err why;
};

static void on_data(void *arg, int stream, struct slice bytes)
{
	struct run *r = arg;

	strbuf_add_slice(stream == 1 ? &r->out : &r->err_out, bytes);
}

static void on_done(void *arg, const struct runtime_exec_result *result)
{
	struct run *r = arg;

	r->done = true;
	r->code = result->code;
	r->timed_out = result->timed_out;
	if (result->why) {
		r->why = *result->why;
	}
	loop_stop(r->b->w->loop);
}

static void run_fini(struct run *r)
{
	strbuf_fini(&r->out);
	strbuf_fini(&r->err_out);
}

static struct runtime_exec *run_in(struct run *r, struct box *b, const char *args,
                                   struct runtime_exec_spec spec)
{
	static const struct runtime_exec_events heard = { on_data, NULL, on_done };
	scoped_arena struct arena a = { 0 };
	struct val *v;

	*r = (struct run){ .b = b };
	assert_int_equal(json_parse(&a, slice_of(args), 0, &v, NULL), 0);
	spec.args = v;
	return runtime_exec(b->c, &spec, &heard, r);
}

static void programs_run_inside(void **state)
{
	const struct runtime_exec_spec both = { .stdout_open = true, .stderr_open = true };
	struct runtime_exec_spec with_in = both, quick = both, tty = both;
	struct runtime_exec *e;
	struct box b;
	struct run r;

	with_in.stdin_open = true;
	quick.timeout_us = 100 * US_PER_MS;
	tty.tty = tty.stdin_open = true;
	box_run(&b, *state, "{\"command\":[\"sleep\",\"1000\"]}");
	wait_for(&b, &b.started);

	run_in(&r, &b, "[\"sh\",\"-c\",\"hostname; echo bad >&2; exit 7\"]", both);
	wait_for(&b, &r.done);
	assert_string_equal(strbuf_str(&r.out), "box\n");
	assert_string_equal(strbuf_str(&r.err_out), "bad\n");
	assert_int_equal(r.code, 7);
	assert_int_equal(r.why.code, 0);
	run_fini(&r);

	e = run_in(&r, &b, "[\"cat\"]", with_in);
	runtime_exec_write(e, SLICE("there and back"));
	runtime_exec_eof(e);
	wait_for(&b, &r.done);
	assert_string_equal(strbuf_str(&r.out), "there and back");
	assert_int_equal(r.code, 0);
	run_fini(&r);

	run_in(&r, &b, "[\"no-such-program\"]", both);
	wait_for(&b, &r.done);
	assert_int_not_equal(r.why.code, 0);
	assert_non_null(strstr(r.why.msg, "no-such-program"));
	run_fini(&r);

	run_in(&r, &b, "[\"sleep\",\"100\"]", quick);
	wait_for(&b, &r.done);
	assert_true(r.timed_out);
	run_fini(&r);

	e = run_in(&r, &b, "[\"sh\",\"-c\",\"read x; stty size; echo got $x\"]", tty);
	runtime_exec_resize(e, 132, 43);
	runtime_exec_write(e, SLICE("typed\n"));
	wait_for(&b, &r.done);
	assert_non_null(strstr(strbuf_str(&r.out), "43 132"));
	assert_non_null(strstr(strbuf_str(&r.out), "got typed"));
	assert_int_equal(r.code, 0);
	run_fini(&r);
	box_remove(&b);
}

/* ---- restart of the node ---- */

static void a_new_runtime_finds_what_runs_and_what_has_ended(void **state)
{
	struct world *w = *state;
	struct box live, dead, stray;
	struct err err = { 0 };

	box_run(&live, w, "{\"command\":[\"sleep\",\"1000\"]}");
	box_run(&dead, w, "{\"command\":[\"sh\",\"-c\",\"exit 4\"]}");
	box_run(&stray, w, "{\"command\":[\"sleep\",\"1000\"]}");
	wait_for(&live, &live.started);
	wait_for(&stray, &stray.started);
	wait_for(&dead, &dead.exited);
	runtime_free(w->rt);
	assert_int_equal(runtime_new(w->loop, w->run, &w->rt, NULL), 0);
	dead.exited = false;
	if (runtime_adopt(w->rt, live.id, &events, &live, &live.c, &err) < 0 ||
	    runtime_adopt(w->rt, dead.id, &events, &dead, &dead.c, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	assert_int_equal(runtime_state(live.c), RUNTIME_RUNNING);
	assert_int_equal(runtime_state(dead.c), RUNTIME_EXITED);
	assert_int_equal(runtime_exit_of(dead.c)->code, 4);
	assert_int_equal(runtime_adopt(w->rt, "ffff", &events, &live, &live.c, NULL),
	                 -ERR_NOTFOUND);
	runtime_remove_strays(w->rt);
	assert_null(runtime_find(w->rt, stray.id));
	runtime_kill(live.c, SIGTERM);
	runtime_kill(live.c, SIGKILL);
	wait_for(&live, &live.exited);
	assert_int_equal(live.exit.code, 137);
	box_remove(&live);
	box_remove(&dead);
}

static void removal_leaves_nothing(void **state)
{
	struct world *w = *state;
	scoped_free char *bundle = NULL, *crun = NULL;
	struct box b;

	box_run(&b, w, "{\"command\":[\"sleep\",\"1000\"]}");
	wait_for(&b, &b.started);
	bundle = mem_printf("%s/c/%s", w->run, b.id);
	crun = mem_printf("%s/crun/%s", w->run, b.id);
	assert_int_equal(access(bundle, F_OK) | access(crun, F_OK), 0);
	box_remove(&b);
	assert_int_equal(access(bundle, F_OK), -1);
	assert_int_equal(access(crun, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_logs_and_its_exit_code_comes),
		cmocka_unit_test(conmons_number_may_come_late),
		cmocka_unit_test(a_missing_program_fails_create_with_its_name),
		cmocka_unit_test(a_signal_ends_it_with_128_and_more),
		cmocka_unit_test(too_much_memory_is_seen_as_such),
		cmocka_unit_test(programs_run_inside),
		cmocka_unit_test(a_new_runtime_finds_what_runs_and_what_has_ended),
		cmocka_unit_test(removal_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
