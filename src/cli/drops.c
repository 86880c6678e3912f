/* Why: `kennel drops`: what the network dropped, whose it was and who says so; and, with -f, from now on. The node knows
 * (node/drops.h); this asks and prints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "cli/caller.h"
#include "cli/command.h"
#include "cli/live.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "http/client.h"

#define ASK_EVERY_US (250 * US_PER_MS)

static const struct cli_option options[] = {
	{ "follow", 'f', NULL, "go on and print what is dropped from now on" },
	{ "namespace", 'n', "NS",
	  "only what pods and Services of this namespace sent or were sent" },
	{ "output", 'o', "FORMAT", "text (default), json or yaml; with -f one document a drop" },
	{ 0 },
};

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_YAML };

struct view {
	enum format format;
	struct slice ns; /* empty: all */
	bool follows;
};

struct watching {
	struct loop *loop;
	VEC(struct http_client *) nodes; /* owned */
	size_t n_open;                   /* nodes that were asked and did not answer yet */
	struct arena arena;              /* of the answers */
	VEC(struct val *) list;          /* of all nodes, latest first; owned array */
	struct err failed;               /* code 0: every node answered */
	struct map packets;              /* by flow and reason -> uint64_t, owned: printed so far */
};

/* ---- asking ---- */

static void read_answer(struct watching *w, const struct http_answer *a)
{
	struct val *root = NULL;

	if (a->status == 0) {
		(void)err_raise(&w->failed, ERR_UNAVAILABLE, "ask the node: %s", a->why->msg);
	} else if (json_parse(&w->arena, a->body, 0, &root, &w->failed) == 0) {
		if (a->status != 200) {
			(void)err_raise(&w->failed, ERR_UNAVAILABLE, "the node answered: %s",
			                val_cstr(val_get(root, "message")));
			return;
		}
		for (struct val *it = val_at(val_get(root, "drops"), 0); it; it = it->next) {
			vec_push(&w->list, it);
		}
	}
}

static void on_answer(void *arg, const struct http_answer *a)
{
	struct watching *w = arg;

	read_answer(w, a);
	if (--w->n_open == 0) {
		loop_stop(w->loop);
	}
}

static int by_age(const void *a, const void *b)
{
	int64_t x = val_int(val_get(*(struct val *const *)a, "ageMs"), 0),
		y = val_int(val_get(*(struct val *const *)b, "ageMs"), 0);

	return (x > y) - (x < y);
}

static int ask(struct watching *w, struct err *err)
{
	vec_clear(&w->list);
	arena_fini(&w->arena);
	w->arena = (struct arena){ 0 };
	w->failed = (struct err){ 0 };
	w->n_open = w->nodes.n;
	for (size_t i = 0; i < w->nodes.n; i++) {
		(void)http_call(w->nodes.at[i],
		                &(struct http_call_spec){ .method = "GET", .target = "/drops" },
		                on_answer, w);
	}
	while (w->n_open) {
		loop_run(w->loop);
	}
	if (w->failed.code) {
		*err = w->failed;
		return -(int)err->code;
	}
	if (w->list.n) {
		qsort(w->list.at, w->list.n, sizeof(w->list.at[0]), by_age);
	}
	return 0;
}

/* ---- choosing ---- */

static bool is_of(const struct val *drop, const char *end, struct slice ns)
{
	const struct val *at = val_get(drop, end);

	return slice_eq(val_get_str(at, "namespace"), ns);
}

static bool is_wanted(const struct view *view, const struct val *drop)
{
	return view->ns.len == 0 || is_of(drop, "source", view->ns) ||
	       is_of(drop, "destination", view->ns);
}

/* Packets since it was printed last. */
static uint64_t take_news(struct watching *w, const struct val *drop)
{
	uint64_t packets = (uint64_t)val_int(val_get(drop, "packets"), 0), before;
	scoped_free char *key = mem_printf(
		"%s %s %s %s %lld", val_cstr(val_get(drop, "reason")),
		val_cstr(val_path(drop, "source.ip")), val_cstr(val_path(drop, "destination.ip")),
		val_cstr(val_get(drop, "protocol")),
		(long long)val_int(val_path(drop, "destination.port"), 0));
	uint64_t *known = map_find(&w->packets, slice_of(key));

	if (!known) {
		known = NEW(uint64_t);
		map_set(&w->packets, slice_of(key), known);
	}
	before = *known;
	*known = packets;
	return packets < before ? packets : packets - before; /* forgotten meanwhile, or more */
}

/* ---- printing ---- */

static void print_age(int64_t ms)
{
	int64_t s = ms / 1000;

	if (s < 60) {
		printf("%3llds", (long long)s);
	} else {
		printf("%3lldm", (long long)(s / 60));
	}
}

static void print_time(int64_t age_ms)
{
	time_t at = (time_t)((clock_wall_us() - age_ms * US_PER_MS) / US_PER_S);
	struct tm parts;

	localtime_r(&at, &parts);
	printf("%02d:%02d:%02d", parts.tm_hour, parts.tm_min, parts.tm_sec);
}

