/* What: the documents that tell clients what there is: groups, resources, OpenAPI. Made when they
 * are first asked for, kept until a definition changes. */
#pragma once

#include "api/call.h"
#include "base/strbuf.h"

struct api;

/* /api and below, /apis and below. False in *found: no such path. */
int discovery_answer(struct call *c, bool *found);
/* /openapi/v2, /openapi/v3... */
int openapi_answer(struct call *c, bool *found);

/* Pure: the texts themselves. */
void discovery_legacy_groups(struct strbuf *out, const struct registry *r);
/* Failure: ERR_NOTFOUND when the group has no such version. */
MUST_USE int discovery_legacy_resources(struct strbuf *out, const struct registry *r,
                                        struct slice group, struct slice version);
/* One APIGroup. Failure: ERR_NOTFOUND. */
MUST_USE int discovery_group(struct strbuf *out, const struct registry *r, struct slice group);
/* version: "v2" or "v2beta1"; is_core: for /api. */
void discovery_aggregated(struct strbuf *out, const struct registry *r, const char *version,
                          bool is_core);

/* ---- documents ---- */

/* A kept document, made by 'make' when it is not there; null when make fails (err says why). */
typedef int document_make_fn(struct api *api, struct slice name, struct strbuf *out,
                             struct err *err);
const struct document *document_get(struct api *api, struct slice name, document_make_fn *make,
                                    struct err *err);
/* Answers with it: ETag, 304 when the client has it. */
int document_answer(struct call *c, const struct document *d, const char *content_type,
                    const char *headers);
void documents_forget(struct api *api);
