/* Why: POD: whether the program behind a Service starts, becomes ready and listens where it is called. Here: ports and probes;
 * check-pod-needs.c: what a pod refers to and is given. The table of the family is at the end. */
#include <string.h>

#include "analyse/calls.h"
#include "analyse/check-pod-priv.h"
#include "base/mem.h"

/* A Service's port that leads to this one of the pod, or null. */
static const struct svc_port *led_to(struct check *c, const struct workload *w, uint16_t port,
                                     const struct svc **ret)
{
	const struct svc_list *all = subject_services_of(c->subject, w);

	for (size_t i = 0; i < all->at.n; i++) {
		for (size_t j = 0; j < all->at.at[i]->n_ports; j++) {
			const struct svc_port *p = &all->at.at[i]->ports[j];

			if (svc_port_target(p, w) == port) {
				*ret = all->at.at[i];
				return p;
			}
		}
	}
	return NULL;
}

static const struct svc *any_service(struct check *c, const struct workload *w)
{
	const struct svc_list *all = subject_services_of(c->subject, w);

	return all->at.n ? all->at.at[0] : NULL;
}

/* ---- POD001, POD002: where the program listens ---- */

static void on_loopback(struct check *c, const struct workload *w, const struct listening *l)
{
	const struct object *by = subject_object(c->subject, l->where.object);
	const struct svc *x = any_service(c, w);
	struct finding *f;

	if (!by || !x || l->scope != SCOPE_LOOPBACK || l->confidence == CONFIDENCE_LOW ||
	    l->source == VALUE_PORT || l->source == VALUE_PROBE) {
		return;
	}
	/* Behind a sidecar a program may well listen on loopback: it counts when a Service leads to its very port. */
	if (l->port ? !led_to(c, w, l->port, &x) : val_len(val_get(w->spec, "containers")) > 1) {
		return;
	}
	f = check_found(c, by, l->where.node,
	                "%s makes the program of " WORKLOAD_FMT
	                " listen on loopback alone: Service " SLICE_FMT " does not reach it.",
	                l->name, WORKLOAD_ARG(w), SLICE_ARG(x->name));
	finding_shows(c, f, x->object, val_get(object_spec(x->object), "ports"),
	              "leads to these pods.");
	finding_repair(c, f, "Listen on 0.0.0.0 (or ::).");
}

static void pod001(struct check *c)
{
	workload_each(c, w)
	{
		const struct listening *all;
		size_t n;

		if (!any_service(c, w)) {
			continue;
		}
		all = values_listenings(subject_values(c->subject), w->object->v, &n);
		for (size_t i = 0; i < n; i++) {
			on_loopback(c, w, &all[i]);
		}
	}
}

static bool is_said(const struct listening *l)
{
	return l->source != VALUE_PORT && l->source != VALUE_PROBE && l->port &&
	       l->confidence != CONFIDENCE_LOW && l->proto == PROTO_TCP;
}

/* The container says by a setting where it listens, and nothing leads there. */
static void other_port(struct check *c, const struct workload *w, const struct listening *all,
                       size_t n, const struct svc *x, const struct svc_port *p)
{
	uint16_t target = svc_port_target(p, w);
	const struct listening *said = NULL;
	const struct object *by;
	struct finding *f;

	for (size_t i = 0; i < n; i++) {
		if (is_said(&all[i]) && all[i].port == target) {
			return;
		}
		said = is_said(&all[i]) && !said ? &all[i] : said;
	}
	by = said && target ? subject_object(c->subject, said->where.object) : NULL;
	/* Another container of the pod may have the port. */
	if (!by || val_len(val_get(w->spec, "containers")) > 1) {
		return;
	}
	f = check_found(c, by, said->where.node,
	                "%s makes the program of " WORKLOAD_FMT
	                " listen on %u, and Service " SLICE_FMT " leads to %u.",
	                said->name, WORKLOAD_ARG(w), said->port, SLICE_ARG(x->name), target);
	finding_shows(c, f, x->object,
	              val_get(p->v, "targetPort") ? val_get(p->v, "targetPort")
	                                          : val_get(p->v, "port"),
	              "leads to port %u.", target);
	finding_repair(c, f,
	               "Make both the same; name the container's port and refer to the name.");
}

