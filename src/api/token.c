/* Why: pods prove who they are with these. See token.h. */
#include "api/token.h"

#include "api/api-priv.h"
#include "api/body.h"
#include "api/fail.h"
#include "api/limits.h"
#include "base/chance.h"
#include "base/clock.h"
#include "codec/json.h"
#include "http/pki.h"
#include "schema/object.h"

#define LEEWAY_US (10 * US_PER_S) /* clocks of one machine hardly differ */

/* ---- making ---- */

static struct val *name_and_uid(struct arena *a, const struct val *object)
{
	struct val *v = val_new_object(a);

	val_set_str(a, v, "name", val_str(val_path(object, "metadata.name")));
	val_set_str(a, v, "uid", val_str(val_path(object, "metadata.uid")));
	return v;
}

static struct val *make_claims(struct arena *a, const struct token_request *t, int64_t now_s)
{
	struct val *v = val_new_object(a), *k;
	struct slice ns = val_str(val_path(t->account, "metadata.namespace"));
	char id[UUID_TEXT_SIZE];

	if (val_len(t->audiences)) {
		val_set(a, v, "aud", val_copy(a, t->audiences));
	} else {
		val_append(val_need_array(a, v, "aud"), val_new_cstr(a, TOKEN_ISSUER));
	}
	val_set_int(a, v, "exp", now_s + t->life_s);
	val_set_int(a, v, "iat", now_s);
	val_set_cstr(a, v, "iss", TOKEN_ISSUER);
	val_set_cstr(a, v, "jti", chance_uuid(id));
	k = val_need_object(a, v, "kubernetes.io");
	val_set_str(a, k, "namespace", ns);
	if (t->bound) {
		val_set(a, k, t->bound_kind, name_and_uid(a, t->bound));
	}
	val_set(a, k, "serviceaccount", name_and_uid(a, t->account));
	if (t->life_s == 3607) { /* what pods get: they are told to come back early */
		val_set_int(a, k, "warnafter", now_s + t->life_s);
		val_set_int(a, v, "exp", now_s + TOKEN_LIFE_MAX_S);
	}
	val_set_int(a, v, "nbf", now_s);
	val_set(a, v, "sub",
	        val_new_strf(a, "system:serviceaccount:" SLICE_FMT ":" SLICE_FMT, SLICE_ARG(ns),
	                     SLICE_ARG(val_str(val_path(t->account, "metadata.name")))));
	return v;
}

int token_sign(struct api *api, struct arena *a, const struct token_request *t, struct strbuf *out,
               struct err *err)
{
	scoped_strbuf struct strbuf text = { 0 };

	json_write(&text, make_claims(a, t, api_wall_us(api) / US_PER_S));
	return pki_jwt_sign(strbuf_slice(&api->token_key), strbuf_slice(&text), out, err);
}

/* ---- reading ---- */

int token_claims_read(const struct val *claims, int64_t now_wall_us, struct token_claims *ret,
                      struct err *err)
{
	const struct val *k = val_get(claims, "kubernetes.io"), *audience = val_get(claims, "aud");
	int64_t now_s = now_wall_us / US_PER_S, leeway_s = LEEWAY_US / US_PER_S;

	if (!slice_is(val_get_str(claims, "iss"), TOKEN_ISSUER)) {
		return err_raise(err, ERR_UNAUTHORIZED, "token is from another issuer");
	}
	if (val_int(val_get(claims, "exp"), 0) + leeway_s <= now_s) {
		return err_raise(err, ERR_UNAUTHORIZED, "service account token has expired");
	}
	if (val_int(val_get(claims, "nbf"), 0) > now_s + leeway_s) {
		return err_raise(err, ERR_UNAUTHORIZED, "service account token is not valid yet");
	}
	*ret = (struct token_claims){
		.ns = val_get_str(k, "namespace"),
		.account = val_str(val_path(k, "serviceaccount.name")),
		.uid = val_str(val_path(k, "serviceaccount.uid")),
		.pod = val_str(val_path(k, "pod.name")),
		.pod_uid = val_str(val_path(k, "pod.uid")),
		.secret = val_str(val_path(k, "secret.name")),
		.secret_uid = val_str(val_path(k, "secret.uid")),
		.audiences = audience,
	};
	if (!ret->ns.len || !ret->account.len || !ret->uid.len) {
		return err_raise(err, ERR_UNAUTHORIZED, "token names no service account");
	}
	return 0;
}

static bool holds(const struct val *list, struct slice s)
{
	if (list && list->type == VAL_STRING) {
		return slice_eq(list->s, s);
	}
	val_for_each (list, it) {
		if (slice_eq(val_str(it), s)) {
			return true;
		}
	}
	return false;
}

static bool is_for(const struct val *token_audiences, const struct val *wanted)
{
	if (!val_len(wanted)) {
		return holds(token_audiences, SLICE(TOKEN_ISSUER));
	}
	val_for_each (wanted, it) {
		if (holds(token_audiences, val_str(it))) {
			return true;
		}
	}
	return false;
}

static bool exists(const struct api *api, const struct kind *k, struct slice ns, struct slice name,
                   struct slice uid)
{
	const struct doc *d = store_get(api->store, (struct key){ k, ns, name });

