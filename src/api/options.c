/* Why: one place says what a query may hold and what each mistake in it is called. See options.h.
 * Source: reference 3.2 to 3.8 */
#include "api/options.h"

#include "base/mem.h"
#include "http/message.h"

struct reader {
	struct arena *arena;
	struct slice query;
	struct err *err;
};

static struct slice word(struct reader *r, const char *name)
{
	struct slice s = http_query_get(r->arena, r->query, name, 0);

	return s.p ? s : SLICE("");
}

static bool has_word(struct reader *r, const char *name)
{
	return http_query_get(r->arena, r->query, name, 0).p != NULL;
}

bool option_is_true(struct slice value)
{
	static const char *const words[] = { "1", "t", "T", "true", "True", "TRUE", "" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (slice_is(value, words[i])) {
			return true;
		}
	}
	return false;
}

static bool flag(struct reader *r, const char *name)
{
	return has_word(r, name) && option_is_true(word(r, name));
}

static int number(struct reader *r, const char *name, int64_t otherwise, int64_t *ret)
{
	struct slice s = word(r, name);

	*ret = otherwise;
	if (s.len && !slice_to_i64(s, ret)) {
		return err_raise(r->err, ERR_SYNTAX,
		                 "strconv.ParseInt: parsing \"" SLICE_FMT "\": invalid syntax",
		                 SLICE_ARG(slice_head(s, 60)));
	}
	return 0;
}

static int read_revision(struct reader *r, struct options *o)
{
	bool has_match = o->match.len > 0, exact = slice_is(o->match, "Exact");

	if (o->resource_version.len && !slice_to_u64(o->resource_version, &o->revision)) {
		return err_raise(r->err, ERR_SYNTAX,
		                 "Invalid value: \"" SLICE_FMT
		                 "\": strconv.ParseUint: parsing \"" SLICE_FMT "\": invalid syntax",
		                 SLICE_ARG(slice_head(o->resource_version, 60)),
		                 SLICE_ARG(slice_head(o->resource_version, 60)));
	}
	if (o->has_initial) {
		if (!o->watch) {
			return err_raise(r->err, ERR_INVALID,
			                 "sendInitialEvents: Forbidden: sendInitialEvents is "
			                 "forbidden for list");
		}
		if (!slice_is(o->match, "NotOlderThan")) {
			return err_raise(r->err, ERR_INVALID,
			                 "resourceVersionMatch: Forbidden: sendInitialEvents "
			                 "requires setting resourceVersionMatch to NotOlderThan");
		}
		return 0;
	}
	if (has_match && !exact && !slice_is(o->match, "NotOlderThan")) {
		return err_raise(r->err, ERR_INVALID,
		                 "resourceVersionMatch: Unsupported value: \"" SLICE_FMT
		                 "\": supported values: \"Exact\", \"NotOlderThan\", \"\"",
		                 SLICE_ARG(slice_head(o->match, 60)));
	}
	if (has_match &&
	    (o->watch || !o->resource_version.len || o->token.len || (exact && o->revision == 0))) {
		return err_raise(
			r->err, ERR_INVALID,
			"resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden %s",
			o->watch                   ? "for watch"
			: o->token.len             ? "when continue is provided"
			: !o->resource_version.len ? "unless resourceVersion is provided"
						   : "\"Exact\" for resourceVersion \"0\"");
	}
	return 0;
}

static int read_reading(struct reader *r, struct options *o)
{
	struct slice include = word(r, "includeObject");
	int64_t limit;
	int result = number(r, "limit", 0, &limit);

	if (result == 0) {
		result = number(r, "timeoutSeconds", 0, &o->timeout_s);
	}
	if (result < 0) {
		return result;
	}
	o->limit = limit > 0 ? (uint64_t)limit : 0;
	o->resource_version = word(r, "resourceVersion");
	o->match = word(r, "resourceVersionMatch");
	o->label_selector = word(r, "labelSelector");
	o->field_selector = word(r, "fieldSelector");
	o->token = word(r, "continue");
	o->watch = flag(r, "watch");
	o->bookmarks = flag(r, "allowWatchBookmarks");
	o->has_initial = has_word(r, "sendInitialEvents");
	o->initial = flag(r, "sendInitialEvents");
	o->pretty = has_word(r, "pretty") && !slice_is(word(r, "pretty"), "false") &&
	            !slice_is(word(r, "pretty"), "0");
	if (slice_is(include, "Object")) {
		o->include = INCLUDE_OBJECT;
	} else if (slice_is(include, "None")) {
		o->include = INCLUDE_NONE;
	} else if (include.len && !slice_is(include, "Metadata")) {
		return err_raise(r->err, ERR_SYNTAX,
		                 "unrecognized includeObject value: \"" SLICE_FMT "\"",
		                 SLICE_ARG(slice_head(include, 60)));
	}
	return read_revision(r, o);
}

static bool is_printable(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) {
			return false;
		}
	}
	return true;
}

static int read_writing(struct reader *r, struct options *o)
{
	struct slice validation = word(r, "fieldValidation"), dry = word(r, "dryRun");

	if (dry.len && !slice_is(dry, "All")) {
		return err_raise(r->err, ERR_INVALID,
		                 "dryRun: Unsupported value: \"" SLICE_FMT
		                 "\": supported values: \"All\"",
		                 SLICE_ARG(slice_head(dry, 60)));
	}
	o->dry_run = dry.len > 0;
	o->manager = word(r, "fieldManager");
	if (o->manager.len > 128 || !is_printable(o->manager)) {
		return err_raise(r->err, ERR_INVALID,
		                 "fieldManager: Invalid value: \"" SLICE_FMT "...\": %s",
		                 SLICE_ARG(slice_head(o->manager, 20)),
		                 o->manager.len > 128 ? "may not be more than 128 bytes"
		                                      : "should only contain printable characters");
	}
	o->has_force = has_word(r, "force");
	o->force = flag(r, "force");
	if (slice_is(validation, "Ignore")) {
		o->validation = VALIDATE_IGNORE;
	} else if (slice_is(validation, "Strict")) {
		o->validation = VALIDATE_STRICT;
	} else if (validation.len && !slice_is(validation, "Warn")) {
		return err_raise(r->err, ERR_INVALID,
		                 "fieldValidation: Unsupported value: \"" SLICE_FMT
		                 "\": supported values: \"Ignore\", \"Strict\", \"Warn\"",
		                 SLICE_ARG(slice_head(validation, 60)));
	}
	return 0;
}

int options_parse(struct arena *a, struct slice query, struct options *ret, struct err *err)
{
	struct reader r = { a, query, err };
	int result;

	*ret = (struct options){ .grace_s = -1 };
	result = number(&r, "gracePeriodSeconds", -1, &ret->grace_s);
	if (result == 0) {
		result = read_reading(&r, ret);
	}
	if (result == 0) {
		result = read_writing(&r, ret);
	}
	ret->propagation = word(&r, "propagationPolicy");
	ret->has_orphan = has_word(&r, "orphanDependents");
	ret->orphan = flag(&r, "orphanDependents");
	return result;
}
