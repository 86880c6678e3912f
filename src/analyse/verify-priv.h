/* What: what the readers of expectations share: flows (verify.c), requests (verify-request.c). */
#pragma once

#include "analyse/verify.h"

struct verify_reader {
	struct verify *v;
	struct subject *s;
	const char *file;
};
/* "file:3:5: sentence". */
int verify_wrong(const struct verify_reader *r, const struct val *at, enum err_code code,
                 struct err *err, const char *fmt, ...) PRINTF_LIKE(5, 6);
MUST_USE int verify_check_keys(const struct verify_reader *r, const struct val *v,
                               const char *const *keys, const char *what, struct err *err);
/* why: empty when all is as expected; taken. The case stays where it is only until the next is added. */
struct verify_case *verify_add_case(struct verify_reader *r, const struct val *at, const char *name,
                                    struct strbuf *why);
/* The elements of 'requests' (may be null). */
MUST_USE int verify_requests(struct verify_reader *r, const struct val *list, struct err *err);
