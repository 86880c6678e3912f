/* Why: whatever stands in a ConfigMap, the locations found lie in the text, and the walk ends. */
#include <stdint.h>

#include "analyse/nginx-location.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void lies_in(struct slice whole, struct slice part)
{
	must(part.len == 0 || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len));
}

static void check(void *arg, const struct nginx_location *l)
{
	const struct slice *text = arg;

	must(l->path.len > 0 && l->target.len > 0);
	lies_in(*text, l->path);
	lies_in(*text, l->target);
	lies_in(l->target, l->uri);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };

	nginx_each_location(text, check, &text);
	return 0;
}
