/* Why: limits, killing and counting are said once; which files of which hierarchy that means stays
 * here. */
#include "host/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "base/vec.h"

struct hierarchy {
	char *mount;       /* owned: "/sys/fs/cgroup/memory" */
	char *controllers; /* owned: ",memory," or ",cpu,cpuacct,"; "" for version 2 */
};

struct cgroups {
	atomic_uint refs;
	bool is_v2;
	VEC(struct hierarchy) all;
};

/* ---- finding the hierarchies ---- */

/* A line of mountinfo: "36 35 98:0 ROOT MOUNT OPTIONS ... - TYPE SOURCE SUPER". proc(5). */
static void read_mount(struct cgroups *c, struct slice line)
{
	struct slice f[6], rest = line, tail, type, source;
	struct hierarchy h = { 0 };
	const char *dash;

	for (size_t i = 0; i < ARRAY_SIZE(f); i++) {
		if (!slice_next(&rest, ' ', &f[i])) {
			return;
		}
	}
	dash = memmem(rest.p, rest.len, "- ", 2);
	if (!dash) {
		return;
	}
	tail = slice_from(rest, (size_t)(dash - rest.p) + 2);
	slice_cut(tail, ' ', &type, &tail);
	slice_cut(tail, ' ', &source, &tail);
	if (c->is_v2 ? !slice_is(type, "cgroup2") : !slice_is(type, "cgroup")) {
		return;
	}
	h.mount = slice_dup(f[4]);
	h.controllers = c->is_v2 ? mem_strdup("")
	                         : mem_printf("," SLICE_FMT ",", SLICE_ARG(slice_trim(tail)));
	vec_push(&c->all, h);
}

int cgroups_open(struct cgroups **ret, struct err *err)
{
	struct cgroups *c = NEW(struct cgroups);
	scoped_file FILE *f = fopen("/proc/self/mountinfo", "re");
	scoped_free char *line = NULL;
	size_t room = 0;
	ssize_t n;
	struct statfs fs;

	atomic_init(&c->refs, 1);
	c->is_v2 = statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
	while (f && (n = getline(&line, &room, f)) > 0) {
		read_mount(c, (struct slice){ line, (size_t)n });
	}
	if (c->all.n == 0) {
		cgroups_close(c);
		return err_raise(err, ERR_UNSUPPORTED,
		                 "no cgroup hierarchy is mounted below /sys/fs/cgroup");
	}
	*ret = c;
	return 0;
}

struct cgroups *cgroups_ref(struct cgroups *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

struct cgroups *cgroups_close(struct cgroups *c)
{
	if (c && atomic_fetch_sub(&c->refs, 1) == 1) {
		for (size_t i = 0; i < c->all.n; i++) {
			free(c->all.at[i].mount);
			free(c->all.at[i].controllers);
		}
		vec_fini(&c->all);
		free(c);
	}
	return NULL;
}

bool cgroups_is_v2(const struct cgroups *c)
{
	return c->is_v2;
}

/* The hierarchy of a controller, or null. */
static const struct hierarchy *hierarchy_of(const struct cgroups *c, const char *controller)
{
	char key[40];

	if (c->is_v2) {
		return &c->all.at[0];
	}
	snprintf(key, sizeof(key), ",%s,", controller);
	for (size_t i = 0; i < c->all.n; i++) {
		if (strstr(c->all.at[i].controllers, key)) {
			return &c->all.at[i];
		}
	}
	return NULL;
}

/* ---- small files ---- */

static int write_file(const char *dir, const char *name, const char *text)
{
	scoped_free char *path = mem_printf("%s/%s", dir, name);
	scoped_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		return -errno;
	}
	return 0;
}

static int write_number(const char *dir, const char *name, int64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)n);
	return write_file(dir, name, text);
}

/* Whole small file; empty when it cannot be read. */
static struct slice read_small(const char *dir, const char *name, char *buf, size_t size)
{
	scoped_free char *path = mem_printf("%s/%s", dir, name);
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size);

	return n < 0 ? (struct slice){ "", 0 } : (struct slice){ buf, (size_t)n };
}

static int64_t read_number(const char *dir, const char *name)
{
	char buf[64];
	int64_t n;

	return slice_to_i64(slice_trim(read_small(dir, name, buf, sizeof(buf))), &n) ? n : -1;
}

