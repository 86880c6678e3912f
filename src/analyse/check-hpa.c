/* Why: HPA: autoscalers that cannot measure, cannot scale, or scale without effect. */
#include <stdlib.h>

#include "analyse/family.h"
#include "analyse/value.h"
#include "base/mem.h"
#include "schema/quantity.h"

/* ---- what an autoscaler scales ---- */

static const struct val *target_ref(const struct object *hpa)
{
	return val_get(object_spec(hpa), "scaleTargetRef");
}

static const struct object *target_of_hpa(const struct subject *s, const struct object *hpa)
{
	const struct val *ref = target_ref(hpa);
	enum object_kind id =
		object_kind_of(val_get_str(ref, "apiVersion"), val_get_str(ref, "kind"));

	return id == OBJECT_OTHER ? NULL : subject_find(s, id, hpa->ns, val_get_str(ref, "name"));
}

static const struct workload *workload_of_hpa(const struct subject *s, const struct object *hpa)
{
	const struct object *o = target_of_hpa(s, hpa);

	return o ? subject_workload(s, o) : NULL;
}

static int64_t max_of(const struct object *hpa)
{
	return val_int(val_get(object_spec(hpa), "maxReplicas"), 0);
}

static int64_t min_of(const struct object *hpa)
{
	return val_int(val_get(object_spec(hpa), "minReplicas"), 1);
}

/* ---- HPA001 ---- */

/* A LimitRange gives requests to containers that name none. */
static bool has_default_request(const struct subject *s, struct slice ns, struct slice resource)
{
	object_each_in(s, OBJECT_LIMITRANGE, ns, o)
	{
		val_for_each (val_get(object_spec(o), "limits"), it) {
			if (val_get_slice(val_get(it, "defaultRequest"), resource) ||
			    val_get_slice(val_get(it, "default"), resource)) {
				return true;
			}
		}
	}
	return false;
}

static bool requests(const struct val *container, struct slice resource)
{
	const struct val *resources = val_get(container, "resources");

	/* a limit alone is the request as well */
	return val_get_slice(val_get(resources, "requests"), resource) ||
	       val_get_slice(val_get(resources, "limits"), resource);
}

static void check_requests(struct check *c, const struct object *hpa, const struct workload *w,
                           const struct val *at, struct slice resource, struct slice only)
{
	if (has_default_request(c->subject, hpa->ns, resource)) {
		return;
	}
	container_each(w->spec, it)
	{
		struct slice name = val_get_str(it, "name");
		struct finding *f;

		if (requests(it, resource) || (only.len && !slice_eq(only, name))) {
			continue;
		}
		f = check_found(c, w->object, it,
		                "Container " SLICE_FMT " of " OBJECT_FMT " has no " SLICE_FMT
		                " request, so HorizontalPodAutoscaler " SLICE_FMT
		                " cannot measure its utilization.",
		                SLICE_ARG(name), OBJECT_ARG(w->object), SLICE_ARG(resource),
		                SLICE_ARG(hpa->name));
		finding_shows(c, f, hpa, at,
		              "scales by " SLICE_FMT
		              " utilization, which is a share of the requests.",
		              SLICE_ARG(resource));
		finding_repair(c, f,
		               "Set resources.requests." SLICE_FMT " of container " SLICE_FMT ".",
		               SLICE_ARG(resource), SLICE_ARG(name));
	}
}

static void check_metric(struct check *c, const struct object *hpa, const struct workload *w,
                         const struct val *metric)
{
	struct slice type = val_get_str(metric, "type");
	const struct val *source = slice_is(type, "Resource") ? val_get(metric, "resource")
	                           : slice_is(type, "ContainerResource")
	                                   ? val_get(metric, "containerResource")
	                                   : NULL;
	const struct val *target = val_get(source, "target");
	struct slice container = val_get_str(source, "container");

	if (source && (slice_is(val_get_str(target, "type"), "Utilization") ||
	               val_get(target, "averageUtilization"))) {
		check_requests(c, hpa, w, target, val_get_str(source, "name"), container);
	}
}

