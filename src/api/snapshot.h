/* What: a list that is being read page by page: the objects as they were at its first page.
 *
 * Objects are shared and immutable, so a snapshot is an array of pointers. It lives a few minutes;
 * there are a bounded number, the oldest goes first. */
#pragma once

#include "api/kept.h"
#include "base/list.h"
#include "codec/value.h"
#include "schema/kind.h"

struct api;

struct snapshot {
	struct list_link in_api; /* in api.snapshots, oldest first */
	uint64_t id, revision;
	int64_t made_us;
	const struct kind *kind;
	struct kept kept;
};

/* An empty one, registered. */
struct snapshot *snapshot_new(struct api *api, const struct kind *k, uint64_t revision);
/* Null when it is gone. */
struct snapshot *snapshot_find(struct api *api, const struct kind *k, uint64_t id);
void snapshots_fini(struct api *api);

/* Where the next page begins. */
struct page {
	uint64_t id, at; /* of the snapshot; index in it */
	uint64_t revision;
	struct slice ns,
		name; /* the last object of the page before: for when the snapshot is gone */
};
/* URL-safe text and back; false for what is none. Pure. */
void page_format(struct strbuf *out, const struct page *p);
bool page_parse(struct arena *a, struct slice token, struct page *ret);
