/* Why: LB, the part about cloud objects: subnets, routes, security groups, ranges, references among them. */
#include "analyse/check-lb.h"
#include "analyse/cloud.h"
#include "analyse/family.h"
#include "analyse/front.h"
#include "analyse/nearest.h"

enum {
	NODE_PORT_FIRST = 30000,
	NODE_PORT_LAST = 32767,
	EPHEMERAL_FIRST = 32768, /* of Linux; 1024 on is what balancers and NAT gateways use */
	EPHEMERAL_LAST = 60999,
	RESERVED_PER_SUBNET = 5, /* first four addresses and the last */
	SUBNETS_MAX = 64,
};

/* ---- whose subnets ---- */

static bool list_names(const struct subject *s, enum object_kind id, const char *under,
                       const struct object *subnet)
{
	object_each(s, id, o)
	{
		scoped_cloud_list struct cloud_list l = { 0 };
		const struct val *spec = *under ? val_get(object_spec(o), under) : object_spec(o);

		cloud_links(s, o, spec, "subnetRefs", "subnetIDs", "subnetID", OBJECT_SUBNET, &l);
		for (size_t i = 0; i < l.at.n; i++) {
			if (l.at.at[i] == subnet) {
				return true;
			}
		}
	}
	return false;
}

static bool is_public(const struct subject *s, const struct object *subnet)
{
	const struct object *table;

	return val_bool(val_get(object_spec(subnet), "mapPublicIPOnLaunch"), false) ||
	       cloud_way_out(s, subnet, &table, NULL) == ROUTE_INTERNET;
}

/* Do nodes stand in it, as far as the set tells? */
static bool has_workers(const struct subject *s, const struct object *subnet)
{
	return list_names(s, OBJECT_EKSNODEGROUP, "", subnet) ||
	       list_names(s, OBJECT_EKSCLUSTER, "resourcesVPCConfig", subnet) ||
	       cloud_has_tag(subnet, "kubernetes.io/role/internal-elb") ||
	       cloud_has_tag_prefix(subnet, "kubernetes.io/cluster/");
}

static void show_text(struct check *c, struct finding *f, const struct object *o,
                      const struct val *at, const struct val *rule)
{
	scoped_strbuf struct strbuf b = { 0 };

	sg_rule_text(&b, rule);
	finding_shows(c, f, o, at, "it admits %s.", strbuf_str(&b));
}

static void show_rules(struct check *c, struct finding *f, const struct object *group)
{
	const struct val *rules = val_get(object_spec(group), "ingressRules");

	val_for_each (rules, r) {
		show_text(c, f, group, val_get(r, "ipProtocol"), r);
	}
	if (!val_len(rules)) {
		finding_shows(c, f, group, NULL, "it has no ingressRules: nothing may come in.");
	}
}

/* ---- LB002 ---- */

static bool fits(const struct subject *s, const struct object *subnet, bool internet)
{
	const struct object *table;
	enum route_target out = cloud_way_out(s, subnet, &table, NULL);

	return cloud_has_tag(subnet, internet ? "kubernetes.io/role/elb"
	                                      : "kubernetes.io/role/internal-elb") ||
	       out == ROUTE_UNKNOWN || (internet ? out == ROUTE_INTERNET : out != ROUTE_INTERNET);
}

static void needs_subnets(struct check *c, const struct object *o, const struct val *at,
                          bool internet, size_t zones_needed)
{
	struct slice zones[SUBNETS_MAX];
	size_t n_zones = 0, n_fit = 0;

	object_each(c->subject, OBJECT_SUBNET, subnet)
	{
		struct slice zone = val_get_str(object_spec(subnet), "availabilityZone");
		bool seen = false;

		zone = zone.len ? zone : val_get_str(object_spec(subnet), "availabilityZoneID");
		if (!fits(c->subject, subnet, internet)) {
			continue;
		}
		n_fit++;
		for (size_t i = 0; i < n_zones; i++) {
			seen = seen || slice_eq(zones[i], zone);
		}
		if (!zone.len || n_zones == SUBNETS_MAX) {
			return; /* not known where it is */
		}
		if (!seen) {
			zones[n_zones++] = zone;
		}
	}
	if (n_zones < zones_needed) {
		struct finding *f = check_found(
			c, o, at,
			"No subnet%s of the set is fit for the %s load balancer of " OBJECT_FMT
			"%s.",
			n_fit ? " but those of one zone" : "",
			internet ? "internet-facing" : "internal", OBJECT_ARG(o),
			n_fit ? ", which needs two zones" : "");

		object_each(c->subject, OBJECT_SUBNET, subnet)
		{
			finding_shows(
				c, f, subnet, NULL, "%s, %s.",
				is_public(c->subject, subnet) ? "routed to the internet gateway"
							      : "private",
				fits(c->subject, subnet, internet) ? "fit" : "without the tag");
		}
		finding_repair(c, f, "Tag subnets in %zu zone%s with kubernetes.io/role/%s: \"1\".",
		               zones_needed, zones_needed > 1 ? "s" : "",
		               internet ? "elb" : "internal-elb");
	}
}

