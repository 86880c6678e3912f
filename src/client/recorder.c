/* Why: what happens to an object is told where its owner looks, without filling the server with
 * repeats. The same said again raises a count; when one object says many different things for one
 * reason, they are told as one. Source: reference 8.13
 *
 * A sentence is posted once; what is said while a request is under way is counted and sent after
 * it. */
#include <stdarg.h>
#include <stdio.h>

#include "base/chance.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "client/client-priv.h"

#define COMBINED "(combined from similar events): "

struct sentence {
	struct recorder *recorder;
	struct client_call *call; /* under way */
	struct doc *event;        /* a share: as it is to be on the server */
	struct loop_timer retry;
	int64_t count, sent; /* said, and told to the server */
	bool is_posted;      /* the server has it */
	int tries;
};

/* Different messages of one object and reason. */
struct similar {
	int64_t since_us; /* wall clock */
	int n;
};

struct recorder {
	struct client *client;  /* borrowed */
	char *component, *host; /* owned */
	struct map sentences;   /* by object, reason, message */
	struct map similars;    /* by object, reason */
};

/* ---- sending ---- */

static void send_event(struct sentence *s);

static void try_again(struct loop_timer *t)
{
	send_event(container_of(t, struct sentence, retry));
}

static bool is_passing(int status)
{
	return status == 0 || status == 429 || status >= 500;
}

static void on_answer(void *arg, const struct client_answer *a)
{
	struct sentence *s = arg;

	s->call = NULL;
	if (a->status == 404 && s->is_posted) {
		s->is_posted = false; /* it has expired: tell it anew */
		s->sent = 0;
	} else if (a->status >= 200 && a->status < 300) {
		s->is_posted = true;
		s->tries = 0;
	} else if (is_passing(a->status) && ++s->tries < EVENT_TRIES) {
		loop_timer_start(client_loop(s->recorder->client), &s->retry, EVENT_RETRY_US,
		                 try_again);
		return;
	} else {
		log_debug("Event is not recorded why=%s", a->why ? a->why->msg : "");
	}
	if (s->sent < s->count) {
		send_event(s);
	}
}

static void post(struct sentence *s)
{
	scoped_strbuf struct strbuf path = { 0 };
	const struct val *meta = val_get(s->event->root, "metadata");

	client_path(&path, "v1", "events", val_get_str(meta, "namespace"), SLICE(""), NULL);
	s->call = client_request(s->recorder->client, "POST", strbuf_str(&path), NULL,
	                         s->event->root, on_answer, s);
}

static void patch(struct sentence *s)
{
	static const char *const changed[] = { "count", "lastTimestamp", "message" };
	const struct val *event = s->event->root, *meta = val_get(event, "metadata");
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf path = { 0 };
	struct val *change = val_new_object(&a);

	for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
		val_set(&a, change, changed[i], val_copy(&a, val_get(event, changed[i])));
	}
	client_path(&path, "v1", "events", val_get_str(meta, "namespace"),
	            val_get_str(meta, "name"), NULL);
	s->call = client_request(s->recorder->client, "PATCH", strbuf_str(&path),
	                         "application/merge-patch+json", change, on_answer, s);
}

static void send_event(struct sentence *s)
{
	s->sent = s->count;
	if (s->is_posted) {
		patch(s);
	} else {
		post(s);
	}
}

/* ---- sentences ---- */

static void sentence_free(struct sentence *s)
{
	if (s->call) {
		client_cancel(s->call);
	}
	loop_timer_stop(&s->retry);
	doc_unref(s->event);
	free(s);
}

static void set_time(struct doc *d, const char *key, int64_t wall_us)
{
	char text[TIME_TEXT_SIZE];

	val_set_cstr(&d->arena, d->root, key, time_format(wall_us, text));
}

static void set_subject(struct doc *d, const struct val *object)
{
	const struct val *meta = val_get(object, "metadata");
	static const char *const of_meta[] = { "namespace", "name", "uid", "resourceVersion" };
	struct val *about = val_need_object(&d->arena, d->root, "involvedObject");

	val_set_str(&d->arena, about, "apiVersion", val_get_str(object, "apiVersion"));
	val_set_str(&d->arena, about, "kind", val_get_str(object, "kind"));
	for (size_t i = 0; i < ARRAY_SIZE(of_meta); i++) {
		if (val_get_str(meta, of_meta[i]).len) {
			val_set_str(&d->arena, about, of_meta[i], val_get_str(meta, of_meta[i]));
		}
	}
}

static void set_source(struct doc *d, const struct recorder *r)
{
	struct val *source = val_need_object(&d->arena, d->root, "source");

	val_set_cstr(&d->arena, source, "component", r->component);
	if (r->host) {
		val_set_cstr(&d->arena, source, "host", r->host);
	}
	val_set_cstr(&d->arena, d->root, "reportingComponent", r->component);
	val_set_cstr(&d->arena, d->root, "reportingInstance", r->host ? r->host : "");
}

struct said {
	const struct val *object;
	const char *type, *reason, *message;
	int64_t now_us;
};

/* The Event object of something said for the first time. */
static struct doc *event_of(const struct recorder *r, const struct said *said)
{
	struct doc *d = doc_new();
	const struct val *meta = val_get(said->object, "metadata");
	struct slice ns = val_get_str(meta, "namespace");
	struct val *m;

