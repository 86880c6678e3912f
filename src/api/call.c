/* Why: every request goes through the same steps, whatever it asks for; and no answer leaves before
 * what it tells is on the disk. See call.h.
 *
 *   route -> who -> impersonate -> what -> may -> exists -> options -> negotiate -> verb
 *
 * Reading is done at once, against memory; the answer waits for the commit of everything that was
 * read, so that no client ever saw what a crash could take back. */
#include "api/call.h"

#include <stdarg.h>

#include "api/api-priv.h"
#include "api/authenticate.h"
#include "api/authorize.h"
#include "api/convert.h"
#include "api/fail.h"
#include "api/limits.h"
#include "api/metric.h"
#include "api/subresource.h"
#include "api/verbs.h"
#include "api/view.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"

/* ---- what steps ask ---- */

struct slice call_header(const struct call *c, const char *name)
{
	struct slice s = http_header_get(&c->http->headers, name);

	return s.p ? s : SLICE("");
}

struct key call_key(const struct call *c)
{
	return (struct key){ c->kind, c->kind->namespaced ? c->route.ns : SLICE(""),
		             c->route.name };
}

int call_find(struct call *c, const struct doc **ret)
{
	*ret = store_get(c->api->store, call_key(c));
	return *ret ? 0 : fail_not_found(c, c->kind, c->route.name);
}

void call_warn(struct call *c, const char *fmt, ...)
{
	char text[WARNING_BYTES_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->warnings = c->warnings ? c->warnings : val_new_array(c->arena);
	val_append(c->warnings, val_new_cstr(c->arena, text));
}

const char *call_manager(struct call *c)
{
	struct slice agent = call_header(c, "User-Agent"), name, rest;

	if (c->options.manager.len) {
		return arena_slice(c->arena, c->options.manager).p;
	}
	slice_cut(agent, '/', &name, &rest);
	return name.len ? arena_slice(c->arena, slice_head(name, 128)).p : "unknown";
}

/* ---- headers of answers ---- */

static void add_warning(struct strbuf *out, struct slice text)
{
	strbuf_adds(out, "Warning: 299 - \"");
	for (size_t i = 0; i < text.len; i++) {
		char ch = text.p[i];

		if (ch == '"' || ch == '\\') {
			strbuf_addc(out, '\\');
		}
		strbuf_addc(out, (unsigned char)ch < 0x20 || ch == 0x7f ? ' ' : ch);
	}
	strbuf_adds(out, "\"\r\n");
}

static void add_headers(struct strbuf *out, const struct call *c)
{
	const struct val *retry = val_path(c->failure, "details.retryAfterSeconds");

	strbuf_adds(out, "Cache-Control: no-cache, private\r\n");
	val_for_each (c->warnings, it) {
		if (out->size < WARNINGS_BYTES_MAX) {
			add_warning(out, val_str(it));
		}
	}
	if (retry) {
		strbuf_addf(out, "Retry-After: %lld\r\n", (long long)val_int(retry, 1));
	}
}

/* ---- answers ---- */

void call_is_over(struct call *c, int status)
{
	metric_count(c, status);
}

int call_answer_text(struct call *c, int status, const char *content_type, const char *headers,
                     struct slice text)
{
	call_is_over(c, status);
	http_reply(c->http, status, content_type, headers, text);
	return 0;
}

/* The same JSON for people, or as YAML. */
static bool rewrite(struct call *c, struct strbuf *out)
{
	struct val *v;

	if (json_parse(c->arena, strbuf_slice(&c->answer), 0, &v, NULL) < 0) {
		return false;
	}
	if (c->wanted.is_yaml) {
		yaml_write(out, v);
	} else {
		json_write_pretty(out, v);
		strbuf_addc(out, '\n');
	}
	return true;
}

static void send_answer(struct store_wait *w)
{
	struct call *c = container_of(w, struct call, wait);
	scoped_strbuf struct strbuf headers = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	bool rewritten = (c->wanted.is_yaml || c->wanted.is_pretty || c->options.pretty) &&
	                 rewrite(c, &text);
	struct strbuf answer = c->answer; /* the call may be gone after the reply */

	add_headers(&headers, c);
	call_is_over(c, c->status);
	http_reply(c->http, c->status,
	           rewritten && c->wanted.is_yaml ? "application/yaml" : "application/json",
	           strbuf_str(&headers), strbuf_slice(rewritten ? &text : &answer));
	strbuf_fini(&answer);
}

int call_answer_json_take(struct call *c, int status, struct strbuf *json)
{
	c->status = status;
	c->answer = *json;
	*json = (struct strbuf){ 0 };
	c->wait.fn = send_answer;
	store_after_commit(c->api->store, &c->wait);
	return 0;
}

int call_answer_val(struct call *c, int status, const struct val *v)
{
	scoped_strbuf struct strbuf text = { 0 };

	json_write(&text, v);
	return call_answer_json_take(c, status, &text);
}

int call_answer_object(struct call *c, int status, const struct kind *k, const struct val *stored,
                       struct slice json)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct view v = { .kind = k,
		          .form = c->wanted.form,
		          .meta_version = c->wanted.meta_version,
		          .include = c->options.include,
		          .now_us = api_wall_us(c->api) };

	view_object(&text, &v, stored, json);
	return call_answer_json_take(c, status, &text);
}

