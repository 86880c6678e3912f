/* What: SPDY/3.1 framing as Kubernetes' Go clients speak it (kubernetes-api.md 4.2), pure: bytes in,
 * events out; frames to send are appended to a buffer of the caller's.
 *
 * No flow control: the Go peer keeps no windows, so WINDOW_UPDATE is neither sent nor waited for; a
 * receiver that cannot take more stops reading the connection. PING is answered here. */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"
#include "http/message.h"

enum {
	SPDY_CONTROL_MAX = 64 << 10, /* bytes of a control frame's payload */
	SPDY_HEADERS_MAX = 64 << 10, /* bytes of an inflated header block */
	SPDY_DATA_CHUNK = 64 << 10,  /* larger writes are cut */
};

enum spdy_status {
	SPDY_PROTOCOL_ERROR = 1,
	SPDY_INVALID_STREAM = 2,
	SPDY_REFUSED_STREAM = 3,
	SPDY_CANCEL = 5,
	SPDY_INTERNAL_ERROR = 6,
};

struct spdy;

/* All are called from spdy_feed; none may free the session. Any may be null. */
struct spdy_events {
	void (*syn)(void *arg, uint32_t id, const struct http_headers *headers, bool fin);
	void (*reply)(void *arg, uint32_t id, const struct http_headers *headers);
	void (*data)(void *arg, uint32_t id, struct slice bytes); /* a piece of a data frame */
	void (*fin)(void *arg, uint32_t id);
	void (*rst)(void *arg, uint32_t id);
	void (*goaway)(void *arg);
};

struct spdy *spdy_new(const struct spdy_events *events, void *arg, struct strbuf *out);
struct spdy *spdy_free(struct spdy *s);
/* Failure: ERR_SYNTAX, ERR_LIMIT; the session is then over. */
MUST_USE int spdy_feed(struct spdy *s, struct slice bytes, struct err *err);
/* Opens a stream (clients). */
void spdy_syn(struct spdy *s, uint32_t id, const struct http_headers *headers, bool fin);
void spdy_reply(struct spdy *s, uint32_t id);
void spdy_data(struct spdy *s, uint32_t id, struct slice bytes, bool fin);
void spdy_rst(struct spdy *s, uint32_t id, enum spdy_status status);
void spdy_ping(struct spdy *s, uint32_t id);
void spdy_goaway(struct spdy *s, uint32_t last_good_id);
/* The preset dictionary of header compression, 1423 bytes. */
struct slice spdy_dictionary(void);
