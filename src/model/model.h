/* What: objects turned into the network's meaning. Pure: no I/O, no clock, no chance; same objects,
 * same answers. Dataplane, DNS, edge and analyser all ask here, so they cannot disagree.
 *
 * Feed it with documents as they come and go; ask. Answers borrow from the model until its next
 * change. */
#pragma once

#include "base/ip.h"
#include "base/slice.h"
#include "codec/value.h"

struct model;

struct model *model_new(void);
struct model *model_free(struct model *m);
/* Puts an object in (or replaces it); remove takes it out. Objects carry apiVersion and kind; kinds
 * that mean nothing to the network are ignored. The document is kept by reference. Removing a pod
 * that was made anew under its name (another uid) leaves the new one. */
void model_put(struct model *m, const struct doc *d);
void model_remove(struct model *m, const struct doc *d);
/* Changes of what the model means, by area: a number that grows whenever that area changed. */
enum model_area { MODEL_SERVICES, MODEL_POLICIES, MODEL_PODS, MODEL_NAMES, MODEL_AREAS };
uint64_t model_version(const struct model *m, enum model_area area);
/* The node's object is being deleted, or is tainted so by an autoscaler. */
bool model_node_is_leaving(const struct model *m, struct slice node);

/* ---- protocols ---- */
enum proto { PROTO_TCP = 6, PROTO_UDP = 17, PROTO_SCTP = 132 };

/* ---- services: networking.md section 1 ---- */
struct endpoint {
	struct ip ip;
	uint16_t port;
	bool ready, serving, terminating;
	struct slice hostname, node, pod_ns, pod_name; /* may be empty */
	const struct val *hints; /* of the slice: forNodes, forZones; may be null */
};
struct service_port {
	struct slice ns, service, name; /* name of the port may be empty */
	enum proto proto;
	uint16_t port, node_port;            /* node_port 0: none */
	uint16_t health_port;                /* spec.healthCheckNodePort; 0: none */
	int32_t affinity_s;                  /* ClientIP timeout; 0: none */
	bool internal_local, external_local; /* traffic policies */
	const struct ip *cluster_ips;        /* those of the service; none when headless */
	size_t n_cluster_ips;
	const struct ip *lb_ips; /* status.loadBalancer.ingress[].ip */
	size_t n_lb_ips;
	const struct endpoint *endpoints; /* all, in canonical order */
	size_t n_endpoints;
	const struct prefix *lb_sources; /* spec.loadBalancerSourceRanges; none: any client */
	size_t n_lb_sources;
	const struct ip *external_ips; /* spec.externalIPs */
	size_t n_external_ips;
	struct slice
		only_node; /* no other node has this port (hostPort of a pod); empty: all have */
	uint64_t version;  /* of MODEL_SERVICES when anything of this service last changed */
	const struct model *model; /* knows the zones of nodes */
};
typedef bool model_service_fn(void *arg, const struct service_port *p);
/* Every port of every service that has cluster IPs, node ports or endpoints, in order of namespace,
 * name, port. The host ports of pod NAME come as those of a service "pod/NAME". */
void model_each_service_port(const struct model *m, model_service_fn *fn, void *arg);
/* The same for one service; nothing when there is none of that name. */
void model_each_port_of(const struct model *m, struct slice ns, struct slice service,
                        model_service_fn *fn, void *arg);
/* Names every service that changed, came or went after the MODEL_SERVICES version 'since', oldest
 * change first, each once. False: that is too long ago, look at all of them. */
typedef void model_changed_fn(void *arg, struct slice ns, struct slice service);
bool model_each_changed_service(const struct model *m, uint64_t since, model_changed_fn *fn,
                                void *arg);
/* The endpoints a new connection may go to (ready ones; else serving terminating ones), for traffic
 * that starts inside (external false) or comes by node port or balancer (external true) on 'node'.
 * Without a policy Local, hints narrow the ready ones to those meant for the node, else for its
 * zone, when every ready one has such a hint and some fit. Writes at most max pointers, returns how
 * many there are. */
size_t service_usable(const struct service_port *p, bool external, struct slice node,
                      const struct endpoint **ret, size_t max);