void lb002(struct check *c)
{
	if (!c->subject->n[OBJECT_SUBNET]) {
		return;
	}
	written_each(c->subject, OBJECT_INGRESS, ingress)
	{
		if (ingress_is_alb(c->subject, ingress) &&
		    !alb_setting(c->subject, ingress, NULL, "subnets").len) {
			needs_subnets(c, ingress, val_get(object_spec(ingress), "ingressClassName"),
			              slice_is(alb_setting(c->subject, ingress, NULL, "scheme"),
			                       "internet-facing"),
			              2);
		}
	}
	for (size_t i = 0; i < c->subject->services.n; i++) {
		const struct svc *x = c->subject->services.at[i];

		if (svc_is_nlb(x) && !x->object->assumed && !nlb_setting(x, "subnets").len) {
			needs_subnets(c, x->object, val_get(object_spec(x->object), "type"),
			              slice_is(nlb_setting(x, "scheme"), "internet-facing"), 1);
		}
	}
}

/* ---- LB005 ---- */

static bool has_name_tag(const struct object *o, struct slice name)
{
	val_for_each (val_get(object_spec(o), "tags"), t) {
		if (slice_is(val_get_str(t, "key"), "Name") &&
		    slice_eq(val_get_str(t, "value"), name)) {
			return true;
		}
	}
	return false;
}

static const struct object *group_called(const struct subject *s, struct slice name)
{
	object_each(s, OBJECT_SECURITYGROUP, o)
	{
		if (name.len &&
		    (slice_eq(val_get_str(object_spec(o), "name"), name) || has_name_tag(o, name) ||
		     slice_eq(val_str(val_path(o->v, "status.id")), name))) {
			return o;
		}
	}
	return NULL;
}

static bool admits_ports(const struct subject *s, const struct object *group,
                         const struct object *balancer, uint16_t first, uint16_t last,
                         bool *names_it)
{
	bool admits = false;

	val_for_each (val_get(object_spec(group), "ingressRules"), r) {
		if (sg_rule_admits_group(s, group, r, balancer)) {
			*names_it = true;
			admits = admits || (sg_rule_covers(r, PROTO_TCP, first) &&
			                    sg_rule_covers(r, PROTO_TCP, last));
		}
	}
	return admits;
}

/* Some group lets the balancer's in, so it is that of the targets; none does it on the ports that are used. */
static void closed_to_balancer(struct check *c, const struct object *front, struct slice groups,
                               uint16_t first, uint16_t last)
{
	const struct object *balancer, *closed = NULL;
	struct slice name;
	struct finding *f;

	while (slice_next(&groups, ',', &name)) {
		balancer = group_called(c->subject, slice_trim(name));
		if (!balancer) {
			return;
		}
		object_each(c->subject, OBJECT_SECURITYGROUP, group)
		{
			bool names_it = false;

			if (admits_ports(c->subject, group, balancer, first, last, &names_it)) {
				return;
			}
			closed = names_it ? group : closed;
		}
	}
	if (!closed) {
		return;
	}
	f = check_found(c, closed, val_get(object_spec(closed), "ingressRules"),
	                "SecurityGroup " SLICE_FMT
	                " does not admit the load balancer of " OBJECT_FMT " to port %u%s.",
	                SLICE_ARG(closed->name), OBJECT_ARG(front), first,
	                first != last ? "-32767, the node ports it sends to" : " of its targets");
	show_rules(c, f, closed);
	finding_repair(c, f, "Admit the balancer's group on tcp %u-%u.", first, last);
}

