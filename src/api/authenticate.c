/* Why: nobody is served before it is known who they are. See authenticate.h. Source: reference 5.1,
 * 5.2 */
#include "api/authenticate.h"

#include "api/api-priv.h"
#include "api/authorize.h"
#include "api/fail.h"
#include "api/limits.h"
#include "api/token.h"
#include "base/base64.h"
#include "base/mem.h"

#define PROTOCOL_PREFIX "base64url.bearer.authorization.k8s.io."

static void set_groups(struct arena *a, struct user *u, const struct slice *groups, size_t n,
                       const char *also)
{
	struct slice *at = ARENA_ARRAY(a, struct slice, n + 1);

	for (size_t i = 0; i < n; i++) {
		at[i] = arena_slice(a, groups[i]);
	}
	at[n] = slice_of(also);
	u->groups = at;
	u->n_groups = n + 1;
}

static void set_anonymous(struct call *c)
{
	c->user.name = SLICE("system:anonymous");
	set_groups(c->arena, &c->user, NULL, 0, "system:unauthenticated");
}

bool user_is_anonymous(const struct user *u)
{
	return slice_is(u->name, "system:anonymous");
}

static void set_peer(struct call *c, const struct tls_peer *p)
{
	struct slice groups[ARRAY_SIZE(p->groups)] = { 0 };

	for (size_t i = 0; i < p->n_groups; i++) {
		groups[i] = slice_of(p->groups[i]);
	}
	c->user.name = arena_slice(c->arena, slice_of(p->user));
	set_groups(c->arena, &c->user, groups, p->n_groups, "system:authenticated");
}

/* ---- tokens ---- */

int token_user(struct api *api, struct arena *a, struct slice token, const struct val *audiences,
               struct user *ret, struct err *err)
{
	struct token_claims claims;
	struct slice groups[2];
	struct val *extra;
	int r = token_verify(api, a, token, audiences, &claims, err);

	if (r < 0) {
		return r;
	}
	*ret = (struct user){ .uid = claims.uid };
	ret->name = slice_of(arena_printf(a, "system:serviceaccount:" SLICE_FMT ":" SLICE_FMT,
	                                  SLICE_ARG(claims.ns), SLICE_ARG(claims.account)));
	groups[0] = SLICE("system:serviceaccounts");
	groups[1] = slice_of(
		arena_printf(a, "system:serviceaccounts:" SLICE_FMT, SLICE_ARG(claims.ns)));
	set_groups(a, ret, groups, 2, "system:authenticated");
	if (claims.pod.len) {
		extra = val_new_object(a);
		val_append(val_need_array(a, extra, "authentication.kubernetes.io/pod-name"),
		           val_new_str(a, claims.pod));
		val_append(val_need_array(a, extra, "authentication.kubernetes.io/pod-uid"),
		           val_new_str(a, claims.pod_uid));
		ret->extra = extra;
	}
	return 0;
}

struct slice token_of_protocols(struct arena *a, struct slice protocols)
{
	struct slice rest = protocols, protocol;

	while (slice_next(&rest, ',', &protocol)) {
		scoped_strbuf struct strbuf token = { 0 };

		protocol = slice_trim(protocol);
		if (slice_has_prefix(protocol, SLICE(PROTOCOL_PREFIX)) &&
		    base64_decode(&token, slice_from(protocol, sizeof(PROTOCOL_PREFIX) - 1))) {
			return arena_slice(a, strbuf_slice(&token));
		}
	}
	return SLICE("");
}

int authenticate(struct call *c)
{
	struct slice header = call_header(c, "Authorization"), token = SLICE("");
	struct err err = { 0 };

	if (c->http->peer) {
		set_peer(c, c->http->peer);
		return 0;
	}
	if (header.len > 7 && slice_eq_nocase(slice_head(header, 7), SLICE("Bearer "))) {
		token = slice_trim(slice_from(header, 7));
	} else if (header.len) {
		return fail_code(c, ERR_UNAUTHORIZED, "Unauthorized");
	} else if (c->http->wants_upgrade) {
		token = token_of_protocols(c->arena, call_header(c, "Sec-WebSocket-Protocol"));
	}
	if (!token.len) {
		set_anonymous(c);
		return 0;
	}
	return token_user(c->api, c->arena, token, NULL, &c->user, &err) < 0
	               ? fail_code(c, ERR_UNAUTHORIZED, "Unauthorized")
	               : 0;
}

