/* Why: what the store promises in figures: durable writes a second, what a watch costs, how long
 * loading 50,000 objects takes and how much memory they need. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/json.h"
#include "peer.h"
#include "store/store.h"

enum {
	SINGLE = 2000,   /* writes one by one */
	BATCHED = 20000, /* writes by 50 */
	BATCH = 50,
	WATCHES = 100,
	EVENTS = 5000,
	OBJECTS = 50000,
	LOOKUPS = 1000000,
};

struct site {
	struct loop *loop;
	struct registry *registry;
	struct store *store;
	const struct kind *pod;
	size_t next; /* number of the next name */
};

/* A pod as a Deployment makes it, about 1,600 bytes. */
static const char pod_json[] = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{"
			       "\"namespace\":\"bench\",\"labels\":{\"app\":"
			       "\"backend\",\"pod-template-hash\":\"59dc555d5\"},"
			       "\"ownerReferences\":[{\"apiVersion\":\"apps/v1\","
			       "\"kind\":\"ReplicaSet\",\"name\":\"backend-59dc555d5\",\"uid\":"
			       "\"19d63f11-68fb-460c-a398-f2f3d469a680\","
			       "\"controller\":true,\"blockOwnerDeletion\":true}]},\"spec\":{"
			       "\"volumes\":[{\"name\":\"token\","
			       "\"projected\":{\"sources\":[{\"serviceAccountToken\":{"
			       "\"expirationSeconds\":3607,\"path\":\"token\"}}],"
			       "\"defaultMode\":420}}],\"containers\":[{\"name\":\"backend\","
			       "\"image\":\"happy-tails/backend:1\","
			       "\"ports\":[{\"containerPort\":5000,\"protocol\":\"TCP\"}],"
			       "\"envFrom\":[{\"configMapRef\":{\"name\":"
			       "\"backend-config\"}},{\"secretRef\":{\"name\":\"backend-secrets\"}}"
			       "],\"resources\":{\"limits\":{\"cpu\":"
			       "\"500m\",\"memory\":\"256Mi\"},\"requests\":{\"cpu\":\"100m\","
			       "\"memory\":\"128Mi\"}},\"readinessProbe\":{"
			       "\"httpGet\":{\"path\":\"/api/"
			       "ready\",\"port\":5000,\"scheme\":\"HTTP\"},\"periodSeconds\":10},"
			       "\"terminationMessagePath\":\"/dev/"
			       "termination-log\",\"imagePullPolicy\":\"IfNotPresent\"}],"
			       "\"restartPolicy\":\"Always\",\"terminationGracePeriodSeconds\":30,"
			       "\"dnsPolicy\":\"ClusterFirst\","
			       "\"nodeName\":\"node\",\"schedulerName\":\"default-scheduler\"},"
			       "\"status\":{\"phase\":\"Running\","
			       "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\","
			       "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"},"
			       "{\"type\":\"ContainersReady\",\"status\":\"True\","
			       "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}],"
			       "\"podIP\":\"10.244.0.7\",\"startTime\":\"2026-01-01T00:00:00Z\"}}";

static void site_open(struct site *s, const char *path)
{
	struct store_config c = { .path = path };
	struct err err = { 0 };

	s->loop = loop_new();
	s->registry = c.registry = registry_new();
	s->pod = registry_find(s->registry, SLICE(""), SLICE("v1"), SLICE("Pod"));
	if (store_open(s->loop, &c, &s->store, &err) < 0) {
		must_failed(err.msg, __FILE__, __LINE__);
	}
}

static void site_close(struct site *s)
{
	store_close(s->store);
	loop_free(s->loop);
	registry_free(s->registry);
}

static void create(struct site *s, struct arena *a, struct val *pod)
{
	val_set(a, val_get(pod, "metadata"), "name", val_new_strf(a, "backend-%06zu", s->next++));
	must(store_create(s->store, s->pod, pod, NULL, NULL) == 0);
}

/* ---- writes ---- */

struct answer {
	struct store_wait wait;
	bool is_there;
};

static void answered(struct store_wait *w)
{
	container_of(w, struct answer, wait)->is_there = true;
}

/* Seconds that n durable creations took, 'batch' of them before each wait for the answer. */
static double write_s(struct site *s, size_t n, size_t batch)
{
	int64_t start = clock_mono_us();

	for (size_t i = 0; i < n; i += batch) {
		scoped_arena struct arena a = { 0 };
		struct answer answer = { .wait.fn = answered };
		struct val *pod;

		must(json_parse(&a, slice_of(pod_json), 0, &pod, NULL) == 0);
		for (size_t k = 0; k < batch; k++) {
			create(s, &a, pod);
		}
		store_after_commit(s->store, &answer.wait);
		loop_run(s->loop);
		must(answer.is_there);
	}
	return (double)(clock_mono_us() - start) / US_PER_S;
}

