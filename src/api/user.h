/* What: who is calling. Source: reference 5.1, 5.2 */
#pragma once

#include "base/slice.h"
#include "codec/value.h"

struct user { /* everything lives as long as the call */
	struct slice name, uid;
	const struct slice *groups;
	size_t n_groups;
	const struct val *extra; /* object of lists; may be null */
};

bool user_has_group(const struct user *u, const char *group);
/* {username, uid, groups, extra} */
struct val *user_info(struct arena *a, const struct user *u);
