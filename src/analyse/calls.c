/* Why: see calls.h. */
#include "analyse/calls.h"

#include <stdlib.h>

#include "analyse/subject-priv.h"
#include "base/mem.h"

static bool is_call(const struct reference *r)
{
	return r->use == USE_CONNECT && r->place == PLACE_POD && r->workload &&
	       r->confidence != CONFIDENCE_LOW && (!r->is_template || r->exported);
}

const struct calls *subject_calls(struct subject *s)
{
	const struct values *values;

	if (s->index->calls) {
		return s->index->calls;
	}
	values = subject_values(s);
	s->index->calls = NEW(struct calls);
	for (size_t i = 0; i < values->n_references; i++) {
		const struct reference *r = &values->references[i];
		const struct object *o = is_call(r) ? subject_object(s, r->workload) : NULL;
		struct call x = { .r = r, .from = o ? subject_workload(s, o) : NULL };

		if (x.from && !o->assumed) {
			x.by = subject_object(s, r->where.object);
			x.by = x.by ? x.by : o;
			x.to = target_of(s, r);
			vec_push(&s->index->calls->at, x);
		}
	}
	return s->index->calls;
}

void subject_forget_calls(struct subject *s)
{
	if (s->index->calls) {
		vec_fini(&s->index->calls->at);
		free(s->index->calls);
	}
}

const char *call_text(struct strbuf *out, const struct call *x)
{
	strbuf_reset(out);
	value_reference_format(out, x->r);
	return strbuf_str(out);
}