static void lb005_alb(struct check *c, const struct object *ingress)
{
	struct slice groups = alb_setting(c->subject, ingress, NULL, "security-groups");
	scoped_ingress_paths struct ingress_paths paths = { 0 };

	if (!groups.len ||
	    slice_is(alb_setting(c->subject, ingress, NULL, "manage-backend-security-group-rules"),
	             "true")) {
		return;
	}
	ingress_paths_read(c->subject, ingress, &paths);
	for (size_t i = 0; i < paths.all.n; i++) {
		const struct ingress_path *p = &paths.all.at[i];
		bool ip = p->svc && alb_targets_ip(c->subject, ingress, p->svc->object);
		uint16_t port =
			p->port && p->svc->n_pods ? svc_port_target(p->port, p->svc->pods[0]) : 0;

		if (p->port && (!ip || port)) {
			closed_to_balancer(c, ingress, groups, ip ? port : NODE_PORT_FIRST,
			                   ip ? port : NODE_PORT_LAST);
			return;
		}
	}
}

void lb005(struct check *c)
{
	written_each(c->subject, OBJECT_INGRESS, ingress)
	{
		if (ingress_is_alb(c->subject, ingress)) {
			lb005_alb(c, ingress);
		}
	}
	for (size_t i = 0; i < c->subject->services.n; i++) {
		const struct svc *x = c->subject->services.at[i];
		struct slice groups = nlb_setting(x, "security-groups");
		bool ip = nlb_targets_ip(x);
		uint16_t port =
			x->n_ports && x->n_pods ? svc_port_target(&x->ports[0], x->pods[0]) : 0;

		if (svc_is_nlb(x) && groups.len && (!ip || port) &&
		    !slice_is(nlb_setting(x, "manage-backend-security-group-rules"), "true")) {
			closed_to_balancer(c, x->object, groups, ip ? port : NODE_PORT_FIRST,
			                   ip ? port : NODE_PORT_LAST);
		}
	}
}

/* ---- LB006 ---- */

/* May anybody be a worker with an address the rule admits? */
static enum answer admits_workers(struct subject *s, const struct object *group,
                                  const struct val *rule)
{
	const struct object *vpc = cloud_vpc(s, group);
	enum answer known = ANSWER_UNKNOWN;
	struct prefix net;

	if (sg_rule_names_groups(rule)) {
		return ANSWER_YES;
	}
	object_each(s, OBJECT_SUBNET, subnet)
	{
		if (has_workers(s, subnet) && cloud_subnet_range(subnet, &net)) {
			if (sg_rule_admits_net(rule, net)) {
				return ANSWER_YES;
			}
			known = ANSWER_NO;
		}
	}
	if (known == ANSWER_NO) {
		return known;
	}
	val_for_each (vpc ? val_get(object_spec(vpc), "cidrBlocks") : NULL, cidr) {
		if (!prefix_parse(val_str(cidr), &net) || sg_rule_admits_net(rule, net)) {
			return ANSWER_YES;
		}
		known = ANSWER_NO;
	}
	if (known == ANSWER_UNKNOWN && s->profile->declared && s->profile->on_aws &&
	    prefix_parse(slice_of(s->profile->node_cidr), &net)) {
		return sg_rule_admits_net(rule, net) ? ANSWER_YES : ANSWER_UNKNOWN;
	}
	return known;
}

/* The last rule that covers the port, though not from workers; *ret_open: somebody may be let in. */
static const struct val *rule_for_port(struct check *c, const struct cloud_list *groups,
                                       uint16_t port, bool *ret_open)
{
	const struct val *last = NULL;

	*ret_open = false;
	for (size_t i = 0; i < groups->at.n; i++) {
		val_for_each (val_get(object_spec(groups->at.at[i]), "ingressRules"), r) {
			if (sg_rule_covers(r, PROTO_TCP, port)) {
				last = r;
				*ret_open = *ret_open || sg_rule_is_open(r) ||
				            admits_workers(c->subject, groups->at.at[i], r) !=
				                    ANSWER_NO;
			}
		}
	}
	return last;
}