	return d && slice_eq(val_str(val_path(d->root, "metadata.uid")), uid);
}

int token_verify(struct api *api, struct arena *a, struct slice token, const struct val *audiences,
                 struct token_claims *ret, struct err *err)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct val *claims = NULL;
	int r = pki_jwt_verify(strbuf_slice(&api->token_key), token, &text, err);

	if (r == 0 && json_parse(a, strbuf_slice(&text), 0, &claims, err) < 0) {
		r = err_raise(err, ERR_UNAUTHORIZED, "token's claims are malformed");
	}
	r = r < 0 ? r : token_claims_read(claims, api_wall_us(api), ret, err);
	if (r < 0) {
		return r;
	}
	if (!is_for(ret->audiences, audiences)) {
		return err_raise(err, ERR_UNAUTHORIZED, "token is not for this audience");
	}
	if (!exists(api, api->kinds.service_account, ret->ns, ret->account, ret->uid)) {
		return err_raise(err, ERR_UNAUTHORIZED,
		                 "service account " SLICE_FMT "/" SLICE_FMT " has been deleted",
		                 SLICE_ARG(ret->ns), SLICE_ARG(ret->account));
	}
	if (ret->pod.len && !exists(api, api->kinds.pod, ret->ns, ret->pod, ret->pod_uid)) {
		return err_raise(err, ERR_UNAUTHORIZED, "the pod of the token is gone");
	}
	if (ret->secret.len &&
	    !exists(api, api->kinds.secret, ret->ns, ret->secret, ret->secret_uid)) {
		return err_raise(err, ERR_UNAUTHORIZED, "the secret of the token is gone");
	}
	return 0;
}

/* ---- the subresource ---- */

/* The object that the token shall die with. */
static int find_bound(struct call *c, const struct val *ref, struct token_request *t)
{
	struct slice kind = val_get_str(ref, "kind"), name = val_get_str(ref, "name");
	bool is_pod = slice_is(kind, "Pod");
	const struct kind *k = is_pod ? c->api->kinds.pod : c->api->kinds.secret;
	const struct doc *d;

	if (!ref) {
		return 0;
	}
	if (!is_pod && !slice_is(kind, "Secret")) {
		return fail_field(c, c->api->kinds.token_request, SLICE(""),
		                  "FieldValueNotSupported", "spec.boundObjectRef.kind",
		                  "Unsupported value: \"" SLICE_FMT
		                  "\": supported values: \"Pod\", \"Secret\"",
		                  SLICE_ARG(kind));
	}
	d = store_get(c->api->store, (struct key){ k, c->route.ns, name });
	if (!d) {
		return fail_not_found(c, k, name);
	}
	if (val_get_str(ref, "uid").len &&
	    !slice_eq(val_get_str(ref, "uid"), val_str(val_path(d->root, "metadata.uid")))) {
		return fail_conflict(c, k, name,
		                     "the UID in the bound object reference does not match");
	}
	if (is_pod &&
	    !slice_eq(val_str(val_path(d->root, "spec.serviceAccountName")), c->route.name)) {
		return fail_code(c, ERR_SYNTAX,
		                 "cannot bind token for serviceaccount \"" SLICE_FMT
		                 "\" to pod running with different serviceaccount name.",
		                 SLICE_ARG(c->route.name));
	}
	t->bound = d->root;
	t->bound_kind = is_pod ? "pod" : "secret";
	return 0;
}

int token_create(struct call *c)
{
	const struct kind *k = c->api->kinds.token_request;
	struct token_request t = { 0 };
	scoped_strbuf struct strbuf token = { 0 };
	struct err err = { 0 };
	const struct doc *account;
	struct val *v, *spec, *status;
	char text[TIME_TEXT_SIZE];
	int r = call_find(c, &account);

	r = r < 0 ? r : body_object(c, k, &v);
	if (r < 0) {
		return r;
	}
	spec = val_need_object(c->arena, v, "spec");
	t.account = account->root;
	t.audiences = val_get(spec, "audiences");
	t.life_s = val_int(val_get(spec, "expirationSeconds"), 3600);
	if (t.life_s < TOKEN_LIFE_MIN_S) {
		return fail_field(
			c, k, SLICE(""), "FieldValueInvalid", "spec.expirationSeconds",
			"Invalid value: %lld: may not specify a duration less than 10 minutes",
			(long long)t.life_s);
	}
	t.life_s = t.life_s > TOKEN_LIFE_MAX_S ? TOKEN_LIFE_MAX_S : t.life_s;
	r = find_bound(c, val_get(spec, "boundObjectRef"), &t);
	r = r < 0 ? r : token_sign(c->api, c->arena, &t, &token, &err);
	if (r < 0) {
		return fail_err(c, r, &err);
	}
	val_set_int(c->arena, spec, "expirationSeconds", t.life_s);
	status = val_need_object(c->arena, v, "status");
	val_set_cstr(c->arena, status, "expirationTimestamp",
	             time_format(api_wall_us(c->api) + t.life_s * US_PER_S, text));
	val_set_str(c->arena, status, "token", strbuf_slice(&token));
	return call_answer_object(c, 201, k, v, SLICE(""));
}
