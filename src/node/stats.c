/* Why: autoscaling and "kubectl top" ask what pods use; see stats.h. */
#include "node/stats.h"

#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/json.h"
#include "host/cgroup.h"
#include "node/file.h"

#define SAMPLE_US (15 * US_PER_S)

struct stats {
	struct agent *agent;     /* borrowed */
	struct cgroups *cgroups; /* owned; null: none found */
	struct map samples;      /* of struct stats_sample, owned, by control group */
	struct loop_timer timer;
	int64_t boot_wall_us;
	unsigned round;
};

struct reading { /* what is true for one summary */
	struct stats *s;
	struct arena arena;
	struct val *list; /* being filled: pods, or containers of one */
	int64_t now_us, wall_us;
	pid_t pid; /* of a running container of the pod */
};

/* ---- samples ---- */

static struct stats_sample *sample_of(struct stats *s, const char *group)
{
	struct stats_sample *sample = map_find(&s->samples, slice_of(group));

	if (!sample) {
		sample = NEW(struct stats_sample);
		sample->rate = -1;
		map_set(&s->samples, slice_of(group), sample);
	}
	sample->mark = s->round;
	return sample;
}

static bool sample_container(void *arg, const struct pod_container_view *c)
{
	struct stats *s = arg;
	struct cgroup_usage u;

	if (c->runtime && runtime_state(c->runtime) == RUNTIME_RUNNING) {
		cgroup_usage(s->cgroups, runtime_cgroup(c->runtime), &u);
		if (u.cpu_ns >= 0) {
			(void)stats_rate(sample_of(s, runtime_cgroup(c->runtime)),
			                 loop_now_us(s->agent->loop), u.cpu_ns);
		}
	}
	return true;
}

static bool sample_pod(void *arg, const struct pod_view *v)
{
	struct stats *s = arg;
	struct cgroup_usage u;

	if (v->cgroup) {
		cgroup_usage(s->cgroups, v->cgroup, &u);
		if (u.cpu_ns >= 0) {
			(void)stats_rate(sample_of(s, v->cgroup), loop_now_us(s->agent->loop),
			                 u.cpu_ns);
		}
	}
	pods_each_container(v, sample_container, s);
	return true;
}

/* "cpu  user nice system idle iowait irq softirq steal ...", in clock ticks. */
static int64_t busy_ns(struct slice text)
{
	struct slice line, field;
	int64_t busy = 0, n, column = 0;

	slice_cut(text, '\n', &line, &text);
	while (slice_next(&line, ' ', &field)) {
		if (field.len == 0 || !slice_to_i64(field, &n)) {
			continue;
		}
		busy += column == 3 || column == 4 || column > 7 ? 0 : n; /* idle, iowait, guests */
		column++;
	}
	return busy * (INT64_C(1000000000) / sysconf(_SC_CLK_TCK));
}

/* CPU time of the whole machine since its start; -1 when it cannot be read. */
static int64_t node_cpu_ns(void)
{
	scoped_strbuf struct strbuf text = { 0 };

	return file_read("/proc/stat", 16 << 20, &text, NULL) < 0 ? -1
	                                                          : busy_ns(strbuf_slice(&text));
}

static void sample_node(struct stats *s)
{
	int64_t used = node_cpu_ns();

	if (used >= 0) {
		(void)stats_rate(sample_of(s, "node"), loop_now_us(s->agent->loop), used);
	}
}

static void on_sample(struct loop_timer *t)
{
	struct stats *s = container_of(t, struct stats, timer);

	s->round++;
	sample_node(s);
	pods_each(s->agent->pods, sample_pod, s);
	for (struct map_iter it = { 0 }; map_next(&s->samples, &it);) {
		struct stats_sample *sample = it.value;

		if (sample->mark != s->round) {
			free(map_remove(&s->samples, it.key));
		}
	}
	loop_timer_start(s->agent->loop, &s->timer, SAMPLE_US, on_sample);
}

/* ---- one thing's figures ---- */

static void put_time(struct reading *g, struct val *object, const char *key, int64_t wall_us)
{
	char buf[TIME_TEXT_SIZE];

	if (wall_us > 0) {
		val_set_cstr(&g->arena, object, key, time_format(wall_us, buf));
	}
}

