/* Why: what policies say is model/'s narration, line by line, with the place in the files; the rule to add is
 * worked out from it. See path.h. */
#include <stdlib.h>
#include <string.h>

#include "analyse/finding.h"
#include "analyse/nearest.h"
#include "analyse/path.h"
#include "analyse/policies.h"
#include "base/mem.h"

struct telling {
	struct walk *w;
	struct explain_step *step;
	const struct val *at; /* of the next line */
	const struct workload
		*ends[2]; /* whose invented pod names are told as what they are; may be null */
	size_t n_isolating;
	const struct object *last_isolating;
};

/* ---- narration to notes ---- */

/* "pod shop/web-3" is the pod that stands for Deployment shop/web. */
static const char *readable(struct telling *t, const char *text)
{
	for (int i = 0; i < 2; i++) {
		const struct workload *w = t->ends[i];
		scoped_free char *pod = NULL;
		const char *found;

		if (!w) {
			continue;
		}
		pod = mem_printf("pod " SLICE_FMT "/" SLICE_FMT "-%u", SLICE_ARG(w->ns),
		                 SLICE_ARG(w->name), w->id);
		while ((found = strstr(text, pod))) {
			text = arena_printf(&t->w->x->arena, "%.*s%s%s", (int)(found - text), text,
			                    path_name_of(t->w, w->object), found + strlen(pod));
		}
	}
	return text;
}

#define DENIES " denies "

static enum explain_note_type type_of(const char *text)
{
	if (strstr(text, " drops the flow")) {
		return NOTE_OTHER; /* the step's cause says it */
	}
	if ((strstr(text, " admits ") || strstr(text, DENIES)) && !strstr(text, " nearly admits") &&
	    strstr(text, " rule ")) {
		return NOTE_DECIDED;
	}
	if (strstr(text, " nearly admits") || strstr(text, " nearly passes on") ||
	    strstr(text, " does not admit")) {
		return NOTE_NEAR;
	}
	return strstr(text, " isolates ") || strstr(text, " is open: ") ||
	                       strstr(text, "a node always") || strstr(text, " passes on ")
	               ? NOTE_FACT
	               : NOTE_OTHER;
}

static void on_at(void *arg, const struct val *node)
{
	struct telling *t = arg;

	t->at = node;
}

static void on_line(void *arg, const struct val *object, const char *text)
{
	struct telling *t = arg;
	const struct object *o = policy_object(t->w->s, object);

	if (strstr(text, " isolates ")) {
		t->n_isolating++;
		t->last_isolating = o;
	}
	step_note(t->w, t->step, type_of(text), o, o ? t->at : NULL, "%s", readable(t, text));
	t->at = NULL;
}

/* ---- the repair ---- */

static void add_labels(struct strbuf *b, const struct val *labels, const char *indent)
{
	bool any = false;

	val_for_each (labels, it) {
		if (!slice_is(it->key, "pod-template-hash") &&
		    !slice_has_prefix(it->key, SLICE("helm.sh/"))) {
			strbuf_addf(b, "%s" SLICE_FMT ": " SLICE_FMT "\n", indent,
			            SLICE_ARG(it->key), SLICE_ARG(val_str(it)));
			any = true;
		}
	}
	if (!any) {
		strbuf_addf(b, "%s{}\n", indent);
	}
}

static void add_rule(struct strbuf *b, const struct telling *t, enum verdict side,
                     const struct flow *f)
{
	const struct workload *own = t->ends[side == VERDICT_DENY_EGRESS ? 0 : 1];
	const struct workload *peer = t->ends[side == VERDICT_DENY_EGRESS ? 1 : 0];
	char text[IP_TEXT_SIZE];

	strbuf_addf(b, "%s:\n- %s:\n", side == VERDICT_DENY_EGRESS ? "egress" : "ingress",
	            side == VERDICT_DENY_EGRESS ? "to" : "from");
	if (peer && own && peer->space != own->space) {
		strbuf_addf(b,
		            "  - namespaceSelector:\n      matchLabels:\n        "
		            "kubernetes.io/metadata.name: " SLICE_FMT
		            "\n    podSelector:\n      matchLabels:\n",
		            SLICE_ARG(peer->ns));
		add_labels(b, peer->labels, "        ");
	} else if (peer) {
		strbuf_adds(b, "  - podSelector:\n      matchLabels:\n");
		add_labels(b, peer->labels, "        ");
	} else {
		strbuf_addf(b, "  - ipBlock:\n      cidr: %s/32\n",
		            ip_format(side == VERDICT_DENY_EGRESS ? f->dst : f->src, text));
	}
	strbuf_addf(b, "  ports:\n  - protocol: %s\n    port: %u", proto_text(f->proto),
	            f->dst_port);
}

static void repair(struct telling *t, enum verdict side, const struct flow *f)
{
	const struct workload *own = t->ends[side == VERDICT_DENY_EGRESS ? 0 : 1];
	scoped_strbuf struct strbuf rule = { 0 };

	add_rule(&rule, t, side, f);
	if (t->n_isolating == 1 && t->last_isolating) {
		step_repair(t->w, t->step, "Add to spec of %s:\n%s",
		            path_name_of(t->w, t->last_isolating), strbuf_str(&rule));
	} else {
		step_repair(t->w, t->step,
		            "Add to the spec of a NetworkPolicy that selects %s:\n%s",
		            path_name_of(t->w, own->object), strbuf_str(&rule));
	}
}

