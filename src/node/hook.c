/* Why: postStart and preStop run beside the container; how long they may take is the caller's. */
#include "base/clock.h"
#include "base/mem.h"
#include "node/check.h"

struct hook {
	struct loop *loop;
	struct check *check; /* null for sleep */
	struct loop_timer sleep;
	hook_done_fn *done;
	void *arg;
};

static void hook_free(struct hook *h)
{
	loop_timer_stop(&h->sleep);
	free(h);
}

static void finish(struct hook *h, const struct err *why)
{
	hook_done_fn *done = h->done;
	void *arg = h->arg;

	hook_free(h);
	done(arg, why);
}

static void on_checked(void *arg, bool ok, const char *why)
{
	struct hook *h = arg;
	struct err err = { 0 };

	if (ok) {
		finish(h, NULL);
		return;
	}
	(void)err_raise(&err, strcmp(why, "command timed out") == 0 ? ERR_TIMEOUT : ERR_IO, "%s",
	                *why ? why : "command failed");
	finish(h, &err);
}

static void on_slept(struct loop_timer *t)
{
	finish(container_of(t, struct hook, sleep), NULL);
}

struct hook *hook_start(struct container *c, const struct val *handler, int64_t timeout_us,
                        hook_done_fn *done, void *arg)
{
	struct hook *h = NEW(struct hook);
	const struct val *sleep = val_get(handler, "sleep");

	h->loop = c->pod->pods->agent->loop;
	h->done = done;
	h->arg = arg;
	if (sleep) {
		int64_t us = val_int(val_get(sleep, "seconds"), 0) * US_PER_S;

		loop_timer_start(h->loop, &h->sleep,
		                 timeout_us > 0 && us > timeout_us ? timeout_us : us, on_slept);
	} else {
		h->check = check_start(c, handler, timeout_us, on_checked, h);
	}
	return h;
}

struct hook *hook_cancel(struct hook *h)
{
	if (h) {
		check_cancel(h->check);
		hook_free(h);
	}
	return NULL;
}
