/* Why: findings are worded in one place. See check.h. */
#include "schema/check.h"

#include <stdarg.h>

#include "base/mem.h"
#include "codec/json.h"
#include "schema/format.h"
#include "schema/label.h"

static const char *full_path(struct checker *c, const char *sub)
{
	const char *here = strbuf_str(&c->path.text);

	if (!*sub) {
		return here;
	}
	return arena_printf(c->wrong->arena, "%s%s%s", here, *here && *sub != '[' ? "." : "", sub);
}

static const char *shown(struct checker *c, const struct val *v)
{
	scoped_strbuf struct strbuf text = { 0 };

	if (!v) {
		return "\"\"";
	}
	json_write(&text, v);
	return arena_strdup(c->wrong->arena, strbuf_str(&text));
}

void bad_value(struct checker *c, const char *sub, const struct val *v, const char *fmt, ...)
{
	char *detail = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&detail, fmt, ap) < 0) {
		detail = NULL;
	}
	va_end(ap);
	field_errors_add(c->wrong, v, "FieldValueInvalid", full_path(c, sub),
	                 "Invalid value: %s: %s", shown(c, v), detail ? detail : "");
	free(detail);
}

void bad_int(struct checker *c, const char *sub, const struct val *where, int64_t i,
             const char *detail)
{
	field_errors_add(c->wrong, where, "FieldValueInvalid", full_path(c, sub),
	                 "Invalid value: %lld: %s", (long long)i, detail);
}

void bad_required(struct checker *c, const char *sub, const struct val *where, const char *detail)
{
	field_errors_add(c->wrong, where, "FieldValueRequired", full_path(c, sub),
	                 "Required value%s%s", detail ? ": " : "", detail ? detail : "");
}

void bad_forbidden(struct checker *c, const char *sub, const struct val *where, const char *detail)
{
	field_errors_add(c->wrong, where, "FieldValueForbidden", full_path(c, sub), "Forbidden: %s",
	                 detail);
}

void bad_duplicate(struct checker *c, const char *sub, const struct val *v)
{
	field_errors_add(c->wrong, v, "FieldValueDuplicate", full_path(c, sub),
	                 "Duplicate value: %s", shown(c, v));
}

void bad_not_found(struct checker *c, const char *sub, const struct val *v)
{
	field_errors_add(c->wrong, v, "FieldValueNotFound", full_path(c, sub), "Not found: %s",
	                 shown(c, v));
}

void bad_unsupported(struct checker *c, const char *sub, const struct val *v,
                     const char *const *values)
{
	scoped_strbuf struct strbuf list = { 0 };

	for (size_t i = 0; values[i]; i++) {
		strbuf_adds(&list, i ? ", " : "");
		json_write_str(&list, slice_of(values[i]));
	}
	field_errors_add(c->wrong, v, "FieldValueNotSupported", full_path(c, sub),
	                 "Unsupported value: %s: supported values: %s", shown(c, v),
	                 strbuf_str(&list));
}

void bad_too_long(struct checker *c, const char *sub, const struct val *v, size_t max)
{
	field_errors_add(c->wrong, v, "FieldValueTooLong", full_path(c, sub),
	                 "Too long: must have at most %zu bytes", max);
}

const char *sub_path(struct checker *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return arena_strdup(c->wrong->arena, text);
}

void check_labels(struct checker *c, const char *sub, const struct val *labels)
{
	val_for_each (labels, it) {
		const char *words = label_key_wrong(it->key);
		struct val key = {
			.type = VAL_STRING, .s = it->key, .line = it->line, .col = it->col
		};

		if (words) {
			bad_value(c, sub, &key, "%s", words);
		}
		words = label_value_wrong(val_str(it));
		if (words) {
			bad_value(c, sub, it, "%s", words);
		}
	}
}

void check_port_value(struct checker *c, const char *sub, const struct val *v)
{
	if (!v) {
		return;
	}
	if (v->type == VAL_STRING) {
		const char *words = format_wrong(FORMAT_PORT_NAME, v->s);

		if (words) {
			bad_value(c, sub, v, "%s", words);
		}
	} else if (v->type == VAL_INT && (v->i < 1 || v->i > 65535)) {
		bad_value(c, sub, v, "must be between 1 and 65535, inclusive");
	}
}

bool check_count_or_percent(struct checker *c, const char *sub, const struct val *v, int64_t *ret)
{
	int64_t i = val_int(v, 0);

	if (v && v->type == VAL_STRING) {
		const char *words = format_percent_wrong(v->s);

		if (words || !slice_to_i64(slice_head(v->s, v->s.len - 1), &i)) {
			bad_value(c, sub, v, "%s", words ? words : "must be a number");
			return false;
		}
	} else if (v && v->type == VAL_INT && v->i < 0) {
		bad_value(c, sub, v, "must be greater than or equal to 0");
		return false;
	}
	if (ret) {
		*ret = i;
	}
	return true;
}

void check_unique(struct checker *c, const char *sub, const struct val *list, const char *key)
{
	size_t i = 0;

	if (val_len(list) > 1000) {
		return; /* the work grows with the square; lists that long are refused elsewhere */
	}
	val_for_each (list, it) {
		const struct val *mine = val_get(it, key);

		val_for_each (list, before) {
			if (before == it) {
				break;
			}
			if (val_str(mine).len && val_eq(val_get(before, key), mine)) {
				bad_duplicate(c, sub_path(c, "%s[%zu].%s", sub, i, key), mine);
				break;
			}
		}
		i++;
	}
}
