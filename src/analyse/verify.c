/* Why: connectivity tests as code: reads expectations, makes each into pairs with ports that must
 * be open and ports that must be closed, and holds them against the matrix; see verify.h. */
#include "analyse/verify-priv.h"

#include <stdarg.h>

#include "analyse/narrate.h"
#include "base/mem.h"

enum { NARRATED_MAX = 3, LISTED_MAX = 20 };

struct judge {
	struct verify_reader r;
	struct matrix *m;
	struct ports_pool *pool;
	struct place everything;
	ports_id *covered; /* by member: what this source's expectations speak of; see judge_rest */
};

struct flow_rule { /* one element of 'flows' */
	const struct val *v;
	struct place from, to;
	enum verify_expect expect;
	const struct val *port; /* null: left out */
};
typedef VEC(struct flow_rule) rule_vec;
typedef VEC(struct verify_pair) pair_vec;

void verify_fini(struct verify *v)
{
	vec_fini(&v->cases);
	arena_fini(&v->arena);
}

int verify_wrong(const struct verify_reader *r, const struct val *at, enum err_code code,
                 struct err *err, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_raise(err, code, "%s:%u:%u: %s", r->file, at ? at->line : 1, at ? at->col : 1,
	                 text);
}

int verify_check_keys(const struct verify_reader *r, const struct val *v, const char *const *keys,
                      const char *what, struct err *err)
{
	val_for_each (v, it) {
		const char *const *k = keys;

		while (*k && !slice_is(it->key, *k)) {
			k++;
		}
		if (!*k) {
			return verify_wrong(r, it, ERR_SYNTAX, err,
			                    "'" SLICE_FMT "' is not known %s",
			                    SLICE_ARG(slice_head(it->key, 60)), what);
		}
	}
	return 0;
}

/* ---- ports ---- */

struct port_reader {
	struct judge *j;
	struct arena *a;
	const struct place_member *to;
	const struct val *at;
};

static const struct workload *workload_of(const struct port_reader *p)
{
	return p->to->workload == UINT32_MAX ? NULL : p->j->r.s->workloads.at[p->to->workload];
}

/* Ports of a Service's own, as those of the pod behind it. */
static int through_service(const struct port_reader *p, struct ports asked, struct ports *ret,
                           struct err *err)
{
	const struct svc *x = p->to->service;
	struct ports known = ports_none();

	for (size_t i = 0; i < x->n_ports; i++) {
		const struct svc_port *sp = &x->ports[i];
		uint16_t target = svc_port_target(sp, workload_of(p));

		known = ports_union(p->a, known, ports_of(p->a, sp->proto, sp->port, sp->port));
		if (ports_has(asked, sp->proto, sp->port) && target) {
			*ret = ports_union(p->a, *ret, ports_of(p->a, sp->proto, target, target));
		}
	}
	if (!ports_is_none(ports_minus(p->a, asked, known))) {
		scoped_strbuf struct strbuf has = { 0 };

		ports_format(&has, known);
		return verify_wrong(&p->j->r, p->at, ERR_NOTFOUND, err,
		                    "Service " SLICE_FMT "/" SLICE_FMT
		                    " has no such port; it has %s",
		                    SLICE_ARG(x->ns), SLICE_ARG(x->name), strbuf_str(&has));
	}
	return 0;
}

static int by_name(const struct port_reader *p, struct slice name, struct ports *ret,
                   struct err *err)
{
	static const enum proto protos[] = { PROTO_TCP, PROTO_UDP, PROTO_SCTP };
	const struct workload *w = workload_of(p);
	const struct svc *x = p->to->service;
	bool found = false;

	for (size_t i = 0; x && i < x->n_ports; i++) {
		if (slice_eq(x->ports[i].name, name)) {
			uint16_t target = svc_port_target(&x->ports[i], w);

			*ret = ports_union(p->a, *ret,
			                   ports_of(p->a, x->ports[i].proto, target, target));
			found = true;
		}
	}
	for (size_t i = 0; w && !x && i < ARRAY_SIZE(protos); i++) {
		const struct val *port = pod_port_named(w->spec, name, protos[i]);
		int64_t number = val_int(val_get(port, "containerPort"), 0);

		if (number > 0 && number <= UINT16_MAX) {
			*ret = ports_union(
				p->a, *ret,
				ports_of(p->a, protos[i], (unsigned)number, (unsigned)number));
			found = true;
		}
	}
	if (!found) {
		return verify_wrong(&p->j->r, p->at, ERR_NOTFOUND, err,
		                    "'" SLICE_FMT
		                    "' is neither a port (5000, UDP 53) nor the name of one there",
		                    SLICE_ARG(slice_head(name, 60)));
	}
	return 0;
}