	d->root = val_new_object(&d->arena);
	val_set_cstr(&d->arena, d->root, "apiVersion", "v1");
	val_set_cstr(&d->arena, d->root, "kind", "Event");
	m = val_need_object(&d->arena, d->root, "metadata");
	/* two in one microsecond: chance keeps their names apart */
	val_set(&d->arena, m, "name",
	        val_new_strf(&d->arena, SLICE_FMT ".%016llx",
	                     SLICE_ARG(slice_head(val_get_str(meta, "name"), 236)),
	                     (unsigned long long)said->now_us * 1000 + chance_u32() % 1000));
	val_set_str(&d->arena, m, "namespace", ns.len ? ns : SLICE("default"));
	set_subject(d, said->object);
	set_source(d, r);
	val_set_cstr(&d->arena, d->root, "type", said->type);
	val_set_cstr(&d->arena, d->root, "reason", said->reason);
	val_set_cstr(&d->arena, d->root, "message", said->message);
	set_time(d, "firstTimestamp", said->now_us);
	set_time(d, "lastTimestamp", said->now_us);
	val_set(&d->arena, d->root, "eventTime", val_new_null(&d->arena));
	val_set_int(&d->arena, d->root, "count", 1);
	return d;
}

/* The same, said once more. */
static void repeat(struct sentence *s, const struct said *said)
{
	struct doc *d = doc_copy_of(s->event->root);

	s->count++;
	val_set_cstr(&d->arena, d->root, "message", said->message);
	set_time(d, "lastTimestamp", said->now_us);
	val_set_int(&d->arena, d->root, "count", s->count);
	doc_unref(s->event);
	s->event = d;
}

/* Makes room by forgetting what the server knows; a repeat of it becomes another Event. */
static void forget_told(struct recorder *r)
{
	for (struct map_iter it = { 0 }; map_next(&r->sentences, &it);) {
		struct sentence *s = it.value;

		if (!s->call && !loop_timer_is_armed(&s->retry)) {
			map_remove(&r->sentences, it.key);
			sentence_free(s);
		}
	}
}

static void forget_similar(struct recorder *r)
{
	for (struct map_iter it = { 0 }; map_next(&r->similars, &it);) {
		free(it.value);
	}
	map_fini(&r->similars);
}

/* One more different message; true when there are too many to tell each. */
static bool are_too_many(struct recorder *r, struct slice key, int64_t now_us)
{
	struct similar *s = map_find(&r->similars, key);

	if (!s && r->similars.n >= SENTENCES_MAX) {
		forget_similar(r);
	}
	if (!s) {
		s = NEW(struct similar);
		map_set(&r->similars, key, s);
	}
	if (now_us - s->since_us > SIMILAR_US) {
		*s = (struct similar){ .since_us = now_us };
	}
	return ++s->n > SIMILAR_MAX;
}

static void say(struct recorder *r, struct slice key, const struct said *said)
{
	struct sentence *s = map_find(&r->sentences, key);

	if (s) {
		repeat(s, said);
	} else {
		if (r->sentences.n >= SENTENCES_MAX) {
			forget_told(r);
		}
		if (r->sentences.n >= SENTENCES_MAX) {
			log_odd("Too many events wait for the server; one is dropped reason=%s",
			        said->reason);
			return;
		}
		s = NEW(struct sentence);
		*s = (struct sentence){ .recorder = r, .event = event_of(r, said), .count = 1 };
		map_set(&r->sentences, key, s);
	}
	if (!s->call && !loop_timer_is_armed(&s->retry)) {
		send_event(s);
	}
}

void recorder_event(struct recorder *r, const struct val *object, const char *type,
                    const char *reason, const char *fmt, ...)
{
	scoped_strbuf struct strbuf key = { 0 };
	const struct val *meta = val_get(object, "metadata");
	char message[1024];
	struct said said = { object, type, reason, message, clock_wall_us() };
	int size;
	va_list ap;

	/* room in front for the mark of combined ones */
	size = snprintf(message, sizeof(message), "%s", COMBINED);
	va_start(ap, fmt);
	vsnprintf(message + size, sizeof(message) - (size_t)size, fmt, ap);
	va_end(ap);
	said.message = message + size;
	strbuf_addf(&key, SLICE_FMT "\n" SLICE_FMT "/" SLICE_FMT "\n" SLICE_FMT "\n%s\n%s",
	            SLICE_ARG(val_get_str(object, "kind")),
	            SLICE_ARG(val_get_str(meta, "namespace")), SLICE_ARG(val_get_str(meta, "name")),
	            SLICE_ARG(val_get_str(meta, "uid")), type, reason);
	size = (int)key.size;
	strbuf_addf(&key, "\n%s", said.message);
	if (!map_has(&r->sentences, strbuf_slice(&key)) &&
	    are_too_many(r, slice_head(strbuf_slice(&key), (size_t)size), said.now_us)) {
		said.message = message;
		say(r, slice_head(strbuf_slice(&key), (size_t)size), &said);
		return;
	}
	say(r, strbuf_slice(&key), &said);
}

/* ---- life ---- */

struct recorder *recorder_new(struct client *c, const char *component, const char *host)
{
	struct recorder *r = NEW(struct recorder);

	r->client = c;
	r->component = mem_strdup(component);
	r->host = mem_strdup(host);
	return r;
}

struct recorder *recorder_free(struct recorder *r)
{
	if (!r) {
		return NULL;
	}
	for (struct map_iter it = { 0 }; map_next(&r->sentences, &it);) {
		sentence_free(it.value);
	}
	map_fini(&r->sentences);
	forget_similar(r);
	free(r->component);
	free(r->host);
	free(r);
	return NULL;
}
