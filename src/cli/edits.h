/* What: mechanical repairs as a patch: the edits of findings, applied in mind to the files they are in. */
#pragma once

#include <stdio.h>

#include "analyse/finding.h"
#include "base/err.h"

/* Prints a unified diff (for patch -p0) of all edits that can be made safely, and a sentence on standard error about those
 * that cannot. Nothing is written to the files. Failure: a file is gone. */
MUST_USE int edits_print(FILE *out, const struct findings *found, struct err *err);
