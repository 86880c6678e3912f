/* Why: some addresses stand outside of pods: in annotations that the ingress controller follows, in
 * names that stand for other names. */
#include "analyse/value-priv.h"

#include "base/mem.h"

static struct value_text text_at(struct value_reader *r, const struct val *object,
                                 const struct val *node, const char *path, enum value_source source,
                                 enum value_place place, const char *name)
{
	struct value_text t = value_text_of(object, node, arena_strdup(r->arena, path));

	t.source = source;
	t.place = place;
	t.name = name;
	return t;
}

struct snippet {
	struct value_reader *r;
	const struct value_text *t;
};

static void on_snippet(void *arg, const struct config_fact *fact)
{
	struct snippet *s = arg;
	struct value_text t = *s->t;

	if (fact->kind != FACT_CALL) {
		return;
	}
	if (t.by_line) {
		t.where.line += fact->line - 1;
		t.where.col += fact->col - 1;
	}
	t.by_line = false;
	value_add_call(s->r, &t, fact->value, fact->port, fact->scheme, fact->tls, USE_CONNECT);
}

/* Source: kubernetes/ingress-nginx, nginx-configuration/annotations. */
static const struct {
	const char *name;
	enum value_place place;
	enum value_use use;
	bool is_text; /* nginx's own words */
} annotations[] = {
	{ "auth-url", PLACE_INGRESS, USE_CONNECT, false },
	{ "auth-signin", PLACE_BROWSER, USE_SELF, false },
	{ "cors-allow-origin", PLACE_BROWSER, USE_ORIGIN, false },
	{ "permanent-redirect", PLACE_BROWSER, USE_SELF, false },
	{ "temporal-redirect", PLACE_BROWSER, USE_SELF, false },
	{ "app-root", PLACE_BROWSER, USE_SELF, false },
	{ "mirror-target", PLACE_INGRESS, USE_CONNECT, false },
	{ "upstream-vhost", PLACE_INGRESS, USE_SELF, false },
	{ "configuration-snippet", PLACE_INGRESS, USE_CONNECT, true },
	{ "server-snippet", PLACE_INGRESS, USE_CONNECT, true },
	{ "auth-snippet", PLACE_INGRESS, USE_CONNECT, true },
};

static void read_annotation(struct value_reader *r, const struct val *ingress, const struct val *it)
{
	static const struct slice prefix = { "nginx.ingress.kubernetes.io/", 28 };
	struct slice name = slice_from(it->key, prefix.len);

	if (!slice_has_prefix(it->key, prefix)) {
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++) {
		scoped_free char *path =
			mem_printf("metadata.annotations." SLICE_FMT, SLICE_ARG(it->key));
		struct value_text t;
		struct snippet s = { r, &t };

		if (!slice_is(name, annotations[i].name)) {
			continue;
		}
		t = text_at(r, ingress, it, path, VALUE_ANNOTATION, annotations[i].place,
		            annotations[i].name);
		if (annotations[i].is_text) {
			config_nginx(r->arena, slice_head(t.text, VALUE_TEXT_MAX), NULL, on_snippet,
			             &s);
		} else if (!slice_is(t.text, "*")) {
			value_add_call(r, &t, t.text, (struct slice){ "", 0 }, "", false,
			               annotations[i].use);
		}
		return;
	}
}

void value_read_ingress(struct value_reader *r, const struct val *ingress)
{
	val_for_each (val_path(ingress, "metadata.annotations"), it) {
		read_annotation(r, ingress, it);
	}
}

void value_read_service(struct value_reader *r, const struct val *service)
{
	const struct val *spec = val_get(service, "spec"), *name = val_get(spec, "externalName");
	struct value_text t;

	if (!slice_is(val_get_str(spec, "type"), "ExternalName") || !val_str(name).len) {
		return;
	}
	t = text_at(r, service, name, "spec.externalName", VALUE_EXTERNAL_NAME, PLACE_RESOLVER,
	            "externalName");
	value_add_call(r, &t, t.text, (struct slice){ "", 0 }, "", false, USE_CONNECT);
}
