/* Why: events arrive in pieces of any size; see lines.h. */
#include "client/lines.h"

#include "client/limits.h"

void lines_fini(struct lines *l)
{
	strbuf_fini(&l->rest);
}

static int tell(struct slice line, lines_fn *fn, void *arg, struct err *err)
{
	if (slice_has_suffix(line, SLICE("\r"))) {
		line.len--;
	}
	return line.len ? fn(arg, line, err) : 0;
}

int lines_feed(struct lines *l, struct slice bytes, lines_fn *fn, void *arg, struct err *err)
{
	ptrdiff_t end;

	while ((end = slice_find(bytes, '\n')) >= 0) {
		struct slice line = slice_head(bytes, (size_t)end);
		int r;

		bytes = slice_from(bytes, (size_t)end + 1);
		if (l->rest.size) {
			/* the line leaves the splitter before it is told: fn may free the splitter
			 */
			scoped_strbuf struct strbuf whole = l->rest;

			l->rest = (struct strbuf){ 0 };
			strbuf_add_slice(&whole, line);
			r = whole.size > LINE_MAX_BYTES
			            ? err_raise(err, ERR_LIMIT, "a line is longer than %d bytes",
			                        LINE_MAX_BYTES)
			            : tell(strbuf_slice(&whole), fn, arg, err);
		} else {
			r = tell(line, fn, arg, err);
		}
		if (r != 0) {
			return r;
		}
	}
	strbuf_add_slice(&l->rest, bytes);
	if (l->rest.size > LINE_MAX_BYTES) {
		return err_raise(err, ERR_LIMIT, "a line is longer than %d bytes", LINE_MAX_BYTES);
	}
	return 0;
}
