#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "node/logs-line.h"
#include "node/logs-reader.h"

#define T "2026-01-02T03:04:05.123456789Z "

static void a_line_tells_time_stream_and_text(void **state)
{
	struct logs_line l;

	(void)state;
	assert_true(logs_line_parse(SLICE(T "stderr F hello world"), &l));
	assert_true(l.is_stderr && !l.is_partial);
	assert_true(slice_is(l.text, "hello world"));
	assert_int_equal(l.wall_us % US_PER_S, 123456);
	assert_true(logs_line_parse(SLICE(T "stdout P ab "), &l));
	assert_true(!l.is_stderr && l.is_partial && slice_is(l.text, "ab "));
	assert_true(logs_line_parse(SLICE(T "stdout F"), &l) && l.text.len == 0);
	assert_true(logs_line_parse(SLICE(T "stdout F:x  y"), &l) && slice_is(l.text, " y"));
}

static void what_is_no_line_is_refused(void **state)
{
	static const char *const bad[] = { "",
		                           "hello",
		                           T,
		                           T "stdout",
		                           T "stdin F x",
		                           T "stdout X x",
		                           "yesterday stdout F x",
		                           "2026-13-02T03:04:05Z stdout F x" };
	struct logs_line l;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(logs_line_parse(slice_of(bad[i]), &l));
	}
}

static void times_are_shown_in_utc_with_nine_decimals(void **state)
{
	static const char *const cases[][2] = {
		{ "2026-01-02T03:04:05.1+02:00 stdout F", "2026-01-02T01:04:05.100000000Z" },
		{ "2026-01-02T03:04:05Z stdout F", "2026-01-02T03:04:05.000000000Z" },
		{ "2026-01-02T03:04:05.123456789123Z stdout F", "2026-01-02T03:04:05.123456789Z" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_strbuf struct strbuf out = { 0 };
		struct logs_line l;

		assert_true(logs_line_parse(slice_of(cases[i][0]), &l));
		logs_line_add_time(&out, &l);
		assert_string_equal(strbuf_str(&out), cases[i][1]);
	}
}

/* ---- queries ---- */

static int query(const char *text, struct logs_query *q)
{
	scoped_arena struct arena a = { 0 };

	return logs_query_parse(&a, slice_of(text), 1000 * US_PER_S, q, NULL);
}

static void a_query_without_wishes_is_the_whole_log(void **state)
{
	struct logs_query q;

	(void)state;
	assert_int_equal(query("pretty=false&follow=false", &q), 0);
	assert_true(!q.follow && !q.previous && !q.timestamps);
	assert_int_equal(q.tail_lines, -1);
	assert_int_equal(q.limit_bytes, -1);
	assert_true(q.since_wall_us == INT64_MIN);
}

static void wishes_are_read(void **state)
{
	struct logs_query q;

	(void)state;
	assert_int_equal(query("follow=1&tailLines=0&limitBytes=7&timestamps=true&sinceSeconds=10"
	                       "&previous=TRUE",
	                       &q),
	                 0);
	assert_true(q.follow && q.previous && q.timestamps);
	assert_int_equal(q.tail_lines, 0);
	assert_int_equal(q.limit_bytes, 7);
	assert_int_equal(q.since_wall_us, 990 * US_PER_S);
	assert_int_equal(query("sinceTime=1970-01-01T00%3A00%3A05Z", &q), 0);
	assert_int_equal(q.since_wall_us, 5 * US_PER_S);
	assert_int_equal(query("sinceSeconds=9223372036854775807", &q), 0);
	assert_int_equal(q.since_wall_us, 0);
}

static void impossible_wishes_are_refused(void **state)
{
	static const struct {
		const char *query;
		enum err_code code;
	} cases[] = {
		{ "tailLines=-1", ERR_INVALID },
		{ "limitBytes=0", ERR_INVALID },
		{ "sinceSeconds=0", ERR_INVALID },
		{ "tailLines=x", ERR_SYNTAX },
		{ "sinceTime=now", ERR_SYNTAX },
		{ "stream=both", ERR_INVALID },
		{ "sinceSeconds=1&sinceTime=2026-01-02T03:04:05Z", ERR_INVALID },
	};
	struct logs_query q;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(query(cases[i].query, &q), -(int)cases[i].code);
	}
}

