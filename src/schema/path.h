/* What: the path of a field while a tree is walked: "spec.containers[0].ports". */
#pragma once

#include "base/strbuf.h"

struct path {
	struct strbuf text; /* owned */
};

void path_fini(struct path *p);
/* Each returns what path_cut takes to go back. */
size_t path_member(struct path *p, struct slice name);
size_t path_index(struct path *p, size_t i);
size_t path_key(struct path *p, struct slice key); /* "[key]" of a map */
void path_cut(struct path *p, size_t size);
