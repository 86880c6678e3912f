/* Why: protobuf bodies come from any client. Whatever the bytes, reading ends in a tree that
 * decodes and can be written, or in a failure. */
#include <stdint.h>

#include "base/must.h"
#include "codec/json.h"
#include "schema/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct registry *registry;
	scoped_arena struct arena a = { .max = 64 << 20 };
	scoped_strbuf struct strbuf text = { 0 };
	struct field_errors wrong = { .arena = &a }, unknown = { .arena = &a };
	struct val *v = NULL;
	const struct kind *k;

	registry = registry ? registry : registry_new();
	if (object_from_protobuf(registry, &a, (struct slice){ (const char *)data, size }, &v,
	                         NULL) < 0) {
		return 0;
	}
	k = registry_kind_of(registry, v);
	must(k != NULL);
	if (object_decode(k, &a, v, &wrong, &unknown, NULL) < 0) {
		return 0;
	}
	json_write(&text, v);
	must(text.size > 0);
	return 0;
}
