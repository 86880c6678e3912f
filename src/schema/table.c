/* Why: kubectl prints what the server puts into Tables, so columns and cells are the server's. This
 * file knows how tables are made; the table-*.c files know the kinds. */
#include <stdarg.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "schema/age.h"
#include "schema/jsonpath.h"
#include "schema/selector.h"
#include "schema/table-priv.h"

/* ---- cells ---- */

void cell_str(struct row *r, struct slice s)
{
	val_append(r->cells, val_new_str(r->arena, s));
}

void cell_cstr(struct row *r, const char *s)
{
	cell_str(r, slice_of(s));
}

void cell_str_or(struct row *r, struct slice s, const char *otherwise)
{
	cell_str(r, s.len ? s : slice_of(otherwise));
}

void cell_strf(struct row *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cell_cstr(r, text);
}

void cell_int(struct row *r, int64_t i)
{
	val_append(r->cells, val_new_int(r->arena, i));
}

void cell_bool(struct row *r, bool b)
{
	val_append(r->cells, val_new_bool(r->arena, b));
}

void cell_name(struct row *r)
{
	cell_str(r, val_str(val_path(r->object, "metadata.name")));
}

void cell_age(struct row *r, const struct val *time)
{
	char text[AGE_TEXT_SIZE];

	cell_cstr(r, age_since(val_str(time), r->now_us, text));
}

void cell_created_age(struct row *r)
{
	cell_age(r, val_path(r->object, "metadata.creationTimestamp"));
}

void cell_take(struct row *r, struct strbuf *text, const char *otherwise)
{
	cell_str_or(r, strbuf_slice(text), otherwise);
	strbuf_reset(text);
}

void cell_selector(struct row *r, const struct val *label_selector)
{
	scoped_strbuf struct strbuf text = { 0 };
	const struct selector *s;

	if (selector_of_object(r->arena, label_selector, &s, NULL) < 0) {
		cell_cstr(r, "<error>");
		return;
	}
	selector_format(&text, s);
	cell_take(r, &text, "<none>");
}

void cell_labels(struct row *r, const struct val *map)
{
	scoped_strbuf struct strbuf text = { 0 };

	selector_format(&text, selector_of_map(r->arena, map));
	cell_take(r, &text, "<none>");
}

void cell_containers(struct row *r, const struct val *pod_spec)
{
	static const char *const what[] = { "name", "image" };
	scoped_strbuf struct strbuf text = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(what); i++) {
		val_for_each (val_get(pod_spec, "containers"), it) {
			join(&text, ",");
			strbuf_add_slice(&text, val_get_str(it, what[i]));
		}
		cell_take(r, &text, "");
	}
}

void join(struct strbuf *out, const char *separator)
{
	if (out->size) {
		strbuf_adds(out, separator);
	}
}

void some_add(struct some *s, struct slice text)
{
	if (s->n++ < s->most) {
		join(&s->text, ",");
		strbuf_add_slice(&s->text, text);
	}
}

void cell_some(struct row *r, struct some *s, const char *otherwise)
{
	if (s->n > s->most) {
		strbuf_addf(&s->text, " + %zu more...", s->n - s->most);
	}
	cell_take(r, &s->text, otherwise);
	strbuf_fini(&s->text);
	s->n = 0;
}

/* ---- which table ---- */

static void created_at_row(struct row *r)
{
	cell_name(r);
	cell_str(r, val_str(val_path(r->object, "metadata.creationTimestamp")));
}

static const struct column created_at_columns[] = { COLUMN_NAME, { "Created At", .type = "date" } };
static const struct table created_at = TABLE(NULL, NULL, created_at_columns, created_at_row);

static void age_row(struct row *r)
{
	cell_name(r);
	cell_created_age(r);
}

static const struct column age_columns[] = { COLUMN_NAME, { "Age", .type = "date" } };
static const struct table aged = TABLE(NULL, NULL, age_columns, age_row);

static const struct table *find_table(const struct kind *k)
{
	static const struct table *const files[] = { table_pods, table_workloads, table_network,
		                                     table_cluster };

	if (k->is_custom) {
		return &aged;
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		for (const struct table *t = files[i]; t->kind; t++) {
			if (strcmp(t->kind, k->kind) == 0 && strcmp(t->group, k->group) == 0) {
				return t;
			}
		}
	}
	return &created_at;
}

