/* What: who sends a request: a client certificate, or a service account's token. */
#pragma once

#include "api/call.h"

/* Fills in call.user. Failure: 401 for a wrong credential; none at all gives system:anonymous. */
MUST_USE int authenticate(struct call *c);
bool user_is_anonymous(const struct user *u);
/* Takes the headers Impersonate-* into account. Failure: 403, 400. */
MUST_USE int impersonate(struct call *c);
/* Whose token is it? audiences: it must be for one of them; null or empty: for the API. Failure:
 * ERR_UNAUTHORIZED with a reason for TokenReview. */
MUST_USE int token_user(struct api *api, struct arena *a, struct slice token,
                        const struct val *audiences, struct user *ret, struct err *err);
/* A WebSocket client's token, from its subprotocols; empty when there is none. */
struct slice token_of_protocols(struct arena *a, struct slice protocols);
