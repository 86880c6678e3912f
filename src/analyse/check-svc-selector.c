/* Why: whom the selectors of Services and workloads pick. */

#include "analyse/calls.h"
#include "analyse/check-svc-priv.h"
#include "analyse/nearest.h"
#include "base/mem.h"

const struct val *svc_selector_at(const struct svc *x)
{
	const struct val *v = val_get(object_spec(x->object), "selector");

	return val_first(v) ? val_first(v) : v;
}

void svc_show_selector(struct check *c, struct finding *f, const struct svc *x)
{
	scoped_strbuf struct strbuf b = { 0 };

	labels_text(&b, val_get(object_spec(x->object), "selector"));
	finding_shows(c, f, x->object, svc_selector_at(x), "selects %s.", strbuf_str(&b));
}

/* ---- SVC001, SVC002: nobody is selected ---- */

static const struct workload *selected_elsewhere(const struct subject *s, const struct svc *x)
{
	const struct val *pairs = val_get(object_spec(x->object), "selector");
	scoped_arena struct arena a = { 0 };
	const struct selector *selector = selector_of_map(&a, pairs);

	for (size_t i = 0; i < s->spaces.n; i++) {
		scoped_selection struct selection found = { 0 };

		if (s->spaces.at[i] != x->space) {
			subject_select(s, s->spaces.at[i], selector, pairs, &found);
		}
		if (found.at.n) {
			return found.at.at[0];
		}
	}
	return NULL;
}

static bool selects_nobody(const struct svc *x)
{
	return x->has_selector && !x->external && !x->n_pods;
}

static void say_nearest(struct check *c, struct finding *f, const struct object *o,
                        const struct near_labels *near)
{
	const struct object *w = near->workload->object;

	if (near->key_differs) {
		finding_shows(c, f, w, near->has,
		              "its pods carry " SLICE_FMT "=" SLICE_FMT ", under another key.",
		              SLICE_ARG(near->has->key), SLICE_ARG(val_str(near->has)));
	} else if (near->has) {
		finding_shows(c, f, w, near->has, "its pods carry " SLICE_FMT "=" SLICE_FMT ".",
		              SLICE_ARG(near->has->key), SLICE_ARG(val_str(near->has)));
	} else if (near->wanted) {
		finding_shows(c, f, w, near->workload->labels,
		              "its pods do not carry the label " SLICE_FMT ".",
		              SLICE_ARG(near->wanted->key));
	}
	if (near->has && !near->key_differs) {
		finding_repair(c, f,
		               "Select " SLICE_FMT "=" SLICE_FMT " (or label the pods of " SLICE_FMT
		               " " SLICE_FMT " so).",
		               SLICE_ARG(near->has->key), SLICE_ARG(val_str(near->has)),
		               SLICE_ARG(w->kind), SLICE_ARG(w->name));
		if (near->n_wrong == 1) {
			finding_replace(c, f, o, near->wanted, SLICE_FMT,
			                SLICE_ARG(val_str(near->has)));
		}
	}
}

void svc_selector_nobody(struct check *c)
{
	service_each(c, x)
	{
		struct near_labels near;
		struct finding *f;
		scoped_strbuf struct strbuf b = { 0 };

		if (!selects_nobody(x) || selected_elsewhere(c->subject, x)) {
			continue;
		}
		near = nearest_labels(x->space, val_get(object_spec(x->object), "selector"));
		labels_text(&b, val_get(object_spec(x->object), "selector"));
		f = check_found(c, x->object, near.wanted ? near.wanted : svc_selector_at(x),
		                "Service " SLICE_FMT
		                " selects no pod: nothing in namespace " SLICE_FMT
		                " is labelled %s.",
		                SLICE_ARG(x->name), SLICE_ARG(x->ns), strbuf_str(&b));
		if (near.workload) {
			say_nearest(c, f, x->object, &near);
		}
	}
}

