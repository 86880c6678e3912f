/* Why: a chunked body gives the same bytes whatever the cuts, of the chunks and of the pieces. The input
 * is the body behind a fixed head; and once more, bytes that are chunked here must come back. */
#include <stdint.h>

#include "base/must.h"
#include "http/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char head[] = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/* The body; *ret_left: bytes behind its end, or -1 when it is refused or not over. */
static void read_body(struct slice all, size_t piece, struct strbuf *out, ptrdiff_t *ret_left)
{
	struct http_parser p;
	struct slice body, start = SLICE(head);

	*ret_left = -1;
	http_parser_init(&p, false);
	must(http_parser_next(&p, &start, &body, NULL) == HTTP_PARSE_HEAD);
	while (all.len && *ret_left < 0) {
		struct slice part = slice_head(all, piece);
		int r;

		all = slice_from(all, part.len);
		while ((r = http_parser_next(&p, &part, &body, NULL)) == HTTP_PARSE_BODY) {
			strbuf_add_slice(out, body);
		}
		must(r != HTTP_PARSE_HEAD);
		if (r == HTTP_PARSE_END) {
			*ret_left = (ptrdiff_t)(part.len + all.len);
		} else if (r < 0) {
			break;
		}
	}
	http_parser_fini(&p);
}

static void assert_round(struct slice bytes, size_t chunk, size_t piece)
{
	scoped_strbuf struct strbuf text = { 0 }, back = { 0 };
	ptrdiff_t left;

	for (struct slice rest = bytes; rest.len; rest = slice_from(rest, chunk)) {
		struct slice one = slice_head(rest, chunk);

		strbuf_addf(&text, "%zx\r\n", one.len);
		strbuf_add_slice(&text, one);
		strbuf_adds(&text, "\r\n");
	}
	strbuf_adds(&text, "0\r\n\r\nGET");
	read_body(strbuf_slice(&text), piece, &back, &left);
	must(left == 3);
	must(slice_eq(strbuf_slice(&back), bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_strbuf struct strbuf whole = { 0 }, pieces = { 0 };
	ptrdiff_t left_of_whole, left_of_pieces;
	struct slice all;

	if (size < 2) {
		return 0;
	}
	all = (struct slice){ (const char *)data + 1, size - 1 };
	read_body(all, all.len, &whole, &left_of_whole);
	read_body(all, 1 + data[0] % 17u, &pieces, &left_of_pieces);
	must(left_of_whole == left_of_pieces);
	must(slice_eq(strbuf_slice(&whole), strbuf_slice(&pieces)));
	assert_round(all, 1 + data[0] % 31u, 1 + data[0] % 17u);
	return 0;
}
