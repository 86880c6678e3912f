#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/yaml.h"
#include "node/image-name.h"
#include "node/names.h"
#include "node/resources.h"
#include "node/user.h"

static struct val *yaml(struct arena *a, const char *text)
{
	struct val *v;

	assert_int_equal(yaml_parse(a, slice_of(text), &v, NULL), 0);
	return v;
}

static void image_names_are_made_whole(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "nginx", "docker.io/library/nginx:latest" },
		{ "nginx:1.25", "docker.io/library/nginx:1.25" },
		{ "me/app", "docker.io/me/app:latest" },
		{ "localhost/app:x", "localhost/app:x" },
		{ "reg.example:5000/a/b", "reg.example:5000/a/b:latest" },
		{ "BAD NAME", NULL },
		{ "UPPER", NULL },
		{ "", NULL },
		{ "a:b:c", NULL },
		{ "nginx@sha256:short", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_strbuf struct strbuf out = { 0 };
		struct image_name n;
		int r = image_name_parse(slice_of(cases[i].text), &n, NULL);

		if (!cases[i].want) {
			assert_true(r < 0);
			continue;
		}
		assert_int_equal(r, 0);
		image_name_format(&n, &out);
		assert_string_equal(strbuf_str(&out), cases[i].want);
	}
}

static void resolv_conf_follows_the_policy(void **state)
{
	static const struct {
		const char *spec, *want;
	} cases[] = {
		{ "{}", "search ns.svc.cluster.local svc.cluster.local cluster.local "
		        "corp.example\nnameserver 10.0.0.10\noptions "
		        "ndots:5\n" },
		{ "{dnsPolicy: Default}",
		  "search corp.example\nnameserver 192.0.2.1\noptions timeout:1\n" },
		{ "{dnsPolicy: ClusterFirst, hostNetwork: true}",
		  "search corp.example\nnameserver 192.0.2.1\noptions timeout:1\n" },
		{ "{dnsPolicy: None, dnsConfig: {nameservers: [9.9.9.9], searches: [a.b], options: "
		  "[{name: ndots, value: '1'}]}}",
		  "search a.b\nnameserver 9.9.9.9\noptions ndots:1\n" },
		{ "{dnsConfig: {nameservers: [9.9.9.9], options: [{name: ndots, value: '2'}]}}",
		  "search ns.svc.cluster.local svc.cluster.local cluster.local "
		  "corp.example\nnameserver 10.0.0.10\nnameserver "
		  "9.9.9.9\noptions ndots:2\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_arena struct arena a = { 0 };
		scoped_strbuf struct strbuf out = { 0 };
		scoped_free char *text =
			mem_printf("{metadata: {name: p, namespace: ns}, spec: %s}", cases[i].spec);

		names_resolv(yaml(&a, text), "10.0.0.10",
		             SLICE("# made by hand\nsearch corp.example\nnameserver "
		                   "192.0.2.1\noptions timeout:1\n"),
		             "cluster.local", &out);
		assert_string_equal(strbuf_str(&out), cases[i].want);
	}
}

static void hosts_name_the_pod_and_its_aliases(void **state)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf out = { 0 };

	(void)state;
	names_hosts(yaml(&a, "{metadata: {name: p, namespace: ns}, spec: {hostname: h, subdomain: "
	                     "s, hostAliases: [{ip: 1.2.3.4, "
	                     "hostnames: [x, z]}]}}"),
	            "10.244.0.3", SLICE(""), "cluster.local", &out);
	assert_non_null(strstr(strbuf_str(&out),
	                       "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"));
	assert_non_null(strstr(strbuf_str(&out), "10.244.0.3\th.s.ns.svc.cluster.local\th\n"));
	assert_non_null(
		strstr(strbuf_str(&out), "\n# Entries added by HostAliases.\n1.2.3.4\tx\tz\n"));
}

static void hosts_name_both_addresses(void **state)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf out = { 0 };

	(void)state;
	names_hosts(yaml(&a, "{metadata: {name: p, namespace: ns}, spec: {}}"),
	            "10.244.0.3,fd00:10:244::3", SLICE(""), "cluster.local", &out);
	assert_non_null(strstr(strbuf_str(&out), "10.244.0.3\tp\nfd00:10:244::3\tp\n"));
}

