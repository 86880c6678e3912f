/* Why: the node agent speaks the streaming protocols and reads the logs; this server knows who may.
 * See tunnel.h. Source: reference 4.1, 4.6
 *
 *   CONNECTING --node answers the dial--> OPEN --one side closes--> CLOSING --both closed--> (gone)
 *        |  \                                ^
 *        |   `-- to a pod: ASKING --101------'
 *        | refused: a Status
 *
 * Once open, bytes are copied as they are: the node's (or pod's) answer head is the client's answer
 * head. */
#include "api/tunnel.h"

#include "api/api-priv.h"
#include "api/fail.h"
#include "api/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "http/stream.h"

enum { ANSWER_HEAD_MAX = 65536 };

struct tunnel {
	struct api *api;         /* borrowed */
	struct list_link in_api; /* in api.tunnels */
	struct call *call;       /* until it is open; null once the client has gone */
	struct strbuf head;      /* the request for the node */
	struct strbuf inner;     /* the request for a pod behind it; empty: none */
	struct strbuf answer;    /* of the node, while ASKING */
	bool is_asking;
	struct stream *client, *node; /* null: not open, or closed */
};

static void tunnel_free(struct tunnel *t)
{
	list_unlink(&t->in_api);
	t->api->n_tunnels--;
	strbuf_fini(&t->head);
	strbuf_fini(&t->inner);
	strbuf_fini(&t->answer);
	free(t);
}

/* ---- copying ---- */

/* from's bytes go to 'to', whose fullness holds from back. */
static void copy(struct stream *from, struct stream *to, struct slice bytes)
{
	if (!to) {
		return;
	}
	stream_write(to, bytes);
	if (stream_is_full(to) && from) {
		stream_pause(from);
	}
}

static void client_data(void *arg, struct slice bytes)
{
	struct tunnel *t = arg;

	copy(t->client, t->node, bytes);
}

static void asked(struct tunnel *t, struct slice bytes);
static void answer_refusal(struct tunnel *t, const char *why);

static void node_data(void *arg, struct slice bytes)
{
	struct tunnel *t = arg;

	if (t->is_asking) {
		asked(t, bytes);
		return;
	}
	copy(t->node, t->client, bytes);
}

static void client_drain(void *arg)
{
	struct tunnel *t = arg;

	if (t->node) {
		stream_resume(t->node);
	}
}

static void node_drain(void *arg)
{
	struct tunnel *t = arg;

	if (t->client) {
		stream_resume(t->client);
	}
}

static void client_end(void *arg)
{
	struct tunnel *t = arg;

	if (t->node) {
		stream_end(t->node);
	}
}

static void node_end(void *arg)
{
	struct tunnel *t = arg;

	if (t->client) {
		stream_end(t->client);
	}
}

static void side_closed(struct tunnel *t, struct stream *other)
{
	if (other) {
		stream_close(other);
	} else {
		tunnel_free(t);
	}
}

static void client_close(void *arg, const struct err *why)
{
	struct tunnel *t = arg;

	(void)why;
	t->client = NULL;
	side_closed(t, t->node);
}

static void node_close(void *arg, const struct err *why)
{
	struct tunnel *t = arg;

	(void)why;
	t->node = NULL;
	if (t->is_asking) {
		answer_refusal(t, "EOF");
	}
	side_closed(t, t->client);
}

static const struct stream_events client_events = { client_data, client_end, client_drain,
	                                            client_close };
static const struct stream_events node_events = { node_data, node_end, node_drain, node_close };

void tunnels_end(struct api *api)
{
	list_for_each (&api->tunnels, t, struct tunnel, in_api) {
		if (t->node) {
			stream_abort(t->node);
		}
		if (t->client) {
			stream_abort(t->client);
		}
	}
}

/* ---- opening ---- */

static void open_client(struct tunnel *t, struct call *c, struct slice request)
{
	c->http->on_gone = NULL;
	call_is_over(c, 200);
	stream_write(t->node, request);
	t->client = http_take(c->http, &client_events, t);
	if (!t->client) {
		stream_close(t->node);
	}
}

static void answer_refusal(struct tunnel *t, const char *why)
{
	struct call *c = take(t->call);

	if (c) {
		c->http->on_gone = NULL;
		fail_code(c, ERR_UNAVAILABLE, "error trying to reach service: %s", why);
		call_answer_failure(c);
	}
}

/* The node's head, then for a refusal a Status. */
static void asked(struct tunnel *t, struct slice bytes)
{
	static const char opened[] = "HTTP/1.1 101 ";
	scoped_arena struct arena a = { 0 };
	struct slice text;
	struct val *status;
	const char *end;
	size_t head;

	strbuf_add_slice(&t->answer, bytes);
	text = strbuf_slice(&t->answer);
	end = memmem(text.p, text.len, "\r\n\r\n", 4);
	if (!end) {
		if (text.len > ANSWER_HEAD_MAX) {
			stream_close(t->node);
		}
		return;
	}
	head = (size_t)(end - text.p) + 4;
	if (!slice_has_prefix(text, SLICE(opened))) {
		if (json_parse(&a, slice_from(text, head), 0, &status, NULL) == 0) {
			answer_refusal(t, val_cstr(val_get(status, "message")));
			stream_close(t->node);
		}
		return;
	}
	t->is_asking = false;
	if (!t->call) {
		stream_close(t->node);
		return;
	}
	open_client(t, take(t->call), strbuf_slice(&t->inner));
	if (text.len > head) {
		copy(t->node, t->client, slice_from(text, head));
	}
}