/* What the rule that nearly admits lacks comes first in the cause. */
static const char *nearest_miss(const struct explain_step *s)
{
	for (size_t i = 0; i < s->notes.n; i++) {
		if (strstr(s->notes.at[i].text, " nearly admits")) {
			return s->notes.at[i].text;
		}
	}
	return NULL;
}

static const char *denying_line(const struct explain_step *s)
{
	for (size_t i = 0; i < s->notes.n; i++) {
		if (s->notes.at[i].type == NOTE_DECIDED && strstr(s->notes.at[i].text, DENIES)) {
			return s->notes.at[i].text;
		}
	}
	return "a rule denies it";
}

/* A rule of the whole cluster's policies denies: no NetworkPolicy admits what the administrator denies; the baseline gives
 * way to any. */
static void conclude_denied(struct telling *t, enum verdict side, const struct flow *f,
                            const struct policy_reason *why)
{
	const struct workload *own = t->ends[side == VERDICT_DENY_EGRESS ? 0 : 1];
	const struct object *policy = policy_object(t->w->s, why->object);
	const char *name = policy ? path_name_of(t->w, policy) : "the policy";
	const char *word = side == VERDICT_DENY_EGRESS ? "egress" : "ingress";
	scoped_strbuf struct strbuf rule = { 0 };

	step_breaks(t->w, t->step, "NP025", "%s, %s.", denying_line(t->step),
	            why->tier == TIER_ADMIN ? "before NetworkPolicies are asked"
	                                    : "as no NetworkPolicy isolates the pod");
	if (why->tier == TIER_ADMIN) {
		step_repair(t->w, t->step,
		            "Let an earlier %s rule of %s, or a policy of smaller priority, allow "
		            "%s %u or pass it on.",
		            word, name, proto_text(f->proto), f->dst_port);
		return;
	}
	add_rule(&rule, t, side, f);
	step_repair(t->w, t->step,
	            "Let a NetworkPolicy that selects %s admit it (the baseline is then not asked "
	            "any more):\n%s",
	            path_name_of(t->w, own->object), strbuf_str(&rule));
}

static void conclude(struct telling *t, enum verdict side, const struct flow *f,
                     const struct policy_reason *why)
{
	const struct workload *own = t->ends[side == VERDICT_DENY_EGRESS ? 0 : 1];
	const char *miss, *word = side == VERDICT_DENY_EGRESS ? "egress" : "ingress";

	if (why->admits || !own) {
		/* Who isolates matters to those who are kept out. */
		for (size_t i = 0; i < t->step->notes.n; i++) {
			if (strstr(t->step->notes.at[i].text, " isolates ")) {
				t->step->notes.at[i].type = NOTE_OTHER;
			}
		}
		return;
	}
	if (why->rule) {
		conclude_denied(t, side, f, why);
		return;
	}
	miss = nearest_miss(t->step);
	step_breaks(t->w, t->step, side == VERDICT_DENY_EGRESS ? "NP008" : "NP007",
	            "%s is isolated for %s by %s and no rule admits the flow%s%s.",
	            path_name_of(t->w, own->object), word,
	            t->n_isolating == 1 && t->last_isolating ? path_name_of(t->w, t->last_isolating)
	                                                     : "several policies",
	            miss ? "; " : "", miss ? miss : "");
	repair(t, side, f);
}

static struct explain_step *ask(struct walk *w, struct explain_path *p, const struct workload *from,
                                const struct workload *to, const struct flow *f, enum verdict side)
{
	struct telling t = { .w = w, .ends = { from, to } };
	const struct trace trace = { on_line, &t, on_at };
	const struct workload *own = side == VERDICT_DENY_EGRESS ? from : to;
	char text[IP_TEXT_SIZE];
	struct policy_reason why;

	if (side == VERDICT_DENY_EGRESS) {
		t.step = path_step(w, p, EXPLAIN_EGRESS, "%s may open %s %u to %s",
		                   path_name_of(w, own->object), proto_text(f->proto), f->dst_port,
		                   to ? path_name_of(w, to->object) : ip_format(f->dst, text));
	} else {
		t.step = path_step(w, p, EXPLAIN_ADMISSION, "%s admits %s %u from %s",
		                   path_name_of(w, own->object), proto_text(f->proto), f->dst_port,
		                   from ? path_name_of(w, from->object) : ip_format(f->src, text));
	}
	if (!w->s->profile->enforces_policies) {
		step_note(w, t.step, NOTE_FACT, NULL, NULL,
		          "profile %s: nobody enforces policies there", w->s->profile->name);
		return t.step;
	}
	(void)policy_admits(subject_model(w->s), f, side, &trace);
	why = policy_reason_of(subject_model(w->s), f, side);
	conclude(&t, side, f, &why);
	return t.step;
}

