/* Why: any tree is walked to its end, with every fact pointing at a node that has a place. */
#include <stdint.h>

#include "analyse/config.h"
#include "base/must.h"
#include "codec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(void *arg, const struct config_fact *f)
{
	(void)arg;
	must(f->node && f->line >= 1);
	must(f->name.p != NULL);
	must(f->value.p != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 256 << 20 };
	struct val *v;

	if (yaml_parse(&a, (struct slice){ (const char *)data, size }, &v, NULL) == 0) {
		config_tree(&a, v, check, NULL);
	}
	return 0;
}
