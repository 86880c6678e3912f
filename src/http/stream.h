/* What: a byte stream on the loop: a connected socket, with or without TLS, plain or upgraded.
 *
 * Reading: bytes are pushed to on_data while reading is on; stream_pause/stream_resume are the
 * back-pressure. Writing: stream_write queues and never blocks; when more than the high-water mark
 * (256 KiB) is queued stream_is_full is true and on_drain tells when it falls below again.
 *
 * Life: on_close is called exactly once, after which the stream frees itself; stream_close asks for
 * it (flushing what is queued, while the peer takes some at least every 30 s), stream_abort at once. Never from inside a call. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/ip.h"
#include "base/slice.h"
#include "loop/loop.h"

struct stream;

struct stream_events {
	/* Bytes arrived; borrowed for the call; the receiver takes all of them. */
	void (*on_data)(void *arg, struct slice bytes);
	/* The peer ends its direction; null: close as well. */
	void (*on_end)(void *arg);
	void (*on_drain)(void *arg);                        /* may be null */
	void (*on_close)(void *arg, const struct err *why); /* why null: in order */
};

void stream_set_events(struct stream *s, const struct stream_events *events, void *arg);
void stream_write(struct stream *s, struct slice bytes);
void stream_end(struct stream *s); /* half-close after what is queued */
bool stream_is_full(const struct stream *s);
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
void stream_close(struct stream *s);
void stream_abort(struct stream *s);
bool stream_peer(const struct stream *s, struct ip *ret_ip, uint16_t *ret_port);

/* Connects. address: ip and port, or unix_path. tls null: plain. on_open is called exactly once and
 * never from inside; with why null the stream is open, otherwise (also when it was closed or aborted
 * before) it is over: on_close does not come, and the stream frees itself. Bytes may be written
 * before it is open. */
struct tls_client;
struct stream_target {
	struct ip ip;
	uint16_t port;
	const char *unix_path; /* instead of ip */
	const struct tls_client *tls;
	const char *tls_name; /* SNI and name to verify; null: the address */
	int64_t timeout_us;   /* 0: 10 s */
};
typedef void stream_open_fn(void *arg, const struct err *why);
struct stream *stream_connect(struct loop *l, const struct stream_target *to, stream_open_fn *fn,
                              const struct stream_events *events, void *arg);
/* Wraps a connected descriptor (taken over). */
struct stream *stream_of_fd(struct loop *l, int fd, const struct stream_events *events, void *arg);
