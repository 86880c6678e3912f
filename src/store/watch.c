/* Why: watchers see every committed change of their kind once, in order: the past from the disk,
 * the present as it is committed.
 *
 *   BEHIND --caught up--> PRESENT
 *
 * A watch that starts in the past reads the changes it has not seen from the disk, a few a turn,
 * and until it has caught up it is passed over when commits are told. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/store-priv.h"

struct store_watch {
	struct store *store;     /* null once forgotten */
	const struct kind *kind; /* null: all */
	store_watch_fn *fn;      /* null once unwatched */
	void *arg;
	uint64_t seen;          /* revision up to which it has been told */
	bool is_behind;         /* reads the history */
	struct loop_defer turn; /* continues to read */
	struct loop_timer retry;
};

/* ---- the history ---- */

/* Index of the first change after a revision. */
static size_t first_after(const struct store *s, uint64_t revision)
{
	size_t low = 0, high = s->history.n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (s->history.at[middle].revision <= revision) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* Is it a revision after which all changes are known? Revisions in the gap that a start leaves are
 * not: they were lost, perhaps after somebody had seen them. */
static bool can_watch_from(const struct store *s, uint64_t from)
{
	const struct past *first = &s->history.at[0];
	size_t i;

	if (from > s->revision) {
		return false;
	}
	if (from >= s->published) {
		return true;
	}
	i = first_after(s, from);
	return i > 0 ? s->history.at[i - 1].revision == from
	             : first->type != CHANGE_MARK && first->revision == from + 1;
}

uint64_t watch_fold_limit(const struct store *s)
{
	uint64_t to;

	if (s->history.n < HISTORY_KEEP + HISTORY_FOLD) {
		return 0;
	}
	to = s->history.at[HISTORY_FOLD - 1].revision;
	for (size_t i = 0; i < s->watches.n; i++) {
		const struct store_watch *w = s->watches.at[i];

		if (w->is_behind && w->seen < to) {
			to = w->seen;
		}
	}
	return to > s->history.at[0].revision ? to : 0;
}

static void fold_history(struct store *s, uint64_t to)
{
	size_t n = first_after(s, to);

	memmove(s->history.at, s->history.at + n, (s->history.n - n) * sizeof(*s->history.at));
	s->history.n -= n;
}

/* ---- the past ---- */

static int read_state(struct store *s, const struct past *p, uint64_t revision, struct stored **ret,
                      struct err *err)
{
	scoped_strbuf struct strbuf json = { 0 };
	int r = db_read(s->db, p->id, revision, &json, err);

	return r < 0 ? r : stored_parse(p->kind, strbuf_slice(&json), p->id, revision, ret, err);
}

static int tell_past(struct store_watch *w, const struct past *p, struct err *err)
{
	struct stored *now = NULL, *old = NULL;
	int r = read_state(w->store, p, p->revision, &now, err);

	if (r == 0 && p->before) {
		r = read_state(w->store, p, p->before, &old, err);
	}
	if (r == 0) {
		struct store_event e = { .type = (enum store_event_type)p->type,
			                 .revision = p->revision,
			                 .kind = p->kind,
			                 .object = stored_doc(now),
			                 .old = stored_doc(old),
			                 .json = now->json };

		w->seen = p->revision;
		w->fn(w->arg, &e);
	}
	stored_unref(now);
	stored_unref(old);
	return r;
}

static bool concerns(const struct store_watch *w, const struct kind *k)
{
	return k && (!w->kind || w->kind == k);
}

static void catch_up(struct loop_defer *d);
static void retry(struct loop_timer *t)
{
	catch_up(&container_of(t, struct store_watch, retry)->turn);
}

static void read_on(struct store_watch *w)
{
	struct store *s = w->store;
	struct err err = { 0 };

	for (size_t told = 0; told < CATCH_UP_MAX; told++) {
		size_t i = first_after(s, w->seen);
		struct past p;

		while (i < s->history.n && !concerns(w, s->history.at[i].kind)) {
			i++;
		}
		if (i == s->history.n) {
			w->is_behind = false;
			w->seen = w->seen > s->published ? w->seen : s->published;
			return;
		}
		p = s->history.at[i];
		if (tell_past(w, &p, &err) < 0) {
			log_odd("A watch waits for its history why=%s", err.msg);
			loop_timer_start(s->loop, &w->retry, RETRY_US, retry);
			return;
		}
		if (!w->fn) {
			return; /* unwatched meanwhile */
		}
	}
	loop_defer(s->loop, &w->turn, catch_up);
}

static void catch_up(struct loop_defer *d)
{
	struct store_watch *w = container_of(d, struct store_watch, turn);
	struct store *s = w->store;

	s->is_telling = true; /* nobody is freed under us */
	read_on(w);
	s->is_telling = false;
	watch_sweep(s);
}

/* ---- the present ---- */

static void tell(struct store *s, const struct change *c)
{
	struct store_event e = { .type = (enum store_event_type)c->type,
		                 .revision = c->revision,
		                 .kind = c->now->kind,
		                 .object = stored_doc(c->now),
		                 .old = stored_doc(c->old),
		                 .json = c->now->json };

	for (size_t i = 0; i < s->watches.n; i++) {
		struct store_watch *w = s->watches.at[i];

		if (w->fn && !w->is_behind && w->seen < c->revision) {
			w->seen = c->revision;
			if (concerns(w, e.kind)) {
				w->fn(w->arg, &e);
			}
		}
	}
}

void watch_publish(struct store *s, const struct batch *b)
{
	for (size_t i = 0; i < b->changes.n; i++) {
		const struct change *c = &b->changes.at[i];

		vec_push(&s->history, ((struct past){ .revision = c->revision,
		                                      .before = c->before,
		                                      .id = c->now->id,
		                                      .kind = c->now->kind,
		                                      .type = c->type }));
		s->published = c->revision;
	}
	if (b->fold_to) {
		fold_history(s, b->fold_to);
	}
	for (size_t i = 0; i < b->changes.n; i++) {
		tell(s, &b->changes.at[i]);
	}
}

/* ---- life ---- */

int store_watch(struct store *s, const struct kind *k, uint64_t from, store_watch_fn *fn, void *arg,
                struct store_watch **ret, struct err *err)
{
	struct store_watch *w;

	if (!can_watch_from(s, from)) {
		return err_raise(err, ERR_GONE, "too old resource version: %llu (%llu)",
		                 (unsigned long long)from,
		                 (unsigned long long)s->history.at[0].revision);
	}
	w = NEW(struct store_watch);
	*w = (struct store_watch){ .store = s,
		                   .kind = k ? kind_storage(k) : NULL,
		                   .fn = fn,
		                   .arg = arg,
		                   .seen = from,
		                   .is_behind = from < s->published };
	vec_push(&s->watches, w);
	if (w->is_behind) {
		loop_defer(s->loop, &w->turn, catch_up);
	}
	*ret = w;
	return 0;
}

static void forget(struct store_watch *w)
{
	struct store *s = w->store;

	for (size_t i = 0; i < s->watches.n; i++) {
		if (s->watches.at[i] == w) {
			vec_remove(&s->watches, i);
			break;
		}
	}
	loop_defer_cancel(&w->turn);
	loop_timer_stop(&w->retry);
	free(w);
}

void watch_sweep(struct store *s)
{
	for (size_t i = s->watches.n; i > 0; i--) {
		if (!s->watches.at[i - 1]->fn) {
			forget(s->watches.at[i - 1]);
		}
	}
}

struct store_watch *store_unwatch(struct store_watch *w)
{
	if (!w) {
		return NULL;
	}
	if (!w->store) {
		free(w); /* the store went first */
		return NULL;
	}
	w->fn = NULL;
	loop_defer_cancel(&w->turn);
	loop_timer_stop(&w->retry);
	if (!w->store->is_telling) {
		forget(w);
	}
	return NULL;
}

uint64_t store_watch_seen(const struct store_watch *w)
{
	return !w->is_behind && w->store && w->store->published > w->seen ? w->store->published
	                                                                  : w->seen;
}

void watch_forget_all(struct store *s)
{
	watch_sweep(s);
	for (size_t i = 0; i < s->watches.n; i++) {
		loop_defer_cancel(&s->watches.at[i]->turn);
		loop_timer_stop(&s->watches.at[i]->retry);
		s->watches.at[i]->store = NULL;
	}
	vec_fini(&s->watches);
}
