/* Why: what comes in is held against the field tree once, so that everybody after it may rely on
 * the shape. Wrong types have the words of Go's decoder, since clients know them; fields that the
 * tree does not know are told and pruned. Source: reference 3.6
 *
 * Custom kinds differ: a wrong type in them is a matter of validation, as their schema is the
 * user's; only their metadata is held to the words above. */
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "schema/builtin.h"
#include "schema/custom.h"
#include "schema/limits.h"
#include "schema/object.h"
#include "schema/path.h"
#include "schema/quantity.h"

#define QUANTITY_WORDS                                                                             \
	"quantities must match the regular expression "                                            \
	"'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

struct decoder {
	const struct kind *kind;
	struct arena *arena;
	struct field_errors *wrong, *unknown;
	struct path path, go; /* where we are, and the same as Go tells it: without indices */
	const char *owner;    /* name of the innermost Go struct */
	bool is_lenient;      /* inside a custom kind */
	unsigned depth;
	bool is_too_deep;
};

static void decode(struct decoder *d, const struct type *t, struct val *v);

/* ---- words ---- */

static const char *json_word(const struct val *v)
{
	static const char *const words[] = { "null",   "bool",  "number", "number",
		                             "string", "array", "object" };

	return words[v->type];
}

static const char *last_part(const char *name)
{
	const char *dot = name ? strrchr(name, '.') : NULL;

	return dot ? dot + 1 : name ? name : "";
}

/* A type as Go writes it: "[]v1.Container", "map[string]string". */
static void add_go_type(struct strbuf *out, const struct type *t)
{
	static const char *const names[] = {
		[TYPE_STRING] = "string",
		[TYPE_BYTES] = "[]uint8",
		[TYPE_BOOL] = "bool",
		[TYPE_INT32] = "int32",
		[TYPE_INT64] = "int64",
		[TYPE_DOUBLE] = "float64",
		[TYPE_QUANTITY] = "resource.Quantity",
		[TYPE_INT_OR_STRING] = "intstr.IntOrString",
		[TYPE_TIME] = "v1.Time",
		[TYPE_MICRO_TIME] = "v1.MicroTime",
		[TYPE_ANY] = "runtime.RawExtension",
	};
	struct slice version;

	if (t->form == TYPE_LIST || t->form == TYPE_MAP) {
		strbuf_adds(out, t->form == TYPE_LIST ? "[]" : "map[string]");
		add_go_type(out, t->of);
	} else if (t->form == TYPE_OBJECT) {
		/* "io.k8s.api.core.v1.Container" gives "v1.Container" */
		version = slice_of(t->name ? t->name : "map[string]interface {}");
		for (int dots = 0; dots < 1 && slice_rfind(version, '.') >= 0; dots++) {
			struct slice head = slice_head(version, (size_t)slice_rfind(version, '.'));

			version = slice_from(version, (size_t)(slice_rfind(head, '.') + 1));
		}
		strbuf_add_slice(out, version);
	} else {
		strbuf_adds(out, names[t->form]);
	}
}

static void wrong_type(struct decoder *d, const struct type *t, const struct val *v)
{
	scoped_strbuf struct strbuf go = { 0 };
	bool is_number = (v->type == VAL_INT || v->type == VAL_FLOAT) &&
	                 (t->form == TYPE_INT32 || t->form == TYPE_INT64) && v->s.len;

	if (d->is_lenient) {
		return;
	}
	add_go_type(&go, t);
	if (!d->owner) {
		field_errors_add(d->wrong, v, "FieldValueTypeInvalid", "",
		                 "json: cannot unmarshal %s into Go value of type %s", json_word(v),
		                 strbuf_str(&go));
		return;
	}
	field_errors_add(d->wrong, v, "FieldValueTypeInvalid", strbuf_str(&d->path.text),
	                 "json: cannot unmarshal %s%s" SLICE_FMT
	                 " into Go struct field %s.%s of type %s",
	                 json_word(v), is_number ? " " : "",
	                 SLICE_ARG(is_number ? slice_head(v->s, 40) : SLICE("")), d->owner,
	                 strbuf_str(&d->go.text), strbuf_str(&go));
}

static void wrong_text(struct decoder *d, const struct val *v, const char *words)
{
	if (!d->is_lenient) {
		field_errors_add(d->wrong, v, "FieldValueInvalid", strbuf_str(&d->path.text),
		                 "%s: %s", strbuf_str(&d->path.text), words);
	}
}

