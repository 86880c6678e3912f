/* Why: logs are read while they are written, renamed and begun anew; see logs-reader.h.
 *
 * tail_lines counts whole lines of the program, not pieces: going backwards, every line with tag F
 * ends one. An unfinished one at the end counts as well. */
#include "node/logs-reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "node/logs-line.h"

enum {
	PIECE = LOGS_READER_PIECE,
	HEAD_SIZE = 128, /* bytes from a line's start that surely hold time, stream and tag */
};

/* ---- where to begin ---- */

struct tail {
	int fd;
	enum logs_source source;
	int64_t wanted, seen; /* whole lines */
	bool any;             /* a line was looked at */
	int64_t start;        /* result: offset of the first line to show */
	char *buf;            /* PIECE + HEAD_SIZE bytes */
};

static bool is_of_stream(enum logs_source wanted, const struct logs_line *l)
{
	return wanted == LOGS_ALL || (wanted == LOGS_STDERR) == l->is_stderr;
}

/* A line starts at 'at'; true when the tail begins behind it. */
static bool tail_take(struct tail *t, int64_t at, struct slice head, int64_t end)
{
	struct logs_line l;
	ptrdiff_t newline = slice_find(head, '\n');

	if (newline >= 0) {
		head = slice_head(head, (size_t)newline);
	}
	if (!logs_line_parse(head, &l) || !is_of_stream(t->source, &l)) {
		return false;
	}
	if (!l.is_partial || !t->any) {
		if (t->seen == t->wanted) {
			t->start = end;
			return true;
		}
		t->seen++;
	}
	t->any = true;
	t->start = at;
	return false;
}

/* Looks through the file from its end. */
static int tail_find(struct tail *t, int64_t size, struct err *err)
{
	int64_t end = -1; /* of the line being looked for; -1: the last newline is not found yet */

	for (int64_t at = size; at > 0;) {
		int64_t from = at > PIECE ? at - PIECE : 0;
		ssize_t n = pread(t->fd, t->buf, (size_t)(at - from) + HEAD_SIZE, from);

		if (n < at - from) {
			return n < 0 ? err_sys(err, "read log")
			             : err_raise(err, ERR_IO, "log was cut short");
		}
		for (int64_t i = at - from - 1; i >= 0; i--) {
			bool is_start = from + i == 0;

			if (t->buf[i] != '\n' && !is_start) {
				continue;
			}
			if (end >= 0) {
				int64_t line = t->buf[i] == '\n' ? i + 1 : i;
				struct slice head = { t->buf + line, (size_t)(n - line) };

				if (from + line < end && tail_take(t, from + line, head, end)) {
					return 0;
				}
			}
			if (t->buf[i] == '\n') {
				if (end < 0) {
					t->start = from + i + 1;
				}
				end = from + i + 1;
			}
		}
		at = from;
	}
	return 0;
}

static int seek_tail(struct logs_reader *r, struct err *err)
{
	struct tail t = { .fd = r->fd, .source = r->query.source, .wanted = r->query.tail_lines };
	struct stat st;
	int result;

	if (fstat(r->fd, &st) < 0) {
		return err_sys(err, "look at log");
	}
	t.buf = mem_alloc(PIECE + HEAD_SIZE);
	result = tail_find(&t, st.st_size, err);
	r->offset = t.start;
	free(t.buf);
	return result;
}

int logs_reader_open(struct logs_reader *r, const char *path, const struct logs_query *q,
                     struct err *err)
{
	int result = 0;

	*r = (struct logs_reader){ .query = *q };
	r->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0) {
		return err_sys(err, "open log");
	}
	if (q->tail_lines >= 0) {
		result = seek_tail(r, err);
		if (result < 0) {
			logs_reader_fini(r);
		}
	}
	return result;
}

void logs_reader_fini(struct logs_reader *r)
{
	if (r->fd >= 0) {
		close(take_fd(&r->fd));
	}
	strbuf_fini(&r->held);
}

/* ---- forwards ---- */

/* Appends at most what limit_bytes leaves. */
static void put(struct logs_reader *r, struct strbuf *out, struct slice bytes)
{
	if (r->query.limit_bytes >= 0) {
		bytes = slice_head(bytes, (size_t)r->query.limit_bytes);
		r->query.limit_bytes -= (int64_t)bytes.len;
	}
	strbuf_add_slice(out, bytes);
}

static void put_line(struct logs_reader *r, struct strbuf *out, struct slice text)
{
	struct logs_line l;

	if (!logs_line_parse(text, &l)) {
		r->malformed++;
		return;
	}
	if (l.wall_us < r->query.since_wall_us || !is_of_stream(r->query.source, &l)) {
		return;
	}
	if (r->query.timestamps && !r->is_inside) {
		char room[64];
		struct strbuf time = { .max = sizeof(room) };

		logs_line_add_time(&time, &l);
		strbuf_addc(&time, ' ');
		put(r, out, strbuf_slice(&time));
		strbuf_fini(&time);
	}
	put(r, out, l.text);
	if (!l.is_partial) {
		put(r, out, SLICE("\n"));
	}
	r->is_inside = l.is_partial;
}

/* Takes one line off r->held; false when there is no whole one. */
static bool next_line(struct logs_reader *r, size_t *at, struct slice *ret)
{
	struct slice rest = slice_from(strbuf_slice(&r->held), *at);
	ptrdiff_t newline = slice_find(rest, '\n');

	if (newline < 0) {
		return false;
	}
	*ret = slice_head(rest, (size_t)newline);
	*at += (size_t)newline + 1;
	return true;
}

int logs_reader_read(struct logs_reader *r, struct strbuf *out, struct err *err)
{
	struct slice line;
	size_t at = 0;
	ssize_t n;
	char *to;

	if (r->query.limit_bytes == 0) {
		return LOGS_READER_FULL;
	}
	to = strbuf_reserve(&r->held, PIECE);
	n = pread(r->fd, to, PIECE, r->offset);
	if (n < 0) {
		return err_sys(err, "read log");
	}
	if (n == 0) {
		return LOGS_READER_END;
	}
	strbuf_added(&r->held, (size_t)n);
	r->offset += n;
	while (r->query.limit_bytes != 0 && next_line(r, &at, &line)) {
		if (!r->is_skipping) {
			put_line(r, out, line);
		}
		r->is_skipping = false;
	}
	strbuf_consume(&r->held, at);
	if (r->held.size > LOGS_LINE_MAX) {
		strbuf_reset(&r->held);
		r->malformed += !r->is_skipping;
		r->is_skipping = true;
	}
	return r->query.limit_bytes == 0 ? LOGS_READER_FULL : LOGS_READER_MORE;
}

bool logs_reader_reopen(struct logs_reader *r, const char *path)
{
	struct stat ours, now;
	int fd;

	if (fstat(r->fd, &ours) < 0) {
		return false;
	}
	if (ours.st_size < r->offset) {
		r->offset = 0;
	} else if (ours.st_size > r->offset) {
		return true; /* first to the end of this one */
	} else {
		fd = stat(path, &now) == 0 &&
		                     (now.st_ino != ours.st_ino || now.st_dev != ours.st_dev)
		             ? open(path, O_RDONLY | O_CLOEXEC)
		             : -1;
		if (fd < 0) {
			return false;
		}
		close(r->fd);
		r->fd = fd;
		r->offset = 0;
	}
	strbuf_reset(&r->held);
	r->is_skipping = false;
	return true;
}