static void say_rate(const char *name, size_t n, double took_s, double peer_s)
{
	printf("%s %.0f writes/s %.2f sqlite\n", name, (double)n / took_s, peer_s / took_s);
	fflush(stdout);
}

static void measure_writes(const char *folder)
{
	scoped_free char *path = mem_printf("%s/writes.db", folder);
	scoped_free char *one = mem_printf("%s/peer-1.db", folder),
			 *many = mem_printf("%s/peer-50.db", folder);
	struct site s = { 0 };
	double took_s;

	site_open(&s, path);
	took_s = write_s(&s, SINGLE, 1);
	say_rate("store/write-single", SINGLE, took_s,
	         peer_insert_s(one, SINGLE, 1, sizeof(pod_json)));
	took_s = write_s(&s, BATCHED, BATCH);
	say_rate("store/write-by-50", BATCHED, took_s,
	         peer_insert_s(many, BATCHED, BATCH, sizeof(pod_json)));
	site_close(&s);
}

/* ---- watches ---- */

static void count(void *arg, const struct store_event *e)
{
	*(size_t *)arg += e->json.len > 0;
}

static void measure_watches(void)
{
	struct store_watch *watches[WATCHES];
	struct site s = { 0 };
	size_t told = 0;
	double alone_s, took_s;

	site_open(&s, NULL);
	alone_s = write_s(&s, EVENTS, BATCH);
	for (size_t i = 0; i < WATCHES; i++) {
		must(store_watch(s.store, s.pod, store_revision(s.store), count, &told, &watches[i],
		                 NULL) == 0);
	}
	took_s = write_s(&s, EVENTS, BATCH);
	must(told == (size_t)WATCHES * EVENTS);
	printf("store/watch-tell %.0f ns\n",
	       took_s > alone_s ? (took_s - alone_s) * 1e9 / (double)told : 0.0);
	printf("store/write-in-memory %.0f writes/s\n", EVENTS / alone_s);
	fflush(stdout);
	for (size_t i = 0; i < WATCHES; i++) {
		store_unwatch(watches[i]);
	}
	site_close(&s);
}

/* ---- many objects ---- */

static int64_t resident_bytes(void)
{
	scoped_file FILE *f = fopen("/proc/self/statm", "re");
	int64_t all = 0, resident = 0;

	must(f && fscanf(f, "%" SCNd64 " %" SCNd64, &all, &resident) == 2);
	return resident * sysconf(_SC_PAGESIZE);
}

static bool add_up(void *arg, const struct doc *d)
{
	*(size_t *)arg += d->root != NULL;
	return true;
}

static void measure_reading(struct site *s)
{
	int64_t start = clock_mono_us();
	size_t n = 0, found = 0;
	char name[32];

	for (size_t i = 0; i < LOOKUPS; i++) {
		snprintf(name, sizeof(name), "backend-%06zu", i * 7919 % OBJECTS);
		found += store_get(s->store,
		                   (struct key){ s->pod, SLICE("bench"), slice_of(name) }) != NULL;
	}
	must(found == LOOKUPS);
	printf("store/get-of-50000 %.0f ns\n", (double)(clock_mono_us() - start) * 1e3 / LOOKUPS);
	start = clock_mono_us();
	store_each(s->store, s->pod, SLICE("bench"), add_up, &n);
	must(n == OBJECTS);
	printf("store/list-50000 %.2f ms\n", (double)(clock_mono_us() - start) / 1e3);
}

static void measure_loading(const char *folder)
{
	scoped_free char *path = mem_printf("%s/many.db", folder);
	struct site s = { 0 };
	int64_t start, before;

	site_open(&s, path);
	(void)write_s(&s, OBJECTS, 500);
	site_close(&s);
	malloc_trim(0); /* what was freed is not counted as memory of before */
	before = resident_bytes();
	start = clock_mono_us();
	site_open(&s, path);
	printf("store/load-50000 %.0f ms\n", (double)(clock_mono_us() - start) / 1e3);
	must(store_count(s.store, s.pod, SLICE("")) == OBJECTS);
	printf("store/memory-of-50000 %.0f MiB\n", (double)(resident_bytes() - before) / (1 << 20));
	measure_reading(&s);
	site_close(&s);
}

int main(void)
{
	const char *folder = getenv("BENCH_DIR");

	if (!folder) {
		fprintf(stderr, "Run me by tests/bench/run store\n");
		return 2;
	}
	measure_loading(folder); /* first, while the heap is small */
	measure_writes(folder);
	measure_watches();
	return 0;
}
