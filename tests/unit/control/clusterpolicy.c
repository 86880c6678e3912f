/* Why: a rule by a domain name that nobody knows says so where its author looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "world.h"

#define CONDITION "kennel.dev/DomainNamesKnown"

static const struct kind *policies, *databases;

static int set_up(void **state)
{
	struct world *w = NEW(struct world);

	world_init(w);
	policies = registry_find(w->registry, SLICE("policy.networking.k8s.io"), SLICE("v1alpha2"),
	                         SLICE("ClusterNetworkPolicy"));
	databases = registry_find(w->registry, SLICE("rds.services.k8s.aws"), SLICE("v1alpha1"),
	                          SLICE("DBInstance"));
	assert_non_null(policies);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

/* to: peers of the one egress rule */
static void put_policy(struct world *w, const char *to)
{
	world_put(
		w,
		"{\"apiVersion\":\"policy.networking.k8s.io/v1alpha2\",\"kind\":"
		"\"ClusterNetworkPolicy\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"tier\":"
		"\"Admin\",\"priority\":1,\"subject\":{\"namespaces\":{}},\"egress\":[{\"action\":"
		"\"Accept\",\"to\":[%s]}]}}",
		to);
	world_run_ms(w, 100);
}

static void put_database(struct world *w, const char *address)
{
	world_put(w,
	          "{\"apiVersion\":\"rds.services.k8s.aws/v1alpha1\",\"kind\":\"DBInstance\","
	          "\"metadata\":{\"name\":\"db\",\"annotations\":{\"kennel.dev/vpc-address\":"
	          "\"10.0.3.7\"}},\"spec\":{\"dbInstanceClass\":\"c\",\"dbInstanceIdentifier\":"
	          "\"db\","
	          "\"engine\":\"mysql\"},\"status\":{\"endpoint\":{\"address\":\"%s\"}}}",
	          address);
	world_run_ms(w, 100);
}

static const struct val *condition(struct world *w)
{
	const struct val *list = val_path(world_get(w, policies, "", "p"), "status.conditions");

	val_for_each (list, it) {
		if (slice_is(val_get_str(it, "type"), CONDITION)) {
			return it;
		}
	}
	return NULL;
}

static void a_name_that_no_host_has_is_told_in_status_and_event(void **state)
{
	struct world *w = *state;

	put_policy(w, "{\"domainNames\":[\"*.example.org\",\"db.example.com\"]}");
	assert_non_null(condition(w));
	assert_string_equal(val_cstr(val_get(condition(w), "status")), "False");
	assert_string_equal(val_cstr(val_get(condition(w), "message")),
	                    "No managed host is known by the name *.example.org, db.example.com: "
	                    "rules by that name allow nothing.");
	assert_int_equal(world_events(w, "AddressUnknown"), 1);
}

static void a_host_that_gets_the_name_ends_it(void **state)
{
	struct world *w = *state;

	put_policy(w, "{\"domainNames\":[\"*.example.com\"]}");
	assert_string_equal(val_cstr(val_get(condition(w), "status")), "False");
	put_database(w, "db.example.com");
	assert_string_equal(val_cstr(val_get(condition(w), "status")), "True");
	world_delete(w, databases, "default", "db", "Background");
	world_run_ms(w, 100);
	assert_string_equal(val_cstr(val_get(condition(w), "status")), "False");
}

static void a_policy_without_names_is_left_alone(void **state)
{
	struct world *w = *state;

	put_policy(w, "{\"networks\":[\"10.0.0.0/8\"]}");
	assert_null(condition(w));
	put_policy(w, "{\"domainNames\":[\"a.org\"]}");
	assert_non_null(condition(w));
	put_policy(w, "{\"networks\":[\"10.0.0.0/8\"]}");
	assert_null(condition(w));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_name_that_no_host_has_is_told_in_status_and_event),
		T(a_host_that_gets_the_name_ends_it),
		T(a_policy_without_names_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
