/* Why: values of custom kinds are held against the schema that their author wrote, in the words of
 * the real server. Source: k8s/crd#validation */
#include <math.h>
#include <regex.h>

#include "base/clock.h"
#include "base/ip.h"
#include "base/mem.h"
#include "schema/check.h"
#include "schema/custom.h"
#include "schema/limits.h"

static void check_schema(struct checker *c, const struct val *schema, const struct val *v,
                         unsigned depth);

static const char *here(struct checker *c)
{
	return c->path.text.size ? strbuf_str(&c->path.text) : "<nil>";
}

/* ---- types ---- */

static const char *type_name(const struct val *v)
{
	static const char *const names[] = { "null",   "boolean", "integer", "number",
		                             "string", "array",   "object" };

	return names[v->type];
}

static bool is_of_type(const struct val *v, struct slice type)
{
	if (slice_is(type, "number")) {
		return v->type == VAL_INT || v->type == VAL_FLOAT;
	}
	if (slice_is(type, "integer")) {
		return v->type == VAL_INT || (v->type == VAL_FLOAT && v->d == floor(v->d));
	}
	return slice_is(type, type_name(v));
}

static void wrong_type(struct checker *c, const struct val *v, const char *wanted)
{
	field_errors_add(c->wrong, v, "FieldValueTypeInvalid", strbuf_str(&c->path.text),
	                 "Invalid value: \"%s\": %s in body must be of type %s: \"%s\"",
	                 type_name(v), here(c), wanted, type_name(v));
}

static bool check_type(struct checker *c, const struct val *schema, const struct val *v)
{
	const struct val *type = val_get(schema, "type");

	if (v->type == VAL_NULL && val_bool(val_get(schema, "nullable"), false)) {
		return false; /* nothing more to look at */
	}
	if (val_bool(val_get(schema, "x-kubernetes-int-or-string"), false)) {
		if (v->type != VAL_INT && v->type != VAL_STRING) {
			wrong_type(c, v, "integer,string");
			return false;
		}
		return true;
	}
	if (val_str(type).len && !is_of_type(v, type->s)) {
		wrong_type(c, v, val_cstr(type));
		return false;
	}
	return true;
}

/* ---- scalars ---- */

static double number(const struct val *v)
{
	return v->type == VAL_INT ? (double)v->i : v->d;
}

static void check_number(struct checker *c, const struct val *schema, const struct val *v)
{
	const struct val *min = val_get(schema, "minimum"), *max = val_get(schema, "maximum");
	const struct val *step = val_get(schema, "multipleOf");
	bool over_min = val_bool(val_get(schema, "exclusiveMinimum"), false);
	bool under_max = val_bool(val_get(schema, "exclusiveMaximum"), false);
	double d = number(v);

	if (min && (over_min ? d <= number(min) : d < number(min))) {
		bad_value(c, "", v, "%s in body should be greater than%s %g", here(c),
		          over_min ? "" : " or equal to", number(min));
	}
	if (max && (under_max ? d >= number(max) : d > number(max))) {
		bad_value(c, "", v, "%s in body should be less than%s %g", here(c),
		          under_max ? "" : " or equal to", number(max));
	}
	if (step && number(step) > 0 &&
	    fabs(remainder(d, number(step))) > 1e-9 * fabs(number(step))) {
		bad_value(c, "", v, "%s in body should be a multiple of %g", here(c), number(step));
	}
}

/* Go's expressions as POSIX has them; what POSIX cannot say is not checked. */
static bool compile(struct slice pattern, regex_t *ret)
{
	static const struct {
		char letter;
		const char *set;
	} classes[] = { { 'd', "[0-9]" },         { 'D', "[^0-9]" },      { 'w', "[0-9A-Za-z_]" },
		        { 'W', "[^0-9A-Za-z_]" }, { 's', "[[:space:]]" }, { 'S', "[^[:space:]]" } };
	scoped_strbuf struct strbuf out = { 0 };
	bool in_set = false;

	for (size_t i = 0; i < pattern.len; i++) {
		char c = pattern.p[i], next = i + 1 < pattern.len ? pattern.p[i + 1] : 0;
		const char *set = NULL;

		for (size_t k = 0; c == '\\' && k < ARRAY_SIZE(classes); k++) {
			set = classes[k].letter == next ? classes[k].set : set;
		}
		if (set) {
			struct slice s = slice_of(set);

			if (in_set) {
				if (s.p[1] == '^') {
					return false;
				}
				s = (struct slice){ s.p + 1, s.len - 2 };
			}
			strbuf_add_slice(&out, s);
			i++;
		} else if (c == '\\' && in_set) {
			strbuf_addc(&out, next); /* POSIX sets have no escapes */
			i++;
			if (strchr("]^-\\", next)) {
				return false;
			}
		} else if (c == '\\' && next) {
			strbuf_addc(&out, c);
			strbuf_addc(&out, next);
			i++;
			if ((next >= '0' && next <= '9') || (next >= 'A' && next <= 'Z') ||
			    (next >= 'a' && next <= 'z')) {
				return false;
			}
		} else if (c == '(' && next == '?') {
			if (i + 2 >= pattern.len || pattern.p[i + 2] != ':') {
				return false;
			}
			strbuf_addc(&out, '(');
			i += 2;
		} else {
			in_set = in_set ? c != ']' : c == '[';
			strbuf_addc(&out, c);
		}
	}
	return !strbuf_failed(&out) &&
	       regcomp(ret, strbuf_str(&out), REG_EXTENDED | REG_NOSUB) == 0;
}