void call_answer_failure(struct call *c)
{
	if (!c->failure) {
		fail_code(c, ERR_INTERNAL, "Internal error occurred: no reason was given");
	}
	(void)call_answer_val(c, (int)val_int(val_get(c->failure, "code"), 500), c->failure);
}

struct val *call_success(struct call *c, const struct kind *k, struct slice name, struct slice uid)
{
	struct val *v = val_new_object(c->arena), *d;

	val_set_cstr(c->arena, v, "kind", "Status");
	val_set_cstr(c->arena, v, "apiVersion", "v1");
	val_need_object(c->arena, v, "metadata");
	val_set_cstr(c->arena, v, "status", "Success");
	if (k) {
		d = val_need_object(c->arena, v, "details");
		val_set_str(c->arena, d, "name", name);
		if (*k->group) {
			val_set_cstr(c->arena, d, "group", k->group);
		}
		val_set_cstr(c->arena, d, "kind", k->plural);
		val_set_str(c->arena, d, "uid", uid);
	}
	return v;
}

/* ---- steps ---- */

static int find_target(struct call *c)
{
	const struct route *r = &c->route;

	if (r->is_resource) {
		c->kind =
			registry_find_resource(c->api->registry, r->group, r->version, r->resource);
	}
	if (c->kind && r->subresource.len) {
		c->sub = subresource_find(c->kind, r->subresource);
	}
	return 0;
}

static unsigned verb_bit(enum verb v)
{
	static const unsigned bits[] = { VERB_GET,
		                         VERB_LIST,
		                         VERB_WATCH,
		                         VERB_CREATE,
		                         VERB_UPDATE,
		                         VERB_PATCH,
		                         VERB_DELETE,
		                         VERB_DELETECOLLECTION,
		                         0 };

	return bits[v];
}

/* Does the URL name something, and may that method be used on it at all? */
static int check_target(struct call *c)
{
	const struct route *r = &c->route;
	unsigned verbs;

	if (!r->is_resource) {
		return 0;
	}
	/* a resource of namespaces is only listed without one; one of the cluster has none */
	if (!c->kind || (r->subresource.len && !c->sub) ||
	    (!c->kind->namespaced && r->ns.len && !slice_is(r->resource, "namespaces")) ||
	    (c->kind->namespaced && !r->ns.len && r->name.len)) {
		return fail_code(c, ERR_NOTFOUND,
		                 "the server could not find the requested resource");
	}
	verbs = c->sub ? c->sub->verbs : c->kind->verbs;
	if (c->sub && !r->name.len) {
		verbs = 0;
	}
	if (!(verb_bit(r->verb) & verbs) ||
	    (r->verb == DO_CREATE && !c->sub &&
	     (r->name.len || (c->kind->namespaced && !r->ns.len)))) {
		return fail_code(c, ERR_METHOD,
		                 "the server does not allow this method on the requested resource");
	}
	return 0;
}

static int read_options(struct call *c)
{
	struct err err = { 0 };
	int r;

	if (c->sub && c->sub->is_raw) {
		return 0;
	}
	r = options_parse(c->arena, c->http->query, &c->options, &err);
	if (c->route.is_resource && c->route.verb == DO_WATCH) {
		c->options.watch = true;
	}
	return r < 0 ? fail_err(c, r, &err) : 0;
}

static int negotiate(struct call *c)
{
	if (!c->route.is_resource || (c->sub && c->sub->is_raw) ||
	    accept_choose(call_header(c, "Accept"), true, &c->wanted)) {
		return 0;
	}
	if (accept_has(call_header(c, "Accept"), "application/vnd.kubernetes.protobuf", false) &&
	    c->route.verb == DO_CREATE) {
		return 0; /* typed clients read JSON as well */
	}
	return fail_reason(c, 406, "NotAcceptable",
	                   "only the following media types are accepted: application/json, "
	                   "application/yaml");
}

static int run_verb(struct call *c)
{
	static int (*const verbs[])(struct call *) = {
		read_get,    read_list,     watch_open,        write_create, write_update,
		write_patch, remove_object, remove_collection, NULL,
	};

	if (!c->route.is_resource) {
		return path_answer(c);
	}
	if (c->sub) {
		return c->sub->run(c);
	}
	if (c->kind->is_virtual) {
		return c->route.verb == DO_CREATE ? review_create(c) : usage_read(c);
	}
	return verbs[c->route.verb](c);
}

void call_start(void *arg, struct http_request *r)
{
	static int (*const steps[])(struct call *) = {
		authenticate, impersonate,  find_target, authorize,
		check_target, read_options, negotiate,   run_verb,
	};
	struct call *c = ARENA_NEW(&r->arena, struct call);
	struct slice watch = http_query_get(&r->arena, r->query, "watch", 0);
	int result = 0;

	c->api = arg;
	c->http = r;
	c->arena = &r->arena;
	c->arena->max = CALL_ARENA_MAX;
	c->started_us = clock_mono_us();
	c->options.grace_s = -1;
	c->wanted.meta_version = "meta.k8s.io/v1";
	if (!route_parse(r->method, r->path, watch.p && option_is_true(watch), &c->route)) {
		call_answer_text(c, 404, "text/plain; charset=utf-8", NULL,
		                 SLICE("404 page not found\n"));
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(steps) && result == 0; i++) {
		result = steps[i](c);
	}
	if (result < 0) {
		call_answer_failure(c);
	}
}
