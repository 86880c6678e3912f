/* What: random objects in a world, changed at random: namespaces, pods, policies of all tiers, services. The same seed
 * makes the same objects. */
#pragma once

#include "base/strbuf.h"
#include "probes.h"

#define ADDRESSES    14u /* fewer than pods come to be: they are used again */
#define SPACES       3u
#define POLICIES     8u
#define ADMINS       4u /* policies of the whole cluster */
#define SERVICES     4u
#define SERVICE_PORT 8000

struct box { /* a pod */
	char ns[8], name[16];
	char ip[16];
	char labels[64];
	uint16_t web, dns; /* numbers of its named ports */
	bool alive;
};

struct end { /* of a service, at the pod of that address */
	bool listed, ready, serving, terminating;
};
struct service { /* "s0" and on, of namespace default */
	struct end ends[ADDRESSES];
	uint16_t targets[3]; /* of TCP, UDP, SCTP */
};

struct objects {
	struct world *w;              /* given */
	struct probes *probes;        /* given */
	uint64_t random;              /* given: the seed */
	void (*leaves)(struct ip ip); /* given: a pod is about to go */
	struct box boxes[ADDRESSES];  /* by address */
	char space_labels[SPACES][64];
	char *policies[POLICIES + ADMINS]; /* owned; whole objects; null: none */
	struct service services[SERVICES];
	struct strbuf story; /* owned; what changed, for a person; emptied by whom it suits */
};
extern struct objects objects;
extern const char *const space_names[SPACES];

/* Numbers below a limit; once in n times true; an element of an array. */
unsigned below(unsigned limit);
bool one_in(unsigned n);
#define ONE_OF(array) ((array)[below((unsigned)ARRAY_SIZE(array))])

void objects_start(void);
void objects_fini(void);
void change_something(void);
struct box *any_box(bool alive); /* null: none is */
