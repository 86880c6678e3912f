#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"

/* YAML text reads as that JSON text. */
static void assert_reads(const char *yaml, const char *json)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf out = { 0 };
	struct val *v;
	struct err err;

	if (yaml_parse(&a, slice_of(yaml), &v, &err) < 0) {
		fail_msg("%s: %s", yaml, err.msg);
	}
	json_write(&out, v);
	assert_string_equal(strbuf_str(&out), json);
}

static const char *reason(const char *text)
{
	static struct err err;
	scoped_arena struct arena a = { 0 };
	struct val *v;

	err.msg[0] = 0;
	assert_int_not_equal(yaml_parse(&a, slice_of(text), &v, &err), 0);
	return err.msg;
}

static void plain_scalars_have_types(void **state)
{
	(void)state;
	assert_reads("[1, -2, +3, 0x1F, 0o17, 0644, 0b11, 1_000, 08, 0x]",
	             "[1,-2,3,31,15,420,3,1000,8,\"0x\"]");
	assert_reads("[1.5, .5, 1., 1e3, -1.5e-3, 9223372036854775808, 1.2.3]",
	             "[1.5,0.5,1,1e3,-1.5e-3,9223372036854775808,\"1.2.3\"]");
	assert_reads("[true, True, yes, on, y, N, off, no, FALSE, tRue]",
	             "[true,true,true,true,true,false,false,false,false,\"tRue\"]");
	assert_reads("[~, null, Null, NULL, 'null', \"~\", nUll]",
	             "[null,null,null,null,\"null\",\"~\",\"nUll\"]");
	assert_reads("[2026-01-02, 2026-01-02T03:04:05Z, 12:30, 500m, 64Mi, -, a b]",
	             "[\"2026-01-02\",\"2026-01-02T03:04:05Z\",\"12:30\",\"500m\",\"64Mi\",\"-\","
	             "\"a b\"]");
	assert_reads("[!!str 5, !!int '7', !!float 1, !!binary aGk=, ! 5, !x 6]",
	             "[\"5\",7,1,\"hi\",\"5\",\"6\"]");
	assert_reads("", "null");
	assert_reads("# only a remark\n", "null");
}

static void keys_become_text(void **state)
{
	(void)state;
	assert_reads("{1: a, true: b, 1.5: c, 'on': d, off: e}",
	             "{\"1\":\"a\",\"true\":\"b\",\"1.5\":\"c\",\"on\":\"d\",\"false\":\"e\"}");
	assert_string_equal(reason("~: 1"),
	                    "line 1, column 1: a key must be text, a number or a boolean");
	assert_string_equal(reason("? [a]\n: 1"),
	                    "line 1, column 3: a key must be text, a number or a boolean");
}

static void anchors_and_merges_are_resolved(void **state)
{
	(void)state;
	assert_reads("a: &x {k: [1]}\nb: *x\nc: [*x, *x]",
	             "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]},\"c\":[{\"k\":[1]},{\"k\":[1]}]}");
	assert_reads("a: &x {k: 1, l: 2}\nb:\n  k: 3\n  <<: *x\n  m: 4\n",
	             "{\"a\":{\"k\":1,\"l\":2},\"b\":{\"k\":3,\"m\":4,\"l\":2}}");
	assert_reads("- &x {k: 1}\n- &y {k: 2, l: 2}\n- <<: [*x, *y]\n",
	             "[{\"k\":1},{\"k\":2,\"l\":2},{\"k\":1,\"l\":2}]");
	assert_reads("- <<: {k: 1}\n  '<<': 5\n", "[{\"<<\":5,\"k\":1}]");
	assert_reads("&n name: &v value\nother: *v\nkey: *n\n",
	             "{\"name\":\"value\",\"other\":\"value\",\"key\":\"name\"}");
}

static void failures_name_their_place(void **state)
{
	(void)state;
	assert_string_equal(reason("a: 1\nb: 2\na: 3\n"), "line 3, column 1: duplicate key \"a\"");
	assert_string_equal(reason("a: *nobody\n"),
	                    "line 1, column 4: alias to an anchor that is not there");
	assert_string_equal(reason("a: &a\n  b: *a\n"),
	                    "line 2, column 6: alias inside what it stands for");
	assert_string_equal(reason("<<: 5\n"),
	                    "line 2, column 1: a merge (<<) needs a mapping or a list of them");
	assert_string_equal(reason("a: .inf"), "line 1, column 4: number out of range");
	assert_string_equal(reason("a: !!int x"), "line 1, column 4: value does not fit its tag");
	assert_string_equal(reason("a: 1\n---\nb: 2\n"),
	                    "line 3: a second document, one is expected");
	assert_non_null(strstr(reason("a:\n  - b\n c: d\n"), "line 3, column 2: "));
	assert_non_null(strstr(reason("a: [1, 2\nb: 3\n"), "line 2, column "));
	assert_non_null(strstr(reason("a: \"\xff\"\n"), "byte 4: "));
}

