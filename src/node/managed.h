/* What: databases and caches outside the cluster: every DBInstance and CacheCluster of the API
 * becomes a real MariaDB or Redis server on a private subnet, with TLS, data that stays, and the
 * status that ACK's controllers write. cloud-kinds.md sections 3, 5, 6, 11, 12.
 *
 * A server is a container (runtime.h) with a network namespace of its own on the subnet's bridge
 * (dataplane_host_attach). Its address is kept in the object (HOST_ADDRESS_ANNOTATION), its files
 * in H/managed (managed-host.h). It outlives this process and is taken up again. */
#pragma once

#include "node/agent.h"

struct managed;

/* Takes up the servers that run already (call it before runtime_remove_strays) and begins to watch
 * the objects. Borrowed: the agent, of which loop, client, recorder, dataplane, runtime, instance,
 * home, run_dir, cgroup, api_uid and cloud (null: everything is as in the default VPC) are used.
 * Failure: ERR_IO. */
MUST_USE int managed_new(struct agent *a, struct managed **ret, struct err *err);
/* Groups or places may be others now: rules are written anew, and who waits looks again. */
void managed_network_changed(struct managed *m);
/* Leaves the servers running; accepts null. */
struct managed *managed_free(struct managed *m);
