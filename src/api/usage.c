/* Why: `kubectl top` and autoscalers read metrics.k8s.io; the figures are the node's own
 * (/stats/summary on its socket), read when they are asked for. Source: reference 6.1 */
#include "api/api-priv.h"
#include "api/fail.h"
#include "api/select.h"
#include "api/verbs.h"
#include "api/view.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"

#define WINDOW "15s" /* what the node's rates are means of */

struct reading {
	struct call *call;
	struct selection selection;
	bool is_pods;
	const char *now;
	struct val *items; /* array of NodeMetrics or PodMetrics */
};

static struct val *usage_of(struct arena *a, const struct val *measured)
{
	struct val *v = val_new_object(a);
	const struct val *cpu = val_path(measured, "cpu.usageNanoCores");
	const struct val *memory = val_path(measured, "memory.workingSetBytes");

	val_set(a, v, "cpu", val_new_strf(a, "%lldn", (long long)val_int(cpu, 0)));
	val_set(a, v, "memory", val_new_strf(a, "%lldKi", (long long)val_int(memory, 0) / 1024));
	return v;
}

static bool is_measured(const struct val *v)
{
	return val_path(v, "cpu.usageNanoCores") && val_path(v, "memory.workingSetBytes");
}

/* Head of one item; its labels are those of the object that it is about. */
static struct val *new_item(struct reading *r, const struct doc *about)
{
	struct arena *a = r->call->arena;
	const struct val *meta = val_get(about->root, "metadata");
	struct val *v = val_new_object(a), *m;

	val_set_cstr(a, v, "kind", r->call->kind->kind);
	val_set_cstr(a, v, "apiVersion", kind_api_version(r->call->kind));
	m = val_need_object(a, v, "metadata");
	val_set_str(a, m, "name", val_get_str(meta, "name"));
	if (r->is_pods) {
		val_set_str(a, m, "namespace", val_get_str(meta, "namespace"));
	}
	if (val_get(meta, "labels")) {
		val_set(a, m, "labels", val_copy(a, val_get(meta, "labels")));
	}
	val_set_cstr(a, m, "creationTimestamp", r->now);
	val_set_cstr(a, v, "timestamp", r->now);
	val_set_cstr(a, v, "window", WINDOW);
	return v;
}

static void keep(struct reading *r, struct val *item)
{
	if (selection_has(&r->selection, item)) {
		val_append(r->items, item);
	}
}

static void read_node(struct reading *r, const struct val *measured)
{
	const struct api *api = r->call->api;
	const struct doc *node =
		store_get(api->store, (struct key){ api->kinds.node, SLICE(""),
	                                            val_get_str(measured, "nodeName") });
	struct val *item;

	if (node && is_measured(measured)) {
		item = new_item(r, node);
		val_set(r->call->arena, item, "usage", usage_of(r->call->arena, measured));
		keep(r, item);
	}
}

static void read_pod(struct reading *r, const struct val *measured)
{
	const struct api *api = r->call->api;
	const struct val *ref = val_get(measured, "podRef");
	struct arena *a = r->call->arena;
	const struct doc *pod =
		store_get(api->store, (struct key){ api->kinds.pod, val_get_str(ref, "namespace"),
	                                            val_get_str(ref, "name") });
	struct val *item, *containers;

	if (!pod) {
		return;
	}
	item = new_item(r, pod);
	containers = val_need_array(a, item, "containers");
	val_for_each (val_get(measured, "containers"), it) {
		if (is_measured(it)) {
			struct val *c = val_append(containers, val_new_object(a));

			val_set_str(a, c, "name", val_get_str(it, "name"));
			val_set(a, c, "usage", usage_of(a, it));
		}
	}
	if (val_len(containers)) {
		keep(r, item);
	}
}

static int answer_items(struct reading *r)
{
	struct call *c = r->call;
	struct view v = { .kind = c->kind,
		          .form = c->wanted.form,
		          .meta_version = c->wanted.meta_version,
		          .include = c->options.include,
		          .now_us = api_wall_us(c->api) };
	struct view_list head = { .revision = store_revision(c->api->store), .remaining = -1 };
	scoped_strbuf struct strbuf text = { 0 };

	if (c->route.name.len) {
		const struct val *one = val_first(r->items);

		return one ? call_answer_object(c, 200, c->kind, one, SLICE(""))
		           : fail_not_found(c, c->kind, c->route.name);
	}
	view_list_begin(&text, &v, &head);
	val_for_each (r->items, it) {
		view_list_item(&text, &v, &head, it, SLICE(""));
	}
	view_list_end(&text);
	return call_answer_json_take(c, 200, &text);
}

static int read_summary(struct reading *r, const struct http_answer *answer)
{
	struct call *c = r->call;
	char now[TIME_TEXT_SIZE];
	struct val *summary;

	if (answer->status != 200 || json_parse(c->arena, answer->body, 0, &summary, NULL) < 0) {
		return fail_code(c, ERR_UNAVAILABLE, "error dialing backend: %s",
		                 answer->why ? answer->why->msg : "the node gave no figures");
	}
	r->now = time_format(api_wall_us(c->api), now);
	if (!r->is_pods) {
		read_node(r, val_get(summary, "node"));
	} else {
		val_for_each (val_get(summary, "pods"), it) {
			read_pod(r, it);
		}
	}
	return answer_items(r);
}

static void on_summary(void *arg, const struct http_answer *answer)
{
	struct reading *r = arg;

	if (read_summary(r, answer) < 0) {
		call_answer_failure(r->call);
	}
}

int usage_read(struct call *c)
{
	struct reading *r = ARENA_NEW(c->arena, struct reading);
	struct http_client_config config = { .target = { .unix_path = c->api->node_socket },
		                             .host = "node" };
	int result = selection_read(c, c->arena, &r->selection);

	if (result < 0) {
		return result;
	}
	if (!c->api->node_socket) {
		return fail_code(c, ERR_UNAVAILABLE,
		                 "error dialing backend: there is no node agent");
	}
	r->call = c;
	r->is_pods = c->kind->namespaced;
	r->items = val_new_array(c->arena);
	if (!c->api->node) {
		c->api->node = http_client_new(c->api->loop, &config);
	}
	http_call(c->api->node,
	          &(struct http_call_spec){ .method = "GET", .target = "/stats/summary" },
	          on_summary, r);
	return 0;
}