static int read_ports(struct port_reader *p, const struct val *v, struct ports *ret,
                      struct err *err)
{
	struct ports set = ports_none();
	int r = 0;

	p->at = v;
	if (v->type == VAL_ARRAY) {
		for (const struct val *it = v->first; it && r == 0; it = it->next) {
			r = it->type == VAL_ARRAY ? verify_wrong(&p->j->r, it, ERR_SYNTAX, err,
			                                         "a list of ports holds no lists")
			                          : read_ports(p, it, ret, err);
		}
		return r;
	}
	if (v->type == VAL_INT) {
		set = ports_of(p->a, PROTO_TCP,
		               (unsigned)(v->i < 0 || v->i > UINT16_MAX ? UINT16_MAX + 1 : v->i),
		               (unsigned)(v->i < 0 || v->i > UINT16_MAX ? 0 : v->i));
		if (ports_is_none(set)) {
			return verify_wrong(&p->j->r, v, ERR_SYNTAX, err,
			                    "a port is a number from 1 to 65535");
		}
	} else if (v->type != VAL_STRING) {
		return verify_wrong(&p->j->r, v, ERR_SYNTAX, err,
		                    "port must be a number, a text or a list of them");
	} else if (ports_parse(p->a, v->s, &set, NULL) < 0) {
		return by_name(p, v->s, ret, err);
	}
	if (p->to->service && !ports_is_all(set) && !ports_is_none(set)) {
		return through_service(p, set, ret, err);
	}
	*ret = ports_union(p->a, *ret, set);
	return 0;
}

/* What is meant when no port is written. */
static struct ports usual_ports(struct port_reader *p)
{
	struct ports sum = ports_none();

	if (p->to->service) {
		for (size_t i = 0; i < p->to->service->n_ports; i++) {
			const struct svc_port *sp = &p->to->service->ports[i];
			uint16_t target = svc_port_target(sp, workload_of(p));

			sum = ports_union(p->a, sum, ports_of(p->a, sp->proto, target, target));
		}
	} else if (workload_of(p)) {
		sum = workload_ports(p->a, workload_of(p));
	}
	return ports_is_none(sum) ? ports_all() : sum;
}

/* ---- pairs ---- */

/* covers: what 'everything else' need not care for any more. */
static int pair_of(struct judge *j, const struct flow_rule *rule, const struct place_member *from,
                   const struct place_member *to, struct verify_pair *ret, ports_id *ret_covers,
                   struct err *err)
{
	struct arena a = { 0 };
	struct port_reader p = { j, &a, to, rule->port };
	struct ports given = ports_none();
	int r = rule->port ? read_ports(&p, rule->port, &given, err) : 0;
	ports_id id;

	if (r == 0) {
		*ret = (struct verify_pair){ *from, *to, PORTS_NONE, PORTS_NONE };
		id = ports_pool_id(j->pool, rule->port                     ? given
		                            : rule->expect == VERIFY_ALLOW ? usual_ports(&p)
		                                                           : ports_all());
		*ret_covers = rule->expect == VERIFY_DENY                  ? PORTS_NONE
		              : rule->expect == VERIFY_ONLY || !rule->port ? PORTS_ALL
		                                                           : id;
		if (rule->expect == VERIFY_DENY) {
			ret->forbid = id;
		} else {
			ret->need = id;
			ret->forbid = rule->expect == VERIFY_ONLY
			                      ? ports_pool_minus(j->pool, PORTS_ALL, id)
			                      : PORTS_NONE;
		}
	}
	arena_fini(&a);
	return r;
}

static bool is_itself(const struct place_member *a, const struct place_member *b)
{
	return a->workload == b->workload && a->end == b->end && a->workload != UINT32_MAX;
}

/* ---- judging one pair ---- */

struct verdicts { /* of one case */
	struct strbuf why;
	size_t n_wrong;
};

static void add_pair(struct strbuf *out, const struct judge *j, const struct verify_pair *p)
{
	member_format(out, j->r.s, j->m, &p->from);
	strbuf_adds(out, " -> ");
	member_format(out, j->r.s, j->m, &p->to);
}

