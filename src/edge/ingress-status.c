/* Why: what users see of an Ingress in kubectl: its address, and events that say what is wrong. See
 * ingress-priv.h. Both replicas of the controller write the same status, and only where it differs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "edge/ingress-priv.h"

static const int64_t again_us = 2 * US_PER_S;

struct said {
	bool now; /* mark of the present look */
};

struct known {
	uint64_t wish; /* last told of */
	bool writing;
	bool now;
	char *ns, *name;
};

uint64_t ingress_wish_of(const struct val *ingress)
{
	scoped_strbuf struct strbuf text = { 0 };
	const struct val *annotations = val_path(ingress, "metadata.annotations");

	if (annotations) {
		json_write(&text, annotations);
	}
	if (val_get(ingress, "spec")) {
		json_write(&text, val_get(ingress, "spec"));
	}
	return slice_hash(strbuf_slice(&text));
}

/* ---- events ---- */

static void tell(struct ingress *in, const struct route_problem *p)
{
	scoped_strbuf struct strbuf key = { 0 };
	struct said *s;

	strbuf_addf(&key, SLICE_FMT "\n%s",
	            SLICE_ARG(val_str(val_path(p->ingress->root, "metadata.uid"))), p->text);
	s = map_find(&in->said, strbuf_slice(&key));
	if (!s) {
		s = NEW(struct said);
		map_set(&in->said, strbuf_slice(&key), s);
		recorder_event(in->recorder, p->ingress->root, "Warning", p->reason, "%s", p->text);
		log_odd("Ingress " SLICE_FMT "/" SLICE_FMT ": %s",
		        SLICE_ARG(val_str(val_path(p->ingress->root, "metadata.namespace"))),
		        SLICE_ARG(val_str(val_path(p->ingress->root, "metadata.name"))), p->text);
	}
	s->now = true;
}

/* Why a backend can have no endpoints, whatever its pods do; null: nothing wrong with it. */
static const char *backend_problem(struct ingress *in, struct arena *a,
                                   const struct route_backend *b)
{
	const struct doc *service = replica_find(in->services, b->ns, b->service);

	if (!service) {
		return arena_printf(a, "service " SLICE_FMT " does not exist",
		                    SLICE_ARG(b->service));
	}
	if (slice_is(val_str(val_path(service->root, "spec.type")), "ExternalName")) {
		return arena_printf(
			a, "service " SLICE_FMT " is of type ExternalName, which is not supported",
			SLICE_ARG(b->service));
	}
	val_for_each (val_path(service->root, "spec.ports"), it) {
		uint64_t number;

		if (slice_to_u64(b->port, &number)
		            ? (uint64_t)val_int(val_get(it, "port"), 0) == number
		            : slice_eq(val_get_str(it, "name"), b->port)) {
			return NULL;
		}
	}
	return arena_printf(a, "service " SLICE_FMT " has no port " SLICE_FMT,
	                    SLICE_ARG(b->service), SLICE_ARG(b->port));
}

static void tell_backend(struct ingress *in, const struct route_location *l)
{
	scoped_arena struct arena a = { 0 };
	const struct doc *d = replica_find(in->ingresses, l->ns, l->ingress);
	const char *why = l->backend ? backend_problem(in, &a, l->backend) : NULL;

	if (d && why) {
		const char *text = arena_printf(&a, "%s; path " SLICE_FMT " answers 503", why,
		                                SLICE_ARG(l->path));

		tell(in, &(struct route_problem){ d, "BackendProblem", text });
	}
}

static void tell_backends(struct ingress *in)
{
	for (size_t i = 0; i < in->routes.n_servers; i++) {
		const struct route_server *s = &in->routes.servers[i];

		for (size_t j = 0; j < s->n_locations; j++) {
			if (!s->locations[j].denied &&
			    s->locations[j].settings->redirect.len == 0) {
				tell_backend(in, &s->locations[j]);
			}
		}
	}
}

static struct known *known_need(struct ingress *in, const struct doc *d)
{
	struct slice uid = val_str(val_path(d->root, "metadata.uid"));
	struct known *k = map_find(&in->known, uid);

	if (!k) {
		k = NEW(struct known);
		k->ns = slice_dup(val_str(val_path(d->root, "metadata.namespace")));
		k->name = slice_dup(val_str(val_path(d->root, "metadata.name")));
		map_set(&in->known, uid, k);
	}
	k->now = true;
	return k;
}

void ingress_tell_problems(struct ingress *in)
{
	for (struct map_iter it = { 0 }; map_next(&in->said, &it);) {
		((struct said *)it.value)->now = false;
	}
	for (size_t i = 0; i < in->routes.n_problems; i++) {
		tell(in, &in->routes.problems[i]);
	}
	tell_backends(in);
	for (struct map_iter it = { 0 }; map_next(&in->said, &it);) {
		struct said *s = it.value;

		if (!s->now) { /* put right: it is told again when it comes back */
			map_remove(&in->said, it.key);
			free(s);
		}
	}
	for (size_t i = 0; i < in->routes.n_ingresses; i++) {
		const struct doc *d = in->routes.ingresses[i];
		struct known *k = known_need(in, d);
		uint64_t wish = ingress_wish_of(d->root);

		if (k->wish != wish) {
			k->wish = wish;
			recorder_event(in->recorder, d->root, "Normal", "Sync",
			               "Scheduled for sync");
		}
	}
}

