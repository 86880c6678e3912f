/* Why: databases and caches stand beside the cluster: a name, egress policy towards their subnets, security groups,
 * the engine's port. See path.h. Source: cloud-kinds.md 3. */
#include <stdlib.h>
#include <string.h>

#include "analyse/cloud.h"
#include "analyse/finding.h"
#include "analyse/path.h"
#include "base/mem.h"
#include "model/security-group.h"

#define PRIVATE_RANGE "10.0.2.0/23" /* the private subnets of the reference topology */

/* ---- what it is ---- */

struct slice path_managed_endpoint(const struct object *o)
{
	const struct val *status = val_get(o->v, "status");
	struct slice s = val_str(val_path(status, "endpoint.address"));
	const char *const more[] = { "configurationEndpoint.address", "endpoint" };

	for (size_t i = 0; i < ARRAY_SIZE(more) && !s.len; i++) {
		s = val_str(val_path(status, more[i]));
	}
	if (!s.len) {
		s = val_str(val_path(val_at(val_get(status, "cacheNodes"), 0), "endpoint.address"));
	}
	if (!s.len) {
		s = val_str(val_path(val_at(val_get(status, "nodeGroups"), 0),
		                     "primaryEndpoint.address"));
	}
	return s;
}

uint16_t path_managed_port(const struct object *o)
{
	struct slice engine = val_get_str(object_spec(o), "engine");
	int64_t port = val_int(val_get(object_spec(o), "port"), 0);

	if (port > 0 && port <= UINT16_MAX) {
		return (uint16_t)port;
	}
	if (o->id == OBJECT_CACHECLUSTER || o->id == OBJECT_REPLICATIONGROUP) {
		return slice_is(engine, "memcached") ? 11211 : 6379;
	}
	return memmem(engine.p, engine.len, "postgres", 8)    ? 5432
	       : slice_has_prefix(engine, SLICE("sqlserver")) ? 1433
	       : slice_has_prefix(engine, SLICE("oracle"))    ? 1521
	                                                      : 3306;
}

bool path_managed_ip(const struct subject *s, const struct object *o, struct ip *ret)
{
	(void)s;
	return ip_parse(object_annotation(o, HOST_ADDRESS_ANNOTATION), ret);
}

/* Pods leave the cluster under their node's address. */
static struct ip node_address(const struct subject *s)
{
	struct ip ip = ip_v4(0x0a00020a); /* 10.0.2.10: the reference topology's */

	object_each(s, OBJECT_NODE, node)
	{
		val_for_each (val_path(node->v, "status.addresses"), it) {
			if (slice_is(val_get_str(it, "type"), "InternalIP")) {
				(void)ip_parse(val_get_str(it, "address"), &ip);
			}
		}
	}
	return ip;
}

/* ---- security groups ---- */

struct group_walk {
	struct walk *w;
	struct explain_step *s;
	struct ip from;
	uint16_t port;
	bool any, admits;
};

static const struct object *group_by_id(const struct subject *s, struct slice id)
{
	object_each(s, OBJECT_SECURITYGROUP, o)
	{
		if (slice_eq(val_str(val_path(o->v, "status.id")), id)) {
			return o;
		}
	}
	return NULL;
}

/* Does the instance that runs here tell who its nodes are? Their groups are those with its cluster's tag then; from
 * files alone nobody knows what nodes will be in. */
static bool nodes_are_known(const struct subject *s)
{
	object_each(s, OBJECT_NODE, o)
	{
		if (slice_has_prefix(val_get_str(object_spec(o), "providerID"),
		                     SLICE(NODE_PROVIDER))) {
			return true;
		}
	}
	return false;
}

static bool rule_admits(const struct subject *s, const struct object *holder,
                        const struct val *rule, struct ip from)
{
	if (sg_rule_admits_ip(rule, from)) {
		return true;
	}
	if (!nodes_are_known(s)) {
		return sg_rule_names_groups(rule);
	}
	val_for_each (val_get(rule, "userIDGroupPairs"), pair) {
		const struct val *ref = val_get(pair, "groupRef");
		const struct object *named = ref ? cloud_ref(s, holder, ref, OBJECT_SECURITYGROUP)
		                                 : group_by_id(s, val_get_str(pair, "groupID"));

		if (named && cloud_has_tag_prefix(named, "kubernetes.io/cluster/")) {
			return true;
		}
	}
	return false;
}

