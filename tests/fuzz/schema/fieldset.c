/* Why: managedFields come back from clients who may have edited them. Input: two FieldsV1 documents
 * and an object, one a line. The algebra must hold for whatever parses. */
#include <stdint.h>

#include "base/must.h"
#include "codec/json.h"
#include "schema/fieldset.h"
#include "schema/object.h"

#include "../../unit/schema/shapes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *arg, struct slice path)
{
	(void)arg;
	(void)path;
}

static void check_algebra(struct arena *a, const struct val *x, const struct val *y)
{
	struct val *both = fieldset_common(a, x, y), *only_x = fieldset_minus(a, x, y);

	must(fieldset_is_empty(fieldset_common(a, only_x, y)));
	must(fieldset_is_empty(fieldset_minus(a, both, x)));
	must(fieldset_is_empty(fieldset_minus(a, x, fieldset_union(a, both, only_x))));
	must(fieldset_is_empty(fieldset_minus(a, fieldset_union(a, both, only_x), x)));
	fieldset_each(fieldset_union(a, x, y), ignore, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 64 << 20 };
	struct slice one, two, three, rest;
	struct val *x, *y, *object, *out, *again;

	slice_cut((struct slice){ (const char *)data, size }, '\n', &one, &rest);
	slice_cut(rest, '\n', &two, &three);
	if (json_parse(&a, one, 0, &x, NULL) < 0 || json_parse(&a, two, 0, &y, NULL) < 0) {
		return 0;
	}
	if (fieldset_parse(&a, x, &x, NULL) == 0 && fieldset_parse(&a, y, &y, NULL) == 0) {
		must(fieldset_parse(&a, fieldset_format(&a, x), &again, NULL) == 0);
		must(fieldset_is_empty(fieldset_minus(&a, again, x)));
		check_algebra(&a, x, y);
	}
	if (json_parse(&a, three, 0, &object, NULL) == 0 && object->type == VAL_OBJECT &&
	    apply_merge(&thing, &a, object, object, "fuzz", true, 0, &out, val_new_array(&a),
	                NULL) == 0) {
		must(out->type == VAL_OBJECT);
	}
	return 0;
}