static void on_open(void *arg, const struct err *why)
{
	struct tunnel *t = arg;
	struct call *c;

	if (!why && t->inner.size) {
		t->is_asking = true;
		stream_write(t->node, strbuf_slice(&t->head));
		return;
	}
	c = take(t->call);
	if (why) {
		t->node = NULL;
		if (c) {
			c->http->on_gone = NULL;
			fail_code(c, ERR_UNAVAILABLE, "error dialing backend: %s", why->msg);
			call_answer_failure(c);
		}
		tunnel_free(t);
		return;
	}
	if (!c) {
		stream_close(t->node);
		return;
	}
	open_client(t, c, strbuf_slice(&t->head));
}

static void on_gone(struct http_request *r)
{
	struct tunnel *t = r->user;

	t->call = NULL;
	stream_close(t->node);
}

static bool is_passed(struct slice name)
{
	static const char *const kept_back[] = { "Host",           "Authorization",
		                                 "Content-Length", "Transfer-Encoding",
		                                 "Cookie",         "Expect" };

	for (size_t i = 0; i < ARRAY_SIZE(kept_back); i++) {
		if (slice_eq_nocase(name, slice_of(kept_back[i]))) {
			return false;
		}
	}
	return name.len < 12 || !slice_eq_nocase(slice_head(name, 12), SLICE("Impersonate-"));
}

/* A browser's token stays here. */
static void add_protocols(struct strbuf *out, struct slice value)
{
	struct slice protocol;
	bool is_first = true;

	while (slice_next(&value, ',', &protocol)) {
		protocol = slice_trim(protocol);
		if (!slice_has_prefix(protocol, SLICE("base64url.bearer."))) {
			strbuf_adds(out, is_first ? "Sec-WebSocket-Protocol: " : ", ");
			strbuf_add_slice(out, protocol);
			is_first = false;
		}
	}
	strbuf_adds(out, is_first ? "" : "\r\n");
}

/* The call's request for somebody else: its headers, without what is ours alone. */
static void add_head(struct strbuf *out, const struct call *c, struct slice target,
                     const char *host)
{
	const struct http_headers *h = &c->http->headers;
	bool upgrades = c->http->wants_upgrade;

	strbuf_addf(out, SLICE_FMT " " SLICE_FMT "%s" SLICE_FMT " HTTP/1.1\r\nHost: %s\r\n",
	            SLICE_ARG(c->http->method), SLICE_ARG(target), c->http->query.len ? "?" : "",
	            SLICE_ARG(c->http->query), host);
	for (size_t i = 0; i < h->n; i++) {
		struct slice name = h->at[i].name;

		if (!is_passed(name) || (!upgrades && slice_eq_nocase(name, SLICE("Connection")))) {
			continue;
		}
		if (slice_eq_nocase(name, SLICE("Sec-WebSocket-Protocol"))) {
			add_protocols(out, h->at[i].value);
		} else {
			strbuf_addf(out, SLICE_FMT ": " SLICE_FMT "\r\n", SLICE_ARG(name),
			            SLICE_ARG(h->at[i].value));
		}
	}
	if (!upgrades) {
		strbuf_adds(out, "Connection: close\r\n");
	}
}

static int open_tunnel(struct call *c, struct slice node, struct slice head, struct slice inner)
{
	scoped_free char *path = api_node_socket(c->api, node);
	struct stream_target to = { .unix_path = path };
	struct tunnel *t;

	if (!path) {
		return fail_code(c, ERR_UNAVAILABLE,
		                 "error dialing backend: there is no node agent");
	}
	if (c->api->n_tunnels >= TUNNELS_MAX) {
		fail_reason(c, 429, "TooManyRequests", "too many open streams");
		fail_retry_after(c, 5);
		return -ERR_LIMIT;
	}
	t = NEW(struct tunnel);
	t->api = c->api;
	t->call = c;
	list_push(&c->api->tunnels, &t->in_api);
	c->api->n_tunnels++;
	strbuf_add_slice(&t->head, head);
	strbuf_add_slice(&t->inner, inner);
	c->http->user = t;
	c->http->on_gone = on_gone;
	t->node = stream_connect(c->api->loop, &to, on_open, &node_events, t);
	return 0;
}

/* ---- which container ---- */

static void add_names(struct strbuf *out, const struct val *containers)
{
	size_t n = 0;

	val_for_each (containers, it) {
		strbuf_addf(out, "%s" SLICE_FMT, n++ ? " " : "",
		            SLICE_ARG(val_get_str(it, "name")));
	}
}

