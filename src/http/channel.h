/* What: the several byte channels of exec, attach and port-forward over one upgraded connection,
 * whatever carries them: SPDY/3.1 or WebSocket (v5/v4.channel.k8s.io, base64 variants, port-forward's
 * own framings). kubernetes-api.md section 4.
 *
 * Server side only. channel_accept looks at the request, picks the protocol, answers 101 and calls
 * ready once every channel that the request's query asks for is there. */
#pragma once

#include "http/server.h"

struct channels;

enum channel_id { CHANNEL_STDIN, CHANNEL_STDOUT, CHANNEL_STDERR, CHANNEL_ERROR, CHANNEL_RESIZE };

struct channel_events {
	void (*ready)(void *arg, struct channels *c);
	void (*data)(void *arg, enum channel_id id, struct slice bytes); /* stdin only */
	void (*eof)(void *arg, enum channel_id id); /* the client closed its stdin */
	void (*resize)(void *arg, uint16_t width, uint16_t height);
	void (*drain)(void *arg);
	void (*gone)(void *arg); /* connection ended, always the last call; c is freed after it */
};

struct channel_ask { /* what exec/attach wants, from the query */
	bool stdin_, stdout_, stderr_, tty;
};

/* exec and attach. On a request that is no acceptable upgrade it answers 400 and returns null. */
struct channels *channel_accept(struct http_request *r, const struct channel_ask *ask,
                                const struct channel_events *events, void *arg);
void channel_write(struct channels *c, enum channel_id id, struct slice bytes);
bool channel_is_full(const struct channels *c);
void channel_pause(struct channels *c, bool paused); /* of the client's stdin */
/* Ends in order: writes the Status on the error channel (JSON metav1.Status: Success, or Failure with
 * reason NonZeroExitCode and cause ExitCode), closes all channels, then the connection. */
void channel_finish(struct channels *c, struct slice status_json);
/* Ends at once; gone still comes, never from inside. */
void channel_abort(struct channels *c);

/* Port-forward: each forwarded connection is a pair of data and error stream. */
struct forwards;
struct forward_conn;
struct forward_events {
	/* A client asks for a connection to 'port'; answer with forward_set_user or forward_fail. */
	void (*open)(void *arg, struct forward_conn *fc, uint16_t port);
	void (*data)(void *user, struct slice bytes);
	void (*eof)(void *user);
	void (*drain)(void *user);
	void (*closed)(void *user); /* this connection is over; last call for it */
	void (*gone)(void *arg);    /* all is over; last call */
};
/* On a request that is no acceptable upgrade it answers 400 and returns null. open is never called from
 * inside. data, eof, drain and closed are only called after forward_set_user (what the client sent
 * before is kept for it), closed exactly once. */
struct forwards *forward_accept(struct http_request *r, const struct forward_events *events,
                                void *arg);
void forward_set_user(struct forward_conn *fc, void *user);
void forward_write(struct forward_conn *fc, struct slice bytes);
bool forward_is_full(const struct forward_conn *fc);
void forward_pause(struct forward_conn *fc, bool paused);
void forward_eof(struct forward_conn *fc); /* server side ends; both ends ended: closed */
void forward_fail(struct forward_conn *fc, const char *text); /* on the error stream, then closed */
void forwards_close(struct forwards *f); /* closes every connection; gone comes last */
