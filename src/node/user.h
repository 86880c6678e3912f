/* What: who a container runs as: "user[:group]" of an image against its passwd and group files.
 * Pure. */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/slice.h"

#define USER_MAX_GROUPS 64

struct user {
	uint32_t uid, gid;
	uint32_t groups[USER_MAX_GROUPS]; /* supplementary */
	size_t n_groups;
	char home[256]; /* "/" when unknown */
};

/* text: "", "nginx", "1000", "1000:1000", "nginx:www"; passwd, group: the image's files, may be
 * empty. Groups that list the user are added as supplementary. Failure: ERR_NOTFOUND for an unknown
 * name. */
MUST_USE int user_resolve(struct slice text, struct slice passwd, struct slice group,
                          struct user *ret, struct err *err);
void user_add_group(struct user *u, uint32_t gid); /* once each */
