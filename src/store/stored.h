/* What: an object as the store keeps it: the document, packed into one block together with its JSON
 * bytes, and the key they are found by.
 *
 * Why this way: 50,000 objects are held at once; a tree in one block of exactly its size takes half
 * of what a tree in growing blocks takes, and is read in order. The document comes first, so that
 * doc_unref frees the whole: whoever holds the document holds the bytes. */
#pragma once

#include "codec/value.h"
#include "schema/kind.h"

struct stored {
	struct doc doc;          /* first member */
	const struct kind *kind; /* storage kind; borrowed from the registry */
	struct slice json;       /* compact; in the document's arena, as are the next two */
	struct slice ns, name;
	uint64_t id;       /* revision of its creation: names the object on disk */
	uint64_t revision; /* of this state */
};

/* Packs a copy of root; one share. */
struct stored *stored_new(const struct kind *k, const struct val *root, uint64_t id,
                          uint64_t revision);
/* The same out of JSON text. Failure: as json_parse. */
MUST_USE int stored_parse(const struct kind *k, struct slice json, uint64_t id, uint64_t revision,
                          struct stored **ret, struct err *err);
static inline const struct stored *stored_of(const struct doc *d)
{
	return (const struct stored *)(const void *)d;
}
static inline const struct doc *stored_doc(const struct stored *o)
{
	return o ? &o->doc : NULL;
}
const struct stored *stored_ref(const struct stored *o); /* accepts null */
void stored_unref(const struct stored *o);               /* accepts null */
