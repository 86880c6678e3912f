/* What: the inside of a model, shared by the files of this room.
 *
 * Ownership: a record holds a share of its document; texts and value nodes in a record are borrowed
 * from that document. Everything derived is thrown away with the record's arena and made again when
 * somebody asks: that is why questions, which take a const model, may write what is marked
 * "derived". */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "model/limits.h"
#include "model/model.h"
#include "model/policy-table.h"
#include "schema/selector.h"

/* ---- keys ---- */
struct key {
	struct slice s; /* "namespace/name"; empty when too long */
	char buf[MODEL_KEY_SIZE];
};
/* k->s points into *k. Empty when the names are longer than Kubernetes allows. */
struct slice key_make(struct key *k, struct slice ns, struct slice name);
/* An address as a key; points into *ip. */
struct slice key_of_ip(const struct ip *ip);

/* ---- namespaces ---- */
struct pod;
struct policy;
struct space {                    /* known by its object or by what lives in it */
	uint64_t id;              /* another one whenever labels change */
	char *name;               /* owned */
	struct doc *doc;          /* share; null: not known to exist */
	struct arena arena;       /* owns labels */
	const struct val *labels; /* with kubernetes.io/metadata.name, which is always there */
	VEC(struct pod *) pods;
	VEC(struct policy *) policies; /* by name */
	/* derived */
	struct map selections; /* id of a kind of pods -> struct policy_selection, owned */
};
struct space *space_find(const struct model *m, struct slice name); /* or null */
struct space *space_need(struct model *m, struct slice name);
void space_drop_unused(struct model *m, struct space *s);

/* ---- pods ---- */
struct pod_address {
	struct ip ip;
	struct pod *pod;
	struct pod_address *next; /* another pod with this address */
};
struct pod_kind { /* labels and ports that pods have in common */
	uint64_t id;
	size_t n_pods;
};
struct pod {
	struct doc *doc;       /* share */
	char *kind_key;        /* owned; of kind in model.pod_kinds */
	struct pod_kind *kind; /* shared by n_pods */
	struct space *space;
	struct slice name, node;
	const struct val *labels;
	bool is_peer; /* neither hostNetwork nor finished: policies see it */
	bool is_terminating;
	struct pod_address *addresses; /* owned; in model.pod_by_ip while is_peer */
	size_t n_addresses;
};
void pod_put(struct model *m, const struct doc *d);
void pod_remove(struct model *m, const struct doc *d);
/* Keeps the record of the pod's host ports in step with it. */
void host_ports_put(struct model *m, const struct pod *p);
void host_ports_remove(struct model *m, const struct pod *p);
void model_pod_free(struct model *m, struct pod *p);
/* The pod that policies see at an address, or null. */
struct pod *pod_at(const struct model *m, struct ip ip);
/* Number of a named port, first in containers, then in sidecars; 0: it has none. */
uint16_t pod_named_port(const struct pod *p, struct slice name, enum proto proto);

/* ---- nodes ---- */
void node_put(struct model *m, const struct doc *d);
void node_remove(struct model *m, const struct doc *d);
/* Is 'ip' an address of the node of this name? */
bool node_has_ip(const struct model *m, struct slice node, struct ip ip);
/* The zone that the node's label names; empty: none is known. m may be null. */
struct slice node_zone(const struct model *m, struct slice node);

