/* Why: what is parsed, written and parsed again must be the same value. */
#include <stdint.h>

#include "base/must.h"
#include "codec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 64 << 20 }, b = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	struct val *v, *w;
	struct err err;

	if (yaml_parse(&a, (struct slice){ (const char *)data, size }, &v, NULL) < 0) {
		return 0;
	}
	yaml_write(&text, v);
	if (yaml_parse(&b, strbuf_slice(&text), &w, &err) < 0) {
		must_failed(err.msg, strbuf_str(&text), 0);
	}
	must(val_eq(v, w));
	return 0;
}