static bool has_format(struct slice s, struct slice format)
{
	struct prefix prefix;
	struct ip ip;
	int64_t us;

	if (slice_is(format, "date-time")) {
		return time_parse(s, &us);
	}
	if (slice_is(format, "ipv4") || slice_is(format, "ipv6")) {
		return ip_parse(s, &ip) && ip.family == (slice_is(format, "ipv4") ? IP_V4 : IP_V6);
	}
	return !slice_is(format, "cidr") || prefix_parse(s, &prefix);
}

static size_t characters(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	}
	return n;
}

static void check_string(struct checker *c, const struct val *schema, const struct val *v)
{
	const struct val *min = val_get(schema, "minLength"), *max = val_get(schema, "maxLength");
	const struct val *pattern = val_get(schema, "pattern");
	struct slice format = val_get_str(schema, "format");
	int64_t len = (int64_t)characters(v->s);
	regex_t regex;

	if (min && len < val_int(min, 0)) {
		bad_value(c, "", v, "%s in body should be at least %lld chars long", here(c),
		          (long long)val_int(min, 0));
	}
	if (max && len > val_int(max, INT64_MAX)) {
		field_errors_add(c->wrong, v, "FieldValueTooLong", strbuf_str(&c->path.text),
		                 "Too long: may not be longer than %lld",
		                 (long long)val_int(max, 0));
	}
	if (val_str(pattern).len && v->s.len <= PATTERN_SUBJECT_MAX &&
	    compile(pattern->s, &regex)) {
		if (regexec(&regex, val_cstr(v), 0, NULL, 0) != 0) {
			bad_value(c, "", v, "%s in body should match '%s'", here(c),
			          val_cstr(pattern));
		}
		regfree(&regex);
	}
	if (format.len && !has_format(v->s, format)) {
		bad_value(c, "", v, "%s in body must be of type %s: \"%s\"", here(c),
		          val_cstr(val_get(schema, "format")), val_cstr(v));
	}
}

/* ---- containers ---- */

static void check_count(struct checker *c, const struct val *schema, const struct val *v,
                        const char *min_name, const char *max_name, const char *what)
{
	const struct val *min = val_get(schema, min_name), *max = val_get(schema, max_name);
	int64_t n = (int64_t)val_len(v);

	if (min && n < val_int(min, 0)) {
		bad_value(c, "", v, "%s in body should have at least %lld %s", here(c),
		          (long long)val_int(min, 0), what);
	}
	if (max && n > val_int(max, INT64_MAX)) {
		field_errors_add(c->wrong, v, "FieldValueTooMany", strbuf_str(&c->path.text),
		                 "Too many: %lld: must have at most %lld %s", (long long)n,
		                 (long long)val_int(max, 0), what);
	}
}

static bool same_keys(const struct val *a, const struct val *b, const struct val *keys)
{
	val_for_each (keys, it) {
		if (!val_eq(val_get_slice(a, val_str(it)), val_get_slice(b, val_str(it)))) {
			return false;
		}
	}
	return val_len(keys) > 0;
}

static void check_duplicates(struct checker *c, const struct val *schema, const struct val *v)
{
	struct slice type = val_get_str(schema, "x-kubernetes-list-type");
	const struct val *keys = val_get(schema, "x-kubernetes-list-map-keys");
	bool is_set = slice_is(type, "set") || val_bool(val_get(schema, "uniqueItems"), false);
	size_t i = 0;

	if ((!is_set && !slice_is(type, "map")) || val_len(v) > PATCH_LIST_MAX / 10) {
		return;
	}
	val_for_each (v, it) {
		val_for_each (v, before) {
			if (before == it) {
				break;
			}
			if (is_set ? val_eq(it, before) : same_keys(it, before, keys)) {
				bad_duplicate(c, sub_path(c, "[%zu]", i), it);
				break;
			}
		}
		i++;
	}
}

