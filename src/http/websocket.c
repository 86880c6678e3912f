/* Why: WebSocket frames without a socket, so that they can be fuzzed; see websocket.h. Section numbers
 * are RFC 6455's. */
#include "http/websocket.h"

#include "base/base64.h"
#include "http/pki.h"

enum { FIN = 0x80, RSV = 0x70, MASKED = 0x80 };

void ws_reader_fini(struct ws_reader *r)
{
	strbuf_fini(&r->message);
	strbuf_fini(&r->control);
}

static bool is_control(uint8_t opcode)
{
	return opcode >= WS_CLOSE;
}

static uint8_t opcode_of(const struct ws_reader *r)
{
	return r->head[0] & 0x0f;
}

/* How long the frame's head is, as far as its bytes tell. */
static size_t head_size(const struct ws_reader *r)
{
	size_t n = 2;

	if (r->n_head < 2) {
		return 2;
	}
	n += (r->head[1] & 0x7f) == 126 ? 2 : (r->head[1] & 0x7f) == 127 ? 8 : 0;
	return n + ((r->head[1] & MASKED) ? 4 : 0);
}

static int parse_head(struct ws_reader *r, struct err *err)
{
	uint8_t opcode = opcode_of(r);
	size_t n_len = 0;
	uint64_t len = r->head[1] & 0x7f;

	if (len == 126) {
		n_len = 2;
	} else if (len == 127) {
		n_len = 8;
	}
	if (n_len) {
		len = 0;
		for (size_t i = 0; i < n_len; i++) {
			len = len << 8 | r->head[2 + i];
		}
	}
	if (r->head[0] & RSV) {
		return err_raise(err, ERR_SYNTAX, "WebSocket frame with reserved bits");
	}
	if (r->is_server != !!(r->head[1] & MASKED)) {
		return err_raise(err, ERR_SYNTAX, "WebSocket frame is %s",
		                 r->is_server ? "not masked" : "masked");
	}
	if ((n_len == 2 && len < 126) || (n_len == 8 && len <= 0xffff)) {
		return err_raise(err, ERR_SYNTAX, "WebSocket length is not in its shortest form");
	}
	if (is_control(opcode)) {
		if (opcode > WS_PONG || len > WS_CONTROL_MAX || !(r->head[0] & FIN) ||
		    (opcode == WS_CLOSE && len == 1)) {
			return err_raise(err, ERR_SYNTAX, "bad WebSocket control frame");
		}
		strbuf_reset(&r->control);
	} else if (opcode == WS_CONTINUATION) {
		if (!r->message_opcode) {
			return err_raise(err, ERR_SYNTAX, "WebSocket continuation of nothing");
		}
	} else if (opcode > WS_BINARY || r->message_opcode) {
		return err_raise(err, ERR_SYNTAX,
		                 opcode > WS_BINARY ? "unknown WebSocket opcode"
		                                    : "WebSocket message inside another");
	} else {
		strbuf_reset(&r->message);
		r->message_opcode = opcode;
	}
	if (!is_control(opcode) && len > WS_MESSAGE_MAX - r->message.size) {
		return err_raise(err, ERR_LIMIT, "WebSocket message is larger than %d MiB",
		                 WS_MESSAGE_MAX >> 20);
	}
	r->left = len;
	r->mask_at = 2 + n_len;
	r->in_payload = true;
	return 0;
}

static void take_payload(struct ws_reader *r, struct slice *bytes)
{
	struct strbuf *to = is_control(opcode_of(r)) ? &r->control : &r->message;
	size_t n = bytes->len < r->left ? bytes->len : (size_t)r->left;
	size_t at = to->size;
	size_t phase = r->need; /* bytes of the payload unmasked so far, modulo 4 */

	strbuf_add(to, bytes->p, n);
	if (r->is_server && !strbuf_failed(to)) {
		for (size_t i = 0; i < n; i++) {
			to->p[at + i] =
				(char)(to->p[at + i] ^ r->head[r->mask_at + (phase + i) % 4]);
		}
	}
	r->need = (phase + n) % 4;
	r->left -= n;
	*bytes = slice_from(*bytes, n);
}

/* The frame is complete: what is there to tell? */
static int end_frame(struct ws_reader *r, struct slice *ret_payload)
{
	uint8_t opcode = opcode_of(r);
	bool fin = r->head[0] & FIN;

	r->in_payload = false;
	r->n_head = 0;
	r->need = 0;
	if (is_control(opcode)) {
		*ret_payload = strbuf_slice(&r->control);
		return opcode == WS_PING   ? WS_GOT_PING
		       : opcode == WS_PONG ? WS_GOT_PONG
		                           : WS_GOT_CLOSE;
	}
	if (!fin) {
		return WS_GOT_NONE;
	}
	r->is_text = r->message_opcode == WS_TEXT;
	r->message_opcode = 0;
	r->told = true;
	*ret_payload = strbuf_slice(&r->message);
	return WS_GOT_MESSAGE;
}

int ws_reader_next(struct ws_reader *r, struct slice *bytes, struct slice *ret_payload,
                   struct err *err)
{
	if (r->told) {
		strbuf_reset(&r->message);
		r->told = false;
	}
	while (bytes->len) {
		int e;

		if (!r->in_payload) {
			r->head[r->n_head++] = (uint8_t)bytes->p[0];
			*bytes = slice_from(*bytes, 1);
			if (r->n_head < head_size(r)) {
				continue;
			}
			e = parse_head(r, err);
			if (e < 0) {
				return e;
			}
		}
		if (r->left) {
			take_payload(r, bytes);
		}
		if (r->left == 0) {
			e = end_frame(r, ret_payload);
			if (e != WS_GOT_NONE) {
				return e;
			}
		}
	}
	return WS_GOT_NONE;
}

void ws_write(struct strbuf *out, enum ws_opcode opcode, struct slice payload, const uint8_t *mask)
{
	uint8_t bit = mask ? MASKED : 0;
	size_t at;

	strbuf_addc(out, (char)(FIN | opcode));
	if (payload.len < 126) {
		strbuf_addc(out, (char)(bit | payload.len));
	} else {
		size_t n_len = payload.len <= 0xffff ? 2 : 8;

		strbuf_addc(out, (char)(bit | (n_len == 2 ? 126 : 127)));
		for (size_t i = n_len; i-- > 0;) {
			strbuf_addc(out, (char)((uint64_t)payload.len >> (8 * i)));
		}
	}
	if (mask) {
		strbuf_add(out, mask, 4);
	}
	at = out->size;
	strbuf_add_slice(out, payload);
	for (size_t i = 0; mask && !strbuf_failed(out) && i < payload.len; i++) {
		out->p[at + i] = (char)(out->p[at + i] ^ mask[i % 4]);
	}
}

void ws_accept_key(struct strbuf *out, struct slice key)
{
	scoped_strbuf struct strbuf text = { 0 };
	scoped_strbuf struct strbuf sum = { 0 };

	strbuf_add_slice(&text, key);
	strbuf_adds(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
	pki_sha1(&sum, strbuf_slice(&text));
	base64_encode(out, strbuf_slice(&sum));
}
