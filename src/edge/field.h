/* What: text values of a flat map (annotations, a ConfigMap) into a struct, by a table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/value.h"

enum field_type {
	FIELD_BOOL,     /* bool: "true" or "false" */
	FIELD_NUMBER,   /* int64_t within least..most; a trailing 's' is accepted */
	FIELD_TEXT,     /* struct slice that 'check' accepts */
	FIELD_PREFIXES, /* struct prefixes: CIDRs or addresses, by comma */
	FIELD_ENUM,     /* int: index into 'names' */
	FIELD_ASIDE,    /* known, read elsewhere */
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	int64_t least, most;
	bool (*check)(struct slice s);
	const char *const *names; /* null-terminated */
};

const struct field *field_find(const struct field *table, size_t n, struct slice name);
/* Sets the member of 'to' that f describes. Null when done, or what the value should have been. */
const char *field_set(struct arena *a, const struct field *f, void *to, struct slice value);