/* ---- services ---- */
struct service;
struct slices_of {       /* an EndpointSlice */
	struct doc *doc; /* share */
	struct service *service;
};
struct service_host { /* an endpoint as names see it */
	struct ip ip;
	bool ready;
	struct slice hostname; /* empty: the address makes the label */
};
enum service_type {
	SERVICE_NONE,
	SERVICE_CLUSTER,
	SERVICE_HEADLESS,
	SERVICE_EXTERNAL_NAME,
	SERVICE_HOST_PORTS /* a pod's, see host-port.c */
};
struct service {
	char *ns, *name;                /* owned */
	struct doc *doc;                /* share; null: only slices, or gone */
	VEC(struct slices_of *) slices; /* owned array of borrowed records */
	uint64_t version;               /* of MODEL_SERVICES at the last change */
	struct list_link by_change;     /* in model.service_changes */
	struct list_link by_dirt;       /* in model.service_dirt while derived parts are stale */
	/* derived */
	struct arena arena;
	enum service_type type;
	struct ip *cluster_ips;
	size_t n_cluster_ips;
	struct service_port *ports; /* by port, protocol, name */
	size_t n_ports;
	struct service_host *hosts; /* by address, each once */
	size_t n_hosts;
	struct slice external_name; /* lower case, without final dot */
};
void service_put(struct model *m, const struct doc *d);
void service_remove(struct model *m, const struct doc *d);
void slices_put(struct model *m, const struct doc *d);
void slices_remove(struct model *m, const struct doc *d);
void service_free(struct service *s);
void slices_free(struct slices_of *s);
/* Derives what is stale of it. Null when there is no such Service object. */
struct service *service_find(const struct model *m, struct slice ns, struct slice name);
/* All services that have this address as cluster IP or endpoint. */
typedef VEC(struct service *) service_vec;
const service_vec *service_at(const struct model *m, struct ip ip);
enum proto proto_parse(struct slice text); /* absent: TCP; 0 when unknown */

/* ---- hosts outside the cluster ---- */
struct host {
	struct doc *doc; /* share */
	struct ip ip;
	VEC(char *) names; /* owned; lower case, without final dot */
};
void host_put(struct model *m, const struct doc *d);
void host_remove(struct model *m, const struct doc *d);
void host_free(struct host *h);

/* ---- names for the world outside (public.c) ---- */
struct public_names;
struct public_names *public_names_new(void);
void public_names_free(struct public_names *p);
/* An Ingress or a Service. */
void public_put(struct model *m, const struct doc *d);
void public_remove(struct model *m, const struct doc *d);

/* ---- policies: networking.md 3 ---- */
enum peer_type { PEER_PODS, PEER_BLOCK, PEER_NODES, PEER_NAMES, PEER_NOTHING };
struct policy_peer {
	enum peer_type type;
	const struct selector *spaces; /* null: the policy's own namespace */
	const struct selector *pods;   /* null: all */
	const struct selector *nodes;  /* PEER_NODES */
	struct prefix cidr;
	struct prefix *except;
	size_t n_except;
	const struct val *names; /* PEER_NAMES: list of domain names */
	const struct val *v;     /* the entry, for narration */
	/* derived, by the compiler */
	uint32_t group;   /* PEER_PODS */
	uint32_t *blocks; /* PEER_BLOCK, PEER_NODES, PEER_NAMES: any of them */
	size_t n_blocks;
	uint32_t *except_blocks;
};
struct policy_port {
	enum proto proto;  /* 0: matches nothing */
	struct slice name; /* empty: from..to */
	uint16_t from, to;
	uint32_t named; /* derived, by the compiler */
};
enum policy_action { POLICY_ALLOW, POLICY_DENY, POLICY_PASS };
struct policy_rule {
	const struct val *v; /* element of spec.ingress or spec.egress */
	enum policy_action action;
	struct policy_peer *peers;
	size_t n_peers; /* 0: any peer */
	struct policy_port *ports;
	size_t n_ports; /* 0: every port of every protocol */
};
struct policy {
	struct doc *doc; /* share */
	enum policy_tier tier;
	int64_t priority;    /* within its tier; smaller first */
	struct space *space; /* null: of the whole cluster (admin and baseline tiers) */
	struct slice name;
	struct arena arena;                    /* owns all below */
	const struct selector *subject;        /* null: unreadable, selects nothing */
	const struct selector *subject_spaces; /* null: the policy's own namespace */
	bool isolates[POLICY_DIRECTIONS];      /* has a say in that direction */
	struct policy_rule *rules[POLICY_DIRECTIONS];
	size_t n_rules[POLICY_DIRECTIONS];
	uint32_t group; /* derived, by the compiler: of the subject */
};
void policy_put(struct model *m, const struct doc *d);
void policy_remove(struct model *m, const struct doc *d);
void policy_free(struct policy *p);
/* AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy. See policy-cluster.c */
void cluster_policy_put(struct model *m, const struct doc *d);
void cluster_policy_remove(struct model *m, const struct doc *d);
/* Order of precedence: tier, priority, kind, namespace, name. */
int policy_cmp(const struct policy *a, const struct policy *b);
void policies_changed(struct model *m);
/* Addresses that PEER_NODES or PEER_NAMES means, as the objects are. */
typedef void policy_address_fn(void *arg, struct ip ip);
void policy_peer_each_address(const struct model *m, const struct policy_peer *p,
                              policy_address_fn *fn, void *arg);
