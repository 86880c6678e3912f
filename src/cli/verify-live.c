/* Why: a prediction is only worth what packets say; see verify-live.h. Of a set of ports those are tried that the
 * destination declares, and the ends of each range, where mistakes live. */
#include "cli/verify-live.h"

#include <stdio.h>
#include <stdlib.h>

#include "analyse/narrate.h"
#include "base/mem.h"
#include "cli/explain-live.h"

enum { PORTS_MAX = 24, PATIENCE = 4, LINES_MAX = 20 };

struct
try { /* one flow of one pair of one case */
	size_t case_index;
	const struct verify_pair *pair;
	uint32_t source;    /* index of the workload it starts from; UINT32_MAX: the node */
	bool expected_open; /* else closed */
	struct live_flow flow;
};
typedef VEC(struct try) try_vec;

struct trying {
	struct verify *v;
	struct subject *s;
	struct matrix *m;
	struct live *live;
	struct verify_live *result;
	const struct val **pods; /* by workload: a pod of it, or null */
	try_vec tries;
};

/* ---- which flows ---- */

static const struct val *pod_of(const struct trying *t, const struct workload *w)
{
	const struct val *pod = NULL;

	if (w->object->id == OBJECT_POD) {
		return live_pod(t->live, w->ns, w->name, NULL, NULL);
	}
	/* labels of one workload may be among those of another: the pods' names tell whose they are */
	while ((pod = live_pod(t->live, w->ns, (struct slice){ 0 }, w->labels, pod))) {
		struct slice name = val_str(val_path(pod, "metadata.name"));

		if (slice_has_prefix(name, w->name) && name.len > w->name.len &&
		    name.p[w->name.len] == '-') {
			return pod;
		}
	}
	return NULL;
}

static bool is_node(const struct trying *t, const struct place_member *x)
{
	size_t n;

	return x->workload == UINT32_MAX && matrix_ends(t->m, &n)[x->end].kind == MATRIX_NODE;
}

static void add_try(struct trying *t, size_t i, const struct verify_pair *pair, struct ip to,
                    enum proto proto, uint16_t port, bool open)
{
	vec_push(&t->tries, ((struct try){
				    .case_index = i,
				    .pair = pair,
				    .source = pair->from.workload,
				    .expected_open = open,
				    .flow = { .ip = to, .port = port, .proto = proto },
			    }));
}

/* At most PORTS_MAX of a set: those declared, then the ends of its ranges. */
static void add_ports(struct trying *t, size_t i, const struct verify_pair *pair, struct ip to,
                      ports_id id, bool open)
{
	struct arena a = { 0 };
	struct ports set = ports_pool_get(matrix_pool(t->m), id);
	struct ports declared =
		ports_intersect(&a, set, workload_ports(&a, t->s->workloads.at[pair->to.workload]));
	struct ports picked = declared;
	size_t left = PORTS_MAX;

	for (int p = 0; p < PORTS_PROTOS; p++) {
		enum proto proto = ports_proto_number((enum ports_proto)p);
		size_t n;
		const struct ports_range *r = ports_ranges(set, (enum ports_proto)p, &n);

		for (size_t k = 0; k < n && k < 4 && p != PORTS_SCTP; k++) {
			picked = ports_union(&a, picked, ports_of(&a, proto, r[k].from, r[k].from));
			picked = ports_union(&a, picked, ports_of(&a, proto, r[k].to, r[k].to));
		}
	}
	for (int p = 0; p < PORTS_PROTOS; p++) {
		size_t n;
		const struct ports_range *r = ports_ranges(picked, (enum ports_proto)p, &n);

		for (size_t k = 0; k < n; k++) {
			for (unsigned port = r[k].from; port <= r[k].to && left; port++, left--) {
				add_try(t, i, pair, to, ports_proto_number((enum ports_proto)p),
				        (uint16_t)port, open);
			}
		}
	}
	arena_fini(&a);
}

static void add_pair(struct trying *t, size_t i, const struct verify_pair *pair)
{
	bool has_source = pair->from.workload == UINT32_MAX ? is_node(t, &pair->from)
	                                                    : t->pods[pair->from.workload] != NULL;
	struct ip to;

	if (!has_source || pair->to.workload == UINT32_MAX || !t->pods[pair->to.workload] ||
	    !live_pod_ip(t->pods[pair->to.workload], &to)) {
		t->result->n_skipped++;
		return;
	}
	add_ports(t, i, pair, to, pair->need, true);
	add_ports(t, i, pair, to, pair->forbid, false);
}

