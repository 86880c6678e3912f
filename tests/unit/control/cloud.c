#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/vpc.h"
#include "world.h"

static int setup(void **state)
{
	struct world *w = NEW(struct world);

	world_init(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

static void put(struct world *w, const char *kind, const char *name, const char *spec)
{
	const char *group = strncmp(kind, "DB", 2) == 0      ? "rds"
	                    : strncmp(kind, "Cache", 5) == 0 ? "elasticache"
	                                                     : "ec2";

	world_put(w,
	          "{\"apiVersion\":\"%s.services.k8s.aws/v1alpha1\",\"kind\":\"%s\",\"metadata\":{"
	          "\"name\":\"%s\"},\"spec\":{%s}}",
	          group, kind, name, spec);
	world_run_ms(w, 100);
}

static const struct kind *kind_of(struct world *w, const char *kind)
{
	for (int k = 0; k < VPC_KINDS; k++) {
		const struct vpc_kind_info *info = vpc_kind_info((enum vpc_kind)k);

		if (strcmp(info->kind, kind) == 0) {
			return registry_find(w->registry, slice_of(info->group), SLICE("v1alpha1"),
			                     slice_of(kind));
		}
	}
	fail_msg("no kind %s", kind);
	return NULL;
}

static const struct val *get(struct world *w, const char *kind, const char *name)
{
	return world_get(w, kind_of(w, kind), "default", name);
}

static const char *status(struct world *w, const char *kind, const char *name, const char *path)
{
	const struct val *v = get(w, kind, name);

	assert_non_null(v);
	return world_str(val_get(v, "status"), path);
}

/* Message of a condition that is not False; "-": there is none. */
static const char *says(struct world *w, const char *kind, const char *name, const char *type)
{
	val_for_each (val_path(get(w, kind, name), "status.conditions"), it) {
		if (strcmp(world_str(it, "type"), type) == 0) {
			return strcmp(world_str(it, "status"), "False") == 0
			               ? "False"
			               : world_str(it, "message");
		}
	}
	return "-";
}

#define SYNCED  "Resource synced successfully"
#define FROM(n) "{\"from\":{\"name\":\"" n "\"}}"
#define VPC     "\"vpcRef\":" FROM("main")

static void put_textbook(struct world *w)
{
	put(w, "NATGateway", "nat",
	    "\"subnetRef\":" FROM("public") ",\"allocationRef\":" FROM("eip"));
	put(w, "Subnet", "public",
	    VPC ",\"cidrBlock\":\"10.0.0.0/24\",\"routeTableRefs\":[" FROM("public") "]");
	put(w, "RouteTable", "public",
	    VPC ",\"routes\":[{\"destinationCIDRBlock\":\"0.0.0.0/0\",\"gatewayRef\":" FROM(
		    "igw") "}]");
	put(w, "RouteTable", "private",
	    VPC ",\"routes\":[{\"destinationCIDRBlock\":\"0.0.0.0/0\",\"natGatewayRef\":" FROM(
		    "nat") "}]");
	put(w, "InternetGateway", "igw", VPC);
	put(w, "ElasticIPAddress", "eip", "");
	put(w, "VPC", "main", "\"cidrBlocks\":[\"10.0.0.0/16\"]");
}

static void a_network_comes_to_life_in_whatever_order_it_is_written(void **state)
{
	static const char *const made[][2] = { { "VPC", "main" },
		                               { "Subnet", "public" },
		                               { "RouteTable", "public" },
		                               { "RouteTable", "private" },
		                               { "InternetGateway", "igw" },
		                               { "ElasticIPAddress", "eip" },
		                               { "NATGateway", "nat" } };
	struct world *w = *state;

	put_textbook(w);
	world_run_ms(w, 1000);
	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		assert_string_equal(says(w, made[i][0], made[i][1], "ACK.ResourceSynced"), SYNCED);
		assert_string_equal(says(w, made[i][0], made[i][1], "Ready"), SYNCED);
		assert_string_equal(says(w, made[i][0], made[i][1], "ACK.Terminal"), "-");
	}
	assert_memory_equal(status(w, "VPC", "main", "vpcID"), "vpc-0", 5);
	assert_string_equal(status(w, "NATGateway", "nat", "state"), "available");
	assert_string_equal(status(w, "ElasticIPAddress", "eip", "publicIP"), "198.51.100.1");
	assert_string_equal(says(w, "NATGateway", "nat", "ACK.Advisory"), "-");
	assert_int_equal(
		val_int(val_path(get(w, "Subnet", "public"), "status.availableIPAddressCount"), 0),
		251);
}

static void what_it_waits_for_is_said(void **state)
{
	struct world *w = *state;

	put(w, "Subnet", "s", VPC ",\"cidrBlock\":\"10.0.9.0/24\"");
	assert_string_equal(says(w, "Subnet", "s", "ACK.ReferencesResolved"),
	                    "Reference resolution failed");
	assert_string_equal(says(w, "Subnet", "s", "ACK.ResourceSynced"), "-");
	put(w, "Subnet", "t", "\"cidrBlock\":\"10.0.9.0/24\"");
	assert_string_equal(says(w, "Subnet", "t", "ACK.Terminal"),
	                    "at least one of 'vpcID' or 'vpcRef' field should be present");
	put(w, "Subnet", "u", VPC ",\"vpcID\":\"vpc-1\",\"cidrBlock\":\"10.0.9.0/24\"");
	assert_string_equal(says(w, "Subnet", "u", "ACK.Terminal"),
	                    "'vpcID' field should not be present when using reference field: "
	                    "'vpcRef'");
	assert_string_equal(says(w, "Subnet", "u", "Ready"), "False");
	put(w, "VPC", "main", "\"cidrBlocks\":[\"10.0.0.0/16\"]");
	world_run_ms(w, 100);
	assert_string_equal(says(w, "Subnet", "s", "ACK.ResourceSynced"), SYNCED);
}

static void impossible_ranges_are_refused_in_the_services_words(void **state)
{
	static const struct {
		const char *kind, *spec, *says;
	} bad[] = {
		{ "VPC", "\"cidrBlocks\":[\"10.0.0.0/8\"]",
		  "InvalidVpc.Range: The CIDR '10.0.0.0/8' is invalid." },
		{ "Subnet", VPC ",\"cidrBlock\":\"10.1.0.0/24\"",
		  "InvalidSubnet.Range: The CIDR '10.1.0.0/24' is invalid." },
		{ "Subnet", VPC ",\"cidrBlock\":\"10.0.9.128/25\"",
		  "InvalidSubnet.Conflict: The CIDR '10.0.9.128/25' conflicts with another "
		  "subnet" },
		{ "Subnet", VPC ",\"cidrBlock\":\"10.0.0.0/20\"",
		  "InvalidSubnet.Conflict: The CIDR '10.0.0.0/20' conflicts with another subnet" },
		{ "RouteTable",
		  VPC
		  ",\"routes\":[{\"destinationCIDRBlock\":\"10.0.2.0/24\",\"instanceID\":\"i-1\"}]",
		  "InvalidParameterValue: The destination CIDR block 10.0.2.0/24 is equal to or "
		  "more "
		  "specific than one of this VPC's CIDR blocks. This route can target only an "
		  "interface or an instance." },
		{ "RouteTable",
		  VPC
		  ",\"routes\":[{\"destinationCIDRBlock\":\"1.0.0.0/8\",\"instanceID\":\"i-1\"},{"
		  "\"destinationCIDRBlock\":\"1.0.0.0/8\",\"instanceID\":\"i-2\"}]",
		  "RouteAlreadyExists: The route identified by 1.0.0.0/8 already exists." },
		{ "SecurityGroup", "\"name\":\"default\",\"description\":\"d\"",
		  "InvalidParameterValue: Cannot use reserved security group name: default" },
		{ "SecurityGroup",
		  "\"name\":\"g\",\"description\":\"d\",\"ingressRules\":[{\"ipProtocol\":\"tcp\"}"
		  "]",
		  "InvalidParameterValue: Invalid value 'Must specify both from and to ports with "
		  "TCP/UDP.' for portRange." },
		{ "ElasticIPAddress", "\"address\":\"8.8.8.8\"",
		  "InvalidAddress.NotFound: Address '8.8.8.8' is not available; addresses of this "
		  "instance are of 198.51.100.0/24" },
	};
	struct world *w = *state;

	put(w, "VPC", "main", "\"cidrBlocks\":[\"10.0.0.0/16\"]");
	put(w, "Subnet", "there", VPC ",\"cidrBlock\":\"10.0.9.0/24\"");
	put(w, "Subnet", "default", VPC ",\"cidrBlock\":\"10.0.2.0/24\"");
	assert_string_equal(says(w, "Subnet", "default", "ACK.ResourceSynced"), SYNCED);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put(w, bad[i].kind, "bad", bad[i].spec);
		assert_string_equal(says(w, bad[i].kind, "bad", "ACK.Terminal"), bad[i].says);
		assert_string_equal(says(w, bad[i].kind, "bad", "ACK.ResourceSynced"), "False");
		world_delete(w, kind_of(w, bad[i].kind), "default", "bad", NULL);
		world_run_ms(w, 100);
		assert_null(get(w, bad[i].kind, "bad"));
	}
	/* the other subnets do not mind */
	assert_string_equal(says(w, "Subnet", "there", "ACK.ResourceSynced"), SYNCED);
}

