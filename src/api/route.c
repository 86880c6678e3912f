/* Why: every step after this one works with names, not with text of a URL. See route.h. Source:
 * reference 3.1 */
#include "api/route.h"

#include "base/mem.h"

enum { SEGMENTS_MAX = 9 }; /* more than the longest path without a proxied rest */

struct segments {
	struct slice at[SEGMENTS_MAX];
	size_t n, next;
	struct slice rest; /* from the segment after the last that fitted */
	struct slice path;
};

static struct slice take_segment(struct segments *s)
{
	return s->next < s->n ? s->at[s->next++] : (struct slice){ "", 0 };
}

static struct slice peek_segment(const struct segments *s, size_t ahead)
{
	return s->next + ahead < s->n ? s->at[s->next + ahead] : (struct slice){ "", 0 };
}

/* False for empty segments, except one at the end. */
static bool split(struct slice path, struct segments *s)
{
	struct slice rest = slice_from(path, 1), head, tail;

	*s = (struct segments){ .path = path };
	while (rest.len && s->n < SEGMENTS_MAX) {
		bool more = slice_cut(rest, '/', &head, &tail);

		if (!head.len) {
			return s->n >= 7; /* inside what a proxy passes on */
		}
		s->at[s->n++] = head;
		rest = more ? tail : SLICE("");
	}
	return true;
}

static enum verb verb_of(struct slice method, bool on_item, bool is_watch)
{
	if (slice_is(method, "GET") || slice_is(method, "HEAD")) {
		return is_watch ? DO_WATCH : on_item ? DO_GET : DO_LIST;
	}
	if (slice_is(method, "POST")) {
		return DO_CREATE;
	}
	if (slice_is(method, "DELETE")) {
		return on_item ? DO_DELETE : DO_DELETECOLLECTION;
	}
	if (!on_item) {
		return DO_NOTHING;
	}
	return slice_is(method, "PUT")     ? DO_UPDATE
	       : slice_is(method, "PATCH") ? DO_PATCH
	                                   : DO_NOTHING;
}

/* What stands behind "{name}/proxy". */
static bool take_rest(struct segments *s, struct route *r)
{
	if (slice_is(r->subresource, "proxy")) {
		const char *from = r->subresource.p + r->subresource.len;

		r->rest = slice_from(s->path, (size_t)(from - s->path.p));
		return true;
	}
	return s->next == s->n;
}

static bool take_resource(struct segments *s, struct route *r)
{
	struct slice third = peek_segment(s, 2);

	if (slice_is(peek_segment(s, 0), "namespaces") && third.len &&
	    !(s->n - s->next == 3 && (slice_is(third, "status") || slice_is(third, "finalize")))) {
		take_segment(s);
		r->ns = take_segment(s);
	}
	r->resource = take_segment(s);
	r->name = take_segment(s);
	r->subresource = take_segment(s);
	if (!r->ns.len && slice_is(r->resource, "namespaces")) {
		r->ns = r->name; /* rights in a namespace are rights on the namespace */
	}
	return r->resource.len && take_rest(s, r);
}

static bool is_proxied_method(struct slice method)
{
	return slice_is(method, "PUT") || slice_is(method, "PATCH") || slice_is(method, "HEAD") ||
	       slice_is(method, "OPTIONS");
}

bool route_parse(struct slice method, struct slice path, bool is_watch, struct route *ret)
{
	struct segments s;
	bool is_core;

	*ret = (struct route){ .path = path };
	if (!path.len || path.p[0] != '/' || !split(path, &s)) {
		return false;
	}
	is_core = slice_is(peek_segment(&s, 0), "api");
	/* what names a group and version but no resource is a path of discovery */
	if ((!is_core && !slice_is(peek_segment(&s, 0), "apis")) || s.n < (is_core ? 3u : 4u)) {
		ret->verb = verb_of(method, true, false);
		return true;
	}
	take_segment(&s);
	ret->is_resource = true;
	ret->group = is_core ? SLICE("") : take_segment(&s);
	ret->version = take_segment(&s);
	if (slice_is(peek_segment(&s, 0), "watch") && s.n > s.next + 1) {
		take_segment(&s);
		is_watch = true;
	}
	if (!take_resource(&s, ret)) {
		return false;
	}
	ret->verb = verb_of(method, ret->name.len > 0, is_watch && !ret->subresource.len);
	if (slice_is(ret->subresource, "proxy") && is_proxied_method(method)) {
		ret->verb = slice_is(method, "PATCH") ? DO_PATCH
		            : slice_is(method, "PUT") ? DO_UPDATE
		                                      : DO_GET;
	}
	return true;
}

const char *verb_name(enum verb v)
{
	static const char *const names[] = {
		"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection",
		"",
	};

	return names[v];
}
