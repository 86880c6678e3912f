/* Why: discovery and OpenAPI documents are large, asked for by every kubectl, and change only with
 * definitions. See discovery.h. */
#include "api/api-priv.h"
#include "api/discovery.h"
#include "base/mem.h"
#include "http/pki.h"

static void set_etag(struct document *d)
{
	scoped_strbuf struct strbuf sum = { 0 };
	size_t n = 0;

	pki_sha256(&sum, strbuf_slice(&d->text));
	d->etag[n++] = '"';
	for (size_t i = 0; i < sum.size && n + 3 < sizeof(d->etag); i++) {
		n += (size_t)snprintf(d->etag + n, sizeof(d->etag) - n, "%02X",
		                      (unsigned char)sum.p[i]);
	}
	snprintf(d->etag + n, sizeof(d->etag) - n, "\"");
}

static struct document *document_free(struct document *d)
{
	strbuf_fini(&d->text);
	free(d->name);
	free(d);
	return NULL;
}

const struct document *document_get(struct api *api, struct slice name, document_make_fn *make,
                                    struct err *err)
{
	struct document *d = map_find(&api->documents, name);

	if (d) {
		return d;
	}
	d = NEW(struct document);
	d->name = slice_dup(name);
	if (make(api, name, &d->text, err) < 0) {
		return document_free(d);
	}
	set_etag(d);
	map_set(&api->documents, name, d);
	return d;
}

int document_answer(struct call *c, const struct document *d, const char *content_type,
                    const char *headers)
{
	scoped_strbuf struct strbuf all = { 0 };
	struct slice has = call_header(c, "If-None-Match");
	bool is_same = false;
	struct slice tag;

	while (slice_next(&has, ',', &tag)) {
		is_same = is_same || slice_is(slice_trim(tag), d->etag);
	}
	strbuf_addf(&all, "ETag: %s\r\nVary: Accept\r\n%s", d->etag, headers);
	return call_answer_text(c, is_same ? 304 : 200, content_type, strbuf_str(&all),
	                        is_same ? SLICE("") : strbuf_slice(&d->text));
}

void documents_forget(struct api *api)
{
	for (struct map_iter it = { 0 }; map_next(&api->documents, &it);) {
		document_free(it.value);
	}
	map_fini(&api->documents);
}