struct explain_step *path_egress(struct walk *w, struct explain_path *p, const struct origin *from,
                                 struct ip to, enum proto proto, uint16_t port)
{
	const struct flow f = { from->ip, to, proto, port };

	return from->workload ? ask(w, p, from->workload, NULL, &f, VERDICT_DENY_EGRESS) : NULL;
}

/* ---- the pod ---- */

static void add_declared(struct strbuf *b, const struct workload *to, enum proto proto)
{
	container_each(to->spec, c)
	{
		val_for_each (val_get(c, "ports"), p) {
			if (proto_of(p) == proto) {
				strbuf_addf(b, "%s%lld", b->size ? ", " : "",
				            (long long)val_int(val_get(p, "containerPort"), 0));
				if (val_get_str(p, "name").len) {
					strbuf_addf(b, " (" SLICE_FMT ")",
					            SLICE_ARG(val_get_str(p, "name")));
				}
			}
		}
	}
}

static void judge_port(struct walk *w, struct explain_path *p, const struct workload *to,
                       enum proto proto, uint16_t port)
{
	struct explain_step *s = path_step(w, p, EXPLAIN_PORT, "%s %u of %s", proto_text(proto),
	                                   port, path_name_of(w, to->object));
	const struct val *declared = pod_port_numbered(to->spec, port, proto);
	scoped_strbuf struct strbuf all = { 0 };

	if (declared) {
		step_note(w, s, NOTE_DECIDED, to->object, declared, "containerPort %u is declared",
		          port);
		return;
	}
	if (!pod_has_ports(to->spec)) {
		step_unsure(w, s,
		            "No container of %s declares a port; whether one listens on %u, files "
		            "cannot tell.",
		            path_name_of(w, to->object), port);
		return;
	}
	add_declared(&all, to, proto);
	step_breaks(w, s, "SVC005", "No container of %s declares port %u; declared: %s.",
	            path_name_of(w, to->object), port,
	            all.size ? strbuf_str(&all) : "none of that protocol");
	step_repair(w, s,
	            "Lead the connection to a declared port (targetPort), or, if the program does "
	            "listen on %u, "
	            "declare it as containerPort.",
	            port);
}

/* Somebody of the cluster whose pods are not among the objects asks: who is isolated may or may not admit it. */
static void admit_stranger(struct walk *w, struct explain_path *p, const struct workload *to,
                           enum proto proto, uint16_t port)
{
	const struct netpol_list *all = netpols_of(w->s, to, POLICY_INGRESS);
	struct explain_step *s = path_step(w, p, EXPLAIN_ADMISSION, "%s admits %s %u",
	                                   path_name_of(w, to->object), proto_text(proto), port);

	if (!w->s->profile->enforces_policies || !all->at.n) {
		return;
	}
	for (size_t i = 0; i < all->at.n; i++) {
		step_note(w, s, NOTE_FACT, all->at.at[i], NULL, "%s isolates %s",
		          path_name_of(w, all->at.at[i]), path_name_of(w, to->object));
	}
	step_unsure(w, s,
	            "Whether its policies admit the gateway depends on the labels of the "
	            "gateway's pods, which are not among the objects.");
}

void path_policies(struct walk *w, struct explain_path *p, const struct origin *from,
                   const struct workload *to, enum proto proto, uint16_t port)
{
	const struct flow f = { from->ip, to->ip, proto, port };
	struct explain_step *out = NULL, *in = NULL, *s;

	if (!from->workload && !from->ip.family) {
		admit_stranger(w, p, to, proto, port);
		return;
	}
	if (from->workload) {
		out = ask(w, p, from->workload, to, &f, VERDICT_DENY_EGRESS);
	}
	if (!to->host_network) {
		in = ask(w, p, from->workload, to, &f, VERDICT_DENY_INGRESS);
	}
	/* One packet tells of both; it is put to the one that would stop it. */
	s = out && (out->verdict == EXPLAIN_BROKEN || !in) ? out : in;
	if (s && from->workload && proto == PROTO_TCP) {
		s->probe = (struct explain_probe){ .type = PROBE_PASSAGE,
			                           .place = AT_SOURCE,
			                           .from = from->workload,
			                           .to = to,
			                           .proto = proto,
			                           .port = port };
	}
}

void path_pod(struct walk *w, struct explain_path *p, const struct origin *from,
              const struct workload *to, enum proto proto, uint16_t port)
{
	bool strange = pod_has_ports(to->spec) && !pod_port_numbered(to->spec, port, proto);
	size_t before = p->steps.n;

	/* A port that the pod does not have is the cause; what policies say about it follows from it. */
	if (strange) {
		judge_port(w, p, to, proto, port);
	}
	path_policies(w, p, from, to, proto, port);
	path_groups(w, p, from, to, proto, port);
	path_mesh(w, p, from, to, proto, port);
	if (!strange) {
		judge_port(w, p, to, proto, port);
	}
	path_process(w, p, to, proto, port);
	if (strange) {
		/* That nobody answers there tells of the port. */
		struct explain_step *process = p->steps.at[p->steps.n - 1],
				    *own = p->steps.at[before];

		own->probe = process->probe;
		process->probe = (struct explain_probe){ 0 };
	}
}
