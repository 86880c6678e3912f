/* What: mounts of pods: layered roots, bind mounts, memory folders; and namespaces pinned to files.
 * All in the mount namespace of this process. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* An overlay of 'upper' over 'lower' (read-only, may be shared) at 'at'; work is scratch beside
 * upper. All exist. Colons and commas in paths are fine. Failure: ERR_IO, ERR_UNSUPPORTED when
 * upper's file system cannot do it. */
MUST_USE int mount_overlay(const char *lower, const char *upper, const char *work, const char *at,
                           struct err *err);
enum { MOUNT_READ_ONLY = 1, MOUNT_RECURSIVE = 2 };
/* Both exist and are of one kind, folder or not. */
MUST_USE int mount_bind(const char *from, const char *at, unsigned flags, struct err *err);
/* size_bytes 0: half of the memory. mode: of its root. */
MUST_USE int mount_memory(const char *at, int64_t size_bytes, unsigned mode, struct err *err);
/* Takes a mount and those below it away at once; users keep what they have open. Nothing there is
 * fine. */
void mount_remove(const char *at);
/* The same for every mount below a folder (not the folder itself). */
void mounts_remove_below(const char *dir);
bool mount_is_there(const char *at);

enum { PIN_NET = 1, PIN_IPC = 2, PIN_UTS = 4 };
/* New namespaces of those kinds, kept by the files DIR/net, DIR/ipc, DIR/uts (DIR exists); uts gets
 * 'hostname'. The calling thread is back in its own before this returns. */
MUST_USE int namespaces_pin(const char *dir, unsigned kinds, const char *hostname, struct err *err);
void namespaces_unpin(const char *dir);
/* A socket that belongs to the namespace kept at 'path' (null: the caller's own). Close-on-exec,
 * non-blocking. */
MUST_USE int namespace_socket(const char *path, int family, int type, int *ret_fd, struct err *err);
