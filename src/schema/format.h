/* What: the syntax of names and other short texts, in the server's words. */
#pragma once

#include "schema/type.h"

/* What is wrong with the text, or null. Static words. Source: reference 7.2 */
const char *format_wrong(enum format format, struct slice text);
/* What is wrong with a percentage ("25%"), or null. */
const char *format_percent_wrong(struct slice text);