static void store_is_reachable(struct check *c, const struct object *store)
{
	scoped_cloud_list struct cloud_list groups = { 0 };
	uint16_t port = cloud_store_port(store);
	const struct val *rule;
	struct finding *f;
	bool open;

	cloud_store_groups(c->subject, store, &groups);
	if (!port || !groups.at.n || !groups.complete) {
		return;
	}
	rule = rule_for_port(c, &groups, port, &open);
	if (open || (rule && val_bool(val_get(object_spec(store), "publiclyAccessible"), false))) {
		return; /* to a public address workers come from that of their NAT gateway */
	}
	f = check_found(c, groups.at.at[0],
	                rule ? rule : val_get(object_spec(groups.at.at[0]), "ingressRules"),
	                rule ? "SecurityGroup " SLICE_FMT " admits port %u of " OBJECT_FMT
	                       " only from ranges in which no worker is."
	                     : "SecurityGroup " SLICE_FMT " does not admit port %u of " OBJECT_FMT
	                       ".",
	                SLICE_ARG(groups.at.at[0]->name), port, OBJECT_ARG(store));
	finding_shows(c, f, store, NULL, "its groups decide who may connect.");
	for (size_t i = 0; i < groups.at.n; i++) {
		show_rules(c, f, groups.at.at[i]);
	}
	finding_repair(c, f, "Admit tcp %u from the workers' group or subnets.", port);
}

void lb006(struct check *c)
{
	for (const enum object_kind *id = cloud_stores; *id != OBJECT_OTHER; id++) {
		written_each(c->subject, *id, store)
		{
			store_is_reachable(c, store);
		}
	}
}

/* ---- LB007 ---- */

static const struct object *cluster_subnet(const struct subject *s)
{
	object_each(s, OBJECT_SUBNET, subnet)
	{
		if (list_names(s, OBJECT_EKSNODEGROUP, "", subnet) ||
		    list_names(s, OBJECT_EKSCLUSTER, "resourcesVPCConfig", subnet)) {
			return subnet;
		}
	}
	return NULL;
}

static bool route_there(const struct subject *s, const struct object *from,
                        const struct object *vpc)
{
	val_for_each (val_get(object_spec(vpc), "cidrBlocks"), cidr) {
		struct prefix net;

		if (!prefix_parse(val_str(cidr), &net) ||
		    cloud_routes_to(s, from, net) != ANSWER_NO) {
			return true;
		}
	}
	return false;
}

static void other_network(struct check *c, const struct object *store, const struct object *subnet)
{
	const struct object *workers = cluster_subnet(c->subject);
	const struct object *here = workers ? cloud_vpc(c->subject, workers) : NULL,
			    *there = cloud_vpc(c->subject, subnet);
	struct finding *f;

	if (!here || !there || here == there ||
	    (route_there(c->subject, workers, there) && route_there(c->subject, subnet, here))) {
		return;
	}
	f = check_found(c, store, NULL,
	                OBJECT_FMT " is in VPC " SLICE_FMT ", the cluster is in VPC " SLICE_FMT
	                           ", and no route leads %s.",
	                OBJECT_ARG(store), SLICE_ARG(there->name), SLICE_ARG(here->name),
	                route_there(c->subject, workers, there) ? "back" : "there");
	finding_shows(c, f, subnet, NULL, "a subnet of the database.");
	finding_shows(c, f, workers, NULL, "a subnet of the cluster.");
}

static void one_network(struct check *c, const struct object *store)
{
	scoped_cloud_list struct cloud_list subnets = { 0 }, groups = { 0 };
	const struct object *vpc;

	cloud_store_subnets(c->subject, store, &subnets);
	cloud_store_groups(c->subject, store, &groups);
	vpc = subnets.at.n ? cloud_vpc(c->subject, subnets.at.at[0]) : NULL;
	if (!vpc) {
		return;
	}
	for (size_t i = 1; i < subnets.at.n; i++) {
		const struct object *other = cloud_vpc(c->subject, subnets.at.at[i]);

		if (other && other != vpc) {
			check_found(c, subnets.at.at[i],
			            val_get(object_spec(subnets.at.at[i]), "vpcRef"),
			            "The subnets of " OBJECT_FMT " belong to two VPCs, " SLICE_FMT
			            " and " SLICE_FMT ".",
			            OBJECT_ARG(store), SLICE_ARG(vpc->name),
			            SLICE_ARG(other->name));
			return;
		}
	}
	for (size_t i = 0; i < groups.at.n; i++) {
		const struct object *other = cloud_vpc(c->subject, groups.at.at[i]);

		if (other && other != vpc) {
			check_found(c, groups.at.at[i],
			            val_get(object_spec(groups.at.at[i]), "vpcRef"),
			            "SecurityGroup " SLICE_FMT " belongs to VPC " SLICE_FMT
			            ", the subnets of " OBJECT_FMT " to VPC " SLICE_FMT ".",
			            SLICE_ARG(groups.at.at[i]->name), SLICE_ARG(other->name),
			            OBJECT_ARG(store), SLICE_ARG(vpc->name));
			return;
		}
	}
	other_network(c, store, subnets.at.at[0]);
}

