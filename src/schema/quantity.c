/* Why: amounts of cpu, memory and metrics are texts with suffixes, and have one canonical form that
 * is stored and compared. Source: k8s/quantity */
#include "schema/quantity.h"

#include "base/mem.h"

#define NANO INT64_C(1000000000)

typedef __int128 wide;

#define VALUE_MAX ((wide)INT64_MAX * NANO) /* larger amounts are cut to this */

/* ---- reading ---- */

enum family { FAMILY_DECIMAL, FAMILY_BINARY, FAMILY_EXPONENT };

struct suffix {
	enum family family;
	int power; /* of 10, or of 2 for the binary family */
};

static bool parse_exponent(struct slice text, struct suffix *ret)
{
	int64_t power;
	struct slice digits = slice_from(text, 1);

	if (digits.len && digits.p[0] == '+') {
		digits = slice_from(digits, 1);
		if (digits.len && digits.p[0] == '-') {
			return false;
		}
	}
	if (!slice_to_i64(digits, &power) || power > 1000 || power < -1000) {
		return false;
	}
	*ret = (struct suffix){ FAMILY_EXPONENT, (int)power };
	return true;
}

static bool parse_suffix(struct slice text, struct suffix *ret)
{
	static const struct {
		const char *text;
		struct suffix is;
	} known[] = {
		{ "", { FAMILY_DECIMAL, 0 } },   { "n", { FAMILY_DECIMAL, -9 } },
		{ "u", { FAMILY_DECIMAL, -6 } }, { "m", { FAMILY_DECIMAL, -3 } },
		{ "k", { FAMILY_DECIMAL, 3 } },  { "M", { FAMILY_DECIMAL, 6 } },
		{ "G", { FAMILY_DECIMAL, 9 } },  { "T", { FAMILY_DECIMAL, 12 } },
		{ "P", { FAMILY_DECIMAL, 15 } }, { "E", { FAMILY_DECIMAL, 18 } },
		{ "Ki", { FAMILY_BINARY, 10 } }, { "Mi", { FAMILY_BINARY, 20 } },
		{ "Gi", { FAMILY_BINARY, 30 } }, { "Ti", { FAMILY_BINARY, 40 } },
		{ "Pi", { FAMILY_BINARY, 50 } }, { "Ei", { FAMILY_BINARY, 60 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (slice_is(text, known[i].text)) {
			*ret = known[i].is;
			return true;
		}
	}
	return text.len > 1 && (text.p[0] == 'e' || text.p[0] == 'E') && parse_exponent(text, ret);
}

/* v / d, away from zero; d > 0. v is not negative. */
static wide divide_up(wide v, wide d)
{
	return v / d + (v % d ? 1 : 0);
}

/* Digits with 'places' of them behind the point, times 10^power, as nanos. */
static wide scale_decimal(wide digits, int power)
{
	power += 9;
	for (; power > 0 && digits && digits <= VALUE_MAX; power--) {
		digits *= 10;
	}
	if (power < -40) {
		return digits ? 1 : 0;
	}
	if (power < 0) {
		wide by = 1;

		for (; power < 0 && by <= VALUE_MAX; power++) {
			by *= 10;
		}
		digits = divide_up(digits, by);
	}
	return digits > VALUE_MAX ? VALUE_MAX : digits;
}

static wide scale_binary(wide digits, int places, int power)
{
	wide by = 1;

	/* 2^power first keeps the fraction exact; it is cut to what fits */
	for (; power > 0 && digits < (wide)1 << 125; power--) {
		digits *= 2;
	}
	for (; places > 9; places--) {
		by *= 10;
	}
	digits = divide_up(digits, by);
	for (; places < 9 && digits <= VALUE_MAX; places++) {
		digits *= 10;
	}
	return digits > VALUE_MAX ? VALUE_MAX : digits;
}

bool quantity_parse(struct slice text, struct quantity *ret)
{
	bool is_negative = text.len && text.p[0] == '-', has_digit = false;
	bool has_point = false, has_rest = false;
	size_t i = text.len && (text.p[0] == '-' || text.p[0] == '+') ? 1 : 0;
	struct suffix suffix;
	wide digits = 0;
	int places = 0, extra = 0;

	for (; i < text.len; i++) {
		char c = text.p[i];

		if (c == '.' && !has_point) {
			has_point = true;
			continue;
		}
		if (c < '0' || c > '9') {
			break;
		}
		has_digit = true;
		if (digits > VALUE_MAX || places >= 18) {
			/* beyond what is kept; a rest that is not zero still rounds up */
			extra += !has_point;
			has_rest |= c != '0';
			continue;
		}
		digits = digits * 10 + (c - '0');
		places += has_point;
	}
	if (!has_digit || !parse_suffix(slice_from(text, i), &suffix)) {
		return false;
	}
	digits += has_rest;
	digits = suffix.family == FAMILY_BINARY
	                 ? (extra ? VALUE_MAX : scale_binary(digits, places, suffix.power))
	                 : scale_decimal(digits, suffix.power + extra - places);
	ret->nano = is_negative ? -digits : digits;
	return true;
}

bool quantity_of_val(const struct val *v, struct quantity *ret)
{
	char text[32];

	if (!v) {
		return false;
	}
	if (v->type == VAL_STRING || ((v->type == VAL_INT || v->type == VAL_FLOAT) && v->s.len)) {
		return quantity_parse(v->s, ret);
	}
	if (v->type == VAL_INT) {
		ret->nano = (wide)v->i * NANO;
		return true;
	}
	if (v->type == VAL_FLOAT) {
		snprintf(text, sizeof(text), "%.9g", v->d);
		return quantity_parse(slice_of(text), ret);
	}
	return false;
}

/* Rounded up, as the server rounds: towards plus infinity for positive and away from zero for
 * negative amounts. */
static int64_t in_units(wide nano, wide unit)
{
	wide v = nano < 0 ? -divide_up(-nano, unit) : divide_up(nano, unit);

	return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : (int64_t)v;
}

int64_t quantity_milli(struct quantity q)
{
	return in_units(q.nano, NANO / 1000);
}

int64_t quantity_value(struct quantity q)
{
	return in_units(q.nano, NANO);
}

/* ---- writing ---- */

static enum family family_of(struct slice like)
{
	struct suffix suffix;
	size_t i = 0;

	while (i < like.len && strchr("+-.0123456789", like.p[i]) && like.p[i]) {
		i++;
	}
	return parse_suffix(slice_from(like, i), &suffix) ? suffix.family : FAMILY_DECIMAL;
}

static void add_number(struct strbuf *out, wide v)
{
	char digits[48];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + (int)(v % 10));
		v /= 10;
	} while (v);
	strbuf_add(out, digits + n, sizeof(digits) - n);
}

void quantity_format(struct strbuf *out, struct quantity q, struct slice like)
{
	static const char *const decimal[] = { "n", "u", "m", "", "k", "M", "G", "T", "P", "E" };
	static const char *const binary[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
	enum family family = family_of(like);
	wide v = q.nano < 0 ? -q.nano : q.nano;
	size_t i = 0;

	if (!v) {
		strbuf_addc(out, '0');
		return;
	}
	if (q.nano < 0) {
		strbuf_addc(out, '-');
	}
	if (family == FAMILY_BINARY && v >= (wide)1024 * NANO) {
		v = divide_up(v, NANO);
		for (; v % 1024 == 0 && i + 1 < ARRAY_SIZE(binary); i++) {
			v /= 1024;
		}
		add_number(out, v);
		strbuf_adds(out, binary[i]);
		return;
	}
	for (; v % 1000 == 0 && i + 1 < ARRAY_SIZE(decimal); i++) {
		v /= 1000;
	}
	add_number(out, v);
	if (family != FAMILY_EXPONENT) {
		strbuf_adds(out, decimal[i]);
	} else if (i != 3) {
		strbuf_addf(out, "e%d", (int)(i * 3) - 9);
	}
}
