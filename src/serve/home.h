/* What: the home folder of an instance: where things are, keys and certificates, kubeconfigs.
 *
 *   H/lock                    held by the supervisor
 *   H/kubeconfig   0600       for the user, of sudo as well: client certificate of system:masters
 *   H/ca.crt       0644       edge CA: what browsers and clients of the databases trust
 *   H/pki/         0700       keys of both CAs, the node's and the balancer's certificates
 *   H/store/       0700 api   objects.db and the API server's own copies of keys (store/pki/)
 *   H/run/         0711       sockets (nodes/NAME.sock: each node's), pid files; gone after down
 *   H/nodes        0644       how many nodes there are
 *   H/logs/        0700       one file per role, and the pods' logs
 *   H/images/ H/pods/   0700   the nodes': what images bring along is run in pods only
 *   H/nodeK/pods/  0700       the same of node K, from the second on
 *   H/managed/     0711       the node's: databases run as users of their own */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strbuf.h"

struct home {
	const char *path; /* absolute; borrowed */
	const char *name; /* of the instance; borrowed */
	uid_t api_uid;    /* whom the API server runs as */
	uid_t lb_uid; /* whom the balancer runs as: it meets the world, and has no business in store/ */
	uint16_t api_port; /* on the host's loopback */
	unsigned n_nodes;  /* that get a kubeconfig */
	int lock_fd;       /* -1: not held */
};

#define HOME_API_INSIDE      "10.0.2.10" /* where the node namespace reaches the API server */
#define HOME_API_INSIDE_PORT 6443
/* Below H: how services are balanced, written by the first node's role: "ebpf", or "nftables" and the reason. */
#define HOME_SERVICE_DATAPLANE "run/service-dataplane"

/* Fills h; the uids are derived from the name, from the range that no account uses (61184 to 65519). */
void home_init(struct home *h, const char *path, const char *name);
void home_fini(struct home *h);
/* "H/..." on the heap; caller frees. */
char *home_file(const struct home *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Makes the folders with their modes. */
MUST_USE int home_make(struct home *h, struct err *err);
/* Takes the lock. Failure: ERR_EXISTS when another supervisor holds it. */
MUST_USE int home_lock(struct home *h, struct err *err);
/* Makes keys and certificates that are missing or end within 30 days, and writes the kubeconfigs for
 * the present port. Idempotent. */
MUST_USE int home_make_pki(struct home *h, struct err *err);
/* Whole file into out. Failure: ERR_NOTFOUND, ERR_IO. */
MUST_USE int home_read(const char *path, struct strbuf *out, struct err *err);
/* Writes by a temporary file and rename, with that mode and owner (uid and gid). */
MUST_USE int home_write(const char *path, struct slice text, mode_t mode, uid_t owner,
                        struct err *err);
/* Name rule of --name: 1 to 20 of [a-z0-9-], first a letter or digit. */
bool home_name_is_valid(const char *name);
