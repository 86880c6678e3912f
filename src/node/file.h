/* What: small files and folders of the node's own state: read whole, replaced atomically, removed
 * as trees. */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

/* Appends a file of at most 'max' bytes (0: 64 MiB) to out. Failure: ERR_NOTFOUND, ERR_IO,
 * ERR_LIMIT. */
MUST_USE int file_read(const char *path, size_t max, struct strbuf *out, struct err *err);
/* Writes to a neighbour and renames it into place; no fsync: state that a crash of the machine may
 * lose is made again from the API. */
MUST_USE int file_write(const char *path, struct slice bytes, mode_t mode, struct err *err);
/* mkdir -p; the last one gets 'mode'. Existing is fine. */
MUST_USE int dir_make(const char *path, mode_t mode, struct err *err);
/* Removes a file or a whole tree without following symbolic links or crossing into mounts. Absent
 * is fine. */
MUST_USE int tree_remove(const char *path, struct err *err);
/* The same where nobody waits for the answer: a failure is logged. */
void tree_discard(const char *path);
struct loop;
void tree_discard_later(struct loop *l, const char *path); /* off the loop */
/* Sum of file sizes under path. */
int64_t tree_size(const char *path);
/* Opens 'path' as seen from inside 'root' (openat2, RESOLVE_IN_ROOT), so that links in a
 * container's root cannot lead out of it. Returns the descriptor or -1 with errno. */
int file_open_in_root(int root_fd, const char *path, int flags);