void svc_selector_elsewhere(struct check *c)
{
	service_each(c, x)
	{
		const struct workload *w =
			selects_nobody(x) ? selected_elsewhere(c->subject, x) : NULL;
		struct finding *f;

		if (!w) {
			continue;
		}
		f = check_found(c, x->object, val_path(x->object->v, "metadata.namespace"),
		                "Service " SLICE_FMT " is in namespace " SLICE_FMT
		                ", the pods it selects are in namespace " SLICE_FMT ".",
		                SLICE_ARG(x->name), SLICE_ARG(x->ns), SLICE_ARG(w->ns));
		svc_show_selector(c, f, x);
		finding_shows(c, f, w->object, w->labels,
		              "its pods carry these labels, in namespace " SLICE_FMT ".",
		              SLICE_ARG(w->ns));
		finding_repair(c, f,
		               "Put the Service into namespace " SLICE_FMT
		               " (callers elsewhere use " SLICE_FMT "." SLICE_FMT
		               "), or the workload into " SLICE_FMT ".",
		               SLICE_ARG(w->ns), SLICE_ARG(x->name), SLICE_ARG(w->ns),
		               SLICE_ARG(x->ns));
	}
}

/* ---- SVC003: pods of several programs ---- */

/* The image without registry host, tag and digest. */
static struct slice program_of(const struct workload *w)
{
	struct slice image = val_get_str(val_first(val_get(w->spec, "containers")), "image"), head,
		     tail;
	ptrdiff_t slash;

	(void)slice_cut(image, '@', &head, &tail);
	slash = slice_rfind(head, '/');
	head = slice_from(head, (size_t)(slash + 1));
	(void)slice_cut(head, ':', &head, &tail);
	return head;
}

static bool lacks_target(const struct svc *x, const struct workload *w)
{
	for (size_t i = 0; i < x->n_ports; i++) {
		if (pod_has_ports(w->spec) &&
		    !pod_port_numbered(w->spec, svc_port_target(&x->ports[i], w),
		                       x->ports[i].proto)) {
			return true;
		}
	}
	return false;
}

void svc_selector_strangers(struct check *c)
{
	service_each(c, x)
	{
		for (size_t i = 1; i < x->n_pods; i++) {
			const struct workload *a = x->pods[0], *b = x->pods[i],
					      *odd = a->ends ? a : b;
			bool stranger =
				!slice_eq(program_of(a), program_of(b)) &&
				(lacks_target(x, a) != lacks_target(x, b) || a->ends || b->ends);
			struct finding *f;

			if (!stranger && a->ends == b->ends) {
				continue;
			}
			f = check_found(
				c, x->object, svc_selector_at(x),
				"Service " SLICE_FMT " selects pods of two programs: " SLICE_FMT
				" " SLICE_FMT " and " SLICE_FMT " " SLICE_FMT ".",
				SLICE_ARG(x->name), SLICE_ARG(a->object->kind), SLICE_ARG(a->name),
				SLICE_ARG(b->object->kind), SLICE_ARG(b->name));
			finding_shows(c, f, a->object, a->labels, "its pods match.");
			finding_shows(c, f, b->object, b->labels,
			              odd == b && b->ends
			                      ? "so do those of this job, which serves nobody."
			                      : "so do these.");
			finding_repair(c, f,
			               "Give each program a label of its own (such as "
			               "app.kubernetes.io/component) and "
			               "select by it.");
			break;
		}
	}
}

/* ---- SVC004 ---- */

void svc_selector_own(struct check *c)
{
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];
		const struct val *selector = val_get(object_spec(w->object), "selector");
		scoped_arena struct arena a = { 0 };
		const struct selector *x;
		struct err err = { 0 };
		struct finding *f;

		if (w->object->assumed || w->ends || w->object->id == OBJECT_POD ||
		    w->object->id == OBJECT_CONTROLLER || !selector ||
		    selector_of_object(&a, selector, &x, &err) < 0 ||
		    selector_matches(x, w->labels)) {
			continue;
		}
		f = check_found(c, w->object, val_first(val_get(selector, "matchLabels")),
		                "The selector of " SLICE_FMT " " SLICE_FMT
		                " does not match the labels of its own pods.",
		                SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
		val_for_each (val_get(selector, "matchLabels"), pair) {
			const struct val *own = val_get_slice(w->labels, pair->key);

			if (!own || !slice_eq(val_str(own), val_str(pair))) {
				f->at = pair;
				finding_shows(
					c, f, w->object, own ? own : w->labels,
					"the selector wants " SLICE_FMT "=" SLICE_FMT
					", the template has " SLICE_FMT ".",
					SLICE_ARG(pair->key), SLICE_ARG(val_str(pair)),
					SLICE_ARG(own ? val_str(own) : SLICE("no such label")));
				if (own) {
					finding_replace(c, f, w->object, own, SLICE_FMT,
					                SLICE_ARG(val_str(pair)));
				}
			}
		}
	}
}