static void hpa001(struct check *c)
{
	written_each(c->subject, OBJECT_HPA, hpa)
	{
		const struct workload *w = workload_of_hpa(c->subject, hpa);
		const struct val *spec = object_spec(hpa);

		if (!w) {
			continue;
		}
		val_for_each (val_get(spec, "metrics"), it) {
			check_metric(c, hpa, w, it);
		}
		/* without metrics it is 80 % of the CPU */
		if (!val_len(val_get(spec, "metrics"))) {
			check_requests(c, hpa, w, val_get(spec, "targetCPUUtilizationPercentage"),
			               SLICE("cpu"), (struct slice){ "", 0 });
		}
	}
}

/* ---- HPA002 ---- */

static bool has_api(const struct subject *s, const char *group)
{
	object_each(s, OBJECT_APISERVICE, o)
	{
		if (slice_is(val_get_str(object_spec(o), "group"), group)) {
			return true;
		}
	}
	return false;
}

static void hpa002(struct check *c)
{
	bool metrics =
		c->subject->profile->has_metrics || has_api(c->subject, "metrics.k8s.io") ||
		subject_find_anywhere(c->subject, OBJECT_DEPLOYMENT, SLICE("metrics-server"));

	written_each(c->subject, OBJECT_HPA, hpa)
	{
		const struct val *list = val_get(object_spec(hpa), "metrics"), *need = NULL;
		const char *group = "metrics.k8s.io";

		if (!val_len(list) && !metrics) {
			need = object_spec(hpa);
		}
		val_for_each (list, it) {
			struct slice type = val_get_str(it, "type");
			bool resource =
				slice_is(type, "Resource") || slice_is(type, "ContainerResource");
			const char *wants = resource                     ? "metrics.k8s.io"
			                    : slice_is(type, "External") ? "external.metrics.k8s.io"
			                                                 : "custom.metrics.k8s.io";

			if (!need && (resource ? !metrics : !has_api(c->subject, wants))) {
				need = it;
				group = wants;
			}
		}
		if (need) {
			check_found(c, hpa, need,
			            "Nothing serves %s in the target, so "
			            "HorizontalPodAutoscaler " SLICE_FMT
			            " has no values to scale by.",
			            group, SLICE_ARG(hpa->name));
		}
	}
}

/* ---- HPA003 ---- */

static bool can_scale(enum object_kind id)
{
	return id == OBJECT_DEPLOYMENT || id == OBJECT_STATEFULSET || id == OBJECT_REPLICASET ||
	       id == OBJECT_CONTROLLER || id == OBJECT_ROLLOUT;
}

static bool is_own_kind(struct slice kind)
{
	return slice_is(kind, "Deployment") || slice_is(kind, "StatefulSet") ||
	       slice_is(kind, "ReplicaSet") || slice_is(kind, "ReplicationController") ||
	       slice_is(kind, "DaemonSet");
}

static void hpa003(struct check *c)
{
	written_each(c->subject, OBJECT_HPA, hpa)
	{
		const struct val *ref = target_ref(hpa);
		struct slice kind = val_get_str(ref, "kind"), name = val_get_str(ref, "name");
		enum object_kind id = object_kind_of(val_get_str(ref, "apiVersion"), kind);
		struct finding *f;

		if (id == OBJECT_OTHER && is_own_kind(kind)) {
			check_found(c, hpa, val_get(ref, "apiVersion"),
			            "HorizontalPodAutoscaler " SLICE_FMT " scales a " SLICE_FMT
			            " of \"" SLICE_FMT "\", which has no such kind.",
			            SLICE_ARG(hpa->name), SLICE_ARG(kind),
			            SLICE_ARG(val_get_str(ref, "apiVersion")));
		} else if (id != OBJECT_OTHER && !can_scale(id)) {
			check_found(c, hpa, val_get(ref, "kind"),
			            "HorizontalPodAutoscaler " SLICE_FMT " scales a " SLICE_FMT
			            ", which has no count to change.",
			            SLICE_ARG(hpa->name), SLICE_ARG(kind));
		} else if (can_scale(id) && !subject_find(c->subject, id, hpa->ns, name)) {
			const struct object *other =
				subject_find_elsewhere(c->subject, id, hpa->ns, name);

			f = check_found(c, hpa, val_get(ref, "name"),
			                "HorizontalPodAutoscaler " SLICE_FMT " scales " SLICE_FMT
			                " " SLICE_FMT ", which is not in namespace " SLICE_FMT ".",
			                SLICE_ARG(hpa->name), SLICE_ARG(kind), SLICE_ARG(name),
			                SLICE_ARG(hpa->ns));
			if (other) {
				finding_shows(c, f, other, NULL, "is in namespace " SLICE_FMT ".",
				              SLICE_ARG(other->ns));
			}
		}
	}
}

