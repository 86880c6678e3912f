/* Why: see dns-question.h. Every length in a message is somebody else's word: nothing is read beyond its end. */
#include "cli/dns-question.h"

enum {
	HEADER = 12,
	TYPE_A = 1,
	CLASS_IN = 1,
	LABEL_MAX = 63,
	NAME_MAX_LEN = 253,
	RESPONSE = 0x8000,
	POINTER = 0xc0
};

static void add16(struct strbuf *out, uint16_t n)
{
	strbuf_addc(out, (char)(n >> 8));
	strbuf_addc(out, (char)n);
}

bool dns_question_write(struct strbuf *out, struct slice name, uint16_t id)
{
	struct slice label;

	if (!name.len || name.len > NAME_MAX_LEN) {
		return false;
	}
	add16(out, id);
	add16(out, 0x0100); /* recursion desired */
	add16(out, 1);
	add16(out, 0);
	add16(out, 0);
	add16(out, 0);
	while (slice_next(&name, '.', &label)) {
		if (!label.len || label.len > LABEL_MAX) {
			return false;
		}
		strbuf_addc(out, (char)label.len);
		strbuf_add_slice(out, label);
	}
	strbuf_addc(out, '\0');
	add16(out, TYPE_A);
	add16(out, CLASS_IN);
	return true;
}

struct cursor {
	struct slice left;
	bool failed;
};

static uint16_t take16(struct cursor *c)
{
	const unsigned char *p = (const unsigned char *)c->left.p;

	if (c->left.len < 2) {
		c->failed = true;
		return 0;
	}
	c->left = slice_from(c->left, 2);
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void skip(struct cursor *c, size_t n)
{
	c->failed |= n > c->left.len;
	c->left = slice_from(c->left, n);
}

/* A name ends with an empty label or with a pointer to elsewhere; where it points does not matter here. */
static void skip_name(struct cursor *c)
{
	while (!c->failed && c->left.len) {
		unsigned char n = (unsigned char)c->left.p[0];

		if ((n & POINTER) == POINTER) {
			skip(c, 2);
			return;
		}
		skip(c, (size_t)n + 1);
		if (!n) {
			return;
		}
	}
	c->failed = true;
}

static void read_record(struct cursor *c, struct dns_reply *r)
{
	uint16_t type, size;

	skip_name(c);
	type = take16(c);
	skip(c, 2 + 4);
	size = take16(c);
	if (!c->failed && type == TYPE_A && size == 4 && c->left.len >= 4) {
		const unsigned char *p = (const unsigned char *)c->left.p;

		if (!r->n++) {
			r->ip = ip_v4((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
			              (uint32_t)p[2] << 8 | p[3]);
		}
	}
	skip(c, size);
}

bool dns_reply_read(struct slice message, uint16_t id, struct dns_reply *ret)
{
	struct cursor c = { .left = message };
	struct dns_reply r = { 0 };
	uint16_t flags, questions, answers;

	if (message.len < HEADER || take16(&c) != id) {
		return false;
	}
	flags = take16(&c);
	questions = take16(&c);
	answers = take16(&c);
	skip(&c, 4);
	for (unsigned i = 0; i < questions && !c.failed; i++) {
		skip_name(&c);
		skip(&c, 4);
	}
	for (unsigned i = 0; i < answers && !c.failed; i++) {
		read_record(&c, &r);
	}
	if (c.failed || !(flags & RESPONSE)) {
		return false;
	}
	r.rcode = flags & 0xf;
	*ret = r;
	return true;
}
