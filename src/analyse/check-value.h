/* What: shorthand of the families that judge values (APP, DB, TLS). */
#pragma once

#include "analyse/family.h"
#include "analyse/target.h"

/* Every address that somebody is to connect to, with whom it means. */
#define called_each(c, it, t)                                                                      \
	for (size_t it##_i = 0; it##_i < subject_values((c)->subject)->n_references; it##_i++)     \
		for (const struct reference *it =                                                  \
		             &subject_values((c)->subject)->references[it##_i];                    \
		     it && it->use == USE_CONNECT; it = NULL)                                      \
			for (struct target t = target_of((c)->subject, it), *t##_once = &t;        \
			     t##_once; t##_once = NULL)

/* The object a value is written in; never null for values of the subject. */
static inline const struct object *value_object_of(const struct check *c,
                                                   const struct value_where *w)
{
	return subject_object(c->subject, w->object);
}
/* Where it stands, for check_found and finding_shows. */
static inline const struct val *value_place(const struct check *c, const struct value_where *w)
{
	return value_at(&c->found->arena, w);
}
/* "http://backend:5000", never a secret; in the findings' arena. */
static inline const char *address_of(const struct check *c, const struct reference *r)
{
	struct strbuf b = { 0 };
	const char *text;

	value_reference_format(&b, r);
	text = arena_strdup(&c->found->arena, strbuf_str(&b));
	strbuf_fini(&b);
	return text;
}
/* The workload that reads it, or null. */
static inline const struct workload *reader_of(const struct check *c, const struct reference *r)
{
	const struct object *o = r->workload ? subject_object(c->subject, r->workload) : NULL;

	return o ? subject_workload(c->subject, o) : NULL;
}
/* Says who reads a value that is written elsewhere. */
static inline void show_reader(struct check *c, struct finding *f, const struct reference *r)
{
	const struct workload *w = reader_of(c, r);

	if (w && r->where.object != r->workload) {
		finding_shows(c, f, w->object, r->container, "reads it as %s.",
		              r->file[0] ? r->file : r->name);
	}
}
