/* What: the listening sockets of an instance. The supervisor binds them once and keeps a duplicate, so
 * that connections wait, and are not refused, while the role that serves them is started again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/ip.h"
#include "base/vec.h"

struct listener {
	struct ip ip;
	int protocol; /* IPPROTO_TCP, _UDP, _SCTP */
	uint16_t port;
	int fd;       /* owned */
	bool is_ours; /* the API server's: not for whoever asks */
};

struct listeners {
	VEC(struct listener) all;
};

void listeners_fini(struct listeners *l);
/* The kept descriptor (borrowed), or -1. */
int listeners_find(const struct listeners *l, struct ip ip, int protocol, uint16_t port);
/* Binds and, but for UDP, listens unless kept already; *ret_fd is borrowed. freebind: the address need
 * not be there yet. Failure: ERR_EXISTS with a sentence that names who holds the port when that can be
 * seen, ERR_LIMIT, ERR_UNSUPPORTED for a protocol that the kernel does not have. */
MUST_USE int listeners_open(struct listeners *l, struct ip ip, int protocol, uint16_t port,
                            bool freebind, int *ret_fd, struct err *err);
/* Marks a kept one as the instance's own. */
void listeners_reserve(struct listeners *l, struct ip ip, uint16_t port);
bool listeners_is_reserved(const struct listeners *l, struct ip ip, uint16_t port);
void listeners_close(struct listeners *l, struct ip ip, int protocol, uint16_t port);
/* Copies every listening TCP or SCTP socket and every bound UDP socket without a peer of another process (pidfd_getfd(2)) that is not kept yet: how a
 * restarted supervisor gets them back. Best effort. */
void listeners_adopt(struct listeners *l, pid_t pid);
