/* Why: reviews are questions with an answer and no storage. Source: reference 5.3 */
#include "api/api-priv.h"
#include "api/authenticate.h"
#include "api/authorize.h"
#include "api/body.h"
#include "api/fail.h"
#include "api/pod.h"
#include "api/verbs.h"
#include "base/mem.h"

/* ---- access ---- */

static void fill_access(struct access *x, const struct val *spec)
{
	const struct val *r = val_get(spec, "resourceAttributes");
	const struct val *n = val_get(spec, "nonResourceAttributes");

	if (n) {
		x->verb = val_get_str(n, "verb");
		x->path = val_get_str(n, "path");
		return;
	}
	x->verb = val_get_str(r, "verb");
	x->group = val_get_str(r, "group");
	x->resource = val_get_str(r, "resource");
	x->subresource = val_get_str(r, "subresource");
	x->ns = val_get_str(r, "namespace");
	x->name = val_get_str(r, "name");
}

static int answer_access(struct call *c, struct val *v, const struct user *user)
{
	const struct val *spec = val_get(v, "spec");
	struct val *status = val_set(c->arena, v, "status", val_new_object(c->arena));
	struct access x = { .user = user };

	if (!val_get(spec, "resourceAttributes") == !val_get(spec, "nonResourceAttributes")) {
		return fail_field(
			c, c->kind, SLICE(""), "FieldValueInvalid", "spec.resourceAttributes",
			"Invalid value: \"null\": exactly one of nonResourceAttributes or "
			"resourceAttributes must be specified");
	}
	fill_access(&x, spec);
	val_set_bool(c->arena, status, "allowed", access_is_allowed(c->api, &x));
	return call_answer_object(c, 201, c->kind, v, SLICE(""));
}

static int self_access(struct call *c, struct val *v)
{
	return answer_access(c, v, &c->user);
}

/* The user of spec.user and spec.groups. */
static int subject_access(struct call *c, struct val *v)
{
	const struct val *spec = val_get(v, "spec"), *groups = val_get(spec, "groups");
	struct slice *at = ARENA_ARRAY(c->arena, struct slice, val_len(groups) + 1);
	struct user user = { .name = val_get_str(spec, "user"), .groups = at };

	val_for_each (groups, it) {
		at[user.n_groups++] = val_str(it);
	}
	if (!user.name.len && !user.n_groups) {
		return fail_field(c, c->kind, SLICE(""), "FieldValueInvalid", "spec.user",
		                  "Invalid value: \"\": at least one of user or group must be "
		                  "specified");
	}
	if (c->kind->namespaced &&
	    !slice_eq(val_str(val_path(spec, "resourceAttributes.namespace")), c->route.ns)) {
		return fail_field(c, c->kind, SLICE(""), "FieldValueInvalid",
		                  "spec.resourceAttributes.namespace",
		                  "Invalid value: must match metadata.namespace");
	}
	return answer_access(c, v, &user);
}

/* ---- rules ---- */

struct rules {
	struct arena *arena;
	struct val *resources, *paths;
};

static void copy_list(struct rules *r, struct val *to, const struct val *rule, const char *key)
{
	if (val_len(val_get(rule, key))) {
		val_set(r->arena, to, key, val_copy(r->arena, val_get(rule, key)));
	}
}

static void add_rule(void *arg, const struct val *rule)
{
	struct rules *r = arg;
	struct val *to;

	if (val_len(val_get(rule, "resources"))) {
		to = val_append(r->resources, val_new_object(r->arena));
		copy_list(r, to, rule, "verbs");
		copy_list(r, to, rule, "apiGroups");
		copy_list(r, to, rule, "resources");
		copy_list(r, to, rule, "resourceNames");
	}
	if (val_len(val_get(rule, "nonResourceURLs"))) {
		to = val_append(r->paths, val_new_object(r->arena));
		copy_list(r, to, rule, "verbs");
		copy_list(r, to, rule, "nonResourceURLs");
	}
}

static void add_everything(struct rules *r)
{
	struct val *rule = val_new_object(r->arena);
	static const char *const lists[] = { "verbs", "apiGroups", "resources", "nonResourceURLs" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		val_append(val_need_array(r->arena, rule, lists[i]), val_new_cstr(r->arena, "*"));
	}
	add_rule(r, rule);
}

static int self_rules(struct call *c, struct val *v)
{
	struct slice ns = val_str(val_path(v, "spec.namespace"));
	struct val *status = val_set(c->arena, v, "status", val_new_object(c->arena));
	struct rules r = { c->arena, val_need_array(c->arena, status, "resourceRules"),
		           val_need_array(c->arena, status, "nonResourceRules") };

	if (!ns.len) {
		return fail_code(c, ERR_SYNTAX, "no namespace on request");
	}
	if (user_has_group(&c->user, "system:masters")) {
		add_everything(&r);
	}
	access_each_rule(c->api, &c->user, ns, add_rule, &r);
	val_set_bool(c->arena, status, "incomplete", false);
	return call_answer_object(c, 201, c->kind, v, SLICE(""));
}

/* ---- identity ---- */

static int self_subject(struct call *c, struct val *v)
{
	struct val *status = val_set(c->arena, v, "status", val_new_object(c->arena));

	val_set(c->arena, status, "userInfo", user_info(c->arena, &c->user));
	return call_answer_object(c, 201, c->kind, v, SLICE(""));
}

static int token_review(struct call *c, struct val *v)
{
	struct val *status = val_set(c->arena, v, "status", val_new_object(c->arena));
	struct slice token = val_str(val_path(v, "spec.token"));
	const struct val *audiences = val_path(v, "spec.audiences");
	struct user user;
	struct err err = { 0 };

	if (!token.len) {
		return fail_code(c, ERR_SYNTAX,
		                 "token is required for TokenReview in authentication");
	}
	if (token_user(c->api, c->arena, token, audiences, &user, &err) < 0) {
		val_set_bool(c->arena, status, "authenticated", false);
		val_set_cstr(c->arena, status, "error", err.msg);
		return call_answer_object(c, 201, c->kind, v, SLICE(""));
	}
	val_set_bool(c->arena, status, "authenticated", true);
	val_set(c->arena, status, "user", user_info(c->arena, &user));
	if (val_len(audiences)) {
		val_set(c->arena, status, "audiences", val_copy(c->arena, audiences));
	}
	return call_answer_object(c, 201, c->kind, v, SLICE(""));
}

int review_create(struct call *c)
{
	static const struct {
		const char *kind;
		int (*run)(struct call *c, struct val *v);
	} reviews[] = {
		{ "SelfSubjectAccessReview", self_access },
		{ "SubjectAccessReview", subject_access },
		{ "LocalSubjectAccessReview", subject_access },
		{ "SelfSubjectRulesReview", self_rules },
		{ "SelfSubjectReview", self_subject },
		{ "TokenReview", token_review },
	};
	struct val *v;
	int r;

	if (c->kind == c->api->kinds.binding) {
		return pod_bind_by_name(c);
	}
	for (size_t i = 0; i < ARRAY_SIZE(reviews); i++) {
		if (strcmp(c->kind->kind, reviews[i].kind) == 0) {
			r = body_object(c, c->kind, &v);
			return r < 0 ? r : reviews[i].run(c, v);
		}
	}
	return fail_code(c, ERR_METHOD,
	                 "the server does not allow this method on the requested resource");
}