void lb007(struct check *c)
{
	for (const enum object_kind *id = cloud_stores; *id != OBJECT_OTHER; id++) {
		written_each(c->subject, *id, store)
		{
			one_network(c, store);
		}
	}
}

/* ---- LB009 ---- */

static bool is_tcp(const struct val *entry)
{
	struct slice p = val_get_str(entry, "protocol");

	return slice_is(p, "-1") || slice_is(p, "6") || slice_is(p, "tcp");
}

static bool covers_answers(const struct val *entry)
{
	const struct val *range = val_get(entry, "portRange");

	return slice_is(val_get_str(entry, "protocol"), "-1") || !range ||
	       (val_int(val_get(range, "from"), 0) <= EPHEMERAL_FIRST &&
	        val_int(val_get(range, "to"), 0) >= EPHEMERAL_LAST);
}

/* Is there a rule for answers to what the entry admits? */
static bool answers_pass(const struct object *acl, const struct val *entry)
{
	bool egress = val_bool(val_get(entry, "egress"), false);
	struct prefix from, to;

	if (!prefix_parse(val_get_str(entry, "cidrBlock"), &from)) {
		return true; /* IPv6 */
	}
	val_for_each (val_get(object_spec(acl), "entries"), e) {
		if (val_bool(val_get(e, "egress"), false) != egress &&
		    slice_is(val_get_str(e, "ruleAction"), "allow") && is_tcp(e) &&
		    covers_answers(e) && prefix_parse(val_get_str(e, "cidrBlock"), &to) &&
		    prefix_overlaps(from, to)) {
			return true;
		}
	}
	return false;
}

void lb009(struct check *c)
{
	written_each(c->subject, OBJECT_NETWORKACL, acl)
	{
		val_for_each (val_get(object_spec(acl), "entries"), e) {
			bool egress = val_bool(val_get(e, "egress"), false);
			struct finding *f;

			/* an entry that only lets answers through asks for none itself */
			if (!slice_is(val_get_str(e, "ruleAction"), "allow") || !is_tcp(e) ||
			    val_int(val_path(e, "portRange.from"), 0) >= 1024 ||
			    answers_pass(acl, e)) {
				continue;
			}
			f = check_found(
				c, acl,
				val_get(e, "ruleNumber") ? val_get(e, "ruleNumber")
							 : val_get(e, "protocol"),
				"NetworkACL " SLICE_FMT " lets connections %s, but not their "
				"answers %s: no entry allows ports "
				"%d-%d %s.",
				SLICE_ARG(acl->name), egress ? "out" : "in", egress ? "in" : "out",
				EPHEMERAL_FIRST, EPHEMERAL_LAST, egress ? "in" : "out");
			finding_repair(c, f,
			               "Add an entry that allows tcp 1024-65535 %s " SLICE_FMT ".",
			               egress ? "in from" : "out to",
			               SLICE_ARG(val_get_str(e, "cidrBlock")));
			break;
		}
	}
}

/* ---- LB015 ---- */

/* A network made to live without the internet has endpoints for images. */
static bool has_endpoints(const struct subject *s, const struct object *vpc)
{
	object_each(s, OBJECT_VPCENDPOINT, o)
	{
		if ((!vpc || cloud_vpc(s, o) == vpc) &&
		    strstr(val_cstr(val_get(object_spec(o), "serviceName")), ".ecr.")) {
			return true;
		}
	}
	return false;
}

