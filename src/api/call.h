/* What: one request on its way through the steps of the server, and its answer.
 *
 * Life: in the request's own arena; gone when the answer is complete. A step that cannot go on
 * leaves its Status in call.failure (fail.h) and returns the negative code; the driver answers. */
#pragma once

#include "api/accept.h"
#include "api/options.h"
#include "api/route.h"
#include "api/user.h"
#include "http/server.h"
#include "schema/kind.h"
#include "store/store.h"

struct api;
struct subresource;

struct call {
	struct api *api;           /* borrowed */
	struct http_request *http; /* borrowed */
	struct arena *arena;       /* of the request */
	struct route route;
	struct options options;
	struct wanted wanted;
	struct user user;
	const struct kind *kind;       /* as the URL names it; null for plain paths */
	const struct subresource *sub; /* null: the object itself */
	struct val *failure;           /* Status; set by fail.h */
	struct val *warnings;          /* array of texts; may be null */
	int64_t started_us;
	/* an answer that waits for the commit */
	struct store_wait wait;
	int status;
	struct strbuf answer; /* JSON; owned until it is sent */
};

/* Entry: http_server's on_request; arg is the api. */
void call_start(void *arg, struct http_request *r);

/* ---- answers; each completes the call, at once or after the commit ---- */

/* An object as it is stored under kind k, in the shape that was asked for, after the commit. json:
 * its text when it is there, else empty. Returns 0. */
int call_answer_object(struct call *c, int status, const struct kind *k, const struct val *stored,
                       struct slice json);
/* Any JSON as it is (Status, reviews), after the commit. Returns 0. */
int call_answer_val(struct call *c, int status, const struct val *v);
/* Text as it is, at once. headers may be null. Returns 0. */
int call_answer_text(struct call *c, int status, const char *content_type, const char *headers,
                     struct slice text);
/* JSON that is ready, in the encoding that was asked for, after the commit; empties 'json'. Returns
 * 0. */
int call_answer_json_take(struct call *c, int status, struct strbuf *json);
/* Counts and forgets a call that answers for itself (watches, tunnels). */
void call_is_over(struct call *c, int status);
/* What a step left in call.failure. */
void call_answer_failure(struct call *c);
/* "Success" with the details of an object. */
struct val *call_success(struct call *c, const struct kind *k, struct slice name, struct slice uid);

/* ---- what steps ask ---- */

struct key call_key(const struct call *c); /* of the object that the URL names */
/* The object that the URL names, as stored; fails with 404. Borrowed. */
MUST_USE int call_find(struct call *c, const struct doc **ret);
void call_warn(struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* fieldManager, or the first part of the User-Agent. Terminated. */
const char *call_manager(struct call *c);
/* A header's value, empty when absent. */
struct slice call_header(const struct call *c, const char *name);
