/* What: what server.c and client.c do to streams beyond stream.h. Only files of http/ include this. */
#pragma once

#include "http/stream.h"
#include "http/tls.h"

/* The server's side of an accepted socket (taken over), with TLS when tls is not null. */
struct stream *stream_accept(struct loop *l, int fd, const struct tls_server *tls,
                             const struct stream_events *events, void *arg);
/* Gives bytes back: they are delivered again, to whatever events are set by then, before anything
 * that is read later. Never from inside this call. */
void stream_unread(struct stream *s, struct slice bytes);
/* The verified client certificate's names; null without. Lives as long as the stream. */
const struct tls_peer *stream_tls_peer(const struct stream *s);
/* Bytes accepted by stream_write and not yet taken by the kernel. */
size_t stream_queued(const struct stream *s);
struct loop *stream_loop(const struct stream *s);
