/* What: JSON text (RFC 8259) to values and back.
 *
 * Limits: depth 1,000; text 512 MiB; the arena's own limit. Strings must be UTF-8; duplicate keys
 * keep the last unless JSON_STRICT. Failures name line and column. */
#pragma once

#include "base/err.h"
#include "codec/value.h"

enum {
	JSON_STRICT = 1, /* a duplicate key is a failure */
	JSON_MARK = 2,   /* a member that was there before under its name gets JSON_REPEATED */
};
enum {
	JSON_REPEATED = 2, /* in val.flags */
};

/* Failure: ERR_SYNTAX "line 3, column 14: expected ',' or '}'"; ERR_LIMIT. *ret_v lives in a. */
MUST_USE int json_parse(struct arena *a, struct slice text, unsigned flags, struct val **ret_v,
                        struct err *err);
/* The same into a fresh document. */
MUST_USE int json_parse_doc(struct slice text, unsigned flags, struct doc **ret_doc,
                            struct err *err);
/* Compact, members in order; '<', '>' and '&' are left as they are. */
void json_write(struct strbuf *out, const struct val *v);
/* With two spaces per level. */
void json_write_pretty(struct strbuf *out, const struct val *v);
/* One string with quotes and escapes. */
void json_write_str(struct strbuf *out, struct slice s);
