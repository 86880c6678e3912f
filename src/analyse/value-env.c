/* Why: variables are the wiring of most applications; here they are made as the kubelet makes them,
 * with the place where each text is written, and without giving up where an object is not among the
 * files. Source: kubernetes-api.md section 8.6. */
#include "analyse/value-priv.h"

#include <ctype.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/mem.h"

/* ---- keys of ConfigMaps and Secrets ---- */

const struct val *value_object(struct value_reader *r, const char *kind, struct slice name)
{
	scoped_free char *key =
		mem_printf("%s/" SLICE_FMT "/" SLICE_FMT, kind, SLICE_ARG(r->ns), SLICE_ARG(name));

	return map_find(&r->objects, slice_of(key));
}

static bool is_secret(const struct val *object)
{
	return slice_is(val_get_str(object, "kind"), "Secret");
}

/* v: the member of "data", or null. */
static const struct val *key_in(struct value_reader *r, const struct val *object, struct slice key,
                                const struct val *v, bool *ret_is_secret, struct slice *ret_text)
{
	scoped_strbuf struct strbuf out = { .max = VALUE_TEXT_MAX };
	const struct val *plain;

	*ret_is_secret = is_secret(object);
	*ret_text = (struct slice){ "", 0 };
	plain = *ret_is_secret ? val_get_slice(val_get(object, "stringData"), key) : NULL;
	if (plain) {
		*ret_text = val_str(plain);
		return plain;
	}
	if (!v && !*ret_is_secret) {
		return val_get_slice(val_get(object, "binaryData"), key);
	}
	if (v && *ret_is_secret) {
		if (base64_decode(&out, val_str(v))) {
			*ret_text = arena_slice(r->arena, strbuf_slice(&out));
		}
	} else if (v) {
		*ret_text = val_str(v);
	}
	return v;
}

const struct val *value_key(struct value_reader *r, const struct val *object, struct slice key,
                            bool *ret_is_secret, struct slice *ret_text)
{
	return key_in(r, object, key, val_get_slice(val_get(object, "data"), key), ret_is_secret,
	              ret_text);
}

const struct val *value_key_at(struct value_reader *r, const struct val *object, const char *map,
                               const struct val *it, bool *ret_is_secret, struct slice *ret_text)
{
	if (strcmp(map, "data") == 0) {
		return key_in(r, object, it->key, it, ret_is_secret, ret_text);
	}
	*ret_is_secret = is_secret(object);
	*ret_text = val_str(it);
	return *ret_is_secret ? it : value_key(r, object, it->key, ret_is_secret, ret_text);
}

const char *value_key_path(struct arena *a, const struct val *object, struct slice key)
{
	bool plain = !is_secret(object) || val_get_slice(val_get(object, "data"), key);

	return arena_printf(a, "%s." SLICE_FMT, plain ? "data" : "stringData", SLICE_ARG(key));
}

static const struct val *export_of(struct value_reader *r, const char *kind, struct slice name,
                                   struct slice key)
{
	scoped_free char *text = mem_printf("%s/" SLICE_FMT "/" SLICE_FMT "/" SLICE_FMT, kind,
	                                    SLICE_ARG(r->ns), SLICE_ARG(name), SLICE_ARG(key));

	return map_find(&r->exports, slice_of(text));
}

static void mark_read(struct value_reader *r, const struct val *node)
{
	const void *p = node;

	map_set(&r->read, value_pointer_key(&p), (void *)node);
}

/* ---- settings ---- */

static void set(struct value_reader *r, struct setting s)
{
	size_t i = env_index(&r->env, s.name);
	struct slice text = s.value;
	char hole[24];

	s.workload = r->workload;
	s.container = r->container;
	if (!s.is_known) {
		(void)snprintf(hole, sizeof(hole), "%c%zu%c", ADDRESS_HOLE, r->first_setting + i,
		               ADDRESS_HOLE);
		text = slice_of(hole);
	}
	env_set(&r->env, s.name, text);
	s.name = r->env.at[i].name;
	s.value = s.is_known ? r->env.at[i].value : (struct slice){ "", 0 };
	if (r->first_setting + i < r->settings.n) {
		r->settings.at[r->first_setting + i] = s;
	} else {
		vec_push(&r->settings, s);
	}
}