/* ---- status ---- */

/* The addresses of the published Service as an Ingress's status has them. */
static struct val *addresses(const struct ingress *in, struct arena *a)
{
	const struct doc *service = replica_find(in->services, in->o.publish_ns, in->o.publish);
	struct val *list = val_new_array(a);

	val_for_each (service ? val_path(service->root, "status.loadBalancer.ingress") : NULL, it) {
		struct val *entry = val_append(list, val_new_object(a));

		if (val_get_str(it, "ip").len) {
			val_set_str(a, entry, "ip", val_get_str(it, "ip"));
		}
		if (val_get_str(it, "hostname").len) {
			val_set_str(a, entry, "hostname", val_get_str(it, "hostname"));
		}
	}
	return list;
}

struct writing {
	struct ingress *in;
	char *uid;
};

static void on_later(struct loop_timer *t)
{
	ingress_status_write(container_of(t, struct ingress, later));
}

static void on_written(void *arg, const struct client_answer *a)
{
	struct writing *w = arg;
	struct ingress *in = w->in;
	struct known *k = map_find(&in->known, slice_of(w->uid));

	if (k) {
		k->writing = false;
	}
	free(w->uid);
	free(w);
	if (a->status == 200 && a->body) {
		replica_put(in->ingresses, a->body);
		/* What changed while the write was under way was passed over. */
		loop_timer_start(in->loop, &in->later, 0, on_later);
	} else if (a->status != 404) {
		log_odd("Status of an Ingress cannot be written: %s",
		        a->why ? a->why->msg : "no answer");
		loop_timer_start(in->loop, &in->later, again_us, on_later);
	}
}

static bool has_entries(const struct val *have, const struct val *want)
{
	const struct val *h = val_first(have);

	if (val_len(have) != val_len(want)) {
		return false;
	}
	val_for_each (want, w) {
		if (!slice_eq(val_get_str(h, "ip"), val_get_str(w, "ip")) ||
		    !slice_eq(val_get_str(h, "hostname"), val_get_str(w, "hostname"))) {
			return false;
		}
		h = h->next;
	}
	return true;
}

static void write_one(struct ingress *in, struct known *k, const struct doc *d,
                      const struct val *want)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf path = { 0 };
	struct val *body = val_new_object(&a);
	struct val *balancer =
		val_need_object(&a, val_need_object(&a, body, "status"), "loadBalancer");
	struct writing *w;

	if (k->writing || has_entries(val_path(d->root, "status.loadBalancer.ingress"), want)) {
		return;
	}
	w = NEW(struct writing);
	*w = (struct writing){ in, slice_dup(val_str(val_path(d->root, "metadata.uid"))) };
	k->writing = true;
	val_set(&a, balancer, "ingress", val_len(want) ? val_copy(&a, want) : val_new_null(&a));
	client_path(&path, "networking.k8s.io/v1", "ingresses", slice_of(k->ns), slice_of(k->name),
	            "status");
	(void)client_request(in->client, "PATCH", strbuf_str(&path), "application/merge-patch+json",
	                     body, on_written, w);
}

static void known_free(struct known *k)
{
	free(k->ns);
	free(k->name);
	free(k);
}

/* An Ingress that went to another class loses the address that we gave it. */
static void release_others(struct ingress *in, const struct val *nothing)
{
	for (struct map_iter it = { 0 }; map_next(&in->known, &it);) {
		struct known *k = it.value;
		const struct doc *d =
			k->now ? NULL
			       : replica_find(in->ingresses, slice_of(k->ns), slice_of(k->name));

		if (k->now || k->writing) {
			continue;
		}
		if (d && slice_eq(val_str(val_path(d->root, "metadata.uid")), it.key)) {
			write_one(in, k, d, nothing);
			if (k->writing) {
				continue;
			}
		}
		map_remove(&in->known, it.key);
		known_free(k);
	}
}

void ingress_status_write(struct ingress *in)
{
	scoped_arena struct arena a = { 0 };
	const struct val *want;

	if (in->o.publish.len == 0 || !in->synced) {
		return;
	}
	want = addresses(in, &a);
	for (struct map_iter it = { 0 }; map_next(&in->known, &it);) {
		((struct known *)it.value)->now = false;
	}
	for (size_t i = 0; i < in->routes.n_ingresses; i++) {
		const struct val *meta = val_get(in->routes.ingresses[i]->root, "metadata");
		/* the newest copy: ours may be from before our own write */
		const struct doc *d = replica_find(in->ingresses, val_get_str(meta, "namespace"),
		                                   val_get_str(meta, "name"));

		if (d && slice_eq(val_str(val_path(d->root, "metadata.uid")),
		                  val_get_str(meta, "uid"))) {
			write_one(in, known_need(in, d), d, want);
		}
	}
	release_others(in, val_new_array(&a));
}

void ingress_status_fini(struct ingress *in)
{
	loop_timer_stop(&in->later);
	for (struct map_iter it = { 0 }; map_next(&in->said, &it);) {
		free(it.value);
	}
	map_fini(&in->said);
	for (struct map_iter it = { 0 }; map_next(&in->known, &it);) {
		known_free(it.value);
	}
	map_fini(&in->known);
}
