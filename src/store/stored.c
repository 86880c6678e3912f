/* Why: what is kept for long is packed; see stored.h. */
#include "store/stored.h"

#include "base/mem.h"
#include "codec/json.h"

struct packing {
	struct val *nodes; /* the next free one */
	char *text;        /* the next free byte */
};

/* Containers have children in its place. */
static bool has_text(const struct val *v)
{
	return v->type != VAL_ARRAY && v->type != VAL_OBJECT && v->s.p;
}

static void measure(const struct val *v, size_t *nodes, size_t *text)
{
	*nodes += 1;
	*text += v->key.p ? v->key.len + 1 : 0;
	*text += has_text(v) ? v->s.len + 1 : 0;
	val_for_each (v, it) {
		measure(it, nodes, text);
	}
}

static struct slice pack_text(struct packing *p, struct slice s)
{
	struct slice copy = { p->text, s.len };

	if (!s.p) {
		return (struct slice){ 0 };
	}
	if (s.len) {
		memcpy(p->text, s.p, s.len);
	}
	p->text[s.len] = '\0';
	p->text += s.len + 1;
	return copy;
}

static struct val *pack(struct packing *p, const struct val *v)
{
	struct val *copy = p->nodes++;

	*copy = *v;
	copy->flags = 0;
	copy->line = 0;
	copy->col = 0;
	copy->next = NULL;
	copy->key = pack_text(p, v->key);
	if (has_text(v)) {
		copy->s = pack_text(p, v->s);
	}
	if (v->type == VAL_ARRAY || v->type == VAL_OBJECT) {
		copy->first = copy->last = NULL;
		val_for_each (v, it) {
			struct val *child = pack(p, it);

			if (copy->last) {
				copy->last->next = child;
			} else {
				copy->first = child;
			}
			copy->last = child;
		}
	}
	return copy;
}

static struct stored *pack_with(const struct kind *k, const struct val *root, struct slice json,
                                uint64_t id, uint64_t revision)
{
	struct stored *o = NEW(struct stored);
	size_t nodes = 0, text = 0;
	struct packing p;

	measure(root, &nodes, &text);
	p.nodes = arena_alloc(&o->doc.arena, nodes * sizeof(struct val) + text + json.len + 1);
	p.text = (char *)(p.nodes + nodes);
	o->doc.refs = 1;
	o->doc.root = pack(&p, root);
	o->json = pack_text(&p, json);
	o->kind = k;
	o->ns = k->namespaced ? val_str(val_path(o->doc.root, "metadata.namespace")) : SLICE("");
	o->name = val_str(val_path(o->doc.root, "metadata.name"));
	o->id = id;
	o->revision = revision;
	return o;
}

struct stored *stored_new(const struct kind *k, const struct val *root, uint64_t id,
                          uint64_t revision)
{
	scoped_strbuf struct strbuf json = { 0 };

	json_write(&json, root);
	return pack_with(k, root, strbuf_slice(&json), id, revision);
}

int stored_parse(const struct kind *k, struct slice json, uint64_t id, uint64_t revision,
                 struct stored **ret, struct err *err)
{
	scoped_arena struct arena a = { 0 };
	struct val *root;
	int r = json_parse(&a, json, 0, &root, err);

	if (r < 0) {
		return r;
	}
	*ret = pack_with(k, root, json, id, revision);
	return 0;
}

const struct stored *stored_ref(const struct stored *o)
{
	if (o) {
		doc_ref(&o->doc);
	}
	return o;
}

void stored_unref(const struct stored *o)
{
	if (o) {
		doc_unref(&o->doc);
	}
}
