#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/yaml.h"
#include "model/vpc.h"

/* An object in flow style: kind, name, what is in its status, its spec. */
static void put(struct vpc *v, const char *kind, const char *name, const char *status,
                const char *spec)
{
	bool is_cache = strcmp(kind, "CacheCluster") == 0;
	scoped_free char *text =
		mem_printf("{apiVersion: %s/v1alpha1, kind: %s, metadata: {name: %s, namespace: n, "
	                   "uid: %s-%s, "
	                   "annotations: {%s}}, status: {%s}, spec: {%s}}",
	                   is_cache ? "elasticache.services.k8s.aws" : "ec2.services.k8s.aws", kind,
	                   name, kind, name, is_cache ? status : "", is_cache ? "" : status, spec);
	struct doc *d = doc_new();
	struct err err = { 0 };

	if (yaml_parse(&d->arena, slice_of(text), &d->root, &err) < 0) {
		fail_msg("%s: %s", text, err.msg);
	}
	vpc_put(v, d);
	doc_unref(d);
}

#define VPC_REF     "vpcRef: {from: {name: main}}"
#define TABLE(t)    "routeTableRefs: [{from: {name: " t "}}]"
#define ROUTE(c, t) "{destinationCIDRBlock: " c ", " t "}"

/* A public and a private subnet with what the textbook puts between them. */
static int setup(void **state)
{
	struct vpc *v = vpc_new();

	put(v, "VPC", "main", "vpcID: vpc-1", "cidrBlocks: [10.0.0.0/16, 10.9.0.0/24]");
	put(v, "InternetGateway", "igw", "internetGatewayID: igw-1", VPC_REF);
	put(v, "RouteTable", "public", "routeTableID: rtb-1",
	    VPC_REF ", routes: [" ROUTE("0.0.0.0/0", "gatewayRef: {from: {name: igw}}") "]");
	put(v, "Subnet", "public", "subnetID: subnet-1",
	    VPC_REF ", cidrBlock: 10.0.0.0/24, " TABLE("public"));
	put(v, "NATGateway", "nat", "natGatewayID: nat-1, state: available",
	    "subnetRef: {from: {name: public}}");
	put(v, "RouteTable", "private", "routeTableID: rtb-2",
	    VPC_REF ", routes: [" ROUTE("0.0.0.0/0", "natGatewayID: nat-1") ", " ROUTE(
		    "203.0.113.0/24", "natGatewayID: nat-gone") "]");
	put(v, "Subnet", "private", "subnetID: subnet-2",
	    VPC_REF ", cidrBlock: 10.0.2.0/24, " TABLE("private"));
	put(v, "Subnet", "lonely", "subnetID: subnet-3", VPC_REF ", cidrBlock: 10.0.3.0/24");
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	vpc_free(*state);
	return 0;
}

static const struct val *subnet(const struct vpc *v, const char *id)
{
	const struct val *s = vpc_by_id(v, VPC_SUBNET, slice_of(id));

	assert_non_null(s);
	return s;
}

static enum vpc_target target(const struct vpc *v, const char *from, const char *to,
                              const char **ret_why)
{
	const struct vpc_route *r;
	vpc_route_list routes = { 0 };
	enum vpc_target t = VPC_TO_NOWHERE;
	struct ip ip;

	assert_true(ip_parse(slice_of(to), &ip));
	vpc_routes_of(v, subnet(v, from), &routes);
	r = vpc_route_choose(&routes, ip);
	if (r) {
		t = r->target;
		*ret_why = r->why;
	}
	vec_fini(&routes);
	return t;
}

static void the_longest_prefix_wins_and_a_black_hole_does_not_fall_through(void **state)
{
	const char *why = NULL;

	assert_int_equal(target(*state, "subnet-2", "198.51.100.1", &why), VPC_TO_NAT);
	assert_int_equal(target(*state, "subnet-2", "10.0.77.1", &why), VPC_TO_LOCAL);
	assert_int_equal(target(*state, "subnet-2", "10.9.0.1", &why), VPC_TO_LOCAL);
	assert_int_equal(target(*state, "subnet-2", "203.0.113.9", &why), VPC_TO_BLACKHOLE);
	assert_string_equal(why, "its NAT gateway is gone");
	assert_int_equal(target(*state, "subnet-1", "203.0.113.9", &why), VPC_TO_INTERNET);
}

static void without_a_table_a_subnet_knows_its_vpc_alone(void **state)
{
	const char *why = NULL;

	assert_int_equal(target(*state, "subnet-3", "10.0.0.9", &why), VPC_TO_LOCAL);
	assert_int_equal(target(*state, "subnet-3", "198.51.100.1", &why), VPC_TO_NOWHERE);
	assert_false(vpc_is_public(*state, subnet(*state, "subnet-3")));
	assert_false(vpc_is_public(*state, subnet(*state, "subnet-2")));
	assert_true(vpc_is_public(*state, subnet(*state, "subnet-1")));
}

