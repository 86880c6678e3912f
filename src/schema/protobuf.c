/* Why: clients of client-go 1.32 and later send typed bodies as protobuf and never fall back to
 * JSON. The field tree knows every field's number, so one reader turns any message into the same
 * value tree that JSON would have given. Nothing is ever written in protobuf but OpenAPI.
 * Source: reference 2.3 and appendix A */
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "schema/limits.h"
#include "schema/object.h"
#include "schema/type.h"

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct reader {
	const struct registry *registry;
	struct arena *arena;
	struct err *err;
	unsigned depth;
};

/* One field as it stands in the bytes. */
struct item {
	uint64_t number;
	enum wire wire;
	uint64_t i;         /* numbers */
	struct slice bytes; /* WIRE_BYTES */
};

static const char magic[4] = { 'k', '8', 's', '\0' };

static int read_message(struct reader *r, const struct type *t, struct slice bytes,
                        struct val *into);
static int read_envelope(struct reader *r, struct slice bytes, struct val **ret);

/* ---- the wire ---- */

static int broken(struct reader *r)
{
	return err_raise(r->err, ERR_SYNTAX, "the protobuf body is malformed");
}

static bool take_varint(struct slice *bytes, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && bytes->len; shift += 7) {
		uint8_t byte = (uint8_t)*bytes->p;

		*bytes = slice_from(*bytes, 1);
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool take_fixed(struct slice *bytes, size_t size, uint64_t *ret)
{
	*ret = 0;
	if (bytes->len < size) {
		return false;
	}
	for (size_t i = size; i-- > 0;) {
		*ret = *ret << 8 | (uint8_t)bytes->p[i];
	}
	*bytes = slice_from(*bytes, size);
	return true;
}

static bool take_item(struct slice *bytes, struct item *ret)
{
	uint64_t tag, size;

	if (!take_varint(bytes, &tag) || !(tag >> 3)) {
		return false;
	}
	ret->number = tag >> 3;
	ret->wire = (enum wire)(tag & 7);
	switch (tag & 7) {
	case WIRE_VARINT:
		return take_varint(bytes, &ret->i);
	case WIRE_FIXED64:
		return take_fixed(bytes, 8, &ret->i);
	case WIRE_FIXED32:
		return take_fixed(bytes, 4, &ret->i);
	case WIRE_BYTES:
		if (!take_varint(bytes, &size) || size > bytes->len) {
			return false;
		}
		ret->bytes = slice_head(*bytes, size);
		*bytes = slice_from(*bytes, size);
		return true;
	default:
		return false;
	}
}

/* A message that is a handful of scalars: the last value of each field up to 'most'. */
static bool read_scalars(struct slice bytes, struct item *items, size_t most)
{
	struct item it;

	for (size_t i = 0; i <= most; i++) {
		items[i] = (struct item){ .bytes = SLICE("") };
	}
	while (bytes.len) {
		it = (struct item){ .bytes = SLICE("") };
		if (!take_item(&bytes, &it)) {
			return false;
		}
		if (it.number <= most) {
			items[it.number] = it;
		}
	}
	return true;
}

/* ---- values ---- */

static struct val *base64_val(struct reader *r, struct slice bytes)
{
	scoped_strbuf struct strbuf text = { 0 };

	base64_encode(&text, bytes);
	return val_new_str(r->arena, strbuf_slice(&text));
}

static struct val *time_val(struct reader *r, const struct type *t, const struct item *parts)
{
	int64_t seconds = (int64_t)parts[1].i, nanos = (int64_t)parts[2].i;
	char text[TIME_TEXT_SIZE];
	int64_t us;

	/* years 1 to 9999; what lies outside has no RFC 3339 text */
	if (seconds < INT64_C(-62135596800) || seconds > INT64_C(253402300799)) {
		return val_new_str(r->arena, SLICE("out of range"));
	}
	us = seconds * US_PER_S + nanos / 1000 % US_PER_S;
	return val_new_cstr(r->arena, t->form == TYPE_TIME ? time_format(us, text)
	                                                   : time_format_micro(us, text));
}

static int read_any(struct reader *r, struct slice bytes, struct val **ret)
{
	struct item parts[2];
	int result;

	if (!read_scalars(bytes, parts, 1)) {
		return broken(r);
	}
	bytes = parts[1].bytes;
	if (!bytes.len) {
		return 0;
	}
	if (slice_has_prefix(bytes, (struct slice){ magic, sizeof(magic) })) {
		return read_envelope(r, bytes, ret);
	}
	result = json_parse(r->arena, bytes, JSON_MARK, ret, r->err);
	return result < 0 ? err_while(r->err, result, "JSON inside protobuf") : 0;
}

static bool is_zero(const struct val *v)
{
	return (v->type == VAL_STRING && !v->s.len) || (v->type == VAL_INT && v->i == 0) ||
	       (v->type == VAL_BOOL && !v->b) || (v->type == VAL_FLOAT && v->d == 0);
}

static int read_bytes(struct reader *r, const struct type *t, struct slice bytes, struct val **ret)
{
	struct item parts[4];

	if (t->form == TYPE_STRING) {
		*ret = val_new_str(r->arena, bytes);
		return 0;
	}
	if (t->form == TYPE_BYTES) {
		*ret = base64_val(r, bytes);
		return 0;
	}
	if (t->form == TYPE_ANY) {
		return read_any(r, bytes, ret);
	}
	if (t->form == TYPE_OBJECT) {
		*ret = val_new_object(r->arena);
		return read_message(r, t, bytes, *ret);
	}
	if (!read_scalars(bytes, parts, 3)) {
		return broken(r);
	}
	switch (t->form) {
	case TYPE_QUANTITY:
		*ret = val_new_str(r->arena, parts[1].bytes);
		return 0;
	case TYPE_INT_OR_STRING:
		*ret = parts[1].i ? val_new_str(r->arena, parts[3].bytes)
		                  : val_new_int(r->arena, (int32_t)parts[2].i);
		return 0;
	case TYPE_TIME:
	case TYPE_MICRO_TIME:
		if (parts[1].i || parts[2].i) {
			*ret = time_val(r, t, parts);
		}
		return 0;
	default:
		return broken(r);
	}
}

/* One value; *ret stays null for what says nothing. */
static int read_value(struct reader *r, const struct type *t, const struct item *it,
                      struct val **ret)
{
	double d;

	switch (t->form) {
	case TYPE_BOOL:
		*ret = val_new_bool(r->arena, it->i != 0);
		return it->wire == WIRE_VARINT ? 0 : broken(r);
	case TYPE_INT32:
	case TYPE_INT64:
		*ret = val_new_int(r->arena,
		                   t->form == TYPE_INT32 ? (int32_t)it->i : (int64_t)it->i);
		return it->wire == WIRE_VARINT ? 0 : broken(r);
	case TYPE_DOUBLE:
		memcpy(&d, &it->i, sizeof(d));
		*ret = val_new_float(r->arena, d);
		return it->wire == WIRE_FIXED64 ? 0 : broken(r);
	default:
		return it->wire == WIRE_BYTES ? read_bytes(r, t, it->bytes, ret) : broken(r);
	}
}

/* A value that must be one, as elements and values of maps are. */
static int read_present(struct reader *r, const struct type *t, const struct item *it,
                        struct val **ret)
{
	int result = read_value(r, t, it, ret);

	if (result == 0 && !*ret) {
		*ret = t->form == TYPE_ANY ? val_new_object(r->arena)
		                           : val_new_str(r->arena, SLICE(""));
	}
	if (result == 0 && t->form == TYPE_QUANTITY && !val_str(*ret).len) {
		*ret = val_new_cstr(r->arena, "0");
	}
	return result;
}

static int read_element(struct reader *r, const struct type *of, const struct item *it,
                        struct val *list)
{
	struct slice packed = it->bytes;
	struct val *v = NULL;
	int result;

	if (it->wire == WIRE_BYTES && (of->form == TYPE_INT32 || of->form == TYPE_INT64)) {
		struct item one = { .wire = WIRE_VARINT };

		while (packed.len) {
			if (!take_varint(&packed, &one.i)) {
				return broken(r);
			}
			result = read_value(r, of, &one, &v);
			if (result < 0) {
				return result;
			}
			val_append(list, v);
		}
		return 0;
	}
	result = read_present(r, of, it, &v);
	if (result == 0) {
		val_append(list, v);
	}
	return result;
}

/* The helper message around a list that is the value of a map: {1 repeated}. */
static int read_wrapped_list(struct reader *r, const struct type *t, struct slice bytes,
                             struct val **ret)
{
	*ret = val_new_array(r->arena);
	while (bytes.len) {
		struct item it = { .bytes = SLICE("") };
		int result;

		if (!take_item(&bytes, &it)) {
			return broken(r);
		}
		result = it.number == 1 ? read_element(r, t->of, &it, *ret) : 0;
		if (result < 0) {
			return result;
		}
	}
	return 0;
}

static int read_entry(struct reader *r, const struct type *of, const struct item *it,
                      struct val *map)
{
	struct item parts[3];
	struct val *v = NULL;
	int result;

	if (it->wire != WIRE_BYTES || !read_scalars(it->bytes, parts, 2)) {
		return broken(r);
	}
	if (!parts[2].number) {
		parts[2].wire =
			of->form == TYPE_BOOL || of->form == TYPE_INT32 || of->form == TYPE_INT64
				? WIRE_VARINT
				: WIRE_BYTES;
	}
	result = of->form == TYPE_LIST ? read_wrapped_list(r, of, parts[2].bytes, &v)
	                               : read_present(r, of, &parts[2], &v);
	if (result == 0) {
		val_set_slice(r->arena, map, parts[1].bytes, v);
	}
	return result;
}

/* ---- messages ---- */

/* A field with this number; embedded: inside the embedded message of that number. */
static const struct field *find_field(const struct type *t, uint64_t number, uint64_t embedded)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		if (t->fields[i].pb == number && t->fields[i].pb_in == embedded) {
			return &t->fields[i];
		}
	}
	return NULL;
}

