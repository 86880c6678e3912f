/* Why: some things are stored and still worth a word to whoever wrote them; the server tells them
 * in Warning headers. Source: reference 7.3 */
#include <stdarg.h>

#include "base/ip.h"
#include "base/mem.h"
#include "schema/builtin.h"
#include "schema/format.h"
#include "schema/object.h"
#include "schema/path.h"
#include "schema/quantity.h"

struct warner {
	struct arena *arena;
	struct val *to;   /* array of texts */
	struct path path; /* where the pod spec is */
};

static void warn(struct warner *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Appends "<path>.<text>". */
static void warn(struct warner *w, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	val_append(w->to, val_new_strf(w->arena, "%s%s%s", strbuf_str(&w->path.text),
	                               w->path.text.size ? "." : "", text));
}

/* ---- containers ---- */

static void warn_env(struct warner *w, const char *list, size_t i, const struct val *env)
{
	size_t n = 0;

	val_for_each (env, it) {
		const struct val *earlier = val_first(env);

		for (; earlier != it; earlier = earlier->next) {
			if (slice_eq(val_get_str(earlier, "name"), val_get_str(it, "name"))) {
				warn(w,
				     "%s[%zu].env[%zu]: hides previous definition of \"" SLICE_FMT
				     "\", which may be dropped when using apply",
				     list, i, n, SLICE_ARG(val_get_str(it, "name")));
				break;
			}
		}
		n++;
	}
}

static bool is_same_port(const struct val *a, const struct val *b)
{
	return val_int(val_get(a, "containerPort"), 0) == val_int(val_get(b, "containerPort"), 0) &&
	       slice_eq(val_get_str(a, "protocol"), val_get_str(b, "protocol"));
}

static void warn_ports(struct warner *w, const char *list, size_t i, const struct val *ports)
{
	size_t n = 0;

	val_for_each (ports, it) {
		size_t m = 0;

		for (const struct val *earlier = val_first(ports); earlier != it;
		     earlier = earlier->next, m++) {
			if (is_same_port(earlier, it)) {
				warn(w,
				     "%s[%zu].ports[%zu]: duplicate port definition with "
				     "%s%s%s[%zu].ports[%zu]",
				     list, i, n, strbuf_str(&w->path.text),
				     w->path.text.size ? "." : "", list, i, m);
				break;
			}
		}
		if (val_get_str(it, "hostIP").len && !val_int(val_get(it, "hostPort"), 0)) {
			warn(w, "%s[%zu].ports[%zu]: hostIP set without hostPort: %s", list, i, n,
			     "the field is ignored");
		}
		n++;
	}
}

static void warn_bytes(struct warner *w, const char *list, size_t i, const char *which,
                       const struct val *amounts)
{
	val_for_each (amounts, it) {
		struct quantity q;

		if ((slice_is(it->key, "memory") || slice_is(it->key, "ephemeral-storage")) &&
		    quantity_of_val(it, &q) && q.nano % 1000000000 != 0) {
			warn(w,
			     "%s[%zu].resources.%s[" SLICE_FMT
			     "]: fractional byte value \"" SLICE_FMT
			     "\" is invalid, must be an integer",
			     list, i, which, SLICE_ARG(it->key), SLICE_ARG(val_str(it)));
		}
	}
}

static void warn_containers(struct warner *w, const struct val *spec, const char *list)
{
	size_t i = 0;

	val_for_each (val_get(spec, list), it) {
		warn_env(w, list, i, val_get(it, "env"));
		warn_ports(w, list, i, val_get(it, "ports"));
		warn_bytes(w, list, i, "limits", val_path(it, "resources.limits"));
		warn_bytes(w, list, i, "requests", val_path(it, "resources.requests"));
		i++;
	}
}

/* ---- pods ---- */

static const struct {
	const char *old, *since, *now;
} old_labels[] = {
	{ "beta.kubernetes.io/arch", "v1.14", "kubernetes.io/arch" },
	{ "beta.kubernetes.io/os", "v1.14", "kubernetes.io/os" },
	{ "failure-domain.beta.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region" },
	{ "failure-domain.beta.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone" },
	{ "beta.kubernetes.io/instance-type", "v1.17", "node.kubernetes.io/instance-type" },
};

static void warn_node_selector(struct warner *w, const struct val *selector)
{
	val_for_each (selector, it) {
		for (size_t i = 0; i < ARRAY_SIZE(old_labels); i++) {
			if (slice_is(it->key, old_labels[i].old)) {
				warn(w, "nodeSelector[%s]: deprecated since %s; use \"%s\" instead",
				     old_labels[i].old, old_labels[i].since, old_labels[i].now);
			}
		}
	}
}

static void warn_repeats(struct warner *w, const struct val *list, const char *name,
                         const char *key, const char *words)
{
	size_t i = 0;

	val_for_each (list, it) {
		struct slice value = val_get_str(it, key);

		if (!value.len) {
			warn(w, "%s[%zu].%s: invalid empty %s \"\"", name, i, key, key);
		}
		for (const struct val *earlier = val_first(list); earlier != it;
		     earlier = earlier->next) {
			if (value.len && slice_eq(val_get_str(earlier, key), value)) {
				warn(w, "%s[%zu].%s: duplicate %s \"" SLICE_FMT "\"", name, i, key,
				     words, SLICE_ARG(value));
				break;
			}
		}
		i++;
	}
}

static void warn_pod_spec(struct warner *w, const struct val *spec)
{
	size_t i = 0;

	warn_containers(w, spec, "initContainers");
	warn_containers(w, spec, "containers");
	warn_node_selector(w, val_get(spec, "nodeSelector"));
	warn_repeats(w, val_get(spec, "hostAliases"), "hostAliases", "ip", "ip");
	warn_repeats(w, val_get(spec, "imagePullSecrets"), "imagePullSecrets", "name", "name");
	val_for_each (val_get(spec, "topologySpreadConstraints"), it) {
		if (val_is_null(val_get(it, "labelSelector"))) {
			warn(w,
			     "topologySpreadConstraints[%zu].labelSelector: a null labelSelector "
			     "results in matching no pod",
			     i);
		}
		i++;
	}
	i = 0;
	val_for_each (val_get(spec, "volumes"), it) {
		if (val_get(it, "gitRepo")) {
			warn(w, "volumes[%zu].gitRepo: deprecated in v1.11", i);
		}
		i++;
	}
	if (val_int(val_get(spec, "terminationGracePeriodSeconds"), 0) < 0) {
		warn(w, "terminationGracePeriodSeconds: must be >= 0; negative values are invalid "
		        "and will be treated as 1");
	}
}

static void warn_at(struct warner *w, const struct val *object, const char *at)
{
	const struct val *spec = val_path(object, at);

	if (spec) {
		strbuf_reset(&w->path.text);
		strbuf_adds(&w->path.text, at);
		warn_pod_spec(w, spec);
	}
}

/* ---- other kinds ---- */

static void warn_service(struct warner *w, const struct val *object)
{
	const struct val *spec = val_get(object, "spec");
	bool is_external = slice_is(val_get_str(spec, "type"), "ExternalName");

	if (slice_is(val_get_str(spec, "clusterIP"), "None") &&
	    slice_is(val_get_str(spec, "sessionAffinity"), "ClientIP")) {
		warn(w, "spec.SessionAffinity is ignored for headless services");
	}
	if (is_external && val_len(val_get(spec, "externalIPs"))) {
		warn(w, "spec.externalIPs is ignored when spec.type is \"ExternalName\"");
	}
}

static void warn_ingress(struct warner *w, const struct val *object)
{
	const struct val *annotations = val_path(object, "metadata.annotations");

	if (val_get(annotations, "kubernetes.io/ingress.class")) {
		warn(w, "annotation \"kubernetes.io/ingress.class\" is deprecated, please use "
		        "'spec.ingressClassName' instead");
	}
}

void object_warnings(const struct kind *k, const struct val *object, struct arena *a,
                     struct val *array)
{
	struct warner w = { .arena = a, .to = array };

	if (kind_is(k, "", "Pod")) {
		const char *words =
			format_wrong(FORMAT_LABEL, val_str(val_path(object, "metadata.name")));

		if (words && val_str(val_path(object, "metadata.name")).len) {
			warn(&w,
			     "metadata.name: this is used in the Pod's hostname, which can result "
			     "in surprising behavior; a DNS label is recommended: [%.250s]",
			     words);
		}
		warn_at(&w, object, "spec");
	} else if (kind_is(k, "batch", "CronJob")) {
		warn_at(&w, object, "spec.jobTemplate.spec.template.spec");
	} else if (strcmp(k->group, "apps") == 0 || kind_is(k, "batch", "Job")) {
		warn_at(&w, object, "spec.template.spec");
	} else if (kind_is(k, "", "Service")) {
		warn_service(&w, object);
	} else if (kind_is(k, "networking.k8s.io", "Ingress")) {
		warn_ingress(&w, object);
	}
	path_fini(&w.path);
}
