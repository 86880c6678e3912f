/* Why: endpoints that somebody wrote by hand. */

#include "analyse/calls.h"
#include "analyse/check-svc-priv.h"

/* ---- SVC015, SVC016: endpoints by hand ---- */

static bool is_slice_of(const struct object *slice, const struct svc *x)
{
	return slice_eq(slice->ns, x->ns) &&
	       slice_eq(val_get_str(object_labels(slice), "kubernetes.io/service-name"), x->name);
}

void svc_endpoints_none(struct check *c)
{
	service_each(c, x)
	{
		const struct object *unlabelled = NULL;
		bool found = subject_find(c->subject, OBJECT_ENDPOINTS, x->ns, x->name) != NULL;
		struct finding *f;

		if (x->has_selector || x->external ||
		    (slice_is(x->name, "kubernetes") && slice_is(x->ns, "default"))) {
			continue;
		}
		object_each_in(c->subject, OBJECT_ENDPOINTSLICE, x->ns, o)
		{
			found = found || is_slice_of(o, x);
			if (slice_has_prefix(o->name, x->name)) {
				unlabelled = o;
			}
		}
		if (found) {
			continue;
		}
		f = check_found(c, x->object, val_get(object_spec(x->object), "ports"),
		                "Service " SLICE_FMT
		                " has no selector, and nobody gives it endpoints.",
		                SLICE_ARG(x->name));
		if (unlabelled) {
			finding_shows(c, f, unlabelled, object_labels(unlabelled),
			              "lacks the label kubernetes.io/service-name=" SLICE_FMT ".",
			              SLICE_ARG(x->name));
			finding_repair(c, f,
			               "Label the EndpointSlice with "
			               "kubernetes.io/service-name: " SLICE_FMT ".",
			               SLICE_ARG(x->name));
		}
	}
}

/* Why no packet gets there; null when it may. */
static const char *unroutable(const struct subject *s, struct slice text)
{
	struct prefix services;
	struct ip ip;

	if (!ip_parse(text, &ip)) {
		return "is not an IP address; a name is for a Service of type ExternalName";
	}
	if (ip.family == IP_V4 && ip.bytes[0] == 127) {
		return "is the loopback address of whoever calls";
	}
	if (ip.family == IP_V4 && ip.bytes[0] == 169 && ip.bytes[1] == 254) {
		return "is link-local: it ends at the caller's own node";
	}
	if (ip.family == IP_V4 && (ip.bytes[0] == 0 || ip.bytes[0] >= 224)) {
		return "is no address of a host";
	}
	if (s->profile->declared && prefix_parse(slice_of(s->profile->service_cidr), &services) &&
	    prefix_contains(services, ip)) {
		return "is in the range of cluster IPs, which are no endpoints";
	}
	for (size_t i = 0; i < s->services.n; i++) {
		if (slice_eq(val_get_str(object_spec(s->services.at[i]->object), "clusterIP"),
		             text)) {
			return "is the cluster IP of a Service, which is no endpoint";
		}
	}
	return NULL;
}

static void judge_address(struct check *c, const struct object *o, const struct val *at)
{
	const char *why = unroutable(c->subject, val_str(at));

	if (why) {
		(void)check_found(
			c, o, at,
			"The endpoint address " SLICE_FMT " of " SLICE_FMT " " SLICE_FMT " %s.",
			SLICE_ARG(val_str(at)), SLICE_ARG(o->kind), SLICE_ARG(o->name), why);
	}
}

void svc_endpoints_unroutable(struct check *c)
{
	object_each(c->subject, OBJECT_ENDPOINTS, o)
	{
		val_for_each (val_get(o->v, "subsets"), subset) {
			val_for_each (val_get(subset, "addresses"), address) {
				judge_address(c, o, val_get(address, "ip"));
			}
		}
	}
	object_each(c->subject, OBJECT_ENDPOINTSLICE, o)
	{
		if (slice_is(val_get_str(o->v, "addressType"), "FQDN")) {
			continue;
		}
		val_for_each (val_get(o->v, "endpoints"), endpoint) {
			val_for_each (val_get(endpoint, "addresses"), address) {
				judge_address(c, o, address);
			}
		}
	}
}