static void bombs_are_refused(void **state)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	struct val *v;

	(void)state;
	strbuf_adds(&text, "l0: &l0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 10; i++) {
		strbuf_addf(&text, "l%d: &l%d [", i, i);
		for (int k = 0; k < 10; k++) {
			strbuf_addf(&text, "%s*l%d", k ? "," : "", i - 1);
		}
		strbuf_adds(&text, "]\n");
	}
	assert_int_equal(yaml_parse(&a, strbuf_slice(&text), &v, NULL), -ERR_LIMIT);
	assert_true(a.used < 4 << 20);
	strbuf_reset(&text);
	for (int i = 0; i < 1001; i++) {
		strbuf_addc(&text, '[');
	}
	assert_int_equal(yaml_parse(&a, strbuf_slice(&text), &v, NULL), -ERR_LIMIT);
}

static void nodes_know_line_and_column(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *v;

	(void)state;
	assert_int_equal(yaml_parse(&a, SLICE("a:\n  b: 1\n  c:\n  - x\n  - k: z\n"), &v, NULL), 0);
	assert_int_equal(val_path(v, "a.b")->line, 2);
	assert_int_equal(val_path(v, "a.b")->col, 3);
	assert_int_equal(val_path(v, "a.c")->line, 3);
	assert_int_equal(val_at(val_path(v, "a.c"), 0)->line, 4);
	assert_int_equal(val_at(val_path(v, "a.c"), 0)->col, 5);
	assert_int_equal(val_get(val_at(val_path(v, "a.c"), 1), "k")->line, 5);
}

static int count_documents(void *arg, struct val *root, struct err *err)
{
	int *n = arg;

	(void)err;
	assert_int_equal(val_int(val_get(root, "i"), -1), *n);
	return ++*n == 3 ? 42 : 0;
}

static void streams_hold_many_documents(void **state)
{
	scoped_arena struct arena a = { 0 };
	int n = 0;

	(void)state;
	assert_int_equal(yaml_parse_all(&a, SLICE("---\n---\ni: 0\n---\n# empty\n---\ni: 1\n...\n"),
	                                count_documents, &n, NULL),
	                 0);
	assert_int_equal(n, 2);
	n = 0;
	assert_int_equal(yaml_parse_all(&a, SLICE("i: 0\n---\ni: 1\n---\ni: 2\n---\ni: 9"),
	                                count_documents, &n, NULL),
	                 42);
	assert_int_equal(n, 3);
}

