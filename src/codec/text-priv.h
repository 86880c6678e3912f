/* What: the checks of text that the JSON and YAML sides share. */
#pragma once

#include "base/slice.h"
#include "base/strbuf.h"

enum { CODEC_MAX_DEPTH = 1000 }; /* containers in one another */

/* Bytes of the UTF-8 character at p (RFC 3629: no surrogates, nothing overlong), 0 when it is none.
 */
size_t codec_utf8_len(const unsigned char *p, const unsigned char *end);
/* The code point of the valid character at p. */
uint32_t codec_utf8_get(const unsigned char *p, size_t len);
/* Writes 1 to 4 bytes, returns how many. */
size_t codec_utf8_put(char *to, uint32_t code);
/* A number as Go's encoding/json writes it: the shortest that reads back the same. */
void codec_write_float(struct strbuf *out, double d);