static int must_choose(struct call *c, const struct val *spec)
{
	scoped_strbuf struct strbuf names = { 0 };

	strbuf_addf(&names,
	            "a container name must be specified for pod " SLICE_FMT ", choose one of: [",
	            SLICE_ARG(c->route.name));
	add_names(&names, val_get(spec, "containers"));
	strbuf_addc(&names, ']');
	if (val_len(val_get(spec, "initContainers"))) {
		strbuf_adds(&names, " or one of the init containers: [");
		add_names(&names, val_get(spec, "initContainers"));
		strbuf_addc(&names, ']');
	}
	return fail_code(c, ERR_SYNTAX, "%s", strbuf_str(&names));
}

static bool has_container(const struct val *spec, struct slice name)
{
	static const char *const lists[] = { "containers", "initContainers",
		                             "ephemeralContainers" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		val_for_each (val_get(spec, lists[i]), it) {
			if (slice_eq(val_get_str(it, "name"), name)) {
				return true;
			}
		}
	}
	return false;
}

static int find_container(struct call *c, const struct val *pod, struct slice *ret)
{
	const struct val *spec = val_get(pod, "spec");
	struct slice name = http_query_get(c->arena, c->http->query, "container", 0);

	if (!name.len) {
		if (val_len(val_get(spec, "containers")) != 1) {
			return must_choose(c, spec);
		}
		name = val_get_str(val_at(val_get(spec, "containers"), 0), "name");
	}
	if (!has_container(spec, name)) {
		return fail_code(c, ERR_SYNTAX,
		                 "container " SLICE_FMT " is not valid for pod " SLICE_FMT,
		                 SLICE_ARG(name), SLICE_ARG(c->route.name));
	}
	*ret = name;
	return 0;
}

static int find_pod(struct call *c, const struct val **ret)
{
	const struct doc *d;
	int r = call_find(c, &d);

	if (r == 0 && !val_str(val_path(d->root, "spec.nodeName")).len) {
		return fail_code(c, ERR_SYNTAX, "pod " SLICE_FMT " does not have a host assigned",
		                 SLICE_ARG(c->route.name));
	}
	*ret = r == 0 ? d->root : NULL;
	return r;
}

/* "/WHAT/NS/POD[/CONTAINER]" */
static int run(struct call *c, const char *what, bool needs_container)
{
	scoped_strbuf struct strbuf target = { 0 }, head = { 0 };
	struct slice container = SLICE("");
	const struct val *pod = NULL;
	int r = find_pod(c, &pod);

	if (r == 0 && needs_container) {
		r = find_container(c, pod, &container);
	}
	if (r < 0) {
		return r;
	}
	strbuf_addf(&target, "/%s/", what);
	http_percent_encode(&target, c->route.ns);
	strbuf_addc(&target, '/');
	http_percent_encode(&target, c->route.name);
	if (needs_container) {
		strbuf_addc(&target, '/');
		http_percent_encode(&target, container);
	}
	add_head(&head, c, strbuf_slice(&target), "node");
	strbuf_adds(&head,
	            slice_is(c->http->method, "POST") ? "Content-Length: 0\r\n\r\n" : "\r\n");
	return open_tunnel(c, val_str(val_path(pod, "spec.nodeName")), strbuf_slice(&head),
	                   SLICE(""));
}

static int run_upgrade(struct call *c, const char *what, bool needs_container)
{
	return c->http->wants_upgrade ? run(c, what, needs_container)
	                              : fail_code(c, ERR_SYNTAX, "Upgrade request required");
}

int tunnel_log(struct call *c)
{
	return run(c, "containerLogs", true);
}

int tunnel_exec(struct call *c)
{
	return run_upgrade(c, "exec", true);
}

int tunnel_attach(struct call *c)
{
	return run_upgrade(c, "attach", true);
}

int tunnel_forward(struct call *c)
{
	return run_upgrade(c, "portForward", false);
}

int tunnel_proxy(struct call *c, struct slice node, struct slice dial, const char *host,
                 struct slice path)
{
	scoped_strbuf struct strbuf head = { 0 }, inner = { 0 };
	struct slice method = c->http->method, body = c->http->body, uri, rest;

	strbuf_addf(&head,
	            "GET " SLICE_FMT " HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\n"
	            "Upgrade: tcp\r\n\r\n",
	            SLICE_ARG(dial));
	add_head(&inner, c, path, host);
	slice_cut(c->http->raw_target, '?', &uri, &rest);
	strbuf_addf(&inner, "X-Forwarded-Uri: " SLICE_FMT "\r\n", SLICE_ARG(uri));
	if (body.len || slice_is(method, "POST") || slice_is(method, "PUT") ||
	    slice_is(method, "PATCH")) {
		strbuf_addf(&inner, "Content-Length: %zu\r\n", body.len);
	}
	strbuf_adds(&inner, "\r\n");
	strbuf_add_slice(&inner, body);
	return open_tunnel(c, node, strbuf_slice(&head), strbuf_slice(&inner));
}
