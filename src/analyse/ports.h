/* What: connection sets: which ports of which protocols, as a value with an algebra.
 *
 * A set is canonical: per protocol its ranges are ascending, apart by at least one port,
 * within 1..65535 (port 0 is nobody's); so equal sets look alike. What is neither TCP, UDP nor SCTP
 * (ICMP, GRE...) is one bit, because no policy can tell such protocols apart.
 *
 * Ownership: a set borrows its ranges from the arena it was made in. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "model/model.h"

struct ports_range {
	uint16_t from, to; /* both included */
};
enum ports_proto { PORTS_TCP, PORTS_UDP, PORTS_SCTP, PORTS_PROTOS };

struct ports {
	const struct ports_range *ranges; /* of TCP, then of UDP, then of SCTP */
	uint16_t n[PORTS_PROTOS];
	bool others; /* every other protocol */
};

struct ports ports_none(void);
struct ports ports_all(void);
/* Ports from..to of a protocol. An empty interval, or a protocol that is none of the three:
 * nothing. */
struct ports ports_of(struct arena *a, enum proto proto, unsigned from, unsigned to);

struct ports ports_union(struct arena *a, struct ports x, struct ports y);
struct ports ports_intersect(struct arena *a, struct ports x, struct ports y);
struct ports ports_minus(struct arena *a, struct ports x, struct ports y); /* in x and not in y */

bool ports_is_none(struct ports x);
bool ports_is_all(struct ports x);
bool ports_eq(struct ports x, struct ports y);
bool ports_has(struct ports x, enum proto proto, unsigned port);
/* A port of the set to try first: the smallest of TCP, else of UDP, else of SCTP; false when it has
 * none of the three. */
bool ports_first(struct ports x, enum proto *ret_proto, uint16_t *ret_port);
/* The ranges of one protocol; *ret_n of them. */
const struct ports_range *ports_ranges(struct ports x, enum ports_proto p, size_t *ret_n);
enum proto ports_proto_number(enum ports_proto p);
const char *ports_proto_name(enum ports_proto p); /* "TCP" */

/* "TCP 80,443,8000-8010; UDP 53", "TCP" (all of its ports), "others", "all", "all but TCP 22",
 * "none". */
void ports_format(struct strbuf *out, struct ports x);
/* Reads what ports_format writes; also any order and case, and a number without protocol (TCP).
 * Failure: ERR_SYNTAX. */
MUST_USE int ports_parse(struct arena *a, struct slice text, struct ports *ret, struct err *err);
