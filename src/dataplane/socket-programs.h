/* What: the programs of the socket balancer on a cgroup, with their maps (bpf/abi.h).
 *
 * They belong to the cgroup and outlive this process. A program's name tells its version; opening
 * takes over the maps of those that are there in this one. Others are loaded, and take the place of
 * what is there with socket_programs_attach, when their maps are filled: sockets always meet a whole
 * picture. */
#pragma once

#include "base/err.h"
#include "base/ip.h"
#include "host/bpf.h"

enum socket_map {
	SOCKET_MAP_CONFIG,
	SOCKET_MAP_ENTRIES,
	SOCKET_MAP_POOLS,
	SOCKET_MAP_SLOTS,
	SOCKET_MAP_CLIENTS,
	SOCKET_MAP_AFFINITY,
	SOCKET_MAP_PEERS,
	SOCKET_MAP_SENDERS,
	SOCKET_MAP_TURNS,
	SOCKET_MAP_COUNTS,
	SOCKET_MAPS
};
enum { SOCKET_PROGRAMS = 8 };

struct socket_programs {
	int cgroup_fd;                 /* owned */
	int maps[SOCKET_MAPS];         /* owned */
	int programs[SOCKET_PROGRAMS]; /* owned; still to be attached; -1: attached */
};

/* cgroup_fd: borrowed. Failure: ERR_FORBIDDEN, ERR_IO when the kernel refuses maps or programs;
 * what is attached stays as it is. */
MUST_USE int socket_programs_open(int cgroup_fd, struct ip node_ip, struct socket_programs *ret,
                                  struct err *err);
void socket_programs_close(struct socket_programs *p); /* what is attached stays */
MUST_USE int socket_programs_attach(struct socket_programs *p, struct err *err);
/* Takes off the cgroup whatever of this kind is on it. Failure: ERR_IO. */
MUST_USE int socket_programs_remove(int cgroup_fd, struct err *err);
