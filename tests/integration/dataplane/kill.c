/* Why: a dataplane that is killed in the middle of its changes leaves a kernel that lets nothing through it should not;
 * the next one makes it equal the model again and cuts nothing that is admitted.
 *
 * The one that is killed runs in a child, in the same namespaces. What becomes equal is asked for twice: a further start
 * finds nothing to write, and packets between all pods are judged as the model judges them. */
#include "probes.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/chance.h"
#include "base/clock.h"
#include "base/strbuf.h"

#define CHANGES  1000
#define KILLS    3
#define PODS     6
#define EXTRAS   40 /* pods that are objects only */
#define SERVICES 30

static const char *const names[PODS] = { "a", "b", "c", "d", "e", "f" };

struct scene {
	struct world *w;
	struct probes *probes;
	volatile int *progress; /* shared with the child */
	int done;               /* changes that the model has */
	int direct, behind;     /* connections from a to b, and through the service */
	struct probe probes_of_round[PODS * PODS * 3];
};

static const char *pod_ip(unsigned i)
{
	static char text[16];

	snprintf(text, sizeof(text), "10.244.0.%u", 10 + i);
	return text;
}

/* ---- changes: the same number makes the same change ---- */

static void change_policy(struct world *w, unsigned i)
{
	unsigned slot = i % 11;

	if (i % 3 == 0) {
		world_remove(w,
		             "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: "
		             "{name: n%u, "
		             "namespace: default}}",
		             slot);
		return;
	}
	world_put(w,
	          "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: n%u, "
	          "namespace: "
	          "default}\nspec: {podSelector: {matchLabels: {app: %s}}, policyTypes: [Ingress], "
	          "ingress: [{from: "
	          "[{podSelector: {matchLabels: {group: g%u}}}, {ipBlock: {cidr: "
	          "10.244.0.%u/28}}], ports: [{port: "
	          "%u, endPort: %u}]}]}\n",
	          slot, names[2 + i % 4], i % 5, i % 256, 80 + i % 2, 81 + i % 300);
}

/* b is isolated at all times, and admits a at ports 79 and 80 at all times, each time in other words. */
static void change_admission(struct world *w, unsigned i)
{
	world_put(w,
	          "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: keep, "
	          "namespace: "
	          "default}\nspec: {podSelector: {matchLabels: {app: b}}, policyTypes: [Ingress], "
	          "ingress: [{from: "
	          "[{podSelector: {matchLabels: {group: none%u}}}, {podSelector: {matchLabels: "
	          "{app: a}}}], ports: "
	          "[{port: %u, endPort: %u}]}]}\n",
	          i, 10 + i % 70, 80 + i % 50);
}

static void change_pod(struct world *w, unsigned i)
{
	char name[16], labels[48], ip[16];
	unsigned n = i % EXTRAS;

	snprintf(name, sizeof(name), "extra%u", n);
	snprintf(ip, sizeof(ip), "10.244.0.%u", 100 + n);
	snprintf(labels, sizeof(labels), "{app: %s, group: g%u}", names[2 + i % 4], i % 5);
	if (i % 5 == 0) {
		world_remove(
			w, "{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: default}}",
			name);
	} else {
		put_pod(w, "default", name, ip, labels);
	}
}

static void change_service(struct world *w, unsigned i)
{
	char name[8], spec[160], ends[128];
	unsigned n = i % SERVICES;

	snprintf(name, sizeof(name), "s%u", n);
	if (i % 7 == 0) {
		world_remove(
			w,
			"{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: default}}",
			name);
		return;
	}
	snprintf(spec, sizeof(spec),
	         "{clusterIP: 10.1.1.%u, clusterIPs: [10.1.1.%u], ports: [{port: %u}]%s}", n, n,
	         8000 + i % 3, i % 4 ? "" : ", sessionAffinity: ClientIP");
	put_service(w, name, spec);
	snprintf(ends, sizeof(ends),
	         "[{addresses: [10.244.0.%u, 10.244.0.%u], conditions: {ready: true}}]", 12 + i % 4,
	         100 + i % EXTRAS);
	put_slice(w, name, "TCP", 80, ends);
}

static void change(struct world *w, unsigned i)
{
	switch (i % 4) {
	case 0:
		change_policy(w, i / 4);
		break;
	case 1:
		change_pod(w, i / 4);
		break;
	case 2:
		change_service(w, i / 4);
		break;
	default:
		change_admission(w, i / 4);
	}
}

/* ---- the one that is killed ---- */

static pid_t start_victim(struct scene *s)
{
	pid_t pid;

	*s->progress = 0;
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		return pid;
	}
	s->w->loop = loop_new(); /* the parent's is the parent's */
	world_start_dataplane(s->w);
	for (int i = 0; i < CHANGES; i++) {
		change(s->w, (unsigned)(s->done + i));
		world_sync(s->w);
		loop_run_once(s->w->loop);
		*s->progress = i + 1;
	}
	for (;;) {
		pause();
	}
}

