/* What: the part that all writes share: from an object as a client wants it to what is stored. */
#pragma once

#include "api/call.h"

struct writing {
	struct call *call;
	const struct kind *kind; /* as the URL names it */
	struct val *object;      /* wanted, of that kind, decoded; changed on the way */
	const struct val *old;   /* of that kind; null on create */
	const char *subresource; /* "status", "scale"...; null: the object itself */
	bool is_applied;         /* its managedFields are right already */
	bool is_internal; /* a subresource that may change what clients may not: not held against
	                     old */
	/* result */
	const struct val *stored; /* of the storage kind */
	struct slice json;        /* may be empty */
};

/* Names, namespace, admission, validation, addresses; stores unless dry run. Failure: a Status. */
MUST_USE int writing_create(struct writing *w);
MUST_USE int writing_update(struct writing *w);
/* The stored object as kind k has it, a copy to change. */
struct val *writing_copy(struct call *c, const struct kind *k, const struct val *stored);
/* Body names against the URL's; fills in what is missing. Failure: 400. */
MUST_USE int writing_check_names(struct call *c, struct val *object, bool is_new);
