/* Why: how a Service chooses among its pods: affinity, node-local traffic, address families. */

#include "analyse/calls.h"
#include "analyse/check-svc-priv.h"

/* ---- SVC012 ---- */

void svc_traffic_affinity(struct check *c)
{
	object_each(c->subject, OBJECT_INGRESS, o)
	{
		val_for_each (val_get(object_spec(o), "rules"), rule) {
			val_for_each (val_path(rule, "http.paths"), path) {
				const struct val *at = val_path(path, "backend.service.name");
				const struct svc *x =
					subject_service(c->subject, o->ns, val_str(at));
				struct finding *f;

				if (!x || o->assumed ||
				    !slice_is(
					    val_get_str(object_spec(x->object), "sessionAffinity"),
					    "ClientIP") ||
				    slice_is(
					    object_annotation(
						    o,
						    "nginx.ingress.kubernetes.io/service-upstream"),
					    "true")) {
					continue;
				}
				f = check_found(c, x->object,
				                val_get(object_spec(x->object), "sessionAffinity"),
				                "Service " SLICE_FMT
				                " keeps clients by their address, but its callers "
				                "come through "
				                "Ingress " SLICE_FMT ", which picks pods itself.",
				                SLICE_ARG(x->name), SLICE_ARG(o->name));
				finding_shows(c, f, o, at,
				              "sends requests to the Service's pods directly.");
				finding_repair(c, f,
				               "Use cookie affinity at the Ingress "
				               "(nginx.ingress.kubernetes.io/affinity: "
				               "cookie), or take sessionAffinity out.");
			}
		}
	}
}

/* ---- SVC013, SVC014: node-local traffic ---- */

static bool is_spread(const struct workload *w)
{
	return w->object->id == OBJECT_DAEMONSET ||
	       val_len(val_get(w->spec, "topologySpreadConstraints")) ||
	       val_path(w->spec, "affinity.podAntiAffinity");
}

void svc_traffic_external(struct check *c)
{
	service_each(c, x)
	{
		const struct val *at = val_get(object_spec(x->object), "externalTrafficPolicy");

		for (size_t i = 0; slice_is(val_str(at), "Local") && i < x->n_pods; i++) {
			const struct workload *w = x->pods[i];
			struct finding *f;

			if (w->replicas >= c->subject->profile->nodes && is_spread(w)) {
				continue;
			}
			if (c->subject->profile->nodes < 2) {
				continue;
			}
			f = check_found(c, x->object, at,
			                "Service " SLICE_FMT " takes outside traffic only on nodes "
			                "that run one of its pods, and not "
			                "every node does.",
			                SLICE_ARG(x->name));
			finding_shows(c, f, w->object, val_get(object_spec(w->object), "replicas"),
			              "%lld replica%s, %lld nodes or more, %s.",
			              (long long)w->replicas, w->replicas == 1 ? "" : "s",
			              (long long)c->subject->profile->nodes,
			              is_spread(w) ? "spread" : "nothing that spreads them");
			break;
		}
	}
}

void svc_traffic_internal(struct check *c)
{
	service_each(c, x)
	{
		const struct val *at = val_get(object_spec(x->object), "internalTrafficPolicy");

		for (size_t i = 0; slice_is(val_str(at), "Local") && i < x->n_pods; i++) {
			const struct workload *w = x->pods[i];
			struct finding *f;

			if (w->object->id == OBJECT_DAEMONSET || c->subject->profile->nodes < 2) {
				continue;
			}
			f = check_found(
				c, x->object, at,
				"Service " SLICE_FMT
				" answers callers only from pods on their own node, and " SLICE_FMT
				" " SLICE_FMT " does not run on every node.",
				SLICE_ARG(x->name), SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
			finding_shows(
				c, f, w->object, NULL, "runs %lld replicas on %lld nodes or more.",
				(long long)w->replicas, (long long)c->subject->profile->nodes);
			break;
		}
	}
}

/* ---- SVC021 ---- */

void svc_traffic_families(struct check *c)
{
	service_each(c, x)
	{
		const struct val *policy = val_get(object_spec(x->object), "ipFamilyPolicy"),
				 *families = val_get(object_spec(x->object), "ipFamilies");
		bool single = c->subject->profile->declared && !c->subject->profile->ipv6;

		if (slice_is(val_str(policy), "SingleStack") && val_len(families) > 1) {
			(void)check_found(
				c, x->object, policy,
				"Service " SLICE_FMT
				" asks for SingleStack and lists two families; the API server "
				"refuses it.",
				SLICE_ARG(x->name));
		} else if (single && slice_is(val_str(policy), "RequireDualStack")) {
			(void)check_found(
				c, x->object, policy,
				"Service " SLICE_FMT
				" requires two address families, the cluster has one (profile %s).",
				SLICE_ARG(x->name), c->subject->profile->name);
		} else if (single && slice_is(val_str(val_first(families)), "IPv6")) {
			(void)check_found(c, x->object, val_first(families),
			                  "Service " SLICE_FMT
			                  " wants IPv6, the cluster has IPv4 only (profile %s).",
			                  SLICE_ARG(x->name), c->subject->profile->name);
		}
	}
}
