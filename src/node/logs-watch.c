/* Why: a line should be with whoever follows a log as soon as it is in the file, and an idle log
 * should cost nothing; see logs-watch.h. */
#include "node/logs-watch.h"

#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/mem.h"

struct logs_watch {
	struct loop_fd *w; /* owned */
	struct list dirs;
	int fd; /* owned */
};

struct logs_watch_dir {
	struct list_link in_watch; /* in logs_watch.dirs */
	struct list entries;
	int wd;
	bool telling; /* its entries are being told: it stays until that is over */
};

static void dir_drop(struct logs_watch *w, struct logs_watch_dir *d)
{
	if (list_is_empty(&d->entries) && !d->telling) {
		(void)inotify_rm_watch(w->fd, d->wd);
		list_unlink(&d->in_watch);
		free(d);
	}
}

static struct logs_watch_dir *find_dir(struct logs_watch *w, int wd)
{
	list_for_each (&w->dirs, d, struct logs_watch_dir, in_watch) {
		if (d->wd == wd) {
			return d;
		}
	}
	return NULL;
}

static void tell(struct logs_watch *w, int wd)
{
	struct logs_watch_dir *d = find_dir(w, wd);

	if (!d) {
		return;
	}
	d->telling = true;
	list_for_each (&d->entries, e, struct logs_watch_entry, in_dir) {
		e->fn(e);
	}
	d->telling = false;
	dir_drop(w, d);
}

static void on_readable(void *arg, int fd, unsigned events)
{
	struct logs_watch *w = arg;
	_Alignas(struct inotify_event) char buf[16 << 10];
	ssize_t n = read(fd, buf, sizeof(buf));
	int last = -1;

	(void)events;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(buf + at);

		at += (ssize_t)(sizeof(*e) + e->len);
		if (e->wd != last) { /* one burst of lines, one call */
			last = e->wd;
			tell(w, last);
		}
	}
}

int logs_watch_new(struct loop *l, struct logs_watch **ret, struct err *err)
{
	struct logs_watch *w = NEW(struct logs_watch);
	int r;

	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		r = err_sys(err, "watch logs");
		free(w);
		return r;
	}
	r = loop_fd_open(l, w->fd, LOOP_READ, on_readable, w, &w->w, err);
	if (r < 0) {
		logs_watch_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct logs_watch *logs_watch_free(struct logs_watch *w)
{
	if (!w) {
		return NULL;
	}
	loop_fd_close(w->w);
	close(w->fd);
	list_for_each (&w->dirs, d, struct logs_watch_dir, in_watch) {
		list_for_each (&d->entries, e, struct logs_watch_entry, in_dir) {
			list_unlink(&e->in_dir);
			e->dir = NULL;
		}
		free(d);
	}
	free(w);
	return NULL;
}

int logs_watch_add(struct logs_watch *w, struct logs_watch_entry *e, const char *path,
                   logs_watch_fn *fn, struct err *err)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	scoped_free char *folder = slash ? slice_dup((struct slice){ path, len }) : mem_strdup(".");
	struct logs_watch_dir *dir;
	int wd = inotify_add_watch(w->fd, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);

	if (wd < 0) {
		return err_sys(err, "watch %s", folder);
	}
	dir = find_dir(w, wd);
	if (!dir) {
		dir = NEW(struct logs_watch_dir);
		dir->wd = wd;
		list_push(&w->dirs, &dir->in_watch);
	}
	e->fn = fn;
	e->dir = dir;
	list_push(&dir->entries, &e->in_dir);
	return 0;
}

void logs_watch_remove(struct logs_watch *w, struct logs_watch_entry *e)
{
	struct logs_watch_dir *d = take(e->dir);

	if (d) {
		list_unlink(&e->in_dir);
		dir_drop(w, d);
	}
}
