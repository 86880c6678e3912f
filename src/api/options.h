/* What: the options that travel in the query of a request, checked. Pure. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

enum field_validation { VALIDATE_WARN, VALIDATE_IGNORE, VALIDATE_STRICT };
enum include_object { INCLUDE_METADATA, INCLUDE_OBJECT, INCLUDE_NONE };

struct options { /* slices live in the arena */
	/* reading */
	struct slice resource_version, match, label_selector, field_selector, token;
	uint64_t revision; /* of resource_version; 0 when absent or "0" */
	uint64_t limit;    /* 0: none */
	bool watch, bookmarks;
	bool has_initial, initial; /* sendInitialEvents */
	int64_t timeout_s;         /* 0: not given */
	enum include_object include;
	bool pretty;
	/* writing */
	bool dry_run;
	enum field_validation validation;
	struct slice manager; /* fieldManager; may be empty */
	bool has_force, force;
	/* deleting; a body may say the same */
	int64_t grace_s; /* -1: not given */
	struct slice propagation;
	bool has_orphan, orphan;
};

/* Failure: ERR_SYNTAX (400) or ERR_INVALID (422) in the server's words. */
MUST_USE int options_parse(struct arena *a, struct slice query, struct options *ret,
                           struct err *err);
/* Is a word of a query true ("1", "t", "true", "True")? An empty one is. */
bool option_is_true(struct slice value);
