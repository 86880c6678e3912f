/* What: the client's side of upgraded connections, for tests: WebSocket frames and SPDY frames over the
 * rig's raw peer, and what the server said as text.
 *
 *   WebSocket   b1:hello;    binary message that begins with byte 1      t1aGk=;   text message
 *               close1000;   pong:x;
 *   SPDY        reply1;  data3:hello;  fin3;  rst5;  goaway;  (a ping's answer stays in got) */
#pragma once

#include "rig.h"

#include "http/spdy.h"
#include "http/websocket.h"

struct dialog {
	struct rig *rig;
	struct ws_reader reader;
	struct spdy *spdy; /* null: WebSocket */
	struct strbuf out; /* frames of spdy to send */
	struct strbuf told;
	bool in_tunnel; /* SPDY inside WebSocket messages */
	bool is_open;
};

/* Asks for an upgrade and wants 101. headers: further lines. */
void dialog_open_websocket(struct dialog *d, struct rig *r, const char *target,
                           const char *headers);
void dialog_open_spdy(struct dialog *d, struct rig *r, const char *target, const char *headers);
void dialog_open_tunnel(struct dialog *d, struct rig *r, const char *target);
void dialog_fini(struct dialog *d);
void dialog_frame(struct dialog *d, enum ws_opcode opcode, struct slice payload);
#define dialog_binary(d, literal) dialog_frame(d, WS_BINARY, SLICE(literal))
/* Opens a SPDY stream: type, and port and request id when not null. */
void dialog_syn(struct dialog *d, uint32_t id, const char *type, const char *port,
                const char *request);
void dialog_data(struct dialog *d, uint32_t id, const char *text, bool fin);
void dialog_flush(struct dialog *d);
/* Turns until told has text, and forgets everything up to its end. */
void dialog_want(struct dialog *d, const char *text);
/* Turns once and takes what came. */
void dialog_turn(struct dialog *d);
