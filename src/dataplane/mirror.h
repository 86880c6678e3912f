/* What: one set of the kernel and what should be in it, element by element; writes the difference.
 *
 * How to use: mirror_load what the kernel has; mirror_put and mirror_drop as the wish changes;
 * mirror_queue the difference into a transaction; after its commit mirror_committed. A commit that
 * failed changes nothing here: the same difference is queued again.
 *
 * Two ways to forget what is no longer wished: owners drop their own elements one by one; or a
 * whole set is wished anew between mirror_begin_all and mirror_end_all. */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "host/nft.h"

#define MIRROR_VALUE_MAX 20 /* bytes of data, or a terminated name of a chain */

struct mirror {
	const struct nft_set *set; /* given */
	struct map elements;       /* key and, with ranges, its end: struct mirror_element, owned */
	struct list dirty;         /* elements whose wish differs from the kernel */
	size_t n_wanted;
	unsigned round; /* of mirror_begin_all */
};

/* A key as mirrors take it: key, with ranges followed by its end. */
struct mirror_key {
	uint8_t bytes[2 * NFT_KEY_MAX];
};

void mirror_init(struct mirror *m, const struct nft_set *set);
void mirror_fini(struct mirror *m);
/* Reads the set. Wishes stay; elements nobody wishes are kept in mind until mirror_forget_unwanted.
 */
MUST_USE int mirror_load(struct mirror *m, struct nft *n, struct err *err);
void mirror_assume_empty(struct mirror *m); /* the kernel's set was made anew */

/* Wishes an element. value: data or chain of MIRROR_VALUE_MAX bytes, null for a set. owner: any
 * pointer. Returns true when that is a change of the wish. */
bool mirror_put(struct mirror *m, const struct mirror_key *k, const void *value, const void *owner);
/* Takes a wish back, unless another owner has taken the element over. True when that is a change.
 */
bool mirror_drop(struct mirror *m, const struct mirror_key *k, const void *owner);
/* The value wished; null when none is. */
const void *mirror_wanted(const struct mirror *m, const struct mirror_key *k);
/* The value the kernel has; null when it has none. Borrowed until the next change. */
const void *mirror_in_kernel(const struct mirror *m, const struct mirror_key *k);

void mirror_begin_all(struct mirror *m);
bool mirror_end_all(
	struct mirror *m); /* drops wishes not repeated since; true when there were any */
void mirror_forget_unwanted(struct mirror *m);

bool mirror_is_dirty(const struct mirror *m);
/* Queues the difference, deletions first. Returns how many elements it writes. */
size_t mirror_queue(struct mirror *m, struct nft *n);
void mirror_committed(struct mirror *m);
/* The difference, element by element; null: not wished, not in the kernel. */
typedef void mirror_change_fn(void *arg, const struct mirror_key *k, const void *wanted,
                              const void *in_kernel);
void mirror_each_dirty(const struct mirror *m, mirror_change_fn *fn, void *arg);

/* Every element the kernel had when it was loaded or has by our hand. */
typedef void mirror_fn(void *arg, const struct mirror_key *k, const void *value);
void mirror_each_in_kernel(const struct mirror *m, mirror_fn *fn, void *arg);
void mirror_each_wanted(const struct mirror *m, mirror_fn *fn, void *arg);
