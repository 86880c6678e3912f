/* Why: text handling without copies; see slice.h. */
#include "base/slice.h"

#include "base/mem.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

int slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
	if (a.len != b.len) {
		return false;
	}
	for (size_t i = 0; i < a.len; i++) {
		if (lower(a.p[i]) != lower(b.p[i])) {
			return false;
		}
	}
	return true;
}

bool slice_has_prefix(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && slice_eq(slice_head(s, prefix.len), prefix);
}

bool slice_has_suffix(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len && slice_eq(slice_from(s, s.len - suffix.len), suffix);
}

struct slice slice_from(struct slice s, size_t from)
{
	if (from > s.len) {
		from = s.len;
	}
	return (struct slice){ s.p ? s.p + from : NULL, s.len - from };
}

struct slice slice_head(struct slice s, size_t n)
{
	return (struct slice){ s.p, n < s.len ? n : s.len };
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.len > 0 && is_space(s.p[0])) {
		s = slice_from(s, 1);
	}
	while (s.len > 0 && is_space(s.p[s.len - 1])) {
		s.len--;
	}
	return s;
}

ptrdiff_t slice_find(struct slice s, char c)
{
	const char *p = s.len ? memchr(s.p, c, s.len) : NULL;

	return p ? p - s.p : -1;
}

ptrdiff_t slice_rfind(struct slice s, char c)
{
	for (size_t i = s.len; i > 0; i--) {
		if (s.p[i - 1] == c) {
			return (ptrdiff_t)i - 1;
		}
	}
	return -1;
}

bool slice_cut(struct slice s, char sep, struct slice *head, struct slice *tail)
{
	ptrdiff_t at = slice_find(s, sep);

	if (at < 0) {
		*head = s;
		*tail = (struct slice){ s.p ? s.p + s.len : NULL, 0 };
		return false;
	}
	*head = slice_head(s, (size_t)at);
	*tail = slice_from(s, (size_t)at + 1);
	return true;
}

bool slice_next(struct slice *rest, char sep, struct slice *field)
{
	if (!rest->p) {
		return false;
	}
	if (!slice_cut(*rest, sep, field, rest)) {
		*rest = (struct slice){ NULL, 0 };
	}
	return true;
}

bool slice_to_u64(struct slice s, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.len == 0 || !s.p) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v)) {
			return false;
		}
	}
	*ret = v;
	return true;
}

bool slice_to_i64(struct slice s, int64_t *ret)
{
	bool negative = s.len > 0 && s.p[0] == '-';
	uint64_t v;

	if (!slice_to_u64(negative ? slice_from(s, 1) : s, &v)) {
		return false;
	}
	if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
		return false;
	}
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

char *slice_dup(struct slice s)
{
	char *copy = mem_alloc(s.len + 1);

	if (s.len) {
		memcpy(copy, s.p, s.len);
	}
	copy[s.len] = '\0';
	return copy;
}

uint64_t slice_hash(struct slice s)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, 64 bit */

	for (size_t i = 0; i < s.len; i++) {
		h = (h ^ (uint8_t)s.p[i]) * 0x100000001b3u;
	}
	return h ^ (h >> 32);
}