/* ---- files ---- */

struct file {
	char path[64];
	int fd;
	struct logs_reader r;
	struct strbuf out;
};

static int set_up(void **state)
{
	struct file *f = NEW(struct file);

	const char *tmp = getenv("TMPDIR");

	snprintf(f->path, sizeof(f->path), "%s/kennel-log-XXXXXX", tmp ? tmp : "/tmp");
	f->fd = mkstemp(f->path);
	f->r.fd = -1;
	*state = f;
	return f->fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct file *f = *state;

	logs_reader_fini(&f->r);
	strbuf_fini(&f->out);
	close(f->fd);
	unlink(f->path);
	free(f);
	return 0;
}

static void append(struct file *f, const char *text)
{
	assert_int_equal(write(f->fd, text, strlen(text)), strlen(text));
}

static const char *read_all(struct file *f)
{
	int r;

	strbuf_reset(&f->out);
	do {
		r = logs_reader_read(&f->r, &f->out, NULL);
		assert_true(r >= 0);
	} while (r == LOGS_READER_MORE);
	return strbuf_str(&f->out);
}

static const char *read_with(struct file *f, const char *wishes)
{
	struct logs_query q;
	struct err err;

	assert_int_equal(query(wishes, &q), 0);
	logs_reader_fini(&f->r);
	if (logs_reader_open(&f->r, f->path, &q, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	return read_all(f);
}

static void pieces_of_a_line_are_joined(void **state)
{
	struct file *f = *state;

	append(f, T "stdout P one\n" T "stdout P  and\n" T "stdout F  a half\n" T "stdout F two\n");
	assert_string_equal(read_with(f, ""), "one and a half\ntwo\n");
	assert_string_equal(read_with(f, "timestamps=true"), T "one and a half\n" T "two\n");
}

static void a_tail_counts_whole_lines(void **state)
{
	struct file *f = *state;

	append(f, T "stdout F zero\n" T "stdout P one\n" T "stdout F  more\n" T "stderr F two\n");
	assert_string_equal(read_with(f, "tailLines=0"), "");
	assert_string_equal(read_with(f, "tailLines=1"), "two\n");
	assert_string_equal(read_with(f, "tailLines=2"), "one more\ntwo\n");
	assert_string_equal(read_with(f, "tailLines=3"), "zero\none more\ntwo\n");
	assert_string_equal(read_with(f, "tailLines=99"), "zero\none more\ntwo\n");
	assert_string_equal(read_with(f, "tailLines=1&stream=Stdout"), "one more\n");
	append(f, T "stdout P prompt> \n");
	assert_string_equal(read_with(f, "tailLines=1"), "prompt> ");
	assert_string_equal(read_with(f, "tailLines=2"), "two\nprompt> ");
}

static void the_tail_of_nothing_is_nothing(void **state)
{
	struct file *f = *state;

	assert_string_equal(read_with(f, "tailLines=5"), "");
	append(f, "\n\n");
	assert_string_equal(read_with(f, "tailLines=5"), "");
	append(f, T "stdout F x\n");
	assert_string_equal(read_all(f), "x\n");
}

static void tails_of_every_length_are_right_across_pieces(void **state)
{
	struct file *f = *state;
	scoped_strbuf struct strbuf text = { 0 };
	enum { LINES = 5000 };

	for (int i = 0; i < LINES; i++) {
		strbuf_addf(&text, T "stdout F %d %.*s\n", i, i % 97,
		            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		            "xxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	}
	append(f, strbuf_str(&text));
	for (int n = 1; n <= LINES; n += 1 + n / 7) {
		char wishes[40], first[20];
		const char *got;
		int lines = 0;

		snprintf(wishes, sizeof(wishes), "tailLines=%d", n);
		snprintf(first, sizeof(first), "%d ", LINES - n);
		got = read_with(f, wishes);
		assert_true(strncmp(got, first, strlen(first)) == 0);
		for (const char *p = got; (p = strchr(p, '\n')); p++) {
			lines++;
		}
		assert_int_equal(lines, n);
	}
}

static void old_lines_are_left_out(void **state)
{
	struct file *f = *state;

	append(f, "1970-01-01T00:00:04.999999Z stdout F old\n"
	          "1970-01-01T00:00:05Z stdout F now\n1970-01-01T00:00:06Z stdout F new\n");
	assert_string_equal(read_with(f, "sinceTime=1970-01-01T00:00:05Z"), "now\nnew\n");
	assert_string_equal(read_with(f, "sinceTime=1970-01-01T00:00:05Z&tailLines=1"), "new\n");
}

static void a_limit_cuts_to_the_byte(void **state)
{
	struct file *f = *state;

	append(f, T "stdout F hello\n" T "stdout F world\n");
	assert_string_equal(read_with(f, "limitBytes=3"), "hel");
	assert_string_equal(read_with(f, "limitBytes=6"), "hello\n");
	assert_string_equal(read_with(f, "limitBytes=8"), "hello\nwo");
	assert_string_equal(read_with(f, "limitBytes=4&timestamps=true"), "2026");
}

static void half_a_line_waits_for_its_end(void **state)
{
	struct file *f = *state;

	append(f, T "stdout F a\n" T "stdo");
	assert_string_equal(read_with(f, ""), "a\n");
	append(f, "ut F b\n");
	assert_string_equal(read_all(f), "b\n");
}

static void malformed_and_endless_lines_are_passed_over(void **state)
{
	struct file *f = *state;
	scoped_strbuf struct strbuf text = { 0 };

	strbuf_adds(&text, T "stdout F ");
	for (int i = 0; i < LOGS_LINE_MAX + 100000; i++) {
		strbuf_addc(&text, 'x');
	}
	strbuf_adds(&text, "\ngarbage\n" T "stdout F end\n");
	append(f, strbuf_str(&text));
	assert_string_equal(read_with(f, ""), "end\n");
	assert_int_equal(f->r.malformed, 2);
}

static void a_rotated_log_goes_on_in_the_new_file(void **state)
{
	struct file *f = *state;
	char old[80];

	append(f, T "stdout F one\n");
	assert_string_equal(read_with(f, "follow=true"), "one\n");
	assert_false(logs_reader_reopen(&f->r, f->path));
	snprintf(old, sizeof(old), "%s.1", f->path);
	assert_int_equal(rename(f->path, old), 0);
	assert_false(logs_reader_reopen(&f->r, f->path));
	append(f, T "stdout F last of old\n"); /* conmon still writes there */
	close(f->fd);
	f->fd = open(f->path, O_RDWR | O_CREAT, 0600);
	append(f, T "stdout F two\n");
	assert_true(logs_reader_reopen(&f->r, f->path));
	assert_string_equal(read_all(f), "last of old\n");
	assert_true(logs_reader_reopen(&f->r, f->path));
	assert_string_equal(read_all(f), "two\n");
	unlink(old);
}

static void a_log_that_was_cut_short_is_read_from_its_start(void **state)
{
	struct file *f = *state;

	append(f, T "stdout F one\n");
	assert_string_equal(read_with(f, "follow=true"), "one\n");
	assert_int_equal(ftruncate(f->fd, 0), 0);
	assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
	append(f, T "stdout F 2\n");
	assert_true(logs_reader_reopen(&f->r, f->path));
	assert_string_equal(read_all(f), "2\n");
}

#define ON_FILE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_tells_time_stream_and_text),
		cmocka_unit_test(what_is_no_line_is_refused),
		cmocka_unit_test(times_are_shown_in_utc_with_nine_decimals),
		cmocka_unit_test(a_query_without_wishes_is_the_whole_log),
		cmocka_unit_test(wishes_are_read),
		cmocka_unit_test(impossible_wishes_are_refused),
		ON_FILE(pieces_of_a_line_are_joined),
		ON_FILE(a_tail_counts_whole_lines),
		ON_FILE(the_tail_of_nothing_is_nothing),
		ON_FILE(tails_of_every_length_are_right_across_pieces),
		ON_FILE(old_lines_are_left_out),
		ON_FILE(a_limit_cuts_to_the_byte),
		ON_FILE(half_a_line_waits_for_its_end),
		ON_FILE(malformed_and_endless_lines_are_passed_over),
		ON_FILE(a_rotated_log_goes_on_in_the_new_file),
		ON_FILE(a_log_that_was_cut_short_is_read_from_its_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
