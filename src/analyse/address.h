/* What: addresses in a text: URLs (RFC 3986), the connection strings of database drivers,
 * host:port, lists of them, and bare names where the key says that the value is an address.
 *
 * Not a validator: it reads as the programs would, and says in 'problem' when that is not what the
 * author meant.
 *
 * Texts may hold parts that only the running program knows: ${X}, $(X), {{ x }}, %s and
 * ADDRESS_HOLE. They are kept as they are and set is_template.
 *
 * Never fails. Answers point into the text or into the arena. */
#pragma once

#include "analyse/key.h"
#include "base/arena.h"
#include "base/slice.h"

/* Stands for a value that is not known, followed by its number in decimal and another ADDRESS_HOLE.
 */
#define ADDRESS_HOLE '\x1a'

enum address_sureness {
	ADDRESS_LOOKS,  /* could be one: host:port in a text that need not be an address */
	ADDRESS_IS,     /* by its form, or by the key */
	ADDRESS_CERTAIN /* by both, or a URL that is the whole text */
};

struct address {
	struct slice scheme; /* lower case; empty: none written and none known */
	struct slice host; /* lower case, without brackets and final dot; may hold template parts */
	struct slice port_text; /* as written; empty: none */
	struct slice path;      /* with query */
	size_t at;              /* byte in the text where it begins */
	uint16_t port;          /* by number or scheme; 0: none */
	bool port_given, tls, tls_off, has_user, has_password, is_template;
	bool several; /* one of several hosts in one URL */
	enum address_sureness sureness;
	bool is_plain_problem; /* whatever was meant, scheme, host and port are these */
	const char *problem;   /* null, or a sentence's end: "has a port that is no number" */
};

typedef void address_fn(void *arg, const struct address *a);
/* Calls fn for each address in 'text', which is the value of a key of that kind. Kinds KEY_PRIVATE
 * and KEY_NAME: only nothing. 'scheme': what the key's words say, or "". */
void address_each(struct arena *arena, struct slice text, enum key_kind kind, const char *scheme,
                  address_fn *fn, void *arg);
/* host, host:port, [v6]:port, :port. False: it is none. scheme may be empty. */
bool address_host_port(struct arena *arena, struct slice text, struct address *ret);
/* Could this be a host name, an address, or a template of one? */
bool address_is_host(struct slice host);

/* Does a part of it come from a template? */
bool address_is_filled_later(struct slice host);

uint16_t scheme_port(struct slice scheme); /* 0: unknown */
const char *port_scheme(uint16_t port);    /* "" : unknown */
bool scheme_is_tls(struct slice scheme);
/* "postgresql+asyncpg" -> "postgres"; others as they are. */
struct slice scheme_family(struct slice scheme);
