/* Why: one convention for failures everywhere; see err.h. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *text;
	int http;
	const char *reason;
	bool retry;
	int exit_status;
} codes[ERR_CODE_COUNT] = {
	[ERR_NONE] = { "no error", 200, "", false, 0 },
#define ERR(name, text, http, reason, retry, exit_status)                                          \
	[ERR_##name] = { text, http, reason, retry, exit_status },
#include "base/errors.def"
#undef ERR
};

int err_raise_at(struct err *err, enum err_code code, const char *file, int line, const char *fmt,
                 ...)
{
	if (err) {
		va_list ap;

		*err = (struct err){ .code = code, .file = file, .line = line };
		va_start(ap, fmt);
		vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
	}
	return -(int)code;
}

static enum err_code code_of_errno(int sys)
{
	switch (sys) {
	case ENOMEM:
		return ERR_NOMEM;
	case ENOENT:
		return ERR_NOTFOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
		return ERR_FORBIDDEN;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	default:
		return ERR_IO;
	}
}

int err_sys_at(struct err *err, const char *file, int line, const char *fmt, ...)
{
	int sys = errno;
	enum err_code code = code_of_errno(sys);

	if (err) {
		va_list ap;
		int n;

		*err = (struct err){ .code = code, .sys = sys, .file = file, .line = line };
		va_start(ap, fmt);
		n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < sizeof(err->msg)) {
			snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s", strerror(sys));
		}
	}
	errno = sys;
	return -(int)code;
}

int err_while_at(struct err *err, int r, const char *fmt, ...)
{
	if (err) {
		char inner[sizeof(err->msg)];
		va_list ap;
		int n;

		memcpy(inner, err->msg, sizeof(inner));
		va_start(ap, fmt);
		n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < sizeof(err->msg)) {
			snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s", inner);
		}
	}
	return r;
}

const char *err_code_text(enum err_code code)
{
	return codes[code].text;
}

int err_code_http(enum err_code code)
{
	return codes[code].http;
}

const char *err_code_reason(enum err_code code)
{
	return codes[code].reason;
}

bool err_code_can_retry(enum err_code code)
{
	return codes[code].retry;
}

int err_code_exit(enum err_code code)
{
	return codes[code].exit_status;
}
