/* What: tells when something in a folder of logs changes, for any number of readers over one
 * inotify descriptor (of which the kernel gives a user 128). */
#pragma once

#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "loop/loop.h"

struct logs_watch;
struct logs_watch_entry;
typedef void logs_watch_fn(struct logs_watch_entry *e);

struct logs_watch_entry { /* embedded in its owner; zeroed: not watching */
	logs_watch_fn *fn;
	struct logs_watch_dir *dir;
	struct list_link in_dir; /* in dir.entries */
};

MUST_USE int logs_watch_new(struct loop *l, struct logs_watch **ret, struct err *err);
struct logs_watch *logs_watch_free(struct logs_watch *w); /* entries are removed before */
/* Calls fn, never from inside, whenever a file in the folder of 'path' is written, made or renamed.
 * fn may remove its own entry. Failure: ERR_IO, ERR_NOTFOUND. */
MUST_USE int logs_watch_add(struct logs_watch *w, struct logs_watch_entry *e, const char *path,
                            logs_watch_fn *fn, struct err *err);
void logs_watch_remove(struct logs_watch *w, struct logs_watch_entry *e);
