/* Why: the only place that starts, adopts and stops a process of ours; see role.h. */
#include "serve/role.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/chance.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/process.h"

static const int64_t floor_us = 20 * US_PER_MS, ceiling_us = 5 * US_PER_S,
		     steady_us = 10 * US_PER_S; /* a process that lived so long starts afresh */
enum { LOG_KEEP = 8 << 20 };

static void start_process(struct role *r);

void role_init(struct role *r, struct loop *l, const struct home *h, const struct role_spec *spec)
{
	*r = (struct role){
		.loop = l,
		.home = h,
		.spec = *spec,
		.backoff = { .floor_us = floor_us, .ceiling_us = ceiling_us },
	};
}

const char *role_state_name(enum role_state s)
{
	static const char *const names[] = {
#define ROLE_STATE(name, text) #name,
		ROLE_STATES(ROLE_STATE)
#undef ROLE_STATE
	};

	return names[s];
}

/* Field 22 of /proc/PID/stat: start time in ticks since boot; 0 when the process is gone. */
static unsigned long long start_time_of(pid_t pid)
{
	char path[64], text[1024], *p;
	scoped_file FILE *f = NULL;
	unsigned long long ticks = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f || !fgets(text, sizeof(text), f) || !(p = strrchr(text, ')'))) {
		return 0;
	}
	if (p[1] == ' ' && p[2] == 'Z') {
		return 0; /* a zombie serves nobody */
	}
	sscanf(p + 1,
	       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
	       &ticks);
	return ticks;
}

int role_write_pid(const char *path, pid_t pid, struct err *err)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %llu\n", pid, start_time_of(pid));
	return home_write(path, slice_of(text), 0644, 0, err);
}

pid_t role_read_pid(const char *path)
{
	scoped_strbuf struct strbuf text = { 0 };
	unsigned long long ticks;
	pid_t pid;

	if (home_read(path, &text, NULL) < 0 ||
	    sscanf(strbuf_str(&text), "%d %llu", &pid, &ticks) != 2 || pid <= 0) {
		return 0;
	}
	return ticks && start_time_of(pid) == ticks ? pid : 0;
}

static char *pid_path(const struct role *r)
{
	return home_file(r->home, "run/%s.pid", r->spec.name);
}

static void gone(struct role *r)
{
	scoped_free char *path = pid_path(r);

	r->pid = 0;
	r->child = NULL; /* gone with the process, see loop.h */
	(void)unlink(path);
	if (r->state == ROLE_STOPPING) {
		void (*stopped)(void *) = r->stopped;

		loop_timer_stop(&r->grace);
		r->state = ROLE_STOPPED;
		r->stopped = NULL;
		if (stopped) {
			stopped(r->stopped_arg);
		}
	}
}

static void on_again(struct loop_timer *t)
{
	start_process(container_of(t, struct role, again));
}

static void again_later(struct role *r)
{
	int64_t wait_us;

	if (loop_now_us(r->loop) - r->since_us > steady_us) {
		backoff_reset(&r->backoff);
	}
	wait_us = backoff_next_us(&r->backoff, chance_u32());
	r->state = ROLE_WAITING;
	r->restarts++;
	loop_timer_start(r->loop, &r->again, wait_us, on_again);
}

static void on_exit_of(void *arg, pid_t pid, int status)
{
	struct role *r = arg;
	bool wanted = r->state == ROLE_RUNNING;

	if (wanted && status >= 0 && WIFSIGNALED(status)) {
		log_odd("Role died and is started again role=%s pid=%d signal=%d", r->spec.name,
		        pid, WTERMSIG(status));
	} else if (wanted) {
		log_odd("Role ended and is started again role=%s pid=%d status=%d", r->spec.name,
		        pid, status >= 0 ? WEXITSTATUS(status) : -1);
	}
	gone(r);
	if (wanted) {
		again_later(r);
	}
}

static int open_log(const struct role *r)
{
	scoped_free char *path = home_file(r->home, "logs/%s.log", r->spec.name);
	struct stat st;

	if (stat(path, &st) == 0 && st.st_size > LOG_KEEP) {
		scoped_free char *old = mem_printf("%s.1", path);

		(void)rename(path, old);
	}
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int watch(struct role *r, pid_t pid, struct err *err)
{
	int ret = loop_child_open(r->loop, pid, on_exit_of, r, &r->child, err);

	if (ret == 0) {
		r->pid = pid;
		r->state = ROLE_RUNNING;
		r->since_us = loop_now_us(r->loop);
	}
	return ret;
}

/* Forks and execs. Everything the child calls is safe between the two. */
static pid_t spawn(struct role *r, int log_fd, struct err *err)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid_t pid = fork();

	if (pid < 0) {
		close(null_fd);
		return err_sys(err, "fork");
	}
	if (pid > 0) {
		close(null_fd);
		return pid;
	}
	/* Copies above the targets first, so that no dup2 overwrites a source. */
	int high[16], n = 0;

	for (const int *fd = r->spec.pass_fds; fd && *fd >= 0 && n < 16; fd++) {
		high[n++] = fcntl(*fd, F_DUPFD_CLOEXEC, 64);
	}
	if (r->spec.netns_fd > 0 && syscall(SYS_setns, r->spec.netns_fd, 0x40000000) < 0) {
		_exit(126);
	}
	setsid();
	dup2(null_fd, 0);
	dup2(log_fd, 1);
	dup2(log_fd, 2);
	for (int i = 0; i < n; i++) {
		dup2(high[i], 3 + i);
	}
	/* What the supervisor was given by whoever started it stays with it. */
	(void)close_range((unsigned)(3 + n), ~0U, CLOSE_RANGE_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	execv(r->spec.argv[0], (char *const *)r->spec.argv);
	_exit(127);
}

static void start_process(struct role *r)
{
	scoped_free char *path = pid_path(r);
	scoped_fd int log_fd = open_log(r);
	struct err err = { 0 };
	pid_t pid = log_fd < 0 ? err_sys(&err, "open the log") : spawn(r, log_fd, &err);

	if (pid < 0 || watch(r, pid, &err) < 0) {
		log_broken("Role cannot be started role=%s: %s", r->spec.name, err.msg);
		again_later(r);
		return;
	}
	if (role_write_pid(path, pid, &err) < 0) {
		log_odd("Pid file cannot be written role=%s: %s", r->spec.name, err.msg);
	}
	log_info("Role started role=%s pid=%d", r->spec.name, pid);
}

void role_start(struct role *r)
{
	scoped_free char *path = pid_path(r);
	pid_t pid = role_read_pid(path);

	if (pid && watch(r, pid, NULL) == 0) {
		log_info("Role adopted role=%s pid=%d", r->spec.name, pid);
		return;
	}
	start_process(r);
}

static void on_grace(struct loop_timer *t)
{
	struct role *r = container_of(t, struct role, grace);

	log_odd("Role does not stop and is killed role=%s pid=%d", r->spec.name, r->pid);
	kill(r->pid, SIGKILL);
}

void role_stop(struct role *r, int64_t grace_us, void (*stopped)(void *arg), void *arg)
{
	loop_timer_stop(&r->again);
	r->stopped = stopped;
	r->stopped_arg = arg;
	if (!r->pid) {
		r->state = ROLE_STOPPED;
		r->stopped = NULL;
		if (stopped) {
			stopped(arg);
		}
		return;
	}
	r->state = ROLE_STOPPING;
	kill(r->pid, SIGTERM);
	loop_timer_start(r->loop, &r->grace, grace_us, on_grace);
}
