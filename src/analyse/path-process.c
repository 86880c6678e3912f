/* Why: whether a program listens cannot be read from manifests for sure; what they say about it (variables, arguments,
 * configuration, probes) is told with its confidence, and what a caller's own configuration says about the target is
 * held against it. See path.h. */
#include "analyse/finding.h"
#include "analyse/path.h"
#include "analyse/value.h"
#include "base/mem.h"

/* ---- the listening process ---- */

/* Ports that only say what should be there are no sign of a listening program. */
static bool is_evidence(const struct listening *l)
{
	return l->source != VALUE_PORT && l->confidence != CONFIDENCE_LOW;
}

static const struct object *holder(const struct walk *w, const struct value_where *where)
{
	return where->object ? subject_object(w->s, where->object) : NULL;
}

static void note_listening(struct walk *w, struct explain_step *s, enum explain_note_type type,
                           const struct listening *l)
{
	static const char *const words[] = { "low", "medium", "high" };

	step_note(w, s, type, holder(w, &l->where), l->where.node,
	          "%s says port %u%s (confidence %s)", l->name, l->port,
	          l->scope == SCOPE_LOOPBACK ? " on loopback" : "", words[l->confidence]);
}

void path_process(struct walk *w, struct explain_path *p, const struct workload *to,
                  enum proto proto, uint16_t port)
{
	struct explain_step *s = path_step(w, p, EXPLAIN_PROCESS, "a program listens on %u", port);
	const struct listening *fits = NULL, *loopback = NULL, *other = NULL, *all;
	size_t n;

	if (proto == PROTO_TCP) {
		s->probe = (struct explain_probe){ .type = PROBE_CONNECT,
			                           .place = AT_NODE,
			                           .to = to,
			                           .proto = proto,
			                           .port = port };
	}
	all = values_listenings(subject_values(w->s), to->object->v, &n);
	for (size_t i = 0; i < n; i++) {
		const struct listening *l = &all[i];

		if (!is_evidence(l) || l->proto != proto || !l->port) {
			continue;
		}
		if (l->port == port && l->scope == SCOPE_LOOPBACK) {
			loopback = l;
		} else if (l->port == port) {
			fits = fits && fits->confidence >= l->confidence ? fits : l;
		} else if (l->source != VALUE_PROBE && l->confidence == CONFIDENCE_HIGH) {
			other = l;
		}
	}
	if (fits && !(loopback && fits->source == VALUE_PROBE)) {
		note_listening(w, s, NOTE_DECIDED, fits);
	} else if (loopback) {
		note_listening(w, s, NOTE_NEAR, loopback);
		step_breaks(w, s, "POD001",
		            "%s listens on loopback only: nobody outside of its pod reaches it.",
		            path_name_of(w, to->object));
		step_repair(w, s, "Let it listen on 0.0.0.0.");
	} else if (other) {
		note_listening(w, s, NOTE_NEAR, other);
		step_unsure(w, s, "Its configuration speaks of port %u, not of %u.", other->port,
		            port);
	} else {
		step_unsure(w, s, "Nothing in the files says on which port the program listens.");
	}
}

/* ---- what the caller was told ---- */

static bool means_target(const struct walk *w, const struct reference *r, const struct path_end *e,
                         const struct origin *from)
{
	struct slice host = slice_of(r->host), svc, rest, ns, zone;

	if (e->managed) {
		struct slice endpoint = path_managed_endpoint(e->managed);

		return (endpoint.len && slice_eq_nocase(endpoint, host)) ||
		       (r->exported &&
		        slice_eq(val_str(val_path(r->exported, "spec.from.resource.name")),
		                 e->managed->name) &&
		        slice_eq(val_str(val_path(r->exported, "spec.from.resource.kind")),
		                 e->managed->kind));
	}
	if (!e->service || !host.len) {
		return false;
	}
	(void)w;
	(void)slice_cut(host, '.', &svc, &rest);
	(void)slice_cut(rest, '.', &ns, &zone);
	return slice_eq(svc, e->service->name) &&
	       slice_eq(ns.len ? ns : from->workload->ns, e->service->ns);
}

/* A reference that means the target and asks another port than was asked about. */
void path_config(struct walk *w, struct explain_path *p, const struct origin *from,
                 const struct path_end *e, uint16_t port)
{
	const struct reference *all;
	struct explain_step *s = NULL;
	size_t n = 0;

	if (!from->workload) {
		return;
	}
	all = values_references(subject_values(w->s), from->workload->object->v, &n);
	for (size_t i = 0; i < n; i++) {
		const struct reference *r = &all[i];
		scoped_strbuf struct strbuf text = { 0 };

		if (r->use != USE_CONNECT || r->place != PLACE_POD ||
		    !means_target(w, r, e, from)) {
			continue;
		}
		value_reference_format(&text, r);
		if (!s) {
			s = path_step(w, p, EXPLAIN_CONFIG, "%s is told where to connect",
			              path_name_of(w, from->workload->object));
		}
		step_note(w, s, r->port && r->port != port ? NOTE_NEAR : NOTE_DECIDED,
		          holder(w, &r->where), r->where.node, "%s is %s", r->name,
		          strbuf_str(&text));
		if (r->port && r->port_given && r->port != port && s->verdict != EXPLAIN_BROKEN &&
		    e->managed) {
			step_breaks(w, s, "DB004", "%s asks port %u; %s listens on %u.", r->name,
			            r->port, e->text, port);
			step_repair(w, s, "Write port %u into %s.", port, r->name);
		}
	}
}