/* ---- impersonation ---- */

static bool may_impersonate(struct call *c, const char *resource, struct slice ns,
                            struct slice name)
{
	return call_may(c, "impersonate", "", resource, ns, name);
}

static int refuse(struct call *c, const char *resource, struct slice ns, struct slice name)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct access x = { .user = &c->user,
		            .verb = SLICE("impersonate"),
		            .group = SLICE(""),
		            .resource = slice_of(resource),
		            .ns = ns,
		            .name = name };

	access_refusal(&text, &x);
	return fail_code(c, ERR_FORBIDDEN, "%s \"" SLICE_FMT "\" is forbidden: %s", resource,
	                 SLICE_ARG(name), strbuf_str(&text));
}

/* "system:serviceaccount:NS:NAME" */
static bool is_account(struct slice user, struct slice *ns, struct slice *name)
{
	static const struct slice prefix = { "system:serviceaccount:", 22 };

	return slice_has_prefix(user, prefix) &&
	       slice_cut(slice_from(user, prefix.len), ':', ns, name);
}

static int check_user(struct call *c, struct slice user)
{
	struct slice ns = SLICE(""), name;

	if (is_account(user, &ns, &name)) {
		return may_impersonate(c, "serviceaccounts", ns, name)
		               ? 0
		               : refuse(c, "serviceaccounts", ns, name);
	}
	return may_impersonate(c, "users", SLICE(""), user) ? 0
	                                                    : refuse(c, "users", SLICE(""), user);
}

static int read_groups(struct call *c, struct slice *groups, size_t *n)
{
	const struct http_headers *h = &c->http->headers;

	for (size_t i = 0; i < h->n; i++) {
		struct slice group = h->at[i].value;

		if (!slice_eq_nocase(h->at[i].name, SLICE("Impersonate-Group"))) {
			continue;
		}
		if (*n == IMPERSONATE_GROUPS_MAX) {
			return fail_code(c, ERR_SYNTAX, "too many Impersonate-Group headers");
		}
		if (!may_impersonate(c, "groups", SLICE(""), group)) {
			return refuse(c, "groups", SLICE(""), group);
		}
		groups[(*n)++] = group;
	}
	return 0;
}

static void account_groups(struct call *c, struct slice user, struct slice *groups, size_t *n)
{
	struct slice ns, name;

	if (*n == 0 && is_account(user, &ns, &name)) {
		groups[(*n)++] = SLICE("system:serviceaccounts");
		groups[(*n)++] = slice_of(
			arena_printf(c->arena, "system:serviceaccounts:" SLICE_FMT, SLICE_ARG(ns)));
	}
}

int impersonate(struct call *c)
{
	struct slice user = call_header(c, "Impersonate-User"), groups[IMPERSONATE_GROUPS_MAX + 2];
	struct slice uid = call_header(c, "Impersonate-Uid");
	bool anonymous = slice_is(user, "system:anonymous");
	size_t n = 0;
	int r;

	if (!user.len) {
		return call_header(c, "Impersonate-Group").len
		               ? fail_code(c, ERR_SYNTAX,
		                           "requested impersonation without impersonating a user")
		               : 0;
	}
	r = check_user(c, user);
	r = r < 0 ? r : read_groups(c, groups, &n);
	if (r < 0) {
		return r;
	}
	if (uid.len && !may_impersonate(c, "uids", SLICE(""), uid)) {
		return refuse(c, "uids", SLICE(""), uid);
	}
	account_groups(c, user, groups, &n);
	c->user = (struct user){ .name = arena_slice(c->arena, user), .uid = uid };
	set_groups(c->arena, &c->user, groups, n,
	           anonymous ? "system:unauthenticated" : "system:authenticated");
	return 0;
}
