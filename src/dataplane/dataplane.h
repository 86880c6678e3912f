/* What: the model rendered into the kernel, and the links that packets take: VPC router, node,
 * pods.
 *
 * Layout (design.md section 5): namespace 'vpc' (a bridge per subnet, routes, NAT, security
 * groups), a namespace for each node (pods on routed /32 veths, services and policies in nftables).
 * All calls are made from a node's role, whose own process lives in that node's namespace. Each node
 * has a dataplane; one of them leads: it alone writes the router's rules and attaches hosts. */
#pragma once

#include "base/err.h"
#include "base/ip.h"
#include "loop/loop.h"
#include "model/model.h"

struct dataplane;

struct dataplane_config {
	const char *instance; /* --name */
	int vpc_ns, node_ns;  /* open descriptors of the two namespaces, borrowed */
	bool leads;           /* owns the router's rules, the hosts and the way to the internet */
	const char *link;     /* the router's end of the node's link; unique among the nodes */
	struct slice node_name;
	struct ip node_ip;           /* 10.0.2.10, in one of the VPC's subnets */
	struct prefix pod_range;     /* 10.244.0.0/24 of this node */
	struct prefix cluster_range; /* 10.244.0.0/16: the pods of all nodes */
	struct prefix service_range; /* 10.1.0.0/16 */
	/* The same for IPv6; with no address none of it is carried. */
	struct ip node_ip6;
	struct prefix pod_range6, cluster_range6, service_range6;
	struct ip dns_ip;          /* 10.0.0.10 */
	struct ip api_ip;          /* of the API server's listener inside, for default/kubernetes */
	const struct model *model; /* borrowed; what is rendered */
	int host_ns; /* the host's own network namespace, where the internet gateway's program runs;
	              * borrowed; 0 or less: no way to the internet */
};
/* Where the host's own resolver answers pods and hosts inside, when there is a way to the internet:
 * the gateway hands queries to what the host's /etc/resolv.conf names, loopback addresses included.
 */
#define DATAPLANE_RESOLVER "100.127.255.3"

/* Makes or adopts both namespaces' content: bridges, addresses, routes, tables. Idempotent; what is
 * there from before a crash and still right is left untouched. Services and policies stay as they
 * are in the kernel until the first dataplane_sync: call that one not before the model has
 * everything (all lists came). */
MUST_USE int dataplane_new(struct loop *l, const struct dataplane_config *c, struct dataplane **ret,
                           struct err *err);
/* From now on sockets of processes below cgroup_fd (a cgroup2 folder, borrowed) that ask for a service
 * get their endpoint at connect(2) and sendmsg(2), by eBPF, wherever they are in a pod's or the
 * node's network; nftables stays for all others. Call it before the first sync. Programs of an
 * earlier run are taken over. Failure: ERR_FORBIDDEN, ERR_IO: not to be had here; all stays as it
 * was. */
MUST_USE int dataplane_balance_sockets(struct dataplane *d, int cgroup_fd, struct err *err);
/* Takes the programs of an earlier run off the cgroup. Failure: ERR_IO. */
MUST_USE int dataplane_leave_sockets(int cgroup_fd, struct err *err);
struct dataplane *dataplane_free(struct dataplane *d); /* leaves the kernel as it is */
/* Renders what changed since the last call, as one transaction; call it after the model changed
 * (defer to the end of the turn). Failure: ERR_IO; the next call tries everything again. */
MUST_USE int dataplane_sync(struct dataplane *d, struct err *err);

/* A pod's network: its namespace gets eth0 with its addresses (one of each family at most; /32 and
 * /128), default routes by 169.254.1.1 and fe80::1, lo up; the node side routes. Policies for the
 * pod are in the kernel before its link is up: call it after model_put of the pod with its
 * status.podIPs (dataplane_pod_attach syncs by itself; before the first dataplane_sync only for a
 * pod that the kernel does not know from an earlier run). netns_fd is borrowed. Failure: ERR_INVALID
 * when no pod in the model has an address, or its family is not carried; ERR_IO. */
MUST_USE int dataplane_pod_attach(struct dataplane *d, struct slice pod_uid, struct ip_pair ips,
                                  int netns_fd, struct err *err);
void dataplane_pod_detach(struct dataplane *d, struct slice pod_uid,
                          struct ip_pair ips); /* queued, batched */
