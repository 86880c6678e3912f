/* Why: what is parsed, written and parsed again must be the same value. */
#include <stdint.h>

#include "base/must.h"
#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 64 << 20 }, b = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	struct val *v, *w;
	struct err err;

	if (json_parse(&a, (struct slice){ (const char *)data, size }, 0, &v, NULL) < 0) {
		return 0;
	}
	json_write(&text, v);
	if (json_parse(&b, strbuf_slice(&text), JSON_STRICT, &w, &err) < 0) {
		must_failed(err.msg, strbuf_str(&text), 0);
	}
	must(val_eq(v, w));
	return 0;
}
