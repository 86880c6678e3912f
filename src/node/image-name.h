/* What: names of images: "nginx" is "docker.io/library/nginx:latest". Pure text.
 *
 * Grammar: distribution/reference; [domain/]path[:tag][@sha256:hex], the path in lower case. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

struct image_name {
	char domain[128]; /* "docker.io" */
	char path[256];   /* "library/nginx" */
	char tag[129];    /* "latest"; empty when only a digest was given */
	char digest[72];  /* "sha256:..." or empty */
};

/* Reads and normalises a name. Failure: ERR_INVALID with the runtime's wording. */
MUST_USE int image_name_parse(struct slice text, struct image_name *ret, struct err *err);
/* Appends "docker.io/library/nginx:latest" (or "...@sha256:..." when there is a digest). */
void image_name_format(const struct image_name *n, struct strbuf *out);
/* True when no tag was written or the tag is "latest": imagePullPolicy's default is Always. */
bool image_name_is_latest(const struct image_name *n);
