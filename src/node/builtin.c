/* Why: system pods and managed servers need nothing that is not on the machine already, so their
 * image costs no disk and is there before the first pull. */
#include "node/builtin.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "node/file.h"
#include "node/spec.h"

static const char *const DIRS[] = {
	"usr",     "etc",     "etc/ssl",   "etc/nginx", "proc",          "sys",
	"dev",     "run",     "tmp",       "root",      "home",          "var",
	"var/lib", "var/log", "var/cache", "var/tmp",   "var/log/nginx", "var/lib/nginx",
	"kennel",  "mnt",     "opt",       "srv",
};
static const char *const LINKS[][2] = {
	{ "bin", "usr/bin" },     { "sbin", "usr/sbin" },   { "lib", "usr/lib" },
	{ "lib64", "usr/lib64" }, { "lib32", "usr/lib32" }, { "libx32", "usr/libx32" },
	{ "var/run", "../run" },
};
/* Of the host, read-only, where it has them. */
static const char *const SHARED[] = {
	"/usr",
	"/etc/ssl",
	"/etc/alternatives",
	"/etc/ld.so.cache",
	"/etc/mime.types",
	"/etc/nginx/mime.types",
	"/etc/ca-certificates",
	"/etc/localtime",
	"/etc/services",
	"/etc/protocols",
};

static const char PASSWD[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
			     "mysql:x:999:999:mysql:/var/lib/mysql:/usr/sbin/nologin\n"
			     "redis:x:998:998:redis:/var/lib/redis:/usr/sbin/nologin\n"
			     "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
static const char GROUP[] =
	"root:x:0:\ntty:x:5:\nwww-data:x:33:\nmysql:x:999:\nredis:x:998:\nnogroup:x:65534:\n";
static const char NSSWITCH[] =
	"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n"
	"protocols: files\n";

static int make_root(const char *home, struct err *err)
{
	const struct {
		const char *name;
		struct slice text;
	} files[] = {
		{ "etc/passwd", slice_of(PASSWD) },
		{ "etc/group", slice_of(GROUP) },
		{ "etc/nsswitch.conf", slice_of(NSSWITCH) },
	};
	scoped_free char *root = mem_printf("%s/images/builtin/rootfs", home);
	int r = dir_make(root, 0755, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(DIRS); i++) {
		scoped_free char *path = mem_printf("%s/%s", root, DIRS[i]);

		r = dir_make(path, 0755, err);
		if (r == 0 && (strcmp(DIRS[i], "tmp") == 0 || strcmp(DIRS[i], "var/tmp") == 0)) {
			(void)chmod(path, 01777);
		}
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(LINKS); i++) {
		scoped_free char *path = mem_printf("%s/%s", root, LINKS[i][0]);

		if (symlink(LINKS[i][1], path) < 0 && errno != EEXIST) {
			r = err_sys(err, "link %s", path);
		}
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
		scoped_free char *path = mem_printf("%s/%s", root, files[i].name);

		r = file_write(path, files[i].text, 0644, err);
	}
	return r;
}

size_t builtin_mounts(const char *exe, struct arena *a, struct spec_mount *at)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(SHARED); i++) {
		const char *real = SHARED[i];
		char *resolved = realpath(real, NULL);

		if (resolved) {
			at[n++] = (struct spec_mount){ arena_strdup(a, resolved), real, NULL,
				                       "rbind,rprivate,ro" };
			free(resolved);
		}
	}
	at[n++] = (struct spec_mount){ exe, "/kennel/kennel", NULL, "bind,rprivate,ro" };
	return n;
}

int builtin_make(const char *home, struct err *err)
{
	scoped_free char *images = mem_printf("%s/images", home),
			 *path = mem_printf("%s/lock", images);
	scoped_fd int lock = -1;
	int r = dir_make(images, 0700, err);

	if (r < 0) {
		return r;
	}
	lock = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) < 0) {
		return err_sys(err, "lock %s", path);
	}
	return make_root(home, err);
}
