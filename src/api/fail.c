/* Why: scripts and clients match these texts and reasons; they are written in one place. See
 * fail.h. */
#include "api/fail.h"

#include <stdarg.h>

#include "base/mem.h"

struct val *fail_status(struct arena *a, int status, const char *reason, const char *message)
{
	struct val *v = val_new_object(a);

	val_set_cstr(a, v, "kind", "Status");
	val_set_cstr(a, v, "apiVersion", "v1");
	val_need_object(a, v, "metadata");
	val_set_cstr(a, v, "status", "Failure");
	val_set_cstr(a, v, "message", message);
	val_set_cstr(a, v, "reason", reason);
	val_set_int(a, v, "code", status);
	return v;
}

static void set_status(struct call *c, int status, const char *reason, const char *message)
{
	c->failure = fail_status(c->arena, status, reason, message);
}

static char *format(struct call *c, const char *fmt, va_list ap)
{
	scoped_free char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0) {
		abort();
	}
	return arena_strdup(c->arena, text);
}

int fail_code(struct call *c, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_status(c, err_code_http(code), err_code_reason(code), format(c, fmt, ap));
	va_end(ap);
	return -(int)code;
}

int fail_err(struct call *c, int r, const struct err *e)
{
	enum err_code code = (enum err_code) - r;

	if (!c->failure) {
		return fail_code(c, code, "%s%s",
		                 err_code_http(code) == 500 ? "Internal error occurred: " : "",
		                 e && e->msg[0] ? e->msg : err_code_text(code));
	}
	return r;
}

int fail_reason(struct call *c, int status, const char *reason, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_status(c, status, reason, format(c, fmt, ap));
	va_end(ap);
	return -ERR_USAGE;
}

/* Which object it is about. */
static struct val *add_details(struct call *c, const struct kind *k, struct slice name,
                               const char *kind)
{
	struct val *d = val_need_object(c->arena, c->failure, "details");
	struct val *code = val_get(c->failure, "code");

	if (name.len) {
		val_set_str(c->arena, d, "name", name);
	}
	if (*k->group) {
		val_set_cstr(c->arena, d, "group", k->group);
	}
	val_set_cstr(c->arena, d, "kind", kind);
	/* code comes last, as people read it */
	val_unlink(c->failure, code);
	val_set_int(c->arena, c->failure, "code", code->i);
	return d;
}

int fail_not_found(struct call *c, const struct kind *k, struct slice name)
{
	int r = fail_code(c, ERR_NOTFOUND, "%s \"" SLICE_FMT "\" not found", kind_qualified(k),
	                  SLICE_ARG(name));

	add_details(c, k, name, k->plural);
	return r;
}

int fail_exists(struct call *c, const struct kind *k, struct slice name)
{
	int r = fail_code(c, ERR_EXISTS, "%s \"" SLICE_FMT "\" already exists", kind_qualified(k),
	                  SLICE_ARG(name));

	add_details(c, k, name, k->plural);
	return r;
}

int fail_conflict(struct call *c, const struct kind *k, struct slice name, const char *why)
{
	int r = fail_code(c, ERR_CONFLICT,
	                  "Operation cannot be fulfilled on %s \"" SLICE_FMT "\": %s",
	                  kind_qualified(k), SLICE_ARG(name), why);

	add_details(c, k, name, k->plural);
	return r;
}

int fail_forbidden(struct call *c, const struct kind *k, struct slice name, const char *why)
{
	int r = name.len ? fail_code(c, ERR_FORBIDDEN, "%s \"" SLICE_FMT "\" is forbidden: %s",
	                             kind_qualified(k), SLICE_ARG(name), why)
	                 : fail_code(c, ERR_FORBIDDEN, "%s is forbidden: %s", kind_qualified(k),
	                             why);

	add_details(c, k, name, k->plural);
	return r;
}

void fail_cause(struct call *c, const char *reason, const char *message, const char *field)
{
	struct val *d = val_need_object(c->arena, c->failure, "details");
	struct val *cause =
		val_append(val_need_array(c->arena, d, "causes"), val_new_object(c->arena));

	val_set_cstr(c->arena, cause, "reason", reason);
	val_set_cstr(c->arena, cause, "message", message);
	if (field && *field) {
		val_set_cstr(c->arena, cause, "field", field);
	}
}

void fail_retry_after(struct call *c, int seconds)
{
	val_set_int(c->arena, val_need_object(c->arena, c->failure, "details"), "retryAfterSeconds",
	            seconds);
}

int fail_invalid(struct call *c, const struct kind *k, struct slice name,
                 const struct field_errors *errors)
{
	scoped_strbuf struct strbuf text = { 0 };
	int r;

	strbuf_addf(&text, "%s%s%s \"" SLICE_FMT "\" is invalid: %s", k->kind, *k->group ? "." : "",
	            k->group, SLICE_ARG(name), errors->n > 1 ? "[" : "");
	for (size_t i = 0; i < errors->n; i++) {
		strbuf_addf(&text, "%s%s: %s", i ? ", " : "", errors->at[i].path,
		            errors->at[i].detail);
	}
	strbuf_adds(&text, errors->n > 1 ? "]" : "");
	r = fail_code(c, ERR_INVALID, "%s", strbuf_str(&text));
	add_details(c, k, name, k->kind);
	for (size_t i = 0; i < errors->n; i++) {
		fail_cause(c, errors->at[i].type, errors->at[i].detail, errors->at[i].path);
	}
	return r;
}

int fail_field(struct call *c, const struct kind *k, struct slice name, const char *type,
               const char *path, const char *fmt, ...)
{
	struct field_errors one = { .arena = c->arena };
	va_list ap;

	va_start(ap, fmt);
	field_errors_add(&one, NULL, type, path, "%s", format(c, fmt, ap));
	va_end(ap);
	return fail_invalid(c, k, name, &one);
}

int fail_store(struct call *c, int r, const struct kind *k, struct slice name, const struct err *e)
{
	switch (-r) {
	case ERR_EXISTS:
		return fail_exists(c, k, name);
	case ERR_NOTFOUND:
		return fail_not_found(c, k, name);
	case ERR_CONFLICT:
		r = fail_err(c, r, e);
		add_details(c, k, name, k->plural);
		return r;
	default:
		return fail_err(c, r, e);
	}
}
