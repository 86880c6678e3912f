/* Why: users are asked about and shown in several reviews. See user.h. */
#include "api/user.h"

bool user_has_group(const struct user *u, const char *group)
{
	for (size_t i = 0; i < u->n_groups; i++) {
		if (slice_is(u->groups[i], group)) {
			return true;
		}
	}
	return false;
}

struct val *user_info(struct arena *a, const struct user *u)
{
	struct val *v = val_new_object(a), *groups;

	val_set_str(a, v, "username", u->name);
	if (u->uid.len) {
		val_set_str(a, v, "uid", u->uid);
	}
	groups = val_need_array(a, v, "groups");
	for (size_t i = 0; i < u->n_groups; i++) {
		val_append(groups, val_new_str(a, u->groups[i]));
	}
	if (u->extra) {
		val_set(a, v, "extra", val_copy(a, u->extra));
	}
	return v;
}