/* ---- custom kinds ---- */

static void custom_columns(struct arena *a, const struct val *printer, struct val *out)
{
	val_for_each (printer, it) {
		struct val *c = val_append(out, val_new_object(a));
		struct slice path = val_get_str(it, "jsonPath");
		struct slice about = val_get_str(it, "description");

		val_set_str(a, c, "name", val_get_str(it, "name"));
		val_set_str(a, c, "type", val_get_str(it, "type"));
		val_set_str(a, c, "format", val_get_str(it, "format"));
		if (about.len) {
			val_set_str(a, c, "description", about);
		} else {
			val_set(a, c, "description",
			        val_new_strf(a,
			                     "Custom resource definition column (in JSONPath "
			                     "format): " SLICE_FMT,
			                     SLICE_ARG(path)));
		}
		val_set_int(a, c, "priority", val_int(val_get(it, "priority"), 0));
	}
}

/* One result as a cell of the column's type; null where it is of another type. */
static struct val *custom_cell(struct row *r, struct slice type, const struct val *v)
{
	struct arena *a = r->arena;
	char text[AGE_TEXT_SIZE];
	int64_t when;

	if (slice_is(type, "integer") && v->type == VAL_FLOAT) {
		return val_new_int(a, (int64_t)v->d);
	}
	if ((slice_is(type, "integer") && v->type == VAL_INT) ||
	    (slice_is(type, "number") && (v->type == VAL_INT || v->type == VAL_FLOAT)) ||
	    (slice_is(type, "boolean") && v->type == VAL_BOOL)) {
		return val_copy(a, v);
	}
	if (slice_is(type, "date") && v->type == VAL_STRING) {
		return val_new_cstr(a, time_parse(v->s, &when) ? age_since(v->s, r->now_us, text)
		                                               : "<invalid>");
	}
	return val_new_null(a);
}

static struct val *text_cell(struct arena *a, const struct val *found)
{
	scoped_strbuf struct strbuf text = { 0 };
	const struct val *v = val_len(found) == 1 ? val_at(found, 0) : found;

	if (v->type == VAL_STRING) {
		return val_new_str(a, v->s);
	}
	json_write(&text, v);
	return val_new_str(a, strbuf_slice(&text));
}

static void custom_row(struct row *r, const struct val *printer)
{
	val_for_each (printer, it) {
		struct slice type = val_get_str(it, "type");
		struct val *found = val_new_array(r->arena);
		struct val *cell;

		if (jsonpath_find(r->arena, val_get_str(it, "jsonPath"), r->object, found, NULL) <
		            0 ||
		    !val_len(found) || val_is_null(val_at(found, 0))) {
			cell = val_new_null(r->arena);
		} else if (slice_is(type, "string")) {
			cell = text_cell(r->arena, found);
		} else {
			cell = custom_cell(r, type, val_at(found, 0));
		}
		val_append(r->cells, cell);
	}
}

/* ---- contract ---- */

struct val *table_columns(const struct kind *k, struct arena *a)
{
	const struct val *printer = k->printer_columns;
	const struct table *t = find_table(k);
	struct val *out = val_new_array(a);

	for (size_t i = 0; i < (printer ? 1 : t->n); i++) {
		struct val *c = val_append(out, val_new_object(a));

		val_set_cstr(a, c, "name", t->columns[i].name);
		val_set_cstr(a, c, "type", t->columns[i].type ? t->columns[i].type : "string");
		val_set_cstr(a, c, "format", t->columns[i].format ? t->columns[i].format : "");
		val_set_cstr(a, c, "description", "");
		val_set_int(a, c, "priority", t->columns[i].priority);
	}
	custom_columns(a, printer, out);
	return out;
}

struct val *table_cells(const struct kind *k, struct arena *a, const struct val *object,
                        int64_t now_wall_us)
{
	const struct val *printer = k->printer_columns;
	struct row r = {
		.arena = a, .cells = val_new_array(a), .object = object, .now_us = now_wall_us
	};

	if (printer) {
		cell_name(&r);
		custom_row(&r, printer);
	} else {
		find_table(k)->fill(&r);
	}
	return r.cells;
}
