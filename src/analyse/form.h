/* What: the forms in which an answer is written, by the name that -o takes. Each kind of answer has a table of them
 * (report_forms, explain_forms, ...), whose entries begin with their name and whose last one has none. */
#pragma once

#include <stddef.h>

#include "base/err.h"

/* The entry of that name. Failure: null and ERR_USAGE, with the names there are. */
#define form_find(forms, name, err)                                                                \
	((typeof(&(forms)[0]))form_find_in((forms), sizeof((forms)[0]), (name), (err)))
/* The name of the i-th, null past the last. */
#define form_name(forms, i) form_name_in((forms), sizeof((forms)[0]), (i))
const char *form_name_in(const void *forms, size_t size, size_t i);
const void *form_find_in(const void *forms, size_t size, const char *name, struct err *err);
