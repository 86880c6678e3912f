/* Why: a role decides on a local copy and never asks twice. The copy is right as of one revision,
 * and gets to the next one by the watch alone; when the watch cannot go on, the collection is
 * listed and compared.
 *
 *              200                        ended, failed (410: list again)
 *   LISTING --------> WATCHING ------------------------+
 *    | ^  |  404                                        |
 *    | |  +-----> ABSENT (5 s) --> LISTING              v
 *    | +--------------------------- WAITING <-----------+
 *    +-- failed --------------------^   (back-off, then lists or watches)
 */
#include "base/backoff.h"
#include "base/chance.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/vec.h"
#include "client/client-priv.h"
#include "client/lines.h"
#include "codec/json.h"

#define KEY_SIZE 512 /* namespace and name have at most 63 and 253 characters */

struct entry {
	const struct doc *doc; /* a share */
	uint64_t revision;
	uint64_t round; /* of the list that saw it last */
};

struct replica {
	struct client *client;    /* borrowed */
	struct replica_spec spec; /* texts are owned copies */
	char *path, *query;       /* owned: of the collection; "?..." or "" */
	struct map entries;       /* "namespace/name" to struct entry */
	uint64_t revision;        /* the copy is right as of it */
	uint64_t round;           /* counts lists */
	bool is_synced;
	bool must_list;
	/* what is under way */
	struct client_call *list;
	struct http_call *watch;
	struct lines lines;
	int status; /* of the watch's head */
	bool got_event;
	struct loop_timer timer; /* WAITING, ABSENT, or the longest life of a watch */
	struct backoff backoff;
	int failures; /* in a row */
	int inside;   /* callbacks running: freed after them */
	bool is_freed;
};

static void go_on(struct replica *r);

/* ---- entries ---- */

static struct slice key_of(char *buf, struct slice ns, struct slice name)
{
	int n = snprintf(buf, KEY_SIZE, SLICE_FMT "/" SLICE_FMT, SLICE_ARG(ns), SLICE_ARG(name));

	return (struct slice){ buf, n < KEY_SIZE ? (size_t)n : KEY_SIZE - 1 };
}

static struct slice meta_str(const struct doc *d, const char *key)
{
	return val_get_str(val_get(d->root, "metadata"), key);
}

static uint64_t revision_of(const struct val *object)
{
	uint64_t n;

	return slice_to_u64(val_get_str(val_get(object, "metadata"), "resourceVersion"), &n) ? n
	                                                                                     : 0;
}

static void tell(struct replica *r, const struct doc *old, const struct doc *now)
{
	if (r->spec.changed && !r->is_freed) {
		r->spec.changed(r->spec.arg, old, now);
	}
}

static void forget_entry(struct replica *r, struct slice key)
{
	struct entry *e = map_remove(&r->entries, key);
	const struct doc *old = e->doc;

	free(e);
	tell(r, old, NULL);
	doc_unref(old);
}

/* Takes the state of an object, unless a newer one is known; takes over a share of it. */
static void put_take(struct replica *r, const struct doc *d, uint64_t round)
{
	char buf[KEY_SIZE];
	struct slice key = key_of(buf, meta_str(d, "namespace"), meta_str(d, "name"));
	struct entry *e = map_find(&r->entries, key);
	uint64_t revision = revision_of(d->root);
	const struct doc *old;

	if (e && !slice_eq(meta_str(e->doc, "uid"), meta_str(d, "uid")) && revision > e->revision) {
		forget_entry(r, key); /* another object of that name */
		e = NULL;
	}
	if (!e) {
		e = NEW(struct entry);
		map_set(&r->entries, key, e);
	} else if (revision <= e->revision) {
		e->round = round > e->round ? round : e->round;
		doc_unref(d);
		return;
	}
	old = e->doc;
	*e = (struct entry){ .doc = d, .revision = revision, .round = round };
	doc_ref(d); /* the callback may change the entry */
	tell(r, old, d);
	doc_unref(d);
	doc_unref(old);
}

/* ---- what to do next ---- */

static void on_timer(struct loop_timer *t);

static void wait_us(struct replica *r, int64_t us)
{
	loop_timer_start(client_loop(r->client), &r->timer, us, on_timer);
}

static void fail(struct replica *r, const struct err *why)
{
	const char *text = why ? why->msg : "the watch ended";

	/* a server that restarts is back after a few tries */
	if (++r->failures == FAILURES_SAID) {
		log_odd("Server does not let us keep up; trying on path=%s why=%s", r->path, text);
	} else {
		log_debug("Replica waits path=%s why=%s", r->path, text);
	}
	wait_us(r, backoff_next_us(&r->backoff, chance_u32()));
}

static void succeed(struct replica *r)
{
	if (r->failures >= FAILURES_SAID) {
		log_info("Server lets us keep up again path=%s", r->path);
	}
	r->failures = 0;
	backoff_reset(&r->backoff);
}