/* s: source, name, and what value_key tells of the key. */
static struct setting key_setting(struct value_reader *r, const struct val *object,
                                  struct slice key, const struct val *node, struct setting s)
{
	s.is_known = node != NULL;
	s.where = value_where_of(object, node, value_key_path(r->arena, object, key));
	if (node && !s.value.len) {
		/* a place kept for a FieldExport */
		s.exported = export_of(r, s.is_secret ? "Secret" : "ConfigMap",
		                       val_str(val_path(object, "metadata.name")), key);
		s.is_known = !s.exported;
	}
	if (node) {
		mark_read(r, node);
	}
	return s;
}

static void from_map(struct value_reader *r, const struct val *object, const char *map,
                     struct slice prefix)
{
	val_for_each (val_get(object, map), it) {
		scoped_strbuf struct strbuf name = { 0 };

		strbuf_add_slice(&name, prefix);
		strbuf_add_slice(&name, it->key);
		if (env_name_is_valid(strbuf_slice(&name))) {
			struct setting s = { .source = VALUE_ENV_FROM,
				             .name = arena_slice(r->arena, strbuf_slice(&name)) };
			const struct val *node =
				value_key_at(r, object, map, it, &s.is_secret, &s.value);

			set(r, key_setting(r, object, it->key, node, s));
		}
	}
}

/* Keys that a FieldExport adds to the object while the cluster runs. */
static void from_exports(struct value_reader *r, const char *kind, const struct val *object,
                         struct slice object_name, struct slice prefix)
{
	scoped_free char *begin = mem_printf("%s/" SLICE_FMT "/" SLICE_FMT "/", kind,
	                                     SLICE_ARG(r->ns), SLICE_ARG(object_name));

	for (struct map_iter it = { 0 }; map_next(&r->exports, &it);) {
		struct setting s = { .source = VALUE_ENV_FROM,
			             .is_secret = strcmp(kind, "Secret") == 0,
			             .exported = it.value };
		struct slice key = slice_from(it.key, strlen(begin));
		scoped_strbuf struct strbuf name = { 0 };

		if (!slice_has_prefix(it.key, slice_of(begin)) ||
		    val_get_slice(val_get(object, "data"), key)) {
			continue;
		}
		strbuf_addf(&name, SLICE_FMT SLICE_FMT, SLICE_ARG(prefix), SLICE_ARG(key));
		s.name = arena_slice(r->arena, strbuf_slice(&name));
		s.where = value_where_of(it.value, NULL, "spec.to");
		set(r, s);
	}
}

static void from_whole(struct value_reader *r, const struct val *from)
{
	const struct val *ref = val_get(from, "configMapRef");
	const char *kind = ref ? "ConfigMap" : "Secret";
	struct slice prefix = val_get_str(from, "prefix"), name;
	const struct val *object;

	ref = ref ? ref : val_get(from, "secretRef");
	name = val_get_str(ref, "name");
	object = value_object(r, kind, name);
	if (object) {
		from_map(r, object, "data", prefix);
		if (is_secret(object)) {
			from_map(r, object, "stringData", prefix);
		}
	}
	if (r->exports.n) {
		from_exports(r, kind, object, name, prefix);
	}
}

