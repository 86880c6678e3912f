/* Why: column paths come from custom kinds that anybody may define. Input: path, newline, object.
 */
#include <stdint.h>

#include "base/must.h"
#include "codec/json.h"
#include "schema/jsonpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 16 << 20 };
	struct slice path, text;
	struct val *v, *found = val_new_array(&a);

	slice_cut((struct slice){ (const char *)data, size }, '\n', &path, &text);
	if (json_parse(&a, text, 0, &v, NULL) < 0) {
		return 0;
	}
	if (jsonpath_find(&a, path, v, found, NULL) < 0) {
		must(val_len(found) == 0);
	}
	return 0;
}
