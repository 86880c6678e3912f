/* Why: decoding and validation name fields the same way. See path.h. */
#include "schema/path.h"

void path_fini(struct path *p)
{
	strbuf_fini(&p->text);
}

size_t path_member(struct path *p, struct slice name)
{
	size_t size = p->text.size;

	if (size) {
		strbuf_addc(&p->text, '.');
	}
	strbuf_add_slice(&p->text, name);
	return size;
}

size_t path_index(struct path *p, size_t i)
{
	size_t size = p->text.size;

	strbuf_addf(&p->text, "[%zu]", i);
	return size;
}

size_t path_key(struct path *p, struct slice key)
{
	size_t size = p->text.size;

	strbuf_addc(&p->text, '[');
	strbuf_add_slice(&p->text, key);
	strbuf_addc(&p->text, ']');
	return size;
}

void path_cut(struct path *p, size_t size)
{
	p->text.size = size;
	if (p->text.p) {
		p->text.p[size] = '\0';
	}
}
