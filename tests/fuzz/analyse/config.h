/* What: what every reader of a server's configuration promises, whatever it is given: it stays in its text, and every fact
 * has a place in it. */
#pragma once

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

typedef void config_reader(struct arena *a, struct slice text, config_fact_fn *fact, void *arg);

static int config_replay(config_reader *read, const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 256 << 20 };
	const struct slice text = { (const char *)data, size };
	struct seen s = { .lines = 1 };

	for (size_t i = 0; i < size; i++) {
		s.lines += data[i] == '\n';
	}
	read(&a, text, check, &s);
	(void)config_format_of(text, text);
	return 0;
}
