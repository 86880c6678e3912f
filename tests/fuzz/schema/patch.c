/* Why: patches are programs that clients send. Input: object, newline, patch. Whatever comes out
 * must be a tree that can be written and read again. */
#include <stdint.h>

#include "base/must.h"
#include "codec/json.h"
#include "schema/object.h"

#include "../../unit/schema/shapes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct arena *a, const struct val *v)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct val *again;

	json_write(&text, v);
	must(json_parse(a, strbuf_slice(&text), 0, &again, NULL) == 0);
	must(val_eq(v, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 64 << 20 };
	struct slice object_text, patch_text;
	struct val *object, *patch, *out;

	slice_cut((struct slice){ (const char *)data, size }, '\n', &object_text, &patch_text);
	if (json_parse(&a, object_text, 0, &object, NULL) < 0 || object->type != VAL_OBJECT ||
	    json_parse(&a, patch_text, 0, &patch, NULL) < 0) {
		return 0;
	}
	if (patch_json(&a, object, patch, &out, NULL) == 0) {
		check(&a, out);
	}
	if (patch_merge(&a, object, patch, &out, NULL) == 0) {
		check(&a, out);
	}
	if (patch_strategic(&thing, &a, object, patch, &out, NULL) == 0) {
		check(&a, out);
	}
	return 0;
}
