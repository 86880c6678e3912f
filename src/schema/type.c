/* Why: everybody who walks the field tree asks for a member by name. See type.h. */
#include "schema/type.h"

const struct field *type_field(const struct type *t, struct slice name)
{
	for (size_t i = 0; t && t->form == TYPE_OBJECT && i < t->n_fields; i++) {
		if (slice_is(name, t->fields[i].name)) {
			return &t->fields[i];
		}
	}
	return NULL;
}