static void ask_group(struct group_walk *g, const struct object *group)
{
	g->any = true;
	val_for_each (val_get(object_spec(group), "ingressRules"), rule) {
		int64_t from = val_int(val_get(rule, "fromPort"), 0),
			to = val_int(val_get(rule, "toPort"), 65535);
		bool port_ok = sg_rule_covers(rule, PROTO_TCP, g->port);
		bool ok = port_ok && rule_admits(g->w->s, group, rule, g->from);

		step_note(g->w, g->s, ok ? NOTE_DECIDED : NOTE_NEAR, group, rule,
		          "ports %lld-%lld %s", (long long)from, (long long)to,
		          ok        ? "from there are admitted"
		          : port_ok ? "are not admitted from there"
		                    : "do not include it");
		g->admits |= ok;
	}
}

static void security_groups(struct walk *w, struct explain_path *p, const struct object *o,
                            struct ip from, uint16_t port)
{
	const struct val *spec = object_spec(o);
	const char *const refs[] = { "vpcSecurityGroupRefs", "securityGroupRefs" };
	const char *const ids[] = { "vpcSecurityGroupIDs", "securityGroupIDs" };
	struct group_walk g = { .w = w, .from = from, .port = port };
	const struct object *missing = NULL, *group;

	g.s = path_step(w, p, EXPLAIN_GROUP, "its security groups admit TCP %u from the cluster",
	                port);
	for (size_t i = 0; i < ARRAY_SIZE(refs); i++) {
		val_for_each (val_get(spec, refs[i]), it) {
			struct slice name = val_str(val_path(it, "from.name")),
				     ns = val_str(val_path(it, "from.namespace"));

			group = subject_find(w->s, OBJECT_SECURITYGROUP, ns.len ? ns : o->ns, name);
			if (group) {
				ask_group(&g, group);
			} else {
				missing = o;
				step_note(w, g.s, NOTE_NEAR, o, it,
				          "SecurityGroup " SLICE_FMT " is not there",
				          SLICE_ARG(name));
			}
		}
		val_for_each (val_get(spec, ids[i]), it) {
			group = group_by_id(w->s, val_str(it));
			if (group) {
				ask_group(&g, group);
			} else {
				step_note(w, g.s, NOTE_FACT, o, it,
				          "group " SLICE_FMT " is not among the objects",
				          SLICE_ARG(val_str(it)));
				step_unsure(
					w, g.s,
					"A security group that is not among the objects decides.");
			}
		}
	}
	if (missing) {
		step_breaks(w, g.s, "LB019", "%s names a SecurityGroup that is not there.",
		            path_name_of(w, o));
		step_repair(w, g.s, "Make that SecurityGroup, or name an existing one.");
	} else if (g.any && !g.admits) {
		step_breaks(w, g.s, "LB006",
		            "No rule of its security groups admits TCP %u from the nodes.", port);
		step_repair(w, g.s,
		            "Add an ingress rule: ipProtocol tcp, fromPort and toPort %u, from the "
		            "nodes' subnets.",
		            port);
	} else if (!g.any && g.s->verdict != EXPLAIN_UNSURE) {
		step_note(w, g.s, NOTE_FACT, o, NULL, "it names none: the VPC's default group");
	}
}

/* ---- the way ---- */

/* Does the engine greet, or answer a word? */
static bool speaks(const struct object *o)
{
	struct slice engine = val_get_str(object_spec(o), "engine");

	return slice_is(engine, "mysql") || slice_is(engine, "mariadb") ||
	       slice_is(engine, "redis");
}

/* A range that is used twice has no way to the second. */
static void judge_ranges(struct walk *w, struct explain_step *s)
{
	object_each(w->s, OBJECT_EKSCLUSTER, cluster)
	{
		const struct val *at =
			val_path(cluster->v, "spec.kubernetesNetworkConfig.serviceIPv4CIDR");
		struct prefix services, range;

		if (!prefix_parse(val_str(at), &services)) {
			continue;
		}
		object_each(w->s, OBJECT_VPC, vpc)
		{
			val_for_each (val_get(object_spec(vpc), "cidrBlocks"), it) {
				if (prefix_parse(val_str(it), &range) &&
				    prefix_overlaps(range, services)) {
					step_note(w, s, NOTE_DECIDED, cluster, at,
					          "Services get " SLICE_FMT,
					          SLICE_ARG(val_str(at)));
					step_note(w, s, NOTE_DECIDED, vpc, it,
					          "the VPC has " SLICE_FMT, SLICE_ARG(val_str(it)));
					step_breaks(w, s, "LB008",
					            "The range of Services overlaps the "
					            "VPC's " SLICE_FMT ".",
					            SLICE_ARG(val_str(it)));
					step_repair(w, s,
					            "Give Services a range that nothing else uses, "
					            "such as 172.20.0.0/16.");
				}
			}
		}
	}
}

