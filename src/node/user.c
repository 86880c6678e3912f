/* Why: images name users; the kernel wants numbers, taken from the image's own files, not the
 * host's. */
#include "node/user.h"

#include <stdio.h>
#include <string.h>

static bool to_u32(struct slice s, uint32_t *ret)
{
	uint64_t n;

	if (!slice_to_u64(s, &n) || n > UINT32_MAX) {
		return false;
	}
	*ret = (uint32_t)n;
	return true;
}

void user_add_group(struct user *u, uint32_t gid)
{
	for (size_t i = 0; i < u->n_groups; i++) {
		if (u->groups[i] == gid) {
			return;
		}
	}
	if (u->n_groups < USER_MAX_GROUPS) {
		u->groups[u->n_groups++] = gid;
	}
}

/* Cuts "a:b:c:d" into at most n fields; returns how many. */
static size_t fields(struct slice line, struct slice *f, size_t n)
{
	size_t i = 0;

	while (i < n && slice_next(&line, ':', &f[i])) {
		i++;
	}
	return i;
}

static void set_home(struct user *u, struct slice home)
{
	if (home.len > 0 && home.len < sizeof(u->home)) {
		snprintf(u->home, sizeof(u->home), SLICE_FMT, SLICE_ARG(home));
	}
}

int user_resolve(struct slice text, struct slice passwd, struct slice group, struct user *ret,
                 struct err *err)
{
	struct user u = { .home = "/" };
	struct slice name, group_name, line, f[7], user_name = { 0 };
	bool has_group = slice_cut(text, ':', &name, &group_name) && group_name.len > 0;
	bool known = false, is_number;
	uint32_t n;

	if (name.len == 0) {
		name = SLICE("0");
	}
	is_number = to_u32(name, &u.uid);
	while (slice_next(&passwd, '\n', &line)) {
		if (fields(line, f, 7) < 6 || !to_u32(f[2], &n)) {
			continue;
		}
		if (is_number ? n == u.uid : slice_eq(f[0], name)) {
			u.uid = n;
			(void)to_u32(f[3], &u.gid);
			user_name = f[0];
			set_home(&u, f[5]);
			known = true;
			break;
		}
	}
	if (!known && !is_number) {
		return err_raise(err, ERR_NOTFOUND,
		                 "unable to find user " SLICE_FMT
		                 ": no matching entries in passwd file",
		                 SLICE_ARG(name));
	}
	known = has_group && to_u32(group_name, &u.gid);
	while (slice_next(&group, '\n', &line)) {
		struct slice members, member;

		if (fields(line, f, 4) < 3 || !to_u32(f[2], &n)) {
			continue;
		}
		if (has_group && slice_eq(f[0], group_name)) {
			u.gid = n;
			known = true;
		}
		members = fields(line, f, 4) == 4 ? f[3] : (struct slice){ 0 };
		while (!has_group && user_name.len > 0 && slice_next(&members, ',', &member)) {
			if (slice_eq(slice_trim(member), user_name)) {
				user_add_group(&u, n);
			}
		}
	}
	if (has_group && !known) {
		return err_raise(err, ERR_NOTFOUND,
		                 "unable to find group " SLICE_FMT
		                 ": no matching entries in group file",
		                 SLICE_ARG(group_name));
	}
	*ret = u;
	return 0;
}
