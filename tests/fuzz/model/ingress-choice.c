/* Why: whatever an Ingress says, the table is made, a request is judged the same with and without narration,
 * and what answers was asked for by somebody. Input: a line "host path", then JSON of Ingresses. */
#include <stdint.h>

#include "base/must.h"
#include "codec/json.h"
#include "model/ingress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void line(void *arg, const struct val *object, const char *text)
{
	must(object && text && *text);
	++*(size_t *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 64 << 20 };
	struct slice first, rest, host, path;
	struct ingress_reading in[64];
	struct ingress_choice told, quiet;
	struct ingress_table t;
	struct val *list = NULL;
	size_t n = 0, lines = 0;
	const struct trace trace = { line, &lines };

	(void)slice_cut((struct slice){ (const char *)data, size }, '\n', &first, &rest);
	(void)slice_cut(first, ' ', &host, &path);
	if (json_parse(&a, rest, 0, &list, NULL) < 0) {
		return 0;
	}
	val_for_each (list, it) {
		if (n < sizeof(in) / sizeof(*in)) {
			in[n++] = ingress_reading_of(it);
		}
	}
	t = ingress_table_make(&a, in, n, NULL, NULL);
	told = ingress_choose(&t, host, path, &trace);
	quiet = ingress_choose(&t, host, path, NULL);
	must(told.host == quiet.host && told.path == quiet.path);
	must(!told.path || (told.host && lines && told.path->of && told.path->at));
	return 0;
}
