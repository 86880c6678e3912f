/* What: a whole file as text. */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"

/* Appends the file, or standard input for "-"; at most 'max' bytes (then ERR_LIMIT). Failure: a sentence that names the file. */
MUST_USE int text_read(const char *path, size_t max, struct strbuf *out, struct err *err);
/* The path as a person would name it: "standard input" for "-". */
const char *text_name(const char *path);
