/* What: the supervisor's door, H/run/serve.sock (SOCK_SEQPACKET): one JSON text a packet, asked by roles
 * and commands, answered in order.
 *
 *   request                        who          answer
 *   {"listen": "127.0.0.1:443"}    root, lb     {"ok": true} with the socket, or {"error": "..."};
 *   {"listen": "127.0.0.1:53/udp"}              "code": "UNSUPPORTED" beside it: no such protocol
 *   {"close": "127.0.0.1:443"}     root, lb     {"ok": true}
 *   {"status": true}               root         {"roles": [{name, state, pid, restarts, seconds}], ...}
 *   {"stop": true}                 root         {"ok": true}, and the instance goes down
 *
 * 'lb' is the balancer's uid; only addresses of the edge may be listened on. */
#pragma once

#include "base/err.h"
#include "base/ip-range.h"
#include "codec/value.h"
#include "loop/loop.h"
#include "serve/home.h"
#include "serve/listeners.h"

struct control_door;

struct control_door_config {
	struct loop *loop;
	const struct home *home;
	struct listeners *listeners;
	struct ip_ranges edge; /* what may be listened on */
	void (*status)(void *arg, struct arena *a, struct val *into);
	void (*stop)(void *arg);
	void *arg;
};
MUST_USE int control_door_open(const struct control_door_config *c, struct control_door **ret,
                               struct err *err);
struct control_door *control_door_close(struct control_door *d);

/* Asks, blocking for at most timeout_us; the answer's JSON lands in out, a passed descriptor in *ret_fd
 * (null: closed). Failure: ERR_UNAVAILABLE when nobody is there. */
MUST_USE int control_ask(const struct home *h, const char *request, int64_t timeout_us,
                         struct strbuf *out, int *ret_fd, struct err *err);
