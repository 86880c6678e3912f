/* Why: decides one flow by the policies themselves, pod by pod and rule by rule, and tells how:
 * this is what the compiled table must agree with, and what 'explain' prints.
 *
 * Precedence (networking.md 3.1, 3.4): a pod to itself passes; egress of the source is judged, then
 * ingress of the destination; a node reaches its own pods. A side is judged tier by tier. In the
 * administrator's tier and in the baseline the first rule that matches decides (or passes on). The
 * policies of the pod's namespace only add: if any isolates the side, it admits what any rule of
 * any of them admits, and the baseline is not asked; so their order is that of names, for the
 * reader's sake. A side that nobody decides is open. */
#include "model/model-priv.h"

static const char *direction_name(enum policy_direction dir)
{
	return dir == POLICY_EGRESS ? "egress" : "ingress";
}

/* ---- narration ---- */

static void say(const struct judge *j, const struct val *object, const struct val *at,
                const struct strbuf *text)
{
	if (at && j->t && j->t->at) {
		j->t->at(j->t->arg, at);
	}
	if (j->t && j->t->line) {
		j->t->line(j->t->arg, object, strbuf_str(text));
	}
}

/* Where the policy says whom it is about. */
static const struct val *subject_of(const struct policy *p)
{
	return val_path(p->doc->root, p->space ? "spec.podSelector" : "spec.subject");
}

/* Why a policy of the whole cluster does not select the pod. */
static void add_subject_miss(struct strbuf *b, const struct judge *j, const struct policy *p)
{
	const struct val *subject = subject_of(p), *spaces = val_get(subject, "namespaces");
	const struct space *s = j->subject->space;

	if (!p->subject) {
		strbuf_adds(b, ": its subject names nobody");
	} else if (!selector_matches(p->subject_spaces, s->labels)) {
		strbuf_addf(b, ": namespace %s does not match ", s->name);
		match_add_selector(b, p->subject_spaces);
		match_add_labels(b, spaces ? spaces : val_path(subject, "pods.namespaceSelector"),
		                 s->labels);
	} else {
		strbuf_adds(b, ": podSelector ");
		match_add_selector(b, p->subject);
		match_add_labels(b, val_path(subject, "pods.podSelector"), j->subject->labels);
	}
}

static void say_unselected(const struct judge *j, const struct policy *p)
{
	scoped_strbuf struct strbuf text = { 0 };

	if (!j->t) {
		return;
	}
	policy_format(&text, p);
	strbuf_adds(&text, " does not select ");
	match_add_pod(&text, j->subject);
	strbuf_addf(&text, " for %s", direction_name(j->dir));
	if (!p->isolates[j->dir]) {
		strbuf_adds(&text, p->space ? ": its policyTypes leave that direction out"
		                            : ": it has no rules for that direction");
	} else if (!p->space) {
		add_subject_miss(&text, j, p);
	} else {
		strbuf_adds(&text, ": podSelector ");
		match_add_selector(&text, p->subject);
		match_add_labels(&text, subject_of(p), j->subject->labels);
	}
	say(j, p->doc->root, subject_of(p), &text);
}

static void say_isolated(const struct judge *j, const struct policy *p)
{
	scoped_strbuf struct strbuf text = { 0 };

	if (!j->t) {
		return;
	}
	policy_format(&text, p);
	strbuf_adds(&text, " isolates ");
	match_add_pod(&text, j->subject);
	strbuf_addf(&text, " for %s with %zu rule%s", direction_name(j->dir), p->n_rules[j->dir],
	            p->n_rules[j->dir] == 1 ? "" : "s");
	say(j, p->doc->root, subject_of(p), &text);
}

static void add_rule(struct strbuf *b, const struct judge *j, const struct policy *p, size_t number)
{
	struct slice name = val_get_str(p->rules[j->dir][number].v, "name");

	strbuf_addf(b, "%s rule %zu", direction_name(j->dir), number + 1);
	if (name.len && !p->space) {
		strbuf_addf(b, " (" SLICE_FMT ")", SLICE_ARG(name));
	}
	strbuf_adds(b, " of ");
	policy_format(b, p);
}