/* ---- HPA004, HPA005 ---- */

static void hpa004(struct check *c)
{
	written_each(c->subject, OBJECT_HPA, hpa)
	{
		const struct object *o = target_of_hpa(c->subject, hpa);
		const struct val *replicas = o ? val_get(object_spec(o), "replicas") : NULL;
		struct finding *f;

		if (!replicas) {
			continue;
		}
		f = check_found(
			c, o, replicas,
			OBJECT_FMT " fixes %lld replicas, and HorizontalPodAutoscaler " SLICE_FMT
				   " changes them: each apply sets them back.",
			OBJECT_ARG(o), (long long)val_int(replicas, 0), SLICE_ARG(hpa->name));
		finding_shows(c, f, hpa, val_get(object_spec(hpa), "maxReplicas"),
		              "scales from %lld to %lld.", (long long)min_of(hpa),
		              (long long)max_of(hpa));
	}
}

static bool same_target(const struct val *a, const struct val *b)
{
	return slice_eq(val_get_str(a, "kind"), val_get_str(b, "kind")) &&
	       slice_eq(val_get_str(a, "name"), val_get_str(b, "name"));
}

static void twins(struct check *c, const struct object *hpa, enum object_kind id, const char *ref)
{
	object_each_in(c->subject, id, hpa->ns, other)
	{
		const struct val *mode = val_path(object_spec(other), "updatePolicy.updateMode");
		struct finding *f;

		/* of two HPAs the later one is told */
		if (other == hpa) {
			return;
		}
		if (!same_target(val_get(object_spec(other), ref), target_ref(hpa)) ||
		    slice_is(val_str(mode), "Off")) {
			continue;
		}
		f = check_found(c, hpa, target_ref(hpa),
		                "HorizontalPodAutoscaler " SLICE_FMT " and " OBJECT_FMT
		                " both scale " SLICE_FMT " " SLICE_FMT ".",
		                SLICE_ARG(hpa->name), OBJECT_ARG(other),
		                SLICE_ARG(val_get_str(target_ref(hpa), "kind")),
		                SLICE_ARG(val_get_str(target_ref(hpa), "name")));
		finding_shows(c, f, other, val_get(object_spec(other), ref),
		              "has the same target.");
	}
}

static void hpa005(struct check *c)
{
	written_each(c->subject, OBJECT_HPA, hpa)
	{
		if (max_of(hpa) < min_of(hpa)) {
			check_found(c, hpa, val_get(object_spec(hpa), "maxReplicas"),
			            "HorizontalPodAutoscaler " SLICE_FMT
			            " has a minimum of %lld above its maximum of %lld.",
			            SLICE_ARG(hpa->name), (long long)min_of(hpa),
			            (long long)max_of(hpa));
		}
		twins(c, hpa, OBJECT_HPA, "scaleTargetRef");
		twins(c, hpa, OBJECT_VPA, "targetRef");
		twins(c, hpa, OBJECT_SCALEDOBJECT, "scaleTargetRef");
	}
}

/* ---- HPA006 ---- */

static bool read_milli(const struct val *v, int64_t *ret)
{
	struct quantity q;

	if (!quantity_of_val(v, &q)) {
		return false;
	}
	*ret = quantity_milli(q);
	return true;
}