static void judge_pair(struct judge *j, const struct verify_pair *p, struct verdicts *so_far)
{
	ports_id open = matrix_cell(j->m, p->from.end, p->to.end);
	ports_id missing = ports_pool_minus(j->pool, p->need, open),
		 extra = ports_pool_intersect(j->pool, p->forbid, open);

	if (missing == PORTS_NONE && extra == PORTS_NONE) {
		return;
	}
	so_far->n_wrong++;
	if (so_far->n_wrong > LISTED_MAX) {
		return;
	}
	add_pair(&so_far->why, j, p);
	if (missing != PORTS_NONE) {
		strbuf_adds(&so_far->why, ": closed is ");
		ports_format(&so_far->why, ports_pool_get(j->pool, missing));
	}
	if (extra != PORTS_NONE) {
		strbuf_adds(&so_far->why, missing != PORTS_NONE ? "; open is " : ": open is ");
		ports_format(&so_far->why, ports_pool_get(j->pool, extra));
	}
	strbuf_addc(&so_far->why, '\n');
	if (so_far->n_wrong <= NARRATED_MAX) {
		narrate_flow(&so_far->why, j->r.s, j->m, &p->from, &p->to,
		             ports_pool_get(j->pool, missing != PORTS_NONE ? missing : extra));
	}
}

struct verify_case *verify_add_case(struct verify_reader *r, const struct val *at, const char *name,
                                    struct strbuf *why)
{
	struct arena *a = &r->v->arena;
	struct verify_case c = { .name = name,
		                 .file = arena_strdup(a, r->file),
		                 .line = at->line,
		                 .col = at->col,
		                 .ok = why->size == 0 };

	if (!c.ok) {
		c.why = arena_slice(a, slice_trim(strbuf_slice(why))).p;
		r->v->n_failed++;
	}
	vec_push(&r->v->cases, c);
	strbuf_fini(why);
	return &r->v->cases.at[r->v->cases.n - 1];
}

static void add_case(struct judge *j, const struct val *at, const char *name, const pair_vec *pairs,
                     struct verdicts *d)
{
	struct verify_case *c;

	if (d->n_wrong > LISTED_MAX) {
		strbuf_addf(&d->why, "and %zu pairs more\n", d->n_wrong - LISTED_MAX);
	}
	c = verify_add_case(&j->r, at, name, &d->why);
	c->pairs = arena_dup(&j->r.v->arena, pairs->at, pairs->n * sizeof(*pairs->at));
	c->n_pairs = pairs->n;
}

void verify_fail(struct verify *v, struct verify_case *c, const char *why)
{
	v->n_failed += c->ok;
	c->ok = false;
	c->why = c->why ? arena_printf(&v->arena, "%s\n%s", c->why, why)
	                : arena_strdup(&v->arena, why);
}

/* ---- flows ---- */

static const char *const expect_words[] = { "allow", "deny", "only" };

static void add_port_text(struct strbuf *out, const struct val *v)
{
	const char *between = "";

	if (v->type == VAL_ARRAY) {
		val_for_each (v, it) {
			strbuf_adds(out, between);
			add_port_text(out, it);
			between = ",";
		}
	} else if (v->type == VAL_INT) {
		strbuf_addf(out, "%lld", (long long)v->i);
	} else {
		strbuf_add_slice(out, val_str(v));
	}
}

static const char *case_name(struct judge *j, const struct flow_rule *rule)
{
	struct slice name = val_get_str(rule->v, "name");
	scoped_strbuf struct strbuf b = { 0 };

	if (name.len) {
		return arena_slice(&j->r.v->arena, name).p;
	}
	strbuf_addf(&b, "%s -> %s", rule->from.text, rule->to.text);
	if (rule->port) {
		strbuf_addc(&b, ' ');
		add_port_text(&b, rule->port);
	}
	strbuf_addf(&b, ": %s", expect_words[rule->expect]);
	return arena_strdup(&j->r.v->arena, strbuf_str(&b));
}

static int judge_flow(struct judge *j, const struct flow_rule *rule, struct err *err)
{
	struct verdicts so_far = { 0 };
	pair_vec pairs = { 0 };
	int r = 0;

	for (size_t f = 0; f < rule->from.n && r == 0; f++) {
		for (size_t t = 0; t < rule->to.n && r == 0; t++) {
			struct verify_pair pair;
			ports_id covers;

			r = pair_of(j, rule, &rule->from.at[f], &rule->to.at[t], &pair, &covers,
			            err);
			if (r == 0 &&
			    !(is_itself(&pair.from, &pair.to) && rule->from.n * rule->to.n > 1)) {
				judge_pair(j, &pair, &so_far);
				vec_push(&pairs, pair);
			}
		}
	}
	if (r == 0) {
		add_case(j, rule->v, case_name(j, rule), &pairs, &so_far);
	}
	strbuf_fini(&so_far.why);
	vec_fini(&pairs);
	return r;
}

