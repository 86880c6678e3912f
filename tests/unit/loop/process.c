#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/process.h"

static int run(const char *const *argv, const struct process_spec *with, struct strbuf *out)
{
	struct process_spec spec = with ? *with : (struct process_spec){ 0 };
	struct err err;
	int status;

	spec.argv = argv;
	if (process_run(&spec, out, out, &status, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	return status;
}
#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void output_and_status_are_collected(void **state)
{
	scoped_strbuf struct strbuf out = { 0 }, err_out = { 0 };
	struct process_spec spec = { .argv = ARGV("sh", "-c", "echo out; echo err >&2; exit 3") };
	int status;

	(void)state;
	assert_int_equal(process_run(&spec, &out, &err_out, &status, NULL), 0);
	assert_string_equal(strbuf_str(&out), "out\n");
	assert_string_equal(strbuf_str(&err_out), "err\n");
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static void arguments_reach_the_program_untouched(void **state)
{
	scoped_strbuf struct strbuf out = { 0 };

	(void)state;
	run(ARGV("printf", "%s|", "a b", "$(id)", "*", "';"), NULL, &out);
	assert_string_equal(strbuf_str(&out), "a b|$(id)|*|';|");
}

static void input_of_any_size_is_read(void **state)
{
	scoped_strbuf struct strbuf out = { 0 }, big = { 0 };
	struct process_spec spec = { .max_output = 1000 };

	(void)state;
	for (int i = 0; i < 300000; i++) {
		strbuf_addc(&big, (char)('a' + i % 26));
	}
	spec.input = strbuf_slice(&big);
	assert_int_equal(run(ARGV("wc", "-c"), &spec, &out), 0);
	assert_string_equal(strbuf_str(&out), "300000\n");
	strbuf_reset(&out);
	run(ARGV("cat"), &spec, &out); /* more than is kept does not block it */
	assert_int_equal(out.size, 1000);
	assert_memory_equal(out.p, big.p, 1000);
	strbuf_reset(&out);
	spec.input = (struct slice){ 0 };
	run(ARGV("wc", "-c"), &spec, &out);
	assert_string_equal(strbuf_str(&out), "0\n");
}

static void a_missing_program_is_a_failure(void **state)
{
	struct process_spec spec = { .argv = ARGV("no-such-program-here") };
	struct err err;
	int status = -5;

	(void)state;
	assert_int_equal(process_run(&spec, NULL, NULL, &status, &err), -ERR_NOTFOUND);
	assert_string_equal(err.msg, "no-such-program-here: execute: No such file or directory");
	assert_int_equal(status, -5);
	spec.argv = ARGV("true");
	spec.cwd = "/no/such/folder";
	assert_int_equal(process_run(&spec, NULL, NULL, &status, &err), -ERR_NOTFOUND);
	assert_string_equal(err.msg, "true: chdir: No such file or directory");
	assert_int_equal(wait(NULL), -1); /* nothing is left behind */
}

static void environment_and_folder_are_given(void **state)
{
	scoped_strbuf struct strbuf out = { 0 };
	struct process_spec spec = { .env = ARGV("COLOUR=blue", "PATH=/usr/bin:/bin"),
		                     .cwd = "/usr" };

	(void)state;
	run(ARGV("sh", "-c", "echo $COLOUR $HOME; pwd"), &spec, &out);
	assert_string_equal(strbuf_str(&out), "blue\n/usr\n");
}

/* Only 0, 1, 2 and what is passed, even when what is passed lies in each other's place. */
static void only_named_descriptors_get_in(void **state)
{
	scoped_strbuf struct strbuf out = { 0 };
	scoped_fd int a = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
	scoped_fd int b = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	struct process_spec spec = { .pass_fds = (const int[]){ b, a, -1 } };

	(void)state;
	assert_true(a >= 0 && b > a);
	/* the folder itself is one more while ls reads it */
	run(ARGV("sh", "-c", "readlink /proc/self/fd/3 /proc/self/fd/4; ls /proc/self/fd | wc -l"),
	    &spec, &out);
	assert_string_equal(strbuf_str(&out), "/etc/passwd\n/etc/hostname\n6\n");
}

static void given_streams_are_used(void **state)
{
	scoped_strbuf struct strbuf out = { 0 };
	scoped_fd int in = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	int ends[2];
	char buf[16] = { 0 };
	struct process_spec spec = { .stdin_fd = in };

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	spec.stdout_fd = ends[1];
	run(ARGV("head", "-c", "5"), &spec, &out);
	assert_int_equal(read(ends[0], buf, sizeof(buf)), 5);
	assert_string_equal(buf, "root:");
	assert_int_equal(out.size, 0);
	close(ends[0]);
	close(ends[1]);
}

/* As a parent may leave it: glibc's own sigaction refuses the signals that it keeps for threads. */
static void set_thread_signal(void (*handler)(int))
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} sa = { .handler = handler };

	assert_int_equal(syscall(SYS_rt_sigaction, 33, &sa, NULL, sizeof(sa.mask)), 0);
}

static void signals_are_as_if_we_had_none(void **state)
{
	scoped_strbuf struct strbuf out = { 0 };
	sigset_t blocked, before;

	(void)state;
	signal(SIGHUP, SIG_IGN);
	set_thread_signal(SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	run(ARGV("sed", "-n", "/^Sig[BIC]/p", "/proc/self/status"), NULL, &out);
	assert_string_equal(strbuf_str(&out),
	                    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
	                    "SigCgt:\t0000000000000000\n");
	sigprocmask(SIG_SETMASK, &before, NULL);
	set_thread_signal(SIG_DFL);
	signal(SIGHUP, SIG_DFL);
}

static void too_long_is_ended(void **state)
{
	struct process_spec spec = { .argv = ARGV("sleep", "60"), .timeout_us = 50 * US_PER_MS };
	int64_t before = clock_mono_us();
	struct err err;
	int status;

	(void)state;
	assert_int_equal(process_run(&spec, NULL, NULL, &status, &err), -ERR_TIMEOUT);
	assert_string_equal(err.msg, "sleep did not end in time");
	assert_true(clock_mono_us() - before < 10 * US_PER_S);
}

static void what_it_leaves_behind_is_not_waited_for(void **state)
{
	scoped_strbuf struct strbuf out = { 0 };
	int64_t before = clock_mono_us();
	pid_t left;

	(void)state;
	run(ARGV("sh", "-c", "sleep 50 & echo $!"), NULL, &out);
	left = (pid_t)strtol(strbuf_str(&out), NULL, 10);
	assert_true(left > 0);
	assert_int_equal(kill(left, SIGKILL), 0);
	assert_true(clock_mono_us() - before < 40 * US_PER_S);
}

struct seen {
	int calls;
	int status;
	char out[32];
};

static void note_done(void *arg, const struct process_result *r)
{
	struct seen *s = arg;

	s->calls++;
	s->status = r->status;
	snprintf(s->out, sizeof(s->out), "%s", r->out);
}

static void several_run_at_once_and_can_be_killed(void **state)
{
	struct loop *l = loop_new();
	struct seen seen[3] = { 0 };
	struct process *p;
	struct process_spec sleeper = { .argv = ARGV("sleep", "60") };
	struct process_spec echo = { .argv = ARGV("echo", "hi") };

	(void)state;
	assert_int_equal(process_start(l, &echo, note_done, &seen[0], &p, NULL), 0);
	assert_int_equal(process_start(l, &echo, note_done, &seen[1], &p, NULL), 0);
	assert_int_equal(process_start(l, &sleeper, note_done, &seen[2], &p, NULL), 0);
	assert_true(process_pid(p) > 0);
	assert_int_equal(seen[0].calls, 0);
	process_kill(p, SIGTERM);
	loop_run(l);
	assert_int_equal(seen[0].calls, 1);
	assert_string_equal(seen[1].out, "hi\n");
	assert_true(WIFSIGNALED(seen[2].status) && WTERMSIG(seen[2].status) == SIGTERM);
	loop_free(l);
}

static void a_forgotten_one_is_not_reported(void **state)
{
	struct loop *l = loop_new();
	struct seen seen = { 0 };
	struct process *p;
	struct process_spec echo = { .argv = ARGV("echo", "hi") };

	(void)state;
	assert_int_equal(process_start(l, &echo, note_done, &seen, &p, NULL), 0);
	process_forget(p);
	loop_run(l);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(wait(NULL), -1);
	loop_free(l);
}

static void namespaces_and_user_are_entered(void **state)
{
	scoped_strbuf struct strbuf out = { 0 }, in_there = { 0 };
	struct process_spec spec = { .uid = 65534, .gid = 65534, .new_session = true };
	char path[64];
	int hold[2];
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		skip();
	}
	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || write(hold[1], "x", 1) < 0) {
			_exit(1);
		}
		close(hold[1]);
		for (;;) {
			pause();
		}
		_exit(read(hold[0], &c, 1) < 0);
	}
	close(hold[1]);
	assert_int_equal(read(hold[0], path, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	spec.netns_fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	spec.mntns_fd = open(path, O_RDONLY | O_CLOEXEC);
	run(ARGV("sh", "-c",
	         "readlink /proc/self/ns/net /proc/self/ns/mnt; id -u; id -G; wc -l "
	         "</proc/net/dev"),
	    &spec, &out);
	for (int i = 0; i < 2; i++) {
		char link[64];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, i ? "mnt" : "net");
		n = readlink(path, link, sizeof(link));
		strbuf_add(&in_there, link, (size_t)n);
		strbuf_addc(&in_there, '\n');
	}
	strbuf_adds(&in_there, "65534\n65534\n3\n"); /* two lines of heading and lo */
	assert_string_equal(strbuf_str(&out), strbuf_str(&in_there));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(spec.netns_fd);
	close(spec.mntns_fd);
	close(hold[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_and_status_are_collected),
		cmocka_unit_test(arguments_reach_the_program_untouched),
		cmocka_unit_test(input_of_any_size_is_read),
		cmocka_unit_test(a_missing_program_is_a_failure),
		cmocka_unit_test(environment_and_folder_are_given),
		cmocka_unit_test(only_named_descriptors_get_in),
		cmocka_unit_test(given_streams_are_used),
		cmocka_unit_test(signals_are_as_if_we_had_none),
		cmocka_unit_test(too_long_is_ended),
		cmocka_unit_test(what_it_leaves_behind_is_not_waited_for),
		cmocka_unit_test(several_run_at_once_and_can_be_killed),
		cmocka_unit_test(a_forgotten_one_is_not_reported),
		cmocka_unit_test(namespaces_and_user_are_entered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