static void tell_unknown(struct decoder *d, const struct val *v, const char *word)
{
	size_t size = path_member(&d->path, v->key);

	field_errors_add(d->unknown, v, "FieldValueInvalid", strbuf_str(&d->path.text),
	                 "%s field \"%s\"", word, strbuf_str(&d->path.text));
	path_cut(&d->path, size);
}

/* ---- scalars ---- */

static void set_text(struct decoder *d, struct val *v, struct slice text)
{
	v->s = arena_slice(d->arena, text);
	v->type = VAL_STRING;
	v->text_line = 0;
}

static void decode_quantity(struct decoder *d, const struct type *t, struct val *v)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct quantity q;

	if (v->type != VAL_STRING && v->type != VAL_INT && v->type != VAL_FLOAT) {
		wrong_type(d, t, v);
		return;
	}
	if (!quantity_of_val(v, &q)) {
		wrong_text(d, v, QUANTITY_WORDS);
		return;
	}
	quantity_format(&text, q, v->s);
	set_text(d, v, strbuf_slice(&text));
}

static void decode_time(struct decoder *d, const struct type *t, struct val *v)
{
	char text[TIME_TEXT_SIZE];
	int64_t us;

	if (v->type != VAL_STRING) {
		wrong_type(d, t, v);
		return;
	}
	if (!time_parse(v->s, &us)) {
		char *words = arena_printf(d->arena,
		                           "parsing time \"" SLICE_FMT
		                           "\" as \"2006-01-02T15:04:05Z07:00\": cannot parse",
		                           SLICE_ARG(slice_head(v->s, 60)));
		wrong_text(d, v, words);
		return;
	}
	set_text(d, v,
	         slice_of(t->form == TYPE_TIME ? time_format(us, text)
	                                       : time_format_micro(us, text)));
}

static void decode_bytes(struct decoder *d, const struct type *t, struct val *v)
{
	scoped_strbuf struct strbuf bytes = { 0 };
	scoped_strbuf struct strbuf text = { 0 };

	if (v->type != VAL_STRING) {
		wrong_type(d, t, v);
		return;
	}
	if (!base64_decode(&bytes, v->s)) {
		wrong_text(d, v, "illegal base64 data");
		return;
	}
	base64_encode(&text, strbuf_slice(&bytes));
	set_text(d, v, strbuf_slice(&text));
}

static bool is_int(const struct val *v, const struct type *t)
{
	return v->type == VAL_INT &&
	       (t->form == TYPE_INT64 || (v->i >= INT32_MIN && v->i <= INT32_MAX));
}

/* ---- containers ---- */

static void remove_child(struct val *parent, struct val *child)
{
	val_unlink(parent, child);
}

/* A null member: Go reads it as the zero value, which for a scalar in a map is a value of its own.
 */
static void null_in_map(struct decoder *d, const struct type *of, struct val *parent, struct val *v)
{
	switch (of->form) {
	case TYPE_STRING:
	case TYPE_BYTES:
		set_text(d, v, SLICE(""));
		break;
	case TYPE_QUANTITY:
		set_text(d, v, SLICE("0"));
		break;
	case TYPE_ANY:
		break;
	default:
		remove_child(parent, v);
		break;
	}
}

static bool keeps_null(const struct field *f)
{
	const struct custom_rules *c = f->type->custom;

	/* a null where there is a default gives way to it; elsewhere validation speaks */
	return c && (c->is_nullable || !f->fill_value);
}

static void decode_member(struct decoder *d, const struct type *t, struct val *object,
                          struct val *v)
{
	const struct field *f = type_field(t, v->key);
	const char *owner = d->owner;
	size_t size, go;

	if (!f) {
		if (!t->keeps_unknown) {
			tell_unknown(d, v, "unknown");
			remove_child(object, v);
		}
		return;
	}
	if (v->flags & JSON_REPEATED) {
		tell_unknown(d, v, "duplicate");
		v->flags = 0;
	}
	if (v->type == VAL_NULL) {
		if (!keeps_null(f)) {
			remove_child(object, v);
		}
		return;
	}
	size = path_member(&d->path, v->key);
	go = path_member(&d->go, v->key);
	d->owner = t->name ? last_part(t->name) : owner;
	decode(d, f->type, v);
	d->owner = owner;
	path_cut(&d->path, size);
	path_cut(&d->go, go);
}

static void decode_object(struct decoder *d, const struct type *t, struct val *v)
{
	for (struct val *it = v->first, *next; it; it = next) {
		next = it->next;
		decode_member(d, t, v, it);
	}
}