static int read_place(struct judge *j, const struct val *parent, const char *key, struct place *ret,
                      struct err *err)
{
	const struct val *v = val_get(parent, key), *at = v;
	struct err why = { 0 };
	int r;

	if (!v) {
		return verify_wrong(&j->r, parent, ERR_SYNTAX, err, "'%s' is missing", key);
	}
	r = place_of_val(&j->r.v->arena, j->r.s, j->m, v, ret, &at, &why);
	return r < 0 ? verify_wrong(&j->r, at, why.code, err, "%s: %s", key, why.msg) : 0;
}

static int read_expect(struct judge *j, const struct val *v, enum verify_expect *ret,
                       struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(expect_words); i++) {
		if (slice_is(val_str(v), expect_words[i])) {
			*ret = (enum verify_expect)i;
			return 0;
		}
	}
	return verify_wrong(&j->r, v, ERR_SYNTAX, err, "expect must be allow, deny or only");
}

static int read_flow(struct judge *j, const struct val *v, struct flow_rule *ret, struct err *err)
{
	static const char *const keys[] = { "from", "to", "port", "expect", "name", NULL };
	int r;

	*ret = (struct flow_rule){ .v = v, .port = val_get(v, "port") };
	if (v->type != VAL_OBJECT) {
		return verify_wrong(&j->r, v, ERR_SYNTAX, err,
		                    "a flow is a mapping of from, to, port and expect");
	}
	r = verify_check_keys(&j->r, v, keys, "in a flow: from, to, port, expect, name", err);
	if (r == 0 && !val_get(v, "expect")) {
		r = verify_wrong(&j->r, v, ERR_SYNTAX, err,
		                 "'expect' is missing: allow, deny or only");
	}
	r = r ? r : read_expect(j, val_get(v, "expect"), &ret->expect, err);
	r = r ? r : read_place(j, v, "from", &ret->from, err);
	r = r ? r : read_place(j, v, "to", &ret->to, err);
	if (r == 0 && ret->expect == VERIFY_ONLY && !ret->port) {
		r = verify_wrong(&j->r, v, ERR_SYNTAX, err, "'only' needs a port");
	}
	return r;
}

/* ---- everything else ---- */

struct rest {
	struct place from, to;
	bool deny, named; /* named: 'from' was written */
};

static int read_rest(struct judge *j, const struct val *v, struct rest *ret, struct err *err)
{
	static const char *const keys[] = { "from", "to", "expect", NULL };
	struct slice word = v->type == VAL_OBJECT ? val_get_str(v, "expect") : val_str(v);
	int r = 0;

	*ret = (struct rest){ .from = j->everything,
		              .to = j->everything,
		              .deny = slice_is(word, "deny") };
	if (v->type == VAL_OBJECT) {
		r = verify_check_keys(&j->r, v, keys, "here: expect, from, to", err);
		ret->named = val_get(v, "from");
		if (r == 0 && val_get(v, "from")) {
			r = read_place(j, v, "from", &ret->from, err);
		}
		if (r == 0 && val_get(v, "to")) {
			r = read_place(j, v, "to", &ret->to, err);
		}
	}
	if (r == 0 && !ret->deny && !slice_is(word, "ignore")) {
		return verify_wrong(&j->r, v, ERR_SYNTAX, err, "everything else: deny or ignore");
	}
	return r;
}

/* Where a member stands in j->covered. */
static size_t slot_of(const struct judge *j, const struct place_member *x)
{
	return x->workload == UINT32_MAX ? j->r.s->workloads.n + x->end : x->workload;
}

static bool place_has(const struct place *p, const struct place_member *x)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct place_member *at = &p->at[mid];

		if (at->workload < x->workload ||
		    (at->workload == x->workload && at->end < x->end)) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low < p->n && p->at[low].workload == x->workload && p->at[low].end == x->end;
}

/* What the expectations speak of, from one source to every member. */
static int cover(struct judge *j, const rule_vec *rules, const struct place_member *from,
                 struct err *err)
{
	size_t n_ends;