static void pod002(struct check *c)
{
	workload_each(c, w)
	{
		const struct svc_list *services = subject_services_of(c->subject, w);
		const struct listening *all;
		size_t n;

		if (!services->at.n) {
			continue;
		}
		all = values_listenings(subject_values(c->subject), w->object->v, &n);
		for (size_t i = 0; i < services->at.n && services->at.at[i]->n_ports == 1; i++) {
			other_port(c, w, all, n, services->at.at[i], &services->at.at[i]->ports[0]);
		}
	}
}

/* ---- POD003 ---- */

static const struct val *probe_port(const struct val *probe)
{
	static const char *const types[] = { "httpGet", "tcpSocket", "grpc" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const struct val *port = val_get(val_get(probe, types[i]), "port");

		if (port) {
			return port;
		}
	}
	return NULL;
}

/* A number that is in no ports may well be right: many programs have a port for probes alone. It is wrong when it is the
 * Service's port, which the pod does not have, or when the program says that it listens elsewhere. */
static bool is_wrong_number(struct check *c, const struct workload *w, const struct val *container,
                            uint16_t number)
{
	const struct svc_list *services = subject_services_of(c->subject, w);
	size_t n, said = 0;
	const struct listening *all;

	for (size_t i = 0; i < services->at.n; i++) {
		const struct svc_port *p = svc_port_numbered(services->at.at[i], number, 0);

		if (p && svc_port_target(p, w) != number) {
			return true;
		}
	}
	all = values_listenings(subject_values(c->subject), w->object->v, &n);
	for (size_t i = 0; i < n; i++) {
		if (all[i].container == container && is_said(&all[i])) {
			if (all[i].port == number) {
				return false;
			}
			said++;
		}
	}
	return said == 1;
}

static void bad_probe(struct check *c, const struct workload *w, const struct val *container,
                      const struct val *probe)
{
	const struct val *port = probe_port(probe), *http = val_get(probe, "httpGet"), *declared;
	uint16_t number = (uint16_t)val_int(port, 0);
	struct finding *f;

	if (val_get_str(http, "host").len) {
		f = check_found(c, w->object, val_get(http, "host"),
		                "The readiness probe of " WORKLOAD_FMT " asks host " SLICE_FMT
		                " instead of its own pod.",
		                WORKLOAD_ARG(w), SLICE_ARG(val_get_str(http, "host")));
		finding_repair(c, f,
		               "Take host out; a name for the virtual host goes into httpHeaders.");
	}
	declared = port && val_str(port).len ? pod_port_named(w->spec, val_str(port), 0)
	                                     : pod_port_numbered(w->spec, number, 0);
	if (port && val_str(port).len && !declared) {
		f = check_found(c, w->object, port,
		                "The readiness probe of " WORKLOAD_FMT
		                " asks the port named " SLICE_FMT ", which no container has.",
		                WORKLOAD_ARG(w), SLICE_ARG(val_str(port)));
	} else if (number && !declared && val_len(val_get(container, "ports")) &&
	           is_wrong_number(c, w, container, number)) {
		f = check_found(c, w->object, port,
		                "The readiness probe of " WORKLOAD_FMT
		                " asks port %u, which no container declares.",
		                WORKLOAD_ARG(w), number);
	} else {
		f = NULL;
	}
	val_for_each (f ? val_get(container, "ports") : NULL, p) {
		finding_shows(c, f, w->object, val_get(p, "containerPort"),
		              "is port %lld%s" SLICE_FMT ".",
		              (long long)val_int(val_get(p, "containerPort"), 0),
		              val_get(p, "name") ? ", named " : "",
		              SLICE_ARG(val_get_str(p, "name")));
		if (val_len(val_get(container, "ports")) == 1 && val_str(port).len &&
		    val_get(p, "name")) {
			finding_replace(c, f, w->object, port, SLICE_FMT,
			                SLICE_ARG(val_get_str(p, "name")));
		} else if (val_len(val_get(container, "ports")) == 1 && number) {
			finding_replace(c, f, w->object, port, "%lld",
			                (long long)val_int(val_get(p, "containerPort"), 0));
		}
	}
	if (http && declared && slice_is(val_get_str(declared, "name"), "https") &&
	    !slice_is(val_get_str(http, "scheme"), "HTTPS")) {
		f = check_found(c, w->object, http,
		                "The readiness probe of " WORKLOAD_FMT
		                " speaks plain HTTP to the port named https.",
		                WORKLOAD_ARG(w));
		finding_repair(c, f, "Write scheme: HTTPS.");
	}
}