/* The number behind "key " in a flat keyed file; -1 when absent. */
static int64_t read_keyed(const char *dir, const char *name, const char *key)
{
	char buf[4096];
	struct slice text = read_small(dir, name, buf, sizeof(buf)), line, head, tail;
	int64_t n;

	while (slice_next(&text, '\n', &line)) {
		slice_cut(line, ' ', &head, &tail);
		if (slice_is(head, key) && slice_to_i64(slice_trim(tail), &n)) {
			return n;
		}
	}
	return -1;
}

/* ---- making ---- */

/* mkdir -p below a hierarchy; on version 2 the controllers are passed down on the way. */
static int make_in(const struct cgroups *c, const struct hierarchy *h, const char *path,
                   struct err *err)
{
	scoped_free char *dir = mem_printf("%s%s", h->mount, path);
	size_t start = strlen(h->mount);

	for (char *at = dir + start + 1;; at++) {
		bool is_end = *at == '\0';

		if (!is_end && *at != '/') {
			continue;
		}
		*at = '\0';
		if (c->is_v2) {
			char *slash = strrchr(dir, '/');

			*slash = '\0';
			(void)write_file(dir, "cgroup.subtree_control", "+cpu +memory +pids");
			*slash = '/';
		}
		if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
			return err_sys(err, "mkdir %s", dir);
		}
		if (is_end) {
			return 0;
		}
		*at = '/';
	}
}

static void limit_v1(const char *cpu, const char *memory, const char *pids,
                     const struct cgroup_limits *l)
{
	if (cpu && l->cpu_shares > 0) {
		(void)write_number(cpu, "cpu.shares", l->cpu_shares);
	}
	if (cpu && l->cpu_quota_us > 0) {
		(void)write_number(cpu, "cpu.cfs_period_us", 100000);
		(void)write_number(cpu, "cpu.cfs_quota_us", l->cpu_quota_us);
	}
	if (memory && l->memory_bytes > 0) {
		(void)write_number(memory, "memory.limit_in_bytes", l->memory_bytes);
	}
	if (pids && l->pids > 0) {
		(void)write_number(pids, "pids.max", l->pids);
	}
}

static void limit_v2(const char *dir, const struct cgroup_limits *l)
{
	char text[48];

	if (l->cpu_weight > 0) {
		(void)write_number(dir, "cpu.weight", l->cpu_weight);
	}
	if (l->cpu_quota_us > 0) {
		snprintf(text, sizeof(text), "%lld 100000", (long long)l->cpu_quota_us);
		(void)write_file(dir, "cpu.max", text);
	}
	if (l->memory_bytes > 0) {
		(void)write_number(dir, "memory.max", l->memory_bytes);
	}
	if (l->pids > 0) {
		(void)write_number(dir, "pids.max", l->pids);
	}
}

int cgroup_make(const struct cgroups *c, const char *path, const struct cgroup_limits *limits,
                struct err *err)
{
	static const char *const wanted[] = { "cpu", "memory", "pids" };
	char *dirs[ARRAY_SIZE(wanted)] = { 0 };
	int r = 0;

	if (c->is_v2) {
		scoped_free char *dir = mem_printf("%s%s", c->all.at[0].mount, path);

		r = make_in(c, &c->all.at[0], path, err);
		if (r == 0 && limits) {
			limit_v2(dir, limits);
		}
		return r;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(wanted); i++) {
		const struct hierarchy *h = hierarchy_of(c, wanted[i]);

		if (h) {
			r = make_in(c, h, path, err);
			dirs[i] = mem_printf("%s%s", h->mount, path);
		}
	}
	if (r == 0 && limits) {
		limit_v1(dirs[0], dirs[1], dirs[2], limits);
	}
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		free(dirs[i]);
	}
	return r;
}

/* ---- killing and removing ---- */

static size_t signal_in(const char *dir, int signum)
{
	scoped_free char *path = mem_printf("%s/cgroup.procs", dir);
	scoped_file FILE *f = fopen(path, "re");
	size_t n = 0;
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1) {
		n++;
		if (pid > 0 && pid != getpid()) {
			(void)kill(pid, signum);
		}
	}
	return n;
}

