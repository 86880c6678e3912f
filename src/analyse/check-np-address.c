/* Why: the address ranges (ipBlock) of policies. */

#include "analyse/check-np-priv.h"

/* ---- NP009, NP010: addresses ---- */

static const struct svc *translated_service(struct check *c, const struct selection *pods)
{
	for (size_t i = 0; i < pods->at.n; i++) {
		const struct svc_list *services = subject_services_of(c->subject, pods->at.at[i]);

		for (size_t j = 0; j < services->at.n; j++) {
			const struct svc *x = services->at.at[j];

			if ((slice_is(x->type, "LoadBalancer") || slice_is(x->type, "NodePort")) &&
			    !slice_is(val_get_str(object_spec(x->object), "externalTrafficPolicy"),
			              "Local") &&
			    !object_annotation_at(x->object, "service.beta.kubernetes.io/"
			                                     "aws-load-balancer-nlb-target-type")) {
				return x;
			}
		}
	}
	return NULL;
}

static const char *unseen_range(const struct subject *s, struct prefix cidr)
{
	struct prefix range;

	if (!s->profile->declared) {
		return NULL;
	}
	if (prefix_parse(slice_of(s->profile->service_cidr), &range) &&
	    prefix_contains(range, cidr.ip) && cidr.len >= range.len) {
		return "cluster IPs, which are translated to pod addresses before a policy looks";
	}
	if (prefix_parse(slice_of(s->profile->pod_cidr), &range) &&
	    prefix_contains(range, cidr.ip) && cidr.len >= range.len &&
	    !prefix_overlaps(range, (struct prefix){ ip_v4(0x0a000000), 16 })) {
		return "pods, which change their addresses";
	}
	return NULL;
}

/* The Service whose own address the range holds, when it is narrow enough to mean it. */
static const struct svc *service_in(const struct subject *s, struct prefix cidr)
{
	for (size_t i = 0; cidr.len >= 24 && i < s->services.n; i++) {
		struct ip ip;

		if (ip_parse(val_get_str(object_spec(s->services.at[i]->object), "clusterIP"),
		             &ip) &&
		    prefix_contains(cidr, ip)) {
			return s->services.at[i];
		}
	}
	return NULL;
}

void np_address_unseen(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		scoped_selection struct selection pods = { 0 };

		val_for_each (netpol_peers(rule, dir), peer) {
			const struct val *at = val_path(peer, "ipBlock.cidr");
			const struct svc *x;
			struct prefix cidr;
			struct finding *f;

			if (!prefix_parse(val_str(at), &cidr)) {
				continue;
			}
			x = service_in(c->subject, cidr);
			if (x || unseen_range(c->subject, cidr)) {
				f = check_found(c, policy, at,
				                "ipBlock " SLICE_FMT " of NetworkPolicy " SLICE_FMT
				                " is a range of %s.",
				                SLICE_ARG(val_str(at)), SLICE_ARG(policy->name),
				                x ? "cluster IPs, which are translated to pod "
				                    "addresses before a policy looks"
				                  : unseen_range(c->subject, cidr));
				if (x) {
					finding_shows(c, f, x->object,
					              val_get(object_spec(x->object), "clusterIP"),
					              "is the Service of that address.");
				}
				continue;
			}
			if (dir != POLICY_INGRESS || cidr.len == 0) {
				continue;
			}
			np_targets(c, policy, dir, rule, &pods);
			x = translated_service(c, &pods);
			if (x) {
				f = check_found(
					c, policy, at,
					"ipBlock " SLICE_FMT " of NetworkPolicy " SLICE_FMT
					" waits for client addresses that Service " SLICE_FMT
					" replaces by those of nodes.",
					SLICE_ARG(val_str(at)), SLICE_ARG(policy->name),
					SLICE_ARG(x->name));
				finding_shows(c, f, x->object,
				              val_get(object_spec(x->object), "type"),
				              "has externalTrafficPolicy Cluster.");
				finding_repair(c, f,
				               "Set externalTrafficPolicy: Local on the Service, "
				               "or restrict clients at the load "
				               "balancer (loadBalancerSourceRanges).");
			}
		}
	}
}
