#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "codec/yaml.h"
#include "node/file.h"
#include "node/log-rotate.h"
#include "node/volume-data.h"

static const struct val *find(void *arg, const char *kind, struct slice ns, struct slice name)
{
	scoped_free char *key = mem_printf("%s/" SLICE_FMT, kind, SLICE_ARG(name));

	(void)ns;
	return val_get(arg, key);
}

static struct slice token(void *arg, const struct val *source)
{
	(void)source;
	return *(const char **)arg ? slice_of(*(const char **)arg) : (struct slice){ 0 };
}

static int files_of(struct volume_files *out, const char *objects, const char *volume,
                    const char **token_text, struct err *err)
{
	struct val *o, *v, *pod;
	struct pod_facts f = { .find = find, .pod_ips = "", .host_ips = "" };

	assert_int_equal(yaml_parse(out->arena, slice_of(objects), &o, NULL), 0);
	assert_int_equal(yaml_parse(out->arena, slice_of(volume), &v, NULL), 0);
	assert_int_equal(
		yaml_parse(out->arena, SLICE("{metadata: {name: p, namespace: ns}}"), &pod, NULL),
		0);
	f.pod = pod;
	f.arg = o;
	return volume_files_of(out, &f, v, token, token_text, err);
}

static void keys_become_files_with_modes(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct volume_files files = { .arena = &a };
	const char *none = NULL;

	(void)state;
	assert_int_equal(files_of(&files,
	                          "{ConfigMap/c: {data: {a: A, b: B}, binaryData: {z: AAE=}}}",
	                          "{name: v, configMap: {name: c, defaultMode: 384}}", &none, NULL),
	                 VOLUME_DONE);
	assert_int_equal(files.n, 3);
	assert_int_equal(files.at[0].mode, 0600);
	assert_int_equal(files.at[2].bytes.len, 2);
	files.n = 0;
	assert_int_equal(files_of(&files, "{Secret/s: {data: {k: c2VjcmV0}}}",
	                          "{name: v, secret: {secretName: s, items: [{key: k, path: d/e, "
	                          "mode: 256}]}}",
	                          &none, NULL),
	                 VOLUME_DONE);
	assert_string_equal(files.at[0].path, "d/e");
	assert_true(slice_is(files.at[0].bytes, "secret"));
	assert_int_equal(files.at[0].mode, 0400);
}

static void what_is_missing_fails_and_what_is_awaited_waits(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct volume_files files = { .arena = &a };
	struct err err = { 0 };
	const char *text = NULL;

	(void)state;
	assert_int_equal(files_of(&files, "{}", "{name: v, configMap: {name: c}}", &text, &err),
	                 -ERR_NOTFOUND);
	assert_string_equal(err.msg, "configmap \"c\" not found");
	assert_int_equal(files_of(&files, "{}", "{name: v, configMap: {name: c, optional: true}}",
	                          &text, NULL),
	                 VOLUME_DONE);
	assert_int_equal(
		files_of(&files, "{}",
	                 "{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}",
	                 &text, NULL),
		VOLUME_WAITS);
	text = "tok";
	assert_int_equal(
		files_of(&files, "{}",
	                 "{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}",
	                 &text, NULL),
		VOLUME_DONE);
	assert_true(slice_is(files.at[0].bytes, "tok"));
}

static void no_path_leads_out_of_the_volume(void **state)
{
	static const char *const bad[] = { "../x", "/x", "a/../b", "..", "a//b", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		scoped_arena struct arena a = { 0 };
		struct volume_files files = { .arena = &a };
		scoped_free char *volume = mem_printf(
			"{name: v, configMap: {name: c, items: [{key: k, path: '%s'}]}}", bad[i]);
		const char *none = NULL;

		assert_int_equal(
			files_of(&files, "{ConfigMap/c: {data: {k: v}}}", volume, &none, NULL),
			-ERR_INVALID);
	}
}

static char *slurp(const char *dir, const char *name)
{
	scoped_free char *path = mem_printf("%s/%s", dir, name);
	struct strbuf text = { 0 };

	if (file_read(path, 0, &text, NULL) < 0) {
		strbuf_fini(&text);
		return NULL;
	}
	return strbuf_steal(&text);
}

static void a_folder_changes_as_a_whole(void **state)
{
	const char *tmp = getenv("TMPDIR");
	scoped_free char *top = mem_printf("%s/kennel-volume-XXXXXX", tmp ? tmp : "/tmp");
	scoped_free char *dir = mem_printf("%s/v", mkdtemp(top)), *one = NULL, *two = NULL,
			 *gone = NULL, *link = NULL;
	scoped_arena struct arena a = { 0 };
	struct volume_files files = { .arena = &a };
	const char *none = NULL;
	uint64_t before;
	struct stat st;

	(void)state;
	assert_int_equal(files_of(&files, "{ConfigMap/c: {data: {a: old, b: B}}}",
	                          "{name: v, configMap: {name: c}}", &none, NULL),
	                 0);
	before = volume_files_hash(&files);
	assert_int_equal(volume_files_write(dir, &files, -1, NULL), 0);
	one = slurp(dir, "a");
	assert_string_equal(one, "old");
	link = mem_printf("%s/a", dir);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	files.n = 0;
	assert_int_equal(files_of(&files, "{ConfigMap/c: {data: {a: new}}}",
	                          "{name: v, configMap: {name: c}}", &none, NULL),
	                 0);
	assert_true(volume_files_hash(&files) != before);
	assert_int_equal(volume_files_write(dir, &files, -1, NULL), 0);
	two = slurp(dir, "a");
	gone = slurp(dir, "b");
	assert_string_equal(two, "new");
	assert_null(gone);
	assert_int_equal(tree_remove(top, NULL), 0);
}

static void logs_are_rotated_and_old_ones_go(void **state)
{
	const char *tmp = getenv("TMPDIR");
	scoped_free char *top = mem_printf("%s/kennel-rotate-XXXXXX", tmp ? tmp : "/tmp");
	scoped_free char *log = mem_printf("%s/0.log", mkdtemp(top));

	(void)state;
	for (int i = 0; i < 7; i++) {
		assert_int_equal(file_write(log, SLICE("0123456789"), 0600, NULL), 0);
		assert_false(log_rotate(log, 10, 3, i * 1000000));
		assert_true(log_rotate(log, 9, 3, i * 1000000));
		assert_int_equal(access(log, F_OK), -1);
	}
	{
		scoped_free char *oldest = mem_printf("%s.1970-01-01T00:00:05.000000Z", log),
				 *dropped = mem_printf("%s.1970-01-01T00:00:04.000000Z", log);

		assert_int_equal(access(oldest, F_OK), 0);
		assert_int_equal(access(dropped, F_OK), -1);
	}
	assert_int_equal(tree_remove(top, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_become_files_with_modes),
		cmocka_unit_test(what_is_missing_fails_and_what_is_awaited_waits),
		cmocka_unit_test(no_path_leads_out_of_the_volume),
		cmocka_unit_test(a_folder_changes_as_a_whole),
		cmocka_unit_test(logs_are_rotated_and_old_ones_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