static void put_count(struct reading *g, struct val *object, const char *key, int64_t n)
{
	if (n >= 0) {
		val_set_int(&g->arena, object, key, n);
	}
}

static void put_usage(struct reading *g, struct val *object, const char *group,
                      int64_t started_wall_us)
{
	struct val *cpu = val_need_object(&g->arena, object, "cpu");
	struct val *memory = val_need_object(&g->arena, object, "memory");
	struct cgroup_usage u = { -1, -1, -1, -1, -1 };
	int64_t rate = -1;

	if (g->s->cgroups && group) {
		cgroup_usage(g->s->cgroups, group, &u);
	}
	if (u.cpu_ns >= 0) {
		rate = stats_rate(sample_of(g->s, group), g->now_us, u.cpu_ns);
	}
	if (rate < 0 && u.cpu_ns >= 0 && started_wall_us > 0 &&
	    g->wall_us - started_wall_us >= US_PER_S) {
		rate = (int64_t)((__int128)u.cpu_ns * US_PER_S / (g->wall_us - started_wall_us));
	}
	put_time(g, cpu, "time", g->wall_us);
	put_count(g, cpu, "usageNanoCores", rate);
	put_count(g, cpu, "usageCoreNanoSeconds", u.cpu_ns);
	put_time(g, memory, "time", g->wall_us);
	put_count(g, memory, "usageBytes", u.memory_bytes);
	put_count(g, memory, "workingSetBytes", u.working_set_bytes);
	put_count(g, memory, "rssBytes", u.rss_bytes);
}

static void put_traffic(struct reading *g, struct val *object, const struct stats_traffic *t)
{
	val_set_str(&g->arena, object, "name", t->interface);
	put_count(g, object, "rxBytes", t->rx_bytes);
	put_count(g, object, "rxErrors", t->rx_errors);
	put_count(g, object, "txBytes", t->tx_bytes);
	put_count(g, object, "txErrors", t->tx_errors);
}

/* The interfaces that a process sees; eth0 is the default one. */
static void put_network(struct reading *g, struct val *object, pid_t pid)
{
	scoped_strbuf struct strbuf text = { 0 };
	char path[64];
	struct stats_traffic t;
	struct slice rest;
	struct val *network, *interfaces;

	snprintf(path, sizeof(path), "/proc/%d/net/dev", (int)pid);
	if (file_read(path, 1 << 20, &text, NULL) < 0) {
		return;
	}
	network = val_need_object(&g->arena, object, "network");
	put_time(g, network, "time", g->wall_us);
	rest = strbuf_slice(&text);
	while (stats_next_interface(&rest, &t)) {
		if (slice_is(t.interface, "lo")) {
			continue;
		}
		if (slice_is(t.interface, "eth0")) {
			put_traffic(g, network, &t);
		}
		interfaces = val_need_array(&g->arena, network, "interfaces");
		put_traffic(g, val_append(interfaces, val_new_object(&g->arena)), &t);
	}
}

/* ---- pods ---- */

static bool add_container(void *arg, const struct pod_container_view *c)
{
	struct reading *g = arg;
	struct val *v;

	if (!c->runtime || runtime_state(c->runtime) != RUNTIME_RUNNING) {
		return true;
	}
	v = val_append(g->list, val_new_object(&g->arena));
	val_set_str(&g->arena, v, "name", val_get_str(c->spec, "name"));
	put_time(g, v, "startTime", c->started_wall_us);
	put_usage(g, v, runtime_cgroup(c->runtime), c->started_wall_us);
	g->pid = runtime_pid(c->runtime);
	return true;
}

static bool add_pod(void *arg, const struct pod_view *p)
{
	struct reading *g = arg;
	struct val *pods = g->list, *v = val_append(pods, val_new_object(&g->arena)), *ref;
	struct slice start = val_str(val_path(p->doc->root, "status.startTime"));
	int64_t started = 0;

	ref = val_need_object(&g->arena, v, "podRef");
	val_set_str(&g->arena, ref, "name", p->name);
	val_set_str(&g->arena, ref, "namespace", p->ns);
	val_set_str(&g->arena, ref, "uid", p->uid);
	if (time_parse(start, &started)) {
		val_set_str(&g->arena, v, "startTime", start);
	}
	g->pid = 0;
	g->list = val_need_array(&g->arena, v, "containers");
	pods_each_container(p, add_container, g);
	g->list = pods;
	put_usage(g, v, p->cgroup, started);
	if (g->pid > 0 && p->netns_path) {
		put_network(g, v, g->pid);
	}
	return true;
}