static void pod003(struct check *c)
{
	workload_each(c, w)
	{
		container_each(w->spec, k)
		{
			if (val_get(k, "readinessProbe")) {
				bad_probe(c, w, k, val_get(k, "readinessProbe"));
			}
		}
	}
}

/* ---- POD004 ---- */

/* The container that has a port of a Service; the first when none declares it. */
static const struct val *serving_container(struct check *c, const struct workload *w)
{
	const struct svc *x;

	container_each(w->spec, k)
	{
		val_for_each (val_get(k, "ports"), p) {
			if (led_to(c, w, (uint16_t)val_int(val_get(p, "containerPort"), 0), &x)) {
				return k;
			}
		}
	}
	return val_first(val_get(w->spec, "containers"));
}

static void pod004(struct check *c)
{
	workload_each(c, w)
	{
		const struct svc *x = any_service(c, w);
		const struct val *k =
			x && !w->ends && !x->external ? serving_container(c, w) : NULL;
		struct finding *f;

		if (!k || val_get(k, "readinessProbe") ||
		    val_len(val_get(w->spec, "readinessGates"))) {
			continue;
		}
		f = check_found(c, w->object, val_get(k, "name"),
		                "Container " SLICE_FMT " of " WORKLOAD_FMT
		                " has no readiness probe: Service " SLICE_FMT
		                " sends requests before it listens.",
		                SLICE_ARG(val_get_str(k, "name")), WORKLOAD_ARG(w),
		                SLICE_ARG(x->name));
		finding_shows(c, f, x->object, val_get(object_spec(x->object), "selector"),
		              "selects the pods.");
		finding_repair(c, f,
		               "Add a readinessProbe that asks the program itself (httpGet on a "
		               "health path).");
	}
}

/* ---- POD005, POD006 ---- */

static void pod005(struct check *c)
{
	enum { LEAST_S = 20 };

	workload_each(c, w)
	{
		container_each(w->spec, k)
		{
			const struct val *live = val_get(k, "livenessProbe"),
					 *ready = val_get(k, "readinessProbe");
			int64_t kill = val_int(val_get(live, "initialDelaySeconds"), 0) +
			               val_int(val_get(live, "failureThreshold"), 3) *
			                       val_int(val_get(live, "periodSeconds"), 10);
			struct finding *f;

			if (!live || val_get(k, "startupProbe")) {
				continue;
			}
			if (kill < LEAST_S) {
				f = check_found(c, w->object, live,
				                "The liveness probe of container " SLICE_FMT
				                " of " WORKLOAD_FMT
				                " ends the program after %lld s, started or not.",
				                SLICE_ARG(val_get_str(k, "name")), WORKLOAD_ARG(w),
				                (long long)kill);
				finding_repair(c, f,
				               "Add a startupProbe, or raise initialDelaySeconds "
				               "and failureThreshold.");
			} else if (ready && val_eq(live, ready)) {
				f = check_found(
					c, w->object, live,
					"Liveness and readiness of container " SLICE_FMT
					" of " WORKLOAD_FMT
					" are the same: what makes it unready for a while ends it.",
					SLICE_ARG(val_get_str(k, "name")), WORKLOAD_ARG(w));
				finding_repair(
					c, f,
					"Let liveness ask for the process alone and wait longer.");
			}
		}
	}
}

static void pod006(struct check *c)
{
	static const char *const words[] = { "db",    "database", "mysql", "postgres",
		                             "redis", "cache",    "deps",  "dependencies",
		                             "deep",  "full",     "all" };

	workload_each(c, w)
	{
		container_each(w->spec, k)
		{
			const struct val *path = val_path(k, "readinessProbe.httpGet.path");
			struct slice rest = val_str(path), element;

			while (slice_next(&rest, '/', &element)) {
				bool found = false;

				for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
					found = found || slice_is(element, words[i]);
				}
				if (found) {
					struct finding *f = check_found(
						c, w->object, path,
						"The readiness probe of " WORKLOAD_FMT
						" asks " SLICE_FMT
						", which by its name asks others: one slow store "
						"makes all pods unready.",
						WORKLOAD_ARG(w), SLICE_ARG(val_str(path)));

					finding_repair(
						c, f,
						"Let readiness tell of the program's own state.");
					break;
				}
			}
		}
	}
}

/* ---- POD010 ---- */

