/* Why: a pod's files and namespaces are made by a handful of system calls in this process instead
 * of a program for each; the new mount interface reports what it refuses and takes paths of any
 * length. */
#include "host/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/slice.h"
#include "base/vec.h"

/* What the kernel said about a refused option, behind the sentence. */
static int fs_failed(int fs, struct err *err, const char *what)
{
	int sys = errno;
	char said[200];
	ssize_t n = fs < 0 ? -1 : read(fs, said, sizeof(said) - 1);

	errno = sys;
	if (n <= 0) {
		return err_sys(err, "%s", what);
	}
	said[n] = '\0';
	while (n > 0 && said[n - 1] == '\n') {
		said[--n] = '\0';
	}
	return err_sys(err, "%s (%s)", what, said);
}

static int set(int fs, const char *key, const char *value)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0);
}

/* Creates the configured file system and puts it at 'at'. */
static int put(int fs, const char *at, unsigned attributes, struct err *err)
{
	scoped_free char *what = mem_printf("mount at %s", at);
	scoped_fd int m = -1;

	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		return fs_failed(fs, err, what);
	}
	m = fsmount(fs, FSMOUNT_CLOEXEC, attributes);
	if (m < 0 || move_mount(m, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		return fs_failed(fs, err, what);
	}
	return 0;
}

/* A layer's path as overlayfs reads it: backslash, colon and comma are escaped. */
static char *escaped(const char *path)
{
	char *out = mem_alloc(strlen(path) * 2 + 1), *to = out;

	for (; *path; path++) {
		if (*path == '\\' || *path == ':' || *path == ',') {
			*to++ = '\\';
		}
		*to++ = *path;
	}
	return out;
}

int mount_overlay(const char *lower, const char *upper, const char *work, const char *at,
                  struct err *err)
{
	scoped_free char *low = escaped(lower);
	scoped_fd int fs = fsopen("overlay", FSOPEN_CLOEXEC);

	if (fs < 0) {
		return err_sys(err, "overlay file system");
	}
	if (set(fs, "source", "overlay") < 0 || set(fs, "lowerdir", low) < 0 ||
	    set(fs, "upperdir", upper) < 0 || set(fs, "workdir", work) < 0) {
		return fs_failed(fs, err, "overlay layers");
	}
	(void)fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL,
	               0); /* what a container wrote needs no sync */
	return put(fs, at, 0, err);
}

int mount_bind(const char *from, const char *at, unsigned flags, struct err *err)
{
	unsigned deep = flags & MOUNT_RECURSIVE ? AT_RECURSIVE : 0;
	scoped_fd int tree = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | deep);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (tree < 0) {
		return err_sys(err, "bind %s", from);
	}
	if ((flags & MOUNT_READ_ONLY) &&
	    mount_setattr(tree, "", AT_EMPTY_PATH | deep, &attr, sizeof(attr)) < 0) {
		return err_sys(err, "make %s read-only", from);
	}
	attr = (struct mount_attr){ .propagation = MS_PRIVATE };
	if (mount_setattr(tree, "", AT_EMPTY_PATH | deep, &attr, sizeof(attr)) < 0 ||
	    move_mount(tree, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		return err_sys(err, "bind %s at %s", from, at);
	}
	return 0;
}

int mount_memory(const char *at, int64_t size_bytes, unsigned mode, struct err *err)
{
	scoped_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	char size[32], bits[16];

	snprintf(size, sizeof(size), "%lld", (long long)size_bytes);
	snprintf(bits, sizeof(bits), "%o", mode);
	if (fs < 0) {
		return err_sys(err, "tmpfs");
	}
	if (set(fs, "source", "tmpfs") < 0 || set(fs, "mode", bits) < 0 ||
	    (size_bytes > 0 && set(fs, "size", size) < 0)) {
		return fs_failed(fs, err, "tmpfs options");
	}
	return put(fs, at, 0, err);
}

