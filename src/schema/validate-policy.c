/* Why: what policies of the whole cluster must obey beyond the tables: one way to say a thing at a
 * time, limits, and what cannot be enforced. Source: definitions of policy.networking.k8s.io */
#include "base/mem.h"
#include "schema/check.h"

enum {
	RULES_OLD_MAX = 100,
	RULES_MAX = 25,
	PEERS_OLD_MAX = 100,
	PEERS_MAX = 25,
	ADDRESSES_MAX = 25
};
enum { RULE_NAME_MAX = 100, CIDR_MAX = 43 };

static void check_at_most(struct checker *c, const char *sub, const struct val *list, size_t max)
{
	if (val_len(list) > max) {
		field_errors_add(
			c->wrong, list, "FieldValueTooMany",
			sub_path(c, "%s%s%s", strbuf_str(&c->path.text), *sub ? "." : "", sub),
			"Too many: %zu: must have at most %zu items", val_len(list), max);
	}
}

/* Exactly one member of the object. */
static void check_one(struct checker *c, const struct val *v)
{
	if (!val_len(v)) {
		bad_int(c, "", v, 0, "should have at least 1 properties");
	}
	check_at_most(c, "", v, 1);
}

/* ---- who ---- */

void check_cluster_policy_pods(struct checker *c, const struct val *v)
{
	check_one(c, v);
}

static bool is_label(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		bool alnum = (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
		             (s.p[i] >= '0' && s.p[i] <= '9');

		if (!alnum && (i == 0 || i + 1 == s.len || (s.p[i] != '-' && s.p[i] != '_'))) {
			return false;
		}
	}
	return s.len > 0;
}

/* "*." may stand in front, a dot at the end; two labels at least. */
static bool is_domain_name(struct slice name)
{
	struct slice label;
	size_t n = 0;

	if (name.len > 2 && name.p[0] == '*' && name.p[1] == '.') {
		name = slice_from(name, 2);
	}
	if (name.len && name.p[name.len - 1] == '.') {
		name.len--;
	}
	while (slice_next(&name, '.', &label)) {
		if (!is_label(label)) {
			return false;
		}
		n++;
	}
	return n > 1;
}

void check_cluster_policy_peer(struct checker *c, const struct val *v)
{
	const struct val *networks = val_get(v, "networks"), *names = val_get(v, "domainNames");
	size_t i = 0;

	check_one(c, v);
	check_at_most(c, "networks", networks, ADDRESSES_MAX);
	check_at_most(c, "domainNames", names, ADDRESSES_MAX);
	if ((networks && !val_len(networks)) || (names && !val_len(names))) {
		bad_int(c, networks ? "networks" : "domainNames", v, 0,
		        "should have at least 1 items");
	}
	val_for_each (networks, it) {
		if (val_str(it).len > CIDR_MAX) {
			bad_too_long(c, sub_path(c, "networks[%zu]", i), it, CIDR_MAX);
		}
		i++;
	}
	i = 0;
	val_for_each (names, it) {
		if (!is_domain_name(val_str(it))) {
			bad_value(c, sub_path(c, "domainNames[%zu]", i), it,
			          "must be a domain name of two labels or more, '*.' may stand in "
			          "front of it");
		}
		i++;
	}
}

/* ---- ports ---- */

void check_admin_policy_port(struct checker *c, const struct val *v)
{
	check_one(c, v);
}

void check_cluster_policy_protocol(struct checker *c, const struct val *v)
{
	check_one(c, v);
}

void check_cluster_policy_ports(struct checker *c, const struct val *v)
{
	check_one(c, v);
}

void check_cluster_policy_port(struct checker *c, const struct val *v)
{
	check_one(c, v);
}

void check_cluster_policy_range(struct checker *c, const struct val *v)
{
	if (val_int(val_get(v, "start"), 0) >= val_int(val_get(v, "end"), 0)) {
		bad_value(c, "", v, "Start port must be less than End port");
	}
}

/* ---- rules ---- */

static bool any_has(const struct val *list, const char *field)
{
	val_for_each (list, it) {
		if (val_get(it, field)) {
			return true;
		}
	}
	return false;
}

static void check_rule(struct checker *c, const struct val *v, const char *ports, size_t ports_max,
                       const char *named, const char *allow)
{
	const struct val *name = val_get(v, "name"), *to = val_get(v, "to");

	if (val_str(name).len > RULE_NAME_MAX) {
		bad_too_long(c, "name", name, RULE_NAME_MAX);
	}
	check_at_most(c, "from", val_get(v, "from"), ports_max);
	check_at_most(c, "to", to, ports_max);
	check_at_most(c, ports, val_get(v, ports), ports_max);
	if (any_has(val_get(v, ports), named) &&
	    (any_has(to, "networks") || any_has(to, "nodes") || any_has(to, "domainNames"))) {
		bad_value(c, "", v,
		          "networks/nodes/domainNames peer cannot be set with namedPorts since "
		          "there are no namedPorts for networks/nodes/domainNames");
	}
	if (any_has(to, "domainNames") && !slice_is(val_get_str(v, "action"), allow)) {
		bad_value(c, "", v, "domainNames peer may only be used in %s rules", allow);
	}
}

void check_admin_policy_rule(struct checker *c, const struct val *v)
{
	check_rule(c, v, "ports", PEERS_OLD_MAX, "namedPort", "Allow");
}

void check_cluster_policy_rule(struct checker *c, const struct val *v)
{
	check_rule(c, v, "protocols", PEERS_MAX, "destinationNamedPort", "Accept");
}

/* ---- policies ---- */

void check_admin_policy_spec(struct checker *c, const struct val *v)
{
	check_at_most(c, "ingress", val_get(v, "ingress"), RULES_OLD_MAX);
	check_at_most(c, "egress", val_get(v, "egress"), RULES_OLD_MAX);
}

void check_cluster_policy_spec(struct checker *c, const struct val *v)
{
	check_at_most(c, "ingress", val_get(v, "ingress"), RULES_MAX);
	check_at_most(c, "egress", val_get(v, "egress"), RULES_MAX);
}

void check_baseline_policy(struct checker *c, const struct val *v)
{
	if (!slice_is(val_str(val_path(v, "metadata.name")), "default")) {
		bad_value(c, "metadata.name", val_path(v, "metadata.name"),
		          "Only one baseline admin network policy with metadata.name=\"default\" "
		          "can be created in the cluster");
	}
}
