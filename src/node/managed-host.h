/* What: what a managed server has on the host: folders, certificate, settings, the root it sees,
 * its configuration for crun. Blocking, in small pieces of files.
 *
 *   H/managed/root/                 what every server sees as "/", with the host's /usr mounted in
 *   H/managed/KIND/NS/NAME/         data/ conf/ run/ server.log state.json
 *   H/managed/snapshots/NAME/       data of deleted databases that asked for it */
#pragma once

#include "base/err.h"
#include "base/ip.h"
#include "codec/value.h"
#include "node/managed-wish.h"

/* The user that a server runs as: from the range that no account uses, never 'not_this'. */
uint32_t managed_uid(const char *id, uint32_t not_this);
/* Makes H/managed/root when absent. */
MUST_USE int managed_root_make(const char *home, struct err *err);
/* Makes the folders of one server, owned by uid where it writes. */
MUST_USE int managed_folders_make(const char *dir, uint32_t uid, struct err *err);
/* Writes conf/server.crt, server.key and ca.crt, unless those there are for this name and address
 * and valid for 30 more days. *ret_not_after: wall time of the end. Failure: ERR_IO, ERR_SYNTAX. */
MUST_USE int managed_certificate(const char *home, const char *dir, uint32_t uid,
                                 const char *endpoint, struct ip ip, int64_t *ret_not_after,
                                 struct err *err);
/* Writes a file of conf/ for that user. */
MUST_USE int managed_conf_write(const char *dir, const char *name, struct slice text, uint32_t uid,
                                struct err *err);
/* Configuration of the container, in a. */
struct managed_box {
	const char *home, *dir, *hostname, *netns, *cgroup;
	uint32_t uid;
	enum managed_kind kind;
};
MUST_USE int managed_config(struct arena *a, const struct managed_box *b, struct val **ret,
                            struct err *err);
/* The server's scripts for the system tables, appended; they lie on this host. */
MUST_USE int managed_system_tables(struct strbuf *out, struct err *err);
/* The last line of server.log with "[ERROR]" in it, or empty. */
void managed_last_error(const char *dir, struct strbuf *out);