static void text_is_written_as_kubectl_does(void **state)
{
	static const char yaml[] = "apiVersion: v1\n"
				   "kind: Thing\n"
				   "metadata:\n"
				   "  creationTimestamp: \"2026-01-02T03:04:05Z\"\n"
				   "  labels: {}\n"
				   "spec:\n"
				   "  args:\n"
				   "  - -c\n"
				   "  - '*'\n"
				   "  - 'a: b'\n"
				   "  - \"true\"\n"
				   "  - \"5\"\n"
				   "  - \"\"\n"
				   "  - 12:30:xx\n"
				   "  - \"12:30:45\"\n"
				   "  - '- a'\n"
				   "  - it's\n"
				   "  - ' x'\n"
				   "  - \"a\\tb\\r\\0\"\n"
				   "  empty: []\n"
				   "  lists:\n"
				   "  - - 1\n"
				   "    - - 2.5\n"
				   "  - name: x\n"
				   "    ports:\n"
				   "    - port: 80\n"
				   "      protocol: TCP\n"
				   "  none: null\n"
				   "  script: |\n"
				   "    #!/bin/sh\n"
				   "\n"
				   "      echo hi\n"
				   "  stripped: |-\n"
				   "    a\n"
				   "    b\n"
				   "  kept: |+\n"
				   "    a\n"
				   "\n"
				   "  \"y\": false\n";
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf out = { 0 };
	struct val *v;
	struct err err;

	(void)state;
	if (yaml_parse(&a, slice_of(yaml), &v, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	yaml_write(&out, v);
	{
		const char *tab = strstr(yaml, "\"a\\tb");
		size_t before = (size_t)(tab - yaml);

		assert_memory_equal(strbuf_str(&out), yaml, before);
		assert_string_equal(strchr(strbuf_str(&out) + before, '\n'), strchr(tab, '\n'));
	}
}

/* Texts that are easily misread come back as they were, as value and as name. */
static void awkward_texts_survive(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"a ",
		" a",
		"\n",
		"\n\n",
		"a\n",
		"a\n\n",
		"\na",
		"a\n\nb",
		"a \nb",
		"a\n b",
		"a\n\tb",
		"\ta",
		"a\t",
		"#a",
		"a #b",
		"a#b",
		"a:",
		"a:b",
		"a: b",
		":",
		"-",
		"--",
		"---",
		"--- a",
		"...",
		"?",
		"? a",
		"!a",
		"&a",
		"*a",
		"@a",
		"`a",
		"%a",
		"|",
		">",
		"'",
		"\"",
		"'a'",
		"\"a\"",
		"[a",
		"]a",
		"{a",
		"}a",
		"a,b",
		",a",
		"null",
		"~",
		"yes",
		"0x10",
		"1e3",
		".5",
		"1.",
		"+1",
		".inf",
		"<<",
		"=",
		"a\rb",
		"a\x01"
		"b",
		"a\x7f",
		"\xc2\x85",
		"\xe2\x80\xa8",
		"\xef\xbb\xbfx",
		"\xf0\x9f\x98\x80",
		"\\",
		"a\\nb",
		"a\n---\nb",
		"a\n...\n",
		"2026-01-02",
		"1:30",
		"1_0",
		"a\n\n\n",
		"  a\nb",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		scoped_arena struct arena a = { 0 };
		scoped_strbuf struct strbuf out = { 0 };
		struct val *v = val_new_object(&a), *again;
		struct err err;

		val_set_cstr(&a, v, "text", texts[i]);
		val_set_cstr(&a, v, texts[i], "x");
		val_append(val_need_array(&a, v, "list"), val_new_cstr(&a, texts[i]));
		val_append(val_append(val_get(v, "list"), val_new_array(&a)),
		           val_new_cstr(&a, texts[i]));
		yaml_write(&out, v);
		if (yaml_parse(&a, strbuf_slice(&out), &again, &err) < 0) {
			fail_msg("%s\n%s", err.msg, strbuf_str(&out));
		}
		if (!val_eq(v, again)) {
			fail_msg("changed:\n%s", strbuf_str(&out));
		}
	}
}

static void long_names_survive(void **state)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf out = { 0 }, name = { 0 };
	struct val *v = val_new_object(&a), *again;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		strbuf_addc(&name, 'k');
	}
	val_set_int(&a, val_set(&a, v, strbuf_str(&name), val_new_object(&a)), "a", 1);
	val_set_int(&a, v, "b", 2);
	yaml_write(&out, v);
	assert_int_equal(yaml_parse(&a, strbuf_slice(&out), &again, NULL), 0);
	assert_true(val_eq(v, again));
}

/* What a block holds is often a file of its own, whose lines people want to find. */
static void texts_know_where_they_stand(void **state)
{
	static const char text[] = "# remark\n"
				   "a: |\n"
				   "\n"
				   "    one\n"
				   "      two\n"
				   "b: &x |2-\n"
				   "     three\n"
				   "c:   'four'\n"
				   "d: >\n"
				   "  five\n";
	static const struct {
		const char *name;
		unsigned line, col;
		bool is_literal;
	} want[] = {
		{ "a", 3, 5, true }, { "b", 7, 3, true }, { "c", 8, 6, false }, { "d", 9, 4, false }
	};
	scoped_arena struct arena a = { 0 };
	struct val *v;

	(void)state;
	assert_int_equal(yaml_parse(&a, slice_of(text), &v, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const struct val *at = val_get(v, want[i].name);

		assert_int_equal(at->text_line, want[i].line);
		assert_int_equal(at->text_col, want[i].col);
		assert_int_equal(at->is_literal, want[i].is_literal);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_scalars_have_types),
		cmocka_unit_test(keys_become_text),
		cmocka_unit_test(anchors_and_merges_are_resolved),
		cmocka_unit_test(failures_name_their_place),
		cmocka_unit_test(bombs_are_refused),
		cmocka_unit_test(nodes_know_line_and_column),
		cmocka_unit_test(streams_hold_many_documents),
		cmocka_unit_test(text_is_written_as_kubectl_does),
		cmocka_unit_test(awkward_texts_survive),
		cmocka_unit_test(long_names_survive),
		cmocka_unit_test(texts_know_where_they_stand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
