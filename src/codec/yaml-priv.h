/* What: what plain YAML scalars mean; asked by the reader, and by the writer to know what to quote.
 */
#pragma once

#include "codec/value.h"

/* Resolves a plain scalar into *ret (type and union; strings and number text borrow from 'text').
 * Outcome 1: a number that no document may hold (infinite, not a number, out of range). */
int yaml_resolve_plain(struct slice text, struct val *ret);
/* True when older readers would take the plain text for a date or a base-60 number. */
bool yaml_looks_ambiguous(struct slice text);