/* Calls fn for each group of the tree, the deepest first. */
static void each_below(const char *dir, void (*fn)(void *arg, const char *dir), void *arg)
{
	scoped_dir DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		if (e->d_type == DT_DIR && e->d_name[0] != '.') {
			scoped_free char *child = mem_printf("%s/%s", dir, e->d_name);

			each_below(child, fn, arg);
		}
	}
	if (d) {
		fn(arg, dir);
	}
}

struct signalling {
	int signum;
	size_t n;
};

static void signal_one(void *arg, const char *dir)
{
	struct signalling *s = arg;

	s->n += signal_in(dir, s->signum);
}

size_t cgroup_signal(const struct cgroups *c, const char *path, int signum)
{
	struct signalling s = { .signum = signum };

	for (size_t h = 0; h < c->all.n; h++) {
		scoped_free char *dir = mem_printf("%s%s", c->all.at[h].mount, path);

		each_below(dir, signal_one, &s);
	}
	return s.n;
}

bool cgroup_kill(const struct cgroups *c, const char *path)
{
	static const struct timespec pause = { .tv_nsec = 2000000 };

	for (int i = 0; i < 50; i++) {
		if (cgroup_signal(c, path, SIGKILL) == 0) {
			return true;
		}
		nanosleep(&pause, NULL);
	}
	return false;
}

static void remove_one(void *arg, const char *dir)
{
	if (rmdir(dir) < 0 && errno != ENOENT) {
		*(bool *)arg = false;
	}
}

bool cgroup_remove(const struct cgroups *c, const char *path)
{
	bool all = true;

	for (size_t h = 0; h < c->all.n; h++) {
		scoped_free char *dir = mem_printf("%s%s", c->all.at[h].mount, path);

		each_below(dir, remove_one, &all);
	}
	return all;
}

/* ---- counting ---- */

int64_t cgroup_oom_kills(const struct cgroups *c, const char *path)
{
	const struct hierarchy *h = hierarchy_of(c, "memory");
	scoped_free char *dir = h ? mem_printf("%s%s", h->mount, path) : NULL;
	int64_t n;

	if (!dir) {
		return 0;
	}
	n = read_keyed(dir, c->is_v2 ? "memory.events" : "memory.oom_control", "oom_kill");
	return n < 0 ? 0 : n;
}

static void usage_v1(const struct cgroups *c, const char *path, struct cgroup_usage *u)
{
	const struct hierarchy *cpu = hierarchy_of(c, "cpuacct"),
			       *memory = hierarchy_of(c, "memory"), *pids = hierarchy_of(c, "pids");
	int64_t inactive;

	if (cpu) {
		scoped_free char *dir = mem_printf("%s%s", cpu->mount, path);

		u->cpu_ns = read_number(dir, "cpuacct.usage");
	}
	if (memory) {
		scoped_free char *dir = mem_printf("%s%s", memory->mount, path);

		u->memory_bytes = read_number(dir, "memory.usage_in_bytes");
		u->rss_bytes = read_keyed(dir, "memory.stat", "total_rss");
		inactive = read_keyed(dir, "memory.stat", "total_inactive_file");
		u->working_set_bytes = u->memory_bytes < inactive
		                               ? 0
		                               : u->memory_bytes - (inactive > 0 ? inactive : 0);
	}
	if (pids) {
		scoped_free char *dir = mem_printf("%s%s", pids->mount, path);

		u->pids = read_number(dir, "pids.current");
	}
}

void cgroup_usage(const struct cgroups *c, const char *path, struct cgroup_usage *ret)
{
	struct cgroup_usage u = { -1, -1, -1, -1, -1 };

	if (c->is_v2) {
		scoped_free char *dir = mem_printf("%s%s", c->all.at[0].mount, path);
		int64_t us = read_keyed(dir, "cpu.stat", "usage_usec"), inactive;

		u.cpu_ns = us < 0 ? -1 : us * 1000;
		u.memory_bytes = read_number(dir, "memory.current");
		u.rss_bytes = read_keyed(dir, "memory.stat", "anon");
		inactive = read_keyed(dir, "memory.stat", "inactive_file");
		u.working_set_bytes = u.memory_bytes < inactive
		                              ? 0
		                              : u.memory_bytes - (inactive > 0 ? inactive : 0);
		u.pids = read_number(dir, "pids.current");
	} else {
		usage_v1(c, path, &u);
	}
	*ret = u;
}