void mount_remove(const char *at)
{
	while (umount2(at, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
	}
}

void mounts_remove_below(const char *dir)
{
	scoped_file FILE *f = fopen("/proc/self/mountinfo", "re");
	scoped_free char *line = NULL, *prefix = mem_printf("%s/", dir);
	VEC(char *) found = { 0 };
	size_t room = 0;
	ssize_t n;

	while (f && (n = getline(&line, &room, f)) > 0) {
		struct slice rest = { line, (size_t)n }, field = { 0 };

		for (int i = 0; i < 5; i++) { /* the fifth is the mount point; proc(5) */
			(void)slice_next(&rest, ' ', &field);
		}
		if (slice_has_prefix(field, slice_of(prefix))) {
			vec_push(&found, slice_dup(field));
		}
	}
	while (found.n > 0) { /* the last one first: it may stand on an earlier one */
		found.n--;
		mount_remove(found.at[found.n]);
		free(found.at[found.n]);
	}
	vec_fini(&found);
}

bool mount_is_there(const char *at)
{
	struct statx st;

	return statx(AT_FDCWD, at, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, 0, &st) == 0 &&
	       (st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* ---- namespaces ---- */

static const struct {
	unsigned kind;
	int clone;
	const char *name;
} KINDS[] = {
	{ PIN_NET, CLONE_NEWNET, "net" },
	{ PIN_IPC, CLONE_NEWIPC, "ipc" },
	{ PIN_UTS, CLONE_NEWUTS, "uts" },
};

static int keep(const char *dir, const char *name, struct err *err)
{
	scoped_free char *path = mem_printf("%s/%s", dir, name);
	scoped_free char *from = mem_printf("/proc/thread-self/ns/%s", name);
	scoped_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);

	if (fd < 0) {
		return err_sys(err, "create %s", path);
	}
	mount_remove(path);
	if (mount(from, path, NULL, MS_BIND, NULL) < 0) {
		return err_sys(err, "pin %s", path);
	}
	return 0;
}

/* Without a way back this process would work in the wrong network: better none at all. */
static void go_back(const int *own)
{
	for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++) {
		must(own[i] < 0 || setns(own[i], KINDS[i].clone) == 0);
		if (own[i] >= 0) {
			close(own[i]);
		}
	}
}

int namespaces_pin(const char *dir, unsigned kinds, const char *hostname, struct err *err)
{
	int own[ARRAY_SIZE(KINDS)] = { -1, -1, -1 };
	int clone = 0, r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++) {
		scoped_free char *from = mem_printf("/proc/thread-self/ns/%s", KINDS[i].name);

		if (kinds & KINDS[i].kind) {
			own[i] = open(from, O_RDONLY | O_CLOEXEC);
			r = own[i] < 0 ? err_sys(err, "open %s", from) : r;
			clone |= KINDS[i].clone;
		}
	}
	if (r == 0 && unshare(clone) < 0) {
		r = err_sys(err, "make namespaces");
	}
	if (r == 0 && (kinds & PIN_UTS) && sethostname(hostname, strlen(hostname)) < 0) {
		r = err_sys(err, "set host name %s", hostname);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(KINDS); i++) {
		if (kinds & KINDS[i].kind) {
			r = keep(dir, KINDS[i].name, err);
		}
	}
	go_back(own);
	if (r < 0) {
		namespaces_unpin(dir);
	}
	return r;
}

void namespaces_unpin(const char *dir)
{
	for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++) {
		scoped_free char *path = mem_printf("%s/%s", dir, KINDS[i].name);

		mount_remove(path);
		(void)unlink(path);
	}
}

int namespace_socket(const char *path, int family, int type, int *ret_fd, struct err *err)
{
	scoped_fd int there = -1, fd = -1;
	int own[ARRAY_SIZE(KINDS)] = { -1, -1, -1 };
	int sys;

	if (path) {
		there = open(path, O_RDONLY | O_CLOEXEC);
		own[0] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		if (there < 0 || own[0] < 0 || setns(there, CLONE_NEWNET) < 0) {
			sys = errno;
			if (own[0] >= 0) {
				close(own[0]);
			}
			errno = sys;
			return err_sys(err, "enter network namespace %s", path);
		}
	}
	fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	sys = errno;
	go_back(own);
	errno = sys;
	if (fd < 0) {
		return err_sys(err, "make a socket");
	}
	*ret_fd = take_fd(&fd);
	return 0;
}
