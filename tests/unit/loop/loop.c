#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "loop/loop.h"

/* ---- what happened, in order ---- */

static struct strbuf story;

static int forget_story(void **state)
{
	(void)state;
	strbuf_fini(&story);
	return 0;
}

struct teller {
	struct loop *loop;
	struct loop_timer timer;
	struct loop_defer defer;
	const char *name;
	struct teller *other; /* what on_timer_... acts on */
	int left;
};

static void tell(struct loop_timer *t)
{
	strbuf_adds(&story, container_of(t, struct teller, timer)->name);
}

static void tell_deferred(struct loop_defer *d)
{
	strbuf_adds(&story, container_of(d, struct teller, defer)->name);
}

static void timers_run_in_order_of_time_then_arming(void **state)
{
	struct loop *l = loop_new_manual();
	struct teller a = { .name = "a" }, b = { .name = "b" }, c = { .name = "c" };

	(void)state;
	loop_timer_start(l, &a.timer, 20, tell);
	loop_timer_start(l, &b.timer, 10, tell);
	loop_timer_start(l, &c.timer, 10, tell);
	assert_true(loop_timer_is_armed(&a.timer));
	loop_advance_us(l, 9);
	assert_string_equal(strbuf_str(&story), "");
	loop_advance_us(l, 1);
	assert_string_equal(strbuf_str(&story), "bc");
	loop_timer_start(l, &b.timer, 5, tell);
	loop_advance_us(l, 100);
	assert_string_equal(strbuf_str(&story), "bcba");
	assert_false(loop_timer_is_armed(&a.timer));
	loop_free(l);
}

static void stop_the_other(struct loop_timer *t)
{
	struct teller *a = container_of(t, struct teller, timer);

	loop_timer_stop(&a->other->timer);
	tell(t);
}

static void timers_can_be_stopped_and_armed_again(void **state)
{
	struct loop *l = loop_new_manual();
	struct teller a = { .name = "a" }, b = { .name = "b", .other = &a };

	(void)state;
	loop_timer_stop(&a.timer); /* never armed */
	loop_timer_start(l, &b.timer, 10, stop_the_other);
	loop_timer_start(l, &a.timer, 10, tell);
	loop_advance_us(l, 50);
	assert_string_equal(strbuf_str(&story), "b");
	loop_timer_start(l, &a.timer, 10, tell);
	loop_timer_start(l, &a.timer, 100, tell); /* later instead */
	loop_advance_us(l, 50);
	assert_string_equal(strbuf_str(&story), "b");
	loop_advance_us(l, 50);
	assert_string_equal(strbuf_str(&story), "ba");
	loop_free(l);
}

static int64_t last_fired_us;
static int fired;

static void note_time(struct loop_timer *t)
{
	assert_true(loop_now_us(t->loop) >= last_fired_us);
	last_fired_us = loop_now_us(t->loop);
	fired++;
}

/* A heap that has seen many changes still yields everything in order. */
static void many_timers_keep_order(void **state)
{
	enum { N = 2000 };
	struct loop *l = loop_new_manual();
	struct loop_timer *timers = mem_alloc(N * sizeof(*timers));
	unsigned chance = 1;
	int stopped = 0;

	(void)state;
	fired = 0;
	last_fired_us = 0;
	for (int i = 0; i < N; i++) {
		chance = chance * 1103515245 + 12345;
		loop_timer_start(l, &timers[i], chance >> 16 & 1023, note_time);
	}
	for (int i = 0; i < N; i += 3) {
		loop_timer_stop(&timers[i]);
		stopped++;
	}
	loop_advance_us(l, 1024);
	assert_int_equal(fired, N - stopped);
	loop_free(l);
	free(timers);
}

static void defer_again(struct loop_defer *d)
{
	struct teller *a = container_of(d, struct teller, defer);

	tell_deferred(d);
	if (--a->left > 0) {
		loop_defer(a->loop, d, defer_again);
	}
}

static void deferred_calls_run_once_at_the_end(void **state)
{
	struct loop *l = loop_new();
	struct teller a = { .name = "a" }, b = { .name = "b" },
		      c = { .name = "c", .loop = l, .left = 2 };

	(void)state;
	loop_defer(l, &a.defer, tell_deferred);
	loop_defer(l, &a.defer, tell_deferred);
	loop_defer(l, &b.defer, tell_deferred);
	loop_defer(l, &c.defer, defer_again);
	loop_defer_cancel(&b.defer);
	loop_timer_start(l, &b.timer, 0, tell);
	loop_run_once(l);
	assert_string_equal(strbuf_str(&story), "bac");
	loop_run(l); /* ends: nothing is left after c's second time */
	assert_string_equal(strbuf_str(&story), "bacc");
	loop_free(l);
}

static void stop_loop(struct loop_timer *t)
{
	loop_stop(t->loop);
}

