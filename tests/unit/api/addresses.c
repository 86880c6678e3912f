#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/addresses.h"
#include "api/families.h"
#include "base/mem.h"
#include "codec/json.h"

static struct val *parse(struct arena *a, const char *text)
{
	char *copy = arena_strdup(a, text);
	struct val *v = NULL;

	for (char *p = copy; *p; p++) {
		*p = *p == '\'' ? '"' : *p;
	}
	assert_int_equal(json_parse(a, slice_of(copy), 0, &v, NULL), 0);
	return v;
}

static struct val *service(struct arena *a, const char *name, const char *spec)
{
	return parse(a, arena_printf(a, "{'metadata':{'namespace':'x','name':'%s'},'spec':%s}",
	                             name, spec));
}

static const char *assign(struct addresses *all, struct arena *a, struct val *v, bool is_trial)
{
	struct field_errors wrong = { .arena = a };

	service_carry_over(a, v, NULL);
	service_families(a, v, NULL, true, &wrong);
	addresses_assign(all, a, v, is_trial, &wrong);
	return wrong.n ? arena_printf(a, "%s: %s", wrong.at[0].path, wrong.at[0].detail) : "";
}

static void gives_addresses(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct addresses all = { 0 };
	struct val *one = service(&a, "one", "{'type':'ClusterIP','ports':[{'port':80}]}");
	struct val *two = service(&a, "two", "{'type':'ClusterIP','ports':[{'port':80}]}");

	(void)state;
	assert_string_equal(assign(&all, &a, one, false), "");
	assert_string_equal(assign(&all, &a, two, false), "");
	assert_true(slice_has_prefix(val_str(val_path(one, "spec.clusterIP")), SLICE("10.1.")));
	assert_false(slice_eq(val_str(val_path(one, "spec.clusterIP")),
	                      val_str(val_path(two, "spec.clusterIP"))));
	assert_true(val_eq(val_at(val_path(one, "spec.clusterIPs"), 0),
	                   val_path(one, "spec.clusterIP")));
	assert_int_equal(all.ips.n, 2);
	addresses_forget(&all, two);
	assert_int_equal(all.ips.n, 1);
	addresses_fini(&all);
}

static void refuses_addresses(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct addresses all = { 0 };
	struct val *dns = parse(&a, "{'metadata':{'namespace':'kube-system','name':'kube-dns'},"
	                            "'spec':{'clusterIP':'10.0.0.10'}}");

	(void)state;
	assert_string_equal(
		assign(&all, &a, service(&a, "a", "{'clusterIP':'1.2.3.4'}"), false),
		"spec.clusterIPs[0]: Invalid value: [\"1.2.3.4\"]: failed to allocate IP 1.2.3.4: "
		"the "
		"provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is "
		"10.1.0.0/16");
	assert_string_equal(assign(&all, &a, service(&a, "a", "{'clusterIP':'10.1.0.9'}"), false),
	                    "");
	assert_string_equal(assign(&all, &a, service(&a, "b", "{'clusterIP':'10.1.0.9'}"), false),
	                    "spec.clusterIPs[0]: Invalid value: [\"10.1.0.9\"]: failed to allocate "
	                    "IP 10.1.0.9: provided IP is already allocated");
	assert_string_equal(assign(&all, &a, service(&a, "a", "{'clusterIP':'10.1.0.9'}"), false),
	                    "");
	assert_string_not_equal(
		assign(&all, &a, service(&a, "c", "{'clusterIP':'10.0.0.10'}"), false), "");
	assert_string_equal(assign(&all, &a, dns, false), "");
	assert_string_equal(assign(&all, &a, service(&a, "h", "{'clusterIP':'None'}"), false), "");
	assert_int_equal(all.ips.n, 2);
	addresses_fini(&all);
}

