/* What: a stored object as a client asked to see it: itself, a row of a table, its metadata alone.
 * JSON text is appended; what was encoded before is not encoded again. */
#pragma once

#include "api/accept.h"
#include "api/options.h"
#include "schema/kind.h"

struct view {
	const struct kind *kind; /* as the URL names it */
	enum form form;
	const char *meta_version;
	enum include_object include;
	int64_t now_us; /* wall clock, for ages */
};

/* stored: of the kind that kind_storage says. json: its text when it is there, else empty. */
void view_object(struct strbuf *out, const struct view *v, const struct val *stored,
                 struct slice json);

struct view_list {
	uint64_t revision;
	struct slice token; /* continue; may be empty */
	int64_t remaining;  /* below 0: not told */
	size_t n;           /* state: items so far */
};
void view_list_begin(struct strbuf *out, const struct view *v, const struct view_list *l);
void view_list_item(struct strbuf *out, const struct view *v, struct view_list *l,
                    const struct val *stored, struct slice json);
void view_list_end(struct strbuf *out);

/* {"type":"ADDED","object":...} and a line end. is_first: columns are told. */
void view_event(struct strbuf *out, const struct view *v, const char *type,
                const struct val *stored, struct slice json, bool is_first);
/* BOOKMARK. ends_initial: it ends what sendInitialEvents asked for. */
void view_bookmark(struct strbuf *out, const struct view *v, uint64_t revision, bool ends_initial);
