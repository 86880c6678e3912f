/* What: who can reach whom on which ports: exact, over all pods and the whole address space.
 *
 * Ends are rows and columns alike: a set of workloads whose pods no policy can tell apart, or a set
 * of addresses outside that no policy can tell apart (networking.md 4.2: classes and atoms). The
 * cells come from the model's policy table, whose classes and rows are already canonical; nothing
 * is asked pair by pair and nothing is sampled.
 *
 * What a cell says: ports on which a new connection is admitted, after service translation. Between
 * two pods of one end it means another pod (a pod always reaches itself). From the internet it is
 * what balancers let in (exposures) and policies admit; from a range outside, what policies admit
 * if it is routed there. A node always reaches its own pods. Between two ends outside there is
 * nothing to say: none.
 *
 * Memory: in the number of rows of the table, not of cells: a row of the matrix is made when it is
 * asked for. */
#pragma once

#include "analyse/cidr.h"
#include "analyse/ports-pool.h"
#include "model/policy-table.h"

enum matrix_kind { MATRIX_PODS, MATRIX_NODE, MATRIX_RANGE, MATRIX_INTERNET };
const char *matrix_kind_text(enum matrix_kind k); /* "pods" */

struct matrix_workload {
	struct slice kind, ns, name;
	const struct ip *ips; /* of its pods in the model */
	size_t n_ips;
	bool host_network;     /* lives at the node's address */
	struct ports declared; /* its container ports */
	const void *origin;    /* whose it is: not looked at here */
	struct slice kin;      /* workloads of different kin are never in one end */
};

/* A way in from the internet: a balancer's port and one pod port behind it. */
struct matrix_exposure {
	const char *via;   /* "Service shop/web" */
	uint32_t workload; /* index */
	enum proto proto;
	uint16_t port;           /* of the pod */
	struct cidr_set sources; /* who may come */
	bool keeps_source;       /* policies see the client's address, else a node's */
};

struct matrix_world {
	const struct model *model;
	const struct matrix_workload *workloads;
	size_t n_workloads;
	const struct matrix_exposure *exposures;
	size_t n_exposures;
	struct cidr_set pods, services; /* networks in which nobody lives but pods and services */
	struct cidr_set nodes;          /* addresses of nodes; none: not known */
	bool ipv6;                      /* the cluster speaks it */
	bool no_policies;               /* nothing enforces them: everything passes */
	/* Ports that something behind the policies (a mesh) closes from one workload to another, by
	 * index; from UINT32_MAX: outside. Null: nothing does. */
	struct ports (*closed)(void *arg, struct arena *a, uint32_t from, uint32_t to);
	void *closed_arg;
};

struct matrix_end {
	enum matrix_kind kind;
	const char *name;          /* "shop/web, shop/api", "internet", "10.0.2.0/24" */
	const uint32_t *workloads; /* MATRIX_PODS (and MATRIX_NODE: those of the host's network); by
	                              namespace, name */
	size_t n_workloads;
	struct cidr_set addresses; /* of the others; disjoint from those of other ends */
	struct ip sample;          /* one address of it */
	uint32_t class_id;         /* of the policy table */
};

struct matrix;
/* Everything is borrowed and must outlive the matrix; the model must not change meanwhile. Never
 * fails. */
struct matrix *matrix_new(struct ports_pool *pool, const struct matrix_world *w);
struct matrix *matrix_free(struct matrix *m);

/* Pods first, by name; then nodes, ranges, the internet. */
const struct matrix_end *matrix_ends(const struct matrix *m, size_t *ret_n);
const struct matrix_world *matrix_world_of(const struct matrix *m);
/* The end of a workload; UINT32_MAX when it has none (no pod with an address). A workload whose
 * addresses differ in class (IPv4 and IPv6) is in several; this is the first. */
uint32_t matrix_end_of(const struct matrix *m, uint32_t workload);
/* The end that holds an address outside, or a pod's; UINT32_MAX: nobody lives there. */
uint32_t matrix_end_at(const struct matrix *m, struct ip ip);
/* One row: ports from an end to every end, by index. Borrowed until the next call. */
const ports_id *matrix_row(struct matrix *m, uint32_t from);
ports_id matrix_cell(struct matrix *m, uint32_t from, uint32_t to);
/* The same for one side alone: what the source's egress (the destination's ingress) admits. */
ports_id matrix_side(struct matrix *m, enum policy_direction dir, uint32_t from, uint32_t to);
/* Policies that isolate an end in a direction; null: none does. */
const struct policy_isolated *matrix_isolation(const struct matrix *m, enum policy_direction dir,
                                               uint32_t end);
struct ports_pool *matrix_pool(const struct matrix *m);