static bool has_embedded(const struct type *t, uint64_t number)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		if (t->fields[i].pb_in == number) {
			return true;
		}
	}
	return false;
}

static int read_field(struct reader *r, const struct field *f, const struct item *it,
                      struct val *into)
{
	struct val *v = NULL;
	int result;

	if (f->type->form == TYPE_LIST) {
		return read_element(r, f->type->of, it, val_need_array(r->arena, into, f->name));
	}
	if (f->type->form == TYPE_MAP) {
		return read_entry(r, f->type->of, it, val_need_object(r->arena, into, f->name));
	}
	result = read_value(r, f->type, it, &v);
	/* a port or a count of 0 is kept: nearly all of this type are pointers */
	if (result == 0 && v &&
	    ((f->flags & FIELD_POINTER) || f->type->form == TYPE_INT_OR_STRING || !is_zero(v))) {
		val_set(r->arena, into, f->name, v);
	}
	return result;
}

static int read_fields(struct reader *r, const struct type *t, struct slice bytes,
                       uint64_t embedded, struct val *into)
{
	while (bytes.len) {
		struct item it = { .bytes = SLICE("") };
		const struct field *f;
		int result = 0;

		if (!take_item(&bytes, &it)) {
			return broken(r);
		}
		f = find_field(t, it.number, embedded);
		if (f) {
			result = read_field(r, f, &it, into);
		} else if (!embedded && it.wire == WIRE_BYTES && has_embedded(t, it.number)) {
			result = read_fields(r, t, it.bytes, it.number, into);
		} /* else: a field of a later version */
		if (result < 0) {
			return result;
		}
	}
	return 0;
}