static void nothing_goes_while_others_depend_on_it(void **state)
{
	struct world *w = *state;
	scoped_free char *want = NULL;

	put_textbook(w);
	world_run_ms(w, 1000);
	want = mem_printf(
		"DependencyViolation: The vpc '%s' has dependencies and cannot be deleted.",
		status(w, "VPC", "main", "vpcID"));
	world_delete(w, kind_of(w, "VPC"), "default", "main", NULL);
	world_delete(w, kind_of(w, "Subnet"), "default", "public", NULL);
	world_delete(w, kind_of(w, "ElasticIPAddress"), "default", "eip", NULL);
	world_delete(w, kind_of(w, "RouteTable"), "default", "public", NULL);
	world_run_ms(w, 1000);
	assert_string_equal(says(w, "VPC", "main", "ACK.Recoverable"), want);
	assert_string_equal(says(w, "ElasticIPAddress", "eip", "ACK.Recoverable"),
	                    "InvalidIPAddress.InUse: Address 198.51.100.1 is in use.");
	assert_non_null(get(w, "Subnet", "public"));
	/* a NAT gateway goes whoever routes to it, and the rest follows; the route becomes a black hole */
	world_delete(w, kind_of(w, "NATGateway"), "default", "nat", NULL);
	world_run_ms(w, 1000);
	assert_null(get(w, "NATGateway", "nat"));
	assert_null(get(w, "ElasticIPAddress", "eip"));
	assert_null(get(w, "Subnet", "public"));
	assert_null(get(w, "RouteTable", "public"));
	assert_string_equal(
		world_str(val_at(val_path(get(w, "RouteTable", "private"), "status.routeStatuses"),
	                         1),
	                  "state"),
		"blackhole");
	world_delete(w, kind_of(w, "RouteTable"), "default", "private", NULL);
	world_delete(w, kind_of(w, "InternetGateway"), "default", "igw", NULL);
	world_run_ms(w, 1000);
	assert_null(get(w, "VPC", "main"));
}