	(void)matrix_ends(j->m, &n_ends);
	memset(j->covered, 0, (j->r.s->workloads.n + n_ends) * sizeof(*j->covered));
	for (size_t i = 0; i < rules->n; i++) {
		const struct flow_rule *rule = &rules->at[i];

		if (rule->expect == VERIFY_DENY || !place_has(&rule->from, from)) {
			continue;
		}
		for (size_t t = 0; t < rule->to.n; t++) {
			ports_id *slot = &j->covered[slot_of(j, &rule->to.at[t])], covers;
			struct verify_pair pair;
			int r = pair_of(j, rule, from, &rule->to.at[t], &pair, &covers, err);

			if (r < 0) {
				return r;
			}
			*slot = ports_pool_union(j->pool, *slot, covers);
		}
	}
	return 0;
}

static int judge_rest(struct judge *j, const rule_vec *rules, const struct val *v, struct err *err)
{
	struct verdicts so_far = { 0 };
	pair_vec pairs = { 0 };
	struct rest rest;
	size_t n_ends;
	const struct matrix_end *ends = matrix_ends(j->m, &n_ends);
	int r = read_rest(j, v, &rest, err);

	if (r < 0 || !rest.deny) {
		return r;
	}
	j->covered = ARENA_ARRAY(&j->r.v->arena, ports_id, j->r.s->workloads.n + n_ends + 1);
	for (size_t f = 0; f < rest.from.n && r == 0; f++) {
		const struct place_member *from = &rest.from.at[f];

		/* a node always reaches its pods: nobody means that by "everything else" */
		if (ends[from->end].kind == MATRIX_NODE && !rest.named) {
			continue;
		}
		r = cover(j, rules, from, err);
		for (size_t t = 0; t < rest.to.n && r == 0; t++) {
			struct verify_pair pair = { *from, rest.to.at[t], PORTS_NONE, PORTS_NONE };

			pair.forbid = ports_pool_minus(j->pool, PORTS_ALL,
			                               j->covered[slot_of(j, &pair.to)]);
			if (pair.forbid == PORTS_NONE || is_itself(&pair.from, &pair.to)) {
				continue;
			}
			judge_pair(j, &pair, &so_far);
			if (j->r.v->keep_pairs) {
				vec_push(&pairs, pair);
			}
		}
	}
	if (r == 0) {
		add_case(j, v, "everything else: deny", &pairs, &so_far);
	}
	strbuf_fini(&so_far.why);
	vec_fini(&pairs);
	return r;
}

/* ---- together ---- */

static int read_flows(struct judge *j, const struct val *flows, rule_vec *rules, struct err *err)
{
	if (flows && flows->type != VAL_ARRAY) {
		return verify_wrong(&j->r, flows, ERR_SYNTAX, err, "flows must be a list");
	}
	val_for_each (flows, it) {
		struct flow_rule rule;
		int r = read_flow(j, it, &rule, err);

		if (r < 0) {
			return r;
		}
		vec_push(rules, rule);
	}
	return 0;
}

static int judge_all(struct judge *j, const struct val *root, rule_vec *rules, struct err *err)
{
	static const char *const keys[] = { "flows", "requests", "everything else", NULL };
	const struct val *rest = val_get(root, "everything else");
	int r;

	if (!root || root->type != VAL_OBJECT) {
		return verify_wrong(
			&j->r, root, ERR_SYNTAX, err,
			"expectations are a mapping of 'flows', 'requests' and 'everything else'");
	}
	r = verify_check_keys(&j->r, root, keys, "here: flows, requests, everything else", err);
	if (r == 0 && !val_len(val_get(root, "flows")) && !val_len(val_get(root, "requests")) &&
	    !rest) {
		r = verify_wrong(&j->r, root, ERR_SYNTAX, err,
		                 "nothing is expected: 'flows', 'requests' and 'everything else' "
		                 "are missing");
	}
	r = r ? r : read_flows(j, val_get(root, "flows"), rules, err);
	for (size_t i = 0; i < rules->n && r == 0; i++) {
		r = judge_flow(j, &rules->at[i], err);
	}
	r = r ? r : verify_requests(&j->r, val_get(root, "requests"), err);
	if (r == 0 && rest) {
		r = judge_rest(j, rules, rest, err);
	}
	return r;
}

int verify_run(struct verify *v, struct subject *s, struct matrix *m, const char *file,
               const struct val *root, struct err *err)
{
	struct judge j = { .r = { v, s, file }, .m = m, .pool = matrix_pool(m) };
	rule_vec rules = { 0 };
	int r = place_of_text(&v->arena, s, m, SLICE("everything"), &j.everything, err);

	r = r ? r : judge_all(&j, root, &rules, err);
	v->notes = matrix_notes_of_subject(&v->arena, s);
	vec_fini(&rules);
	return r;
}
