/* What: one upgraded connection as a carrier for channels: raw bytes (SPDY), or WebSocket messages
 * (pings, pongs and the closing handshake are dealt with here). Only files of http/ use this. */
#pragma once

#include "http/server.h"

struct wire;

struct wire_events {
	/* Raw: bytes as they come. WebSocket: one message. */
	void (*data)(void *arg, struct slice bytes, bool is_text);
	void (*end)(void *arg); /* the client ends its direction, or sent a close frame */
	void (*drain)(void *arg);
	void (*turn)(void *arg);  /* asked for with wire_ask_turn; may be null */
	void (*close)(void *arg); /* over; the last call, the wire is freed after it */
};

/* What the client asks to change to. */
enum wire_kind { WIRE_NONE, WIRE_SPDY, WIRE_WEBSOCKET };
enum wire_kind wire_kind_asked(const struct http_request *r);
/* Answers 101 and takes over; headers as http_upgrade has them. Null when the client has gone. */
struct wire *wire_open_spdy(struct http_request *r, const char *headers,
                            const struct wire_events *events, void *arg);
/* subprotocol may be null. Answers 400 and returns null when the handshake is malformed. */
struct wire *wire_open_websocket(struct http_request *r, const char *subprotocol,
                                 const struct wire_events *events, void *arg);
/* The first of 'known' (null-terminated) that is among the client's Sec-WebSocket-Protocol, in the
 * client's order; null when none. *ret_any: the client named at least one (credentials apart). */
const char *wire_choose_subprotocol(const struct http_request *r, const char *const *known,
                                    bool *ret_any);

void wire_send(struct wire *w, struct slice bytes);     /* raw, or one binary message */
void wire_send_text(struct wire *w, struct slice text); /* WebSocket only */
/* As wire_send, for what is sent because the client sent something (pongs, replies): one that has such
 * answers made without reading them is cut off instead of filling our memory. */
void wire_answer(struct wire *w, struct slice bytes);
bool wire_is_full(const struct wire *w);
void wire_pause(struct wire *w, bool paused);
/* Closes after what is queued; a WebSocket gets a close frame 1000 first. */
void wire_close(struct wire *w);
void wire_abort(struct wire *w);
/* Asks for one call of events.turn at the end of this turn of the loop. */
void wire_ask_turn(struct wire *w);
struct loop *wire_loop(const struct wire *w);
/* A 400 with a Status object, in the words of kubelet. */
void wire_refuse(struct http_request *r, int status, const char *reason, const char *message,
                 const char *headers);
