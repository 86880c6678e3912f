/* Why: unpacking is bound by one processor per archive, so the archives of a folder are unpacked side by side,
 * each by a child of its own with its own view of the store; the store's lock orders what they record. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "node/image-priv.h"

enum { AT_ONCE_MAX = 8 };

struct loader {
	pid_t pid; /* 0: not started */
	int said;  /* owned; reading end: names, or the sentence of a failure */
};

static int is_archive(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return len > 4 && strcmp(e->d_name + len - 4, ".tar") == 0;
}

/* In the child: the exit status is the failure's code, the pipe has the names or the sentence. */
static int load_in_child(const char *home, const char *archive, int out)
{
	scoped_strbuf struct strbuf names = { 0 };
	struct image_store *s = NULL;
	struct err err = { 0 };
	int r = image_store_open(home, &s, &err);

	if (r == 0) {
		r = image_store_load_one(s, archive, NULL, &names, &err);
		image_store_close(s);
	}
	if (r < 0) {
		r = err_while(&err, r, "load %s", archive);
		(void)!write(out, err.msg, strlen(err.msg));
	} else {
		(void)!write(out, strbuf_str(&names), names.size);
	}
	return r < 0 ? (int)err.code : 0;
}

static int start(const char *home, const char *archive, struct loader *ret, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0) {
		return err_sys(err, "make a pipe");
	}
	ret->pid = fork();
	if (ret->pid == 0) {
		_exit(load_in_child(home, archive, ends[1]));
	}
	close(ends[1]);
	ret->said = ends[0];
	if (ret->pid < 0) {
		close(ret->said);
		ret->pid = 0;
		return err_sys(err, "fork");
	}
	return 0;
}

/* Waits for it. Names go to loaded (may be null). */
static int finish(struct loader *l, struct strbuf *loaded, struct err *err)
{
	scoped_strbuf struct strbuf said = { .max = 1 << 20 };
	char buf[4096];
	ssize_t n;
	int status = 0;

	while ((n = read(l->said, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)) {
		strbuf_add(&said, buf, n > 0 ? (size_t)n : 0);
	}
	close(l->said);
	while (waitpid(l->pid, &status, 0) < 0 && errno == EINTR) {
	}
	l->pid = 0;
	if (status == 0) {
		if (loaded) {
			strbuf_add_slice(loaded, strbuf_slice(&said));
		}
		return 0;
	}
	if (!WIFEXITED(status)) {
		return err_raise(err, ERR_IO, "unpacking was ended by signal %d", WTERMSIG(status));
	}
	return err_raise(err, (enum err_code)WEXITSTATUS(status), "%s", strbuf_str(&said));
}

int image_store_load_folder(struct image_store *s, const char *path, struct strbuf *loaded,
                            struct err *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int at_once = cpus < 1 ? 1 : cpus > AT_ONCE_MAX ? AT_ONCE_MAX : (int)cpus;
	struct loader loaders[AT_ONCE_MAX] = { 0 };
	struct dirent **found = NULL;
	int n = scandir(path, &found, is_archive, alphasort), r = 0;

	if (n < 0) {
		return err_sys(err, "read folder %s", path);
	}
	if (n == 0) {
		r = err_raise(err, ERR_NOTFOUND,
		              "%s holds neither an OCI layout nor .tar archives of images", path);
	}
	/* Started in order, finished in order; after a failure only what runs is waited for. */
	for (int i = 0; i < n + at_once; i++) {
		struct loader *l = &loaders[i % at_once];

		if (l->pid) {
			int one = finish(l, loaded, r < 0 ? NULL : err);

			r = r < 0 ? r : one;
		}
		if (i < n && r == 0) {
			scoped_free char *archive = mem_printf("%s/%s", path, found[i]->d_name);

			r = start(s->home, archive, l, err);
		}
	}
	for (int i = 0; i < n; i++) {
		free(found[i]);
	}
	free(found);
	return r;
}
