/* Why: everything that is said to the API about a managed server: claim, status, release, events.
 * Writes are conditional where they replace a list; what is refused is written again from the
 * object as it is then. */
#include <stdarg.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/file.h"
#include "node/managed-priv.h"

#define AGAIN_US (1 * US_PER_S)
static const char merge_patch[] = "application/merge-patch+json";

/* ---- what the object says ---- */

static bool has_finalizer(const struct managed_item *i)
{
	val_for_each (i->doc ? val_path(i->doc->root, "metadata.finalizers") : NULL, it) {
		if (slice_is(val_str(it), managed_kind_info(i->kind)->finalizer)) {
			return true;
		}
	}
	return false;
}

bool item_is_claimed(const struct managed_item *i)
{
	struct ip ip;

	return i->doc && has_finalizer(i) &&
	       ip_parse(val_get_str(val_path(i->doc->root, "metadata.annotations"),
	                            HOST_ADDRESS_ANNOTATION),
	                &ip) &&
	       ip_eq(ip, i->ip);
}

bool item_is_released(const struct managed_item *i)
{
	return !has_finalizer(i);
}

/* ---- writing ---- */

static void on_again(struct loop_timer *t)
{
	struct managed_item *i = container_of(t, struct managed_item, write_again);

	i->write_failed = i->status_failed = i->ca_failed = false;
	item_look(i);
}

static void try_again(struct managed_item *i, const struct client_answer *a)
{
	log_debug("Writing an object is tried again status=%d why=%s name=%s/%s", a->status,
	          a->why ? a->why->msg : "", i->ns, i->name);
	loop_timer_start(i->m->agent->loop, &i->write_again, AGAIN_US, on_again);
}

static void on_written(void *arg, const struct client_answer *a)
{
	struct managed_item *i = arg;

	i->write = NULL;
	if (a->status >= 200 && a->status < 300) {
		if (a->body && i->state != MANAGED_RELEASING) {
			replica_put(i->m->objects[i->kind], a->body);
		}
		item_look(i);
		return;
	}
	i->write_failed = true;
	try_again(i, a);
}

static struct client_call *patch(struct managed_item *i, const char *subresource,
                                 const struct val *body, client_done_fn *done)
{
	const struct managed_kind_info *info = managed_kind_info(i->kind);
	scoped_strbuf struct strbuf target = { 0 };

	client_path(&target, info->api_version, info->plural, slice_of(i->ns), slice_of(i->name),
	            subresource);
	return client_request(i->m->agent->client, "PATCH", strbuf_str(&target), merge_patch, body,
	                      done, i);
}

static struct val *begin_patch(struct managed_item *i, struct arena *a, struct val **ret_meta)
{
	struct val *body = val_new_object(a);

	*ret_meta = val_need_object(a, body, "metadata");
	val_set_str(a, *ret_meta, "resourceVersion",
	            val_str(val_path(i->doc->root, "metadata.resourceVersion")));
	return body;
}

void item_claim(struct managed_item *i)
{
	scoped_arena struct arena a = { 0 };
	struct val *body, *meta, *list;
	char address[IP_TEXT_SIZE];

	if (i->write || i->write_failed || item_is_claimed(i)) {
		return;
	}
	if (i->ip.family == IP_NONE) {
		i->ip = managed_address(i->m, i);
		if (i->ip.family == IP_NONE) {
			snprintf(i->trouble, sizeof(i->trouble), "no free address in the subnet");
			return;
		}
		if (item_is_claimed(i)) { /* it had it before */
			item_look(i);
			return;
		}
	}
	body = begin_patch(i, &a, &meta);
	list = val_need_array(&a, meta, "finalizers");
	val_for_each (val_path(i->doc->root, "metadata.finalizers"), it) {
		val_append(list, val_copy(&a, it));
	}
	if (!has_finalizer(i)) {
		val_append(list, val_new_cstr(&a, managed_kind_info(i->kind)->finalizer));
	}
	val_set_cstr(&a, val_need_object(&a, meta, "annotations"), HOST_ADDRESS_ANNOTATION,
	             ip_format(i->ip, address));
	i->write = patch(i, NULL, body, on_written);
}

void item_release(struct managed_item *i)
{
	scoped_arena struct arena a = { 0 };
	struct val *body, *meta, *list;

	if (i->write || i->write_failed || !i->doc || item_is_released(i)) {
		return;
	}
	body = begin_patch(i, &a, &meta);
	list = val_need_array(&a, meta, "finalizers");
	val_for_each (val_path(i->doc->root, "metadata.finalizers"), it) {
		if (!slice_is(val_str(it), managed_kind_info(i->kind)->finalizer)) {
			val_append(list, val_copy(&a, it));
		}
	}
	i->write = patch(i, NULL, body, on_written);
}

