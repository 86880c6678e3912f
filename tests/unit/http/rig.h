/* What: what tests of connections share: a loop that is turned until something is so, a server on
 * loopback, and a peer that speaks raw bytes. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "http/server.h"
#include "loop/loop.h"

struct rig {
	struct loop *loop;
	struct http_server *server; /* rig_serve */
	uint16_t port;
	int fd;            /* the raw peer's socket; -1: none */
	struct strbuf got; /* what it has read */
	bool ended;        /* the other side ended or reset the connection */
	bool was_reset;
	struct loop_timer tick;
	unsigned idle; /* turns since the last RIG_WAIT began */
};

int rig_set_up(void **state); /* *state: a struct rig */
int rig_tear_down(void **state);
/* A server on a free port of 127.0.0.1; config->on_request is needed. */
void rig_serve(struct rig *r, const struct http_server_config *config);
/* A listening socket on a free port of 127.0.0.1. */
int rig_listen(uint16_t *ret_port);
/* Connects the raw peer (closing an earlier one). */
void rig_dial(struct rig *r);
/* Makes the raw peer and returns the other end. */
int rig_pair(struct rig *r);
void rig_hang_up(struct rig *r);
/* Sends all of it, turning the loop as needed; bytes after a reset are dropped. */
void rig_send(struct rig *r, struct slice bytes);
void rig_send_text(struct rig *r, const char *text);
/* Turns the loop once and reads what is there. */
void rig_turn(struct rig *r);
/* The same without reading. */
void rig_turn_only(struct rig *r);
/* Turns until the peer has read text (removing everything up to its end from got) or fails the test. */
void rig_want(struct rig *r, const char *text);
void rig_want_end(struct rig *r);
bool rig_has(const struct rig *r, const char *text);

#define RIG_WAIT(r, condition)                                                                     \
	do {                                                                                       \
		(r)->idle = 0;                                                                     \
		while (!(condition)) {                                                             \
			rig_turn(r);                                                               \
			if ((r)->idle > 40000) {                                                   \
				fail_msg("waited in vain for %s; read: %.400s", #condition,        \
				         strbuf_str(&(r)->got));                                   \
			}                                                                          \
		}                                                                                  \
	} while (0)
/* Turns long enough for what is under way to be over. */
#define RIG_SETTLE(r)                                                                              \
	for ((r)->idle = 0; (r)->idle < 300;)                                                      \
	rig_turn(r)