static void gives_an_address_of_each_family(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct addresses all = { 0 };
	struct val *v = service(&a, "two", "{'ipFamilyPolicy':'RequireDualStack'}");
	const struct val *ips;

	(void)state;
	assert_string_equal(assign(&all, &a, v, false), "");
	ips = val_path(v, "spec.clusterIPs");
	assert_int_equal(val_len(ips), 2);
	assert_true(slice_has_prefix(val_str(val_at(ips, 0)), SLICE("10.1.")));
	assert_true(slice_has_prefix(val_str(val_at(ips, 1)), SLICE("fd00:10:1::")));
	assert_true(val_eq(val_at(ips, 0), val_path(v, "spec.clusterIP")));
	assert_int_equal(all.ips.n, 2);
	assert_string_equal(
		assign(&all, &a,
	               service(&a, "b",
	                       "{'ipFamilyPolicy':'PreferDualStack','clusterIP':'10.1.0.9',"
	                       "'clusterIPs':['10.1.0.9','fd00:10:2::1']}"),
	               false),
		"spec.clusterIPs[1]: Invalid value: [\"fd00:10:2::1\"]: failed to allocate IP "
		"fd00:10:2::1: the provided IP (fd00:10:2::1) is not in the valid range. The range "
		"of valid IPs is fd00:10:1::/112");
	/* However it is written, it is the same address. */
	assert_string_equal(
		assign(&all, &a, service(&a, "c", "{'clusterIP':'fd00:10:1:0::9'}"), false), "");
	assert_string_not_equal(
		assign(&all, &a, service(&a, "d", "{'clusterIP':'fd00:0010:1::9'}"), false), "");
	addresses_forget(&all, v);
	assert_int_equal(all.ips.n, 1);
	addresses_fini(&all);
}

static void gives_node_ports(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct addresses all = { 0 };
	struct val *v = service(&a, "lb",
	                        "{'type':'LoadBalancer','externalTrafficPolicy':'Local',"
	                        "'ports':[{'port':80},{'port':443,'nodePort':30443}]}");
	int64_t port, health;

	(void)state;
	assert_string_equal(assign(&all, &a, v, true), "");
	assert_int_equal(all.ports.n, 0); /* a trial keeps nothing */
	assert_string_equal(assign(&all, &a, v, false), "");
	port = val_int(val_get(val_at(val_path(v, "spec.ports"), 0), "nodePort"), 0);
	health = val_int(val_path(v, "spec.healthCheckNodePort"), 0);
	assert_in_range(port, 30000, 32767);
	assert_in_range(health, 30000, 32767);
	assert_int_equal(all.ports.n, 3);
	assert_string_equal(
		assign(&all, &a,
	               service(&a, "np",
	                       "{'type':'NodePort','ports':[{'port':1,'nodePort':30443}]}"),
	               false),
		"spec.ports[0].nodePort: Invalid value: 30443: provided port is already allocated");
	assert_string_equal(
		assign(&all, &a,
	               service(&a, "np", "{'type':'NodePort','ports':[{'port':1,'nodePort':80}]}"),
	               false),
		"spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid "
		"range. "
		"The range of valid ports is 30000-32767");
	addresses_fini(&all);
}

static void carries_over(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *old =
		service(&a, "s",
	                "{'type':'NodePort','clusterIP':'10.1.0.7','clusterIPs':['10.1.0.7'],"
	                "'externalTrafficPolicy':'Cluster',"
	                "'ports':[{'port':80,'protocol':'TCP','nodePort':30080}]}");
	struct val *same =
		service(&a, "s", "{'type':'NodePort','ports':[{'port':80,'protocol':'TCP'}]}");
	struct val *plain = service(&a, "s",
	                            "{'type':'ClusterIP','clusterIP':'10.1.0.7',"
	                            "'clusterIPs':['10.1.0.7'],'externalTrafficPolicy':'Cluster',"
	                            "'ports':[{'port':80,'protocol':'TCP','nodePort':30080}]}");
	struct val *name = service(&a, "s", "{'type':'ExternalName','clusterIP':'10.1.0.7'}");

	(void)state;
	service_carry_over(&a, same, old);
	assert_true(slice_is(val_str(val_path(same, "spec.clusterIP")), "10.1.0.7"));
	assert_int_equal(val_int(val_get(val_at(val_path(same, "spec.ports"), 0), "nodePort"), 0),
	                 30080);
	service_carry_over(&a, plain, old);
	assert_null(val_get(val_at(val_path(plain, "spec.ports"), 0), "nodePort"));
	assert_null(val_path(plain, "spec.externalTrafficPolicy"));
	service_carry_over(&a, name, old);
	assert_null(val_path(name, "spec.clusterIP"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_addresses),
		cmocka_unit_test(refuses_addresses),
		cmocka_unit_test(gives_an_address_of_each_family),
		cmocka_unit_test(gives_node_ports),
		cmocka_unit_test(carries_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