static void pod010(struct check *c)
{
	scoped_map struct map said = { 0 };

	call_each(c->subject, x)
	{
		const struct val *policy = val_get(x->from->spec, "dnsPolicy"),
				 *host = val_get(x->from->spec, "hostNetwork");
		struct finding *f;

		if (!x->from->host_network ||
		    slice_is(val_str(policy), "ClusterFirstWithHostNet") ||
		    slice_is(val_str(policy), "None") || x->to.kind != TARGET_SERVICE ||
		    map_set(&said, x->from->name, &said)) {
			continue;
		}
		f = check_found(c, x->from->object, policy ? policy : host,
		                "The pods of " WORKLOAD_FMT
		                " use the node's network and the node's resolver, and call "
		                "Service " SLICE_FMT " by name.",
		                WORKLOAD_ARG(x->from), SLICE_ARG(x->to.service->name));
		finding_shows(c, f, x->by, x->r->where.node, "%s names it.", x->r->name);
		finding_repair(c, f, "Write dnsPolicy: ClusterFirstWithHostNet.");
		if (policy) {
			finding_replace(c, f, x->from->object, policy, "ClusterFirstWithHostNet");
		} else {
			finding_insert(c, f, x->from->object, host,
			               "dnsPolicy: ClusterFirstWithHostNet");
		}
	}
}

/* ---- the family ---- */

