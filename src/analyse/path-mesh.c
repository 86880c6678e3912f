/* Why: policies may admit what the mesh refuses: its ruling is a part of the way. See path.h. */
#include "analyse/finding.h"
#include "analyse/mesh-flow.h"
#include "analyse/path.h"

static const char *class_of(const struct object *by)
{
	return slice_is(by->kind, "PeerAuthentication") ? "MESH001"
	       : slice_is(by->kind, "DestinationRule")  ? "MESH008"
	                                                : "MESH006";
}

static const char *repair_of(const struct object *by)
{
	return slice_is(by->kind, "PeerAuthentication")
	               ? "Take the caller into the mesh, or say mode PERMISSIVE for this port."
	       : slice_is(by->kind, "DestinationRule")
	               ? "Leave tls out: the proxies agree on mutual TLS by themselves."
	               : "Add a rule to it that means the caller's identity and this port.";
}

void path_mesh(struct walk *w, struct explain_path *p, const struct origin *from,
               const struct workload *to, enum proto proto, uint16_t port)
{
	struct mesh_ruling r = mesh_flow(w->s, from->workload, to, proto, port);
	struct explain_step *s;

	if (!r.by) {
		return;
	}
	s = path_step(w, p, EXPLAIN_MESH, "the mesh lets %s call %s on port %u",
	              from->workload ? path_name_of(w, from->workload->object) : "it",
	              path_name_of(w, to->object), port);
	switch (r.says) {
	case MESH_PASSES:
		step_note(w, s, NOTE_DECIDED, r.by, r.at, "%s has a rule that lets it pass",
		          path_name_of(w, r.by));
		break;
	case MESH_DEPENDS:
		step_note(w, s, NOTE_FACT, r.by, r.at, "this part of %s", path_name_of(w, r.by));
		step_unsure(w, s, "%s %s.", path_name_of(w, r.by), r.why);
		break;
	case MESH_CLOSED:
		step_note(w, s, NOTE_DECIDED, r.by, r.at, "%s %s", path_name_of(w, r.by), r.why);
		step_breaks(w, s, class_of(r.by), "%s %s.", path_name_of(w, r.by), r.why);
		step_repair(w, s, "%s", repair_of(r.by));
		break;
	}
}
