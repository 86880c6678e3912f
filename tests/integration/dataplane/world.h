/* What: a vpc, a node and pods in namespaces of their own, made of objects as YAML, with servers in
 * them and probes from them; shared by the tests of the dataplane. One process, one thread: sockets
 * are opened inside a namespace and served and asked from out here.
 *
 *     probe "client" ── pod a ──┐                     ┌── host (database)
 *                       pod b ──┤ node ── subnet2 ── vpc ── subnet0: "outside"
 *                       pod c ──┘ 10.0.2.10
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dataplane/dataplane.h"
#include "loop/loop.h"
#include "model/model.h"

/* Tests are compiled once for each family; the names of what differs: */
#ifdef WORLD_IPV6
#define WORLD_FAMILY   IP_V6
#define ADDRESS_TYPE   "IPv6"
#define POD_IP(n)      "fd00:10:244::" #n
#define SERVICE_IP(n)  "fd00:10:1::" #n
#define NODE_IP        "fd00:10:0:2::a"
#define NEAR_ROUTER_IP "fd00:10:0:2::1" /* as the node sees the router */
#define OUTSIDE_IP     "fd00:10::14"
#define EDGE_IP(n)     "2001:db8:113::" #n
#define DNS_IP         SERVICE_IP(a)
#define ALONE          "/128" /* length of a block of one address, and of larger ones */
#define PAIR           "/127"
#define FOUR           "/126"
#define NODE_PODS      "fd00:10:244::/64"
#define ALL_PODS       "fd00:10:244::/48"
#define OUTSIDE_SUBNET "fd00:10::/64"
#define EXCEPT_OUTSIDE "fd00:10::10/124"
#define EXCEPT_OTHERS  "fd00:10::40/122"
#define VPC_RANGE      "fd00:10::/48"
#define ALL_PRIVATE    "fd00::/8"
#else
#define WORLD_FAMILY   IP_V4
#define ADDRESS_TYPE   "IPv4"
#define POD_IP(n)      "10.244.0." #n
#define SERVICE_IP(n)  "10.1.0." #n
#define NODE_IP        "10.0.2.10"
#define NEAR_ROUTER_IP "10.0.2.1"
#define OUTSIDE_IP     "10.0.0.20"
#define EDGE_IP(n)     "203.0.113." #n
#define DNS_IP         "10.0.0.10"
#define ALONE          "/32"
#define PAIR           "/31"
#define FOUR           "/30"
#define NODE_PODS      "10.244.0.0/24"
#define ALL_PODS       "10.244.0.0/16"
#define OUTSIDE_SUBNET "10.0.0.0/24"
#define EXCEPT_OUTSIDE "10.0.0.16/28"
#define EXCEPT_OTHERS  "10.0.0.64/26"
#define VPC_RANGE      "10.0.0.0/16"
#define ALL_PRIVATE    "10.0.0.0/8"
#endif
#define WORLD_SERVERS 64
#define WORLD_PODS    32

struct server {
	int fd;
	int n; /* datagrams received */
	bool udp;
	char name[24];
};

struct pod {
	char uid[40];
	struct ip_pair ips;
	int ns; /* owned */
};

struct world {
	struct loop *loop;
	struct model *m;
	int vpc, node, outside; /* namespaces; owned. outside: a host in subnet 0 */
	int host_ns;            /* of the config; -1: none */
	int cgroup;             /* this process is in it; -1: none. Owned */
	struct dataplane *d;
	struct server servers[WORLD_SERVERS];
	size_t n_servers;
	struct pod pods[WORLD_PODS];
	size_t n_pods;
};

/* Skips the program's tests without root, and those by eBPF (TEST_SOCKETS in the environment) where
 * the kernel refuses it. */
struct world *world_new(void);
bool world_has_sockets(void); /* services of this run are balanced at sockets */
void world_free(struct world *w);
void world_start_dataplane(struct world *w);
/* Forgets all and comes back, as after a kill -9; the model stays. Returns what the first sync
 * wrote. */
struct dataplane_stats world_restart(struct world *w);
void world_sync(struct world *w);
void world_wait_ms(struct world *w, int ms); /* turns the loop and serves */

/* ---- objects ---- */
void world_put(struct world *w, const char *yaml, ...) __attribute__((format(printf, 2, 3)));
void world_remove(struct world *w, const char *yaml, ...) __attribute__((format(printf, 2, 3)));
/* Service "ns/name" with ports and more as the text of spec, indented by two. */
void put_service(struct world *w, const char *name, const char *spec);
/* Its slice: endpoints as the text of "endpoints", e.g. "[{addresses: [10.244.0.2], conditions:
 * {ready: true}}]". */
void put_slice(struct world *w, const char *service, const char *proto, int port,
               const char *endpoints);
/* A pod object, its namespace and its network. labels: "{app: a}". Returns its namespace. */
int add_pod(struct world *w, const char *ns, const char *name, const char *ip, const char *labels);
/* The same with an address of each family. */
int add_dual_pod(struct world *w, const char *ns, const char *name, const char *ip,
                 const char *second, const char *labels);
/* The second half of it, for a pod object that was put already. */
int attach_pod(struct world *w, const char *ns, const char *name, const char *ip);
void put_pod(struct world *w, const char *ns, const char *name, const char *ip, const char *labels);
void remove_pod(struct world *w, const char *ns, const char *name);
int pod_ns(struct world *w, const char *ip);

/* ---- packets ---- */
/* Serves in a namespace: answers "name client-address". */
void serve(struct world *w, int ns, const char *name, bool udp, int port);
int served(struct world *w, const char *name); /* datagrams that came */
void stop_serving(struct world *w, const char *name);
/* One new connection (or datagram) to ip:port and its answer: "name client", or "refused",
 * "timeout", "unreachable". Borrowed until the next call. */
const char *probe(struct world *w, int ns, bool udp, const char *ip, int port);
/* The same without the client's address. */
const char *probe_name(struct world *w, int ns, bool udp, const char *ip, int port);
/* A socket in a namespace, connected; -1 when that fails. ask sends a line and waits for the
 * answer. */
int open_connection(struct world *w, int ns, bool udp, const char *ip, int port);
const char *ask(struct world *w, int fd);
bool wait_for_input(struct world *w, int fd); /* serves meanwhile; false: none came */
/* Many at once: start (UDP: with a datagram sent), wait a while, see whether the other side
 * answered. */
int start_connection(struct world *w, int ns, bool udp, const char *ip, int port);
bool has_arrived(int fd, bool udp);

struct ip ip_of(const char *text);
struct prefix prefix_of(const char *text);
/* The n-th service address that tests by the thousand use. */
const char *nth_service_ip(unsigned n);