static void users_come_from_the_image(void **state)
{
	static const char passwd[] =
		"root:x:0:0:r:/root:/bin/sh\nweb:x:33:34:w:/var/www:/bin/false\n";
	static const char group[] = "root:x:0:\nweb:x:34:\nextra:x:50:web,other\n";
	static const struct {
		const char *text;
		int r;
		uint32_t uid, gid;
		size_t n_groups;
		const char *home;
	} cases[] = {
		{ "", 0, 0, 0, 0, "/root" },
		{ "web", 0, 33, 34, 1, "/var/www" },
		{ "33", 0, 33, 34, 1, "/var/www" },
		{ "web:root", 0, 33, 0, 0, "/var/www" },
		{ "1000", 0, 1000, 0, 0, "/" },
		{ "1000:7", 0, 1000, 7, 0, "/" },
		{ "nobody", -ERR_NOTFOUND, 0, 0, 0, NULL },
		{ "web:none", -ERR_NOTFOUND, 0, 0, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct user u;

		assert_int_equal(user_resolve(slice_of(cases[i].text), slice_of(passwd),
		                              slice_of(group), &u, NULL),
		                 cases[i].r);
		if (cases[i].r == 0) {
			assert_int_equal(u.uid, cases[i].uid);
			assert_int_equal(u.gid, cases[i].gid);
			assert_int_equal(u.n_groups, cases[i].n_groups);
			assert_string_equal(u.home, cases[i].home);
		}
	}
}

static void classes_follow_from_requests_and_limits(void **state)
{
	static const struct {
		const char *resources;
		enum qos want;
	} cases[] = {
		{ "{}", QOS_BEST_EFFORT },
		{ "{limits: {cpu: 1, memory: 1Gi}}", QOS_GUARANTEED },
		{ "{limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1, memory: 1Gi}}",
		  QOS_GUARANTEED },
		{ "{limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}", QOS_BURSTABLE },
		{ "{requests: {cpu: 1m}}", QOS_BURSTABLE },
		{ "{limits: {cpu: 1}}", QOS_BURSTABLE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_arena struct arena a = { 0 };
		scoped_free char *text = mem_printf(
			"{spec: {containers: [{name: a, resources: %s}]}}", cases[i].resources);

		assert_int_equal(qos_of_pod(yaml(&a, text)), cases[i].want);
	}
}

static void numbers_for_cgroups_are_the_kubelet_s(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct resources r = resources_of_pod(yaml(
		&a, "{spec: {initContainers: [{resources: {requests: {cpu: 900m}}}, "
		    "{restartPolicy: Always, resources: "
		    "{requests: {cpu: 100m}}}, {resources: {requests: {cpu: 1}}}], containers: "
		    "[{resources: {requests: {cpu: "
		    "200m}, limits: {memory: 64Mi}}}, {resources: {requests: {cpu: 300m}}}]}}"));

	(void)state;
	assert_int_equal(r.cpu_request_milli,
	                 1100);                    /* the last init container beside the sidecar */
	assert_int_equal(r.memory_limit_bytes, 0); /* not every container has one */
	assert_int_equal(cpu_shares(0), 2);
	assert_int_equal(cpu_shares(1000), 1024);
	assert_int_equal(cpu_quota_us(500), 50000);
	assert_int_equal(cpu_quota_us(1), 1000);
	assert_int_equal(cpu_weight(1000), 39);
	assert_int_equal(oom_score_adj(QOS_GUARANTEED, NULL, 0, 1), -997);
	assert_int_equal(oom_score_adj(QOS_BEST_EFFORT, NULL, 0, 1), 1000);
	assert_int_equal(oom_score_adj(QOS_BURSTABLE, NULL, 50, 100), 500);
	assert_int_equal(oom_score_adj(QOS_BURSTABLE, NULL, 0, 100), 999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_names_are_made_whole),
		cmocka_unit_test(resolv_conf_follows_the_policy),
		cmocka_unit_test(hosts_name_the_pod_and_its_aliases),
		cmocka_unit_test(hosts_name_both_addresses),
		cmocka_unit_test(users_come_from_the_image),
		cmocka_unit_test(classes_follow_from_requests_and_limits),
		cmocka_unit_test(numbers_for_cgroups_are_the_kubelet_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