static void a_nat_gateway_leads_out_of_a_public_subnet_only(void **state)
{
	struct vpc *v = *state;
	const char *why = NULL;

	put(v, "NATGateway", "nat", "natGatewayID: nat-1, state: available",
	    "subnetRef: {from: {name: private}}");
	assert_int_equal(target(v, "subnet-2", "198.51.100.1", &why), VPC_TO_BLACKHOLE);
	assert_string_equal(
		why, "its NAT gateway stands in a subnet without a route to an internet gateway");
	put(v, "NATGateway", "nat", "natGatewayID: nat-1, state: available",
	    "connectivityType: private, subnetRef: {from: {name: public}}");
	assert_int_equal(target(v, "subnet-2", "198.51.100.1", &why), VPC_TO_BLACKHOLE);
	put(v, "NATGateway", "nat", "natGatewayID: nat-1, state: pending",
	    "subnetRef: {from: {name: public}}");
	assert_int_equal(target(v, "subnet-2", "198.51.100.1", &why), VPC_TO_BLACKHOLE);
	assert_string_equal(why, "its NAT gateway is gone");
}

static void what_belongs_to_another_vpc_leads_nowhere(void **state)
{
	struct vpc *v = *state;
	const char *why = NULL;

	put(v, "VPC", "other", "vpcID: vpc-2", "cidrBlocks: [10.0.0.0/16]");
	put(v, "InternetGateway", "igw", "internetGatewayID: igw-1",
	    "vpcRef: {from: {name: other}}");
	assert_int_equal(target(v, "subnet-1", "198.51.100.1", &why), VPC_TO_BLACKHOLE);
	assert_string_equal(why, "its internet gateway belongs to another VPC");
}

static void add_ways(const struct vpc *v, const char *id, struct strbuf *out)
{
	vpc_way_list ways = { 0 };
	char from[PREFIX_TEXT_SIZE], first[IP_TEXT_SIZE], last[IP_TEXT_SIZE];

	vpc_ways_of(v, subnet(v, id), &ways);
	for (size_t i = 0; i < ways.n; i++) {
		strbuf_addf(out, "%s %s-%s\n", prefix_format(ways.at[i].from, from),
		            ip_format(ways.at[i].to_first, first),
		            ip_format(ways.at[i].to_last, last));
	}
	vec_fini(&ways);
}

static void ways_out_are_ranges_that_do_not_overlap(void **state)
{
	scoped_strbuf struct strbuf text = { 0 };

	/* Nobody in a public subnet has an address of the internet here. */
	add_ways(*state, "subnet-1", &text);
	add_ways(*state, "subnet-3", &text);
	assert_string_equal(strbuf_str(&text), "");
	add_ways(*state, "subnet-2", &text);
	assert_string_equal(strbuf_str(&text), "10.0.2.0/24 0.0.0.0-9.255.255.255\n"
	                                       "10.0.2.0/24 10.1.0.0-10.8.255.255\n"
	                                       "10.0.2.0/24 10.9.1.0-203.0.112.255\n"
	                                       "10.0.2.0/24 203.0.114.0-255.255.255.255\n");
}

static void every_address_goes_where_the_table_says(void **state)
{
	static const char *const to[] = { "0.0.0.1",       "9.255.255.255",  "10.0.0.0",
		                          "10.8.255.255",  "10.9.0.255",     "10.9.1.0",
		                          "203.0.112.255", "203.0.113.0",    "203.0.113.255",
		                          "203.0.114.0",   "255.255.255.254" };
	vpc_way_list ways = { 0 };

	vpc_ways_of(*state, subnet(*state, "subnet-2"), &ways);
	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		const char *why = NULL;
		bool out = false;
		struct ip ip;

		assert_true(ip_parse(slice_of(to[i]), &ip));
		for (size_t k = 0; k < ways.n; k++) {
			out |= ip_cmp(ip, ways.at[k].to_first) >= 0 &&
			       ip_cmp(ip, ways.at[k].to_last) <= 0;
		}
		assert_int_equal(out, target(*state, "subnet-2", to[i], &why) == VPC_TO_NAT);
	}
	vec_fini(&ways);
}

/* ---- security groups ---- */

#define RULE(proto, from, to, peer)                                                                \
	"{ipProtocol: '" proto "', fromPort: " from ", toPort: " to ", " peer "}"
#define BY_GROUP(g) "userIDGroupPairs: [{groupRef: {from: {name: " g "}}}]"
#define BY_RANGE(r) "ipRanges: [{cidrIP: " r "}]"

