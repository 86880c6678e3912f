/* Why: ROLL: what users notice while pods are replaced. */
#include <ctype.h>
#include <stdlib.h>

#include "analyse/family.h"
#include "analyse/value.h"
#include "base/mem.h"
#include "codec/json.h"
#include "schema/selector.h"

enum { GRACE_DEFAULT_S = 30 };

/* For each workload that somebody wrote and that runs on. */
#define serving_each(c, it)                                                                        \
	for (size_t it##_i = 0; it##_i < (c)->subject->workloads.n; it##_i++)                      \
		for (const struct workload *it = (c)->subject->workloads.at[it##_i];               \
		     it && !it->ends && !it->object->assumed; it = NULL)

static const struct svc *service_in_front(struct check *c, const struct workload *w)
{
	const struct svc_list *services = subject_services_of(c->subject, w);

	for (size_t i = 0; services && i < services->at.n; i++) {
		if (!services->at.at[i]->headless) {
			return services->at.at[i];
		}
	}
	return NULL;
}

/* ---- ROLL001, ROLL002: how a pod ends ---- */

/* "5", "5s", "1m": seconds; -1 for others. */
static int64_t seconds_of(struct slice text)
{
	int64_t n, each = 1;

	text = slice_trim(text);
	if (text.len > 1 && isalpha((unsigned char)text.p[text.len - 1])) {
		each = text.p[text.len - 1] == 's' ? 1 : text.p[text.len - 1] == 'm' ? 60 : -1;
		text.len--;
	}
	return each > 0 && slice_to_i64(text, &n) && n >= 0 && n < 86400 ? n * each : -1;
}

/* The number behind the word "sleep" in a command; 0 when it sleeps not. */
static int64_t sleep_of(const struct val *command)
{
	bool after = false;

	val_for_each (command, it) {
		struct slice rest = val_str(it), word;

		while (slice_next(&rest, ' ', &word)) {
			/* "sleep 5;" */
			while (word.len && char_is_one_of(word.p[word.len - 1], ";&|")) {
				word.len--;
			}
			if (after) {
				int64_t s = seconds_of(word);

				return s > 0 ? s : 0;
			}
			after = slice_is(word, "sleep") || slice_has_suffix(word, SLICE("/sleep"));
		}
	}
	return 0;
}

static int64_t stop_seconds(const struct val *container)
{
	const struct val *hook = val_path(container, "lifecycle.preStop");
	int64_t s = val_int(val_path(hook, "sleep.seconds"), 0);

	return s > 0 ? s : sleep_of(val_path(hook, "exec.command"));
}

static bool names_drain(struct slice name)
{
	static const char *const words[] = { "DRAIN", "SHUTDOWN", "GRACEFUL", "TERMINATION" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (memmem(name.p, name.len, words[i], strlen(words[i]))) {
			return true;
		}
	}
	return false;
}

/* A variable that tells the program how long to drain, or null. */
static const struct setting *drain_of(struct check *c, const struct val *container)
{
	size_t n;
	const struct setting *s = values_settings(subject_values(c->subject), container, &n);

	for (size_t i = 0; i < n; i++) {
		if (names_drain(s[i].name) && !s[i].is_secret && seconds_of(s[i].value) > 0) {
			return &s[i];
		}
	}
	return NULL;
}

static bool opens_ports(const struct val *container)
{
	return val_len(val_get(container, "ports")) > 0;
}

static void roll001(struct check *c)
{
	serving_each(c, w)
	{
		const struct svc *x = service_in_front(c, w);

		if (!x || (w->object->id != OBJECT_DEPLOYMENT && w->object->id != OBJECT_ROLLOUT)) {
			continue;
		}
		container_each(w->spec, it)
		{
			struct finding *f;

			if (!opens_ports(it) || val_path(it, "lifecycle.preStop") ||
			    drain_of(c, it)) {
				continue;
			}
			f = check_found(
				c, w->object, it,
				"Container " SLICE_FMT " of " OBJECT_FMT
				" stops at once on SIGTERM, while balancers still send to it.",
				SLICE_ARG(val_get_str(it, "name")), OBJECT_ARG(w->object));
			finding_shows(c, f, x->object, NULL, "leads to its pods.");
		}
	}
}

static void roll002(struct check *c)
{
	serving_each(c, w)
	{
		const struct val *given = val_get(w->spec, "terminationGracePeriodSeconds");
		int64_t grace = val_int(given, GRACE_DEFAULT_S);

		container_each(w->spec, it)
		{
			const struct setting *drain = drain_of(c, it);
			int64_t stop = stop_seconds(it),
				more = drain ? seconds_of(drain->value) : 0;
			const struct val *hook = val_path(it, "lifecycle.preStop");
			struct finding *f;

			if (!hook || stop + more < grace || stop + more == 0) {
				continue;
			}
			f = check_found(
				c, w->object, given ? given : hook,
				"Container " SLICE_FMT " of " OBJECT_FMT
				" takes %lld s before it may stop, and is killed after %lld s.",
				SLICE_ARG(val_get_str(it, "name")), OBJECT_ARG(w->object),
				(long long)(stop + more), (long long)grace);
			finding_shows(c, f, w->object, hook, "waits %lld s.", (long long)stop);
			if (drain) {
				const struct object *o =
					subject_object(c->subject, drain->where.object);

				finding_shows(c, f, o ? o : w->object, drain->where.node,
				              SLICE_FMT " adds %lld s.", SLICE_ARG(drain->name),
				              (long long)more);
			}
			finding_repair(c, f,
			               "Set terminationGracePeriodSeconds above %lld plus the "
			               "longest request.",
			               (long long)(stop + more));
		}
	}
}

/* ---- ROLL003 ---- */

/* "25%" of n, or a number; rounded as the Deployment controller does. */
static int64_t share(const struct val *v, int64_t n, int64_t percent_default, bool up)
{
	int64_t percent = percent_default, number;
	struct slice text = val_str(v);

	if (v && v->type == VAL_INT) {
		return v->i;
	}
	if (text.len && text.p[text.len - 1] == '%' &&
	    slice_to_i64(slice_head(text, text.len - 1), &number) && number >= 0 &&
	    number <= 1000) {
		percent = number;
	}
	return (n * percent + (up ? 99 : 0)) / 100;
}

static int64_t least_replicas(const struct workload *w)
{
	int64_t min = w->autoscaler ? val_int(val_get(object_spec(w->autoscaler), "minReplicas"), 1)
	                            : w->replicas;

	return min;
}

static void roll003(struct check *c)
{
	serving_each(c, w)
	{
		const struct val *strategy = val_get(object_spec(w->object), "strategy");
		const struct val *rolling = val_get(strategy, "rollingUpdate"),
				 *at = val_get(rolling, "maxUnavailable");
		const struct svc *x = service_in_front(c, w);
		int64_t n = least_replicas(w), away = share(at, n, 25, false);
		bool recreate = slice_is(val_get_str(strategy, "type"), "Recreate");
		struct finding *f;

		if (!x || w->object->id != OBJECT_DEPLOYMENT || n < 1 || (!recreate && away < n)) {
			continue;
		}
		f = check_found(
			c, w->object,
			recreate ? val_get(strategy, "type")
			: at     ? at
				 : strategy,
			recreate ? OBJECT_FMT
				" stops all its pods before it starts new ones: Service " SLICE_FMT
				" is down at every rollout."
				 : OBJECT_FMT " may be without a single ready pod at a rollout: "
					      "Service " SLICE_FMT " is down then.",
			OBJECT_ARG(w->object), SLICE_ARG(x->name));
		if (!recreate) {
			finding_shows(c, f, w->object, at ? at : strategy,
			              "lets %lld of %lld pods be away.", (long long)away,
			              (long long)n);
		}
		finding_shows(c, f, x->object, NULL, "leads to these pods.");
	}
}

/* ---- ROLL004 ---- */

static bool list_has_word(const struct val *list, const char *const *words)
{
	val_for_each (list, it) {
		for (size_t i = 0; words[i]; i++) {
			if (strstr(val_cstr(it), words[i])) {
				return true;
			}
		}
	}
	return false;
}

static bool is_shell(struct slice s)
{
	ptrdiff_t slash = slice_rfind(s, '/');

	s = slice_from(s, (size_t)(slash + 1));
	return slice_is(s, "sh") || slice_is(s, "bash") || slice_is(s, "ash") ||
	       slice_is(s, "dash");
}

static const struct val *first_word(const struct val *container)
{
	const struct val *command = val_get(container, "command");

	return val_first(val_len(command) ? command : val_get(container, "args"));
}

/* How PID 1 keeps SIGTERM from the program; null when it does not. */
static const char *swallows_signals(const struct val *container)
{
	static const char *const passes[] = { "exec ", "tini",      "dumb-init", "trap ",
		                              "s6-",   "catatonit", NULL };
	const struct val *first = first_word(container), *command = val_get(container, "command"),
			 *args = val_get(container, "args");
	struct slice word = val_str(first);

	if (!first || list_has_word(command, passes) || list_has_word(args, passes)) {
		return NULL;
	}
	if (is_shell(word)) {
		val_for_each (val_len(command) ? command : args, it) {
			if (slice_is(val_str(it), "-c") || slice_is(val_str(it), "-ec") ||
			    slice_is(val_str(it), "-lc")) {
				return "a shell that does not pass signals on";
			}
		}
		return NULL;
	}
	if (slice_is(word, "npm") || slice_is(word, "yarn") || slice_is(word, "pnpm")) {
		return "a package manager that does not wait for the program to end";
	}
	return NULL;
}

static void roll004(struct check *c)
{
	serving_each(c, w)
	{
		const struct svc *x = service_in_front(c, w);

		if (!x || val_bool(val_get(w->spec, "shareProcessNamespace"), false)) {
			continue;
		}
		container_each(w->spec, it)
		{
			const char *how = opens_ports(it) ? swallows_signals(it) : NULL;

			if (how) {
				check_found(c, w->object, first_word(it),
				            "Process 1 of container " SLICE_FMT " of " OBJECT_FMT
				            " is %s: SIGTERM is lost.",
				            SLICE_ARG(val_get_str(it, "name")),
				            OBJECT_ARG(w->object), how);
			}
		}
	}
}

/* ---- ROLL005 ---- */

static bool is_owned_by(const struct object *o, const struct object *owner)
{
	val_for_each (val_path(o->v, "metadata.ownerReferences"), it) {
		if (slice_eq(val_get_str(it, "kind"), owner->kind) &&
		    slice_eq(val_get_str(it, "name"), owner->name)) {
			return true;
		}
	}
	return false;
}

static bool picks(const struct svc *x, const struct val *labels)
{
	val_for_each (val_get(object_spec(x->object), "selector"), it) {
		const struct val *has = val_get_slice(labels, it->key);

		if (!has || !slice_eq(val_str(has), val_str(it))) {
			return false;
		}
	}
	return x->has_selector;
}

/* Told when pods with the earlier labels were behind a Service and those with the new ones are not. */
static void compare_labels(struct check *c, const struct workload *w, const struct val *before,
                           const struct object *shown)
{
	for (size_t i = 0; before && i < w->space->services.n; i++) {
		const struct svc *x = w->space->services.at[i];
		struct finding *f;

		if (!picks(x, before) || picks(x, w->labels)) {
			continue;
		}
		f = check_found(c, x->object, val_get(object_spec(x->object), "selector"),
		                "Service " SLICE_FMT " selects the earlier pods of " OBJECT_FMT
		                ", not those that come now.",
		                SLICE_ARG(x->name), OBJECT_ARG(w->object));
		finding_shows(c, f, w->object, w->labels, "carries other labels now.");
		finding_shows(c, f, shown, NULL, "holds the earlier version.");
	}
}

static void roll005(struct check *c)
{
	serving_each(c, w)
	{
		struct slice text = object_annotation(
			w->object, "kubectl.kubernetes.io/last-applied-configuration");
		scoped_arena struct arena a = { 0 };
		struct val *last = NULL;

		if (text.len && json_parse(&a, text, 0, &last, NULL) == 0) {
			compare_labels(c, w, val_path(last, "spec.template.metadata.labels"),
			               w->object);
		}
		object_each_in(c->subject, OBJECT_REPLICASET, w->ns, rs)
		{
			if (w->object->id == OBJECT_DEPLOYMENT && is_owned_by(rs, w->object)) {
				compare_labels(
					c, w, val_path(rs->v, "spec.template.metadata.labels"), rs);
			}
		}
	}
}

/* ---- ROLL006 ---- */

static void check_budget(struct check *c, const struct object *budget, const struct workload *w)
{
	const struct val *spec = object_spec(budget), *min = val_get(spec, "minAvailable"),
			 *max = val_get(spec, "maxUnavailable");
	int64_t n = least_replicas(w);
	struct finding *f;

	if (n < 1 || w->ends || w->object->id == OBJECT_POD || (!min && !max) ||
	    (min ? share(min, n, 0, true) < n : share(max, n, 0, true) > 0)) {
		return;
	}
	f = check_found(c, budget, min ? min : max,
	                "PodDisruptionBudget " SLICE_FMT " lets no pod of " OBJECT_FMT
	                " go: nodes cannot be drained.",
	                SLICE_ARG(budget->name), OBJECT_ARG(w->object));
	finding_shows(c, f, w->autoscaler ? w->autoscaler : w->object, NULL,
	              "keeps %lld pod%s at least.", (long long)n, n == 1 ? "" : "s");
}

static void roll006(struct check *c)
{
	written_each(c->subject, OBJECT_PDB, budget)
	{
		const struct space *space = subject_space(c->subject, budget->ns);
		scoped_selection struct selection found = { 0 };

		if (space) {
			subject_select_object(c->subject, space,
			                      val_get(object_spec(budget), "selector"), &found);
		}
		for (size_t i = 0; i < found.at.n; i++) {
			check_budget(c, budget, found.at.at[i]);
		}
	}
}

static const struct rule rules[] = {
	{
		.id = "ROLL001",
		.title = "No drain before exit",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_ROLLOUT,
		.symptom = "Some requests are refused or answered 502 at each rollout.",
		.cause = "A pod is taken out of the endpoints and told to stop at the same time; "
			 "balancers learn it later.",
		.evidence = "A pod behind a Service without preStop and without a variable that "
			    "tells it to drain.",
		.probe = "Load during a rollout; count failures.",
		.fix = "A preStop that sleeps 5 to 15 s.",
		.sources = "kubernetes-sigs/aws-load-balancer-controller#1065, #1124",
		.check = roll001,
	},
	{
		.id = "ROLL002",
		.title = "Grace period shorter than preStop and drain",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_ROLLOUT,
		.symptom = "Requests are cut: the program is killed.",
		.cause = "terminationGracePeriodSeconds counts from the beginning, preStop "
			 "included.",
		.evidence = "Seconds of preStop and of the program's drain added, against the "
			    "grace period.",
		.probe = "A long request at the end of a pod.",
		.fix = "A longer grace period.",
		.sources = "alphagov/govuk-helm-charts#4033",
		.check = roll002,
	},
	{
		.id = "ROLL003",
		.title = "Strategy allows zero ready pods",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_ROLLOUT,
		.symptom = "An outage at each rollout.",
		.cause = "Recreate, or maxUnavailable as large as the number of pods.",
		.evidence = "The strategy's arithmetic with the replicas (of an autoscaler: its "
			    "minimum).",
		.probe = "The least number of ready endpoints during a rollout.",
		.fix = "maxUnavailable 0 with maxSurge 1.",
		.sources = "stackrox/kube-linter no-rolling-update-strategy",
		.check = roll003,
	},
	{
		.id = "ROLL004",
		.title = "SIGTERM never reaches the program",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_ROLLOUT,
		.symptom = "Pods take 30 s to go, and requests are cut at the end.",
		.cause = "Process 1 is a shell or a package manager that does not pass the signal "
			 "on.",
		.evidence = "A command of sh -c without exec, or npm and its like.",
		.probe = "Time from SIGTERM to exit.",
		.fix = "exec in the script, or a small init.",
		.sources = "learnk8s, Kubernetes production best practices",
		.check = roll004,
	},
	{
		.id = "ROLL005",
		.title = "A change of labels leaves a Service behind",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_ROLLOUT,
		.symptom = "Once the rollout is through, the new pods get no traffic.",
		.cause = "The template's labels changed, the Service's selector did not.",
		.evidence = "Labels of an earlier version (owned ReplicaSet, last applied "
			    "configuration) against those of now.",
		.probe = "Endpoints during the rollout.",
		.fix = "Change both.",
		.sources = "nine.ch post-mortem; stackrox/kube-linter dangling-service",
		.check = roll005,
	},
	{
		.id = "ROLL006",
		.title = "Disruption budget blocks",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_ROLLOUT,
		.symptom = "Draining a node hangs; upgrades stop.",
		.cause = "The budget wants as many pods as there are.",
		.evidence = "minAvailable or maxUnavailable against the replicas (of an "
			    "autoscaler: its minimum).",
		.probe = "An eviction is refused.",
		.fix = "maxUnavailable 1, or more replicas.",
		.sources = "FairwindsOps/polaris pdbDisruptionsIsZero",
		.check = roll006,
	},
	{ 0 },
};

const struct family family_roll = { "ROLL", "Rollouts", rules };
