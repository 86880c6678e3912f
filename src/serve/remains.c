/* Why: after any crash, an instance must vanish from the host: its processes, cgroups, pins and run folder are
 * found by what cannot lie (mount namespace, cgroup path), not by what somebody wrote down. See instance.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"
#include "host/cgroup2.h"
#include "serve/instance.h"

enum { KILL_ROUNDS = 100, PAUSE_MS = 10, OPEN_DIRS = 32 };

/* ---- processes ---- */

struct target {
	ino_t mnt;    /* the instance's mount namespace; 0: it has none any more */
	char *cgroup; /* "/kennel-N"; owned */
};

struct found {
	pid_t pid;
	bool in_pod; /* inside a container, not one of our own processes */
};
typedef VEC(struct found) found_vec;

static ino_t mount_namespace_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Whether a line of /proc/PID/cgroup ("4:memory:/kennel-N/...") lies at or below 'cgroup'. */
static bool line_is_below(const char *line, const char *cgroup)
{
	const char *path = strchr(line, ':');
	size_t len = strlen(cgroup);

	path = path ? strchr(path + 1, ':') : NULL;
	return path && strncmp(path + 1, cgroup, len) == 0 && strchr("/\n", path[1 + len]);
}

static bool is_in_cgroup(pid_t pid, const char *cgroup)
{
	char path[64], line[4096];
	scoped_file FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (line_is_below(line, cgroup)) {
			return true;
		}
	}
	return false;
}

/* Ended, and not yet taken note of by its parent: it holds nothing any more. */
static bool is_zombie(pid_t pid)
{
	char path[64], text[512], *p;
	scoped_file FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	return f && fgets(text, sizeof(text), f) && (p = strrchr(text, ')')) && p[1] == ' ' &&
	       (p[2] == 'Z' || p[2] == 'X');
}

static void find_processes(const struct target *t, found_vec *ret)
{
	scoped_dir DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		char path[64];
		bool same;

		if (pid <= 0 || pid == getpid()) {
			continue;
		}
		snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
		same = t->mnt && mount_namespace_of(path) == t->mnt;
		if (same || (is_in_cgroup(pid, t->cgroup) && !is_zombie(pid))) {
			vec_push(ret, ((struct found){ pid, !same }));
		}
	}
}

/* Does it do anything on SIGTERM? The first process of a pid namespace ignores what it does not catch. */
static bool catches_term(pid_t pid)
{
	char path[64], line[256];
	scoped_file FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "SigCgt:", 7) == 0) {
			return strtoull(line + 7, NULL, 16) >> (SIGTERM - 1) & 1;
		}
	}
	return false;
}

/* Asks what runs in containers to end, and waits for those that listen. */
static void ask_pods(const struct target *t, int64_t grace_us)
{
	int64_t end_us = clock_mono_us() + grace_us;
	found_vec asked = { 0 };

	find_processes(t, &asked);
	for (size_t i = 0; i < asked.n; i++) {
		struct found *f = &asked.at[i];
		int fd = f->in_pod && catches_term(f->pid) ? (int)syscall(SYS_pidfd_open, f->pid, 0)
		                                           : -1;

		if (fd >= 0) {
			(void)kill(f->pid, SIGTERM);
		}
		f->pid = fd; /* from here on a descriptor */
	}
	for (size_t i = 0; i < asked.n; i++) {
		int64_t left_us = end_us - clock_mono_us();

		if (asked.at[i].pid >= 0) {
			struct pollfd p = { .fd = asked.at[i].pid, .events = POLLIN };

			(void)poll(&p, 1, left_us > 0 ? (int)(left_us / US_PER_MS) : 0);
			close(asked.at[i].pid);
		}
	}
	vec_fini(&asked);
}

static int kill_all(const struct target *t, struct err *err)
{
	size_t left = 0;

	for (int round = 0; round < KILL_ROUNDS; round++) {
		found_vec all = { 0 };

		find_processes(t, &all);
		left = all.n;
		for (size_t i = 0; i < all.n; i++) {
			(void)kill(all.at[i].pid, SIGKILL);
		}
		vec_fini(&all);
		if (left == 0) {
			return 0;
		}
		usleep(PAUSE_MS * 1000);
	}
	return err_raise(err, ERR_IO, "%zu processes of the instance cannot be killed", left);
}