static void groups_name_each_other_and_are_kept_while_named(void **state)
{
	struct world *w = *state;

#define NAMES(g)                                                                                   \
	"\"ingressRules\":[{\"ipProtocol\":\"-1\",\"userIDGroupPairs\":[{\"groupRef\":" FROM(      \
		g) "}]}]"
	put(w, "SecurityGroup", "a", "\"name\":\"a\",\"description\":\"d\"," NAMES("b"));
	assert_string_equal(says(w, "SecurityGroup", "a", "ACK.ReferencesResolved"),
	                    "Reference resolution failed");
	put(w, "SecurityGroup", "b", "\"name\":\"b\",\"description\":\"d\"," NAMES("a"));
	world_run_ms(w, 100);
	assert_string_equal(says(w, "SecurityGroup", "a", "ACK.ResourceSynced"), SYNCED);
	assert_string_equal(says(w, "SecurityGroup", "b", "ACK.ResourceSynced"), SYNCED);
	put(w, "SecurityGroup", "c", "\"name\":\"a\",\"description\":\"d\"");
	assert_string_equal(
		says(w, "SecurityGroup", "c", "ACK.Terminal"),
		"InvalidGroup.Duplicate: The security group 'a' already exists for VPC ''");
	world_delete(w, kind_of(w, "SecurityGroup"), "default", "a", NULL);
	world_run_ms(w, 1000);
	assert_non_null(get(w, "SecurityGroup", "a"));
	world_delete(w, kind_of(w, "SecurityGroup"), "default", "b", NULL);
	world_run_ms(w, 1000);
	/* two that name each other keep each other, as on AWS, until one forgets the other */
	assert_non_null(get(w, "SecurityGroup", "b"));
	world_merge(w, kind_of(w, "SecurityGroup"), "default", "a",
	            "{\"spec\":{\"ingressRules\":[]}}");
	world_run_ms(w, 1000);
	assert_null(get(w, "SecurityGroup", "b"));
	assert_null(get(w, "SecurityGroup", "a"));
}