static void say_rule(const struct judge *j, const struct policy *p, size_t number, bool peer_ok,
                     bool port_ok)
{
	static const char *const verbs[] = {
		[POLICY_ALLOW] = "admits", [POLICY_DENY] = "denies", [POLICY_PASS] = "passes on"
	};
	static const char *const infinitives[] = {
		[POLICY_ALLOW] = "admit", [POLICY_DENY] = "deny", [POLICY_PASS] = "pass on"
	};
	const struct policy_rule *r = &p->rules[j->dir][number];
	scoped_strbuf struct strbuf text = { 0 };

	if (!j->t) {
		return;
	}
	add_rule(&text, j, p, number);
	if (peer_ok && port_ok) {
		strbuf_addf(&text, " %s ", verbs[r->action]);
		match_add_peer(&text, j);
		strbuf_addf(&text, " on %s %u", match_proto_name(j->f->proto), j->f->dst_port);
	} else {
		if (peer_ok || port_ok) {
			strbuf_addf(&text, " nearly %s: ", verbs[r->action]);
		} else {
			strbuf_addf(&text, " does not %s: ", infinitives[r->action]);
		}
		match_add_miss(&text, j, r, peer_ok, port_ok);
	}
	say(j, p->doc->root, r->v, &text);
}

static bool rule_matches(const struct judge *j, const struct policy *p, size_t number)
{
	const struct policy_rule *r = &p->rules[j->dir][number];
	bool peer_ok = rule_peer_matches(j, r), port_ok = rule_port_matches(j, r);

	say_rule(j, p, number, peer_ok, port_ok);
	return peer_ok && port_ok;
}

/* ---- policies of the whole cluster ---- */

/* The first rule that matches, or null; ret: whose. Reading ends there: later rules are not asked.
 */
static const struct policy_rule *first_match(const struct judge *j, enum policy_tier tier,
                                             const struct policy **ret)
{
	for (size_t i = 0; i < j->m->by_precedence.n; i++) {
		const struct policy *p = j->m->by_precedence.at[i];

		if (p->tier != tier) {
			continue;
		}
		if (!p->isolates[j->dir] || !policy_selects(p, j->subject)) {
			say_unselected(j, p);
			continue;
		}
		for (size_t r = 0; r < p->n_rules[j->dir]; r++) {
			if (rule_matches(j, p, r)) {
				*ret = p;
				return &p->rules[j->dir][r];
			}
		}
	}
	return NULL;
}

/* True: the tier decided; *why says how. */
static bool tier_decides(const struct judge *j, enum policy_tier tier, struct policy_reason *why)
{
	const struct policy *p;
	const struct policy_rule *r = first_match(j, tier, &p);

	if (!r || r->action == POLICY_PASS) {
		return false;
	}
	*why = (struct policy_reason){ r->action == POLICY_ALLOW, tier, p->doc->root, r->v };
	return true;
}

/* ---- policies of the pod's namespace ---- */

/* What one of them that isolates the pod says. */
static void policy_says(const struct judge *j, const struct policy *p, struct policy_reason *found)
{
	found->object = found->object ? found->object : p->doc->root;
	say_isolated(j, p);
	for (size_t r = 0; r < p->n_rules[j->dir] && (j->t || !found->admits); r++) {
		if (rule_matches(j, p, r) && !found->admits) {
			*found = (struct policy_reason){ true, TIER_NAMESPACED, p->doc->root,
				                         p->rules[j->dir][r].v };
		}
	}
}

/* With a trace every policy and rule is considered. */
static void ask_all(const struct judge *j, struct policy_reason *found)
{
	const struct space *s = j->subject->space;

	for (size_t i = 0; i < s->policies.n; i++) {
		const struct policy *p = s->policies.at[i];

		if (p->isolates[j->dir] && policy_selects(p, j->subject)) {
			policy_says(j, p, found);
		} else {
			say_unselected(j, p);
		}
	}
}

/* Without one the first rule that admits ends it. */
static void ask_unseen(const struct judge *j, struct policy_reason *found)
{
	const struct policy_selection *x = policy_selection_of(j->subject);

	for (size_t i = 0; i < x->isolating[j->dir].n && !found->admits; i++) {
		policy_says(j, x->isolating[j->dir].at[i], found);
	}
}

/* True: some isolate the pod; *why says whether one of them admits. */
static bool namespace_decides(const struct judge *j, struct policy_reason *why)
{
	struct policy_reason found = { .tier = TIER_NAMESPACED };

	if (j->t) {
		ask_all(j, &found);
	} else {
		ask_unseen(j, &found);
	}
	if (found.object) {
		*why = found;
	}
	return found.object != NULL;
}

