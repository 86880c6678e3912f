/* What: a URL taken apart: which resource, which object, which verb. Pure.
 *
 *   /api/v1/namespaces/{ns}/{resource}/{name}/{subresource}      core
 *   /apis/{group}/{version}/...                                  the same for every other group
 *   /api/v1/watch/...                                            the old way to say ?watch=1
 *   anything else                                                a path without a resource */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

enum verb {
	DO_GET,
	DO_LIST,
	DO_WATCH,
	DO_CREATE,
	DO_UPDATE,
	DO_PATCH,
	DO_DELETE,
	DO_DELETECOLLECTION,
	DO_NOTHING, /* a method that means nothing here */
};

struct route { /* slices point into the path */
	bool is_resource;
	struct slice path;
	struct slice group, version;
	struct slice ns;
	struct slice resource;    /* plural */
	struct slice name;        /* empty: the collection */
	struct slice subresource; /* may be empty */
	struct slice rest; /* what follows a proxy subresource, with its slash; may be empty */
	enum verb verb;
};

/* False: a path like that does not exist. */
bool route_parse(struct slice method, struct slice path, bool is_watch, struct route *ret);
/* "get", "deletecollection"...; "" for DO_NOTHING. */
const char *verb_name(enum verb v);
