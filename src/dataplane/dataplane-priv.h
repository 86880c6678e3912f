/* What: the inside of struct dataplane, shared by the files of this room. */
#pragma once

#include <net/if.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/vec.h"
#include "dataplane/balancer-provider.h"
#include "dataplane/dataplane.h"
#include "dataplane/mirror.h"
#include "dataplane/node-table.h"
#include "dataplane/set-key.h"
#include "dataplane/vpc-table.h"
#include "host/netlink.h"
#include "host/nft.h"

#define DATAPLANE_MTU 1500
/* How long after a change of policies flows may again be believed without asking the tables: longer
 * than any packet can be on its way through them. */
#define SETTLE_US (100 * US_PER_MS)

struct gateway;
struct sockets;
struct teardown;

/* The node's side of one family: its tables, and what they should hold. */
struct stack {
	struct dataplane *d;
	enum ip_family family;
	struct ip node_ip, dns_ip; /* dns_ip may be none */
	struct prefix pod_range, cluster_range, service_range;
	struct nft *nft; /* owned */
	struct mirror mirrors[NODE_SETS];
	uint64_t stamp;       /* of the rules this program would write */
	bool must_rebuild;    /* rules in the kernel are not ours: write them anew */
	bool must_read;       /* a commit failed: look what is there */
	bool knows_all;       /* the model was rendered in full once */
	void *balancer_state; /* owned by the balancer */
	uint64_t pods_version, rules_version; /* of the policy table that was planned */
	bool unsettled; /* no generation in the kernel: every packet is judged */
	struct loop_timer settle;
};

/* A pod's or host's link that is to go. */
struct gone {
	char link[IFNAMSIZ];
	int index;
	bool in_vpc;
	struct ip_pair ips; /* whose flows go too; none for hosts */
};

struct vpc_subnet {
	struct prefix range;
	char bridge[IFNAMSIZ];
	int index; /* of the bridge */
};
typedef VEC(struct vpc_subnet) vpc_subnet_list;

struct dataplane {
	struct loop *loop;              /* given */
	struct dataplane_config config; /* given; node_name and link copied */
	char *node_name, *link;         /* owned */
	/* the node's side */
	struct netlink node_route; /* links of the node */
	struct netlink node_flows; /* tracked flows of the node */
	struct stack stacks[2];    /* IPv4, and IPv6 when it is carried */
	size_t n_stacks;
	const struct balancer_provider *balancer;
	struct sockets
		*sockets; /* what pods open gets its endpoint here; null: as packets. Owned */
	/* the VPC's side */
	struct netlink vpc_route;
	struct nft *vpc_nft;
	struct mirror vpc_mirrors[VPC_SETS];
	vpc_subnet_list subnets; /* those of the default VPC first */
	bool vpc_behind;         /* a change there is still to be committed */
	struct map host_ips;     /* id to struct ip, owned */
	struct map host_guards;  /* address to struct host_guard, owned */
	struct gateway *gateway; /* owned; null: no internet */
	/* pods and hosts that are going */
	VEC(struct gone) gone;
	struct teardown *teardown; /* running off the loop; null: none */
	struct loop_timer teardown_timer;
	struct dataplane_stats stats;
};

/* The stack of that family; null: it is not carried. */
static inline struct stack *stack_of(struct dataplane *d, uint8_t family)
{
	for (size_t i = 0; i < d->n_stacks; i++) {
		if (d->stacks[i].family == family) {
			return &d->stacks[i];
		}
	}
	return NULL;
}

/* ---- sync.c ---- */
/* Reads what the kernel has. */
MUST_USE int sync_read(struct stack *s, struct err *err);
/* Plans what changed and commits what the kernel differs by. */
MUST_USE int sync_stack(struct stack *s, struct err *err);

/* ---- policies.c ---- */
/* reread: the kernel's side was read anew just before. */
void policies_plan(struct stack *s, bool reread);
/* Nothing is on its way any more that was judged by what was before: flows judged from now on are
 * believed. */
void policies_settle(struct stack *s);

/* ---- vpc.c ---- */
/* Bridges, addresses, rules of the router, and the link to the node. */
MUST_USE int vpc_prepare(struct dataplane *d, struct err *err);
MUST_USE int vpc_commit(struct dataplane *d, struct err *err);
/* The subnet an address lies in; null: none. Borrowed until the next change. */
const struct vpc_subnet *vpc_subnet_of(const struct dataplane *d, struct ip ip);
struct ip vpc_router_of(const struct vpc_subnet *s);

/* Bridge, address and settings of one subnet; fills its index. */
MUST_USE int vpc_make_bridge(struct dataplane *d, struct vpc_subnet *s, struct err *err);

/* ---- vpc-ways.c ---- */
void vpc_open_ways(struct dataplane *d); /* everybody of the VPC may leave for anywhere */

/* ---- hosts.c ---- */
void hosts_fini(struct dataplane *d);
/* Takes over the rules that the kernel has. */
void hosts_adopt(struct dataplane *d);

/* ---- attach.c ---- */
/* The far end of a link, in the namespace of a pod or host. */
struct far_address {
	struct ip ip, gateway;
	uint8_t len; /* of the prefix on the link */
};
struct far_end {
	int netns_fd;
	struct far_address at[2];   /* none: not used */
	const uint8_t *gateway_mac; /* null: ask by ARP or neighbour discovery */
};
/* eth0 there. Failure: ERR_IO. *ret_found: there is one. */
MUST_USE int far_end_find(int netns_fd, bool *ret_found, struct err *err);
MUST_USE int far_end_configure(const struct far_end *f, struct err *err);
/* Name of the near end: prefix and a number made of the id. Returns buf of IFNAMSIZ. */
const char *near_end_name(const char *prefix, struct slice id, char *buf);

/* ---- teardown.c ---- */
void teardown_later(struct dataplane *d, const struct gone *g);
/* Before a link or address is used again: what is queued under that name or address goes now. */
MUST_USE int teardown_before(struct dataplane *d, const char *link, struct ip_pair ips,
                             struct err *err);
/* Ends flows that name addresses of the pods' range that no pod has. */
MUST_USE int teardown_strangers(struct dataplane *d, struct err *err);
void teardown_fini(struct dataplane *d);

/* ---- gateway.c ---- */
MUST_USE int gateway_new(struct dataplane *d, struct gateway **ret, struct err *err);
struct gateway *gateway_free(struct gateway *g);

static inline struct mirror_key key_of(const void *bytes, size_t size)
{
	struct mirror_key k = { 0 };

	memcpy(k.bytes, bytes, size);
	return k;
}
