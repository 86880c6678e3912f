/* Why: which rule of which Ingress takes a request is model/'s choice; here its narration is put to places in the
 * files, and what no rule took is explained by what nearly did. See path.h. */
#include <stdlib.h>
#include <string.h>

#include "analyse/finding.h"
#include "analyse/ingress.h"
#include "analyse/nearest.h"
#include "analyse/path-gateway.h"
#include "analyse/path-ingress.h"
#include "base/mem.h"

#define NGINX_CONTROLLER "k8s.io/ingress-nginx"
enum {
	FOREIGN_MAX = 4, /* Ingresses of another class that are told */
	HOSTS_MAX = 8,   /* hosts that have a rule, where the asked one has none */
};

/* ---- the controller ---- */

static bool has_argument(const struct workload *w, const char *argument)
{
	container_each(w->spec, c)
	{
		val_for_each (val_get(c, "args"), it) {
			if (slice_has_prefix(val_str(it), slice_of(argument))) {
				return true;
			}
		}
	}
	return false;
}

static const struct workload *controller_of(const struct subject *s, struct slice name)
{
	const struct controller *k = controller_find(name);

	for (size_t i = 0; i < s->workloads.n; i++) {
		const struct workload *w = s->workloads.at[i];

		if (!w->ends &&
		    ((k && k->label && slice_is(val_get_str(w->labels, k->label), k->value)) ||
		     (slice_is(name, NGINX_CONTROLLER) &&
		      has_argument(w, "--controller-class=")))) {
			return w;
		}
	}
	return NULL;
}

/* ---- the table ---- */

static bool has_host(const struct val *ingress, struct slice host)
{
	val_for_each (val_path(ingress, "spec.rules"), rule) {
		struct slice own = val_get_str(rule, "host");
		ptrdiff_t dot = slice_find(host, '.');

		if (slice_eq(own, host) ||
		    (slice_has_prefix(own, SLICE("*.")) && dot > 0 &&
		     slice_eq(slice_from(own, 1), slice_from(host, (size_t)dot)))) {
			return true;
		}
	}
	return false;
}

/* The controller of the class that the host's Ingress asks for; ingress-nginx where nobody says. */
static struct slice choose_controller(const struct subject *s, struct slice host)
{
	object_each(s, OBJECT_INGRESS, o)
	{
		struct slice name = val_get_str(object_spec(o), "ingressClassName");
		const struct object *class = subject_find(s, OBJECT_INGRESSCLASS, name, name);

		if (class && has_host(o->v, host)) {
			return val_get_str(object_spec(class), "controller");
		}
	}
	return SLICE(NGINX_CONTROLLER);
}

static int by_precedence(const void *x, const void *y)
{
	return ingress_precedence(((const struct ingress_reading *)x)->ingress,
	                          ((const struct ingress_reading *)y)->ingress);
}

struct routing path_routing(struct walk *w, struct slice host)
{
	struct subject *s = w->s;
	struct arena *a = &w->x->arena;
	struct routing r = { .controller = choose_controller(s, host) };
	const struct val **classes =
		ARENA_ARRAY(a, const struct val *, s->n[OBJECT_INGRESSCLASS] + 1);
	struct ingress_reading *in =
		ARENA_ARRAY(a, struct ingress_reading, s->n[OBJECT_INGRESS] + 1);
	const struct controller *known = controller_find(r.controller);
	size_t n = 0;

	r.workload = controller_of(s, r.controller);
	r.classes = (struct ingress_classes){
		.at = classes,
		.controller = arena_slice(a, r.controller).p,
		.class_name = known ? known->class_name : "",
		.without_class =
			r.workload && has_argument(r.workload, "--watch-ingress-without-class")
	};
	object_each(s, OBJECT_INGRESSCLASS, o)
	{
		classes[r.classes.n++] = o->v;
	}
	object_each(s, OBJECT_INGRESS, o)
	{
		if (ingress_claim_of(&r.classes, o->v) == INGRESS_OURS) {
			in[n] = ingress_reading_of(o->v);
			in[n].ns = o->ns;
			in[n++].owner = (void *)o;
		}
	}
	if (n > 1) {
		qsort(in, n, sizeof(*in), by_precedence);
	}
	r.table = ingress_table_make(a, in, n, NULL, NULL);
	return r;
}