static void kill_victim(struct scene *s, pid_t pid, int after)
{
	int status;

	while (*s->progress < after) {
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		usleep(50);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- what must hold ---- */

static void nothing_is_cut(struct scene *s)
{
	assert_string_equal(ask(s->w, s->direct), "b 10.244.0.10");
	assert_string_equal(ask(s->w, s->behind), "b 10.244.0.10");
}

static void nothing_is_open(struct scene *s)
{
	assert_string_equal(
		probe_name(s->w, pod_ns(s->w, "10.244.0.12"), false, "10.244.0.11", 8080),
		"timeout");
}

static void the_kernel_equals_the_model(struct scene *s)
{
	static const uint16_t ports[] = { 80, 81, 82 };
	struct dataplane_stats stats = world_restart(s->w);
	size_t n = 0;

	assert_int_equal(stats.elements, 0);
	assert_int_equal(stats.rebuilds, 0);
	for (unsigned i = 0; i < PODS * PODS * ARRAY_SIZE(ports); i++) {
		struct probe p = PROBE_NEW;

		p.src = ip_of(pod_ip(i / 3 / PODS));
		p.dst = ip_of(pod_ip(i / 3 % PODS));
		p.proto = PROTO_TCP;
		p.port = ports[i % 3];
		s->probes_of_round[n++] = p;
	}
	probes_run(s->probes, s->probes_of_round, n);
	for (size_t i = 0; i < n; i++) {
		const struct probe *p = &s->probes_of_round[i];
		struct flow f = { p->src, p->dst, p->proto, p->port };
		char what[PROBE_TEXT_SIZE], outcome[PROBE_TEXT_SIZE];
		bool admitted = policy_decide(s->w->m, &f, NULL) == VERDICT_ALLOW;

		if (p->outcome != (admitted ? PROBE_ARRIVED : PROBE_DROPPED)) {
			fail_msg("%s: %s, the model says %s", probe_text(p, what),
			         probe_outcome_text(p, outcome), admitted ? "admitted" : "denied");
		}
	}
}

static void killed_between_changes_it_comes_back_equal_and_cuts_nothing(void **state)
{
	struct scene *s = *state;

	for (int round = 0; round < KILLS; round++) {
		int after = CHANGES / 4 + (int)(chance_u32() % (CHANGES / 2));
		int64_t began_us;
		pid_t pid;

		s->w->d = dataplane_free(s->w->d);
		pid = start_victim(s);
		kill_victim(s, pid, after);
		nothing_is_cut(s);
		nothing_is_open(s);
		/* What happened meanwhile: the other changes came to the API server. */
		for (int i = 0; i < CHANGES; i++) {
			change(s->w, (unsigned)(s->done + i));
		}
		s->done += CHANGES;
		began_us = clock_mono_us();
		world_start_dataplane(s->w);
		world_sync(s->w);
		print_message("# killed after %d of %d changes, equal again after %.1f ms\n", after,
		              CHANGES, (double)(clock_mono_us() - began_us) / 1000);
		nothing_is_cut(s);
		nothing_is_open(s);
		the_kernel_equals_the_model(s);
		nothing_is_cut(s);
	}
}

/* ---- frame ---- */

static int setup(void **state)
{
	struct scene *s = NEW(struct scene);

	*state = s;
	s->w = world_new();
	s->probes = probes_new(s->w);
	s->progress =
		mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(s->progress != MAP_FAILED);
	for (unsigned i = 0; i < PODS; i++) {
		char labels[32];

		snprintf(labels, sizeof(labels), "{app: %s, group: g%u}", names[i], i);
		probes_add_place(s->probes, ip_of(pod_ip(i)),
		                 add_pod(s->w, "default", names[i], pod_ip(i), labels));
	}
	change_admission(s->w, 0);
	put_service(s->w, "b",
	            "{clusterIP: 10.1.0.20, clusterIPs: [10.1.0.20], ports: [{port: 8000}]}");
	put_slice(s->w, "b", "TCP", 79, "[{addresses: [10.244.0.11], conditions: {ready: true}}]");
	/* Served here and not by the probes, which answer nothing. */
	serve(s->w, pod_ns(s->w, "10.244.0.11"), "b", false, 79);
	world_sync(s->w);
	s->direct = open_connection(s->w, pod_ns(s->w, "10.244.0.10"), false, "10.244.0.11", 79);
	s->behind = open_connection(s->w, pod_ns(s->w, "10.244.0.10"), false, "10.1.0.20", 8000);
	nothing_is_cut(s);
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	close(s->direct);
	close(s->behind);
	munmap((void *)s->progress, sizeof(int));
	probes_free(s->probes);
	world_free(s->w);
	free(s);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_between_changes_it_comes_back_equal_and_cuts_nothing),
	};

	return cmocka_run_group_tests_name("kill", tests, setup, teardown);
}