/* Towards its address; while that is not known, towards each subnet that may get it. */
static void to_subnets(struct walk *w, struct explain_path *p, const struct origin *from,
                       const struct path_end *e, uint16_t port)
{
	static const uint32_t likely[] = { 0x0a000214, 0x0a000314 }; /* 10.0.2.20, 10.0.3.20 */
	char text[IP_TEXT_SIZE];
	struct ip ip;
	bool known = path_managed_ip(w->s, e->managed, &ip);
	struct explain_step *s = NULL;

	for (size_t i = 0;
	     i < (known ? 1 : ARRAY_SIZE(likely)) && (!s || s->verdict != EXPLAIN_BROKEN); i++) {
		ip = known ? ip : ip_v4(likely[i]);
		p->steps.n -= s != NULL; /* the one that passed says no more than the next */
		s = path_egress(w, p, from, ip, PROTO_TCP, port);
		if (!s) {
			return;
		}
		s->probe = (struct explain_probe){ .type = PROBE_PASSAGE,
			                           .place = AT_SOURCE,
			                           .from = from->workload,
			                           .managed = e->managed,
			                           .proto = PROTO_TCP,
			                           .port = port };
		if (!known) {
			step_note(w, s, NOTE_FACT, NULL, NULL,
			          "judged for %s, in the private subnets: its own address is made "
			          "with it",
			          ip_format(ip, text));
		}
		ip = (struct ip){ 0 };
	}
	if (!known && s->repair) {
		s->repair =
			arena_printf(&w->x->arena,
		                     "Add to the spec of a NetworkPolicy that selects "
		                     "%s:\negress:\n- to:\n  - ipBlock:\n"
		                     "      cidr: %s # the subnets it is in\n  ports:\n  - "
		                     "protocol: TCP\n    port: %u",
		                     path_name_of(w, from->workload->object), PRIVATE_RANGE, port);
	}
}

/* Its address: resolve, then egress; the connection leaves the cluster as the node. */
void path_managed(struct walk *w, struct explain_path *p, const struct origin *from,
                  const struct path_end *e)
{
	const struct object *o = e->managed;
	uint16_t own = path_managed_port(o), port = e->port ? e->port : own;
	struct explain_step *s;

	path_config(w, p, from, e, own);
	path_resolve(w, p, from, e);
	to_subnets(w, p, from, e, port);
	s = path_step(w, p, EXPLAIN_ROUTE, "the VPC leads to the subnets of %s",
	              path_name_of(w, o));
	judge_ranges(w, s);
	if (from->is_outside && !val_bool(val_get(object_spec(o), "publiclyAccessible"), false)) {
		step_breaks(w, s, NULL, "%s is in private subnets and not publicly accessible.",
		            path_name_of(w, o));
		step_repair(w, s, "Connect from inside the VPC.");
	}
	security_groups(w, p, o, from->workload ? node_address(w->s) : from->ip, port);
	s = path_step(w, p, EXPLAIN_DATABASE, "%s listens on %u", path_name_of(w, o), own);
	step_note(w, s, NOTE_DECIDED, o,
	          val_get(object_spec(o), val_get(object_spec(o), "port") ? "port" : "engine"),
	          "port %u", own);
	s->probe = (struct explain_probe){ .type = PROBE_CONNECT,
		                           .place = AT_NODE,
		                           .managed = o,
		                           .proto = PROTO_TCP,
		                           .port = port };
	if (from->workload) {
		p->whole = s->probe;
		p->whole.type = speaks(o) ? PROBE_GREETING : PROBE_CONNECT;
		p->whole.place = AT_SOURCE;
		p->whole.from = from->workload;
	}
	if (port != own) {
		step_breaks(w, s, "SVC007", "%s listens on %u, not on %u.", path_name_of(w, o), own,
		            port);
		step_repair(w, s, "Ask port %u.", own);
	}
}