/* ---- the rule ---- */

struct telling {
	struct walk *w;
	struct explain_step *step;
	const struct routing *r;
};

static const struct object *owner_of(const struct routing *r, const struct val *node)
{
	for (size_t i = 0; i < r->table.n_hosts; i++) {
		const struct ingress_host *h = &r->table.hosts[i];

		if (h->of->ingress == node) {
			return h->of->owner;
		}
		for (size_t j = 0; j < h->n_paths; j++) {
			if (h->paths[j].at == node) {
				return h->paths[j].of->owner;
			}
		}
	}
	return NULL;
}

static void on_line(void *arg, const struct val *object, const char *text)
{
	struct telling *t = arg;
	const struct object *o = owner_of(t->r, object);

	step_note(t->w, t->step,
	          strstr(text, " answers ")      ? NOTE_DECIDED
	          : strstr(text, "another path") ? NOTE_OTHER
	                                         : NOTE_NEAR,
	          o, o && object != o->v ? object : NULL, "%s", text);
}

/* Ingresses that have the host, and another controller's class. */
static const struct object *note_foreign(struct walk *w, struct explain_step *s,
                                         const struct routing *r, struct slice host)
{
	const struct object *first = NULL;
	size_t n = 0;

	object_each(w->s, OBJECT_INGRESS, o)
	{
		const char *why = NULL;

		switch (ingress_claim_of(&r->classes, o->v)) {
		case INGRESS_OURS:
			break;
		case INGRESS_CLASS_MISSING:
			why = "its ingressClassName names no IngressClass";
			break;
		case INGRESS_CLASS_FOREIGN:
			why = "its class belongs to another controller";
			break;
		case INGRESS_WORD_FOREIGN:
			why = "its annotation kubernetes.io/ingress.class names another class";
			break;
		case INGRESS_UNCLAIMED:
			why = "it names no class, and there is no default class";
			break;
		}
		if (why && has_host(o->v, host) && n++ < FOREIGN_MAX) {
			const struct val *at = val_get(object_spec(o), "ingressClassName");

			step_note(w, s, NOTE_NEAR, o, at, "%s has the host, but %s",
			          path_name_of(w, o), why);
			first = first ? first : o;
		}
	}
	return first;
}

/* Which hosts there are, for one who asked for another. */
static void note_hosts(struct walk *w, struct explain_step *s, const struct routing *r)
{
	scoped_strbuf struct strbuf hosts = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < r->table.n_hosts; i++) {
		const struct ingress_host *h = &r->table.hosts[i];

		if (h->host.len && n++ < HOSTS_MAX) {
			strbuf_addf(&hosts, "%s" SLICE_FMT " (%s)", n > 1 ? ", " : "",
			            SLICE_ARG(h->host), path_name_of(w, h->of->owner));
		}
	}
	if (n > HOSTS_MAX) {
		strbuf_addf(&hosts, " and %zu more", n - HOSTS_MAX);
	}
	if (n) {
		step_note(w, s, NOTE_FACT, NULL, NULL, "host%s with a rule: %s", n == 1 ? "" : "s",
		          strbuf_str(&hosts));
	} else {
		step_note(w, s, NOTE_FACT, NULL, NULL,
		          "no Ingress that this controller serves has a rule for any host");
	}
}

static void say_no_host(struct walk *w, struct explain_step *s, const struct routing *r,
                        struct slice host)
{
	const struct object *foreign = note_foreign(w, s, r, host);
	struct slice class =
		foreign ? val_get_str(object_spec(foreign), "ingressClassName") : SLICE("");

