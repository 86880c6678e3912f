/* What: the inside of the nftables balancer, shared by services.c (wishes), pickers.c (chains) and
 * service-flows.c (what clients and the kernel remember). */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"
#include "dataplane/dataplane-priv.h"
#include "dataplane/slots.h"

struct service;

struct picker_chain {
	struct picker picker;
	char name[PICKER_NAME_SIZE];
	unsigned users;
	bool in_kernel;
	bool unlisted; /* unused for a while: no element names it any more */
	bool leaving;  /* unlisted for a while: deleted by the next transaction */
};

struct pool {
	uint32_t id;                /* 0: not in use */
	struct picker_chain *chain; /* null: refuse or discard */
	struct slot *slots;         /* owned; in the order of their numbers */
	size_t n, n_spare;          /* slots used; spare ones behind them in the kernel */
};

/* An element that belongs to a service. */
struct own {
	struct mirror *mirror;
	struct mirror_key key;
};
typedef VEC(struct own) own_list;

enum { POOL_ALL, POOL_LOCAL, POOLS };

struct port {
	struct list_link in_ports; /* in service.ports */
	struct service *service;
	uint16_t number;
	uint8_t proto;
	bool seen; /* in this plan */
	struct pool pools[POOLS];
	struct slot *serving; /* UDP: endpoints whose flows may go on; sorted; owned */
	size_t n_serving;
};

struct service {
	struct balancer *b;
	char *key;         /* "namespace/name"; owned */
	struct list ports; /* struct port, owned */
	own_list own, before;
	bool seen; /* in this plan */
};

struct balancer { /* of one family */
	struct stack *stack;
	struct map services; /* key to struct service, owned */
	struct map chains;   /* name to struct picker_chain, owned */
	struct map pools;    /* id to struct port, borrowed from services */
	uint64_t version;    /* of MODEL_SERVICES that was planned */
	uint32_t next_id;
	bool unlisted;              /* some chain is */
	bool spares;                /* some pool has spare slots */
	bool check_affinity;        /* endpoints went that clients may remember */
	bool check_flows;           /* endpoints of UDP services came or went */
	VEC(struct entry) gone_udp; /* UDP entries that are no more */
};

static inline struct slice id_slice(const uint32_t *id)
{
	return (struct slice){ (const char *)id, sizeof(*id) };
}

/* ---- pickers.c ---- */
void pickers_start(struct balancer *b);
/* Gives the pool a chain for its number of slots; keeps the one it has (or had in the kernel) when
 * it fits. */
void pickers_choose(struct balancer *b, struct pool *pool, unsigned timeout_s, bool by_client);
void pickers_release(struct balancer *b, struct picker_chain *c); /* accepts null */
void pickers_queue(struct balancer *b);
void pickers_committed(struct balancer *b);
bool pickers_settle(struct balancer *b); /* true when idle chains are to be deleted */
void pickers_forget(struct balancer *b);
bool pickers_found(struct balancer *b, const char *name, size_t n_rules);
void pickers_fini(struct balancer *b);

/* ---- service-flows.c ---- */
MUST_USE int service_flows_check(struct balancer *b, struct err *err);
