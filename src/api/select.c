/* Why: three verbs share what "these objects" means. See select.h. */
#include "api/select.h"

#include "api/api-priv.h"
#include "api/fail.h"
#include "base/mem.h"

int selection_read(struct call *c, struct arena *a, struct selection *ret)
{
	struct slice labels = arena_slice(a, c->options.label_selector);
	struct slice fields = arena_slice(a, c->options.field_selector);
	struct err err = { 0 };
	int r = 0;

	*ret = (struct selection){ .kind = c->kind };
	if (c->kind->namespaced) {
		ret->ns = arena_slice(a, c->route.ns);
	}
	if (c->route.name.len) { /* watch of one object */
		ret->name = arena_slice(a, c->route.name);
	}
	if (labels.len) {
		r = selector_parse(a, labels, &ret->labels, &err);
	}
	if (r == 0 && fields.len) {
		r = field_selector_parse(c->kind, a, fields, &ret->fields, &err);
	}
	if (r < 0) {
		return fail_code(c, ERR_SYNTAX, "%s", err.msg);
	}
	if (ret->fields && !ret->name.len) {
		ret->name = field_selector_wants(ret->fields, "metadata.name");
	}
	return 0;
}

bool selection_has(const struct selection *s, const struct val *stored)
{
	const struct val *meta = val_get(stored, "metadata");

	return (!s->ns.len || slice_eq(val_get_str(meta, "namespace"), s->ns)) &&
	       (!s->name.len || slice_eq(val_get_str(meta, "name"), s->name)) &&
	       (!s->labels || selector_matches(s->labels, val_get(meta, "labels"))) &&
	       (!s->fields || field_selector_matches(s->fields, stored));
}

bool selection_is_everything(const struct selection *s)
{
	return !s->labels && !s->fields && !s->name.len;
}

struct filter {
	const struct selection *selection;
	store_visit_fn *fn;
	void *arg;
};

static bool visit(void *arg, const struct doc *d)
{
	struct filter *f = arg;

	return selection_has(f->selection, d->root) ? f->fn(f->arg, d) : true;
}

void selection_each(const struct selection *s, const struct store *store, store_visit_fn *fn,
                    void *arg)
{
	struct filter f = { s, fn, arg };

	if (s->name.len && (s->ns.len || !s->kind->namespaced)) {
		const struct doc *d = store_get(store, (struct key){ s->kind, s->ns, s->name });

		if (d) {
			visit(&f, d);
		}
		return;
	}
	store_each(store, s->kind, s->ns, visit, &f);
}
