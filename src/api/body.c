/* Why: bodies come in three encodings and with mistakes in them, and every mistake has its words.
 * See body.h. Source: reference 2.2, 3.6 */
#include "api/body.h"

#include "api/api-priv.h"
#include "api/fail.h"
#include "api/limits.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "schema/object.h"

#define ACCEPTED                                                                                   \
	"the body of the request was in an unknown format - accepted media types include: "        \
	"application/json, application/yaml, application/vnd.kubernetes.protobuf"

struct slice body_type(const struct call *c)
{
	struct slice header = call_header(c, "Content-Type"), type, parameters;

	slice_cut(header, ';', &type, &parameters);
	return slice_trim(type);
}

int body_parse(struct call *c, struct val **ret)
{
	struct slice type = body_type(c), body = c->http->body;
	struct err err = { 0 };
	int r;

	*ret = NULL;
	if (body.len > BODY_BYTES_MAX) {
		return fail_code(c, ERR_LIMIT, "Request entity too large: limit is %d",
		                 BODY_BYTES_MAX);
	}
	if (!slice_trim(body).len) {
		return 0;
	}
	if (slice_eq_nocase(type, SLICE("application/vnd.kubernetes.protobuf"))) {
		r = object_from_protobuf(c->api->registry, c->arena, body, ret, &err);
	} else if (slice_eq_nocase(type, SLICE("application/yaml")) ||
	           slice_eq_nocase(type, SLICE("application/apply-patch+yaml"))) {
		r = yaml_parse(c->arena, body, ret, &err);
	} else if (!type.len || slice_eq_nocase(type, SLICE("application/json")) ||
	           slice_has_suffix(type, SLICE("+json"))) {
		r = json_parse(c->arena, body, JSON_MARK, ret, &err);
	} else {
		return fail_code(c, ERR_UNSUPPORTED, ACCEPTED);
	}
	if (r == 0 && c->arena->overflowed) {
		return fail_code(c, ERR_LIMIT,
		                 "Request entity too large: the object has too many parts");
	}
	return r < 0 ? fail_err(c, r, &err) : 0;
}

/* Fills in or checks apiVersion and kind. */
static int check_kind(struct call *c, const struct kind *k, struct val *v)
{
	struct slice version = val_get_str(v, "apiVersion"), kind = val_get_str(v, "kind");

	if (!kind.len) {
		val_set_cstr(c->arena, v, "kind", k->kind);
		kind = slice_of(k->kind);
	}
	if (!version.len) {
		val_set_cstr(c->arena, v, "apiVersion", kind_api_version(k));
		version = slice_of(kind_api_version(k));
	}
	if (slice_is(version, kind_api_version(k)) && slice_is(kind, k->kind)) {
		return 0;
	}
	if (!registry_kind_of(c->api->registry, v)) {
		return fail_code(c, ERR_SYNTAX,
		                 "no kind \"" SLICE_FMT "\" is registered for version \"" SLICE_FMT
		                 "\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
		                 SLICE_ARG(kind), SLICE_ARG(version));
	}
	if (!slice_is(version, kind_api_version(k))) {
		return fail_code(c, ERR_SYNTAX,
		                 "the API version in the data (" SLICE_FMT
		                 ") does not match the expected API version (%s)",
		                 SLICE_ARG(version), kind_api_version(k));
	}
	return fail_code(c, ERR_SYNTAX,
	                 SLICE_FMT
	                 " in version \"%s\" cannot be handled as a %s: the kind in the data "
	                 "does not match the expected kind",
	                 SLICE_ARG(kind), k->version, k->kind);
}

static void join_details(struct strbuf *out, const struct field_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		strbuf_adds(out, i ? ", " : "");
		strbuf_adds(out, errors->at[i].detail);
	}
}

static int refuse(struct call *c, const struct kind *k, const struct field_errors *errors,
                  const char *before)
{
	scoped_strbuf struct strbuf text = { 0 };

	join_details(&text, errors);
	return fail_code(c, ERR_SYNTAX, "%s in version \"%s\" cannot be handled as a %s: %s%s",
	                 k->kind, k->version, k->kind, before, strbuf_str(&text));
}

static void warn_unknown(struct call *c, const struct field_errors *unknown)
{
	for (size_t i = 0; i < unknown->n; i++) {
		call_warn(c, "%s", unknown->at[i].detail);
	}
}

static int decode(struct call *c, const struct kind *k, struct val *v, struct field_errors *wrong,
                  struct field_errors *unknown)
{
	struct err err = { 0 };
	int r;

	wrong->arena = unknown->arena = c->arena;
	r = object_decode(k, c->arena, v, wrong, unknown, &err);
	return r < 0 ? fail_err(c, r, &err) : 0;
}

int body_object(struct call *c, const struct kind *k, struct val **ret)
{
	struct field_errors wrong = { 0 }, unknown = { 0 };
	int r = body_parse(c, ret);

	if (r < 0) {
		return r;
	}
	if (!*ret || (*ret)->type != VAL_OBJECT) {
		return fail_code(c, ERR_SYNTAX,
		                 "%s in version \"%s\" cannot be handled as a %s: %s", k->kind,
		                 k->version, k->kind,
		                 *ret ? "the body is not an object" : "the body is empty");
	}
	r = check_kind(c, k, *ret);
	if (r == 0) {
		r = decode(c, k, *ret, &wrong, &unknown);
	}
	if (r < 0) {
		return r;
	}
	if (wrong.n) {
		return refuse(c, k, &wrong, "");
	}
	if (unknown.n && c->options.validation == VALIDATE_STRICT) {
		return refuse(c, k, &unknown, "strict decoding error: ");
	}
	if (c->options.validation == VALIDATE_WARN) {
		warn_unknown(c, &unknown);
	}
	return 0;
}

int body_decode_patched(struct call *c, const struct kind *k, struct val *v)
{
	struct field_errors wrong = { 0 }, unknown = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	int r = decode(c, k, v, &wrong, &unknown);

	if (r < 0) {
		return r;
	}
	if (wrong.n) {
		join_details(&text, &wrong);
		return fail_field(c, k, c->route.name, "FieldValueInvalid", "patch",
		                  "Invalid value: %s", strbuf_str(&text));
	}
	if (unknown.n && c->options.validation == VALIDATE_STRICT) {
		join_details(&text, &unknown);
		return fail_field(c, k, c->route.name, "FieldValueInvalid", "patch",
		                  "Invalid value: \"\": strict decoding error: %s",
		                  strbuf_str(&text));
	}
	if (c->options.validation == VALIDATE_WARN) {
		warn_unknown(c, &unknown);
	}
	return 0;
}
