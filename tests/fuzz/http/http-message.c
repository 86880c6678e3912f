/* Why: what an HTTP message is does not depend on how its bytes were cut, and whatever was told keeps
 * the parser's promises. The first byte: request or response, answer to HEAD, size of the pieces. */
#include <stdint.h>

#include "base/must.h"
#include "http/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_head(const struct http_parser *p)
{
	const struct http_head *h = &p->head;

	must(h->headers.n <= HTTP_FIELDS_MAX);
	must(!(h->chunked && h->content_length >= 0));
	for (size_t i = 0; i < h->headers.n; i++) {
		struct http_header line = h->headers.at[i];

		must(line.name.len && !memchr(line.value.p, '\0', line.value.len));
		must(!memchr(line.value.p, '\r', line.value.len));
		must(!memchr(line.value.p, '\n', line.value.len));
		must(slice_find(line.name, ':') < 0 && slice_find(line.name, ' ') < 0);
	}
	if (p->is_response) {
		must(h->status >= 100 && h->status <= 599);
	} else {
		must(h->method.len && h->target.len);
		must(slice_find(h->target, ' ') < 0 && slice_find(h->target, '#') < 0);
		must(h->minor == 0 || http_header_get(&h->headers, "Host").p);
	}
}

static void tell_head(const struct http_parser *p, struct strbuf *out)
{
	const struct http_head *h = &p->head;

	check_head(p);
	strbuf_addf(out, "<%d " SLICE_FMT " " SLICE_FMT " %d %lld %d%d%d%d", h->status,
	            SLICE_ARG(h->method), SLICE_ARG(h->target), h->minor,
	            (long long)h->content_length, h->chunked, h->keep_alive, h->expects_continue,
	            h->wants_upgrade);
	for (size_t i = 0; i < h->headers.n; i++) {
		strbuf_addc(out, '|');
		strbuf_add_slice(out, h->headers.at[i].name);
		strbuf_addc(out, '=');
		strbuf_add_slice(out, h->headers.at[i].value);
	}
	strbuf_addc(out, '>');
}

/* False: refused. */
static bool feed(struct http_parser *p, struct slice bytes, struct strbuf *out)
{
	struct slice body = { 0 };
	struct err err;

	for (;;) {
		int r = http_parser_next(p, &bytes, &body, &err);

		if (r < 0) {
			must(p->error_status >= 400);
			strbuf_addf(out, "!%d", p->error_status);
			return false;
		}
		if (r == HTTP_PARSE_MORE) {
			must(bytes.len == 0);
			return true;
		}
		if (r == HTTP_PARSE_HEAD) {
			tell_head(p, out);
		} else if (r == HTTP_PARSE_BODY) {
			must(body.len);
			strbuf_add_slice(out, body);
		} else {
			strbuf_addc(out, ';');
		}
	}
}

static void tell(uint8_t how, struct slice all, size_t piece, struct strbuf *out)
{
	struct http_parser p;
	bool fine = true;

	http_parser_init(&p, how & 1);
	p.body_is_absent = (how & 3) == 3;
	while (all.len && fine) {
		struct slice part = slice_head(all, piece);

		/* a copy of exact size, so that a read beyond the piece is seen */
		char *copy = slice_dup(part);

		fine = feed(&p, (struct slice){ copy, part.len }, out);
		free(copy);
		all = slice_from(all, part.len);
	}
	if (fine) {
		strbuf_addf(out, "$%d", http_parser_eof(&p, NULL));
	}
	http_parser_fini(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_strbuf struct strbuf whole = { 0 }, pieces = { 0 }, bytes = { 0 };
	struct slice all;

	if (size < 1) {
		return 0;
	}
	all = (struct slice){ (const char *)data + 1, size - 1 };
	tell(data[0], all, all.len, &whole);
	tell(data[0], all, 1 + (data[0] >> 2), &pieces);
	tell(data[0], all, 1, &bytes);
	must(slice_eq(strbuf_slice(&whole), strbuf_slice(&pieces)));
	must(slice_eq(strbuf_slice(&whole), strbuf_slice(&bytes)));
	return 0;
}