static const struct rule rules[] = {
	{
		.id = "POD001",
		.title = "Program listens on loopback alone",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_POD,
		.symptom = "Works with port-forward and from within the pod, refused through the "
			   "Service.",
		.cause = "It is bound to 127.0.0.1, ::1 or localhost.",
		.evidence = "Variables, arguments and mounted configuration that name loopback as "
			    "the address to listen on, "
			    "in pods behind a Service.",
		.probe = "The sockets of the pod; connect to loopback and to the pod's address.",
		.fix = "Listen on 0.0.0.0 or ::.",
		.sources = "kubernetes/website#7281",
		.check = pod001,
	},
	{
		.id = "POD002",
		.title = "Program listens on another port than declared",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_POD,
		.symptom = "Refused; never ready; 503 at the Ingress.",
		.cause = "The setting of the program and the manifest name different ports.",
		.evidence = "Ports that variables, arguments and mounted configuration set, "
			    "against the Service's target.",
		.probe = "The sockets of the pod.",
		.fix = "Change one side; name the port once.",
		.sources = "kubernetes.io, Debug Services",
		.after = "SVC005",
		.check = pod002,
	},
	{
		.id = "POD003",
		.title = "Readiness probe that cannot succeed",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_POD,
		.symptom = "Running 0/1, no endpoints, 503.",
		.cause = "A wrong port, scheme or host.",
		.evidence = "The probe's port among the container's, its scheme against the port's "
			    "name, httpGet.host.",
		.probe = "Do what the probe does from the node.",
		.fix = "A health path of the program's own, without a login.",
		.sources = "stackrox/kube-linter readiness-port",
		.check = pod003,
	},
	{
		.id = "POD004",
		.title = "No readiness probe behind a Service",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_ROLLOUT,
		.symptom = "502 or refused for some seconds at each rollout and scale-up.",
		.cause = "A pod becomes an endpoint when its container starts, not when the "
			 "program listens.",
		.evidence = "The container of a selected pod that has the Service's port, without "
			    "readinessProbe.",
		.probe = "Send requests during a rollout and count errors.",
		.fix = "Add a probe.",
		.sources = "FairwindsOps/polaris readinessProbeMissing; "
			   "kubernetes-sigs/aws-load-balancer-controller#814",
		.check = pod004,
	},
	{
		.id = "POD005",
		.title = "Liveness probe ends a slow or busy start",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_POD,
		.symptom = "Restarts, and refused now and then.",
		.cause = "The probe gives up before the program has started, or it asks for more "
			 "than life.",
		.evidence = "initialDelaySeconds + failureThreshold x periodSeconds below 20 s "
			    "without startupProbe; or a "
			    "probe equal to that for readiness.",
		.probe = "Count restarts, and the time to the first success.",
		.fix = "startupProbe; a lighter liveness probe.",
		.sources = "zegl/kube-score pod-probes-identical",
		.check = pod005,
	},
	{
		.id = "POD006",
		.title = "Readiness depends on a shared store",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_POD,
		.symptom = "One slow database makes every pod unready: the whole site answers 503.",
		.cause = "The health path asks systems behind.",
		.evidence = "A path whose elements name a database, cache or dependencies.",
		.probe = "Block the dependency and watch the endpoints.",
		.fix = "Readiness tells of the program's own state.",
		.sources = "learnk8s/kubernetes-production-best-practices",
		.check = pod006,
	},
	{
		.id = "POD007",
		.title = "ConfigMap, Secret, key, account or claim missing",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POD,
		.symptom = "CreateContainerConfigError or Pending; the Service has no endpoints.",
		.cause = "A wrong name, key or namespace, or an object that is not in the set.",
		.evidence = "Every reference of the pod that is not optional, against objects and "
			    "what makes them.",
		.probe = "Events of the pod.",
		.fix = "Add the object, or correct the name.",
		.sources = "stackrox/kube-linter env-value-from; derailed/popeye 1300",
		.check = pod_references,
	},
	{
		.id = "POD008",
		.title = "Image cannot be pulled",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_POD,
		.symptom = "ImagePullBackOff; no endpoints.",
		.cause = "A local name is pulled at every start, or credentials are missing.",
		.evidence = "An image without registry that is always pulled, and no pull secret.",
		.probe = "Pull it.",
		.fix = "Name the registry, give the secret, or IfNotPresent.",
		.sources = "docs.orbstack.dev/kubernetes",
		.check = pod_image,
	},
	{
		.id = "POD009",
		.title = "Quota refuses the pods",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POD,
		.symptom = "The ReplicaSet makes no pods; an autoscaler stops below its maximum.",
		.cause = "A quota wants requests or limits, or is used up.",
		.evidence = "Containers without them, and the sum at the largest number of "
			    "replicas, against the quota.",
		.probe = "Events of the ReplicaSet.",
		.fix = "Raise the quota, or state what is needed.",
		.sources = "kubernetes.io, Resource Quotas",
		.check = pod_quota,
	},
	{
		.id = "POD010",
		.title = "Pod on the node's network finds no cluster names",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NAME,
		.symptom = "Names of Services are NXDOMAIN in that pod alone.",
		.cause = "hostNetwork pods use the node's resolver unless told otherwise.",
		.evidence = "hostNetwork, another dnsPolicy than ClusterFirstWithHostNet, and "
			    "values that name Services.",
		.probe = "Look a name up from the pod.",
		.fix = "dnsPolicy: ClusterFirstWithHostNet.",
		.sources = "kubernetes.io, DNS for Services and Pods",
		.check = pod010,
	},
	{
		.id = "POD011",
		.title = "Circle of waits at start",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_POD,
		.symptom = "The deployment never completes; pods hang in init containers.",
		.cause = "Init containers wait for Services whose pods wait for the first.",
		.evidence = "The graph of addresses that init containers use.",
		.probe = "Do what the init container does.",
		.fix = "Let programs try again instead.",
		.sources = "kubernetes.io, Init Containers",
		.check = pod_start_order,
	},
	{
		.id = "POD012",
		.title = "Port below 1024 without the right to it",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_POD,
		.symptom = "Permission denied at bind; crash loop.",
		.cause = "No root, no NET_BIND_SERVICE, and a runtime that keeps the kernel's "
			 "limit.",
		.evidence = "A container port below 1024 with another user, dropped capabilities "
			    "and no sysctl.",
		.probe = "The container's log.",
		.fix = "A port above 1023 and targetPort.",
		.sources = "stackrox/kube-linter privileged-ports",
		.check = pod_low_port,
	},
	{
		.id = "POD013",
		.title = "Value damaged",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CONFIG,
		.symptom = "Host not found, authentication failed, invalid URL.",
		.cause = "A line end out of echo, base64 twice, quotes kept, a placeholder left.",
		.evidence = "The values that variables get.",
		.probe = "Print length and last byte within the container.",
		.fix = "printf, stringData.",
		.sources = "kubernetes.io, Secrets",
		.check = pod_damaged,
	},
	{
		.id = "POD014",
		.title = "URL that is not read as meant",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_CONFIG,
		.symptom = "The program connects to a strange host or port.",
		.cause =
			"@ : / # or ? in a password without percent-encoding, or a missing scheme.",
		.evidence = "Every URL in values, parsed.",
		.probe = "Look up and connect to what was parsed.",
		.fix = "Percent-encode, or give the parts separately.",
		.sources = "RFC 3986",
		.check = pod_urls,
	},
	{ 0 },
};

const struct family family_pod = { "POD", "Pods, probes and where programs listen", rules };
