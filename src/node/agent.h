/* What: what the parts of the node role share: one of each, made by node_main before any part
 * starts and freed after the last one.
 *
 * Parts are joined in node.c: pods (pods.h), the kubelet's server (server.h), managed databases
 * (managed.h). Each is made with `x_new(agent, ...)` and stops with `x_free`. */
#pragma once

#include "base/ip.h"
#include "client/client.h"
#include "dataplane/dataplane.h"
#include "loop/loop.h"
#include "model/model.h"
#include "node/image.h"
#include "node/pods.h"
#include "node/runtime.h"

struct agent {
	struct loop *loop;
	struct client *client;
	struct recorder *recorder; /* component "kubelet", host: the node's name */
	struct model *model;       /* fed by this role; agent_sync after a change */
	struct dataplane *dataplane;
	struct runtime *runtime;
	struct image_store *images;
	struct pods *pods;
	struct cloud *cloud;  /* null: this node does not lead */
	const char *instance; /* --name */
	const char *home;     /* --home, H */
	const char
		*pods_dir; /* of this node's pods: "H/pods", or below a folder of the node's own */
	const char *node_name;     /* of the Node object */
	const char *region, *zone; /* where the node is; null: nowhere in particular */
	bool leads;                /* has what there is once an instance: router, managed servers */
	const char *exe;           /* path of the running executable */
	const char *instance_dir;  /* "/run/kennel/N" */
	const char *run_dir;       /* of this node: the same, or a folder of its own in it */
	const char *cgroup;        /* "/kennel-N/ROLE" */
	uid_t api_uid;             /* owner of H/run/nodes/NODE.sock */
	struct ip_pair node_ips;   /* the second: none unless the instance carries both families */
	struct prefix pod_ranges[2]; /* likewise; a /24, a /64 */
	struct ip dns_ip;
	struct loop_defer sync; /* agent_sync */
	bool model_is_complete; /* every list has come: from now on the kernel follows the model */
};

/* dataplane_sync once at the end of this turn; failures are logged and tried again. Nothing before the model is
 * complete: what an earlier run left in the kernel stays in force until then. */
void agent_sync(struct agent *a);