/* A selector of the object, or null when it is unreadable. */
const struct selector *policy_read_selector(struct arena *a, const struct val *v);
/* "policy shop/web", "AdminNetworkPolicy quarantine" */
void policy_format(struct strbuf *out, const struct policy *p);

/* ---- does a rule mean this flow? (policy-match.c) ---- */
struct judge {
	const struct model *m;
	const struct flow *f;
	const struct trace *t; /* may be null */
	enum policy_direction dir;
	const struct pod *subject; /* whose policies are asked */
	const struct pod *peer;    /* the other end, null when it is no pod */
	struct ip peer_ip;
	const struct pod
		*target; /* the destination, whose named ports count; null when it is no pod */
};
bool rule_peer_matches(const struct judge *j, const struct policy_rule *r);
bool rule_port_matches(const struct judge *j, const struct policy_rule *r);
/* Words for a reader: why the rule does not mean the flow; the peer; the labels that a selector
 * speaks of, as they are; the selector; the protocol's name. */
void match_add_miss(struct strbuf *b, const struct judge *j, const struct policy_rule *r,
                    bool peer_ok, bool port_ok);
void match_add_peer(struct strbuf *b, const struct judge *j);
void match_add_pod(struct strbuf *b, const struct pod *p);
void match_add_labels(struct strbuf *b, const struct val *selector, const struct val *labels);
void match_add_selector(struct strbuf *b, const struct selector *s);
const char *match_proto_name(unsigned proto);
bool policy_selects(const struct policy *p, const struct pod *pod);
struct policy_selection { /* policies that isolate pods of one kind in one namespace, by name */
	VEC(const struct policy *) isolating[POLICY_DIRECTIONS];
};
/* Borrowed until policies or pods change or the next call. */
const struct policy_selection *policy_selection_of(const struct pod *p);
void policy_selections_forget(struct space *s);

/* ---- the compiler's memory (policy-table.c) ---- */
struct policy_compiler;
struct policy_compiler *policy_compiler_new(void);
void policy_compiler_free(struct policy_compiler *c);
void policy_compiler_rules_changed(struct policy_compiler *c);
void policy_compiler_address_changed(struct policy_compiler *c, struct ip ip);

/* ---- the model ---- */
struct model {
	uint64_t versions[MODEL_AREAS];
	char *domain;                       /* owned; lower case, without dots at the ends */
	struct map spaces;                  /* name -> struct space, owned */
	struct map pods;                    /* key -> struct pod, owned */
	struct map pod_by_ip;               /* address -> struct pod_address, chained */
	struct map pod_kinds;               /* labels and ports as text -> struct pod_kind, owned */
	uint64_t next_id;                   /* of spaces and pod kinds; never used again */
	struct map nodes;                   /* name -> struct doc, share */
	struct map services;                /* key -> struct service, owned */
	struct map slices;                  /* key -> struct slices_of, owned */
	struct map policies;                /* key -> struct policy, owned */
	struct map cluster_policies;        /* kind/name -> struct policy, owned */
	VEC(struct policy *) by_precedence; /* of the whole cluster: by policy_cmp */
	size_t n_address_peers;             /* peers of theirs that nodes or host names decide */
	struct map hosts;                   /* kind/namespace/name -> struct host, owned */
	struct map host_by_name;            /* name -> struct host */
	struct public_names *public;        /* owned */
	struct list service_changes;        /* struct service.by_change, oldest first */
	size_t n_tombstones;                /* services in the log that are gone */
	uint64_t service_log_floor;         /* older changes than this are forgotten */
	struct policy_compiler *compiler;   /* owned; derived */
	/* derived */
	struct list service_dirt;  /* struct service.by_dirt */
	service_vec service_order; /* by namespace, name */
	bool service_order_stale;
	struct map service_by_ip; /* address -> service_vec, owned */
};
void model_changed(struct model *m, enum model_area area);
