/* What: what the files address*.c share. */
#pragma once

#include "analyse/address.h"
#include "base/strbuf.h"

struct address_search {
	struct arena *arena;
	struct slice text; /* all of it */
	enum key_kind kind;
	const char *scheme; /* of the key */
	address_fn *fn;
	void *arg;
	bool any; /* something was found */
};

void address_tell(struct address_search *s, struct address *a);
/* Every scheme://... in the text. */
void address_urls(struct address_search *s);
/* Strings of database drivers: user:pw@tcp(host:port)/db, host=... port=..., Server=...;Port=... */
void address_driver_strings(struct address_search *s);
/* host:port and names, one or a list. */
void address_hosts(struct address_search *s);

/* Length of the template part that begins at s.p[0]: "${X}", "$(X)", "{{x}}", "$x", a hole, "%s";
 * 0: none does. */
size_t address_template_len(struct slice s);
bool address_has_template(struct slice s);
struct slice address_lower(struct arena *arena, struct slice s);
/* Takes "host:port" apart into a; sets problem. */
void address_set_authority(struct arena *arena, struct slice authority, struct address *a);
/* Takes a port's text; sets problem. */
void address_set_port(struct slice text, struct address *a);
/* What ?ssl=..., sslmode=... and their like say. */
void address_set_tls_option(struct slice name, struct slice value, struct address *a);
