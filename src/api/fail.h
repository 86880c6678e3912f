/* What: Status answers for what went wrong, with the reasons and texts that clients match. Each
 * leaves the Status in call.failure and returns the negative code. Source: reference 3.9 */
#pragma once

#include "api/call.h"
#include "schema/object.h"

/* Code and reason come out of base/errors.def. */
int fail_code(struct call *c, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A failure of another room, as it stands. */
int fail_err(struct call *c, int r, const struct err *e);
/* A status and reason that are not in errors.def. */
int fail_reason(struct call *c, int status, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int fail_not_found(struct call *c, const struct kind *k, struct slice name);
int fail_exists(struct call *c, const struct kind *k, struct slice name);
/* 409 with a text of its own after the standard beginning. */
int fail_conflict(struct call *c, const struct kind *k, struct slice name, const char *why);
/* 403 '<plural> "name" is forbidden: why' */
int fail_forbidden(struct call *c, const struct kind *k, struct slice name, const char *why);
/* 422 with all findings; errors must not be empty. */
int fail_invalid(struct call *c, const struct kind *k, struct slice name,
                 const struct field_errors *errors);
/* 422 of one finding. */
int fail_field(struct call *c, const struct kind *k, struct slice name, const char *type,
               const char *path, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* A Status of the store's failure about an object. */
int fail_store(struct call *c, int r, const struct kind *k, struct slice name, const struct err *e);
/* Appends {reason, message, field} to the failure's causes. field may be null. */
void fail_cause(struct call *c, const char *reason, const char *message, const char *field);
void fail_retry_after(struct call *c, int seconds);
/* metav1.Status of a failure, outside of a call (ERROR events). */
struct val *fail_status(struct arena *a, int status, const char *reason, const char *message);
