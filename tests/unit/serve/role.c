/* Why: a role that dies comes back, one that lives is adopted and not doubled, and one that does not stop is
 * stopped. */
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/role.h"

#define NEEDS_ROOT(s)                                                                              \
	if (!(s)) {                                                                                \
		skip();                                                                            \
	}

static const char *const sleeper[] = { "/bin/sleep", "1000", NULL };
static const char *const deaf[] = { "/bin/sh", "-c", "trap '' TERM; echo deaf; exec sleep 1000",
	                            NULL };
static int n_stopped;

static void on_stopped(void *arg)
{
	(void)arg;
	n_stopped++;
}

static void begin(struct scene *s, struct role *r, const char *const *argv)
{
	n_stopped = 0;
	role_init(r, s->loop, &s->home, &(struct role_spec){ .name = "r", .argv = argv });
	role_start(r);
}

static void end(struct scene *s, struct role *r)
{
	role_stop(r, 5 * US_PER_S, on_stopped, NULL);
	SCENE_WAIT(s, n_stopped);
	assert_int_equal(n_stopped, 1);
	assert_int_equal(r->state, ROLE_STOPPED);
	assert_string_equal(scene_mode(s, "run/r.pid"), "none");
}

static pid_t pid_in_file(struct scene *s)
{
	scoped_free char *path = home_file(&s->home, "run/r.pid");

	return role_read_pid(path);
}

static void a_role_is_started_and_stopped_in_order(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	struct role r;
	pid_t pid;

	begin(s, &r, sleeper);
	assert_int_equal(r.state, ROLE_RUNNING);
	assert_int_equal(pid_in_file(s), r.pid);
	assert_string_equal(scene_mode(s, "logs/r.log"), "0600 0 0");
	pid = r.pid;
	end(s, &r);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(r.restarts, 0);
}

static void one_that_dies_is_started_again(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	struct role r;
	pid_t first;

	begin(s, &r, sleeper);
	first = r.pid;
	assert_int_equal(kill(first, SIGKILL), 0);
	SCENE_WAIT(s, r.restarts == 1 && r.state == ROLE_RUNNING);
	assert_int_not_equal(r.pid, first);
	assert_int_equal(pid_in_file(s), r.pid);
	end(s, &r);
}

static void the_wait_grows_with_each_failure(void **state)
{
	static const char *const nothing[] = { "/nowhere/at/all", NULL };
	struct scene *s = *state;
	NEEDS_ROOT(s);
	struct role r;
	int64_t began_us = clock_mono_us();

	begin(s, &r, nothing);
	SCENE_WAIT(s, r.restarts == 5);
	/* 20, 40, 80, 160 ms, of which chance takes at most a half */
	assert_true(clock_mono_us() - began_us > 120 * US_PER_MS);
	n_stopped = 0;
	role_stop(&r, US_PER_S, on_stopped, NULL);
	SCENE_WAIT(s, n_stopped == 1);
}

static void a_living_process_is_adopted(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	struct role r, again;
	pid_t pid;

	begin(s, &r, sleeper);
	pid = r.pid;
	r.child = loop_child_close(r.child); /* the supervisor dies here */
	begin(s, &again, sleeper);
	assert_int_equal(again.pid, pid);
	assert_int_equal(again.state, ROLE_RUNNING);
	kill(pid, SIGKILL); /* and its death is noticed */
	SCENE_WAIT(s, again.restarts == 1 && again.state == ROLE_RUNNING);
	end(s, &again);
}

static void a_reused_pid_is_another_process(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_free char *path = home_file(&s->home, "run/r.pid");
	scoped_free char *text = mem_printf("%d %d\n", getpid(), 12345);
	struct role r;

	/* our own pid, but of one that was started at another time */
	assert_int_equal(home_write(path, slice_of(text), 0644, 0, NULL), 0);
	assert_int_equal(role_read_pid(path), 0);
	begin(s, &r, sleeper);
	assert_int_not_equal(r.pid, getpid());
	end(s, &r);
}

static void what_is_no_pid_file_names_nobody(void **state)
{
	static const char *const texts[] = { "", "x", "-1 5\n", "0 0\n", "1\n", "99999999 1\n" };
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_free char *path = home_file(&s->home, "run/r.pid");

	assert_int_equal(role_read_pid(path), 0);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(home_write(path, slice_of(texts[i]), 0644, 0, NULL), 0);
		assert_int_equal(role_read_pid(path), 0);
	}
	assert_int_equal(role_write_pid(path, getpid(), NULL), 0);
	assert_int_equal(role_read_pid(path), getpid());
}

static void one_that_does_not_listen_is_killed(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_free char *log = home_file(&s->home, "logs/r.log");
	struct role r;
	int64_t began_us;
	struct strbuf text = { 0 };

	begin(s, &r, deaf);
	SCENE_WAIT(s, (strbuf_reset(&text), home_read(log, &text, NULL) == 0) && text.size);
	strbuf_fini(&text);
	began_us = clock_mono_us();
	role_stop(&r, 50 * US_PER_MS, on_stopped, NULL);
	assert_int_equal(r.state, ROLE_STOPPING);
	SCENE_WAIT(s, n_stopped == 1);
	assert_true(clock_mono_us() - began_us >= 50 * US_PER_MS);
	assert_int_equal(r.state, ROLE_STOPPED);
	assert_int_equal(r.restarts, 0); /* it was wanted so */
}

static void descriptors_are_passed_from_three_on(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	static const char *const writer[] = {
		"/bin/sh", "-c",
		"echo three >&3; echo four >&4; ls /proc/self/fd >&3; "
		"exec sleep 1000",
		NULL
	};
	int three[2], four[2], pass[3];
	char buf[256] = "";
	struct role r;

	assert_int_equal(pipe2(three, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(four, O_CLOEXEC | O_NONBLOCK), 0);
	pass[0] = three[1];
	pass[1] = four[1];
	pass[2] = -1;
	n_stopped = 0;
	role_init(&r, s->loop, &s->home,
	          &(struct role_spec){ .name = "r", .argv = writer, .pass_fds = pass });
	role_start(&r);
	SCENE_WAIT(s, read(four[0], buf, sizeof(buf)) == 5);
	assert_memory_equal(buf, "four\n", 5);
	memset(buf, 0, sizeof(buf));
	SCENE_WAIT(s, read(three[0], buf + strlen(buf), sizeof(buf) - 1 - strlen(buf)) < 0 &&
	                      strlen(buf) > 14);
	/* 5 is the folder that ls reads: nothing else of ours is open there */
	assert_string_equal(buf, "three\n0\n1\n2\n3\n4\n5\n");
	end(s, &r);
	close(three[0]), close(three[1]), close(four[0]), close(four[1]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, scene_set_up, scene_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_role_is_started_and_stopped_in_order), T(one_that_dies_is_started_again),
		T(the_wait_grows_with_each_failure),       T(a_living_process_is_adopted),
		T(a_reused_pid_is_another_process),        T(what_is_no_pid_file_names_nobody),
		T(one_that_does_not_listen_is_killed),     T(descriptors_are_passed_from_three_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
