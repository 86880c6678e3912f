/* Why: what a restarted node must know of a container fits into one small file, written at every
 * turn of its life: restarts, back-off, the runtime's id, how the last runs ended. */
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "node/file.h"
#include "node/pod-priv.h"

static void save_end(struct arena *a, struct val *to, const char *key,
                     const struct container_end *e)
{
	struct val *v;

	if (!e->reason) {
		return;
	}
	v = val_need_object(a, to, key);
	val_set_int(a, v, "code", e->code);
	val_set_int(a, v, "started", e->started_us);
	val_set_int(a, v, "finished", e->finished_us);
	val_set_cstr(a, v, "reason", e->reason);
	val_set_cstr(a, v, "message", e->message ? e->message : "");
	val_set_cstr(a, v, "id", e->id);
}

bool container_save(const struct container *c)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	scoped_free char *path = mem_printf("%s/state.json", c->dir);
	const struct container_facts *f = &c->facts;
	struct val *v = val_new_object(&a);
	struct err err = { 0 };

	val_set_int(&a, v, "phase", f->phase);
	val_set_cstr(&a, v, "id", f->id);
	val_set_int(&a, v, "started", f->started_us);
	val_set_bool(&a, v, "begun", f->has_begun);
	val_set_bool(&a, v, "ready", f->is_ready);
	val_set_bool(&a, v, "startedUp", f->is_started);
	val_set_int(&a, v, "restarts", f->restarts);
	val_set_int(&a, v, "runs", c->runs);
	val_set_int(&a, v, "backoff", c->backoff.delay_us);
	val_set_int(&a, v, "stopSignal", c->stop_signal);
	val_set_cstr(&a, v, "imageID", f->image_id ? f->image_id : "");
	val_set_cstr(&a, v, "log", c->log_path ? c->log_path : "");
	val_set_cstr(&a, v, "previousLog", c->previous_log_path ? c->previous_log_path : "");
	save_end(&a, v, "end", &f->end);
	save_end(&a, v, "last", &f->last);
	json_write(&text, v);
	if (file_write(path, strbuf_slice(&text), 0600, &err) < 0) {
		log_odd("State of a container was not kept pod=%s/%s container=%s error=%s",
		        c->pod->ns, c->pod->name, c->name, err.msg);
		return false;
	}
	return true;
}

/* Reasons are static texts in memory. */
static const char *known_reason(struct slice s)
{
	static const char *const all[] = { "Completed", "Error", "OOMKilled", "StartError",
		                           "ContainerStatusUnknown" };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (slice_is(s, all[i])) {
			return all[i];
		}
	}
	return "Error";
}

static void load_end(const struct val *v, struct container_end *e)
{
	if (!v) {
		return;
	}
	*e = (struct container_end){
		.code = (int)val_int(val_get(v, "code"), 0),
		.started_us = val_int(val_get(v, "started"), 0),
		.finished_us = val_int(val_get(v, "finished"), 0),
		.reason = known_reason(val_get_str(v, "reason")),
		.message = slice_dup(val_get_str(v, "message")),
	};
	snprintf(e->id, sizeof(e->id), SLICE_FMT, SLICE_ARG(val_get_str(v, "id")));
}

static char *text_or_null(struct slice s)
{
	return s.len ? slice_dup(s) : NULL;
}

bool container_load(struct container *c)
{
	scoped_strbuf struct strbuf text = { 0 };
	scoped_free char *path = mem_printf("%s/state.json", c->dir);
	scoped_doc struct doc *d = NULL;
	struct container_facts *f = &c->facts;
	const struct val *v;

	if (file_read(path, 1 << 20, &text, NULL) < 0 ||
	    json_parse_doc(strbuf_slice(&text), 0, &d, NULL) < 0) {
		return false;
	}
	v = d->root;
	f->phase = (enum container_phase)val_int(val_get(v, "phase"), CONTAINER_WAITING);
	snprintf(f->id, sizeof(f->id), SLICE_FMT, SLICE_ARG(val_get_str(v, "id")));
	f->started_us = val_int(val_get(v, "started"), 0);
	f->has_begun = val_bool(val_get(v, "begun"), false);
	f->is_ready = val_bool(val_get(v, "ready"), false);
	f->is_started = val_bool(val_get(v, "startedUp"), false);
	f->restarts = (int)val_int(val_get(v, "restarts"), 0);
	f->image_id = text_or_null(val_get_str(v, "imageID"));
	c->runs = (int)val_int(val_get(v, "runs"), 0);
	c->backoff.delay_us = val_int(val_get(v, "backoff"), 0);
	c->stop_signal = (int)val_int(val_get(v, "stopSignal"), SIGTERM);
	c->log_path = text_or_null(val_get_str(v, "log"));
	c->previous_log_path = text_or_null(val_get_str(v, "previousLog"));
	load_end(val_get(v, "end"), &f->end);
	load_end(val_get(v, "last"), &f->last);
	return true;
}
