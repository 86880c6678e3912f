/* What: the texts that a managed server is started with: settings, first statements, arguments.
 * Pure.
 *
 * Inside its container:  /data  its files     /run   socket (server.sock), for the node alone
 *                        /conf  settings, certificate and key, read-only                      */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"
#include "node/managed-wish.h"

/* Settings file. overrides: map of a parameter group, or null. Failure: ERR_INVALID for an override
 * that is malformed or not the user's to set; the sentence names it. */
MUST_USE int managed_settings(struct strbuf *out, const struct managed_wish *w, const char *address,
                              const struct val *overrides, struct err *err);
/* Arguments of the server, null-terminated; static. */
const char *const *managed_argv(enum managed_kind k);

/* ---- databases ---- */

/* What MySQL stores of a password ('*' and 40 hex digits): enough to set it, useless to log in
 * with. */
#define MANAGED_HASH_SIZE 42
void managed_password_hash(struct slice password, char hash[MANAGED_HASH_SIZE]);
/* Arguments that make the first data in folder 'data', null-terminated; in a. */
const char *const *managed_bootstrap_argv(struct arena *a, const char *data);
/* Statements around the server's own scripts for the system tables: 'before' them and 'after'. */
void managed_bootstrap_before(struct strbuf *out);
void managed_bootstrap_after(struct strbuf *out, const struct managed_wish *w, const char *hash);
/* Statements, one a line, that give the master user that password; they make the user when the data
 * was another's before. */
void managed_password_statements(struct strbuf *out, const struct managed_wish *w,
                                 const char *hash);