/* A host in a private subnet (database, cache), of the dataplane that leads: eth0 with ip/24 on the subnet's bridge. */
MUST_USE int dataplane_host_attach(struct dataplane *d, struct slice id, struct ip ip, int netns_fd,
                                   struct err *err);
void dataplane_host_detach(struct dataplane *d, struct slice id);
/* Security group rules of such a host: only these sources and ports get in; none: nothing gets in.
 */
struct host_rule {
	struct prefix from;
	enum proto proto;
	uint16_t port_from, port_to;
};
MUST_USE int dataplane_host_rules(struct dataplane *d, struct slice id, struct ip ip,
                                  const struct host_rule *rules, size_t n, struct err *err);

/* What the host may open; limited false: anything, as at first. 'from' of a rule is the destination. */
MUST_USE int dataplane_host_egress(struct dataplane *d, struct slice id, struct ip ip, bool limited,
                                   const struct host_rule *rules, size_t n, struct err *err);

/* An address that no group guards (any more): everybody reaches it. */
MUST_USE int dataplane_host_open(struct dataplane *d, struct ip ip, struct err *err);

/* ---- the VPC, of the dataplane that leads ---- */

struct dataplane_way { /* packets from here may leave for there, outside the VPC */
	struct prefix from;
	struct ip to_first, to_last;
};
struct dataplane_vpc {
	const struct prefix *subnets; /* besides 10.0.0.0/24 to 10.0.3.0/24; a /16 to /28 each */
	size_t n_subnets;
	const struct dataplane_way *ways; /* those of one 'from' must not overlap */
	size_t n_ways;
};
/* Makes it so: bridges of subnets that came, none of those that went, and just these ways out. What a new
 * router has: no further subnets, everybody may leave. Failure: ERR_IO. */
MUST_USE int dataplane_vpc_set(struct dataplane *d, const struct dataplane_vpc *v, struct err *err);

/* ---- what happened ---- */

enum drop_reason {
	DROP_EGRESS,       /* policies of the source */
	DROP_INGRESS,      /* policies of the destination */
	DROP_UNKNOWN_POD,  /* an address on a pod's link that no pod has: no policies are known */
	DROP_INVALID,      /* belongs to no flow */
	DROP_CLIENT_RANGE, /* loadBalancerSourceRanges */
	DROP_NO_SERVICE,   /* no service has the address */
	DROP_NO_ENDPOINT,  /* refused: a service without usable endpoints, or not that port */
	DROP_NO_LOCAL_ENDPOINT, /* traffic policy Local, and none on this node */
	DROP_ENDPOINT_GONE,     /* chosen in the moment it went; the client tries again */
	DROP_SECURITY_GROUP,    /* of a host in the VPC */
	DROP_INTERNET,          /* what no gateway carries */
	DROP_NO_ROUTE,          /* no route table of its subnet has a way there */
	DROP_SPOOFED,           /* from a pod with a source that is not its own; IPv6 */
	DROP_REASONS
};
const char *drop_reason_name(enum drop_reason reason); /* "drop-egress"; also its counter's */

/* Packets and bytes by what was done with them, since the namespaces were made: "accept-new" and
 * the names of drop_reason_name; balance-socket counts sockets and datagrams that got an endpoint by
 * eBPF. Each name comes once, node, router and families added up. */
typedef void dataplane_counter_fn(void *arg, const char *name, uint64_t packets, uint64_t bytes);
MUST_USE int dataplane_each_counter(struct dataplane *d, dataplane_counter_fn *fn, void *arg,
                                    struct err *err);

/* Flows that lost packets in the last ten minutes. For naming who dropped, ask
 * policy_table_isolation for the class of src (DROP_EGRESS) or dst (DROP_INGRESS). */
struct dropped {
	struct flow
		flow; /* of policies: destination as translated; of services: as the client sent it */
	enum drop_reason reason;
	uint64_t packets; /* since the flow was first noted */
	int64_t age_ms;   /* of the last one */
};
typedef void dataplane_drop_fn(void *arg, const struct dropped *d);
MUST_USE int dataplane_each_drop(struct dataplane *d, dataplane_drop_fn *fn, void *arg,
                                 struct err *err);

struct dataplane_stats {
	uint64_t transactions; /* committed on the node's side */
	uint64_t elements;     /* added or deleted in them */
	uint64_t rebuilds;     /* of all rules */
};
struct dataplane_stats dataplane_stats(const struct dataplane *d);
