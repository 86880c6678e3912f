/* Why: Services by which the pods of a StatefulSet find each other. */

#include "analyse/calls.h"
#include "analyse/check-svc-priv.h"
#include "analyse/nearest.h"

/* ---- SVC011 ---- */

static bool has_readiness(const struct workload *w)
{
	container_each(w->spec, k)
	{
		if (val_get(k, "readinessProbe")) {
			return true;
		}
	}
	return false;
}

void svc_peers_unready(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each(c->subject, x)
	{
		const struct svc *to = x->to.service;
		bool own = false;
		scoped_strbuf struct strbuf b = { 0 };
		struct finding *f;

		for (size_t i = 0; x->to.kind == TARGET_SERVICE && i < to->n_pods; i++) {
			own = own || to->pods[i] == x->from;
		}
		if (!own || !to->headless || !x->to.is_pod ||
		    x->from->object->id != OBJECT_STATEFULSET || !has_readiness(x->from) ||
		    val_bool(val_get(object_spec(to->object), "publishNotReadyAddresses"), false) ||
		    map_set(&said, to->name, &said)) {
			continue;
		}
		f = check_found(
			c, to->object, val_get(object_spec(to->object), "clusterIP"),
			"Service " SLICE_FMT
			" gives names to ready pods alone, and the pods of StatefulSet " SLICE_FMT
			" need each other's names to become ready.",
			SLICE_ARG(to->name), SLICE_ARG(x->from->name));
		finding_shows(c, f, x->by, x->r->where.node, "%s names %s, a pod of the set.",
		              x->r->name, call_text(&b, x));
		finding_repair(c, f,
		               "Set publishNotReadyAddresses: true on that Service (and call "
		               "another one from outside).");
		finding_insert(c, f, to->object, val_get(object_spec(to->object), "clusterIP"),
		               "publishNotReadyAddresses: true");
	}
}

/* ---- SVC010 ---- */

static void governing_is_missing(struct check *c, const struct workload *w, const struct val *at)
{
	const struct object *near = nearest_object(c->subject, OBJECT_SERVICE, w->ns, val_str(at));
	struct finding *f =
		check_found(c, w->object, at,
	                    "StatefulSet " SLICE_FMT " names the Service " SLICE_FMT
	                    " for its pods' names, and there is none in namespace " SLICE_FMT ".",
	                    SLICE_ARG(w->name), SLICE_ARG(val_str(at)), SLICE_ARG(w->ns));

	if (near) {
		finding_shows(c, f, near, val_path(near->v, "metadata.name"),
		              "has a similar name.");
		finding_replace(c, f, w->object, at, SLICE_FMT, SLICE_ARG(near->name));
	}
	finding_repair(c, f,
	               "Create a Service " SLICE_FMT
	               " with clusterIP: None and the labels of the pods%s" SLICE_FMT "%s.",
	               SLICE_ARG(val_str(at)), near ? ", or name " : "",
	               SLICE_ARG(near ? near->name : SLICE("")), "");
}

void svc_peers_governing(struct check *c)
{
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];
		const struct val *at = val_get(object_spec(w->object), "serviceName");
		const struct svc *x = subject_service(c->subject, w->ns, val_str(at));
		struct finding *f = NULL;
		bool selected = false;

		if (w->object->id != OBJECT_STATEFULSET || !val_str(at).len) {
			continue;
		}
		if (!x) {
			governing_is_missing(c, w, at);
			continue;
		}
		for (size_t j = 0; j < x->n_pods; j++) {
			selected = selected || x->pods[j] == w;
		}
		if (!x->headless) {
			f = check_found(c, w->object, at,
			                "Service " SLICE_FMT " of StatefulSet " SLICE_FMT
			                " is not headless: its pods get no names of their own.",
			                SLICE_ARG(x->name), SLICE_ARG(w->name));
			finding_shows(c, f, x->object, val_get(object_spec(x->object), "clusterIP"),
			              "has a cluster IP; clusterIP: None is missing.");
			finding_repair(c, f,
			               "Add a headless Service (clusterIP: None) for the pods' "
			               "names and name it in "
			               "serviceName.");
		} else if (x->has_selector && !selected) {
			f = check_found(c, w->object, at,
			                "Service " SLICE_FMT " of StatefulSet " SLICE_FMT
			                " does not select its pods: they get no names.",
			                SLICE_ARG(x->name), SLICE_ARG(w->name));
			svc_show_selector(c, f, x);
		}
	}
}
