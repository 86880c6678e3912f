/* Why: see form.h. */
#include "analyse/form.h"

#include <string.h>

#include "base/strbuf.h"

static const char *name_of(const void *forms, size_t size, size_t i)
{
	return *(const char *const *)((const char *)forms + i * size);
}

const char *form_name_in(const void *forms, size_t size, size_t i)
{
	size_t n = 0;

	while (n < i && name_of(forms, size, n)) {
		n++;
	}
	return name_of(forms, size, n);
}

const void *form_find_in(const void *forms, size_t size, const char *name, struct err *err)
{
	scoped_strbuf struct strbuf all = { 0 };
	size_t n = 0;

	for (; name_of(forms, size, n); n++) {
		if (strcmp(name_of(forms, size, n), name) == 0) {
			return (const char *)forms + n * size;
		}
	}
	for (size_t i = 0; i < n; i++) {
		strbuf_addf(&all, "%s%s",
		            i == 0      ? ""
		            : i + 1 < n ? ", "
		                        : " or ",
		            name_of(forms, size, i));
	}
	(void)err_raise(err, ERR_USAGE, "-o %s: %s", name, strbuf_str(&all));
	return NULL;
}
