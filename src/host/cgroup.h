/* What: control groups by one path, whatever the host has: version 2, or version 1 with its many
 * hierarchies (hybrid hosts count as version 1: the version 2 tree is out of sight then, see
 * serve/instance.h).
 *
 * Paths are absolute from the root of each hierarchy: "/kennel-N/kubepods". Sources: kernel
 * documentation admin-guide/cgroup-v1 and cgroup-v2. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct cgroups;

/* Finds out from the mount table of this process. Failure: ERR_UNSUPPORTED when nothing is mounted.
 */
MUST_USE int cgroups_open(struct cgroups **ret, struct err *err);
struct cgroups *cgroups_ref(
	struct cgroups *c); /* one more share, for work off the loop; never changes after open */
struct cgroups *cgroups_close(struct cgroups *c); /* gives a share back */
bool cgroups_is_v2(const struct cgroups *c);

struct cgroup_limits {
	int64_t cpu_shares;   /* v1 scale; 0: leave */
	int64_t cpu_weight;   /* the same on v2's scale; 0: leave */
	int64_t cpu_quota_us; /* per 100 ms; 0: none */
	int64_t memory_bytes; /* 0: none */
	int64_t pids;         /* 0: none */
};
/* Makes the group in the hierarchies of cpu, memory and pids, with all above it. Existing is fine.
 */
MUST_USE int cgroup_make(const struct cgroups *c, const char *path,
                         const struct cgroup_limits *limits, struct err *err);
/* One signal to every process of the tree; returns how many there were. */
size_t cgroup_signal(const struct cgroups *c, const char *path, int signum);
/* SIGKILL to every process of the tree, until none is left or about 100 ms have gone. True: empty.
 */
bool cgroup_kill(const struct cgroups *c, const char *path);
/* Removes the tree in every hierarchy; false when something is still in there. */
bool cgroup_remove(const struct cgroups *c, const char *path);
/* How often the kernel killed for want of memory in this group; 0 when unknown. */
int64_t cgroup_oom_kills(const struct cgroups *c, const char *path);
/* Usage counters of one group; -1 for what is not known. */
struct cgroup_usage {
	int64_t cpu_ns;            /* used since it was made */
	int64_t memory_bytes;      /* charged */
	int64_t working_set_bytes; /* without inactive file pages */
	int64_t rss_bytes;
	int64_t pids;
};
void cgroup_usage(const struct cgroups *c, const char *path, struct cgroup_usage *ret);
