/* Why: some hundred settings are data, not code; see field.h. */
#include "edge/field.h"

#include <string.h>

#include "base/ip.h"
#include "edge/settings.h"

const struct field *field_find(const struct field *table, size_t n, struct slice name)
{
	for (size_t i = 0; i < n; i++) {
		if (slice_is(name, table[i].name)) {
			return &table[i];
		}
	}
	return NULL;
}

static bool read_bool(struct slice s, bool *ret)
{
	if (slice_is(s, "true") || slice_is(s, "false")) {
		*ret = slice_is(s, "true");
		return true;
	}
	return false;
}

static bool read_number(const struct field *f, struct slice s, int64_t *ret)
{
	int64_t n;

	if (s.len > 1 && s.p[s.len - 1] == 's') {
		s.len--;
	}
	if (!slice_to_i64(s, &n) || n < f->least || n > f->most) {
		return false;
	}
	*ret = n;
	return true;
}

static bool read_prefixes(struct arena *a, struct slice s, struct prefixes *ret)
{
	struct prefixes list = { .at = ARENA_ARRAY(a, struct prefix, s.len / 2 + 1) };
	struct slice item;

	while (slice_next(&s, ',', &item)) {
		struct prefix *p = &list.at[list.n];

		item = slice_trim(item);
		if (item.len == 0) {
			continue;
		}
		if (!prefix_parse(item, p)) {
			*p = (struct prefix){ 0 };
			if (!ip_parse(item, &p->ip)) {
				return false;
			}
			p->len = p->ip.family == IP_V4 ? 32 : 128;
		}
		list.n++;
	}
	*ret = list;
	return list.n > 0;
}

static bool read_enum(const struct field *f, struct slice s, int *ret)
{
	for (int i = 0; f->names[i]; i++) {
		if (slice_eq_nocase(s, slice_of(f->names[i]))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

const char *field_set(struct arena *a, const struct field *f, void *to, struct slice value)
{
	char *member = (char *)to + f->offset;

	value = slice_trim(value);
	switch (f->type) {
	case FIELD_BOOL:
		return read_bool(value, (bool *)member) ? NULL : "true or false is wanted";
	case FIELD_NUMBER:
		return read_number(f, value, (int64_t *)(void *)member)
		               ? NULL
		               : arena_printf(a, "a number from %lld to %lld is wanted",
		                              (long long)f->least, (long long)f->most);
	case FIELD_TEXT:
		if (!f->check(value)) {
			return "it has characters or a form that is not allowed there";
		}
		*(struct slice *)(void *)member = arena_slice(a, value);
		return NULL;
	case FIELD_PREFIXES:
		return read_prefixes(a, value, (struct prefixes *)(void *)member)
		               ? NULL
		               : "addresses or CIDRs are wanted, separated by commas";
	case FIELD_ENUM:
		return read_enum(f, value, (int *)(void *)member) ? NULL
		                                                  : "it is none of the known words";
	case FIELD_ASIDE:
		break;
	}
	return NULL;
}
