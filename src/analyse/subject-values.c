/* Why: the values of all objects are read once, when the first rule asks. */
#include "analyse/subject-priv.h"
#include "analyse/value.h"
#include "base/mem.h"

const struct values *subject_values(struct subject *s)
{
	VEC(const struct val *) objects = { 0 };

	if (s->index->values) {
		return s->index->values;
	}
	for (int id = 0; id < OBJECT_OTHER; id++) {
		object_each(s, id, o)
		{
			vec_push(&objects, o->v);
		}
	}
	s->index->values = NEW(struct values);
	values_read(s->index->values, objects.at, objects.n);
	vec_fini(&objects);
	return s->index->values;
}
