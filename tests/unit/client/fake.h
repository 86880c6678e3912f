/* What: plays an API server on loopback for the tests of this room. */
#pragma once

#include "base/strbuf.h"
#include "client/client.h"
#include "http/server.h"

struct fake {
	struct loop *loop;
	struct http_server *server;
	struct tls_server *tls; /* null: plain */
	struct client *client;
	uint16_t port;
	char folder[64]; /* temporary; holds the kubeconfig and the token */
	/* what it has been asked: "GET /path?query body\n" */
	struct strbuf asked;
	size_t n_asked;
	char authorization[128]; /* of the last request */
	char user[64];           /* whose certificate it came with */
	/* how it answers */
	int status;                 /* of what is no watch; 0: not at all */
	const char *body;           /* JSON */
	int watch_status;           /* of watches */
	struct http_request *watch; /* the open one */
	size_t n_watches;
	struct loop_timer tick; /* fake_wait */
	bool (*is_done)(void *arg);
	void *is_done_arg;
	int ticks;
};

void fake_init(struct fake *f);
/* With TLS, and a client that has a certificate for user "kim". */
void fake_init_tls(struct fake *f);
void fake_fini(struct fake *f);
/* The server goes away with all connections, and comes back on the same port. */
void fake_stop(struct fake *f);
void fake_start(struct fake *f);
/* Sends an event to the open watch; object: JSON. */
void fake_event(struct fake *f, const char *type, const char *object);
void fake_bytes(struct fake *f, const char *bytes);
void fake_end_watch(struct fake *f);
/* Turns the loop until it is so; fails the test after 20 s. */
void fake_wait(struct fake *f, bool (*is_done)(void *arg), void *arg);
void fake_wait_watch(struct fake *f, size_t nth); /* until the nth watch is open */
void fake_wait_asked(struct fake *f, size_t n);
/* Lets the loop turn for some time: to see that nothing happens. */
void fake_run_ms(struct fake *f, int ms);
bool fake_was_asked(struct fake *f, const char *text);
void fake_write_token(struct fake *f, const char *token);
