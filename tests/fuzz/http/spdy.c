/* Why: SPDY sessions tell the same whatever the cuts, and survive anything. The input is a list of
 * pieces: a byte says what follows, raw bytes or a frame with well compressed headers, so that an engine gets
 * past zlib. */
#include <stdint.h>

#include "base/must.h"
#include "http/spdy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_headers(struct strbuf *out, const char *what, uint32_t id,
                       const struct http_headers *h)
{
	must(id <= 0x7fffffffu);
	strbuf_addf(out, "%s%u", what, id);
	for (size_t i = 0; i < h->n; i++) {
		must(h->at[i].name.len);
		strbuf_addc(out, ',');
		strbuf_add_slice(out, h->at[i].name);
		strbuf_addc(out, '=');
		strbuf_add_slice(out, h->at[i].value);
	}
}

static void on_syn(void *arg, uint32_t id, const struct http_headers *h, bool fin)
{
	on_headers(arg, fin ? "S" : "s", id, h);
}

static void on_reply(void *arg, uint32_t id, const struct http_headers *h)
{
	on_headers(arg, "r", id, h);
}

/* Pieces of a frame are told as they come: byte by byte makes them comparable. */
static void on_data(void *arg, uint32_t id, struct slice bytes)
{
	must(bytes.len);
	for (size_t i = 0; i < bytes.len; i++) {
		strbuf_addf(arg, "d%u:%02x", id, (unsigned char)bytes.p[i]);
	}
}

static void on_fin(void *arg, uint32_t id)
{
	strbuf_addf(arg, "f%u", id);
}

static void on_rst(void *arg, uint32_t id)
{
	strbuf_addf(arg, "x%u", id);
}

static void on_goaway(void *arg)
{
	strbuf_adds(arg, "g");
}

static const struct spdy_events events = { on_syn, on_reply, on_data, on_fin, on_rst, on_goaway };

static void tell(struct slice all, size_t piece, struct strbuf *told, struct strbuf *out)
{
	struct spdy *s = spdy_new(&events, told, out);
	int r = 0;

	while (all.len && r == 0) {
		r = spdy_feed(s, slice_head(all, piece), NULL);
		all = slice_from(all, piece);
	}
	strbuf_addc(told, r < 0 ? '!' : '.');
	spdy_free(s);
}

/* The bytes that a client would send. */
static void compose(const uint8_t *p, const uint8_t *end, struct strbuf *out)
{
	struct spdy *s = spdy_new(&(struct spdy_events){ 0 }, NULL, out);

	while (p < end) {
		size_t n = *p >> 2, left = (size_t)(end - p - 1);
		struct slice text = { (const char *)p + 1, n < left ? n : left };
		struct http_header h[2] = { { SLICE("streamtype"), text }, { text, text } };
		struct http_headers headers = { h, text.len ? 2 : 1 };

		if ((*p & 3) == 0) {
			spdy_syn(s, n + 1, &headers, n & 1);
		} else if ((*p & 3) == 1) {
			spdy_data(s, n, text, n & 1);
		} else if ((*p & 3) == 2) {
			spdy_reply(s, n);
		} else {
			strbuf_add_slice(out, text);
		}
		p += 1 + text.len;
	}
	spdy_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_strbuf struct strbuf bytes = { 0 }, whole = { 0 }, pieces = { 0 };
	scoped_strbuf struct strbuf out_whole = { 0 }, out_pieces = { 0 };

	if (size < 1) {
		return 0;
	}
	if (data[0] & 1) {
		strbuf_add(&bytes, data + 1, size - 1);
	} else {
		compose(data + 1, data + size, &bytes);
	}
	tell(strbuf_slice(&bytes), bytes.size ? bytes.size : 1, &whole, &out_whole);
	tell(strbuf_slice(&bytes), 1 + (data[0] >> 1), &pieces, &out_pieces);
	must(slice_eq(strbuf_slice(&whole), strbuf_slice(&pieces)));
	must(slice_eq(strbuf_slice(&out_whole), strbuf_slice(&out_pieces)));
	return 0;
}
