/* Why: the decider tells everything it considered; a reader wants the lines that made the
 * difference; see narrate.h. */
#include "analyse/narrate.h"

#include "analyse/finding.h"
#include "analyse/group-flow.h"
#include "analyse/mesh-flow.h"
#include "analyse/policies.h"
#include "base/mem.h"

enum { LINES_MAX = 12 };

void member_format(struct strbuf *out, const struct subject *s, const struct matrix *m,
                   const struct place_member *x)
{
	size_t n;

	if (x->workload == UINT32_MAX) {
		strbuf_adds(out, matrix_ends(m, &n)[x->end].name);
	} else {
		const struct workload *w = s->workloads.at[x->workload];

		strbuf_addf(out, SLICE_FMT "/" SLICE_FMT, SLICE_ARG(w->ns), SLICE_ARG(w->name));
	}
}

struct ip member_address(const struct subject *s, const struct matrix *m,
                         const struct place_member *x)
{
	size_t n;

	return x->workload == UINT32_MAX ? matrix_ends(m, &n)[x->end].sample
	                                 : s->workloads.at[x->workload]->ip;
}

struct narration {
	struct strbuf *out;
	const struct subject *subject;
	const struct workload
		*pods[2];     /* whose made-up pods get their workload's name back; may be null */
	const struct val *at; /* what the next line speaks of; may be null */
	enum verdict verdict;
	size_t n, left_away;
};

static bool holds(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

/* Does the line say what decided, or what nearly did? */
static bool matters(const struct narration *n, const char *text)
{
	bool egress = holds(text, "egress");

	if (n->verdict == VERDICT_ALLOW) {
		return holds(text, " admits ") || holds(text, " passes on ") ||
		       holds(text, "is open") || holds(text, "always") ||
		       holds(text, "do not apply");
	}
	if (n->verdict == VERDICT_DENY_EGRESS ? !egress : egress) {
		return holds(text, "drops the flow");
	}
	return !holds(text, "does not select") || holds(text, " (label ");
}

/* Made-up pods are called NAME-ID; a person knows the workload. */
static void add_line(struct narration *n, const char *text)
{
	char names[2][400];
	size_t lens[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		const struct workload *w = n->pods[i];

		if (w) {
			snprintf(names[i], sizeof(names[i]), "pod " SLICE_FMT "/" SLICE_FMT "-%u",
			         SLICE_ARG(w->ns), SLICE_ARG(w->name), w->id);
			lens[i] = strlen(names[i]);
		}
	}
	while (*text) {
		bool replaced = false;

		for (int i = 0; i < 2 && !replaced; i++) {
			char after = lens[i] && strncmp(text, names[i], lens[i]) == 0
			                     ? text[lens[i]]
			                     : '0';

			if (after < '0' || after > '9') {
				strbuf_addf(n->out, SLICE_FMT "/" SLICE_FMT,
				            SLICE_ARG(n->pods[i]->ns), SLICE_ARG(n->pods[i]->name));
				text += lens[i];
				replaced = true;
			}
		}
		if (!replaced) {
			strbuf_addc(n->out, *text++);
		}
	}
}

static void add_position(struct narration *n, const struct val *object)
{
	const struct object *o = policy_object(n->subject, object);

	if (o && o->file) {
		strbuf_addf(n->out, " (%s:%u)", o->file,
		            n->at && n->at->line ? n->at->line : o->v->line);
	}
}

static void on_line(void *arg, const struct val *object, const char *text)
{
	struct narration *n = arg;

	if (matters(n, text) && n->n < LINES_MAX) {
		n->n++;
		strbuf_adds(n->out, "  ");
		add_line(n, text);
		add_position(n, object);
		strbuf_addc(n->out, '\n');
	} else if (matters(n, text)) {
		n->left_away++;
	}
	n->at = NULL;
}

static void on_at(void *arg, const struct val *node)
{
	struct narration *n = arg;

	n->at = node;
}

static void narrate_internet(struct strbuf *out, const struct matrix *m,
                             const struct place_member *to, struct ports ports)
{
	const struct matrix_world *w = matrix_world_of(m);
	size_t n = 0;

	for (size_t i = 0; i < w->n_exposures; i++) {
		const struct matrix_exposure *x = &w->exposures[i];

		if (x->workload == to->workload && ports_has(ports, x->proto, x->port)) {
			strbuf_addf(out, "  %s leads to it from outside\n", x->via);
			n++;
		}
	}
	if (!n) {
		strbuf_adds(out, "  no balancer (Service of type LoadBalancer, external IP) leads "
		                 "to it on that port\n");
	}
}

/* What stands behind the policies and does not let everything pass. */
static void add_behind(struct narration *n, const struct object *by, const struct val *at,
                       const char *why)
{
	strbuf_addf(n->out, "  " SLICE_FMT " " SLICE_FMT "/" SLICE_FMT " %s", SLICE_ARG(by->kind),
	            SLICE_ARG(by->ns), SLICE_ARG(by->name), why);
	if (by->file) {
		strbuf_addf(n->out, " (%s:%u)", by->file, at && at->line ? at->line : by->v->line);
	}
	strbuf_addc(n->out, '\n');
}

static void narrate_behind(struct narration *n, const struct flow *f)
{
	struct mesh_ruling mesh;
	struct group_ruling groups;

	if (!n->pods[1]) {
		return;
	}
	groups = group_flow(n->subject, n->pods[0], n->pods[1], f->proto, f->dst_port);
	mesh = mesh_flow(n->subject, n->pods[0], n->pods[1], f->proto, f->dst_port);
	if (groups.passes != ANSWER_YES) {
		add_behind(n, groups.by, NULL, groups.why);
	}
	if (mesh.says != MESH_PASSES) {
		add_behind(n, mesh.by, mesh.at, mesh.why);
	}
}

void narrate_flow(struct strbuf *out, struct subject *s, const struct matrix *m,
                  const struct place_member *from, const struct place_member *to,
                  struct ports ports)
{
	struct narration n = { .out = out, .subject = s };
	struct flow f = { member_address(s, m, from), member_address(s, m, to), 1, 0 };
	size_t n_ends;

	(void)ports_first(ports, &f.proto, &f.dst_port);
	n.pods[0] = from->workload == UINT32_MAX ? NULL : s->workloads.at[from->workload];
	n.pods[1] = to->workload == UINT32_MAX ? NULL : s->workloads.at[to->workload];
	if (matrix_ends(m, &n_ends)[from->end].kind == MATRIX_INTERNET) {
		narrate_internet(out, m, to, ports);
	}
	if (!s->profile->enforces_policies) {
		strbuf_addf(out, "  nobody enforces network policies (profile %s)\n",
		            s->profile->name);
		return;
	}
	n.verdict = policy_decide(subject_model(s), &f, NULL);
	(void)policy_decide(subject_model(s), &f, &(struct trace){ on_line, &n, on_at });
	narrate_behind(&n, &f);
	if (n.left_away) {
		strbuf_addf(out, "  (and %zu lines more)\n", n.left_away);
	}
}
