/* What: a client that sends what an engine thought up to a server of ours, over a socket: what the harnesses of
 * channels share. The input is a list of items: a byte says what (frame, SPDY frame, raw bytes) and how long. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/must.h"
#include "base/strbuf.h"
#include "http/server.h"

/* Sends the upgrade and the composed bytes in pieces, ends its side, and turns the loop until *n_gone changes or the
 * connection is over; reads and drops what is answered. */
void carrier_run(http_request_fn *on_request, const char *upgrade, const struct strbuf *bytes,
                 size_t piece, const int *n_gone);
/* WebSocket frames, or SPDY frames, or SPDY frames in WebSocket messages. */
enum carrier_kind { CARRIER_WEBSOCKET, CARRIER_SPDY, CARRIER_TUNNEL };
void carrier_compose(enum carrier_kind kind, struct slice items, struct strbuf *out);

#define CARRIER_WEBSOCKET_HEAD(target, protocol)                                                   \
	"GET " target " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"      \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"             \
	"Sec-WebSocket-Protocol: " protocol "\r\n\r\n"
#define CARRIER_SPDY_HEAD(protocol)                                                                \
	"POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"               \
	"X-Stream-Protocol-Version: " protocol "\r\n\r\n"
