/* What: base64 (RFC 4648 section 4 and, url, section 5 without padding). */
#pragma once

#include <stdbool.h>

#include "base/slice.h"
#include "base/strbuf.h"

void base64_encode(struct strbuf *out, struct slice bytes);
void base64url_encode(struct strbuf *out, struct slice bytes);
/* Appends the decoded bytes; accepts both alphabets, missing padding and line breaks; false (and
 * out as before) on anything else. */
bool base64_decode(struct strbuf *out, struct slice text);
