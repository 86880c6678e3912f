/* What: what HTTP messages are made of: headers, and the request target taken apart. */
#pragma once

#include "base/arena.h"
#include "base/slice.h"
#include "base/strbuf.h"

struct http_header {
	struct slice name, value; /* value is trimmed */
};

struct http_headers {
	struct http_header *at;
	size_t n;
};

/* First header of that name (case-insensitive), or an empty slice with null p when absent. */
struct slice http_header_get(const struct http_headers *h, const char *name);
/* True when a comma-separated header holds that token (case-insensitive). */
bool http_header_has_token(const struct http_headers *h, const char *name, const char *token);
/* Value of a query parameter, percent-decoded into a; null p when absent. n-th occurrence. */
struct slice http_query_get(struct arena *a, struct slice query, const char *name, size_t nth);
/* Percent-decodes (RFC 3986 2.1) into a; false on a bad escape. */
bool http_percent_decode(struct arena *a, struct slice in, bool plus_is_space, struct slice *ret);
void http_percent_encode(struct strbuf *out, struct slice in);
