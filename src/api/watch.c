/* Why: informers, `kubectl get -w` and `kubectl wait` live from this. Source: reference 3.4
 *
 *   INITIAL --all of the state sent--> FOLLOWING --timeout, too slow, client gone--> OVER
 *
 * The state at the start is kept as an array of shared objects and sent as fast as the client
 * reads; changes are followed from that state's revision only then, out of the store's history.
 * What is following is passed on at once, in the bytes that the store encoded for everybody; a
 * client that does not read is cut off when too much has piled up, and resumes from its last
 * revision. */
#include "api/watch.h"

#include "api/api-priv.h"
#include "api/fail.h"
#include "api/kept.h"
#include "api/limits.h"
#include "api/select.h"
#include "api/verbs.h"
#include "api/view.h"
#include "base/chance.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"

struct watch {
	struct api *api;         /* borrowed */
	struct call *call;       /* in the request's arena; null once the client has gone */
	struct list_link in_api; /* in api.watches */
	struct arena arena;      /* selectors */
	struct selection selection;
	struct view view;
	struct kept initial; /* shares not sent yet are owned */
	size_t sent;         /* of initial */
	uint64_t from;       /* revision that is followed from */
	bool marks_initial;  /* a bookmark ends the initial state */
	bool wants_bookmarks;
	bool has_sent_event; /* columns of tables are told once */
	size_t backlog;      /* bytes since the client stopped reading */
	struct store_watch *store_watch;
	struct store_wait wait; /* for the state at the start, then for bookmarks */
	bool is_waiting, is_ending;
	uint64_t bookmark; /* revision of the bookmark that is waited for */
	struct loop_timer tick;
	int64_t ends_us; /* on the loop's clock */
	struct loop_defer over;
};

/* ---- life ---- */

static void watch_free(struct watch *w)
{
	w->store_watch = store_unwatch(w->store_watch);
	loop_timer_stop(&w->tick);
	loop_defer_cancel(&w->over);
	if (w->is_waiting) {
		list_unlink(&w->wait.in_store);
	}
	list_unlink(&w->in_api);
	w->api->n_watches--;
	kept_fini(&w->initial, w->sent);
	arena_fini(&w->arena);
	free(w);
}

/* Ends the answer properly, so that clients resume instead of complaining. */
static void end(struct watch *w)
{
	struct call *c = take(w->call);

	if (c) {
		c->http->on_gone = NULL;
		c->http->on_drain = NULL;
		call_is_over(c, 200);
		http_reply_end(c->http);
	}
	watch_free(w);
}

static void on_over(struct loop_defer *d)
{
	end(container_of(d, struct watch, over));
}

/* Ends it soon: not from inside a delivery. */
static void end_soon(struct watch *w)
{
	w->store_watch = store_unwatch(w->store_watch);
	w->is_ending = true;
	loop_defer(w->api->loop, &w->over, on_over);
}

static void on_gone(struct http_request *r)
{
	struct watch *w = r->user;

	call_is_over(take(w->call), 200);
	watch_free(w);
}

void watches_end(struct api *api)
{
	list_for_each (&api->watches, w, struct watch, in_api) {
		end(w);
	}
}

/* ---- sending ---- */

static void send_text(struct watch *w, struct slice text)
{
	struct http_request *r = w->call->http;

	w->backlog = http_reply_is_full(r) ? w->backlog + text.len : 0;
	http_reply_chunk(r, text);
	if (w->backlog > WATCH_BACKLOG_MAX) {
		log_odd("A watcher does not read and is cut off");
		end_soon(w);
	}
}

static void send_event(struct watch *w, const char *type, const struct val *stored,
                       struct slice json)
{
	scoped_strbuf struct strbuf line = { 0 };

	w->view.now_us = api_wall_us(w->api);
	view_event(&line, &w->view, type, stored, json, !w->has_sent_event);
	w->has_sent_event = true;
	send_text(w, strbuf_slice(&line));
}

static void send_bookmark(struct watch *w, uint64_t revision, bool ends_initial)
{
	scoped_strbuf struct strbuf line = { 0 };

	view_bookmark(&line, &w->view, revision, ends_initial);
	send_text(w, strbuf_slice(&line));
}

static void send_error(struct watch *w, const char *message)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf line = { 0 };

	strbuf_adds(&line, "{\"type\":\"ERROR\",\"object\":");
	json_write(&line, fail_status(&a, 410, "Expired", message));
	strbuf_adds(&line, "}\n");
	send_text(w, strbuf_slice(&line));
}

/* ---- following ---- */

/* The object as it was, with the revision at which it left. */
static void send_left(struct watch *w, const struct store_event *e)
{
	scoped_arena struct arena a = { 0 };
	struct val *last = val_copy(&a, e->old->root);

	val_set_str(&a, val_need_object(&a, last, "metadata"), "resourceVersion",
	            val_str(val_path(e->object->root, "metadata.resourceVersion")));
	send_event(w, "DELETED", last, SLICE(""));
}

static void on_change(void *arg, const struct store_event *e)
{
	struct watch *w = arg;
	bool is_in = selection_has(&w->selection, e->object->root);
	bool was_in = e->old && selection_has(&w->selection, e->old->root);

	if (e->type == STORE_DELETED) {
		if (is_in || was_in) {
			send_event(w, "DELETED", e->object->root, e->json);
		}
	} else if (is_in) {
		send_event(w, was_in ? "MODIFIED" : "ADDED", e->object->root, e->json);
	} else if (was_in) {
		send_left(w, e);
	}
}