	if (foreign) {
		step_breaks(w, s, "ING004",
		            "%s asks for %s" SLICE_FMT
		            ", which the ingress controller does not serve.",
		            path_name_of(w, foreign), class.len ? "class " : "no class",
		            SLICE_ARG(class));
		for (size_t i = 0; i < r->classes.n; i++) {
			if (slice_is(val_str(val_path(r->classes.at[i], "spec.controller")),
			             r->classes.controller)) {
				step_repair(w, s, "Set spec.ingressClassName: " SLICE_FMT ".",
				            SLICE_ARG(val_str(
						    val_path(r->classes.at[i], "metadata.name"))));
				return;
			}
		}
		step_repair(w, s, "Make an IngressClass of controller %s.", r->classes.controller);
		return;
	}
	step_breaks(w, s, "ING009",
	            "No Ingress has a rule for host " SLICE_FMT "; the controller answers 404.",
	            SLICE_ARG(host));
	if (s->notes.n && s->notes.at[0].object) {
		step_repair(w, s, "Write host: " SLICE_FMT " in a rule (%s nearly has it).",
		            SLICE_ARG(host), path_name_of(w, s->notes.at[0].object));
	} else {
		step_repair(w, s, "Add a rule with host: " SLICE_FMT " to an Ingress.",
		            SLICE_ARG(host));
	}
	note_hosts(w, s, r);
}

const struct ingress_path *path_rule(struct walk *w, struct explain_path *p,
                                     const struct routing *r, const struct path_end *e,
                                     struct ingress_choice *ret)
{
	struct explain_step *s =
		path_step(w, p, EXPLAIN_INGRESS, "a rule takes " SLICE_FMT SLICE_FMT,
	                  SLICE_ARG(e->name), SLICE_ARG(e->path));
	struct telling t = { w, s, r };
	const struct trace trace = { .line = on_line, .arg = &t };

	*ret = ingress_choose(&r->table, e->name, e->path, &trace);
	s->probe = (struct explain_probe){ .type = PROBE_ROUTE,
		                           .place = AT_HOST,
		                           .name = e->name,
		                           .path = e->path,
		                           .port = e->port,
		                           .tls = slice_is(e->scheme, "https") };
	p->whole = s->probe;
	p->whole.type = PROBE_HTTP;
	if (!ret->host) {
		s->answer = 404;
		say_no_host(w, s, r, e->name);
		return NULL;
	}
	if (ret->redirects) {
		s->answer = 308;
		step_unsure(w, s, "The controller redirects to " SLICE_FMT ".",
		            SLICE_ARG(ret->host->host));
		return NULL;
	}
	if (!ret->path && ret->unsure) {
		step_unsure(w, s, "The paths are expressions that only nginx can judge.");
		return NULL;
	}
	if (!ret->path) {
		s->answer = 404;
		step_breaks(w, s, "ING005",
		            "Host " SLICE_FMT " has no path that takes " SLICE_FMT
		            "; the controller answers 404.",
		            SLICE_ARG(e->name), SLICE_ARG(e->path));
		step_repair(w, s,
		            "Add path: " SLICE_FMT " (pathType: Prefix) to the rule of that host.",
		            SLICE_ARG(e->path));
		return NULL;
	}
	if (ret->by_other) {
		step_note(w, s, NOTE_FACT, ret->path->of->owner, NULL,
		          "no rule names the host; one for every host answers");
	}
	if (ret->path->canary) {
		step_note(w, s, NOTE_FACT, ret->path->canary->of->owner, NULL,
		          "a part of the requests goes to a canary");
	}
	return ret->path;
}

/* ---- public names ---- */

bool path_ingress_has(const struct subject *s, struct slice host)
{
	object_each(s, OBJECT_INGRESS, o)
	{
		if (has_host(o->v, host)) {
			return true;
		}
	}
	return false;
}

bool path_is_public(const struct subject *s, struct slice name)
{
	if (path_ingress_has(s, name) || gateway_has_host(s, name)) {
		return true;
	}
	object_each(s, OBJECT_DISTRIBUTION, o)
	{
		val_for_each (val_path(o->v, "spec.distributionConfig.aliases.items"), it) {
			if (slice_eq_nocase(val_str(it), name)) {
				return true;
			}
		}
	}
	return false;
}