static void print_row(const struct view *view, const struct val *drop)
{
	const struct val *subject = val_get(drop, "subject");
	struct slice ns = val_get_str(subject, "namespace");

	if (view->follows) {
		print_time(val_int(val_get(drop, "ageMs"), 0));
	} else {
		print_age(val_int(val_get(drop, "ageMs"), 0));
	}
	printf(" %7lld  %-22s ", (long long)val_int(val_get(drop, "packets"), 0),
	       val_cstr(val_get(drop, "reason")));
	if (subject) {
		printf("%s " SLICE_FMT "%s%s: ", val_cstr(val_get(subject, "kind")), SLICE_ARG(ns),
		       ns.len ? "/" : "", val_cstr(val_get(subject, "name")));
	}
	printf("%s\n", val_cstr(val_get(drop, "message")));
}

static void print_value(enum format format, const struct val *v)
{
	scoped_strbuf struct strbuf out = { 0 };

	if (format == FORMAT_YAML) {
		yaml_write(&out, v);
	} else {
		json_write(&out, v);
		strbuf_addc(&out, '\n');
	}
	fputs(strbuf_str(&out), stdout);
}

static void print_list(struct watching *w, const struct view *view)
{
	struct val *wanted = val_new_array(&w->arena), *all = val_new_object(&w->arena);

	for (size_t i = 0; i < w->list.n; i++) {
		if (is_wanted(view, w->list.at[i])) {
			val_append(wanted, val_copy(&w->arena, w->list.at[i]));
		}
	}
	if (view->format != FORMAT_TEXT) {
		val_set(&w->arena, all, "drops", wanted);
		print_value(view->format, all);
		return;
	}
	if (!val_len(wanted)) {
		printf("Nothing was dropped in the last ten minutes.\n");
		return;
	}
	printf("%4s %7s  %-22s %s\n", "AGE", "PACKETS", "REASON", "WHAT");
	val_for_each (wanted, it) {
		print_row(view, it);
	}
}

static void print_news(struct watching *w, const struct view *view)
{
	for (size_t i = w->list.n; i-- > 0;) { /* latest last */
		struct val *drop = w->list.at[i];
		uint64_t news = take_news(w, drop);

		if (!news || !is_wanted(view, drop)) {
			continue;
		}
		val_set_int(&w->arena, drop, "packets", (int64_t)news);
		if (view->format == FORMAT_TEXT) {
			print_row(view, drop);
		} else {
			printf("%s", view->format == FORMAT_YAML ? "---\n" : "");
			print_value(view->format, drop);
		}
	}
	fflush(stdout);
}

/* ---- the command ---- */

static void add_node(void *arg, struct http_client *node)
{
	struct watching *w = arg;

	vec_push(&w->nodes, node);
}

static int follow(struct watching *w, const struct view *view, struct err *err)
{
	struct caller turns = { .loop = w->loop };
	int r;

	while ((r = ask(w, err)) == 0) {
		print_news(w, view);
		caller_wait_us(&turns, ASK_EVERY_US);
	}
	return r;
}

static int read_view(const struct cli_parsed *p, struct view *ret, struct err *err)
{
	const char *format = cli_value(p, "output", "text");

	*ret = (struct view){ .ns = slice_of(cli_value(p, "namespace", "")),
		              .follows = cli_has(p, "follow") };
	if (strcmp(format, "json") == 0) {
		ret->format = FORMAT_JSON;
	} else if (strcmp(format, "yaml") == 0) {
		ret->format = FORMAT_YAML;
	} else if (strcmp(format, "text") != 0) {
		return err_raise(err, ERR_USAGE, "--output %s: text, json or yaml", format);
	}
	return 0;
}

static void close_nodes(struct watching *w)
{
	for (size_t i = 0; i < w->nodes.n; i++) {
		http_client_free(w->nodes.at[i]);
	}
	for (struct map_iter it = { 0 }; map_next(&w->packets, &it);) {
		free(it.value);
	}
	vec_fini(&w->nodes);
	vec_fini(&w->list);
	map_fini(&w->packets);
	arena_fini(&w->arena);
	loop_free(w->loop);
}

static int show(const struct cli_instance *i, const struct view *view, struct err *err)
{
	struct watching w = { .loop = loop_new() };
	int r = live_nodes(w.loop, i, add_node, &w, err);

	if (r == 0 && view->follows) {
		r = follow(&w, view, err);
	} else if (r == 0) {
		r = ask(&w, err);
		if (r == 0) {
			print_list(&w, view);
		}
	}
	close_nodes(&w);
	return r;
}

static int run(const struct cli_command *c, const struct cli_parsed *p, const struct cli_ops *ops)
{
	struct cli_instance instance = { 0 };
	struct view view;
	struct err err = { 0 };
	int r = read_view(p, &view, &err);

	(void)c;
	(void)ops;
	if (r == 0) {
		r = cli_instance_of(p, &instance, &err);
	}
	if (r == 0) {
		r = show(&instance, &view, &err);
	}
	cli_instance_fini(&instance);
	return r < 0 ? cli_fail(&err) : 0;
}

const struct cli_command cli_drops = {
	.name = "drops",
	.words = "",
	.summary = "Show what the network dropped or refused, whose it was and why",
	.details = "Lists the flows that lost packets in the last ten minutes: which pod, in which "
		   "direction, from or to\n"
		   "whom, at which port, and which NetworkPolicies isolate it. The same stands in "
		   "Events of the pods\n"
		   "(Warning, NetworkPolicyDrop) and, as counters, in the node's /metrics. Needs "
		   "root.",
	.options = options,
	.takes_instance = true,
	.run = run,
};
