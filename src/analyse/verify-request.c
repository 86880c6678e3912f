/* Why: expectations about requests, which have an answer, not only a way: each is one question to explain, and what it
 * predicts is held against what was written; see verify.h. */
#include "analyse/verify-priv.h"

#include "analyse/explain.h"

/* ---- reading ---- */

/* 200, or 2xx. */
static bool read_status(const struct val *v, struct status_range *ret)
{
	struct slice s = val_str(v);
	int64_t number = val_int(v, 0);
	uint64_t parsed = 0;

	if (s.len == 3 && slice_has_suffix(s, SLICE("xx")) && s.p[0] >= '1' && s.p[0] <= '5') {
		*ret = (struct status_range){ (s.p[0] - '0') * 100, (s.p[0] - '0') * 100 + 99 };
		return true;
	}
	if (s.len && slice_to_u64(s, &parsed) && parsed < 1000) {
		number = (int64_t)parsed;
	}
	*ret = (struct status_range){ (int)number, (int)number };
	return number >= 100 && number <= 599;
}

static int read_statuses(struct verify_reader *r, const struct val *v, struct verify_request *ret,
                         struct err *err)
{
	const struct val *it = v->type == VAL_ARRAY ? v->first : v;
	size_t n = v->type == VAL_ARRAY ? val_len(v) : 1;

	ret->statuses = ARENA_ARRAY(&r->v->arena, struct status_range, n + 1);
	for (; ret->n_statuses < n; it = it->next) {
		if (!read_status(it, &ret->statuses[ret->n_statuses++])) {
			return verify_wrong(
				r, it, ERR_SYNTAX, err,
				"status is one of 100 to 599, or 2xx, or a list of such");
		}
	}
	return n ? 0 : verify_wrong(r, v, ERR_SYNTAX, err, "status is an empty list");
}

static int read_expected(struct verify_reader *r, const struct val *v, struct verify_request *ret,
                         struct err *err)
{
	const struct val *expect = val_get(v, "expect"), *status = val_get(v, "status");

	if (!expect == !status) {
		return verify_wrong(r, v, ERR_SYNTAX, err,
		                    "a request has either 'expect' (allow, deny) or 'status'");
	}
	if (status) {
		return read_statuses(r, status, ret, err);
	}
	ret->denied = slice_is(val_str(expect), "deny");
	return ret->denied || slice_is(val_str(expect), "allow")
	               ? 0
	               : verify_wrong(r, expect, ERR_SYNTAX, err,
	                              "expect must be allow or deny here");
}

static int read_text(struct verify_reader *r, const struct val *parent, const char *key,
                     const char *otherwise, const char **ret, struct err *err)
{
	const struct val *v = val_get(parent, key);

	if (!v && !otherwise) {
		return verify_wrong(r, parent, ERR_SYNTAX, err, "'%s' is missing", key);
	}
	if (v && (v->type != VAL_STRING || !v->s.len)) {
		return verify_wrong(r, v, ERR_SYNTAX, err, "'%s' must be a text", key);
	}
	*ret = v ? arena_slice(&r->v->arena, v->s).p : otherwise;
	return 0;
}

static const char *name_of(struct verify_reader *r, const struct val *v,
                           const struct verify_request *q)
{
	scoped_strbuf struct strbuf b = { 0 };

	strbuf_addf(&b, "%s -> %s: ", q->from, q->to);
	for (size_t i = 0; i < q->n_statuses; i++) {
		const struct status_range *s = &q->statuses[i];

		strbuf_addf(&b, s->from == s->to ? "%s%d" : "%s%dxx", i ? " or " : "HTTP ",
		            s->from == s->to ? s->from : s->from / 100);
	}
	strbuf_adds(&b, q->n_statuses ? "" : q->denied ? "deny" : "allow");
	return val_get_str(v, "name").len ? arena_slice(&r->v->arena, val_get_str(v, "name")).p
	                                  : arena_strdup(&r->v->arena, strbuf_str(&b));
}

