/* Why: lines are the same however their bytes are cut. The first byte says where to cut. */
#include <stdint.h>

#include "base/must.h"
#include "client/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int add(void *arg, struct slice line, struct err *err)
{
	(void)err;
	must(line.len && slice_find(line, '\n') < 0);
	strbuf_add_slice(arg, line);
	strbuf_addc(arg, '\n');
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines whole = { 0 }, pieces = { 0 };
	scoped_strbuf struct strbuf one = { 0 }, two = { 0 };
	struct slice rest;

	if (size < 2) {
		return 0;
	}
	rest = (struct slice){ (const char *)data + 1, size - 1 };
	must(lines_feed(&whole, rest, add, &one, NULL) == 0);
	while (rest.len) {
		size_t n = 1 + data[0] % 13u;

		must(lines_feed(&pieces, slice_head(rest, n), add, &two, NULL) == 0);
		rest = slice_from(rest, n);
	}
	must(slice_eq(strbuf_slice(&one), strbuf_slice(&two)));
	lines_fini(&whole);
	lines_fini(&pieces);
	return 0;
}
