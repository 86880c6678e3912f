/* What: objects from text for tests, with single quotes in place of double ones. */
#pragma once

#include "base/mem.h"
#include "codec/json.h"
#include "schema/object.h"

static inline struct val *parse(struct arena *a, const char *text)
{
	char *copy = arena_strdup(a, text);
	struct err err = { 0 };
	struct val *v = NULL;

	for (char *p = copy; *p; p++) {
		*p = *p == '\'' ? '"' : *p;
	}
	if (json_parse(a, slice_of(copy), JSON_MARK, &v, &err) < 0) {
		fail_msg("%s: %s", text, err.msg);
	}
	return v;
}

static inline void assert_json(const struct val *v, const char *want)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };

	if (!val_eq(v, parse(&a, want))) {
		json_write(&text, v);
		fail_msg("expected %s\n   found %s", want, strbuf_str(&text));
	}
}

static inline const struct kind *find_kind(const struct registry *r, const char *group,
                                           const char *version, const char *kind)
{
	const struct kind *k = registry_find(r, slice_of(group), slice_of(version), slice_of(kind));

	if (!k) {
		fail_msg("no kind %s in %s/%s", kind, group, version);
	}
	return k;
}

/* The findings as "path: detail", one a line; of decoding: the detail alone. */
static inline void add_findings(struct strbuf *out, const struct field_errors *e, bool with_path)
{
	for (size_t i = 0; i < e->n; i++) {
		strbuf_adds(out, out->size ? "\n" : "");
		if (with_path && *e->at[i].path) {
			strbuf_addf(out, "%s: ", e->at[i].path);
		}
		strbuf_adds(out, e->at[i].detail);
	}
}

static inline void assert_text(const struct strbuf *found, const char *want, const char *input)
{
	if (strcmp(strbuf_str(found), want) != 0) {
		fail_msg("%s\nexpected %s\n   found %s", input, want, strbuf_str(found));
	}
}
