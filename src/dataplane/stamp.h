/* What: how a table says that it is complete and as it was made: an empty chain named by two
 * numbers, that of the changes which made it and that of what the kernel then described. A program
 * with other rules, a table somebody edited or one that was never finished do not fit. */
#pragma once

#include "base/map.h"
#include "host/nft.h"

struct stamp {
	uint64_t print;    /* of what the kernel describes: chains, rules, sets, in order */
	uint64_t found[2]; /* the numbers in its stamp; 0: none */
	struct map others; /* chains that vary, by name; see stamp_rules_of */
	bool any;          /* there is a table */
	bool moving;       /* it changed while it was read */
};
/* Reads rules and sets. varies: which chains come and go and are left out of the print. */
MUST_USE int stamp_read(struct nft *n, bool (*varies)(const char *chain), struct stamp *ret,
                        struct err *err);
void stamp_fini(struct stamp *s);
size_t stamp_rules_of(const void *value); /* rules in a chain of 'others', by the map's value */
bool stamp_fits(const struct stamp *s,
                uint64_t digest); /* digest: nft_changes_digest of what makes the table */
/* Reads the table just made and adds the stamp. */
MUST_USE int stamp_write(struct nft *n, bool (*varies)(const char *chain), uint64_t digest,
                         struct err *err);