static void decode_map(struct decoder *d, const struct type *t, struct val *v)
{
	for (struct val *it = v->first, *next; it; it = next) {
		size_t size;

		next = it->next;
		if (it->flags & JSON_REPEATED) {
			tell_unknown(d, it, "duplicate");
			it->flags = 0;
		}
		if (it->type == VAL_NULL) {
			if (!t->of->custom) {
				null_in_map(d, t->of, v, it);
			}
			continue;
		}
		size = path_key(&d->path, it->key);
		decode(d, t->of, it);
		path_cut(&d->path, size);
	}
}

static void decode_list(struct decoder *d, const struct type *t, struct val *v)
{
	size_t i = 0;

	for (struct val *it = v->first; it; it = it->next, i++) {
		size_t size;

		if (it->type == VAL_NULL && !t->of->custom) {
			if (t->of->form == TYPE_OBJECT || t->of->form == TYPE_MAP) {
				*it = (struct val){ .type = VAL_OBJECT, .next = it->next };
			} else if (t->of->form == TYPE_STRING) {
				set_text(d, it, SLICE(""));
			}
		}
		if (it->type == VAL_NULL) {
			continue;
		}
		size = path_index(&d->path, i);
		decode(d, t->of, it);
		path_cut(&d->path, size);
	}
}

static void decode_embedded(struct decoder *d, struct val *v)
{
	struct val *metadata = val_get(v, "metadata");
	size_t size;

	if (metadata && metadata->type == VAL_OBJECT) {
		size = path_member(&d->path, SLICE("metadata"));
		decode(d, builtin_object_meta, metadata);
		path_cut(&d->path, size);
	}
}

static void decode_container(struct decoder *d, const struct type *t, struct val *v)
{
	bool was_lenient = d->is_lenient;

	if (d->depth >= TREE_DEPTH_MAX) {
		d->is_too_deep = true;
		return;
	}
	d->depth++;
	if (t == builtin_object_meta) {
		d->is_lenient = false;
	}
	if (t->form == TYPE_LIST && v->type == VAL_ARRAY) {
		decode_list(d, t, v);
	} else if (t->form == TYPE_MAP && v->type == VAL_OBJECT) {
		decode_map(d, t, v);
	} else if (t->form == TYPE_OBJECT && v->type == VAL_OBJECT) {
		decode_object(d, t, v);
		if (t->custom && t->custom->is_embedded) {
			decode_embedded(d, v);
		}
	} else {
		wrong_type(d, t, v);
	}
	d->is_lenient = was_lenient;
	d->depth--;
}

static void expect(struct decoder *d, const struct type *t, const struct val *v, bool is_right)
{
	if (!is_right) {
		wrong_type(d, t, v);
	}
}

static void decode(struct decoder *d, const struct type *t, struct val *v)
{
	switch (t->form) {
	case TYPE_OBJECT:
	case TYPE_MAP:
	case TYPE_LIST:
		decode_container(d, t, v);
		break;
	case TYPE_STRING:
		expect(d, t, v, v->type == VAL_STRING);
		break;
	case TYPE_BOOL:
		expect(d, t, v, v->type == VAL_BOOL);
		break;
	case TYPE_INT32:
	case TYPE_INT64:
		expect(d, t, v, is_int(v, t));
		break;
	case TYPE_DOUBLE:
		expect(d, t, v, v->type == VAL_INT || v->type == VAL_FLOAT);
		break;
	case TYPE_INT_OR_STRING:
		expect(d, t, v,
		       v->type == VAL_STRING || is_int(v, &(struct type){ .form = TYPE_INT32 }));
		break;
	case TYPE_QUANTITY:
		decode_quantity(d, t, v);
		break;
	case TYPE_TIME:
	case TYPE_MICRO_TIME:
		decode_time(d, t, v);
		break;
	case TYPE_BYTES:
		decode_bytes(d, t, v);
		break;
	case TYPE_ANY:
		break;
	}
}

int object_decode(const struct kind *k, struct arena *a, struct val *object,
                  struct field_errors *wrong, struct field_errors *unknown, struct err *err)
{
	struct decoder d = { .kind = k,
		             .arena = a,
		             .wrong = wrong,
		             .unknown = unknown,
		             .is_lenient = k->type->custom != NULL };

	if (!object || object->type != VAL_OBJECT) {
		return err_raise(err, ERR_SYNTAX, "the object provided is not a JSON object");
	}
	decode(&d, k->type, object);
	path_fini(&d.path);
	path_fini(&d.go);
	if (d.is_too_deep) {
		return err_raise(err, ERR_LIMIT, "the object is nested too deeply");
	}
	if (a->overflowed) {
		return err_raise(err, ERR_LIMIT, "the object is too large");
	}
	return 0;
}