static void from_key(struct value_reader *r, const struct val *var, const struct val *ref,
                     const char *kind, const char *path)
{
	const struct val *object = value_object(r, kind, val_get_str(ref, "name"));
	struct setting s = { .source = VALUE_ENV_KEY,
		             .name = val_get_str(var, "name"),
		             .where = value_where_of(r->workload, ref, path),
		             .is_secret = strcmp(kind, "Secret") == 0 };

	if (object) {
		struct slice key = val_get_str(ref, "key");
		struct setting known = { .source = VALUE_ENV_KEY, .name = s.name };
		const struct val *node = value_key(r, object, key, &known.is_secret, &known.value);

		s = key_setting(r, object, key, node, known);
	}
	if (!s.is_known && !s.exported) {
		s.exported = export_of(r, kind, val_get_str(ref, "name"), val_get_str(ref, "key"));
		s.where = value_where_of(s.exported ? s.exported : r->workload,
		                         s.exported ? NULL : ref, s.exported ? "spec.to" : path);
		if (!s.exported && val_bool(val_get(ref, "optional"), false)) {
			return;
		}
	}
	set(r, s);
}

/* Variables that repeat one another may grow without end; then the text stays as it is written. */
static struct slice expanded(struct value_reader *r, struct slice text)
{
	struct slice whole;

	if (r->expanded > VALUE_ENV_MAX) {
		return text;
	}
	whole = env_expand(&r->env, text);
	r->expanded += whole.len;
	return whole;
}

/* Does an expanded text hold something out of a Secret? */
static bool mentions_secret(const struct value_reader *r, struct slice text)
{
	for (size_t i = 0; i + 2 < text.len; i++) {
		ptrdiff_t end;
		size_t at;

		if (text.p[i] != '$' || text.p[i + 1] != '(') {
			continue;
		}
		end = slice_find(slice_head(slice_from(text, i), 256), ')');
		if (end < 0) {
			continue;
		}
		at = env_index(&r->env, slice_head(slice_from(text, i + 2), (size_t)end - 2));
		if (at < r->env.n && r->settings.at[r->first_setting + at].is_secret) {
			return true;
		}
	}
	return false;
}

static void from_value(struct value_reader *r, const struct val *var, size_t index)
{
	const struct val *from = val_get(var, "valueFrom"), *ref, *node = val_get(var, "value");
	const char *path = arena_printf(r->arena, "%s.env[%zu].%s", r->container_path, index,
	                                from ? "valueFrom" : "value");
	struct setting s = { .source = VALUE_ENV,
		             .name = val_get_str(var, "name"),
		             .is_known = !from,
		             .where = value_where_of(r->workload, from ? from : node, path) };

	if ((ref = val_get(from, "configMapKeyRef"))) {
		from_key(r, var, ref, "ConfigMap", path);
	} else if ((ref = val_get(from, "secretKeyRef"))) {
		from_key(r, var, ref, "Secret", path);
	} else if (s.name.len) {
		s.is_secret = mentions_secret(r, val_str(node));
		s.value = expanded(r, val_str(node));
		set(r, s);
	}
}

/* ---- what the variables name ---- */

static const struct slice browser_prefixes[] = {
	SLICE("VITE_"),      SLICE("REACT_APP_"), SLICE("NEXT_PUBLIC_"), SLICE("NUXT_PUBLIC_"),
	SLICE("VUE_APP_"),   SLICE("NG_APP_"),    SLICE("EXPO_PUBLIC_"), SLICE("GATSBY_"),
	SLICE("STORYBOOK_"), SLICE("PUBLIC_"),
};

/* What stands behind the prefix; empty: the name has none. */
static struct slice browser_rest(struct slice name)
{
	static const char *const own[] = { "URL",     "HOST",     "PORT",   "IP",
		                           "ADDRESS", "HOSTNAME", "DOMAIN", "BASE_URL" };

	for (size_t i = 0; i < ARRAY_SIZE(browser_prefixes); i++) {
		struct slice rest = slice_from(name, browser_prefixes[i].len);

		if (!slice_has_prefix(name, browser_prefixes[i]) || rest.len == 0) {
			continue;
		}
		/* PUBLIC_URL and such are a program's own address in most houses */
		for (size_t k = 0; slice_is(browser_prefixes[i], "PUBLIC_") && k < ARRAY_SIZE(own);
		     k++) {
			if (slice_is(rest, own[k])) {
				return (struct slice){ "", 0 };
			}
		}
		return rest;
	}
	return (struct slice){ "", 0 };
}