/* ---- a flow and its verdict: networking.md section 3 ---- */
struct flow {
	struct ip src, dst;
	enum proto proto;
	uint16_t dst_port; /* after service translation */
};
enum verdict { VERDICT_ALLOW, VERDICT_DENY_EGRESS, VERDICT_DENY_INGRESS };
/* Receives one line per rule considered, in order of precedence. May be null. */
struct trace {
	void (*line)(void *arg, const struct val *object, const char *text);
	void *arg;
	/* May be null. Before a line that speaks of a part of its object (a rule): that part. */
	void (*at)(void *arg, const struct val *node);
};
enum verdict policy_decide(const struct model *m, const struct flow *f, const struct trace *t);
/* Policies are asked tier by tier, networking.md 3.4: the administrator's (by priority, then rule by
 * rule; the first that matches allows, denies, or passes on to the next tier), then those of the
 * pod's namespace (which isolate it and admit), then, if none of these isolates it, the baseline. */
enum policy_tier { TIER_ADMIN, TIER_NAMESPACED, TIER_BASELINE };
/* One side of it alone: VERDICT_DENY_EGRESS asks the source's egress, VERDICT_DENY_INGRESS the
 * destination's ingress. True: that side lets the flow pass. */
bool policy_admits(const struct model *m, const struct flow *f, enum verdict side,
                   const struct trace *t);
/* Who decided a side. */
struct policy_reason {
	bool admits;
	enum policy_tier tier;
	const struct val *object; /* the policy; null: none had a say. When several namespaced
	                             policies isolate and none admits: the first */
	const struct val *rule;   /* the rule that matched; null: isolated, and none admits */
};
struct policy_reason policy_reason_of(const struct model *m, const struct flow *f,
                                      enum verdict side);

/* ---- names: networking.md section 5 ---- */
enum name_type {
	NAME_A = 1,
	NAME_NS = 2,
	NAME_CNAME = 5,
	NAME_SOA = 6,
	NAME_PTR = 12,
	NAME_TXT = 16,
	NAME_AAAA = 28,
	NAME_SRV = 33,
	NAME_ANY = 255,
};
struct name_record {
	enum name_type type;
	uint32_t ttl;
	struct ip ip;        /* A, AAAA */
	struct slice target; /* CNAME, PTR, SRV: lower case, with final dot; TXT: the text */
	uint16_t port, priority, weight; /* SRV */
};
enum name_result {
	NAME_FOUND,   /* records follow */
	NAME_NODATA,  /* the name exists, not with this type */
	NAME_MISSING, /* NXDOMAIN, we are authoritative */
	NAME_FOREIGN, /* not ours: forward */
};
/* name: lower case without final dot. Records are allocated in a. SOA and NS of the zone's apex are
 * the server's to make: the apex exists, here, without records. */
enum name_result name_lookup(const struct model *m, struct slice name, enum name_type type,
                             struct arena *a, struct name_record **ret, size_t *ret_n);
/* The same for who asks from outside: names of Ingress hosts and load balancers (public.c). NAME_MISSING
 * is what lies in the cluster's domain, NAME_FOREIGN everything that no object names. */
enum name_result public_lookup(const struct model *m, struct slice name, enum name_type type,
                               struct arena *a, struct name_record **ret, size_t *ret_n);
void model_set_cluster_domain(struct model *m, struct slice domain); /* default cluster.local */
struct slice
model_cluster_domain(const struct model *m); /* lower case, without final dot; borrowed */

/* ---- addresses ---- */
/* Whose address it is: the pod that policies see there, else a Service by its cluster IP, a host outside the cluster, a
 * Node. Null: nobody's that is known. Borrowed until the model's next change. */
const struct val *model_owner_of(const struct model *m, struct ip ip);

/* ---- nodes ---- */
#define NODE_PROVIDER "kennel://" /* how spec.providerID of a Node of ours begins */

/* ---- hosts outside the cluster (ACK databases and caches) ---- */
#define HOST_ADDRESS_ANNOTATION                                                                    \
	"kennel.dev/vpc-address" /* on DBInstance, CacheCluster: the private IP */
/* Is the address of a host by this name known? name may begin with "*." for all names below. */
bool model_knows_host(const struct model *m, struct slice name);
