/* What: text as XML, SVG, HTML, Markdown and DOT want it; shared by what draws. */
#pragma once

#include "base/slice.h"
#include "base/strbuf.h"

/* With < > & " written as entities; control characters, which XML has no place for, are left away. */
void markup_add(struct strbuf *out, struct slice s);
/* The same with line ends kept, as a reference that both an attribute and a text may hold. */
void markup_add_lines(struct strbuf *out, struct slice s);
/* At most 'max' characters (not bytes), "…" behind them when there are more. */
void markup_add_short(struct strbuf *out, const char *text, size_t max);
/* Into a cell of a Markdown table: no bars, no line ends, nothing that would be markup. */
void markup_add_cell(struct strbuf *out, const char *text);
/* As a quoted string of DOT. */
void markup_add_dot(struct strbuf *out, const char *text);
/* About how wide so many characters are drawn at a size of 11 px. */
int markup_width(size_t chars);