static void put_groups(struct vpc *v)
{
	put(v, "SecurityGroup", "nodes", "id: sg-1",
	    VPC_REF ", name: nodes, tags: [{key: kubernetes.io/cluster/mine, value: owned}]");
	put(v, "SecurityGroup", "data", "id: sg-2",
	    VPC_REF ", name: data, ingressRules: [" RULE("tcp", "6379", "6380", BY_GROUP("nodes")) ", " RULE(
		    "udp", "53", "53",
		    BY_RANGE("10.0.0.0/24")) ", " RULE("tcp", "7000", "7000",
	                                               BY_GROUP(
							       "data")) "], "
	                                                                "egressRules: [" RULE(
										"-1", "22", "22",
										BY_RANGE(
											"10.0.3.0/"
											"24")) "]");
	put(v, "CacheCluster", "one", "kennel.dev/vpc-address: 10.0.3.40",
	    "securityGroupRefs: [{from: {name: data}}]");
	put(v, "CacheCluster", "two", "kennel.dev/vpc-address: 10.0.3.41",
	    "securityGroupIDs: [sg-2]");
	put(v, "CacheCluster", "three", "kennel.dev/vpc-address: 10.0.3.42", "");
}

static bool admits(struct vpc *v, bool egress, const char *peer, enum proto proto, uint16_t port)
{
	struct prefix node = { .ip = ip_v4(0x0a00020a), .len = 32 };
	struct vpc_nodes nodes = { SLICE("mine"), &node, 1 };
	vpc_object_list groups = { 0 };
	sg_piece_list pieces = { 0 };
	struct ip ip;
	bool yes;

	assert_true(ip_parse(slice_of(peer), &ip));
	vec_push(&groups, vpc_by_id(v, VPC_GROUP, SLICE("sg-2")));
	vpc_groups_admit(v, &groups, egress, &nodes, &pieces);
	yes = sg_pieces_admit(&pieces, ip, proto, port);
	vec_fini(&pieces);
	vec_fini(&groups);
	return yes;
}

static void a_group_stands_for_the_addresses_of_its_members(void **state)
{
	struct vpc *v = *state;

	put_groups(v);
	assert_true(admits(v, false, "10.0.2.10", PROTO_TCP, 6379));
	assert_true(admits(v, false, "10.0.2.10", PROTO_TCP, 6380));
	assert_false(admits(v, false, "10.0.2.10", PROTO_TCP, 6381));
	assert_false(admits(v, false, "10.0.2.10", PROTO_UDP, 6379));
	assert_false(admits(v, false, "10.0.2.11", PROTO_TCP, 6379));
	/* from itself means from its members, not from everybody near */
	assert_true(admits(v, false, "10.0.3.41", PROTO_TCP, 7000));
	assert_false(admits(v, false, "10.0.3.42", PROTO_TCP, 7000));
	assert_true(admits(v, false, "10.0.0.9", PROTO_UDP, 53));
	assert_false(admits(v, false, "10.0.1.9", PROTO_UDP, 53));
}

static void everything_means_every_port(void **state)
{
	put_groups(*state);
	assert_true(admits(*state, true, "10.0.3.9", PROTO_SCTP, 1));
	assert_true(admits(*state, true, "10.0.3.9", PROTO_TCP, 65535));
	assert_false(admits(*state, true, "10.0.2.9", PROTO_TCP, 22));
}

static void the_oldest_vpc_with_the_range_is_the_instances_own(void **state)
{
	struct vpc *v = vpc_new();

	(void)state;
	assert_null(vpc_home(v));
	put(v, "VPC", "else", "vpcID: vpc-9", "cidrBlocks: [10.7.0.0/16]");
	assert_null(vpc_home(v));
	put(v, "VPC", "early", "", "cidrBlocks: [10.0.0.0/16]");
	assert_null(vpc_home(v)); /* it has no id: it is not there yet */
	put(v, "VPC", "own", "vpcID: vpc-8", "cidrBlocks: [10.0.0.0/16]");
	assert_ptr_equal(vpc_home(v), vpc_by_id(v, VPC_VPC, SLICE("vpc-8")));
	vpc_free(v);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_longest_prefix_wins_and_a_black_hole_does_not_fall_through),
		TEST(without_a_table_a_subnet_knows_its_vpc_alone),
		TEST(a_nat_gateway_leads_out_of_a_public_subnet_only),
		TEST(what_belongs_to_another_vpc_leads_nowhere),
		TEST(ways_out_are_ranges_that_do_not_overlap),
		TEST(every_address_goes_where_the_table_says),
		TEST(a_group_stands_for_the_addresses_of_its_members),
		TEST(everything_means_every_port),
		TEST(the_oldest_vpc_with_the_range_is_the_instances_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
