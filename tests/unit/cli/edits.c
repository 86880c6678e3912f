/* Why: repairs are applied by people without looking: a patch changes the scalar it means and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyse/rule.h"
#include "base/mem.h"
#include "cli/edits.h"
#include "codec/yaml.h"

/* The patch that replacing the scalar at 'path' makes of the text: its lines that begin with + or -. */
static char *patch_of(const char *text, const char *path, const char *replacement)
{
	char name[] = "/tmp/kennel-edits.XXXXXX", *patch = NULL, *kept = mem_strdup("");
	size_t size = 0;
	int fd = mkstemp(name);
	FILE *out = open_memstream(&patch, &size);
	scoped_arena struct arena a = { 0 };
	struct object o = { .file = name };
	struct findings found = { 0 };
	struct check c = { .found = &found, .rule = rule_find(SLICE("SVC001")) };
	struct slice rest, line;
	struct val *v = NULL;
	struct err err;

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	assert_int_equal(yaml_parse(&a, slice_of(text), &v, &err), 0);
	o.v = v;
	finding_replace(&c, check_found(&c, &o, v, "It is wrong."), &o, val_path(v, path), "%s",
	                replacement);
	assert_int_equal(edits_print(out, &found, &err), 0);
	fclose(out);
	rest = slice_of(patch);
	while (slice_next(&rest, '\n', &line)) {
		if ((slice_has_prefix(line, SLICE("+")) || slice_has_prefix(line, SLICE("-"))) &&
		    line.len > 1 && line.p[1] != line.p[0]) {
			char *more = mem_printf("%s" SLICE_FMT "\n", kept, SLICE_ARG(line));

			free(kept);
			kept = more;
		}
	}
	unlink(name);
	findings_fini(&found);
	free(patch);
	return kept;
}

static void expect(const char *text, const char *replacement, const char *wanted)
{
	scoped_free char *patch = patch_of(text, "a", replacement);

	assert_string_equal(patch, wanted);
}

static void a_scalar_of_any_kind_is_replaced_whole(void **state)
{
	(void)state;
	expect("a: false\n", "true", "-a: false\n+a: true\n");
	expect("a: false # why\n", "true", "-a: false # why\n+a: true # why\n");
	expect("{a: false, b: 1}\n", "true", "-{a: false, b: 1}\n+{a: true, b: 1}\n");
	expect("a: null\n", "5", "-a: null\n+a: 5\n");
	expect("a: 80\n", "8080", "-a: 80\n+a: 8080\n");
	expect("a: web\n", "api", "-a: web\n+a: api\n");
	expect("a: \"web\"\n", "api", "-a: \"web\"\n+a: \"api\"\n");
}

static void a_text_stays_a_text(void **state)
{
	(void)state;
	expect("a: web\n", "true", "-a: web\n+a: \"true\"\n");
	expect("a: 'false'\n", "true", "-a: 'false'\n+a: 'true'\n");
	expect("a: web\n", "80", "-a: web\n+a: \"80\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scalar_of_any_kind_is_replaced_whole),
		cmocka_unit_test(a_text_stays_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
