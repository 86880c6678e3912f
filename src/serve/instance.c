/* Why: one place makes the namespaces of an instance and knows how they are pinned; see instance.h. What is
 * taken away at the end is in remains.c. */
#include "serve/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <mntent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define RUN_ROOT "/run/kennel"

static bool is_pin(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

static bool is_mount_point(const char *path)
{
	scoped_free char *above = mem_printf("%s/..", path);
	struct stat here, there;

	return stat(path, &here) == 0 && stat(above, &there) == 0 && here.st_dev != there.st_dev;
}

/* ---- a child that holds a fresh namespace open while it is pinned ---- */

struct holder {
	pid_t pid;
	int wake; /* closing it lets the child end */
};

/* Forks a child that enters new namespaces. Failure: ERR_IO. */
static int holder_start(int flags, struct holder *ret, struct err *err)
{
	int up[2], down[2], failed = 0;
	pid_t pid;

	if (pipe2(up, O_CLOEXEC) < 0) {
		return err_sys(err, "make a pipe");
	}
	if (pipe2(down, O_CLOEXEC) < 0) {
		close(up[0]);
		close(up[1]);
		return err_sys(err, "make a pipe");
	}
	pid = fork();
	if (pid == 0) {
		char byte;

		close(down[1]);
		failed = unshare(flags) < 0 ? errno : 0;
		(void)!write(up[1], &failed, sizeof(failed));
		(void)!read(down[0], &byte, 1);
		_exit(0);
	}
	close(up[1]);
	close(down[0]);
	if (pid < 0 || read(up[0], &failed, sizeof(failed)) != sizeof(failed)) {
		failed = pid < 0 ? errno : EIO;
	}
	close(up[0]);
	*ret = (struct holder){ pid, down[1] };
	if (failed) {
		close(ret->wake);
		if (pid > 0) {
			(void)waitpid(pid, NULL, 0);
		}
		errno = failed;
		return err_sys(err, "make a namespace");
	}
	return 0;
}

static void holder_end(struct holder *h)
{
	close(h->wake);
	(void)waitpid(h->pid, NULL, 0);
}

static int pin(const struct holder *h, const char *kind, const char *path, struct err *err)
{
	scoped_free char *source = mem_printf("/proc/%d/ns/%s", h->pid, kind);
	scoped_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		return err_sys(err, "make %s", path);
	}
	return mount(source, path, NULL, MS_BIND, NULL) < 0
	               ? err_sys(err, "pin a namespace at %s", path)
	               : 0;
}

/* ---- the folder /run/kennel/N ---- */

static int make_run_folder(const char *run, const struct home *h, struct err *err)
{
	scoped_free char *netns = mem_printf("%s/netns", run), *owner = mem_printf("%s/home", run);

	if ((mkdir(RUN_ROOT, 0711) < 0 && errno != EEXIST) ||
	    (mkdir(run, 0711) < 0 && errno != EEXIST)) {
		return err_sys(err, "make folder %s", run);
	}
	if (!is_mount_point(run) && mount("kennel", run, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
	                                  "mode=0711,size=64m") < 0) {
		return err_sys(err, "mount %s", run);
	}
	if (mount(NULL, run, NULL, MS_PRIVATE, NULL) < 0) {
		return err_sys(err, "make %s private", run);
	}
	if (mkdir(netns, 0711) < 0 && errno != EEXIST) {
		return err_sys(err, "make folder %s", netns);
	}
	return home_write(owner, slice_of(h->path), 0600, 0, err);
}

/* Two homes under one name would share namespaces and cgroups. */
static int check_owner(const char *run, const struct home *h, struct err *err)
{
	scoped_free char *owner = mem_printf("%s/home", run);
	scoped_strbuf struct strbuf text = { 0 };

	if (home_read(owner, &text, NULL) == 0 && text.size &&
	    strcmp(strbuf_str(&text), h->path) != 0) {
		return err_raise(
			err, ERR_EXISTS,
			"an instance named %s runs from %s; stop it or choose another --name",
			h->name, strbuf_str(&text));
	}
	return 0;
}