static void the_real_clock_moves_timers(void **state)
{
	struct loop *l = loop_new();
	struct teller a = { .name = "a" }, b = { .name = "b" }, never = { .name = "never" };
	int64_t before = clock_mono_us(), took;

	(void)state;
	loop_timer_start(l, &b.timer, 20 * US_PER_MS, stop_loop);
	loop_timer_start(l, &a.timer, 5 * US_PER_MS, tell);
	loop_timer_start(l, &never.timer, 3600 * US_PER_S, tell);
	loop_run(l);
	took = clock_mono_us() - before;
	assert_string_equal(strbuf_str(&story), "a");
	assert_true(took >= 20 * US_PER_MS);
	assert_true(took < 2 * US_PER_S);
	loop_free(l);
}

struct looker {
	struct loop *loop;
	struct loop_defer defer;
};

static void look_at_the_clock(struct loop_defer *d)
{
	assert_true(loop_now_us(container_of(d, struct looker, defer)->loop) > 0);
}

/* A command asks, works for a while by itself, and asks again: its patience begins then. */
static void what_is_done_between_two_turns_takes_time(void **state)
{
	struct loop *l = loop_new();
	struct looker looker = { .loop = l };
	struct loop_timer t = { 0 };
	int64_t before;

	(void)state;
	loop_defer(l, &looker.defer, look_at_the_clock);
	loop_run(l);
	usleep(60000);
	before = clock_mono_us();
	loop_timer_start(l, &t, 30 * US_PER_MS, stop_loop);
	loop_run(l);
	assert_true(clock_mono_us() - before >= 30 * US_PER_MS);
	loop_free(l);
}

/* ---- descriptors ---- */

struct reader {
	struct loop *loop;
	struct loop_fd *watch;
	unsigned last_events;
	int calls;
};

static void again_at_once(struct loop_timer *t)
{
	struct teller *me = container_of(t, struct teller, timer);

	if (me->left-- > 0) {
		loop_timer_start(me->loop, t, me->left % 2 ? 0 : 900, again_at_once);
	}
}

/* One that is due before libuv waits must not make it wait for ever. */
static void timers_without_delay_keep_the_loop_turning(void **state)
{
	struct teller a = { .loop = loop_new(), .left = 50 }, stopper = { 0 };
	int fds[2];
	struct loop_fd *w;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_fd_open(a.loop, fds[0], LOOP_READ, NULL, NULL, &w, NULL), 0);
	loop_timer_start(a.loop, &a.timer, 0, again_at_once);
	alarm(20);
	while (a.left >= 0) {
		loop_run_once(a.loop);
	}
	a.left = 50;
	loop_timer_start(a.loop, &a.timer, 0, again_at_once);
	stopper.loop = a.loop;
	loop_timer_start(a.loop, &stopper.timer, 100000, stop_loop);
	loop_run(a.loop); /* the descriptor alone would keep it waiting */
	alarm(0);
	assert_int_equal(a.left, -1);
	loop_fd_close(w);
	loop_free(a.loop);
	close(fds[0]);
	close(fds[1]);
}

static void read_all(void *arg, int fd, unsigned events)
{
	struct reader *r = arg;
	char buf[64];
	ssize_t n;

	r->last_events = events;
	r->calls++;
	if (!(events & LOOP_READ)) {
		return;
	}
	n = read(fd, buf, sizeof(buf));
	if (n > 0) {
		strbuf_add(&story, buf, (size_t)n);
	} else {
		r->watch = loop_fd_close(r->watch);
	}
}

static void descriptors_are_read_paused_and_closed(void **state)
{
	struct loop *l = loop_new();
	struct reader r = { .loop = l };
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(loop_fd_open(l, ends[0], LOOP_READ, read_all, &r, &r.watch, NULL), 0);
	assert_int_equal(write(ends[1], "one", 3), 3);
	loop_run_once(l);
	assert_string_equal(strbuf_str(&story), "one");
	loop_fd_set(r.watch, 0);
	assert_int_equal(write(ends[1], "two", 3), 3);
	loop_run_once(l);
	assert_string_equal(strbuf_str(&story), "one");
	loop_fd_set(r.watch, LOOP_READ | LOOP_WRITE);
	loop_run_once(l);
	assert_string_equal(strbuf_str(&story), "onetwo");
	assert_int_equal(r.last_events, LOOP_READ | LOOP_WRITE);
	close(ends[1]);
	loop_run(l); /* ends when the reader closes its watch */
	assert_null(r.watch);
	close(ends[0]);
	loop_free(l);
}

static void an_error_is_told(void **state)
{
	struct loop *l = loop_new();
	struct reader r = { .loop = l };
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(loop_fd_open(l, ends[1], LOOP_WRITE, read_all, &r, &r.watch, NULL), 0);
	close(ends[0]);
	while (r.watch) {
		loop_run_once(l); /* the read of the writing end fails, which closes */
	}
	assert_int_equal(r.last_events, LOOP_READ | LOOP_WRITE);
	close(ends[1]);
	loop_free(l);
}

static void what_cannot_be_watched_is_refused(void **state)
{
	struct loop *l = loop_new();
	struct loop_fd *w = NULL;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(loop_fd_open(l, fd, LOOP_READ, read_all, NULL, &w, NULL), -ERR_IO);
	assert_null(w);
	close(fd);
	loop_free(l); /* and what stays open is closed with the loop */
}