/* Of all containers of one pod; 0 when nobody asks. */
static int64_t request_of(const struct workload *w, const char *resource)
{
	int64_t sum = 0;

	container_each(w->spec, it)
	{
		const struct val *r = val_get(it, "resources"),
				 *v = val_get(val_get(r, "requests"), resource);
		int64_t milli = 0;

		v = v ? v : val_get(val_get(r, "limits"), resource);
		if (v && read_milli(v, &milli)) {
			sum += milli;
		}
	}
	return sum;
}

static void check_quota(struct check *c, const struct object *hpa, const struct workload *w,
                        const struct object *quota)
{
	static const struct {
		const char *hard, *resource;
	} limits[] = { { "requests.cpu", "cpu" },
		       { "cpu", "cpu" },
		       { "requests.memory", "memory" },
		       { "memory", "memory" } };
	const struct val *hard = val_get(object_spec(quota), "hard"), *pods = val_get(hard, "pods");
	int64_t max = max_of(hpa), allowed;
	struct finding *f = NULL;

	if (pods && read_milli(pods, &allowed) && max * 1000 > allowed) {
		f = check_found(c, hpa, val_get(object_spec(hpa), "maxReplicas"),
		                "HorizontalPodAutoscaler " SLICE_FMT
		                " may want %lld pods, the quota " SLICE_FMT " allows %lld.",
		                SLICE_ARG(hpa->name), (long long)max, SLICE_ARG(quota->name),
		                (long long)(allowed / 1000));
		finding_shows(c, f, quota, pods, "is the limit.");
		return;
	}
	for (size_t i = 0; !f && i < ARRAY_SIZE(limits); i++) {
		const struct val *limit = val_get(hard, limits[i].hard);
		int64_t one = request_of(w, limits[i].resource);

		if (limit && one > 0 && max < INT64_MAX / one && read_milli(limit, &allowed) &&
		    max * one > allowed) {
			f = check_found(c, hpa, val_get(object_spec(hpa), "maxReplicas"),
			                "%lld pods of " OBJECT_FMT
			                " ask for more %s than the quota " SLICE_FMT " allows.",
			                (long long)max, OBJECT_ARG(w->object), limits[i].resource,
			                SLICE_ARG(quota->name));
			finding_shows(c, f, quota, limit, "allows " SLICE_FMT ".",
			              SLICE_ARG(val_str(limit)));
		}
	}
}

static const struct val *host_port_of(const struct workload *w)
{
	container_each(w->spec, it)
	{
		val_for_each (val_get(it, "ports"), port) {
			if (val_get(port, "hostPort")) {
				return val_get(port, "hostPort");
			}
		}
	}
	return w->host_network ? val_get(w->spec, "hostNetwork") : NULL;
}

static const struct val *one_per_node(struct check *c, const struct workload *w)
{
	val_for_each (
		val_path(w->spec,
	                 "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution"),
		it) {
		scoped_selection struct selection found = { 0 };

		if (!slice_is(val_get_str(it, "topologyKey"), "kubernetes.io/hostname")) {
			continue;
		}
		subject_select_object(c->subject, w->space, val_get(it, "labelSelector"), &found);
		for (size_t i = 0; i < found.at.n; i++) {
			if (found.at.at[i] == w) {
				return it;
			}
		}
	}
	return NULL;
}

static void hpa006(struct check *c)
{
	int64_t nodes = c->subject->profile->declared ? c->subject->profile->nodes : 0;

	written_each(c->subject, OBJECT_HPA, hpa)
	{
		const struct workload *w = workload_of_hpa(c->subject, hpa);
		const struct val *why;

		if (!w) {
			continue;
		}
		object_each_in(c->subject, OBJECT_QUOTA, hpa->ns, quota)
		{
			check_quota(c, hpa, w, quota);
		}
		why = host_port_of(w);
		why = why ? why : one_per_node(c, w);
		if (why && nodes > 0 && max_of(hpa) > nodes) {
			struct finding *f = check_found(
				c, hpa, val_get(object_spec(hpa), "maxReplicas"),
				"HorizontalPodAutoscaler " SLICE_FMT
				" may want %lld pods, one fits on each of %lld nodes.",
				SLICE_ARG(hpa->name), (long long)max_of(hpa), (long long)nodes);

			finding_shows(c, f, w->object, why, "lets only one pod run on a node.");
		}
	}
}