/* ---- the node ---- */

/* Value in bytes of "Name:  n kB" in /proc/meminfo; -1 when absent. */
static int64_t meminfo(struct slice text, const char *name)
{
	struct slice line, key, value;
	int64_t kib;

	while (slice_next(&text, '\n', &line)) {
		if (slice_cut(line, ':', &key, &value) && slice_is(key, name)) {
			slice_cut(slice_trim(value), ' ', &value, &key);
			return slice_to_i64(value, &kib) ? kib * 1024 : -1;
		}
	}
	return -1;
}

static void put_node_memory(struct reading *g, struct val *node)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct val *memory = val_need_object(&g->arena, node, "memory");
	int64_t total, available, free_bytes;

	if (file_read("/proc/meminfo", 1 << 20, &text, NULL) < 0) {
		return;
	}
	total = meminfo(strbuf_slice(&text), "MemTotal");
	available = meminfo(strbuf_slice(&text), "MemAvailable");
	free_bytes = meminfo(strbuf_slice(&text), "MemFree");
	put_time(g, memory, "time", g->wall_us);
	put_count(g, memory, "availableBytes", available);
	put_count(g, memory, "usageBytes", total - free_bytes);
	put_count(g, memory, "workingSetBytes", total - available);
	put_count(g, memory, "rssBytes", meminfo(strbuf_slice(&text), "AnonPages"));
}

static void put_node_cpu(struct reading *g, struct val *node)
{
	struct val *cpu = val_need_object(&g->arena, node, "cpu");
	int64_t used = node_cpu_ns(), rate;

	if (used < 0) {
		return;
	}
	rate = stats_rate(sample_of(g->s, "node"), g->now_us, used);
	if (rate < 0 && g->wall_us > g->s->boot_wall_us) {
		rate = (int64_t)((__int128)used * US_PER_S / (g->wall_us - g->s->boot_wall_us));
	}
	put_time(g, cpu, "time", g->wall_us);
	put_count(g, cpu, "usageNanoCores", rate);
	put_count(g, cpu, "usageCoreNanoSeconds", used);
}

void stats_summary(struct stats *s, struct strbuf *out)
{
	struct reading g = {
		.s = s,
		.now_us = loop_now_us(s->agent->loop),
		.wall_us = clock_wall_us(),
	};
	struct val *summary = val_new_object(&g.arena);
	struct val *node = val_need_object(&g.arena, summary, "node");

	val_set_cstr(&g.arena, node, "nodeName", s->agent->node_name);
	put_time(&g, node, "startTime", s->boot_wall_us);
	put_node_cpu(&g, node);
	put_node_memory(&g, node);
	put_network(&g, node, getpid());
	g.list = val_need_array(&g.arena, summary, "pods");
	pods_each(s->agent->pods, add_pod, &g);
	json_write(out, summary);
	strbuf_addc(out, '\n');
	arena_fini(&g.arena);
}

/* ---- life ---- */

struct stats *stats_new(struct agent *a)
{
	struct stats *s = NEW(struct stats);
	struct timespec up = { 0 };
	struct err err;

	s->agent = a;
	(void)clock_gettime(CLOCK_BOOTTIME, &up);
	s->boot_wall_us = clock_wall_us() - ((int64_t)up.tv_sec * US_PER_S + up.tv_nsec / 1000);
	if (cgroups_open(&s->cgroups, &err) < 0) {
		log_odd("What pods use is not known: %s", err.msg);
		s->cgroups = NULL;
		return s;
	}
	loop_timer_start(a->loop, &s->timer, SAMPLE_US, on_sample);
	return s;
}

struct stats *stats_free(struct stats *s)
{
	if (!s) {
		return NULL;
	}
	loop_timer_stop(&s->timer);
	cgroups_close(s->cgroups);
	for (struct map_iter it = { 0 }; map_next(&s->samples, &it);) {
		free(it.value);
	}
	map_fini(&s->samples);
	free(s);
	return NULL;
}
