/* What: kernel settings of one network namespace, by their path below net/. */
#pragma once

#include "base/err.h"

/* Sets "ipv4/ip_forward" to "1" where the calling thread is (see netns_enter); leaves a setting
 * alone that has the value already, so that a read-only /proc/sys with the right values does.
 * Failure: ERR_NOTFOUND for a setting this kernel does not have, ERR_FORBIDDEN, ERR_IO. */
MUST_USE int sysctl_set(const char *path, const char *value, struct err *err);