static void check_list(struct checker *c, const struct val *schema, const struct val *v,
                       unsigned depth)
{
	const struct val *items = val_get(schema, "items");
	size_t i = 0;

	check_count(c, schema, v, "minItems", "maxItems", "items");
	check_duplicates(c, schema, v);
	val_for_each (v, it) {
		size_t size = path_index(&c->path, i++);

		if (items) {
			check_schema(c, items, it, depth + 1);
		}
		path_cut(&c->path, size);
	}
}

static void check_object(struct checker *c, const struct val *schema, const struct val *v,
                         unsigned depth)
{
	const struct val *properties = val_get(schema, "properties");
	const struct val *others = val_get(schema, "additionalProperties");

	check_count(c, schema, v, "minProperties", "maxProperties", "properties");
	val_for_each (val_get(schema, "required"), it) {
		if (val_str(it).len && !val_get_slice(v, it->s)) {
			bad_required(c, val_cstr(it), v, NULL);
		}
	}
	val_for_each (v, it) {
		const struct val *own = val_get_slice(properties, it->key);
		const struct val *s = own                                    ? own
		                      : others && others->type == VAL_OBJECT ? others
		                                                             : NULL;
		size_t size;

		if (!s || (depth == 0 && slice_is(it->key, "metadata"))) {
			continue;
		}
		size = path_member(&c->path, it->key);
		check_schema(c, s, it, depth + 1);
		path_cut(&c->path, size);
	}
}

/* ---- combinations ---- */

static size_t count_satisfied(struct checker *c, const struct val *schemas, const struct val *v,
                              unsigned depth)
{
	size_t n = 0;

	val_for_each (schemas, it) {
		struct field_errors unheard = { .arena = c->wrong->arena };
		struct field_errors *heard = c->wrong;

		c->wrong = &unheard;
		check_schema(c, it, v, depth + 1);
		c->wrong = heard;
		n += unheard.n == 0;
	}
	return n;
}

static void check_combinations(struct checker *c, const struct val *schema, const struct val *v,
                               unsigned depth)
{
	const struct val *any = val_get(schema, "anyOf"), *one = val_get(schema, "oneOf");
	const struct val *not = val_get(schema, "not");

	val_for_each (val_get(schema, "allOf"), it) {
		check_schema(c, it, v, depth + 1);
	}
	/* int-or-string is often spelt twice */
	if (val_len(any) && !count_satisfied(c, any, v, depth)) {
		bad_value(c, "", v, "\"%s\" must validate at least one schema (anyOf)", here(c));
	}
	if (val_len(one) && count_satisfied(c, one, v, depth) != 1) {
		bad_value(c, "", v, "\"%s\" must validate one and only one schema (oneOf)",
		          here(c));
	}
	if (not ) {
		struct val list = { .type = VAL_ARRAY };
		struct val copy = *not ;

		copy.next = NULL;
		list.first = list.last = &copy;
		list.n = 1;
		if (count_satisfied(c, &list, v, depth)) {
			bad_value(c, "", v, "\"%s\" must not validate the schema (not)", here(c));
		}
	}
}

static void check_enum(struct checker *c, const struct val *schema, const struct val *v)
{
	const struct val *values = val_get(schema, "enum");
	const char **texts;
	size_t n = 0;

	if (!values) {
		return;
	}
	val_for_each (values, it) {
		if (val_eq(it, v)) {
			return;
		}
	}
	texts = ARENA_ARRAY(c->wrong->arena, const char *, val_len(values) + 1);
	val_for_each (values, it) {
		texts[n++] = it->type == VAL_STRING ? val_cstr(it)
		                                    : arena_slice(c->wrong->arena, val_text(it)).p;
	}
	bad_unsupported(c, "", v, texts);
}

static void check_schema(struct checker *c, const struct val *schema, const struct val *v,
                         unsigned depth)
{
	if (depth > SCHEMA_DEPTH_MAX || !schema || schema->type != VAL_OBJECT ||
	    !check_type(c, schema, v)) {
		return;
	}
	check_enum(c, schema, v);
	switch (v->type) {
	case VAL_INT:
	case VAL_FLOAT:
		check_number(c, schema, v);
		break;
	case VAL_STRING:
		check_string(c, schema, v);
		break;
	case VAL_ARRAY:
		check_list(c, schema, v, depth);
		break;
	case VAL_OBJECT:
		check_object(c, schema, v, depth);
		break;
	default:
		break;
	}
	check_combinations(c, schema, v, depth);
}

void check_custom(struct checker *c, const struct type *t, const struct val *v)
{
	check_schema(c, t->custom->schema, v, 0);
}
