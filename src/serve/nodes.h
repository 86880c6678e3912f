/* What: the nodes of an instance: how many there are, and name, place and addresses of each.
 *
 *   number  role    Node   address    pods           zone
 *   0       node    N      10.0.2.10  10.244.0.0/24  us-east-1a
 *   1       node2   N-2    10.0.3.10  10.244.1.0/24  us-east-1b
 *   2       node3   N-3    10.0.2.11  10.244.2.0/24  us-east-1a
 *
 * The role's name is also that of its network namespace, log and folder. The first node leads: it owns what there is
 * once an instance (the VPC's router, managed databases). */
#pragma once

#include "base/ip.h"
#include <stdint.h>

#include "base/err.h"
#include "serve/home.h"

#define NODES_MAX           16 /* addresses 10 to 17 of both private subnets; hosts begin above */
#define NODES_PODS          "10.244.0.0/16"
#define NODES_REGION        "us-east-1"
#define NODES_ROLE_SIZE     8
#define NODES_NAME_SIZE     32
#define NODES_ADDRESS_SIZE  16
#define NODES_POD_RANGE_LEN 24

struct node_place {
	char role[NODES_ROLE_SIZE];
	char name[NODES_NAME_SIZE]; /* of the Node object */
	char address[NODES_ADDRESS_SIZE];
	char pods[NODES_ADDRESS_SIZE + 4];
	char address6[IP_TEXT_SIZE], pods6[PREFIX_TEXT_SIZE]; /* where both families are carried */
	char zone[sizeof(NODES_REGION) + 1];
};

/* number: from 0, below NODES_MAX. */
void node_place(const char *instance, unsigned number, struct node_place *ret);
/* How many nodes the home remembers; 1 when none were ever asked for. */
unsigned nodes_remembered(const struct home *h);
MUST_USE int nodes_remember(const struct home *h, unsigned n, struct err *err);
/* Which IP families they carry: IP_FAMILIES_... (base/ip.h); IPv4 when none were ever asked for. */
const char *families_remembered(const struct home *h);
MUST_USE int families_remember(const struct home *h, const char *families, struct err *err);