static void through_nat(struct check *c, const struct object *subnet, const struct object *table,
                        const struct val *route)
{
	const struct object *nat = cloud_ref(c->subject, table, val_get(route, "natGatewayRef"),
	                                     OBJECT_NATGATEWAY),
			    *other;
	scoped_cloud_list struct cloud_list at = { 0 };
	enum route_target out;
	struct finding *f;

	if (!nat || slice_is(val_get_str(object_spec(nat), "connectivityType"), "private")) {
		return;
	}
	cloud_links(c->subject, nat, object_spec(nat), "subnetRef", "subnetID", "subnetID",
	            OBJECT_SUBNET, &at);
	out = at.at.n ? cloud_way_out(c->subject, at.at.at[0], &other, NULL) : ROUTE_UNKNOWN;
	if (out != ROUTE_NONE && out != ROUTE_NAT) {
		return;
	}
	f = check_found(c, nat, val_get(object_spec(nat), "subnetRef"),
	                "NATGateway " SLICE_FMT " stands in subnet " SLICE_FMT
	                ", which itself has no route to an internet gateway.",
	                SLICE_ARG(nat->name), SLICE_ARG(at.at.at[0]->name));
	finding_shows(c, f, subnet, NULL, "this subnet's way out leads through it.");
	finding_repair(c, f, "Put the NAT gateway into a public subnet.");
}

void lb015(struct check *c)
{
	written_each(c->subject, OBJECT_SUBNET, subnet)
	{
		const struct object *table;
		const struct val *route;
		enum route_target out;
		struct finding *f;

		if (!has_workers(c->subject, subnet)) {
			continue;
		}
		out = cloud_way_out(c->subject, subnet, &table, &route);
		if (out == ROUTE_NAT) {
			through_nat(c, subnet, table, route);
		}
		if (out != ROUTE_NONE || has_endpoints(c->subject, cloud_vpc(c->subject, subnet))) {
			continue;
		}
		f = check_found(c, table ? table : subnet,
		                table ? val_get(object_spec(table), "routes") : NULL,
		                "Subnet " SLICE_FMT " has no way out: %s" SLICE_FMT
		                " has no route for 0.0.0.0/0.",
		                SLICE_ARG(subnet->name),
		                table ? "RouteTable " : "it has no route table, and the main one",
		                SLICE_ARG(table ? table->name : SLICE("")));
		finding_shows(c, f, subnet, val_get(object_spec(subnet), "routeTableRefs"),
		              "workers stand in this subnet.");
		object_each(c->subject, OBJECT_NATGATEWAY, nat)
		{
			finding_shows(c, f, nat, NULL, "there is a NAT gateway.");
		}
		finding_repair(c, f,
		               "Add a route for 0.0.0.0/0 to a NAT gateway, or interface endpoints "
		               "for what is needed.");
	}
}

/* ---- LB016 ---- */

static int64_t most_pods(const struct subject *s)
{
	int64_t n = 0;

	for (size_t i = 0; i < s->workloads.n; i++) {
		const struct workload *w = s->workloads.at[i];

		if (!w->host_network && !w->ends) {
			n += w->replicas_max > w->replicas ? w->replicas_max : w->replicas;
		}
	}
	return n;
}

void lb016(struct check *c)
{
	const struct object *first = NULL;
	int64_t room = 0, need = most_pods(c->subject);
	struct finding *f;

	written_each(c->subject, OBJECT_SUBNET, subnet)
	{
		struct prefix net;

		if (has_workers(c->subject, subnet)) {
			if (!cloud_subnet_range(subnet, &net) || net.ip.family != IP_V4) {
				return;
			}
			first = first ? first : subnet;
			room += ((int64_t)1 << (32 - net.len)) - RESERVED_PER_SUBNET;
		}
	}
	if (!c->subject->profile->on_aws || !first || need <= room) {
		return;
	}
	f = check_found(
		c, first, val_get(object_spec(first), "cidrBlock"),
		"The workers' subnets have %lld addresses, the workloads may grow to %lld pods.",
		(long long)room, (long long)need);
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];

		if (w->replicas_max * 10 > need && !w->object->assumed) {
			finding_shows(c, f, w->autoscaler ? w->autoscaler : w->object, NULL,
			              "up to %lld pods.", (long long)w->replicas_max);
		}
	}
}

/* ---- LB017 ---- */

static bool lets_dns_out(const struct object *group)
{
	val_for_each (val_get(object_spec(group), "egressRules"), r) {
		if (sg_rule_covers(r, PROTO_UDP, 53)) {
			return true;
		}
	}
	return false;
}