/* ---- children, signals, work ---- */

struct ended {
	pid_t pid;
	int status;
	int calls;
};

static void note_end(void *arg, pid_t pid, int status)
{
	struct ended *e = arg;

	e->pid = pid;
	e->status = status;
	e->calls++;
}

static pid_t fork_exit(int how)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (how < 0) {
			raise(-how);
		}
		_exit(how);
	}
	return pid;
}

static void children_tell_how_they_ended(void **state)
{
	struct loop *l = loop_new();
	struct ended e[2] = { 0 };
	pid_t pids[2] = { fork_exit(7), fork_exit(-SIGKILL) };
	struct loop_child *c;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(loop_child_open(l, pids[i], note_end, &e[i], &c, NULL), 0);
	}
	loop_run(l);
	assert_int_equal(e[0].pid, pids[0]);
	assert_true(WIFEXITED(e[0].status) && WEXITSTATUS(e[0].status) == 7);
	assert_true(WIFSIGNALED(e[1].status) && WTERMSIG(e[1].status) == SIGKILL);
	assert_int_equal(waitpid(pids[0], NULL, WNOHANG), -1); /* reaped */
	assert_int_equal(loop_child_open(l, pids[0], note_end, &e[0], &c, NULL), -ERR_NOTFOUND);
	loop_free(l);
}

static void a_strangers_end_is_told_without_status(void **state)
{
	struct loop *l = loop_new();
	struct ended e = { 0 };
	struct loop_child *c;
	int ends[2], hold[2];
	pid_t stranger;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	if (fork() == 0) {
		pid_t grandchild = fork();

		if (grandchild == 0) {
			char c1;

			close(hold[1]);
			_exit(read(hold[0], &c1, 1) < 0);
		}
		_exit(write(ends[1], &grandchild, sizeof(grandchild)) < 0);
	}
	assert_int_equal(read(ends[0], &stranger, sizeof(stranger)), sizeof(stranger));
	assert_true(wait(NULL) > 0);
	assert_int_equal(loop_child_open(l, stranger, note_end, &e, &c, NULL), 0);
	loop_run_once(l);
	assert_int_equal(e.calls, 0);
	close(hold[1]);
	loop_run(l);
	assert_int_equal(e.calls, 1);
	assert_int_equal(e.status, -1);
	close(hold[0]);
	close(ends[0]);
	close(ends[1]);
	loop_free(l);
}

static void note_signal(void *arg, int signum)
{
	strbuf_addf(&story, "%d", signum == SIGUSR1);
	loop_stop(arg);
}

static void signals_arrive_on_the_loop(void **state)
{
	struct loop *l = loop_new();

	(void)state;
	assert_int_equal(loop_on_signal(l, SIGUSR1, note_signal, l, NULL), 0);
	raise(SIGUSR1);
	assert_string_equal(strbuf_str(&story), "");
	loop_run(l);
	assert_string_equal(strbuf_str(&story), "1");
	loop_free(l);
}

struct job {
	pid_t worker;
	int result;
	int done;
};

static void work(void *arg)
{
	struct job *j = arg;

	j->worker = gettid();
	j->result = 42;
}

static void work_done(void *arg)
{
	((struct job *)arg)->done++;
}

static void work_runs_off_the_loop(void **state)
{
	struct loop *l = loop_new();
	struct job j = { 0 };

	(void)state;
	loop_work(l, work, work_done, &j);
	loop_run(l);
	assert_int_equal(j.result, 42);
	assert_int_equal(j.done, 1);
	assert_int_not_equal(j.worker, gettid());
	loop_free(l);

	l = loop_new_manual();
	j = (struct job){ 0 };
	loop_work(l, work, work_done, &j);
	assert_int_equal(j.done, 0);
	loop_run_once(l);
	assert_int_equal(j.done, 1);
	loop_free(l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(timers_run_in_order_of_time_then_arming, forget_story),
		cmocka_unit_test_teardown(timers_can_be_stopped_and_armed_again, forget_story),
		cmocka_unit_test_teardown(many_timers_keep_order, forget_story),
		cmocka_unit_test_teardown(deferred_calls_run_once_at_the_end, forget_story),
		cmocka_unit_test_teardown(the_real_clock_moves_timers, forget_story),
		cmocka_unit_test(what_is_done_between_two_turns_takes_time),
		cmocka_unit_test_teardown(timers_without_delay_keep_the_loop_turning, forget_story),
		cmocka_unit_test_teardown(descriptors_are_read_paused_and_closed, forget_story),
		cmocka_unit_test_teardown(an_error_is_told, forget_story),
		cmocka_unit_test_teardown(what_cannot_be_watched_is_refused, forget_story),
		cmocka_unit_test_teardown(children_tell_how_they_ended, forget_story),
		cmocka_unit_test_teardown(a_strangers_end_is_told_without_status, forget_story),
		cmocka_unit_test_teardown(signals_arrive_on_the_loop, forget_story),
		cmocka_unit_test_teardown(work_runs_off_the_loop, forget_story),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
