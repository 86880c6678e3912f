/* Why: names of images come from anybody's manifests, users and their files from anybody's images:
 * what is accepted is whole and stays the same when it is read again. */
#include <stdint.h>

#include "base/must.h"
#include "node/image-name.h"
#include "node/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_strbuf struct strbuf one = { 0 }, two = { 0 };
	struct slice all = { (const char *)data, size }, first, rest, passwd, group;
	struct image_name n, again;
	struct user u;

	if (image_name_parse(all, &n, NULL) == 0) {
		image_name_format(&n, &one);
		must(image_name_parse(strbuf_slice(&one), &again, NULL) == 0);
		image_name_format(&again, &two);
		must(slice_eq(strbuf_slice(&one), strbuf_slice(&two)));
	}
	/* the first line is the user, then passwd and group, parted by a NUL */
	slice_cut(all, '\n', &first, &rest);
	slice_cut(rest, '\0', &passwd, &group);
	if (user_resolve(first, passwd, group, &u, NULL) == 0) {
		must(u.n_groups <= USER_MAX_GROUPS);
		must(u.home[sizeof(u.home) - 1] == '\0');
	}
	return 0;
}
