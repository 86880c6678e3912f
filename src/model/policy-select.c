/* Why: every flow asks which policies isolate its ends, and pods of one kind in one namespace get the same answer: it is
 * made once and kept until policies of the namespace change. */
#include "model/model-priv.h"

enum { FEW = 64 };

static struct policy_selection *select_anew(const struct space *s, const struct pod *p)
{
	struct policy_selection *x = NEW(struct policy_selection);

	for (size_t i = 0; i < s->policies.n; i++) {
		const struct policy *policy = s->policies.at[i];

		if (!policy_selects(policy, p)) {
			continue;
		}
		for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
			if (policy->isolates[dir]) {
				vec_push(&x->isolating[dir], policy);
			}
		}
	}
	return x;
}

void policy_selections_forget(struct space *s)
{
	for (struct map_iter it = { 0 }; map_next(&s->selections, &it);) {
		struct policy_selection *x = it.value;

		for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
			vec_fini(&x->isolating[dir]);
		}
		free(x);
	}
	map_fini(&s->selections);
}

bool policy_selects(const struct policy *p, const struct pod *pod)
{
	return p->subject && selector_matches(p->subject, pod->labels) &&
	       (p->subject_spaces ? selector_matches(p->subject_spaces, pod->space->labels)
	                          : p->space == pod->space);
}

const struct policy_selection *policy_selection_of(const struct pod *p)
{
	struct space *s = p->space;
	struct slice key = { (const char *)&p->kind->id, sizeof(p->kind->id) };
	struct policy_selection *x = map_find(&s->selections, key);

	if (!x) {
		if (s->selections.n > s->pods.n + FEW) {
			policy_selections_forget(s); /* kinds whose pods are gone */
		}
		x = select_anew(s, p);
		map_set(&s->selections, key, x);
	}
	return x;
}
