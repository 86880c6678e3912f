/* Why: whose an address is, for every kind that has one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

static const char objects[] =
	"{apiVersion: v1, kind: Node, metadata: {name: node-1}, status: {addresses: [{type: "
	"InternalIP, "
	"address: "
	"10.0.2.10}]}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: a}, spec: {nodeName: node-1}, "
	"status: {phase: "
	"Running, podIP: 10.244.0.2, podIPs: [{ip: 10.244.0.2}]}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: done, namespace: a}, spec: {nodeName: "
	"node-1}, "
	"status: {phase: "
	"Succeeded, podIP: 10.244.0.3, podIPs: [{ip: 10.244.0.3}]}}\n---\n"
	"{apiVersion: v1, kind: Pod, metadata: {name: host, namespace: a}, spec: {nodeName: "
	"node-1, "
	"hostNetwork: true}, "
	"status: {phase: Running, podIP: 10.0.2.10, podIPs: [{ip: 10.0.2.10}]}}\n---\n"
	"{apiVersion: v1, kind: Service, metadata: {name: s, namespace: a}, spec: {clusterIP: "
	"10.1.0.5, clusterIPs: "
	"[10.1.0.5], ports: [{port: 80}]}}\n---\n"
	"{apiVersion: rds.services.k8s.aws/v1alpha1, kind: DBInstance, metadata: {name: db, "
	"namespace: a, annotations: "
	"{kennel.dev/vpc-address: 10.0.3.7}}}\n";

static void is(const struct model *m, const char *address, const char *kind, const char *name)
{
	struct ip ip = { 0 };
	const struct val *owner;

	assert_true(ip_parse(slice_of(address), &ip));
	owner = model_owner_of(m, ip);
	if (!kind) {
		assert_null(owner);
		return;
	}
	assert_non_null(owner);
	assert_string_equal(val_cstr(val_get(owner, "kind")), kind);
	assert_string_equal(val_cstr(val_path(owner, "metadata.name")), name);
}

static void an_address_is_whose_object_has_it(void **state)
{
	struct model *m = model_new();

	(void)state;
	put(m, objects);
	is(m, "10.244.0.2", "Pod", "p");
	is(m, "10.1.0.5", "Service", "s");
	is(m, "10.0.3.7", "DBInstance", "db");
	is(m, "10.0.2.10", "Node", "node-1"); /* not the pod that shares it */
	is(m, "10.244.0.3", NULL, NULL);      /* a finished pod has none */
	is(m, "192.0.2.1", NULL, NULL);
	feed(m, "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: a}}", true);
	is(m, "10.244.0.2", NULL, NULL);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(an_address_is_whose_object_has_it) };

	return cmocka_run_group_tests_name("owner", tests, NULL, NULL);
}
