/* Why: files are read in one way, with one set of sentences; see text.h. */
#include "manifest/text.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { PART = 65536 };

static bool is_input(const char *path)
{
	return strcmp(path, "-") == 0;
}

const char *text_name(const char *path)
{
	return is_input(path) ? "standard input" : path;
}

static int read_all(FILE *f, const char *name, size_t max, struct strbuf *out, struct err *err)
{
	size_t before = out->size, n;

	do {
		char *to = strbuf_reserve(out, PART);

		n = to ? fread(to, 1, PART, f) : 0;
		strbuf_added(out, n);
		if (!to || out->size - before > max) {
			return err_raise(err, ERR_LIMIT, "%s is larger than %zu MiB", name,
			                 max >> 20);
		}
	} while (n);
	return ferror(f) ? err_sys(err, "read %s", name) : 0;
}

int text_read(const char *path, size_t max, struct strbuf *out, struct err *err)
{
	scoped_file FILE *f = is_input(path) ? NULL : fopen(path, "re");

	if (!f && !is_input(path)) {
		return err_sys(err, "open %s", path);
	}
	return read_all(f ? f : stdin, text_name(path), max, out, err);
}