static int by_source(const void *a, const void *b)
{
	const struct try *x = a, *y = b;

	return x->source < y->source ? -1 : x->source > y->source;
}

/* ---- asking ---- */

/* Asks about the tries that 'wanted' picks (which stand by source), and puts the outcomes back. */
static int ask(struct trying *t, bool (*wanted)(const struct try *x), int timeout_ms,
               struct err *err)
{
	VEC(struct live_ask) asks = { 0 };
	VEC(struct live_flow) flows = { 0 };
	VEC(size_t) places = { 0 };
	size_t begun = 0;
	int r = 0;

	for (size_t i = 0; i < t->tries.n; i++) {
		const struct try *x = &t->tries.at[i];

		if (!wanted(x)) {
			continue;
		}
		if (!asks.n || x->source != t->tries.at[places.at[places.n - 1]].source) {
			const struct val *pod = x->source == UINT32_MAX ? NULL : t->pods[x->source];

			vec_push(&asks, ((struct live_ask){
						.ns = val_str(val_path(pod, "metadata.namespace")),
						.pod = val_str(val_path(pod, "metadata.name")) }));
		}
		asks.at[asks.n - 1].n++;
		vec_push(&flows, x->flow);
		vec_push(&places, i);
	}
	for (size_t i = 0; i < asks.n; i++) {
		asks.at[i].flows = flows.at + begun;
		begun += asks.at[i].n;
	}
	live_probe(t->live, asks.at, asks.n, timeout_ms);
	for (size_t i = 0; i < places.n; i++) {
		t->tries.at[places.at[i]].flow = flows.at[i];
	}
	for (size_t i = 0; i < asks.n && r == 0; i++) {
		if (asks.at[i].failed.code) {
			r = err_raise(err, asks.at[i].failed.code,
			              "probe from " SLICE_FMT "/" SLICE_FMT ": %s",
			              SLICE_ARG(asks.at[i].ns), SLICE_ARG(asks.at[i].pod),
			              asks.at[i].failed.msg);
		}
	}
	vec_fini(&asks);
	vec_fini(&flows);
	vec_fini(&places);
	return r;
}

static bool every_one(const struct try *x)
{
	(void)x;
	return true;
}

static bool came_to_nothing(const struct try *x)
{
	return x->expected_open && x->flow.outcome == LIVE_TIMEOUT && x->flow.proto != PROTO_UDP;
}

/* ---- judging ---- */

/* A datagram that nobody answers may have arrived all the same. */
static bool says_nothing(const struct try *x)
{
	return x->flow.proto == PROTO_UDP && x->flow.outcome == LIVE_TIMEOUT && x->expected_open;
}

static void tell(struct trying *t, const struct try *x, bool predicted, struct strbuf *out)
{
	member_format(out, t->s, t->m, &x->pair->from);
	strbuf_adds(out, " -> ");
	member_format(out, t->s, t->m, &x->pair->to);
	strbuf_addf(out, " %s %u: observed %s after %.1f ms, expected %s, predicted %s",
	            x->flow.proto == PROTO_UDP ? "UDP" : "TCP", x->flow.port,
	            live_outcome_text(x->flow.outcome), x->flow.ms,
	            x->expected_open ? "open" : "closed", predicted ? "open" : "closed");
}

static void judge(struct trying *t)
{
	struct strbuf *whys = mem_alloc((t->v->cases.n + 1) * sizeof(*whys));
	size_t *n = mem_alloc((t->v->cases.n + 1) * sizeof(*n));

	for (size_t i = 0; i < t->tries.n; i++) {
		const struct try *x = &t->tries.at[i];
		struct ports cell = ports_pool_get(
			matrix_pool(t->m), matrix_cell(t->m, x->pair->from.end, x->pair->to.end));
		bool reached = live_reached(x->flow.outcome),
		     predicted = ports_has(cell, x->flow.proto, x->flow.port);

		t->result->n_flows++;
		if (says_nothing(x)) {
			t->result->n_silent++;
			continue;
		}
		t->result->n_disagree += reached != predicted;
		if (reached == x->expected_open) {
			continue;
		}
		if (n[x->case_index]++ < LINES_MAX) {
			struct strbuf *why = &whys[x->case_index];

			strbuf_adds(why, why->size ? "\n" : "");
			tell(t, x, predicted, why);
		}
	}
	for (size_t i = 0; i < t->v->cases.n; i++) {
		if (n[i]) {
			if (n[i] > LINES_MAX) {
				strbuf_addf(&whys[i], "\nand %zu flows more", n[i] - LINES_MAX);
			}
			verify_fail(t->v, &t->v->cases.at[i], strbuf_str(&whys[i]));
		}
		strbuf_fini(&whys[i]);
	}
	free(whys);
	free(n);
}

