/* Why: the model's promise is that one object costs one object, at 10,000 services and 10,000 pods.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/json.h"
#include "model/policy-table.h"

enum {
	SERVICES = 10000,
	PODS = 10000,
	POLICIES = 1000,
	SPACES = 50,
	CHANGES = 1000,
	LOOKUPS = 1000000
};

static struct doc *parse(char *text)
{
	struct doc *d;

	must(json_parse_doc(slice_of(text), 0, &d, NULL) == 0);
	free(text);
	return d;
}

static struct doc *service(unsigned i)
{
	return parse(mem_printf(
		"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"s%u\","
		"\"namespace\":\"n%u\"},\"spec\":{\"clusterIP\":\"10.1.%u.%u\",\"ports\":"
		"[{\"name\":\"http\",\"port\":80}]}}",
		i, i % SPACES, i / 256, i % 256));
}

static struct doc *slices(unsigned i, const char *ready)
{
	return parse(mem_printf(
		"{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":"
		"{\"name\":\"s%u-1\",\"namespace\":\"n%u\",\"labels\":{\"kubernetes.io/"
		"service-name\":"
		"\"s%u\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":8080}],"
		"\"endpoints\":[{\"addresses\":[\"10.100.%u.%u\"],\"conditions\":{\"ready\":%s}},"
		"{\"addresses\":[\"10.101.%u.%u\"]}]}",
		i, i % SPACES, i, i / 256, i % 256, ready, i / 256, i % 256));
}

static struct doc *pod(unsigned i)
{
	return parse(mem_printf("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
	                        "\"p%u\",\"namespace\":"
	                        "\"n%u\",\"labels\":{\"app\":\"a%u\",\"tier\":\"t%u\"}},\"spec\":{"
	                        "\"containers\":[{\"name\":"
	                        "\"c\",\"ports\":[{\"name\":\"http\",\"containerPort\":8080}]}]},"
	                        "\"status\":{\"phase\":"
	                        "\"Running\",\"podIP\":\"10.100.%u.%u\"}}",
	                        i, i % SPACES, i % 20, i % 3, i / 256, i % 256));
}

static struct doc *policy(unsigned i)
{
	return parse(mem_printf(
		"{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\",\"metadata\":"
		"{\"name\":\"q%u\",\"namespace\":\"n%u\"},\"spec\":{\"podSelector\":{"
		"\"matchLabels\":{\"app\":"
		"\"a%u\"}},\"policyTypes\":[\"Ingress\",\"Egress\"],\"ingress\":[{\"from\":[{"
		"\"podSelector\":"
		"{\"matchLabels\":{\"app\":\"a%u\"}}}],\"ports\":[{\"port\":\"http\"}]}],"
		"\"egress\":[{\"to\":"
		"[{\"ipBlock\":{\"cidr\":\"10.0.%u.0/24\"}}]}]}}",
		i, i % SPACES, i % 20, (i + 1) % 20, i % 250));
}

/* Every document is made before the clock starts. */
static double us_each(struct model *m, struct doc **docs, size_t n, bool remove,
                      void (*ask)(struct model *m))
{
	int64_t start_us = clock_mono_us();

	for (size_t i = 0; i < n; i++) {
		if (remove) {
			model_remove(m, docs[i]);
		} else {
			model_put(m, docs[i]);
		}
		if (ask) {
			ask(m);
		}
	}
	return (double)(clock_mono_us() - start_us) / (double)n;
}

static void drop(struct doc **docs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		doc_unref(docs[i]);
	}
}

static uint64_t seen;

static bool count(void *arg, const struct service_port *p)
{
	*(size_t *)arg += p->n_endpoints;
	return true;
}

static void ask_changed(void *arg, struct slice ns, struct slice name)
{
	size_t n = 0;

	model_each_port_of(arg, ns, name, count, &n);
}

static void ask_services(struct model *m)
{
	must(model_each_changed_service(m, seen, ask_changed, m));
	seen = model_version(m, MODEL_SERVICES);
}

static void ask_table(struct model *m)
{
	(void)policy_table_of(m);
}

static void services(struct model *m)
{
	static struct doc *docs[2 * SERVICES], *changes[CHANGES];

	for (unsigned i = 0; i < SERVICES; i++) {
		docs[2 * i] = service(i);
		docs[2 * i + 1] = slices(i, "true");
	}
	for (unsigned i = 0; i < CHANGES; i++) {
		changes[i] = slices(i * 7, "false");
	}
	printf("model_put_service_and_slice %.2f us\n",
	       2 * us_each(m, docs, 2 * SERVICES, false, NULL));
	ask_services(m);
	printf("model_endpoint_change_of_10000_services %.2f us\n",
	       us_each(m, changes, CHANGES, false, ask_services));
	drop(docs, 2 * SERVICES);
	drop(changes, CHANGES);
}

static void policies(struct model *m)
{
	static struct doc *pods[PODS], *docs[POLICIES], *one[1];
	int64_t start_us;

	for (unsigned i = 0; i < PODS; i++) {
		pods[i] = pod(i);
	}
	for (unsigned i = 0; i < POLICIES; i++) {
		docs[i] = policy(i);
	}
	printf("model_put_pod %.2f us\n", us_each(m, pods, PODS, false, NULL));
	printf("model_put_policy %.2f us\n", us_each(m, docs, POLICIES, false, NULL));
	start_us = clock_mono_us();
	ask_table(m);
	printf("policy_table_of_10000_pods %.1f ms\n",
	       (double)(clock_mono_us() - start_us) / US_PER_MS);
	printf("policy_table_pod_leaves %.2f us\n", us_each(m, pods, CHANGES, true, ask_table));
	printf("policy_table_pod_comes %.2f us\n", us_each(m, pods, CHANGES, false, ask_table));
	one[0] = policy(POLICIES);
	printf("policy_table_policy_comes %.1f ms\n",
	       us_each(m, one, 1, false, ask_table) / US_PER_MS);
	drop(pods, PODS);
	drop(docs, POLICIES);
	drop(one, 1);
}

static void names(struct model *m)
{
	scoped_arena struct arena a = { 0 };
	struct name_record *r;
	int64_t start_us = clock_mono_us();
	size_t n;

	for (unsigned i = 0; i < LOOKUPS; i++) {
		(void)name_lookup(m, SLICE("s77.n27.svc.cluster.local"), NAME_A, &a, &r, &n);
		if (i % 64 == 0) {
			arena_reset(&a);
		}
	}
	printf("name_lookup %.0f ns\n", (double)(clock_mono_us() - start_us) * 1000 / LOOKUPS);
}

int main(void)
{
	struct model *m = model_new();

	services(m);
	policies(m);
	names(m);
	model_free(m);
	return 0;
}