static void a_group_of_subnets_covers_two_zones(void **state)
{
	struct world *w = *state;
	const char *spec =
		"\"name\":\"g\",\"description\":\"d\",\"subnetRefs\":[" FROM("x") "," FROM("y") "]";

	put(w, "VPC", "main", "\"cidrBlocks\":[\"10.0.0.0/16\"]");
	put(w, "Subnet", "x", VPC ",\"cidrBlock\":\"10.0.9.0/24\"");
	put(w, "Subnet", "y", VPC ",\"cidrBlock\":\"10.0.10.0/24\"");
	put(w, "Subnet", "z",
	    VPC ",\"cidrBlock\":\"10.0.11.0/24\",\"availabilityZone\":\"us-east-1b\"");
	put(w, "DBSubnetGroup", "g", spec);
	assert_string_equal(says(w, "DBSubnetGroup", "g", "ACK.Terminal"),
	                    "DBSubnetGroupDoesNotCoverEnoughAZs: The DB subnet group doesn't meet "
	                    "Availability Zone (AZ) coverage requirement. Current AZ coverage: "
	                    "us-east-1a. Add subnets to cover at least 2 AZs.");
	world_merge(w, kind_of(w, "DBSubnetGroup"), "default", "g",
	            "{\"spec\":{\"subnetRefs\":[" FROM("x") "," FROM("z") "]}}");
	world_run_ms(w, 100);
	assert_string_equal(says(w, "DBSubnetGroup", "g", "ACK.ResourceSynced"), SYNCED);
	assert_string_equal(status(w, "DBSubnetGroup", "g", "subnetGroupStatus"), "Complete");
}

static void a_gateway_without_the_internet_waits_for_it(void **state)
{
	struct world *w = *state;

	put(w, "VPC", "main", "\"cidrBlocks\":[\"10.0.0.0/16\"]");
	put(w, "Subnet", "s", VPC ",\"cidrBlock\":\"10.0.9.0/24\"");
	put(w, "ElasticIPAddress", "eip", "");
	put(w, "NATGateway", "nat", "\"subnetRef\":" FROM("s") ",\"allocationRef\":" FROM("eip"));
	assert_string_equal(status(w, "NATGateway", "nat", "state"), "pending");
	assert_string_equal(says(w, "NATGateway", "nat", "ACK.ResourceSynced"), "False");
	put(w, "InternetGateway", "igw", VPC);
	world_run_ms(w, 100);
	assert_string_equal(status(w, "NATGateway", "nat", "state"), "available");
	assert_string_equal(says(w, "NATGateway", "nat", "ACK.Advisory"),
	                    "its subnet has no route to an internet gateway: what is sent to this "
	                    "NAT gateway is lost");
	put(w, "NATGateway", "twin", "\"subnetRef\":" FROM("s") ",\"allocationRef\":" FROM("eip"));
	assert_memory_equal(says(w, "NATGateway", "twin", "ACK.Terminal"),
	                    "Resource.AlreadyAssociated: Elastic IP address [eipalloc-", 56);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_network_comes_to_life_in_whatever_order_it_is_written),
		TEST(what_it_waits_for_is_said),
		TEST(impossible_ranges_are_refused_in_the_services_words),
		TEST(nothing_goes_while_others_depend_on_it),
		TEST(groups_name_each_other_and_are_kept_while_named),
		TEST(a_group_of_subnets_covers_two_zones),
		TEST(a_gateway_without_the_internet_waits_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