/* ---- HPA007, HPA008 ---- */

static const struct val *keeps_connections(const struct svc *x)
{
	const struct val *affinity = val_get(object_spec(x->object), "sessionAffinity");

	if (slice_is(val_str(affinity), "ClientIP")) {
		return affinity;
	}
	for (size_t i = 0; !x->headless && i < x->n_ports; i++) {
		if (slice_has_prefix(x->ports[i].name, SLICE("grpc")) ||
		    slice_is(val_get_str(x->ports[i].v, "appProtocol"), "kubernetes.io/h2c") ||
		    slice_is(val_get_str(x->ports[i].v, "appProtocol"), "grpc")) {
			return x->ports[i].v;
		}
	}
	return NULL;
}

static void hpa007(struct check *c)
{
	written_each(c->subject, OBJECT_HPA, hpa)
	{
		const struct workload *w = workload_of_hpa(c->subject, hpa);
		const struct svc_list *services = w ? subject_services_of(c->subject, w) : NULL;

		for (size_t i = 0; services && i < services->at.n; i++) {
			const struct svc *x = services->at.at[i];
			const struct val *why = keeps_connections(x);
			struct finding *f;

			if (!why || max_of(hpa) < 2) {
				continue;
			}
			f = check_found(c, x->object, why,
			                "Service " SLICE_FMT
			                " keeps callers with the pod they began with, so pods that "
			                "HorizontalPodAutoscaler " SLICE_FMT " adds stay idle.",
			                SLICE_ARG(x->name), SLICE_ARG(hpa->name));
			finding_shows(c, f, hpa, val_get(object_spec(hpa), "maxReplicas"),
			              "adds pods.");
		}
	}
}

/* A sign that the program's runtime collects garbage and keeps memory it once had. */
static bool keeps_memory(struct check *c, const struct workload *w)
{
	static const char *const images[] = { "openjdk", "temurin", "corretto", "java",
		                              "node:",   "dotnet",  "aspnet",   "jre",
		                              "jdk",     "tomcat",  "spring",   "jvm" };
	static const char *const names[] = {
		"JAVA_OPTS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "NODE_OPTIONS",
		"GOGC",      "DOTNET_gcServer",   "JVM_OPTS"
	};

	container_each(w->spec, it)
	{
		for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
			if (strstr(val_cstr(val_get(it, "image")), images[i])) {
				return true;
			}
		}
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			if (values_setting(subject_values(c->subject), it, names[i])) {
				return true;
			}
		}
	}
	return false;
}

static void hpa008(struct check *c)
{
	written_each(c->subject, OBJECT_HPA, hpa)
	{
		const struct workload *w = workload_of_hpa(c->subject, hpa);

		val_for_each (val_get(object_spec(hpa), "metrics"), it) {
			const struct val *name = val_path(it, "resource.name");

			if (w && slice_is(val_str(name), "memory") && keeps_memory(c, w)) {
				check_found(c, hpa, name,
				            "HorizontalPodAutoscaler " SLICE_FMT
				            " scales " OBJECT_FMT
				            " by memory, which its runtime does not give back.",
				            SLICE_ARG(hpa->name), OBJECT_ARG(w->object));
			}
		}
	}
}