int verify_live(struct verify *v, struct subject *s, struct matrix *m, struct live *live,
                int timeout_ms, struct verify_live *ret, struct err *err)
{
	struct trying t = { .v = v, .s = s, .m = m, .live = live, .result = ret };
	int r;

	*ret = (struct verify_live){ 0 };
	t.pods = mem_alloc((s->workloads.n + 1) * sizeof(*t.pods));
	for (size_t i = 0; i < s->workloads.n; i++) {
		t.pods[i] = pod_of(&t, s->workloads.at[i]);
	}
	for (size_t i = 0; i < v->cases.n; i++) {
		/* requests have none */
		for (size_t k = 0; k < v->cases.at[i].n_pairs; k++) {
			add_pair(&t, i, &v->cases.at[i].pairs[k]);
		}
	}
	if (t.tries.n) {
		qsort(t.tries.at, t.tries.n, sizeof(*t.tries.at), by_source);
	}
	r = ask(&t, every_one, timeout_ms, err);
	r = r ? r : ask(&t, came_to_nothing, PATIENCE * timeout_ms, err);
	if (r == 0) {
		judge(&t);
	}
	vec_fini(&t.tries);
	free(t.pods);
	return r;
}

/* ---- requests ---- */

static bool is_as_expected(const struct verify_request *q, const struct explain_path *p)
{
	return q->n_statuses ? p->seen.status && verify_request_admits(q, p->seen.status)
	                     : p->seen.passes != q->denied;
}

static void request(struct verify *v, struct verify_case *c, struct explanation *x,
                    struct verify_live *ret)
{
	bool asked = false;

	for (size_t i = 0; i < x->paths.n; i++) {
		const struct explain_path *p = x->paths.at[i];
		scoped_strbuf struct strbuf why = { 0 };

		if (p->is_alternative || !p->seen.made) {
			continue;
		}
		asked = true;
		ret->n_flows++;
		ret->n_disagree += p->disagrees;
		if (!is_as_expected(c->request, p)) {
			strbuf_addf(&why, "observed %s", p->seen.text);
			verify_fail(v, c, strbuf_str(&why));
			break;
		}
	}
	ret->n_skipped += !asked;
}

int verify_live_requests(struct verify *v, struct subject *s, const struct cli_instance *instance,
                         const struct cli_ops *ops, struct verify_live *ret, struct err *err)
{
	for (size_t i = 0; i < v->cases.n; i++) {
		const struct verify_request *q = v->cases.at[i].request;
		struct explanation x = { 0 };
		int r;

		if (!q) {
			continue;
		}
		r = explain_make(s, slice_of(q->from), slice_of(q->to), &x, err);
		r = r ? r : explain_live(&x, instance, ops, err);
		if (r == 0) {
			request(v, &v->cases.at[i], &x, ret);
		}
		explanation_fini(&x);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int verify_running(struct verify *v, struct analysis *a, const struct cli_parsed *p,
                   const struct cli_ops *ops, struct err *err)
{
	struct cli_instance instance = { 0 };
	struct verify_live result = { 0 };
	struct live live = { 0 };
	uint64_t timeout_ms;
	int r;

	if (!slice_to_u64(slice_of(cli_value(p, "timeout", "500")), &timeout_ms) ||
	    timeout_ms < 1 || timeout_ms > 2500) {
		return err_raise(err, ERR_USAGE, "--timeout: 1 to 2500 milliseconds");
	}
	r = cli_instance_of(p, &instance, err);
	if (r < 0) {
		return r;
	}
	r = live_open(&live, &instance, err);
	r = r ? r
	      : verify_live(v, a->gathered.subject, a->matrix, &live, (int)timeout_ms, &result,
	                    err);
	live_close(&live);
	r = r ? r : verify_live_requests(v, a->gathered.subject, &instance, ops, &result, err);
	cli_instance_fini(&instance);
	if (r == 0) {
		fprintf(stderr,
		        "%zu flows and requests tried, %zu not as predicted; not tried: %zu pairs "
		        "without a pod here; "
		        "without an answer (UDP): %zu\n",
		        result.n_flows, result.n_disagree, result.n_skipped, result.n_silent);
	}
	return r;
}
