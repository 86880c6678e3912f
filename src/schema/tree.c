/* Why: sibling links make insertion and replacement cheap, and only here are they touched by hand.
 */
#include "schema/tree.h"

#include "base/must.h"

void tree_insert(struct val *array, size_t i, struct val *v)
{
	struct val *before = NULL;

	must(array->type == VAL_ARRAY && i <= array->n);
	if (i == array->n) {
		val_append(array, v);
		return;
	}
	if (i > 0) {
		before = val_at(array, i - 1);
	}
	v->key = (struct slice){ NULL, 0 };
	v->next = before ? before->next : array->first;
	if (before) {
		before->next = v;
	} else {
		array->first = v;
	}
	array->n++;
}

void tree_replace(struct val *parent, struct val *old, struct val *fresh)
{
	struct val **at = &parent->first;

	while (*at && *at != old) {
		at = &(*at)->next;
	}
	must(*at == old);
	fresh->key = old->key;
	fresh->next = old->next;
	*at = fresh;
	if (parent->last == old) {
		parent->last = fresh;
	}
	old->next = NULL;
}

bool tree_is_deeper(const struct val *v, unsigned most)
{
	if (!v) {
		return false;
	}
	if (most == 0) {
		return true;
	}
	val_for_each (v, it) {
		if (tree_is_deeper(it, most - 1)) {
			return true;
		}
	}
	return false;
}
