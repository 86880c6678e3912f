/* What: the images of an instance: H/images holds one unpacked root per image and one index.
 *
 *   H/images/index.json       names, digests and configuration of every image; replaced atomically
 *   H/images/lock             held (flock) by whoever changes the store
 *   H/images/<id>/rootfs      the unpacked root, shared read-only by every container (overlayfs)
 *   H/images/builtin/rootfs   skeleton of the built-in image "kennel": the host's /usr is mounted
 * in
 *
 * Readers never lock: they read the index again when its inode changed. What is in use is read from
 * H/pods, so a count cannot go stale. Changing functions block and run tools (tar, umoci, skopeo):
 * they are for the command line; the node starts itself as `kennel image pull`. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "codec/value.h"

#define IMAGE_BUILTIN_ID "builtin"

struct image_store;

struct image {
	const char *id;           /* config digest as 64 hex digits, or "builtin" */
	const struct val *config; /* OCI image config's "config": Env, Entrypoint, Cmd, User, ... */
	const struct val *names;  /* array of normalised names */
	const struct val *digests; /* array of "sha256:..." manifest digests */
	int64_t size;              /* bytes of the unpacked root */
};

/* home: the instance's H. Makes the folders when absent. Failure: ERR_IO, ERR_SYNTAX (index). */
MUST_USE int image_store_open(const char *home, struct image_store **ret, struct err *err);
struct image_store *image_store_close(struct image_store *s);

/* Finds by name in any spelling, by name@digest, or by id (at least 12 hex digits, with or without
 * "sha256:"). 1: found, *ret borrowed until the next call; 0: not here.
 * Failure: ERR_INVALID for a malformed name. */
MUST_USE int image_store_find(struct image_store *s, struct slice name, struct image *ret,
                              struct err *err);
/* True when a name came from a registry: imagePullPolicy Always asks there again. What was loaded
 * by hand or is built in satisfies every policy. */
bool image_store_was_pulled(const struct image_store *s, struct slice name);
typedef void image_each_fn(void *arg, const struct image *i);
void image_store_each(struct image_store *s, image_each_fn *fn, void *arg);
/* H/images/<id>/rootfs */
void image_root(const struct image_store *s, const char *id, struct strbuf *out);

/* Loads every image of an OCI archive, OCI layout folder or docker archive, or of every .tar of a
 * folder; 'name' (may be null) names the only image of an archive. Names put in are appended to
 * *loaded, one a line (may be null). */
MUST_USE int image_store_load(struct image_store *s, const char *path, const char *name,
                              struct strbuf *loaded, struct err *err);
/* Fetches from a registry. authfile: docker config.json for it, or null. */
MUST_USE int image_store_pull(struct image_store *s, const char *name, const char *authfile,
                              struct err *err);
/* Removes a name; the image goes with its last name. Failure: ERR_NOTFOUND, ERR_CONFLICT in use. */
MUST_USE int image_store_remove(struct image_store *s, const char *name, struct err *err);

/* `kennel image load|ls|rm|pull`: argv[0] is "image". Returns the exit status. */
int image_main(int argc, char **argv);
