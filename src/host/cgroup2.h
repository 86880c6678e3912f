/* What: folders of the one version 2 hierarchy that every kernel has, also where the host mounts it
 * nowhere or only beside version 1: what counts there is which processes are below a folder, not
 * controllers. Paths are absolute from its root: "/kennel-N".
 *
 * Unless it is the host's only one, it is reached by a mount that nobody sees and that goes with its
 * last descriptor. Sources: kernel
 * documentation admin-guide/cgroup-v2, fsopen and fsmount of mount_setattr(2)'s family. */
#pragma once

#include "base/err.h"

/* Opens the folder, made with all above it when 'make'. The caller owns *ret_fd. Failure:
 * ERR_NOTFOUND, ERR_FORBIDDEN, ERR_IO. */
MUST_USE int cgroup2_open(const char *path, bool make, int *ret_fd, struct err *err);
/* Moves this process (its children follow) into the folder. Failure: ERR_IO. */
MUST_USE int cgroup2_enter(int fd, struct err *err);
/* Removes the folder, empty of processes, and those below it; absent is fine. Failure: ERR_IO. */
MUST_USE int cgroup2_remove(const char *path, struct err *err);