static void on_bookmark(struct store_wait *wait)
{
	struct watch *w = container_of(wait, struct watch, wait);

	w->is_waiting = false;
	if (w->store_watch) {
		send_bookmark(w, store_watch_seen(w->store_watch), false);
	}
}

static void wait_for_commit(struct watch *w, void (*fn)(struct store_wait *))
{
	if (!w->is_waiting) {
		w->is_waiting = true;
		w->wait.fn = fn;
		store_after_commit(w->api->store, &w->wait);
	}
}

static void on_tick(struct loop_timer *t)
{
	struct watch *w = container_of(t, struct watch, tick);
	int64_t left = w->ends_us - loop_now_us(w->api->loop);

	if (left <= 0) {
		end(w);
		return;
	}
	if (w->wants_bookmarks && w->store_watch) {
		wait_for_commit(w, on_bookmark);
	}
	/* a last bookmark shortly before the end */
	left = w->wants_bookmarks && left > 2 * US_PER_S ? left - US_PER_S : left;
	loop_timer_start(w->api->loop, t,
	                 w->wants_bookmarks && left > WATCH_BOOKMARK_US ? WATCH_BOOKMARK_US : left,
	                 on_tick);
}

static void follow(struct watch *w)
{
	struct err err = { 0 };

	if (w->marks_initial) {
		send_bookmark(w, w->from, true);
	}
	if (store_watch(w->api->store, w->selection.kind, w->from, on_change, w, &w->store_watch,
	                &err) < 0) {
		send_error(w, err.msg);
		end_soon(w);
	}
}

/* ---- the state at the start ---- */

static void send_initial(struct watch *w)
{
	while (w->sent < w->initial.docs.n && !w->is_ending && !http_reply_is_full(w->call->http)) {
		const struct doc *d = w->initial.docs.at[w->sent++];

		send_event(w, "ADDED", d->root, store_json(w->api->store, d));
		doc_unref((struct doc *)d);
	}
	if (w->sent == w->initial.docs.n && !w->store_watch && !w->is_ending) {
		follow(w);
	}
}

static void on_drain(struct http_request *r)
{
	struct watch *w = r->user;

	w->backlog = 0;
	if (!w->store_watch && !w->is_waiting && !w->is_ending) {
		send_initial(w);
	}
}

static void on_committed(struct store_wait *wait)
{
	struct watch *w = container_of(wait, struct watch, wait);

	w->is_waiting = false;
	send_initial(w);
}

/* What is sent before changes: everything, or nothing. */
static void prepare(struct watch *w, const struct options *o)
{
	uint64_t now = store_revision(w->api->store);
	bool wants_all = o->has_initial ? o->initial : o->revision == 0;

	if (wants_all) {
		selection_each(&w->selection, w->api->store, kept_add, &w->initial);
		w->from = now;
	} else {
		w->from = o->revision ? o->revision : now;
	}
	w->marks_initial = o->has_initial && o->initial && o->bookmarks;
}

static int64_t life_us(const struct options *o)
{
	int64_t s = o->timeout_s > 0 ? o->timeout_s : 1800 + chance_u32() % 1800;

	return (s > 86400 ? 86400 : s) * US_PER_S;
}

static void start_timer(struct watch *w, const struct options *o)
{
	int64_t left = life_us(o);

	w->ends_us = loop_now_us(w->api->loop) + left;
	if (w->wants_bookmarks) {
		left = left > WATCH_BOOKMARK_US + 2 * US_PER_S ? WATCH_BOOKMARK_US
		       : left > 2 * US_PER_S                   ? left - US_PER_S
		                                               : left;
	}
	loop_timer_start(w->api->loop, &w->tick, left, on_tick);
}

/* A revision that the history does not hold is told before the stream starts. */
static int check_start(struct call *c)
{
	struct store_watch *probe;
	struct err err = { 0 };

	if (c->api->n_watches >= WATCHES_MAX) {
		fail_reason(c, 429, "TooManyRequests", "too many watches");
		fail_retry_after(c, 5);
		return -ERR_LIMIT;
	}
	if (c->options.has_initial && c->options.initial &&
	    c->options.revision > store_revision(c->api->store)) {
		fail_reason(c, 504, "Timeout", "Timeout: Too large resource version");
		fail_cause(c, "ResourceVersionTooLarge", "Too large resource version", NULL);
		fail_retry_after(c, 1);
		return -ERR_TIMEOUT;
	}
	if (c->options.revision && !(c->options.has_initial && c->options.initial)) {
		if (store_watch(c->api->store, c->kind, c->options.revision, on_change, NULL,
		                &probe, &err) < 0) {
			return fail_reason(c, 410, "Expired", "%s", err.msg);
		}
		store_unwatch(probe);
	}
	return 0;
}

int watch_open(struct call *c)
{
	struct watch *w;
	int r = check_start(c);

	if (r < 0) {
		return r;
	}
	w = NEW(struct watch);
	w->api = c->api;
	list_push(&c->api->watches, &w->in_api);
	c->api->n_watches++;
	r = selection_read(c, &w->arena, &w->selection);
	if (r < 0) {
		watch_free(w);
		return r;
	}
	w->call = c;
	w->view = (struct view){ .kind = c->kind,
		                 .form = c->wanted.form,
		                 .meta_version = c->wanted.meta_version,
		                 .include = c->options.include };
	w->wants_bookmarks = c->options.bookmarks;
	c->http->user = w;
	c->http->on_gone = on_gone;
	c->http->on_drain = on_drain;
	http_reply_start(c->http, 200, "application/json", "Cache-Control: no-cache, private\r\n");
	prepare(w, &c->options);
	start_timer(w, &c->options);
	wait_for_commit(w, on_committed);
	return 0;
}
