/* Why: see fake-api.h. Stands in for src/client at link time. */
#include "fake-api.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/json.h"
#include "schema/object.h"

struct object {
	struct list_link in_api;
	char *plural;
	struct doc *doc;
};

struct fake_api {
	struct loop *loop;
	struct list objects, replicas, calls;
	struct strbuf events;
	int64_t revision;
};

struct client_call {
	struct list_link in_api;
	struct fake_api *api;
	struct loop_timer timer;
	char *method, *target;
	struct doc *body;
	client_done_fn *done;
	void *arg;
};

struct replica {
	struct list_link in_api;
	struct fake_api *api;
	struct replica_spec spec;
	char *plural, *ns, *name; /* ns, name null: all */
	struct loop_timer start;
	bool synced;
};

static struct slice meta_of(const struct doc *d, const char *key)
{
	return val_get_str(val_get(d->root, "metadata"), key);
}

/* ---- objects ---- */

static struct object *find(const struct fake_api *f, const char *plural, struct slice ns,
                           struct slice name)
{
	list_for_each (&f->objects, o, struct object, in_api) {
		if (strcmp(o->plural, plural) == 0 && slice_eq(meta_of(o->doc, "namespace"), ns) &&
		    slice_eq(meta_of(o->doc, "name"), name)) {
			return o;
		}
	}
	return NULL;
}

static bool is_for(const struct replica *r, const char *plural, const struct doc *d)
{
	return strcmp(r->plural, plural) == 0 &&
	       (!r->ns || slice_is(meta_of(d, "namespace"), r->ns)) &&
	       (!r->name || slice_is(meta_of(d, "name"), r->name));
}

static void tell(struct fake_api *f, const char *plural, const struct doc *old,
                 const struct doc *now)
{
	list_for_each (&f->replicas, r, struct replica, in_api) {
		if (r->synced && is_for(r, plural, now ? now : old) && r->spec.changed) {
			r->spec.changed(r->spec.arg, old, now);
		}
	}
}

static void remove_object(struct fake_api *f, struct object *o)
{
	list_unlink(&o->in_api);
	tell(f, o->plural, o->doc, NULL);
	doc_unref(o->doc);
	free(o->plural);
	free(o);
}

/* Puts a new version in place; one that is being deleted goes with its last finalizer. */
static void put(struct fake_api *f, const char *plural, struct object *o, struct doc *d)
{
	struct doc *old = o ? o->doc : NULL;
	struct val *meta = val_need_object(&d->arena, d->root, "metadata");

	val_set(&d->arena, meta, "resourceVersion",
	        val_new_strf(&d->arena, "%lld", (long long)++f->revision));
	if (!o) {
		o = NEW(struct object);
		o->plural = mem_strdup(plural);
		list_push(&f->objects, &o->in_api);
	}
	o->doc = d;
	tell(f, plural, old, d);
	doc_unref(old);
	if (!val_is_null(val_get(meta, "deletionTimestamp")) &&
	    val_len(val_get(meta, "finalizers")) == 0) {
		remove_object(f, o);
	}
}

void fake_api_apply(struct fake_api *f, const char *plural, const char *json)
{
	struct doc *d;
	struct err err;

	if (json_parse_doc(slice_of(json), JSON_STRICT, &d, &err) < 0) {
		must_failed(err.msg, json, 0);
	}
	put(f, plural, find(f, plural, meta_of(d, "namespace"), meta_of(d, "name")), d);
}

static int merge(struct fake_api *f, struct object *o, const struct val *patch, struct err *err)
{
	const struct val *wanted = val_path(patch, "metadata.resourceVersion");
	struct doc *d;
	struct val *merged;
	int r;

	if (wanted && !slice_eq(val_str(wanted), meta_of(o->doc, "resourceVersion"))) {
		return err_raise(err, ERR_CONFLICT, "the object has been modified");
	}
	d = doc_new();
	r = patch_merge(&d->arena, o->doc->root, patch, &merged, err);
	if (r < 0) {
		doc_unref(d);
		return r;
	}
	d->root = val_copy(&d->arena, merged);
	put(f, o->plural, o, d);
	return 0;
}

void fake_api_patch(struct fake_api *f, const char *plural, const char *ns, const char *name,
                    const char *json)
{
	scoped_arena struct arena a = { 0 };
	struct object *o = find(f, plural, slice_of(ns), slice_of(name));
	struct val *patch;

	must(o && json_parse(&a, slice_of(json), 0, &patch, NULL) == 0 &&
	     merge(f, o, patch, NULL) == 0);
}

void fake_api_delete(struct fake_api *f, const char *plural, const char *ns, const char *name)
{
	struct object *o = find(f, plural, slice_of(ns), slice_of(name));

	must(o);
	fake_api_patch(f, plural, ns, name,
	               "{\"metadata\":{\"deletionTimestamp\":\"2026-01-02T03:04:05Z\"}}");
}

const struct val *fake_api_get(struct fake_api *f, const char *plural, const char *ns,
                               const char *name)
{
	struct object *o = find(f, plural, slice_of(ns), slice_of(name));

	return o ? o->doc->root : NULL;
}

const char *fake_api_events(struct fake_api *f)
{
	return strbuf_str(&f->events);
}

/* ---- requests ---- */

static void call_free(struct client_call *c)
{
	list_unlink(&c->in_api);
	loop_timer_stop(&c->timer);
	doc_unref(c->body);
	free(c->method);
	free(c->target);
	free(c);
}

/* "/api/v1/namespaces/NS/PLURAL[/NAME[/SUB]]" or "/apis/G/V/namespaces/..." */
static void take_apart(char *target, char **ns, char **plural, char **name)
{
	char *at = strstr(target, "/namespaces/"), *next;
	char **parts[] = { ns, plural, name };

	must(at);
	at += strlen("/namespaces/");
	*name = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(parts) && at && *at; i++) {
		next = strchr(at, '/');
		*parts[i] = at;
		if (next) {
			*next++ = '\0';
		}
		at = next;
	}
}

