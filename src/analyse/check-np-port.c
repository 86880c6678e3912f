/* Why: the ports that rules of policies name. */

#include "analyse/check-np-priv.h"
#include "analyse/nearest.h"

/* ---- NP004, NP021, NP023: ports ---- */

static bool any_declares(const struct selection *pods)
{
	for (size_t i = 0; i < pods->at.n; i++) {
		if (pod_has_ports(pods->at.at[i]->spec)) {
			return true;
		}
	}
	return false;
}

static bool any_has(const struct selection *pods, uint16_t port, enum proto proto)
{
	for (size_t i = 0; i < pods->at.n; i++) {
		if (pod_port_numbered(pods->at.at[i]->spec, port, proto)) {
			return true;
		}
	}
	return false;
}

static void service_port_in_rule(struct check *c, const struct object *policy, const struct val *at,
                                 const struct selection *pods)
{
	uint16_t port = (uint16_t)val_int(at, 0);

	for (size_t i = 0; i < pods->at.n; i++) {
		const struct svc_list *services = subject_services_of(c->subject, pods->at.at[i]);

		for (size_t j = 0; j < services->at.n; j++) {
			const struct svc_port *p = svc_port_numbered(services->at.at[j], port, 0);
			uint16_t target = p ? svc_port_target(p, pods->at.at[i]) : 0;
			struct finding *f;

			if (!target || target == port) {
				continue;
			}
			f = check_found(c, policy, at,
			                "NetworkPolicy " SLICE_FMT
			                " opens port %u, which is the port of Service " SLICE_FMT
			                "; its pods listen on %u, and that is what a policy sees.",
			                SLICE_ARG(policy->name), port,
			                SLICE_ARG(services->at.at[j]->name), target);
			finding_shows(c, f, services->at.at[j]->object, val_get(p->v, "port"),
			              "translates port %u to %u.", port, target);
			finding_repair(c, f, "Write port %u.", target);
			finding_replace(c, f, policy, at, "%u", target);
			return;
		}
	}
}

void np_port_of_service(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		scoped_selection struct selection pods = { 0 };

		val_for_each (val_get(rule, "ports"), p) {
			const struct val *at = val_get(p, "port");
			int64_t number = val_int(at, 0);

			if (!pods.at.n) {
				np_targets(c, policy, dir, rule, &pods);
			}
			if (number > 0 && number <= UINT16_MAX && !val_get(p, "endPort") &&
			    any_declares(&pods) && !any_has(&pods, (uint16_t)number, 0)) {
				service_port_in_rule(c, policy, at, &pods);
			}
		}
	}
}

static const struct val *nearest_port_name(const struct selection *pods, struct slice name)
{
	const struct val *best = NULL;
	unsigned best_d = 3;

	for (size_t i = 0; i < pods->at.n; i++) {
		container_each(pods->at.at[i]->spec, k)
		{
			val_for_each (val_get(k, "ports"), p) {
				unsigned d = edit_distance(name, val_get_str(p, "name"), 2);

				if (val_get(p, "name") && d < best_d) {
					best = p;
					best_d = d;
				}
			}
		}
	}
	return best;
}

void np_port_name(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		scoped_selection struct selection pods = { 0 };

		np_targets(c, policy, dir, rule, &pods);
		val_for_each (pods.at.n ? val_get(rule, "ports") : NULL, p) {
			const struct val *at = val_get(p, "port"), *near;
			bool found = false;
			struct finding *f;

			for (size_t i = 0; i < pods.at.n; i++) {
				found = found || pod_port_named(pods.at.at[i]->spec, val_str(at),
				                                proto_of(p));
			}
			if (!val_str(at).len || found) {
				continue;
			}
			f = check_found(c, policy, at,
			                "NetworkPolicy " SLICE_FMT
			                " opens the port named " SLICE_FMT
			                ", and no pod it is about has a port of that name.",
			                SLICE_ARG(policy->name), SLICE_ARG(val_str(at)));
			near = nearest_port_name(&pods, val_str(at));
			finding_shows(c, f, pods.at.at[0]->object,
			              near ? val_get(near, "name") : pods.at.at[0]->spec,
			              near ? "has a port with a similar name." : "is such a pod.");
			if (near) {
				finding_repair(c, f, "Write " SLICE_FMT ", or the port's number.",
				               SLICE_ARG(val_get_str(near, "name")));
				finding_replace(c, f, policy, at, SLICE_FMT,
				                SLICE_ARG(val_get_str(near, "name")));
			}
		}
	}
}

void np_port_protocol(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		scoped_selection struct selection pods = { 0 };

		np_targets(c, policy, dir, rule, &pods);
		val_for_each (pods.at.n ? val_get(rule, "ports") : NULL, p) {
			const struct val *at = val_get(p, "port");
			int64_t number = val_int(at, 0);
			bool also = false;
			struct finding *f;

			val_for_each (val_get(rule, "ports"), q) {
				also = also || (val_int(val_get(q, "port"), 0) == number &&
				                proto_of(q) == PROTO_UDP);
			}
			if (number <= 0 || number > UINT16_MAX || proto_of(p) != PROTO_TCP ||
			    also || any_has(&pods, (uint16_t)number, PROTO_TCP) ||
			    !any_has(&pods, (uint16_t)number, PROTO_UDP)) {
				continue;
			}
			f = check_found(c, policy,
			                val_get(p, "protocol") ? val_get(p, "protocol") : at,
			                "NetworkPolicy " SLICE_FMT
			                " opens TCP %lld%s, the pods listen on UDP %lld.",
			                SLICE_ARG(policy->name), (long long)number,
			                val_get(p, "protocol")
			                        ? ""
			                        : " (no protocol is written, and that means TCP)",
			                (long long)number);
			for (size_t i = 0; i < pods.at.n; i++) {
				const struct val *declared = pod_port_numbered(
					pods.at.at[i]->spec, (uint16_t)number, PROTO_UDP);

				if (declared) {
					finding_shows(c, f, pods.at.at[i]->object, declared,
					              "declares the port with protocol UDP.");
					break;
				}
			}
			if (val_get(p, "protocol")) {
				finding_replace(c, f, policy, val_get(p, "protocol"), "UDP");
			} else {
				finding_insert(c, f, policy, at, "protocol: UDP");
			}
		}
	}
}

void np_port_range(struct check *c)
{
	rule_of_each_policy(c, policy, dir, rule)
	{
		val_for_each (val_get(rule, "ports"), p) {
			const struct val *end = val_get(p, "endPort"), *port = val_get(p, "port");
			const char *why = !end    ? NULL
			                  : !port ? "stands without port"
			                  : port->type == VAL_STRING
			                          ? "stands beside a port by name"
			                  : val_int(end, 0) < val_int(port, 0) ? "is below port"
			                  : c->subject->profile->declared &&
			                                  !c->subject->profile->supports_end_port
			                          ? "is not known to this plug-in"
			                          : NULL;

			if (why) {
				(void)check_found(c, policy, end,
				                  "endPort %lld of NetworkPolicy " SLICE_FMT " %s.",
				                  (long long)val_int(end, 0),
				                  SLICE_ARG(policy->name), why);
			}
		}
	}
}
