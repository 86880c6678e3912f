/* What: resource.Quantity: "500m", "64Mi", "1e3", 2. */
#pragma once

#include "base/slice.h"
#include "base/strbuf.h"
#include "codec/value.h"

struct quantity {
	__int128 nano; /* value times 10^9; the API rounds up below */
};
bool quantity_parse(struct slice text, struct quantity *ret);
bool quantity_of_val(const struct val *v, struct quantity *ret); /* string or number */
int64_t quantity_milli(struct quantity q);                       /* rounded up */
int64_t quantity_value(struct quantity q);                       /* rounded up */
/* Canonical text, keeping the suffix family of 'like' (binary, decimal, exponent). */
void quantity_format(struct strbuf *out, struct quantity q, struct slice like);
