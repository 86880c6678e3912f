/* What: the namespaces of an instance and everything that must vanish with it.
 *
 *   /run/kennel/N/           a private mount of its own, so that the pin below propagates nowhere
 *   /run/kennel/N/mnt        pin of the instance's mount namespace, seen from the host
 *   /run/kennel/N/netns/     pins of network namespaces, mounted inside that mount namespace only
 *
 * Why this way: whatever is mounted for pods (roots, volumes, pins) lives in the one mount namespace.
 * Nothing has to be found and undone mount by mount: with its last process and its pin gone, the kernel
 * drops it all, whatever crashed before. On a host with a hybrid cgroup hierarchy the cgroup2 mount is
 * taken away inside, where crun would refuse it. */
#pragma once

#include "base/err.h"
#include "serve/home.h"
#include "serve/nodes.h"

struct instance {
	int vpc_fd, node_fds[NODES_MAX]; /* network namespaces; owned */
	unsigned n_nodes;
};

/* Makes the namespaces, or finds those that are there, and moves this process into the mount namespace. Call it
 * before any thread exists. */
MUST_USE int instance_enter(struct instance *in, const struct home *h, unsigned n_nodes,
                            struct err *err);
void instance_fini(struct instance *in);
/* Removes what an instance has on the host, from the host's side: asks its processes to end (SIGTERM, at most
 * grace_us), kills them, removes cgroups and pins. Works after any crash; fine when nothing is there. */
MUST_USE int instance_remove(const struct home *h, int64_t grace_us, struct err *err);
/* Removes a home folder with all that is in it; refuses a folder that does not look like one. */
MUST_USE int instance_purge(const struct home *h, struct err *err);
