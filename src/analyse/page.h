/* What: a page to look at that needs nothing else, not one request: what reports as HTML have in common. */
#pragma once

#include "base/strbuf.h"

/* Head and begin of the body. style: CSS of this page beside the common one. */
void page_begin(struct strbuf *out, const char *title, const char *style);
/* A field that hides every element of class "row" which does not have what is typed. */
void page_search(struct strbuf *out);
void page_end(struct strbuf *out);
