/* Why: WebSocket messages do not depend on how the bytes were cut, never grow beyond their limits, and
 * what is written is read again. The first byte: server or client, size of the pieces. */
#include <stdint.h>

#include "base/must.h"
#include "http/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t mask[4] = { 1, 2, 3, 0xff };

/* Also writes every event as a frame that the other side would read. */
static void tell(bool is_server, struct slice all, size_t piece, struct strbuf *out,
                 struct strbuf *echo)
{
	struct ws_reader r = { .is_server = is_server };
	struct slice payload = { 0 };
	int e = 0;

	while (all.len && e >= 0) {
		struct slice part = slice_head(all, piece);

		all = slice_from(all, part.len);
		while ((e = ws_reader_next(&r, &part, &payload, NULL)) > WS_GOT_NONE) {
			enum ws_opcode code = e == WS_GOT_PING    ? WS_PING
			                      : e == WS_GOT_PONG  ? WS_PONG
			                      : e == WS_GOT_CLOSE ? WS_CLOSE
			                      : r.is_text         ? WS_TEXT
			                                          : WS_BINARY;

			must(payload.len <=
			     (e == WS_GOT_MESSAGE ? WS_MESSAGE_MAX : WS_CONTROL_MAX));
			strbuf_addf(out, "%d%d:%zu:", e, r.is_text, payload.len);
			strbuf_add_slice(out, payload);
			ws_write(echo, code, payload, is_server ? mask : NULL);
		}
		must(e < 0 || part.len == 0);
	}
	strbuf_addc(out, e < 0 ? '!' : '.');
	ws_reader_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_strbuf struct strbuf whole = { 0 }, pieces = { 0 }, again = { 0 };
	scoped_strbuf struct strbuf echo = { 0 }, unused = { 0 };
	struct slice all;

	if (size < 1) {
		return 0;
	}
	all = (struct slice){ (const char *)data + 1, size - 1 };
	tell(data[0] & 1, all, all.len, &whole, &echo);
	tell(data[0] & 1, all, 1 + (data[0] >> 1), &pieces, &unused);
	must(slice_eq(strbuf_slice(&whole), strbuf_slice(&pieces)));
	tell(data[0] & 1, strbuf_slice(&echo), 3, &again, &unused);
	must(again.p[again.size - 1] == '.');
	must(slice_eq(slice_head(strbuf_slice(&again), again.size - 1),
	              slice_head(strbuf_slice(&whole), whole.size - 1)));
	return 0;
}