/* ---- judging ---- */

bool verify_request_admits(const struct verify_request *q, int status)
{
	for (size_t i = 0; i < q->n_statuses; i++) {
		if (status >= q->statuses[i].from && status <= q->statuses[i].to) {
			return true;
		}
	}
	return false;
}

static bool is_as_expected(const struct verify_request *q, const struct explain_path *p)
{
	if (!q->n_statuses) {
		return !p->ends != q->denied;
	}
	/* what the program says is not in files */
	return p->answer == EXPLAIN_PROGRAM || verify_request_admits(q, p->answer);
}

static void tell(struct strbuf *out, const struct explain_path *p)
{
	if (p->answer > 0) {
		strbuf_addf(out, "predicted is HTTP %d", p->answer);
	} else {
		strbuf_adds(out, p->answer == EXPLAIN_PROGRAM ? "predicted is an answer"
		                                              : "predicted is no answer");
	}
	if (p->ends) {
		strbuf_addf(out, " at the %s: %s", explain_hop_text(p->ends->hop),
		            p->ends->cause ? p->ends->cause
		                           : p->ends->notes.at[p->ends->notes.n - 1].text);
	}
	strbuf_addc(out, '\n');
	if (p->ends && p->ends->repair) {
		strbuf_addf(out, "  to mend it: %s\n", p->ends->repair);
	}
}

static void judge(const struct verify_request *q, const struct explanation *x, struct strbuf *why)
{
	for (size_t i = 0; i < x->paths.n; i++) {
		const struct explain_path *p = x->paths.at[i];

		if (!p->is_alternative && !is_as_expected(q, p)) {
			tell(why, p);
			return;
		}
	}
}

static int read_request(struct verify_reader *r, const struct val *v, struct verify_request *ret,
                        struct err *err)
{
	static const char *const keys[] = { "from", "to", "expect", "status", "name", NULL };
	int code;

	*ret = (struct verify_request){ 0 };
	if (v->type != VAL_OBJECT) {
		return verify_wrong(r, v, ERR_SYNTAX, err,
		                    "a request is a mapping of from, to and expect or status");
	}
	code = verify_check_keys(r, v, keys, "in a request: from, to, expect, status, name", err);
	code = code ? code : read_text(r, v, "from", "browser", &ret->from, err);
	code = code ? code : read_text(r, v, "to", NULL, &ret->to, err);
	if (code == 0 && slice_find(slice_of(ret->to), ':') < 0) {
		return verify_wrong(r, val_get(v, "to"), ERR_SYNTAX, err,
		                    "a request goes to a URL, http://... or https://...");
	}
	return code ? code : read_expected(r, v, ret, err);
}

static int judge_request(struct verify_reader *r, const struct val *v, struct err *err)
{
	struct verify_request *q = ARENA_NEW(&r->v->arena, struct verify_request);
	scoped_strbuf struct strbuf why = { 0 };
	struct explanation x = { 0 };
	struct err cause = { 0 };
	int code = read_request(r, v, q, err);

	if (code < 0) {
		return code;
	}
	code = explain_make(r->s, slice_of(q->from), slice_of(q->to), &x, &cause);
	if (code < 0) {
		return verify_wrong(r, v, ERR_NOTFOUND, err, "%s", cause.msg);
	}
	judge(q, &x, &why);
	explanation_fini(&x);
	verify_add_case(r, v, name_of(r, v, q), &why)->request = q;
	return 0;
}

int verify_requests(struct verify_reader *r, const struct val *list, struct err *err)
{
	if (list && list->type != VAL_ARRAY) {
		return verify_wrong(r, list, ERR_SYNTAX, err, "requests must be a list");
	}
	val_for_each (list, it) {
		int code = judge_request(r, it, err);

		if (code < 0) {
			return code;
		}
	}
	return 0;
}
