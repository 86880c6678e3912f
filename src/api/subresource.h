/* What: the subresources of built-in and custom kinds, as a table. Source: reference 1.6, 3.10 */
#pragma once

#include "api/call.h"

struct subresource {
	const char *kind; /* of the core group; null: every kind that has one like it */
	const char *name;
	unsigned verbs;
	/* what is sent and answered; null: the kind itself */
	const char *group, *version, *response_kind;
	int (*run)(struct call *c);
	bool is_raw; /* answers for itself: no negotiation, no options */
};

/* Null when the kind has none of that name. */
const struct subresource *subresource_find(const struct kind *k, struct slice name);
/* The n-th of a kind, null past the end: for discovery. */
const struct subresource *subresource_at(const struct kind *k, size_t n);
