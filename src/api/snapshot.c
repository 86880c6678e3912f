/* Why: all pages of one list show one state. See snapshot.h. Source: reference 3.3 */
#include "api/snapshot.h"

#include <inttypes.h>

#include "api/api-priv.h"
#include "api/limits.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"

static void snapshot_free(struct api *api, struct snapshot *s)
{
	list_unlink(&s->in_api);
	api->n_snapshots--;
	kept_fini(&s->kept, 0);
	free(s);
}

static void drop_old(struct api *api, size_t most)
{
	int64_t now = loop_now_us(api->loop);

	list_for_each (&api->snapshots, s, struct snapshot, in_api) {
		if (api->n_snapshots > most || now - s->made_us > SNAPSHOT_LIFE_US) {
			snapshot_free(api, s);
		}
	}
}

struct snapshot *snapshot_new(struct api *api, const struct kind *k, uint64_t revision)
{
	struct snapshot *s = NEW(struct snapshot);

	drop_old(api, SNAPSHOTS_MAX - 1);
	s->id = ++api->next_snapshot;
	s->revision = revision;
	s->made_us = loop_now_us(api->loop);
	s->kind = k;
	list_push(&api->snapshots, &s->in_api);
	api->n_snapshots++;
	return s;
}

struct snapshot *snapshot_find(struct api *api, const struct kind *k, uint64_t id)
{
	drop_old(api, SNAPSHOTS_MAX);
	list_for_each (&api->snapshots, s, struct snapshot, in_api) {
		if (s->id == id && s->kind == k) {
			return s;
		}
	}
	return NULL;
}

void snapshots_fini(struct api *api)
{
	list_for_each (&api->snapshots, s, struct snapshot, in_api) {
		snapshot_free(api, s);
	}
}

/* ---- tokens ---- */

void page_format(struct strbuf *out, const struct page *p)
{
	scoped_strbuf struct strbuf text = { 0 };

	strbuf_addf(&text,
	            "{\"v\":1,\"id\":%" PRIu64 ",\"at\":%" PRIu64 ",\"rv\":%" PRIu64 ",\"ns\":",
	            p->id, p->at, p->revision);
	json_write_str(&text, p->ns);
	strbuf_adds(&text, ",\"name\":");
	json_write_str(&text, p->name);
	strbuf_addc(&text, '}');
	base64url_encode(out, strbuf_slice(&text));
}

bool page_parse(struct arena *a, struct slice token, struct page *ret)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct val *v;

	if (!base64_decode(&text, token) || json_parse(a, strbuf_slice(&text), 0, &v, NULL) < 0 ||
	    v->type != VAL_OBJECT || val_int(val_get(v, "v"), 0) != 1 ||
	    val_int(val_get(v, "id"), -1) < 0 || val_int(val_get(v, "at"), -1) < 0 ||
	    val_int(val_get(v, "rv"), -1) < 0) {
		return false;
	}
	*ret = (struct page){
		.id = (uint64_t)val_int(val_get(v, "id"), 0),
		.at = (uint64_t)val_int(val_get(v, "at"), 0),
		.revision = (uint64_t)val_int(val_get(v, "rv"), 0),
		.ns = val_get_str(v, "ns"),
		.name = val_get_str(v, "name"),
	};
	return true;
}
