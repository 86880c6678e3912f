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

#define WINDOW          "15s" /* what the node's rates are means of */
#define NODE_TIMEOUT_US (5 * US_PER_S)

struct reading {
	struct call *call;
	struct selection selection;
	bool is_pods;
	const char *now;
	size_t n_asked, n_read; /* nodes whose answer is awaited; that answered */
	const char *failed;     /* what the last one said that did not; null: all did */
	struct val *items;      /* array of NodeMetrics or PodMetrics */
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

/* ---- asking the nodes ---- */

char *api_node_socket(const struct api *api, struct slice node)
{
	return api->node_sockets && !memchr(node.p, '/', node.len)
	               ? mem_printf("%s/" SLICE_FMT ".sock", api->node_sockets, SLICE_ARG(node))
	               : NULL;
}

static struct http_client *client_of(struct api *api, struct slice node)
{
	struct http_client *client = map_find(&api->nodes, node);

	if (!client) {
		scoped_free char *path = api_node_socket(api, node);

		client = http_client_new(
			api->loop, &(struct http_client_config){ .target = { .unix_path = path },
		                                                 .host = "node" });
		map_set(&api->nodes, node, client);
	}
	return client;
}

void usage_fini(struct api *api)
{
	for (struct map_iter it = { 0 }; map_next(&api->nodes, &it);) {
		http_client_free(it.value);
	}
	map_fini(&api->nodes);
}

static void read_summary(struct reading *r, const struct http_answer *answer)
{
	struct call *c = r->call;
	struct val *summary;

	if (answer->status != 200 || json_parse(c->arena, answer->body, 0, &summary, NULL) < 0) {
		r->failed = arena_strdup(c->arena, answer->why ? answer->why->msg
		                                               : "the node gave no figures");
		return;
	}
	r->n_read++;
	if (!r->is_pods) {
		read_node(r, val_get(summary, "node"));
		return;
	}
	val_for_each (val_get(summary, "pods"), it) {
		read_pod(r, it);
	}
}

/* A node that is silent has no figures; the others' are told. */
static int answer(struct reading *r)
{
	if (!r->n_read) {
		return fail_code(r->call, ERR_UNAVAILABLE, "error dialing backend: %s",
		                 r->failed ? r->failed : "there is no node agent");
	}
	return answer_items(r);
}

static void on_summary(void *arg, const struct http_answer *said)
{
	struct reading *r = arg;

	read_summary(r, said);
	if (--r->n_asked == 0 && answer(r) < 0) {
		call_answer_failure(r->call);
	}
}

static bool ask_node(void *arg, const struct doc *d)
{
	struct reading *r = arg;
	struct slice name = val_str(val_path(d->root, "metadata.name"));

	r->n_asked++;
	http_call(client_of(r->call->api, name),
	          &(struct http_call_spec){ .method = "GET",
	                                    .target = "/stats/summary",
	                                    .timeout_us = NODE_TIMEOUT_US },
	          on_summary, r);
	return true;
}

int usage_read(struct call *c)
{
	struct reading *r = ARENA_NEW(c->arena, struct reading);
	char now[TIME_TEXT_SIZE];
	int result = selection_read(c, c->arena, &r->selection);

	if (result < 0) {
		return result;
	}
	r->call = c;
	r->is_pods = c->kind->namespaced;
	r->items = val_new_array(c->arena);
	r->now = arena_strdup(c->arena, time_format(api_wall_us(c->api), now));
	if (c->api->node_sockets) {
		store_each(c->api->store, c->api->kinds.node, SLICE(""), ask_node, r);
	}
	return r->n_asked ? 0 : answer(r);
}
