/* Why: every handler checks text, and all of them should mean the same by it. */
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { EMAIL_MOST = 190 };

size_t text_length(const char *s)
{
	size_t n = 0;

	for (; *s; s++) {
		n += (*s & 0xc0) != 0x80;
	}
	return n;
}

bool text_is_blank(const char *s)
{
	return s[strspn(s, " \t\r\n")] == '\0';
}

bool text_is_clean(const char *s)
{
	json_t *json = json_string(s); /* null unless UTF-8 */
	bool ok = json != NULL;

	json_decref(json);
	for (; ok && *s; s++) {
		ok = (unsigned char)*s >= ' ' && *s != 0x7f;
	}
	return ok;
}

bool text_is_one_of(const char *s, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(*list, s) == 0) {
			return true;
		}
	}
	return false;
}

bool text_number(const char *s, long otherwise, long least, long most, long *ret)
{
	char *end;

	*ret = otherwise;
	if (!*s) {
		return true;
	}
	errno = 0;
	*ret = strtol(s, &end, 10);
	return *s >= '0' && *s <= '9' && !*end && !errno && *ret >= least && *ret <= most;
}

bool text_is_email(const char *s)
{
	const char *at = strchr(s, '@'), *dot = at ? strrchr(at, '.') : NULL;

	return at && at != s && dot && dot > at + 1 && dot[1] && !strchr(at + 1, '@') &&
	       strlen(s) <= EMAIL_MOST && !strpbrk(s, " \t\r\n<>\"") && text_is_clean(s);
}