/* ---- the CA for clients ---- */

static void on_ca_written(void *arg, const struct client_answer *a)
{
	struct managed_item *i = arg;

	i->ca_write = NULL;
	if (a->status != 409 && (a->status < 200 || a->status >= 300)) {
		i->ca_failed = true;
		try_again(i, a);
	}
}

/* Ours may be brought up to date, anybody else's is left alone. */
static bool is_ours(const struct val *map)
{
	return slice_is(
		val_get_str(val_path(map, "metadata.labels"), "app.kubernetes.io/managed-by"),
		"kennel");
}

void item_offer_ca(struct managed_item *i)
{
	scoped_arena struct arena a = { 0 };
	scoped_free char *path = mem_printf("%s/ca.crt", i->m->agent->home);
	scoped_strbuf struct strbuf ca = { 0 }, target = { 0 };
	const struct doc *there = replica_find(i->m->maps, slice_of(i->ns), SLICE("rds-ca"));
	struct val *map = val_new_object(&a), *meta = val_need_object(&a, map, "metadata");

	if (!i->doc || i->ca_write || i->ca_failed || (there && !is_ours(there->root)) ||
	    file_read(path, 1 << 20, &ca, NULL) < 0 ||
	    (there && slice_eq(val_get_str(val_get(there->root, "data"), "global-bundle.pem"),
	                       strbuf_slice(&ca)))) {
		return;
	}
	val_set_cstr(&a, map, "apiVersion", "v1");
	val_set_cstr(&a, map, "kind", "ConfigMap");
	val_set_cstr(&a, meta, "name", "rds-ca");
	val_set_cstr(&a, meta, "namespace", i->ns);
	val_set_cstr(&a, val_need_object(&a, meta, "labels"), "app.kubernetes.io/managed-by",
	             "kennel");
	val_set_str(&a, val_need_object(&a, map, "data"), "global-bundle.pem", strbuf_slice(&ca));
	client_path(&target, "v1", "configmaps", slice_of(i->ns),
	            there ? SLICE("rds-ca") : SLICE(""), NULL);
	i->ca_write =
		client_request(i->m->agent->client, there ? "PATCH" : "POST", strbuf_str(&target),
	                       there ? merge_patch : NULL, map, on_ca_written, i);
}

/* ---- status ---- */

static void on_status_written(void *arg, const struct client_answer *a)
{
	struct managed_item *i = arg;

	i->status_write = NULL;
	if (a->status >= 200 && a->status < 300) {
		if (a->body) {
			replica_put(i->m->objects[i->kind], a->body);
		}
		item_look(i);
	} else if (a->status != 404) {
		i->status_failed = true;
		try_again(i, a);
	}
}

void item_report(struct managed_item *i)
{
	scoped_arena struct arena a = { 0 };
	const struct val *old = i->doc ? val_get(i->doc->root, "status") : NULL;
	bool is_blocked = i->was_deleted && i->wish.is_protected;
	struct managed_view v = {
		.wish = &i->wish,
		.state = i->state,
		.endpoint = i->ip.family != IP_NONE && item_is_claimed(i) ? i->endpoint : NULL,
		.was_available = i->was_available,
		.is_deleting = i->was_deleted && !is_blocked,
		.is_incompatible = i->is_incompatible,
		.waits_for = i->waits_for,
		.trouble = is_blocked
		                   ? "Cannot delete protected DB Instance, please disable deletion "
		                     "protection and try again."
		                   : (*i->trouble ? i->trouble : NULL),
		.cert_not_after = i->cert_not_after,
		.now_wall_us = clock_wall_us(),
	};
	struct val *status, *body;

	if (!i->doc || i->status_write || i->status_failed || i->state == MANAGED_RELEASING) {
		return;
	}
	status = managed_status(&a, &v, old);
	if (managed_status_is(old, status)) {
		return;
	}
	body = val_new_object(&a);
	val_set(&a, body, "status", status);
	i->status_write = patch(i, "status", body, on_status_written);
}

void item_event(struct managed_item *i, const char *type, const char *reason, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (i->doc && i->m->agent->recorder) {
		recorder_event(i->m->agent->recorder, i->doc->root, type, reason, "%s", text);
	}
}
