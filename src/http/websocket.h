/* What: WebSocket framing (RFC 6455), pure: bytes in, messages out. Messages are put together from
 * their fragments; control frames between fragments are told as they come. */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

enum ws_event {
	WS_GOT_NONE, /* all bytes are used up */
	WS_GOT_MESSAGE,
	WS_GOT_PING, /* answer with a pong of the same payload */
	WS_GOT_PONG,
	WS_GOT_CLOSE,
};

enum {
	WS_MESSAGE_MAX = 16 << 20, /* bytes of a message, fragments together */
	WS_CONTROL_MAX = 125,      /* RFC 6455 5.5 */
};

struct ws_reader {
	bool is_server; /* given: frames must be masked; otherwise must not */
	bool is_text;   /* of the message just told */
	/* state: */
	uint8_t head[14];
	size_t n_head, need;
	uint64_t left;
	size_t mask_at;
	struct strbuf message, control;
	uint8_t message_opcode; /* 0: no message is open */
	bool in_payload;
	bool told; /* message or control holds what was told last */
};

void ws_reader_fini(struct ws_reader *r);
/* Takes bytes off the front of *bytes; *ret_payload lives until the next call. Returns a ws_event, or
 * ERR_SYNTAX (close with 1002) or ERR_LIMIT (1009); the connection is then over. */
MUST_USE int ws_reader_next(struct ws_reader *r, struct slice *bytes, struct slice *ret_payload,
                            struct err *err);
/* Appends one unfragmented frame. mask: 4 bytes (clients), or null (servers). */
void ws_write(struct strbuf *out, enum ws_opcode opcode, struct slice payload, const uint8_t *mask);
/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (4.2.2). */
void ws_accept_key(struct strbuf *out, struct slice key);
