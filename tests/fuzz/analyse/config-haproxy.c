/* Why: No configuration, however broken, leads HAProxy's reader out of its text, and every fact has
 * a place in it. */
#include <stdint.h>

#include "analyse/config.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint32_t lines;
	uint32_t last; /* facts come in the order of the text */
};

static void check(void *arg, const struct config_fact *f)
{
	struct seen *s = arg;

	must(f->line >= 1 && f->line <= s->lines);
	must(f->line >= s->last);
	must(f->col >= 1);
	must(f->value.len > 0);
	must(f->scheme != NULL);
	s->last = f->line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 256 << 20 };
	const struct slice text = { (const char *)data, size };
	struct seen s = { .lines = 1 };

	for (size_t i = 0; i < size; i++) {
		s.lines += data[i] == '\n';
	}
	config_haproxy(&a, text, check, &s);
	(void)config_format_of(text, text);
	return 0;
}
