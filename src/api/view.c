/* Why: get, list, watch and every write answer in the same three shapes. See view.h. Source:
 * reference 2.4, 2.5, 3.4 */
#include "api/view.h"

#include <inttypes.h>

#include "api/convert.h"
#include "base/mem.h"
#include "codec/json.h"
#include "schema/object.h"

static void add_self(struct strbuf *out, const struct view *v, const struct val *stored,
                     struct slice json)
{
	const struct kind *from = kind_storage(v->kind);
	scoped_arena struct arena a = { 0 };

	if (from != v->kind) {
		json_write(out, convert_object(&a, from, v->kind, stored));
	} else if (json.len) {
		strbuf_add_slice(out, json);
	} else {
		json_write(out, stored);
	}
}

static void add_partial(struct strbuf *out, const struct view *v, const struct val *stored)
{
	strbuf_addf(out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"%s\",\"metadata\":",
	            v->meta_version);
	json_write(out, val_get(stored, "metadata"));
	strbuf_addc(out, '}');
}

static void add_row(struct strbuf *out, const struct view *v, const struct val *stored,
                    struct slice json)
{
	scoped_arena struct arena a = { 0 };
	const struct kind *k = kind_storage(v->kind);
	const struct val *conditions = table_conditions(k, &a, stored);

	strbuf_adds(out, "{\"cells\":");
	json_write(out, table_cells(k, &a, stored, v->now_us));
	if (conditions) {
		strbuf_adds(out, ",\"conditions\":");
		json_write(out, conditions);
	}
	strbuf_adds(out, ",\"object\":");
	switch (v->include) {
	case INCLUDE_METADATA:
		add_partial(out, v, stored);
		break;
	case INCLUDE_OBJECT:
		add_self(out, v, stored, json);
		break;
	case INCLUDE_NONE:
		strbuf_adds(out, "null");
		break;
	}
	strbuf_addc(out, '}');
}

/* Up to and with the bracket before the first row. metadata: JSON. */
static void add_table_head(struct strbuf *out, const struct view *v, const char *metadata,
                           bool has_columns)
{
	scoped_arena struct arena a = { 0 };

	strbuf_addf(out, "{\"kind\":\"Table\",\"apiVersion\":\"%s\",\"metadata\":%s,",
	            v->meta_version, metadata);
	strbuf_adds(out, "\"columnDefinitions\":");
	if (has_columns) {
		json_write(out, table_columns(kind_storage(v->kind), &a));
	} else {
		strbuf_adds(out, "null");
	}
	strbuf_adds(out, ",\"rows\":[");
}

static void add_one(struct strbuf *out, const struct view *v, const struct val *stored,
                    struct slice json, bool has_columns)
{
	scoped_strbuf struct strbuf metadata = { 0 };

	switch (v->form) {
	case FORM_OBJECT:
		add_self(out, v, stored, json);
		break;
	case FORM_PARTIAL:
		add_partial(out, v, stored);
		break;
	case FORM_TABLE:
		strbuf_addf(&metadata, "{\"resourceVersion\":\"" SLICE_FMT "\"}",
		            SLICE_ARG(val_str(val_path(stored, "metadata.resourceVersion"))));
		add_table_head(out, v, strbuf_str(&metadata), has_columns);
		add_row(out, v, stored, json);
		strbuf_adds(out, "]}");
		break;
	}
}

void view_object(struct strbuf *out, const struct view *v, const struct val *stored,
                 struct slice json)
{
	add_one(out, v, stored, json, true);
}

/* ---- lists ---- */

void view_list_begin(struct strbuf *out, const struct view *v, const struct view_list *l)
{
	scoped_strbuf struct strbuf metadata = { 0 };

	strbuf_addf(&metadata, "{\"resourceVersion\":\"%" PRIu64 "\"", l->revision);
	if (l->token.len) {
		strbuf_addf(&metadata, ",\"continue\":\"" SLICE_FMT "\"", SLICE_ARG(l->token));
		if (l->remaining >= 0) {
			strbuf_addf(&metadata, ",\"remainingItemCount\":%" PRId64, l->remaining);
		}
	}
	strbuf_addc(&metadata, '}');
	switch (v->form) {
	case FORM_OBJECT:
		strbuf_addf(
			out,
			"{\"kind\":\"%sList\",\"apiVersion\":\"%s\",\"metadata\":%s,\"items\":[",
			v->kind->kind, kind_api_version(v->kind), strbuf_str(&metadata));
		break;
	case FORM_PARTIAL:
		strbuf_addf(out,
		            "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"%s\","
		            "\"metadata\":%s,\"items\":[",
		            v->meta_version, strbuf_str(&metadata));
		break;
	case FORM_TABLE:
		add_table_head(out, v, strbuf_str(&metadata), true);
		break;
	}
}

void view_list_item(struct strbuf *out, const struct view *v, struct view_list *l,
                    const struct val *stored, struct slice json)
{
	if (l->n++) {
		strbuf_addc(out, ',');
	}
	switch (v->form) {
	case FORM_OBJECT:
		add_self(out, v, stored, json);
		break;
	case FORM_PARTIAL:
		add_partial(out, v, stored);
		break;
	case FORM_TABLE:
		add_row(out, v, stored, json);
		break;
	}
}

void view_list_end(struct strbuf *out)
{
	strbuf_adds(out, "]}");
}

/* ---- watches ---- */

void view_event(struct strbuf *out, const struct view *v, const char *type,
                const struct val *stored, struct slice json, bool is_first)
{
	strbuf_addf(out, "{\"type\":\"%s\",\"object\":", type);
	add_one(out, v, stored, json, is_first);
	strbuf_adds(out, "}\n");
}

void view_bookmark(struct strbuf *out, const struct view *v, uint64_t revision, bool ends_initial)
{
	scoped_arena struct arena a = { 0 };
	struct val *object = val_new_object(&a), *metadata;

	val_set_cstr(&a, object, "kind", v->kind->kind);
	val_set_cstr(&a, object, "apiVersion", kind_api_version(v->kind));
	metadata = val_need_object(&a, object, "metadata");
	val_set(&a, metadata, "resourceVersion", val_new_strf(&a, "%" PRIu64, revision));
	val_set(&a, metadata, "creationTimestamp", val_new_null(&a));
	if (ends_initial) {
		val_set_cstr(&a, val_need_object(&a, metadata, "annotations"),
		             "k8s.io/initial-events-end", "true");
	}
	strbuf_adds(out, "{\"type\":\"BOOKMARK\",\"object\":");
	if (v->form == FORM_OBJECT) {
		json_write(out, object);
	} else if (v->form == FORM_PARTIAL) {
		add_partial(out, v, object);
	} else {
		scoped_strbuf struct strbuf head = { 0 };

		strbuf_addf(&head, "{\"resourceVersion\":\"%" PRIu64 "\"}", revision);
		add_table_head(out, v, strbuf_str(&head), false);
		strbuf_adds(out, "{\"cells\":[],\"object\":");
		add_partial(out, v, object);
		strbuf_adds(out, "}]}");
	}
	strbuf_adds(out, "}\n");
}
