/* Why: looks at every log now and then; a chatty container must not fill the disk. */
#include "node/log-rotation.h"

#include "base/clock.h"
#include "base/mem.h"
#include "node/log-rotate.h"

static const int64_t look_us = 10 * US_PER_S, max_bytes = 10 << 20;
enum { KEEP = 5 };

struct log_rotation {
	struct loop *loop;
	const struct pods *pods;
	struct loop_timer timer;
};

static bool look_at_container(void *arg, const struct pod_container_view *c)
{
	(void)arg;
	if (c->runtime && c->log_path &&
	    log_rotate(c->log_path, max_bytes, KEEP, clock_wall_us())) {
		runtime_reopen_log(c->runtime);
	}
	return true;
}

static bool look_at_pod(void *arg, const struct pod_view *v)
{
	pods_each_container(v, look_at_container, arg);
	return true;
}

static void on_timer(struct loop_timer *t)
{
	struct log_rotation *r = container_of(t, struct log_rotation, timer);

	pods_each(r->pods, look_at_pod, NULL);
	loop_timer_start(r->loop, &r->timer, look_us, on_timer);
}

struct log_rotation *log_rotation_new(struct loop *l, const struct pods *pods)
{
	struct log_rotation *r = NEW(struct log_rotation);

	r->loop = l;
	r->pods = pods;
	loop_timer_start(l, &r->timer, look_us, on_timer);
	return r;
}

struct log_rotation *log_rotation_free(struct log_rotation *r)
{
	if (r) {
		loop_timer_stop(&r->timer);
		free(r);
	}
	return NULL;
}
