/* Why: pods may have security groups of their own, which judge behind the policies. See path.h. */
#include "analyse/finding.h"
#include "analyse/group-flow.h"
#include "analyse/path.h"

void path_groups(struct walk *w, struct explain_path *p, const struct origin *from,
                 const struct workload *to, enum proto proto, uint16_t port)
{
	struct group_ruling r = group_flow(w->s, from->workload, to, proto, port);
	struct explain_step *s;

	if (!r.by) {
		return;
	}
	s = path_step(w, p, EXPLAIN_GROUP, "security groups of pods let %s %u pass to %s",
	              proto_text(proto), port, path_name_of(w, to->object));
	switch (r.passes) {
	case ANSWER_YES:
		step_note(w, s, NOTE_DECIDED, r.by, NULL, "%s has a rule for it",
		          path_name_of(w, r.by));
		break;
	case ANSWER_UNKNOWN:
		step_note(w, s, NOTE_FACT, r.by, NULL, "this one decides");
		step_unsure(w, s, "%s %s.", path_name_of(w, r.by), r.why);
		break;
	case ANSWER_NO:
		step_note(w, s, NOTE_DECIDED, r.by, NULL, "%s %s", path_name_of(w, r.by), r.why);
		step_breaks(w, s, "LB017", "%s %s.", path_name_of(w, r.by), r.why);
		step_repair(w, s, "Add a rule for %s %u to it.", proto_text(proto), port);
		break;
	}
}
