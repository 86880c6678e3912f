/* Why: see drops.h. */
#include "node/drops.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/json.h"
#include "node/drop-story.h"
#include "node/server-priv.h"

#define LOOK_US       (2 * US_PER_S)
#define TELL_AGAIN_US (60 * US_PER_S)
#define PACKETS_NAME  "kennel_network_packets_total"
#define DROPPED_NAME  "kennel_network_dropped_packets_total"

struct known { /* a flow that lost packets */
	uint64_t packets;
	int64_t told_us; /* 0: never */
	unsigned round;  /* that saw it last */
};

struct series {
	char *labels;   /* owned: namespace="x",pod="y",... */
	char *ns, *pod; /* owned; pod null: a Service's, or nobody's */
	struct ip ip;   /* of the pod */
	uint64_t packets;
};

struct drops {
	struct agent *agent; /* borrowed */
	struct loop_timer timer;
	struct map known;  /* by flow and reason -> struct known, owned */
	struct map series; /* by labels -> struct series, owned */
	uint64_t dropped;  /* sum of the kernel's counters at the last look */
	unsigned round;
	bool has_looked; /* else it is the first look, of which nothing is told */
	/* sentences of this minute */
	int64_t minute_us;
	unsigned told;
};

/* ---- metrics ---- */

static void count(struct drops *d, const struct drop_story *story, uint64_t packets)
{
	const struct val *meta = val_get(story->subject, "metadata");
	struct slice ns = val_get_str(meta, "namespace"), name = val_get_str(meta, "name");
	bool is_pod = slice_is(val_get_str(story->subject, "kind"), "Pod");
	scoped_free char *labels = mem_printf(
		"namespace=\"" SLICE_FMT "\",pod=\"" SLICE_FMT "\",direction=\"%s\",reason=\"%s\"",
		SLICE_ARG(ns), SLICE_ARG(is_pod ? name : SLICE("")),
		story->is_egress ? "egress" : "ingress", drop_reason_name(story->drop->reason));
	struct series *s = map_find(&d->series, slice_of(labels));

	if (!s) {
		s = NEW(struct series);
		s->labels = mem_strdup(labels);
		s->ns = slice_dup(ns);
		s->pod = is_pod ? slice_dup(name) : NULL;
		s->ip = story->is_egress ? story->drop->flow.src : story->drop->flow.dst;
		map_set(&d->series, slice_of(labels), s);
	}
	s->packets += packets;
}

static void series_free(struct series *s)
{
	free(s->labels);
	free(s->ns);
	free(s->pod);
	free(s);
}

static bool is_gone(const struct drops *d, const struct series *s)
{
	const struct val *owner = s->pod ? model_owner_of(d->agent->model, s->ip) : NULL;

	return s->pod && !(slice_is(val_get_str(owner, "kind"), "Pod") &&
	                   slice_is(val_str(val_path(owner, "metadata.namespace")), s->ns) &&
	                   slice_is(val_str(val_path(owner, "metadata.name")), s->pod));
}

static void forget_series(struct drops *d)
{
	for (struct map_iter it = { 0 }; map_next(&d->series, &it);) {
		if (is_gone(d, it.value)) {
			series_free(map_remove(&d->series, it.key));
		}
	}
}

/* ---- events ---- */

static bool may_tell(struct drops *d, const struct known *k, int64_t now_us)
{
	if (k->told_us && now_us - k->told_us < TELL_AGAIN_US) {
		return false;
	}
	if (now_us - d->minute_us >= TELL_AGAIN_US) {
		d->minute_us = now_us;
		d->told = 0;
	}
	return d->told < DROPS_EVENTS_MAX;
}

static void tell(struct drops *d, const struct drop_story *story, struct known *k)
{
	scoped_strbuf struct strbuf text = { 0 };
	const char *reason = drop_story_event(story);
	int64_t now_us = loop_now_us(d->agent->loop);

	if (!reason || !may_tell(d, k, now_us)) {
		return;
	}
	drop_story_tell(story, &text);
	recorder_event(d->agent->recorder, story->subject, "Warning", reason, "%s",
	               strbuf_str(&text));
	k->told_us = now_us;
	d->told++;
}

/* ---- looking ---- */

static struct known *known_of(struct drops *d, const struct dropped *drop)
{
	char key[2 * IP_TEXT_SIZE + 32], src[IP_TEXT_SIZE], dst[IP_TEXT_SIZE];
	struct known *k;

	snprintf(key, sizeof(key), "%d %s %s %d %u", (int)drop->reason,
	         ip_format(drop->flow.src, src), ip_format(drop->flow.dst, dst),
	         (int)drop->flow.proto, drop->flow.dst_port);
	k = map_find(&d->known, slice_of(key));
	if (!k) {
		k = NEW(struct known);
		map_set(&d->known, slice_of(key), k);
	}
	return k;
}

static void on_drop(void *arg, const struct dropped *drop)
{
	struct drops *d = arg;
	struct known *k = known_of(d, drop);
	/* Fewer than before: the kernel had forgotten the flow meanwhile. */
	uint64_t more = drop->packets < k->packets ? drop->packets : drop->packets - k->packets;
	struct drop_story story;

	k->packets = drop->packets;
	k->round = d->round;
	if (!more || !d->has_looked) {
		return;
	}
	drop_story_make(d->agent->model, drop, &story);
	count(d, &story, more);
	tell(d, &story, k);
}

