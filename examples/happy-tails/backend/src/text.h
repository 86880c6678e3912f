/* What: checks of what people type. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Characters of a UTF-8 text. */
size_t text_length(const char *s);
/* Nothing, or nothing but spaces. */
bool text_is_blank(const char *s);
/* Valid UTF-8 without control characters. */
bool text_is_clean(const char *s);
/* One of a null-terminated list. */
bool text_is_one_of(const char *s, const char *const *list);
/* A decimal number from least to most, or otherwise when empty; false on anything else. */
bool text_number(const char *s, long otherwise, long least, long most, long *ret);
/* name@domain.tld, and not longer than the column. */
bool text_is_email(const char *s);