/* ---- cgroups ---- */

static int remove_folder(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	if (type == FTW_DP) {
		(void)rmdir(path);
	}
	return 0;
}

/* A cgroup is busy for a moment after its last process has died. */
static int remove_cgroup(const char *path, struct err *err)
{
	for (int round = 0; round < KILL_ROUNDS; round++) {
		if (access(path, F_OK) < 0) {
			return 0;
		}
		(void)nftw(path, remove_folder, OPEN_DIRS, FTW_DEPTH | FTW_PHYS);
		if (access(path, F_OK) < 0) {
			return 0;
		}
		usleep(PAUSE_MS * 1000);
	}
	return err_raise(err, ERR_IO, "cgroup %s cannot be removed", path);
}

/* Version 2 is not mounted everywhere. Without the right to look nothing was made there either. */
static int remove_cgroup2(const char *path, struct err *err)
{
	int r = -1;

	for (int round = 0; round < KILL_ROUNDS && r < 0; round++) {
		r = cgroup2_remove(path, err);
		if (r == -ERR_FORBIDDEN) {
			return 0;
		}
		if (r < 0) {
			usleep(PAUSE_MS * 1000);
		}
	}
	return r;
}

static int remove_cgroups(const struct target *t, struct err *err)
{
	struct mntent *m;
	FILE *f = setmntent("/proc/self/mounts", "re");
	int r = remove_cgroup2(t->cgroup, err);

	while (f && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup") == 0) {
			scoped_free char *path = mem_printf("%s%s", m->mnt_dir, t->cgroup);
			int one = remove_cgroup(path, err);

			r = r < 0 ? r : one;
		}
	}
	if (f) {
		endmntent(f);
	}
	return r;
}

/* ---- files ---- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

static int remove_tree(const char *path, struct err *err)
{
	if (nftw(path, remove_entry, OPEN_DIRS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0 &&
	    errno != ENOENT) {
		return err_sys(err, "remove %s", path);
	}
	return 0;
}

static void remove_pins(const char *run)
{
	scoped_free char *mnt = mem_printf("%s/mnt", run);

	(void)umount2(mnt, MNT_DETACH);
	while (umount2(run, MNT_DETACH) == 0) {
	}
	(void)rmdir(run);
	(void)rmdir("/run/kennel"); /* the last instance's */
}

int instance_remove(const struct home *h, int64_t grace_us, struct err *err)
{
	scoped_free char *run = mem_printf("/run/kennel/%s", h->name),
			 *mnt = mem_printf("%s/mnt", run),
			 *cgroup = mem_printf("/kennel-%s", h->name),
			 *sockets = home_file(h, "run");
	struct stat st, ours;
	struct target t = { .cgroup = cgroup };
	int r;

	/* An unmounted pin is a plain file whose inode means nothing. */
	if (stat(mnt, &st) == 0 && stat("/proc/self/ns/mnt", &ours) == 0 &&
	    st.st_dev == ours.st_dev) {
		t.mnt = st.st_ino;
	}
	ask_pods(&t, grace_us);
	r = kill_all(&t, err);
	if (r == 0) {
		r = remove_cgroups(&t, err);
	}
	if (r == 0) {
		remove_pins(run);
		r = remove_tree(sockets, err);
	}
	return r < 0 ? err_while(err, r, "remove instance %s", h->name) : 0;
}

int instance_purge(const struct home *h, struct err *err)
{
	static const char *const signs[] = { "lock", "pki", "store" };

	if (access(h->path, F_OK) < 0 && errno == ENOENT) {
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		scoped_free char *path = home_file(h, "%s", signs[i]);

		if (access(path, F_OK) < 0) {
			return err_raise(
				err, ERR_INVALID,
				"%s does not look like an instance's home (no %s); not removed",
				h->path, signs[i]);
		}
	}
	return remove_tree(h->path, err);
}
