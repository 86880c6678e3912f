/* Why: the node keeps its state in many small files; each is whole or absent, whatever dies when.
 */
#include "node/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"

int file_read(const char *path, size_t max, struct strbuf *out, struct err *err)
{
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t start = out->size;

	if (fd < 0) {
		return err_sys(err, "open %s", path);
	}
	if (max == 0) {
		max = (size_t)64 << 20;
	}
	for (;;) {
		char *room = strbuf_reserve(out, 16384);
		ssize_t n;

		if (!room) {
			return err_raise(err, ERR_LIMIT, "%s is too large", path);
		}
		n = read(fd, room, 16384);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return err_sys(err, "read %s", path);
		}
		if (n == 0) {
			return 0;
		}
		strbuf_added(out, (size_t)n);
		if (out->size - start > max) {
			return err_raise(err, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
		}
	}
}

int file_write(const char *path, struct slice bytes, mode_t mode, struct err *err)
{
	scoped_free char *beside = mem_printf("%s.new", path);
	scoped_fd int fd =
		open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0) {
		return err_sys(err, "create %s", beside);
	}
	if (fchmod(fd, mode) < 0) {
		return err_sys(err, "chmod %s", beside);
	}
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.p, bytes.len);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return err_sys(err, "write %s", beside);
		}
		bytes = slice_from(bytes, (size_t)n);
	}
	if (rename(beside, path) < 0) {
		return err_sys(err, "rename to %s", path);
	}
	return 0;
}

int dir_make(const char *path, mode_t mode, struct err *err)
{
	scoped_free char *p = NULL;

	if (mkdir(path, mode) == 0 || errno == EEXIST) {
		return 0;
	}
	if (errno != ENOENT) {
		return err_sys(err, "mkdir %s", path);
	}
	p = mem_strdup(path);
	for (char *at = p + 1; *at; at++) {
		if (*at == '/') {
			*at = '\0';
			if (mkdir(p, 0755) < 0 && errno != EEXIST) {
				return err_sys(err, "mkdir %s", p);
			}
			*at = '/';
		}
	}
	if (mkdir(path, mode) < 0 && errno != EEXIST) {
		return err_sys(err, "mkdir %s", path);
	}
	return 0;
}

static int remove_children(int dir_fd, dev_t dev, const char *path, struct err *err)
{
	scoped_dir DIR *d = fdopendir(dir_fd);
	const struct dirent *e;
	struct stat st;

	if (!d) {
		close(dir_fd);
		return err_sys(err, "open %s", path);
	}
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
			continue;
		}
		if (unlinkat(dirfd(d), e->d_name, 0) == 0) {
			continue;
		}
		if (errno == EISDIR || errno == EPERM) {
			int child = openat(dirfd(d), e->d_name,
			                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			int r;

			if (child < 0 && errno == ENOENT) {
				continue; /* another one removes here as well */
			}
			if (child < 0 || fstat(child, &st) < 0) {
				return err_sys(err, "open %s/%s", path, e->d_name);
			}
			if (st.st_dev != dev) {
				close(child);
				return err_raise(err, ERR_CONFLICT, "%s/%s is a mount", path,
				                 e->d_name);
			}
			r = remove_children(child, dev, path, err);
			if (r < 0) {
				return r;
			}
			if (unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
				return err_sys(err, "rmdir %s/%s", path, e->d_name);
			}
		} else if (errno != ENOENT) {
			return err_sys(err, "unlink %s/%s", path, e->d_name);
		}
	}
	return 0;
}

int tree_remove(const char *path, struct err *err)
{
	struct stat st;
	int fd, r;

	if (unlink(path) == 0 || errno == ENOENT) {
		return 0;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		return err_sys(err, "open %s", path);
	}
	r = remove_children(fd, st.st_dev, path, err);
	if (r < 0) {
		return r;
	}
	if (rmdir(path) < 0 && errno != ENOENT) {
		return err_sys(err, "rmdir %s", path);
	}
	return 0;
}

void tree_discard(const char *path)
{
	struct err err = { 0 };

	if (tree_remove(path, &err) < 0) {
		log_odd("Could not remove path=%s error=%s", path, err.msg);
	}
}

static void discard_work(void *arg)
{
	tree_discard(arg);
}

void tree_discard_later(struct loop *l, const char *path)
{
	loop_work(l, discard_work, free, mem_strdup(path));
}

static int64_t size_of_children(int dir_fd)
{
	scoped_dir DIR *d = fdopendir(dir_fd);
	const struct dirent *e;
	int64_t sum = 0;
	struct stat st;

	if (!d) {
		close(dir_fd);
		return 0;
	}
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			continue;
		}
		if (S_ISDIR(st.st_mode)) {
			int child = openat(dirfd(d), e->d_name,
			                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			sum += child < 0 ? 0 : size_of_children(child);
		} else if (S_ISREG(st.st_mode)) {
			sum += st.st_size;
		}
	}
	return sum;
}

int64_t tree_size(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? 0 : size_of_children(fd);
}

int file_open_in_root(int root_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	if (flags & (O_CREAT)) {
		how.mode = 0644;
	}
	return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}