static int read_message(struct reader *r, const struct type *t, struct slice bytes,
                        struct val *into)
{
	int result;

	if (r->depth >= PROTOBUF_DEPTH_MAX) {
		return err_raise(r->err, ERR_LIMIT, "the object is nested too deeply");
	}
	r->depth++;
	result = read_fields(r, t, bytes, 0, into);
	r->depth--;
	return result;
}

/* ---- the envelope ---- */

static int read_envelope(struct reader *r, struct slice bytes, struct val **ret)
{
	struct item envelope[5], meta[3];
	const struct kind *k;
	struct val *v;
	int result;

	if (!slice_has_prefix(bytes, (struct slice){ magic, sizeof(magic) })) {
		return err_raise(r->err, ERR_SYNTAX,
		                 "provided data does not appear to be a protobuf message, expected "
		                 "prefix [107 56 115 0]");
	}
	if (!read_scalars(slice_from(bytes, sizeof(magic)), envelope, 4) ||
	    !read_scalars(envelope[1].bytes, meta, 2)) {
		return broken(r);
	}
	v = val_new_object(r->arena);
	val_set_str(r->arena, v, "apiVersion", meta[1].bytes);
	val_set_str(r->arena, v, "kind", meta[2].bytes);
	k = registry_kind_of(r->registry, v);
	if (!k || k->is_custom) {
		return err_raise(r->err, ERR_SYNTAX,
		                 "no kind \"" SLICE_FMT "\" is registered for version \"" SLICE_FMT
		                 "\" in protobuf",
		                 SLICE_ARG(slice_head(meta[2].bytes, 60)),
		                 SLICE_ARG(slice_head(meta[1].bytes, 60)));
	}
	result = read_message(r, k->type, envelope[2].bytes, v);
	if (result == 0) {
		*ret = v;
	}
	return result;
}

int object_from_protobuf(const struct registry *registry, struct arena *a, struct slice bytes,
                         struct val **ret_v, struct err *err)
{
	struct reader r = { .registry = registry, .arena = a, .err = err };
	struct val *v = NULL;
	int result = read_envelope(&r, bytes, &v);

	if (result == 0 && a->overflowed) {
		return err_raise(err, ERR_LIMIT, "the object is too large");
	}
	if (result == 0) {
		*ret_v = v;
	}
	return result;
}
