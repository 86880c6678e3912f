/* Why: get and list. Both read memory at once; their answers wait for the commit (call.h). Source:
 * reference 3.2, 3.3 */
#include <inttypes.h>

#include "api/api-priv.h"
#include "api/fail.h"
#include "api/limits.h"
#include "api/select.h"
#include "api/snapshot.h"
#include "api/verbs.h"
#include "api/view.h"
#include "base/mem.h"

static struct view view_of(const struct call *c)
{
	return (struct view){ .kind = c->kind,
		              .form = c->wanted.form,
		              .meta_version = c->wanted.meta_version,
		              .include = c->options.include,
		              .now_us = api_wall_us(c->api) };
}

static int too_large(struct call *c, uint64_t now)
{
	scoped_strbuf struct strbuf text = { 0 };

	strbuf_addf(&text, "Too large resource version: %" PRIu64 ", current: %" PRIu64,
	            c->options.revision, now);
	fail_reason(c, 504, "Timeout", "Timeout: %s", strbuf_str(&text));
	fail_cause(c, "ResourceVersionTooLarge", "Too large resource version", NULL);
	fail_retry_after(c, 1);
	return -ERR_TIMEOUT;
}

/* Is the state that is asked for one that we can show? */
static int check_revision(struct call *c)
{
	uint64_t now = store_revision(c->api->store), wanted = c->options.revision;

	if (wanted > now) {
		return too_large(c, now);
	}
	if (slice_is(c->options.match, "Exact") && wanted != now) {
		return fail_reason(c, 410, "Expired",
		                   "The resourceVersion for the provided list is too old.");
	}
	return 0;
}

int read_get(struct call *c)
{
	const struct doc *d;
	int r = check_revision(c);

	r = r < 0 ? r : call_find(c, &d);
	return r < 0 ? r
	             : call_answer_object(c, 200, c->kind, d->root, store_json(c->api->store, d));
}

/* ---- whole lists ---- */

struct listing {
	struct call *call;
	struct view view;
	struct view_list head;
	struct strbuf items;
	struct snapshot *snapshot; /* null until the first object beyond the page */
	uint64_t limit;            /* 0: none */
	const struct doc *last;    /* of the page */
};

static void add_item(struct listing *l, const struct doc *d)
{
	view_list_item(&l->items, &l->view, &l->head, d->root, store_json(l->call->api->store, d));
	l->last = d;
}

static bool visit(void *arg, const struct doc *d)
{
	struct listing *l = arg;

	if (!l->limit || l->head.n < l->limit) {
		add_item(l, d);
		return true;
	}
	if (!l->snapshot) {
		l->snapshot = snapshot_new(l->call->api, l->call->kind, l->head.revision);
	}
	return kept_add(&l->snapshot->kept, d);
}

static int answer(struct listing *l)
{
	scoped_strbuf struct strbuf text = { 0 };

	view_list_begin(&text, &l->view, &l->head);
	if (!text.failed && !l->items.failed) {
		strbuf_add_slice(&text, strbuf_slice(&l->items));
	}
	strbuf_fini(&l->items);
	view_list_end(&text);
	if (strbuf_failed(&text)) {
		return fail_code(l->call, ERR_LIMIT, "the list is too large; ask for it in pages");
	}
	return call_answer_json_take(l->call, 200, &text);
}

/* What comes after this page. */
static void set_token(struct listing *l, const struct page *next, uint64_t remaining,
                      bool is_counted)
{
	scoped_strbuf struct strbuf token = { 0 };

	page_format(&token, next);
	l->head.token = arena_slice(l->call->arena, strbuf_slice(&token));
	l->head.remaining = is_counted ? (int64_t)remaining : -1;
}

static struct page page_after(const struct listing *l, uint64_t at)
{
	const struct val *meta = l->last ? val_get(l->last->root, "metadata") : NULL;

	return (struct page){ .id = l->snapshot->id,
		              .at = at,
		              .revision = l->head.revision,
		              .ns = val_get_str(meta, "namespace"),
		              .name = val_get_str(meta, "name") };
}

static int first_page(struct listing *l, const struct selection *s)
{
	struct page next;

	l->head.revision = store_revision(l->call->api->store);
	selection_each(s, l->call->api->store, visit, l);
	if (l->snapshot) {
		next = page_after(l, 0);
		set_token(l, &next, l->snapshot->kept.docs.n, selection_is_everything(s));
	}
	return answer(l);
}

/* ---- following pages ---- */

struct rest {
	struct listing *listing;
	const struct page *page;
};

static bool visit_rest(void *arg, const struct doc *d)
{
	struct rest *r = arg;
	const struct val *meta = val_get(d->root, "metadata");
	int order = slice_cmp(val_get_str(meta, "namespace"), r->page->ns);

	if (order == 0) {
		order = slice_cmp(val_get_str(meta, "name"), r->page->name);
	}
	return order > 0 ? visit(r->listing, d) : true;
}

/* The snapshot is gone: the client may go on from the same place in the state of now. */
static int expired(struct call *c, const struct page *p)
{
	scoped_strbuf struct strbuf token = { 0 };
	struct page inconsistent = { .ns = p->ns, .name = p->name };

	page_format(&token, &inconsistent);
	fail_reason(
		c, 410, "Expired",
		"The provided continue parameter is too old to display a consistent list result. "
		"You can start a new list without the continue parameter, or use the continue "
		"token in this response to retrieve the remainder of the results. Continuing with "
		"the provided token results in an inconsistent list - objects that were created, "
		"modified, or deleted between the time the first chunk was returned and now may "
		"show up in the list.");
	val_set_str(c->arena, val_need_object(c->arena, c->failure, "metadata"), "continue",
	            strbuf_slice(&token));
	return -ERR_GONE;
}

static int next_page(struct listing *l, const struct selection *s)
{
	struct call *c = l->call;
	struct page page, next;
	uint64_t at;

	if (!page_parse(c->arena, c->options.token, &page)) {
		return fail_code(c, ERR_SYNTAX, "continue key is not valid");
	}
	if (!page.id) {
		struct rest rest = { l, &page };

		l->head.revision = store_revision(c->api->store);
		selection_each(s, c->api->store, visit_rest, &rest);
		if (l->snapshot) {
			next = page_after(l, 0);
			set_token(l, &next, 0, false);
		}
		return answer(l);
	}
	l->snapshot = snapshot_find(c->api, c->kind, page.id);
	if (!l->snapshot) {
		return expired(c, &page);
	}
	l->head.revision = l->snapshot->revision;
	for (at = page.at; at < l->snapshot->kept.docs.n && (!l->limit || l->head.n < l->limit);
	     at++) {
		add_item(l, l->snapshot->kept.docs.at[at]);
	}
	if (at < l->snapshot->kept.docs.n) {
		next = page_after(l, at);
		set_token(l, &next, l->snapshot->kept.docs.n - at, selection_is_everything(s));
	}
	return answer(l);
}

int read_list(struct call *c)
{
	struct listing l = { .call = c, .view = view_of(c), .head = { .remaining = -1 } };
	struct selection s;
	int r = selection_read(c, c->arena, &s);

	if (r < 0) {
		return r;
	}
	l.limit = c->options.limit > LIST_LIMIT_MAX ? LIST_LIMIT_MAX : c->options.limit;
	if (c->options.token.len) {
		if (c->options.revision) {
			return fail_code(c, ERR_SYNTAX,
			                 "specifying resource version is not allowed when using "
			                 "continue");
		}
		return next_page(&l, &s);
	}
	r = check_revision(c);
	return r < 0 ? r : first_page(&l, &s);
}
