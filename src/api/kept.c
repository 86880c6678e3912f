/* Why: who walks objects and writes on the way must not walk the store itself. See kept.h. */
#include "api/kept.h"

bool kept_add(void *arg, const struct doc *d)
{
	struct kept *k = arg;

	vec_push(&k->docs, doc_ref(d));
	return true;
}

void kept_fini(struct kept *k, size_t from)
{
	for (size_t i = from; i < k->docs.n; i++) {
		doc_unref((struct doc *)k->docs.at[i]);
	}
	vec_fini(&k->docs);
}
