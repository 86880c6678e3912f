/* What: addresses sorted into classes that no policy can tell apart (networking.md 3.5, steps 1 and
 * 2); shared by policy-class.c, which sorts, and policy-table.c, which writes rows about classes.
 *
 * A class is a set of memberships: the groups (selector in a scope) that hold a pod, the blocks
 * (prefix of an ipBlock or of its except) that hold the address, the numbers behind the named ports
 * that policies mention. Groups, blocks and named ports are numbered anew whenever policies change;
 * class ids are carried over from the addresses' former classes, so that what does not change keeps
 * its id. */
#pragma once

#include "model/model-priv.h"

struct class_port {
	uint32_t named;  /* index of the named port */
	uint16_t number; /* never 0 */
};
struct class
{
	uint32_t id;
	bool is_pod;
	const uint32_t *groups; /* ascending */
	size_t n_groups;
	const uint32_t *blocks; /* ascending */
	size_t n_blocks;
	const struct class_port *ports; /* by named */
	size_t n_ports;
};
typedef VEC(uint32_t) id_vec;

struct group { /* pods that a selector means within its scope; everything borrowed from a policy */
	const struct space *space;           /* the scope, or null: */
	const struct selector *spaces;       /* namespaces by selector */
	const struct selector *pods;         /* null: all */
	VEC(const struct policy *) policies; /* whose subject it is */
};
struct named_port {
	struct slice name; /* borrowed from a policy */
	enum proto proto;
};
struct atom { /* addresses held by the same blocks, at least one */
	struct ip from, to;
	const uint32_t *blocks; /* ascending */
	size_t n_blocks;
};

struct policy_compiler {
	bool rules_changed;   /* everything below is stale */
	bool rows_stale;      /* a class came that rows do not know */
	VEC(struct ip) dirty; /* addresses whose pod changed */
	struct arena arena;   /* owns what classes, atoms and keys consist of; lives from one change
	                       * of   policies to the next */
	VEC(struct group) groups;
	struct map group_ids;    /* key text -> id + 1 */
	struct map space_groups; /* namespace -> id_vec, owned: groups with that scope */
	id_vec wide_groups;      /* groups that choose namespaces by selector */
	VEC(struct prefix) blocks;
	struct map block_ids; /* prefix -> id + 1 */
	VEC(struct named_port) named;
	VEC(struct atom) atoms; /* ascending, disjoint */
	VEC(struct class *) classes;
	struct map class_by_key;
	struct map memo; /* namespace, kind of pod and atom -> struct class: most pods are like
	                    others */
	VEC(uint32_t) id_epochs; /* by class id: the last epoch that used it */
	uint32_t epoch;
	uint32_t id_scan; /* no smaller id is free */
	/* the table */
	VEC(struct policy_pod) pods;
	VEC(struct policy_block) table_blocks;
	struct arena isolated_arena;
	VEC(struct policy_isolated) isolated[POLICY_DIRECTIONS];
	VEC(struct policy_row) rows[POLICY_DIRECTIONS];
	struct policy_table table;
};

/* Numbers groups, blocks and named ports anew and sorts every address. */
void class_rebuild(struct policy_compiler *c, const struct model *m);
/* Sorts the dirty addresses. */
void class_update(struct policy_compiler *c, const struct model *m);
/* Number of a named port in a class; 0: it has none. */
uint16_t class_port_number(const struct class *k, uint32_t named);
bool class_has_block(const struct class *k, uint32_t block);