static void stop_watch(struct replica *r)
{
	if (r->watch) {
		http_call_cancel(take(r->watch));
	}
	lines_fini(&r->lines);
	loop_timer_stop(&r->timer);
}

static void on_timer(struct loop_timer *t)
{
	struct replica *r = container_of(t, struct replica, timer);

	stop_watch(r); /* when it is one that does not end by itself */
	go_on(r);
}

static void release(struct replica *r);

static void enter(struct replica *r)
{
	r->inside++;
}

/* False when the replica was freed meanwhile. */
static bool leave(struct replica *r)
{
	if (--r->inside == 0 && r->is_freed) {
		release(r);
		return false;
	}
	return !r->is_freed;
}

/* ---- list ---- */

/* Removes what the list of this round did not have. */
static void sweep(struct replica *r)
{
	VEC(char *) gone = { 0 };

	for (struct map_iter it = { 0 }; map_next(&r->entries, &it);) {
		const struct entry *e = it.value;

		/* put in by its writer after the list was made */
		if (e->round != r->round && e->revision <= r->revision) {
			vec_push(&gone, slice_dup(it.key));
		}
	}
	for (size_t i = 0; i < gone.n; i++) {
		if (map_has(&r->entries, slice_of(gone.at[i]))) {
			forget_entry(r, slice_of(gone.at[i]));
		}
		free(gone.at[i]);
	}
	vec_fini(&gone);
}

/* Items of a list leave out what the list says once. */
static struct doc *item_of(const struct val *list, const struct val *item)
{
	struct doc *d = doc_copy_of(item);
	struct slice kind = val_get_str(list, "kind");

	if (!val_get(d->root, "kind") && slice_has_suffix(kind, SLICE("List"))) {
		val_set_str(&d->arena, d->root, "apiVersion", val_get_str(list, "apiVersion"));
		val_set_str(&d->arena, d->root, "kind", slice_head(kind, kind.len - 4));
	}
	return d;
}

static void take_list(struct replica *r, const struct val *list)
{
	r->round++;
	r->revision = revision_of(list);
	val_for_each (val_get(list, "items"), it) {
		put_take(r, item_of(list, it), r->round);
		if (r->is_freed) {
			return;
		}
	}
	sweep(r);
}

static void synced(struct replica *r)
{
	r->is_synced = true;
	if (r->spec.synced && !r->is_freed) {
		r->spec.synced(r->spec.arg);
	}
}

static void on_list(void *arg, const struct client_answer *a)
{
	static const struct val nothing = { .type = VAL_OBJECT };
	struct replica *r = arg;

	r->list = NULL;
	if (a->status != 200 && a->status != 404) {
		fail(r, a->why);
		return;
	}
	enter(r);
	take_list(r, a->status == 200 && a->body ? a->body->root : &nothing);
	synced(r);
	if (!leave(r)) {
		return;
	}
	succeed(r);
	if (a->status == 404) {
		wait_us(r, ABSENT_US);
		return;
	}
	r->must_list = false;
	go_on(r);
}

/* ---- watch ---- */

enum watch_outcome { WATCH_LIST_AGAIN = 1, WATCH_FREED = 2 };

static int take_event(struct replica *r, struct slice type, struct doc *event, struct err *err)
{
	struct val *object = val_get(event->root, "object");
	char buf[KEY_SIZE];
	struct slice key;
	struct entry *e;

	if (slice_is(type, "ERROR")) {
		return val_int(val_get(object, "code"), 0) == 410
		               ? WATCH_LIST_AGAIN
		               : client_failure((int)val_int(val_get(object, "code"), 500), object,
		                                err);
	}
	if (revision_of(object) > r->revision) {
		r->revision = revision_of(object);
	}
	if (slice_is(type, "BOOKMARK")) {
		return 0;
	}
	event->root = object; /* the document becomes the object's */
	key = key_of(buf, meta_str(event, "namespace"), meta_str(event, "name"));
	if (slice_is(type, "ADDED") || slice_is(type, "MODIFIED")) {
		put_take(r, doc_ref(event), r->round);
	} else if (slice_is(type, "DELETED")) {
		e = map_find(&r->entries, key);
		if (e && e->revision <= revision_of(object)) {
			forget_entry(r, key);
		}
	} else {
		return err_raise(err, ERR_SYNTAX, "unknown event '" SLICE_FMT "'", SLICE_ARG(type));
	}
	return 0;
}

static int on_line(void *arg, struct slice line, struct err *err)
{
	struct replica *r = arg;
	scoped_doc struct doc *event = NULL;
	int result = json_parse_doc(line, 0, &event, err);

	if (result < 0) {
		return result;
	}
	if (val_get(event->root, "object") == NULL) {
		return err_raise(err, ERR_SYNTAX, "an event without an object");
	}
	r->got_event = true;
	succeed(r);
	enter(r);
	result = take_event(r, val_get_str(event->root, "type"), event, err);
	return leave(r) ? result : WATCH_FREED;
}

