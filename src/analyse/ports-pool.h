/* What: connection sets by number: equal sets have the same number, and an operation on two numbers
 * is worked out once.
 *
 * Why this way: a matrix has millions of cells and a few hundred different sets; with numbers a
 * cell is four bytes and comparing two matrices is comparing numbers. Matrices that are to be
 * compared share a pool. */
#pragma once

#include "analyse/ports.h"

typedef uint32_t ports_id;
#define PORTS_NONE 0u
#define PORTS_ALL  1u

struct ports_pool;
struct ports_pool *ports_pool_new(void);
struct ports_pool *ports_pool_free(struct ports_pool *p);
ports_id ports_pool_id(struct ports_pool *p, struct ports x); /* x is copied */
/* The set; its ranges live as long as the pool. */
struct ports ports_pool_get(const struct ports_pool *p, ports_id id);
ports_id ports_pool_union(struct ports_pool *p, ports_id x, ports_id y);
ports_id ports_pool_intersect(struct ports_pool *p, ports_id x, ports_id y);
ports_id ports_pool_minus(struct ports_pool *p, ports_id x, ports_id y);
