/* What: the built-in image "kennel": a skeleton of a root, the host's /usr read-only, and this
 * executable. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct spec_mount;
enum { BUILTIN_MAX_MOUNTS = 16 };

/* Makes H/images/builtin/rootfs: folders, links, users. Idempotent. Failure: ERR_IO. */
MUST_USE int builtin_make(const char *home, struct err *err);
/* What is mounted over it; at has room for BUILTIN_MAX_MOUNTS. Returns how many. exe: path of the
 * executable, seen as /kennel/kennel. */
size_t builtin_mounts(const char *exe, struct arena *a, struct spec_mount *at);