static bool lets_in(const struct cloud_list *groups, uint16_t port)
{
	for (size_t i = 0; i < groups->at.n; i++) {
		val_for_each (val_get(object_spec(groups->at.at[i]), "ingressRules"), r) {
			if (sg_rule_covers(r, PROTO_TCP, port)) {
				return true;
			}
		}
	}
	return false;
}

static uint16_t probe_port(const struct workload *w)
{
	container_each(w->spec, k)
	{
		const struct val *probe = val_get(k, "readinessProbe");
		const struct val *port = val_path(probe, "httpGet.port")
		                                 ? val_path(probe, "httpGet.port")
		                                 : val_path(probe, "tcpSocket.port");
		int64_t number = val_int(port, 0);

		if (port && port->type == VAL_STRING) {
			number = val_int(
				val_get(pod_port_named(w->spec, val_str(port), 0), "containerPort"),
				0);
		}
		if (number > 0 && number <= UINT16_MAX) {
			return (uint16_t)number;
		}
	}
	return 0;
}

static void own_group(struct check *c, const struct object *policy, const struct cloud_list *groups,
                      const struct workload *w)
{
	uint16_t port = probe_port(w);
	struct finding *f;
	bool dns = false;

	for (size_t i = 0; i < groups->at.n; i++) {
		dns = dns || lets_dns_out(groups->at.at[i]);
	}
	if (!dns) {
		f = check_found(c, groups->at.at[0],
		                val_get(object_spec(groups->at.at[0]), "egressRules"),
		                "SecurityGroup " SLICE_FMT ", which pods of " OBJECT_FMT
		                " get, lets no DNS out (UDP 53).",
		                SLICE_ARG(groups->at.at[0]->name), OBJECT_ARG(w->object));
		finding_shows(c, f, policy, NULL, "it gives the group to these pods.");
	}
	if (port && !lets_in(groups, port)) {
		f = check_found(c, groups->at.at[0],
		                val_get(object_spec(groups->at.at[0]), "ingressRules"),
		                "SecurityGroup " SLICE_FMT ", which pods of " OBJECT_FMT
		                " get, does not admit the probe on port %u.",
		                SLICE_ARG(groups->at.at[0]->name), OBJECT_ARG(w->object), port);
		finding_shows(c, f, policy, NULL, "it gives the group to these pods.");
	}
}

void lb017(struct check *c)
{
	written_each(c->subject, OBJECT_SECURITYGROUPPOLICY, policy)
	{
		const struct val *selector = val_get(object_spec(policy), "podSelector");
		const struct space *space = subject_space(c->subject, policy->ns);
		scoped_cloud_list struct cloud_list groups = { 0 };
		scoped_selection struct selection pods = { 0 };

		cloud_links(c->subject, policy, val_get(object_spec(policy), "securityGroups"),
		            "groupRefs", "groupIds", "id", OBJECT_SECURITYGROUP, &groups);
		if (!space || !selector || !groups.at.n || !groups.complete) {
			continue;
		}
		subject_select_object(c->subject, space, selector, &pods);
		if (pods.at.n) {
			own_group(c, policy, &groups, pods.at.at[0]);
		}
	}
}

/* ---- LB020 ---- */

void lb020(struct check *c)
{
	written_each(c->subject, OBJECT_DBINSTANCE, store)
	{
		const struct val *public = val_get(object_spec(store), "publiclyAccessible");
		scoped_cloud_list struct cloud_list groups = { 0 };

		cloud_store_groups(c->subject, store, &groups);
		for (size_t i = 0; val_bool(public, false) && i < groups.at.n; i++) {
			val_for_each (val_get(object_spec(groups.at.at[i]), "ingressRules"), r) {
				if (sg_rule_covers(r, PROTO_TCP, cloud_store_port(store)) &&
				    sg_rule_is_open(r)) {
					struct finding *f = check_found(
						c, store, public,
						OBJECT_FMT " has a public address, and "
							   "SecurityGroup " SLICE_FMT
							   " admits everybody to its port %u.",
						OBJECT_ARG(store), SLICE_ARG(groups.at.at[i]->name),
						cloud_store_port(store));

					show_text(c, f, groups.at.at[i], r, r);
					break;
				}
			}
		}
	}
}