static void forget_known(struct drops *d)
{
	for (struct map_iter it = { 0 }; map_next(&d->known, &it);) {
		struct known *k = it.value;

		if (k->round != d->round) {
			map_remove(&d->known, it.key);
			free(k);
		}
	}
}

static void add_dropped(void *arg, const char *name, uint64_t packets, uint64_t bytes)
{
	uint64_t *sum = arg;

	(void)bytes;
	*sum += strncmp(name, "drop-", 5) == 0 || strncmp(name, "refuse-", 7) == 0 ? packets : 0;
}

static void look(struct drops *d)
{
	uint64_t dropped = 0;
	struct err err;

	if (dataplane_each_counter(d->agent->dataplane, add_dropped, &dropped, &err) < 0) {
		log_odd("Counters of dropped packets cannot be read error=%s", err.msg);
		return;
	}
	if (d->has_looked && dropped == d->dropped) {
		return;
	}
	d->round++;
	if (dataplane_each_drop(d->agent->dataplane, on_drop, d, &err) < 0) {
		log_odd("Dropped flows cannot be read error=%s", err.msg);
		return;
	}
	d->dropped = dropped;
	d->has_looked = true;
	forget_known(d);
	forget_series(d);
}

static void on_look(struct loop_timer *t)
{
	struct drops *d = container_of(t, struct drops, timer);

	if (d->agent->model_is_complete) {
		look(d);
	}
	loop_timer_start(d->agent->loop, &d->timer, LOOK_US, on_look);
}

/* ---- answers ---- */

struct listing {
	struct drops *drops;
	struct strbuf body;
	size_t n;
};

static void list_drop(void *arg, const struct dropped *drop)
{
	struct listing *l = arg;
	scoped_arena struct arena a = { 0 };
	struct drop_story story;

	drop_story_make(l->drops->agent->model, drop, &story);
	strbuf_adds(&l->body, l->n++ ? "," : "");
	json_write(&l->body, drop_story_value(&story, &a));
}

void drops_serve(struct server *s, struct http_request *r)
{
	struct listing l = { .drops = s->drops };
	struct err err;

	strbuf_adds(&l.body, "{\"drops\":[");
	if (dataplane_each_drop(s->agent->dataplane, list_drop, &l, &err) < 0) {
		server_refuse_err(r, &err);
	} else {
		strbuf_adds(&l.body, "]}\n");
		http_reply(r, 200, "application/json", NULL, strbuf_slice(&l.body));
	}
	strbuf_fini(&l.body);
}

struct counter_sum {
	char name[32];
	uint64_t packets;
};
struct counter_sums {
	struct counter_sum at[2 * DROP_REASONS];
	size_t n;
};

/* Node and router may count under one name. */
static void sum_counter(void *arg, const char *name, uint64_t packets, uint64_t bytes)
{
	struct counter_sums *sums = arg;
	size_t i = 0;

	(void)bytes;
	while (i < sums->n && strcmp(sums->at[i].name, name) != 0) {
		i++;
	}
	if (i == ARRAY_SIZE(sums->at)) {
		return;
	}
	if (i == sums->n) {
		snprintf(sums->at[sums->n++].name, sizeof(sums->at[0].name), "%s", name);
	}
	sums->at[i].packets += packets;
}

void drops_serve_metrics(struct server *s, struct http_request *r)
{
	struct counter_sums sums = { 0 };
	scoped_strbuf struct strbuf body = { 0 };
	struct err err;

	if (dataplane_each_counter(s->agent->dataplane, sum_counter, &sums, &err) < 0) {
		server_refuse_err(r, &err);
		return;
	}
	if (s->agent->model_is_complete) {
		look(s->drops);
	}
	strbuf_adds(&body, "# HELP " PACKETS_NAME " Packets by what the network did with them.\n"
	                   "# TYPE " PACKETS_NAME " counter\n");
	for (size_t i = 0; i < sums.n; i++) {
		strbuf_addf(&body, PACKETS_NAME "{verdict=\"%s\"} %llu\n", sums.at[i].name,
		            (unsigned long long)sums.at[i].packets);
	}
	strbuf_adds(&body, "# HELP " DROPPED_NAME
	                   " Packets dropped or refused, by the pod whose they were.\n"
	                   "# TYPE " DROPPED_NAME " counter\n");
	for (struct map_iter it = { 0 }; map_next(&s->drops->series, &it);) {
		const struct series *series = it.value;

		strbuf_addf(&body, DROPPED_NAME "{%s} %llu\n", series->labels,
		            (unsigned long long)series->packets);
	}
	http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, strbuf_slice(&body));
}

/* ---- life ---- */

struct drops *drops_new(struct agent *a)
{
	struct drops *d = NEW(struct drops);

	d->agent = a;
	if (a->dataplane) {
		look(d); /* what was before this process was told by the one before */
	}
	loop_timer_start(a->loop, &d->timer, LOOK_US, on_look);
	return d;
}

struct drops *drops_free(struct drops *d)
{
	if (!d) {
		return NULL;
	}
	loop_timer_stop(&d->timer);
	for (struct map_iter it = { 0 }; map_next(&d->known, &it);) {
		free(it.value);
	}
	for (struct map_iter it = { 0 }; map_next(&d->series, &it);) {
		series_free(it.value);
	}
	map_fini(&d->known);
	map_fini(&d->series);
	free(d);
	return NULL;
}
