/* Why: hosts differ in where they mount version 2, if at all; a mount of our own does not depend on
 * that. See cgroup2.h. */
#include "host/cgroup2.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/slice.h"

/* Where the host has version 2 alone, containers are placed by that mount, whatever its root is. */
static int open_mounted(void)
{
	struct statfs fs;
	scoped_fd int fd = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC ? take_fd(&fd)
	                                                                            : -1;
}

static int open_root(int *ret_fd, struct err *err)
{
	scoped_fd int fs = -1;
	int fd = open_mounted();

	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	fs = fsopen("cgroup2", FSOPEN_CLOEXEC);
	if (fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
		fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	}
	if (fd < 0) {
		return err_sys(err, "mount the cgroup2 hierarchy");
	}
	*ret_fd = fd;
	return 0;
}

static int open_folder(int at, const char *name, int *ret_fd, struct err *err)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		return err_sys(err, "open cgroup %s", name);
	}
	*ret_fd = fd;
	return 0;
}

int cgroup2_open(const char *path, bool make, int *ret_fd, struct err *err)
{
	struct slice rest = slice_of(path), part;
	scoped_fd int fd = -1;
	int r = open_root(&fd, err);

	while (r == 0 && slice_next(&rest, '/', &part)) {
		scoped_free char *name = slice_dup(part);
		scoped_fd int above = take_fd(&fd);

		if (part.len == 0) {
			fd = take_fd(&above);
			continue;
		}
		if (make && mkdirat(above, name, 0755) < 0 && errno != EEXIST) {
			return err_sys(err, "make cgroup %s", path);
		}
		r = open_folder(above, name, &fd, err);
	}
	if (r == 0) {
		*ret_fd = take_fd(&fd);
	}
	return r;
}

int cgroup2_enter(int fd, struct err *err)
{
	scoped_fd int procs = openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	return procs < 0 || write(procs, "0", 1) < 0 ? err_sys(err, "enter a cgroup") : 0;
}

static int remove_below(int fd, struct err *err)
{
	scoped_dir DIR *d = fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 3));
	const struct dirent *e;
	int r = 0;

	while (d && r == 0 && (e = readdir(d))) {
		scoped_fd int child = -1;

		if (e->d_type != DT_DIR || e->d_name[0] == '.') {
			continue;
		}
		r = open_folder(fd, e->d_name, &child, err);
		if (r == 0) {
			r = remove_below(child, err);
		}
		if (r == 0 && unlinkat(fd, e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
			r = err_sys(err, "remove cgroup %s", e->d_name);
		}
	}
	return r;
}

int cgroup2_remove(const char *path, struct err *err)
{
	scoped_fd int fd = -1, root = -1;
	int r = open_root(&root, err);

	if (r == 0) {
		r = open_folder(root, path + 1, &fd, err);
	}
	if (r == -ERR_NOTFOUND) {
		return 0;
	}
	if (r == 0) {
		r = remove_below(fd, err);
	}
	if (r == 0 && unlinkat(root, path + 1, AT_REMOVEDIR) < 0 && errno != ENOENT) {
		r = err_sys(err, "remove cgroup %s", path);
	}
	return r;
}
