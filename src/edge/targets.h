/* What: where a port of the balancer may send to, and which of these are fit: checks by connecting or
 * by an HTTP request, and the choice for a new connection or flow. */
#pragma once

#include "base/err.h"
#include "base/ip.h"
#include "edge/health.h"
#include "loop/loop.h"

struct targets;

struct target_address {
	struct ip ip;
	uint16_t port;
};
bool target_address_eq(struct target_address a, struct target_address b);

struct targets_spec {
	const struct target_address *at; /* copied */
	size_t n;
	int protocol; /* IPPROTO_TCP or IPPROTO_SCTP: of checks by connecting */
	struct health_rule health;
	bool unchecked;         /* fit as long as they are listed */
	bool proxy_protocol;    /* a check by connecting says so, as connections do */
	uint16_t check_port;    /* 0: the target's own */
	const char *check_path; /* of a GET whose answer has to be 200 to 399; null: connecting is
	                         * enough; copied */
	/* Health of one target changed; may be null. */
	void (*changed)(void *arg, struct ip target, enum health_state to);
	void *arg;
};

struct targets *targets_new(struct loop *l, const struct targets_spec *s);
/* What stays keeps its health. */
void targets_set(struct targets *t, const struct targets_spec *s);
struct targets *targets_free(struct targets *t); /* accepts null, returns null */
/* For the next connection: in turn, or, with a client, always the same one for that client as long as
 * it is fit. Null: there is none. Borrowed until targets_set. */
const struct target_address *targets_choose(struct targets *t, const struct ip *client);

/* A connecting socket, not blocking; -1 with errno. source: its own address, which need not be any
 * link's; none: the kernel's choice. */
int target_open(struct target_address to, int protocol, const struct ip *source);
/* The error that a socket's connecting ended with; 0: none. */
int target_socket_error(int fd);