static void on_head(void *arg, const struct http_answer *a)
{
	struct replica *r = arg;
	struct err err = { 0 };

	r->status = a->status;
	if (a->status == 200) {
		return;
	}
	if (a->status == 0) {
		r->watch = NULL;
		loop_timer_stop(&r->timer);
		fail(r, a->why);
		return;
	}
	stop_watch(r);
	(void)client_failure(a->status, NULL, &err);
	r->must_list = a->status == 410 || a->status == 404;
	fail(r, &err);
}

static void on_data(void *arg, struct slice bytes)
{
	struct replica *r = arg;
	struct err err = { 0 };
	int result;

	enter(r);
	result = lines_feed(&r->lines, bytes, on_line, r, &err);
	if (!leave(r) || result == 0) {
		return;
	}
	stop_watch(r);
	r->must_list = true;
	if (result == WATCH_LIST_AGAIN) {
		go_on(r);
	} else {
		fail(r, &err);
	}
}

static void on_end(void *arg, const struct err *why)
{
	struct replica *r = arg;

	r->watch = NULL;
	stop_watch(r);
	if (!why && r->got_event) {
		go_on(r); /* its time was over */
	} else {
		fail(r, why);
	}
}

static void start_watch(struct replica *r)
{
	static const struct http_stream_events events = { on_head, on_data, on_end };
	unsigned seconds = WATCH_S + chance_u32() % WATCH_S;
	scoped_free char *target = mem_printf(
		"%s%s%cwatch=1&allowWatchBookmarks=true&resourceVersion=%llu&timeoutSeconds=%u",
		r->path, r->query, *r->query ? '&' : '?', (unsigned long long)r->revision, seconds);

	r->got_event = false;
	r->watch = client_stream(r->client, target, &events, r);
	wait_us(r, seconds * US_PER_S + WATCH_GRACE_US);
}

static void go_on(struct replica *r)
{
	scoped_free char *target = NULL;

	if (!r->must_list) {
		start_watch(r);
		return;
	}
	target = mem_printf("%s%s", r->path, r->query);
	r->list = client_request(r->client, "GET", target, NULL, NULL, on_list, r);
}

/* ---- life ---- */

static void add_parameter(struct strbuf *query, const char *name, const char *value)
{
	if (value) {
		strbuf_addf(query, "%c%s=", query->size ? '&' : '?', name);
		http_percent_encode(query, slice_of(value));
	}
}

struct replica *replica_new(struct client *c, const struct replica_spec *s)
{
	struct replica *r = NEW(struct replica);
	struct strbuf path = { 0 }, query = { 0 };

	client_path(&path, s->api_version, s->plural, slice_of(s->ns), SLICE(""), NULL);
	add_parameter(&query, "fieldSelector", s->field_selector);
	add_parameter(&query, "labelSelector", s->label_selector);
	r->client = c;
	r->spec =
		(struct replica_spec){ .changed = s->changed, .synced = s->synced, .arg = s->arg };
	r->path = strbuf_steal(&path);
	r->query = strbuf_steal(&query);
	r->must_list = true;
	r->backoff = (struct backoff){ .floor_us = RETRY_FLOOR_US, .ceiling_us = RETRY_CEILING_US };
	go_on(r);
	return r;
}

static void release(struct replica *r)
{
	for (struct map_iter it = { 0 }; map_next(&r->entries, &it);) {
		struct entry *e = it.value;

		doc_unref(e->doc);
		free(e);
	}
	map_fini(&r->entries);
	free(r->path);
	free(r->query);
	free(r);
}

struct replica *replica_free(struct replica *r)
{
	if (!r) {
		return NULL;
	}
	if (r->list) {
		client_cancel(take(r->list));
	}
	stop_watch(r);
	r->is_freed = true;
	if (!r->inside) {
		release(r);
	}
	return NULL;
}

/* ---- reading ---- */

bool replica_is_synced(const struct replica *r)
{
	return r->is_synced;
}

const struct doc *replica_find(const struct replica *r, struct slice ns, struct slice name)
{
	char buf[KEY_SIZE];
	const struct entry *e = map_find(&r->entries, key_of(buf, ns, name));

	return e ? e->doc : NULL;
}

size_t replica_count(const struct replica *r)
{
	return r->entries.n;
}

void replica_each(const struct replica *r, replica_visit_fn *fn, void *arg)
{
	for (struct map_iter it = { 0 }; map_next(&r->entries, &it);) {
		if (!fn(arg, ((const struct entry *)it.value)->doc)) {
			return;
		}
	}
}

void replica_put(struct replica *r, const struct doc *d)
{
	/* what the watch has passed already and does not have is gone again */
	if (revision_of(d->root) <= r->revision &&
	    !replica_find(r, meta_str(d, "namespace"), meta_str(d, "name"))) {
		return;
	}
	enter(r);
	put_take(r, doc_ref(d), r->round);
	(void)leave(r);
}
