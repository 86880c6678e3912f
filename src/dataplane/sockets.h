/* What: services for the sockets that pods open: the same elements that nftables has, in the maps of
 * programs that run at connect(2) and sendmsg(2). A socket gets its endpoint there, so its packets
 * need no translation.
 *
 * nftables stays below: what these maps do not have (no endpoint, only some clients, unknown
 * address, UDP sockets that connect) is left alone here and decided there. */
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "host/bpf.h"

struct dataplane;
struct sockets;
struct stack;

/* cgroup_fd: a cgroup2 folder that all processes in question are below, borrowed. Failure:
 * ERR_FORBIDDEN, ERR_IO: not to be had here. */
MUST_USE int sockets_open(struct dataplane *d, int cgroup_fd, struct sockets **ret,
                          struct err *err);
struct sockets *sockets_close(struct sockets *s); /* the kernel goes on */
/* Sockets of this network namespace are balanced from now on. */
MUST_USE int sockets_serve(struct sockets *s, int netns_fd, bool is_node, struct err *err);

/* Writes what the transaction of a stack's mirrors changed; after its commit, before
 * mirror_committed. */
void sockets_commit(struct sockets *s, struct stack *stack);
/* Whatever is in the maps may differ from the mirrors. renumbered: pools have new numbers, too. */
void sockets_doubt(struct sockets *s, bool renumbered);
bool sockets_is_in_doubt(const struct sockets *s);
/* Compares all with the mirrors, writes the difference; the first time the programs begin to work.
 * Failure: ERR_IO; still in doubt. */
MUST_USE int sockets_mend(struct sockets *s, struct err *err);
/* How many sockets and datagrams got an endpoint, since the programs were made. */
uint64_t sockets_balanced(const struct sockets *s);
