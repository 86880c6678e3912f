/* What: the few words that the node speaks with a managed server over its unix socket: log in and
 * run statements (MySQL's protocol), or ask whether it is ready (Redis'). Pure: bytes in, bytes
 * out.
 *
 * MySQL: packets of a 3-byte length, a sequence number and a body; protocol 10, plugin unix_socket:
 * the kernel vouches for root. No result sets: only statements that answer OK. */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"

enum managed_dialog_kind { MANAGED_DIALOG_MYSQL, MANAGED_DIALOG_REDIS };

struct managed_dialog {
	enum managed_dialog_kind kind;
	struct strbuf in;              /* not understood yet */
	struct strbuf out;             /* to be sent; the caller takes it */
	const char *const *statements; /* null-terminated; borrowed; MySQL only; may be null */
	int state;
};

void managed_dialog_init(struct managed_dialog *d, enum managed_dialog_kind kind,
                         const char *const *statements);
void managed_dialog_fini(struct managed_dialog *d);
enum managed_dialog_outcome { MANAGED_DIALOG_MORE = 0, MANAGED_DIALOG_DONE = 1 };
/* Takes what the server said. DONE: all is said; d->out may hold a farewell.
 * Failure: ERR_SYNTAX (not the protocol), ERR_UNAVAILABLE (not ready), ERR_INVALID (a statement or
 * the login was refused; the server's sentence). */
MUST_USE int managed_dialog_feed(struct managed_dialog *d, struct slice bytes, struct err *err);