static void serve(struct loop_timer *t)
{
	struct client_call *c = container_of(t, struct client_call, timer);
	struct client_answer a = { 0 };
	char *ns, *plural, *name;
	struct object *o;
	struct err err;
	int r;

	take_apart(c->target, &ns, &plural, &name);
	if (strcmp(c->method, "POST") == 0) {
		struct slice body_name = meta_of(c->body, "name");

		a.status = find(c->api, plural, slice_of(ns), body_name) ? 409 : 201;
		if (a.status == 201) {
			put(c->api, plural, NULL, doc_copy_of(c->body->root));
		}
	} else if (strcmp(c->method, "PATCH") == 0) {
		o = find(c->api, plural, slice_of(ns), slice_of(name));
		r = o ? merge(c->api, o, c->body->root, &err)
		      : err_raise(&err, ERR_NOTFOUND, "not found");
		a.status = r == 0 ? 200 : err_code_http(err.code);
		a.why = r < 0 ? &err : NULL;
		o = find(c->api, plural, slice_of(ns), slice_of(name));
		a.body = r == 0 && o ? doc_ref(o->doc) : NULL;
	} else {
		must_failed("method of the fake", c->method, 0);
	}
	c->done(c->arg, &a);
	doc_unref(a.body);
	call_free(c);
}

struct client_call *client_request(struct client *client, const char *method, const char *target,
                                   const char *content_type, const struct val *body,
                                   client_done_fn *done, void *arg)
{
	struct client_call *c = NEW(struct client_call);

	(void)content_type;
	c->api = (struct fake_api *)(void *)client;
	c->method = mem_strdup(method);
	c->target = mem_strdup(target);
	c->body = doc_copy_of(body);
	c->done = done;
	c->arg = arg;
	list_push(&c->api->calls, &c->in_api);
	loop_timer_start(c->api->loop, &c->timer, 0, serve);
	return c;
}

void client_cancel(struct client_call *c)
{
	call_free(c);
}

void client_path(struct strbuf *out, const char *api_version, const char *plural, struct slice ns,
                 struct slice name, const char *subresource)
{
	strbuf_addf(out, "%s%s/namespaces/" SLICE_FMT "/%s",
	            strchr(api_version, '/') ? "/apis/" : "/api/", api_version, SLICE_ARG(ns),
	            plural);
	if (name.len) {
		strbuf_addf(out, "/" SLICE_FMT, SLICE_ARG(name));
	}
	if (subresource) {
		strbuf_addf(out, "/%s", subresource);
	}
}

/* ---- replicas ---- */

static void on_start(struct loop_timer *t)
{
	struct replica *r = container_of(t, struct replica, start);

	r->synced = true;
	list_for_each (&r->api->objects, o, struct object, in_api) {
		if (is_for(r, o->plural, o->doc) && r->spec.changed) {
			r->spec.changed(r->spec.arg, NULL, o->doc);
		}
	}
	if (r->spec.synced) {
		r->spec.synced(r->spec.arg);
	}
}

struct replica *replica_new(struct client *c, const struct replica_spec *s)
{
	struct replica *r = NEW(struct replica);

	r->api = (struct fake_api *)(void *)c;
	r->spec = *s;
	r->plural = mem_strdup(s->plural);
	r->ns = mem_strdup(s->ns);
	if (s->field_selector) {
		must(strncmp(s->field_selector, "metadata.name=", 14) == 0);
		r->name = mem_strdup(s->field_selector + 14);
	}
	list_push(&r->api->replicas, &r->in_api);
	loop_timer_start(r->api->loop, &r->start, 0, on_start);
	return r;
}

struct replica *replica_free(struct replica *r)
{
	if (r) {
		list_unlink(&r->in_api);
		loop_timer_stop(&r->start);
		free(r->plural);
		free(r->ns);
		free(r->name);
		free(r);
	}
	return NULL;
}

bool replica_is_synced(const struct replica *r)
{
	return r->synced;
}

const struct doc *replica_find(const struct replica *r, struct slice ns, struct slice name)
{
	struct object *o = find(r->api, r->plural, ns, name);

	return o && is_for(r, o->plural, o->doc) ? o->doc : NULL;
}

void replica_each(const struct replica *r, replica_visit_fn *fn, void *arg)
{
	list_for_each (&r->api->objects, o, struct object, in_api) {
		if (is_for(r, o->plural, o->doc) && !fn(arg, o->doc)) {
			return;
		}
	}
}

void replica_put(struct replica *r, const struct doc *d)
{
	(void)r, (void)d; /* it looks into the objects themselves */
}

void recorder_event(struct recorder *r, const struct val *object, const char *type,
                    const char *reason, const char *fmt, ...)
{
	struct fake_api *f = (struct fake_api *)(void *)r;

	(void)object, (void)type, (void)fmt;
	strbuf_addf(&f->events, "%s ", reason);
}

/* ---- life ---- */

struct fake_api *fake_api_new(struct loop *l)
{
	struct fake_api *f = NEW(struct fake_api);

	f->loop = l;
	return f;
}

struct client *fake_api_client(struct fake_api *f)
{
	return (struct client *)(void *)f;
}

struct fake_api *fake_api_free(struct fake_api *f)
{
	list_for_each (&f->objects, o, struct object, in_api) {
		doc_unref(o->doc);
		free(o->plural);
		free(o);
	}
	list_for_each (&f->calls, c, struct client_call, in_api) {
		call_free(c);
	}
	strbuf_fini(&f->events);
	free(f);
	return NULL;
}
