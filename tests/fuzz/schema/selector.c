/* Why: selectors come in from any client. What parses must format and parse again to the same text.
 */
#include <stdint.h>

#include "base/must.h"
#include "schema/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct kind pod = { .group = "", .version = "v1", .kind = "Pod" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 16 << 20 };
	scoped_strbuf struct strbuf once = { 0 };
	scoped_strbuf struct strbuf twice = { 0 };
	struct slice text = { (const char *)data, size };
	const struct field_selector *f;
	const struct selector *s;

	if (selector_parse(&a, text, &s, NULL) == 0) {
		selector_format(&once, s);
		must(selector_parse(&a, strbuf_slice(&once), &s, NULL) == 0);
		selector_format(&twice, s);
		must(slice_eq(strbuf_slice(&once), strbuf_slice(&twice)));
		(void)selector_matches(s, NULL);
	}
	if (field_selector_parse(&pod, &a, text, &f, NULL) == 0) {
		(void)field_selector_matches(f, NULL);
		(void)field_selector_wants(f, "metadata.name");
	}
	return 0;
}
