/* Why: one page to look at, that can be mailed, attached to a build or opened from a disk: page
 * (matrix.html) and data (matrix_json) in one file; see matrix-view.h. */
#include "analyse/matrix-view.h"

#include "base/must.h"

extern const char matrix_page[]; /* matrix.html, by dev/embed-text */
static const char place[] = "/*DATA*/";

void matrix_html(struct strbuf *out, const struct matrix_view *v, const struct matrix_notes *notes)
{
	const char *at = strstr(matrix_page, place);
	scoped_strbuf struct strbuf json = { 0 };

	must(at);
	matrix_json(&json, v, notes);
	strbuf_add(out, matrix_page, (size_t)(at - matrix_page));
	for (size_t i = 0; i < json.size; i++) {
		/* inside strings only: nothing in the data can end the script or begin a comment */
		if (json.p[i] == '<') {
			strbuf_adds(out, "\\u003c");
		} else {
			strbuf_addc(out, json.p[i]);
		}
	}
	strbuf_adds(out, at + sizeof(place) - 1);
}