/* ---- a side ---- */

static void say_outcome(const struct judge *j, const struct policy_reason *why)
{
	scoped_strbuf struct strbuf text = { 0 };

	if (!j->t) {
		return;
	}
	strbuf_addf(&text, "%s of ", direction_name(j->dir));
	match_add_pod(&text, j->subject);
	if (!why->object) {
		strbuf_adds(&text, " is open: no policy isolates it");
	} else if (why->admits) {
		strbuf_adds(&text, " admits the flow");
	} else if (why->rule) {
		strbuf_addf(&text, " drops the flow: " SLICE_FMT " " SLICE_FMT " denies it",
		            SLICE_ARG(val_get_str(why->object, "kind")),
		            SLICE_ARG(val_str(val_path(why->object, "metadata.name"))));
	} else {
		strbuf_adds(&text, " drops the flow: isolated, and no rule admits it");
	}
	say(j, j->subject->doc->root, NULL, &text);
}

static struct policy_reason judge_side(const struct judge *j)
{
	struct policy_reason why = { .admits = true };

	if (!tier_decides(j, TIER_ADMIN, &why) && !namespace_decides(j, &why)) {
		(void)tier_decides(j, TIER_BASELINE, &why);
	}
	say_outcome(j, &why);
	return why;
}

static void say_plain(const struct trace *t, const struct pod *p, const char *why)
{
	if (t && t->line) {
		t->line(t->arg, p ? p->doc->root : NULL, why);
	}
}

struct ends {
	const struct pod *src, *dst; /* null: no pod of the pod network */
};
static const struct policy_reason nobody_asked = { .admits = true };

static struct policy_reason judge_egress(const struct model *m, const struct flow *f, struct ends e,
                                         const struct trace *t)
{
	const struct judge out = { m, f, t, POLICY_EGRESS, e.src, e.dst, f->dst, e.dst };

	if (!e.src) {
		say_plain(t, NULL,
		          "the source is no pod of the pod network: no egress policy applies");
	}
	return e.src ? judge_side(&out) : nobody_asked;
}

static struct policy_reason judge_ingress(const struct model *m, const struct flow *f,
                                          struct ends e, const struct trace *t)
{
	const struct judge in = { m, f, t, POLICY_INGRESS, e.dst, e.src, f->src, e.dst };

	if (e.dst && !e.src && node_has_ip(m, e.dst->node, f->src)) {
		say_plain(t, e.dst, "a node always reaches its own pods");
		return nobody_asked;
	}
	if (!e.dst) {
		say_plain(
			t, NULL,
			"the destination is no pod of the pod network: no ingress policy applies");
	}
	return e.dst ? judge_side(&in) : nobody_asked;
}

static bool is_to_itself(const struct flow *f, struct ends e, const struct trace *t)
{
	if (!ip_eq(f->src, f->dst)) {
		return false;
	}
	say_plain(t, e.src, "same address on both ends: policies do not apply");
	return true;
}

static struct policy_reason ask(const struct model *m, const struct flow *f, enum verdict side,
                                const struct trace *t)
{
	const struct ends e = { pod_at(m, f->src), pod_at(m, f->dst) };

	if (is_to_itself(f, e, t)) {
		return nobody_asked;
	}
	return side == VERDICT_DENY_EGRESS ? judge_egress(m, f, e, t) : judge_ingress(m, f, e, t);
}

bool policy_admits(const struct model *m, const struct flow *f, enum verdict side,
                   const struct trace *t)
{
	return ask(m, f, side, t).admits;
}

struct policy_reason policy_reason_of(const struct model *m, const struct flow *f,
                                      enum verdict side)
{
	return ask(m, f, side, NULL);
}

enum verdict policy_decide(const struct model *m, const struct flow *f, const struct trace *t)
{
	const struct ends e = { pod_at(m, f->src), pod_at(m, f->dst) };
	bool egress_ok, ingress_ok;

	if (is_to_itself(f, e, t)) {
		return VERDICT_ALLOW;
	}
	egress_ok = judge_egress(m, f, e, t).admits;
	if (!egress_ok && !t) {
		return VERDICT_DENY_EGRESS;
	}
	ingress_ok = judge_ingress(m, f, e, t).admits;
	if (!egress_ok) {
		return VERDICT_DENY_EGRESS;
	}
	return ingress_ok ? VERDICT_ALLOW : VERDICT_DENY_INGRESS;
}