bool value_is_browser_name(struct slice name)
{
	return browser_rest(name).len > 0;
}

static bool has_part(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

/* Images that do nothing but serve files: what the page says was written when the image was built.
 */
static bool serves_files(const struct value_reader *r)
{
	static const char *const servers[] = {
		"nginx", "httpd", "caddy", "lighttpd", "static-web-server", "apache"
	};
	const char *image = val_cstr(val_get(r->container, "image"));

	for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
		if (has_part(image, servers[i])) {
			return !has_part(image, "ingress") && !has_part(image, "php");
		}
	}
	return false;
}

/* Text of P_PORT for P_HOST, and its setting; empty when there is none. */
static struct slice sibling_port(const struct value_reader *r, struct slice name)
{
	struct slice stem = key_stem(name);
	scoped_free char *lower =
		mem_printf(SLICE_FMT "%s", SLICE_ARG(stem),
	                   stem.len && islower((unsigned char)stem.p[0]) ? "port" : "PORT");
	size_t at = env_index(&r->env, slice_of(lower));

	return at < r->env.n ? r->env.at[at].value : (struct slice){ "", 0 };
}

static void read_setting(struct value_reader *r, size_t at)
{
	struct setting *s = &r->settings.at[at];
	struct slice text = r->env.at[at - r->first_setting].value, browser = browser_rest(s->name);
	struct slice key = browser.len ? browser : s->name, port = { "", 0 };
	struct value_text t = s->where.node && s->is_known
	                              ? value_text_of(s->where.object, s->where.node, s->where.path)
	                              : (struct value_text){ .where = s->where, .file = "" };

	if (key_judge(key) == KEY_HOST || key_judge(key) == KEY_ADDRESS) {
		port = sibling_port(r, s->name);
	}
	/* an expanded or decoded text is not that of the file any more */
	t.by_line = t.by_line && slice_eq(t.text, text);
	t.text = text;
	t.source = s->source;
	t.name = s->name.p;
	t.is_secret = s->is_secret;
	t.exported = s->exported;
	t.place = !browser.len         ? PLACE_POD
	          : r->templates_pages ? PLACE_BROWSER
	          : serves_files(r)    ? PLACE_BUILD
	                               : PLACE_BROWSER;
	value_read_text(r, &t, key, port, "");
}

/* Does the container write variables into what it serves? A script of its own, envsubst, a mounted
 * config.js. */
static bool templates_pages(const struct value_reader *r)
{
	static const char *const signs[] = { "envsubst", "env.js",      "config.js", "env-config",
		                             "sed ",     "runtime-env", "inject" };
	static const char *const lists[] = { "command", "args" };

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
		val_for_each (val_get(r->container, lists[k]), it) {
			for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
				if (has_part(val_cstr(it), signs[i])) {
					return true;
				}
			}
		}
	}
	val_for_each (val_get(r->container, "volumeMounts"), it) {
		const char *path = val_cstr(val_get(it, "mountPath"));

		if (has_part(path, "templates") || has_part(path, "docker-entrypoint.d") ||
		    has_part(path, ".js")) {
			return true;
		}
	}
	return false;
}

void value_read_env(struct value_reader *r)
{
	size_t index = 0;

	r->env = (struct env){ .arena = r->arena };
	r->first_setting = r->settings.n;
	r->expanded = 0;
	r->templates_pages = templates_pages(r);
	val_for_each (val_get(r->container, "envFrom"), it) {
		from_whole(r, it);
	}
	val_for_each (val_get(r->container, "env"), it) {
		from_value(r, it, index++);
	}
	for (size_t i = r->first_setting; i < r->settings.n; i++) {
		read_setting(r, i);
	}
}
