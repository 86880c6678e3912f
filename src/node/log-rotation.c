/* Why: a chatty container must not fill the disk. Names sort by age, as the kubelet's do, so that readers find the
 * earlier parts. */
#include "node/log-rotation.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"

static const int64_t look_us = 10 * US_PER_S, max_bytes = 10 << 20;
enum { KEEP = 5 };

struct log_rotation {
	struct loop *loop;
	const struct pods *pods;
	struct loop_timer timer;
};

static int cmp_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Removes the oldest of "BASE.*" until at most 'keep' are left. */
static void drop_oldest(const char *path, int keep)
{
	const char *slash = strrchr(path, '/');
	scoped_free char *dir = slice_dup((struct slice){ path, slash ? (size_t)(slash - path) : 0 });
	scoped_free char *prefix = mem_printf("%s.", slash ? slash + 1 : path);
	scoped_dir DIR *d = opendir(slash ? dir : ".");
	VEC(char *) names = { 0 };
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		if (slice_has_prefix(slice_of(e->d_name), slice_of(prefix))) {
			vec_push(&names, mem_strdup(e->d_name));
		}
	}
	if (names.n > 0) {
		qsort(names.at, names.n, sizeof(*names.at), cmp_names);
	}
	for (size_t i = 0; i < names.n; i++) {
		if (i + (size_t)keep < names.n) {
			(void)unlinkat(dirfd(d), names.at[i], 0);
		}
		free(names.at[i]);
	}
	vec_fini(&names);
}

bool log_rotate(const char *path, int64_t limit, int keep, int64_t now_wall_us)
{
	scoped_free char *aside = NULL;
	char now[TIME_TEXT_SIZE];
	struct stat st;

	if (stat(path, &st) < 0 || st.st_size <= limit) {
		return false;
	}
	aside = mem_printf("%s.%s", path, time_format_micro(now_wall_us, now));
	if (rename(path, aside) < 0) {
		log_odd("Log was not rotated path=%s", path);
		return false;
	}
	drop_oldest(path, keep - 1);
	return true;
}

static bool look_at_container(void *arg, const struct pod_container_view *c)
{
	(void)arg;
	if (c->runtime && c->log_path && log_rotate(c->log_path, max_bytes, KEEP, clock_wall_us())) {
		runtime_reopen_log(c->runtime);
	}
	return true;
}

static bool look_at_pod(void *arg, const struct pod_view *v)
{
	pods_each_container(v, look_at_container, arg);
	return true;
}

static void on_timer(struct loop_timer *t)
{
	struct log_rotation *r = container_of(t, struct log_rotation, timer);

	pods_each(r->pods, look_at_pod, NULL);
	loop_timer_start(r->loop, &r->timer, look_us, on_timer);
}

struct log_rotation *log_rotation_new(struct loop *l, const struct pods *pods)
{
	struct log_rotation *r = NEW(struct log_rotation);

	r->loop = l;
	r->pods = pods;
	loop_timer_start(l, &r->timer, look_us, on_timer);
	return r;
}

struct log_rotation *log_rotation_free(struct log_rotation *r)
{
	if (r) {
		loop_timer_stop(&r->timer);
		free(r);
	}
	return NULL;
}
