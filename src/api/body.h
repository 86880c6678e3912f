/* What: the body of a request as a value tree of the kind that the URL wants. */
#pragma once

#include "api/call.h"
#include "codec/value.h"

/* Any encoding (JSON, YAML, protobuf; none means JSON). *ret is null for an empty body. Failure:
 * 400, 413, 415. */
MUST_USE int body_parse(struct call *c, struct val **ret);
/* An object of kind k: parsed, held against its apiVersion and kind, decoded, unknown fields dealt
 * with as fieldValidation says. Failure: 400 in the server's words. */
MUST_USE int body_object(struct call *c, const struct kind *k, struct val **ret);
/* The same for a tree that came out of a patch; 422 about field "patch" where strict. */
MUST_USE int body_decode_patched(struct call *c, const struct kind *k, struct val *v);
/* The media type of the body, without parameters. */
struct slice body_type(const struct call *c);
