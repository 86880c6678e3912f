/* Why: kubectl learns fields, patch types and merge keys here. The documents themselves are made by
 * schema/; this file serves them. Source: reference 1.4, 1.5 */
#include "api/api-priv.h"
#include "api/discovery.h"
#include "api/fail.h"
#include "api/openapi-v2.h"
#include "codec/json.h"
#include "schema/object.h"

#define V2_TYPE "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

/* ---- version 2 ---- */

static int make_v2(struct api *api, struct slice name, struct strbuf *out, struct err *err)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	struct val *v;
	int r = openapi_v2_json(api->registry, &text, err);

	if (r < 0) {
		return r;
	}
	if (slice_is(name, "openapi/v2;json")) {
		strbuf_add_slice(out, strbuf_slice(&text));
		return 0;
	}
	r = json_parse(&a, strbuf_slice(&text), 0, &v, err);
	if (r == 0) {
		openapi_v2_protobuf(out, v);
	}
	return r;
}

static int answer_v2(struct call *c)
{
	struct slice accept = call_header(c, "Accept");
	bool is_json = accept_has(accept, "application/json", true);
	bool is_protobuf =
		accept_has(accept, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
	                   false) ||
		accept_has(accept, V2_TYPE, false);
	struct err err = { 0 };
	const struct document *d;

	if (!is_json && !is_protobuf) {
		return fail_reason(c, 406, "NotAcceptable",
		                   "only the following media types are accepted: "
		                   "application/json, " V2_TYPE);
	}
	d = document_get(c->api,
	                 is_protobuf ? SLICE("openapi/v2;protobuf") : SLICE("openapi/v2;json"),
	                 make_v2, &err);
	return d ? document_answer(c, d, is_protobuf ? V2_TYPE : "application/json", "")
	         : fail_code(c, ERR_INTERNAL, "Internal error occurred: %s", err.msg);
}

/* ---- version 3 ---- */

/* "api/v1" or "apis/apps/v1" */
static int make_v3(struct api *api, struct slice name, struct strbuf *out, struct err *err)
{
	struct slice group, version;

	name = slice_from(name, 11); /* "openapi/v3/" */
	if (slice_has_prefix(name, SLICE("api/"))) {
		return openapi_v3(api->registry, SLICE(""), slice_from(name, 4), out, err);
	}
	if (!slice_has_prefix(name, SLICE("apis/")) ||
	    !slice_cut(slice_from(name, 5), '/', &group, &version)) {
		return err_raise(err, ERR_NOTFOUND, "no such document");
	}
	return openapi_v3(api->registry, group, version, out, err);
}

static const struct document *get_v3(struct api *api, struct slice path)
{
	scoped_strbuf struct strbuf name = { 0 };

	strbuf_addf(&name, "openapi/v3/" SLICE_FMT, SLICE_ARG(path));
	return document_get(api, strbuf_slice(&name), make_v3, NULL);
}

/* The tag without its quotes. */
static struct slice hash_of(const struct document *d)
{
	return slice_head(slice_from(slice_of(d->etag), 1), strlen(d->etag) - 2);
}

static void path_of(struct strbuf *out, const struct kind *k)
{
	strbuf_addf(out, "%s%s%s%s", *k->group ? "apis/" : "api/", k->group, *k->group ? "/" : "",
	            k->version);
}

static int make_index(struct api *api, struct slice name, struct strbuf *out, struct err *err)
{
	scoped_arena struct arena a = { 0 };
	struct val *v = val_new_object(&a), *paths = val_need_object(&a, v, "paths");
	const struct kind *k;

	(void)name;
	for (size_t i = 0; (k = registry_at(api->registry, i)); i++) {
		scoped_strbuf struct strbuf path = { 0 };
		const struct document *d;

		path_of(&path, k);
		if (!*k->plural || val_get(paths, strbuf_str(&path))) {
			continue;
		}
		d = get_v3(api, strbuf_slice(&path));
		if (!d) {
			return err_raise(err, ERR_INTERNAL, "no document for %s",
			                 strbuf_str(&path));
		}
		val_set(&a, val_need_object(&a, paths, strbuf_str(&path)), "serverRelativeURL",
		        val_new_strf(&a, "/openapi/v3/%s?hash=" SLICE_FMT, strbuf_str(&path),
		                     SLICE_ARG(hash_of(d))));
	}
	json_write(out, v);
	return 0;
}

static int answer_index(struct call *c)
{
	struct err err = { 0 };
	const struct document *d = document_get(c->api, SLICE("openapi/v3"), make_index, &err);

	return d ? document_answer(c, d, "application/json", "")
	         : fail_code(c, ERR_INTERNAL, "Internal error occurred: %s", err.msg);
}

static int answer_v3(struct call *c, struct slice path, bool *found)
{
	struct slice hash = http_query_get(c->arena, c->http->query, "hash", 0);
	const struct document *d;

	if (!accept_has(call_header(c, "Accept"), "application/json", true)) {
		return fail_reason(c, 406, "NotAcceptable",
		                   "only the following media types are accepted: application/json");
	}
	d = get_v3(c->api, path);
	*found = d != NULL;
	if (!d) {
		return 0;
	}
	if (hash.len && !slice_eq(hash, hash_of(d))) {
		const char *headers = arena_printf(
			c->arena, "Location: /openapi/v3/" SLICE_FMT "?hash=" SLICE_FMT "\r\n",
			SLICE_ARG(path), SLICE_ARG(hash_of(d)));

		return call_answer_text(c, 301, "text/plain", headers, SLICE(""));
	}
	return document_answer(c, d, "application/json",
	                       hash.len ? "Cache-Control: public, immutable\r\n" : "");
}

int openapi_answer(struct call *c, bool *found)
{
	struct slice path = c->route.path;

	*found = true;
	if (slice_is(path, "/openapi/v2")) {
		return answer_v2(c);
	}
	if (slice_is(path, "/openapi/v3") || slice_is(path, "/openapi/v3/")) {
		return answer_index(c);
	}
	if (slice_has_prefix(path, SLICE("/openapi/v3/"))) {
		return answer_v3(c, slice_from(path, 12), found);
	}
	*found = false;
	return 0;
}