static const struct rule rules[] = {
	{
		.id = "HPA001",
		.title = "Utilization target without requests",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SCALING,
		.symptom = "TARGETS shows unknown; the autoscaler never acts.",
		.cause = "Utilization is a share of the requests, and a container of the pod "
			 "(often a sidecar) has none.",
		.evidence = "A utilization metric, and a container of the target without that "
			    "request or limit.",
		.probe = "The autoscaler's condition says FailedGetResourceMetric.",
		.fix = "Give every container the request, or measure one container with "
		       "ContainerResource.",
		.sources =
			"kubernetes/kubernetes#79365, #78846; kubernetes-sigs/metrics-server#989",
		.check = hpa001,
	},
	{
		.id = "HPA002",
		.title = "No source of metrics",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_SCALING,
		.symptom = "TARGETS shows unknown for every autoscaler.",
		.cause = "metrics-server, or the adapter for custom or external metrics, is not "
			 "there.",
		.evidence = "An autoscaler; the API of its metrics is neither in the set nor in "
			    "the profile.",
		.probe = "Ask the API server for the metrics group.",
		.fix = "Install metrics-server or the adapter.",
		.sources = "derailed/popeye 402",
		.check = hpa002,
	},
	{
		.id = "HPA003",
		.title = "Target missing or of the wrong kind",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SCALING,
		.symptom = "AbleToScale is false.",
		.cause = "Name, kind, version or namespace of the target does not fit.",
		.evidence = "scaleTargetRef looked up in the autoscaler's namespace.",
		.probe = "The autoscaler's conditions.",
		.fix = "Name the workload.",
		.sources = "stackrox/kube-linter dangling-horizontalpodautoscaler",
		.check = hpa003,
	},
	{
		.id = "HPA004",
		.title = "Replicas fixed beside an autoscaler",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SCALING,
		.symptom = "Under load each apply takes pods away.",
		.cause = "The manifest and the autoscaler both own the count.",
		.evidence = "spec.replicas of a workload that an autoscaler targets.",
		.probe = "Apply under load and watch the count.",
		.fix = "Leave replicas out of the manifest.",
		.sources = "zegl/kube-score "
			   "deployment-targeted-by-hpa-does-not-have-replicas-configured",
		.check = hpa004,
	},
	{
		.id = "HPA005",
		.title = "Bounds that exclude each other, or two scalers for one target",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SCALING,
		.symptom = "The autoscaler is refused, or the count flaps.",
		.cause = "The minimum is above the maximum, or several scalers change the same "
			 "workload.",
		.evidence =
			"minReplicas and maxReplicas; equal targets of HPA, VPA and ScaledObject.",
		.probe = "The condition AmbiguousSelector.",
		.fix = "One owner of the count.",
		.sources = "kubernetes.io, Horizontal Pod Autoscaling",
		.check = hpa005,
	},
	{
		.id = "HPA006",
		.title = "Scaling out is blocked by a quota, ports or nodes",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SCALING,
		.symptom = "The count stops below the maximum; pods are Pending or not made.",
		.cause = "The maximum needs more than a ResourceQuota, host ports or anti-affinity "
			 "leave room for.",
		.evidence = "maxReplicas times requests against quotas; host ports and required "
			    "anti-affinity against nodes.",
		.probe = "Events of the ReplicaSet and of Pending pods.",
		.fix = "Raise the limit or lower the maximum.",
		.sources = "derailed/popeye 602-605",
		.check = hpa006,
	},
	{
		.id = "HPA007",
		.title = "New pods receive no traffic",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_SCALING,
		.symptom = "Scaling out brings no relief.",
		.cause = "Client affinity or long-lived connections stay with the old pods.",
		.evidence = "A target of an autoscaler behind a Service with ClientIP affinity or "
			    "gRPC ports.",
		.probe = "Requests per pod after scaling out.",
		.fix = "No affinity; balance requests instead of connections.",
		.sources = "kubernetes.io blog, gRPC load balancing",
		.after = "SVC012 APP009",
		.check = hpa007,
	},
	{
		.id = "HPA008",
		.title = "Memory target that never scales down",
		.severity = SEVERITY_INFO,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_SCALING,
		.symptom = "The count stays high after the load is gone.",
		.cause = "Runtimes with garbage collection keep memory they once had.",
		.evidence = "A memory metric for a program on such a runtime.",
		.probe = "Load, then idle, then look.",
		.fix = "Scale by CPU or requests.",
		.sources = "kubernetes.io, Horizontal Pod Autoscaling",
		.check = hpa008,
	},
	{ 0 },
};

const struct family family_hpa = { "HPA", "Autoscaling", rules };
