/* Why: events are news; after an hour they go, or the store would fill with them. */
#include "base/clock.h"
#include "control/edit.h"

static void seen(struct controller *c, const struct store_event *e)
{
	if (e->kind == c->control->kinds.event && e->type == STORE_ADDED) {
		controller_add_object(c, e->object->root);
	}
}

static int64_t last_us(const struct val *e)
{
	int64_t us = time_of(val_get(e, "lastTimestamp"));
	int64_t series = time_of(val_path(e, "series.lastObservedTime"));
	int64_t created = meta_created_us(e);

	us = series > us ? series : us;
	return created > us ? created : us;
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *d = work_get(w, w->kinds->event, key);
	int64_t left;

	if (!d) {
		return 0;
	}
	left = last_us(d->root) + w->control->config.event_ttl_us - w->now_us;
	if (left > 0) {
		/* in steps of a second at least: thousands of them expire together */
		work_again(w, left > US_PER_S ? left : US_PER_S);
		return 0;
	}
	return work_delete(w, w->kinds->event, d->root, err);
}

static bool can_run(const struct control *c)
{
	return c->kinds.event != NULL;
}

const struct controller_type control_event_expiry = {
	.name = "event-expiry",
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
