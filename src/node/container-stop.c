/* Why: the way down of one container: preStop, signal, patience, SIGKILL; and what is kept of a run
 * that has ended. kubernetes-api.md section 8.4. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/file.h"
#include "node/logs-line.h"
#include "node/pod-priv.h"

enum { MESSAGE_MAX = 4096, LOG_MESSAGE_MAX = 2048, LOG_MESSAGE_LINES = 80 };
static const int64_t hook_extra_us = 2 * US_PER_S;

/* ---- asking it to end ---- */

static void on_kill(struct loop_timer *t)
{
	struct container *c = container_of(t, struct container, kill_timer);

	c->hook = hook_cancel(c->hook);
	if (c->runtime) {
		runtime_kill_all(c->runtime);
	}
}

static void arm(struct container *c)
{
	struct loop *l = c->pod->pods->agent->loop;
	int64_t left_us = c->kill_at_us - loop_now_us(l);

	loop_timer_start(l, &c->kill_timer, left_us > 0 ? left_us : 0, on_kill);
}

static void signal_it(struct container *c)
{
	struct loop *l = c->pod->pods->agent->loop;

	if (!c->runtime) {
		return;
	}
	if (c->kill_at_us <= loop_now_us(l) && c->used_hook_extra) {
		c->kill_at_us = loop_now_us(l) +
		                hook_extra_us; /* the hook took it all: once, two seconds more */
		arm(c);
	}
	runtime_kill(c->runtime, c->stop_signal);
}

static void on_hooked(void *arg, const struct err *why)
{
	struct container *c = arg;

	c->hook = NULL;
	if (why) {
		pod_event(c->pod, c, "Warning", "FailedPreStopHook", "PreStopHook failed: %s",
		          why->msg);
		c->used_hook_extra = why->code == ERR_TIMEOUT;
	}
	signal_it(c);
}

void container_stop(struct container *c, int64_t kill_at_us, const char *why)
{
	struct loop *l = c->pod->pods->agent->loop;
	const struct val *hook = val_path(c->facts.spec, "lifecycle.preStop");
	int64_t left_us = kill_at_us - loop_now_us(l);

	if (c->pull) {
		pulls_cancel(take(c->pull));
		c->facts.is_busy = false;
	}
	if (c->is_stopping) {
		if (kill_at_us < c->kill_at_us) {
			c->kill_at_us = kill_at_us;
			arm(c);
		}
		return;
	}
	if (!c->runtime) {
		return;
	}
	c->is_stopping = true;
	c->kill_at_us = kill_at_us;
	pod_event(c->pod, c, "Normal", "Killing", "%s", why);
	c->hook = hook_cancel(c->hook);
	if (c->facts.phase != CONTAINER_RUNNING) {
		return; /* being made: on_created and on_started see is_stopping */
	}
	if (hook && left_us > 0) {
		/* the kill timer stands behind the hook's own limit */
		c->hook = hook_start(c, hook, left_us, on_hooked, c);
		c->kill_at_us += hook_extra_us;
		arm(c);
		c->kill_at_us -= hook_extra_us;
		return;
	}
	arm(c);
	signal_it(c);
}

/* ---- what is kept ---- */

/* The last bytes of a file. */
static void read_tail(const char *path, size_t max, struct strbuf *out)
{
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	char *room;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		return;
	}
	room = strbuf_reserve(out, max);
	n = room ? pread(fd, room, max, st.st_size > (off_t)max ? st.st_size - (off_t)max : 0) : -1;
	if (n > 0) {
		strbuf_added(out, (size_t)n);
	}
}

/* The last lines of the log, without time and stream. */
static void message_of_log(const struct container *c, struct strbuf *out)
{
	scoped_strbuf struct strbuf tail = { 0 }, text = { 0 };
	struct slice rest, line;
	struct logs_line parsed;
	size_t lines = 0, from;

	if (!c->log_path) {
		return;
	}
	read_tail(c->log_path, (size_t)4 * LOG_MESSAGE_MAX + LOG_MESSAGE_LINES * 64, &tail);
	rest = strbuf_slice(&tail);
	while (slice_next(&rest, '\n', &line)) {
		if (logs_line_parse(line, &parsed)) {
			strbuf_add_slice(&text, parsed.text);
			strbuf_adds(&text, parsed.is_partial ? "" : "\n");
		}
	}
	from = text.size;
	while (from > 0 && text.size - from < LOG_MESSAGE_MAX) {
		from--;
		lines += from > 0 && text.p[from - 1] == '\n';
		if (lines == LOG_MESSAGE_LINES) {
			break;
		}
	}
	strbuf_add_slice(out, slice_from(strbuf_slice(&text), from));
}

static char *termination_message(const struct container *c, int code)
{
	scoped_free char *path = mem_printf("%s/message", c->dir);
	scoped_strbuf struct strbuf out = { 0 };

	read_tail(path, MESSAGE_MAX, &out);
	if (out.size == 0 && code != 0 &&
	    slice_is(val_get_str(c->facts.spec, "terminationMessagePolicy"),
	             "FallbackToLogsOnError")) {
		message_of_log(c, &out);
	}
	return out.size ? slice_dup(slice_trim(strbuf_slice(&out))) : NULL;
}

static const char *reason_of(const struct runtime_exit *e)
{
	if (e->is_unknown) {
		return "ContainerStatusUnknown";
	}
	return e->oom_killed ? "OOMKilled" : e->code == 0 ? "Completed" : "Error";
}

void container_ended(struct container *c, const struct runtime_exit *e)
{
	struct loop *l = c->pod->pods->agent->loop;
	struct container_facts *f = &c->facts;
	scoped_free char *layers = mem_printf("%s/%d", c->dir, c->runs - 1);

	probers_stop(c);
	c->hook = hook_cancel(c->hook);
	loop_timer_stop(&c->kill_timer);
	free(f->end.message);
	f->end = (struct container_end){
		.code = e->code,
		.reason = reason_of(e),
		.message = termination_message(c, e->code),
		.started_us = f->started_us,
		.finished_us = e->at_wall_us,
	};
	memcpy(f->end.id, f->id, sizeof(f->end.id));
	f->id[0] = '\0';
	f->phase = CONTAINER_TERMINATED;
	f->is_ready = f->is_started = f->is_busy = false;
	f->restart_at_us = restart_backoff_next(&c->backoff, loop_now_us(l),
	                                        f->end.finished_us - f->end.started_us);
	c->is_stopping = false;
	container_unmount(c);
	(void)container_save(c);
	tree_discard_later(l, layers);
	runtime_remove(take(c->runtime), NULL, NULL);
	pod_tell_server(c->pod);
	pod_look(c->pod);
}
