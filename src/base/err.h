/* What: a failure as a number to decide on, a sentence to read and a place to look.
 *
 * How to use: functions that can fail return 0 when done, a positive outcome of their own, or a
 * negative -enum err_code. The last argument is a caller-owned struct err that may be null and is
 * written on failure only. Each level that knows more puts its context in front (err_while). */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#define MUST_USE               __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum err_code {
	ERR_NONE = 0,
#define ERR(name, text, http, reason, retry, exit_status) ERR_##name,
#include "base/errors.def"
#undef ERR
	ERR_CODE_COUNT
};

struct err {
	enum err_code code; /* what the edges decide on */
	int sys;            /* errno behind it, or 0 */
	const char *file;   /* where it was raised; static */
	int line;           /* line in that file */
	char msg[232];      /* outermost context first; cut at the end when long */
};

/* Raises a failure: fills *err (if not null) and returns -code. */
#define err_raise(err, code, ...) err_raise_at((err), (code), __FILE__, __LINE__, __VA_ARGS__)
/* Raises ERR_IO from errno; the sentence gets ": strerror" appended. Returns -ERR_IO, or the
 * closer code for ENOMEM, ENOENT, EEXIST, EACCES/EPERM. */
#define err_sys(err, ...) err_sys_at((err), __FILE__, __LINE__, __VA_ARGS__)
/* Puts context in front of a failure on its way up; returns r unchanged. */
#define err_while(err, r, ...) err_while_at((err), (r), __VA_ARGS__)

int err_raise_at(struct err *err, enum err_code code, const char *file, int line, const char *fmt,
                 ...) PRINTF_LIKE(5, 6);
int err_sys_at(struct err *err, const char *file, int line, const char *fmt, ...) PRINTF_LIKE(4, 5);
int err_while_at(struct err *err, int r, const char *fmt, ...) PRINTF_LIKE(3, 4);

const char *err_code_text(enum err_code code);   /* "not found" */
int err_code_http(enum err_code code);           /* 404 */
const char *err_code_reason(enum err_code code); /* "NotFound" */
bool err_code_can_retry(enum err_code code);
int err_code_exit(enum err_code code); /* exit status of a command: 1 or 2 */

#ifdef __clang_analyzer__
/* The static analyser sees one file at a time; here is what the functions above promise: a failure is negative. */
#define err_is_negative(r)                                                                         \
	({                                                                                         \
		int negative = (r);                                                                \
		if (negative >= 0) {                                                               \
			__builtin_unreachable();                                                   \
		}                                                                                  \
		negative;                                                                          \
	})
#undef err_raise
#undef err_sys
#undef err_while
#define err_raise(err, code, ...)                                                                  \
	err_is_negative(err_raise_at((err), (code), __FILE__, __LINE__, __VA_ARGS__))
#define err_sys(err, ...)      err_is_negative(err_sys_at((err), __FILE__, __LINE__, __VA_ARGS__))
#define err_while(err, r, ...) err_is_negative(err_while_at((err), (r), __VA_ARGS__))
#endif
