/* What: tokens of service accounts: signed claims that say who somebody is, bound to objects that
 * must still exist. Source: reference 5.2 */
#pragma once

#include "base/err.h"
#include "codec/value.h"
#include "store/store.h"

struct api;

#define TOKEN_ISSUER "https://kubernetes.default.svc.cluster.local"

struct token_request {
	const struct val *account;   /* the ServiceAccount */
	const struct val *audiences; /* array; null or empty: the API's own */
	const struct val *bound;     /* a Pod or Secret that the token dies with; may be null */
	const char *bound_kind;      /* "pod" or "secret" */
	int64_t life_s;
};
MUST_USE int token_sign(struct api *api, struct arena *a, const struct token_request *t,
                        struct strbuf *out, struct err *err);

struct token_claims {                    /* borrowed from the tree */
	struct slice ns, account, uid;   /* of the service account */
	struct slice pod, pod_uid;       /* may be empty */
	struct slice secret, secret_uid; /* may be empty */
	const struct val *audiences;
};
/* Pure but for the signature: structure, times, issuer. Failure: ERR_UNAUTHORIZED. */
MUST_USE int token_claims_read(const struct val *claims, int64_t now_wall_us,
                               struct token_claims *ret, struct err *err);
/* Signature, claims, audience (one of 'audiences', or the API's own when null), and that everything
 * it is bound to exists. Failure: ERR_UNAUTHORIZED. */
MUST_USE int token_verify(struct api *api, struct arena *a, struct slice token,
                          const struct val *audiences, struct token_claims *ret, struct err *err);
/* POST serviceaccounts/NAME/token */
struct call;
int token_create(struct call *c);
