/* Why: one log put aside. Names sort by age, as the kubelet's do, so that readers find the earlier
 * parts. */
#include "node/log-rotate.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/vec.h"

static int cmp_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Removes the oldest of "BASE.*" until at most 'keep' are left. */
static void drop_oldest(const char *path, int keep)
{
	const char *slash = strrchr(path, '/');
	scoped_free char *dir =
		slice_dup((struct slice){ path, slash ? (size_t)(slash - path) : 0 });
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

void log_discard(const char *path)
{
	(void)unlink(path);
	drop_oldest(path, 0);
}
