/* Shared by the files of the image store: image.c (index), image-load.c (archives, registries),
 * image-folder.c (folders of archives). */
#pragma once

#include <sys/stat.h>
#include <time.h>

#include "node/image.h"

struct image_store {
	char *home, *dir, *index_path; /* owned */
	struct doc *index;             /* null: empty store */
	struct doc *builtin;           /* config of the built-in image */
	struct val *builtin_names;     /* in builtin */
	ino_t ino;                     /* of the index as read */
	struct timespec mtime;
};

struct image_record {
	const char *id;
	struct slice name;        /* normalised; empty: none */
	struct slice digest;      /* of the manifest */
	const struct val *config; /* borrowed */
	int64_t size;
};

MUST_USE int image_store_reload(struct image_store *s, struct err *err);
/* Waits for the store's lock; closing the descriptor gives it back. */
MUST_USE int image_store_lock(struct image_store *s, int *ret_fd, struct err *err);
/* Adds or completes an entry of the index; the caller holds the lock and has put the root in place.
 */
MUST_USE int image_store_record(struct image_store *s, const struct image_record *rec,
                                struct err *err);
/* Says that what is here by this (normalised) name came from a registry. A later load takes that
 * back. */
MUST_USE int image_store_mark_pulled(struct image_store *s, struct slice name, struct err *err);

/* One archive or layout folder. */
MUST_USE int image_store_load_one(struct image_store *s, const char *path, const char *name,
                                  struct strbuf *loaded, struct err *err);
/* Every .tar of a folder, several at a time. */
MUST_USE int image_store_load_folder(struct image_store *s, const char *path, struct strbuf *loaded,
                                     struct err *err);