/* ---- the mount namespace ---- */

/* crun refuses a v1 hierarchy that has a cgroup2 mount with a controller beside it: we do without that mount. */
static void hide_cgroup2(void)
{
	scoped_strbuf struct strbuf hybrid = { 0 };
	bool has_v1 = false;
	struct mntent *m;
	FILE *f = setmntent("/proc/self/mounts", "re");

	while (f && (m = getmntent(f))) {
		has_v1 = has_v1 || strcmp(m->mnt_type, "cgroup") == 0;
		if (strcmp(m->mnt_type, "cgroup2") == 0) {
			strbuf_reset(&hybrid);
			strbuf_adds(&hybrid, m->mnt_dir);
		}
	}
	if (f) {
		endmntent(f);
	}
	if (has_v1 && hybrid.size) {
		(void)umount2(strbuf_str(&hybrid), MNT_DETACH);
	}
}

static int enter_mount_namespace(const char *path, struct err *err)
{
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		return err_sys(err, "open %s", path);
	}
	return setns(fd, CLONE_NEWNS) < 0 ? err_sys(err, "enter %s", path) : 0;
}

static int make_mount_namespace(const char *run, const char *path, struct err *err)
{
	struct holder holder;
	int r = holder_start(CLONE_NEWNS, &holder, err);

	if (r < 0) {
		return r;
	}
	r = pin(&holder, "mnt", path, err);
	if (r == 0) {
		r = enter_mount_namespace(path, err);
	}
	holder_end(&holder);
	if (r < 0) {
		return r;
	}
	/* What the host mounts and unmounts later is followed; what we mount stays with us. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount(NULL, run, NULL, MS_PRIVATE, NULL) < 0) {
		return err_sys(err, "separate the instance's mounts from the host's");
	}
	hide_cgroup2();
	return 0;
}

/* ---- network namespaces ---- */

static int need_network(const char *run, const char *name, int *ret_fd, struct err *err)
{
	scoped_free char *path = mem_printf("%s/netns/%s", run, name);
	struct holder holder;
	int r = 0;

	if (!is_pin(path)) {
		r = holder_start(CLONE_NEWNET, &holder, err);
		if (r == 0) {
			r = pin(&holder, "net", path, err);
			holder_end(&holder);
		}
	}
	if (r == 0) {
		*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
		r = *ret_fd < 0 ? err_sys(err, "open %s", path) : 0;
	}
	return r;
}

int instance_enter(struct instance *in, const struct home *h, unsigned n_nodes, struct err *err)
{
	scoped_free char *run = mem_printf(RUN_ROOT "/%s", h->name),
			 *mnt = mem_printf("%s/mnt", run), *vpc = mem_printf("%s/netns/vpc", run);
	int r = check_owner(run, h, err);

	*in = (struct instance){ .vpc_fd = -1 };
	/* A supervisor that the guard started is inside already: only there the pins of networks are seen. */
	if (r == 0 && !is_pin(vpc)) {
		if (is_pin(mnt)) {
			r = enter_mount_namespace(mnt, err);
		} else {
			r = make_run_folder(run, h, err);
			if (r == 0) {
				r = make_mount_namespace(run, mnt, err);
			}
		}
	}
	if (r == 0) {
		r = need_network(run, "vpc", &in->vpc_fd, err);
	}
	for (unsigned i = 0; i < n_nodes && r == 0; i++) {
		struct node_place place;

		node_place(h->name, i, &place);
		r = need_network(run, place.role, &in->node_fds[i], err);
		in->n_nodes += r == 0;
	}
	if (r < 0) {
		instance_fini(in);
		return err_while(err, r, "prepare instance %s", h->name);
	}
	return 0;
}

void instance_fini(struct instance *in)
{
	if (in->vpc_fd >= 0) {
		close(take_fd(&in->vpc_fd));
	}
	while (in->n_nodes > 0) {
		close(in->node_fds[--in->n_nodes]);
	}
}
