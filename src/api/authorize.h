/* What: may this user do that? Roles and bindings in the store, evaluated as they are. */
#pragma once

#include "api/user.h"
#include "base/strbuf.h"

struct api;
struct call;

struct access {
	const struct user *user;
	struct slice verb;
	/* a resource, unless path is set */
	struct slice group, resource, subresource, ns, name;
	struct slice path; /* a path without a resource */
};

bool access_is_allowed(const struct api *api, const struct access *x);
/* The sentence of a refusal: 'User "u" cannot get resource "pods" in API group "" at the ...' */
void access_refusal(struct strbuf *out, const struct access *x);
/* The step of a call. Failure: 403. */
int authorize(struct call *c);
/* May the call's user also do this? For rights beside the one of the URL. */
bool call_may(struct call *c, const char *verb, const char *group, const char *resource,
              struct slice ns, struct slice name);

/* Calls fn for each rule that applies to the user in a namespace (cluster-wide ones too). */
typedef void access_rule_fn(void *arg, const struct val *rule);
void access_each_rule(const struct api *api, const struct user *u, struct slice ns,
                      access_rule_fn *fn, void *arg);
/* Does one rule allow it? Pure. */
bool rule_allows(const struct val *rule, const struct access *x);
/* Has the user everything that these rules (an array) give in a namespace (empty: everywhere)? */
bool access_covers_rules(const struct api *api, const struct user *u, struct slice ns,
                         const struct val *rules);
/* The rules of what a binding's roleRef names; null when there is no such role. */
const struct val *role_rules(const struct api *api, const struct val *ref, struct slice ns);
