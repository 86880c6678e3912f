/* Why: what a controller does for a user is told as Events. The same thing said again raises the
 * count of the first one instead of filling the store. Source: reference 8.13 */
#include <stdarg.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/edit.h"

#define NAMES_MAX 4096 /* remembered sentences; forgetting one only costs an extra Event */

/* Key of what is said: who, about what, why, in which words. */
static void sentence_key(struct strbuf *out, struct work *w, const struct val *object,
                         const char *reason, const char *message)
{
	strbuf_adds(out, w->controller->type->name);
	strbuf_addc(out, '\n');
	strbuf_add_slice(out, meta_uid(object));
	strbuf_addf(out, "\n%s\n%s", reason, message);
}

void events_forget(struct control *c)
{
	for (struct map_iter it = { 0 }; map_next(&c->event_names, &it);) {
		free(it.value);
	}
	map_fini(&c->event_names);
	c->event_names = (struct map){ 0 };
}

/* Raises the count of an Event said before; false when it is gone. */
static bool say_again(struct work *w, struct slice ns, const char *name)
{
	const struct doc *d = name ? work_find(w, w->kinds->event, ns, slice_of(name)) : NULL;
	struct val *e;

	if (!d) {
		return false;
	}
	e = work_edit(w, d);
	val_set_int(w->arena, e, "count", val_int(val_get(e, "count"), 1) + 1);
	val_set_time(w->arena, e, "lastTimestamp", w->now_us);
	return work_save(w, w->kinds->event, e, NULL) == 0;
}

static struct val *new_event(struct work *w, const struct kind *k, const struct val *object,
                             struct slice ns, const char *name)
{
	struct arena *a = w->arena;
	const char *who = w->controller->type->name;
	struct val *e = val_new_object(a), *m, *about, *source;

	val_set_cstr(a, e, "apiVersion", "v1");
	val_set_cstr(a, e, "kind", "Event");
	m = val_need_object(a, e, "metadata");
	val_set_cstr(a, m, "name", name);
	val_set_str(a, m, "namespace", ns);
	about = val_need_object(a, e, "involvedObject");
	val_set_cstr(a, about, "apiVersion", kind_api_version(k));
	val_set_cstr(a, about, "kind", k->kind);
	if (meta_ns(object).len) {
		val_set_str(a, about, "namespace", meta_ns(object));
	}
	val_set_str(a, about, "name", meta_name(object));
	val_set_str(a, about, "uid", meta_uid(object));
	val_set_str(a, about, "resourceVersion",
	            val_get_str(val_get(object, "metadata"), "resourceVersion"));
	source = val_need_object(a, e, "source");
	val_set_cstr(a, source, "component", who);
	val_set_cstr(a, e, "reportingComponent", who);
	val_set_cstr(a, e, "reportingInstance", "");
	val_set_time(a, e, "firstTimestamp", w->now_us);
	val_set_time(a, e, "lastTimestamp", w->now_us);
	val_set(a, e, "eventTime", val_new_null(a));
	val_set_int(a, e, "count", 1);
	return e;
}

/* A namespace that is going, or gone, takes no news: they would hold it back, or outlive it. */
static bool takes_news(struct work *w, struct slice ns)
{
	const struct doc *d = work_find(w, w->kinds->namespace, SLICE(""), ns);

	return !w->kinds->namespace || slice_is(ns, "default") || (d && !meta_is_deleting(d->root));
}

void event_say(struct work *w, const struct kind *k, const struct val *object, const char *type,
               const char *reason, const char *fmt, ...)
{
	scoped_strbuf struct strbuf key = { 0 };
	struct control *c = w->control;
	struct slice ns = meta_ns(object).len ? meta_ns(object) : SLICE("default");
	char message[1024];
	struct err err = { 0 };
	struct val *e;
	char *name;
	va_list ap;

	if (!w->kinds->event || !takes_news(w, ns)) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	sentence_key(&key, w, object, reason, message);
	if (say_again(w, ns, map_find(&c->event_names, strbuf_slice(&key)))) {
		return;
	}
	if (c->event_names.n >= NAMES_MAX) {
		events_forget(c);
	}
	/* the clock may stand still within a turn: the revision keeps names apart */
	name = mem_printf(SLICE_FMT ".%016llx", SLICE_ARG(slice_head(meta_name(object), 200)),
	                  (unsigned long long)w->now_us * 1000 +
	                          store_revision(w->store) % 1000000);
	e = new_event(w, k, object, ns, name);
	val_set_cstr(w->arena, e, "type", type);
	val_set_cstr(w->arena, e, "reason", reason);
	val_set_cstr(w->arena, e, "message", message);
	if (store_create(w->store, w->kinds->event, e, NULL, &err) < 0) {
		log_debug("Event %s was not recorded: %s", name, err.msg);
		free(name);
		return;
	}
	free(map_set(&c->event_names, strbuf_slice(&key), name));
}
