/* Why: a ConfigMap mounted as files is the configuration of a server. Which keys become which
 * files, what format they have, and what they say. */
#include "analyse/value-priv.h"

#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"

/* What a file said, to be said again for the next container that mounts it. */
struct parsed_file {
	size_t first_reference, n_references;
	size_t first_listening, n_listenings;
};

struct file {
	struct value_reader *r;
	const struct value_text *t;
};

/* ---- facts ---- */

static uint16_t number_of(struct slice s)
{
	int64_t n;

	return slice_to_i64(s, &n) && n > 0 && n < 65536 ? (uint16_t)n : 0;
}

static bool is_own_port(struct slice name)
{
	return key_judge(name) == KEY_LISTEN_PORT;
}

static struct slice last_part(struct slice name)
{
	ptrdiff_t dot = slice_rfind(name, '.');

	return slice_from(name, (size_t)(dot + 1));
}

static void on_listen(struct file *f, struct value_text *t, const struct config_fact *fact)
{
	scoped_strbuf struct strbuf both = { 0 };
	bool v6 = slice_find(fact->value, ':') >= 0 && fact->value.len && fact->value.p[0] != '[';

	if (!f->r->container) {
		return;
	}
	if (number_of(fact->port)) {
		strbuf_addf(&both, v6 ? "[" SLICE_FMT "]:%u" : SLICE_FMT ":%u",
		            SLICE_ARG(fact->value), number_of(fact->port));
		t->text = arena_slice(f->r->arena, strbuf_slice(&both));
	}
	value_add_listening(f->r, t, t->text, fact->udp ? PROTO_UDP : PROTO_TCP, fact->tls,
	                    CONFIDENCE_HIGH);
}

/* A value within the text, at the place the format's reader found. */
static struct value_text text_of_fact(struct file *f, const struct config_fact *fact)
{
	struct value_text t = *f->t;

	t.text = fact->value;
	t.name = arena_slice(f->r->arena, fact->name).p;
	if (f->t->by_line && fact->line) {
		t.where.line = f->t->where.line + fact->line - 1;
		t.where.col = f->t->where.col + (fact->col ? fact->col - 1 : 0);
	}
	t.by_line = false;
	if (f->t->by_line && fact->node && fact->node->type == VAL_STRING &&
	    fact->node->is_literal) {
		t.by_line = true;
		t.where.line = f->t->where.line + fact->node->text_line - 1;
		t.where.col = f->t->where.col + fact->node->text_col - 1;
	}
	return t;
}

static void on_fact(void *arg, const struct config_fact *fact)
{
	struct file *f = arg;
	struct value_text t = text_of_fact(f, fact);
	struct slice last = last_part(fact->name);

	switch (fact->kind) {
	case FACT_CALL:
		value_add_call(f->r, &t, fact->value, fact->port, fact->scheme, fact->tls,
		               USE_CONNECT);
		return;
	case FACT_LISTEN:
		on_listen(f, &t, fact);
		return;
	case FACT_RESOLVER:
		value_add_call(f->r, &t, fact->value, fact->port, "", false, USE_RESOLVE);
		return;
	case FACT_SELF:
		value_add_call(f->r, &t, fact->value, fact->port, fact->scheme, fact->tls,
		               USE_SELF);
		return;
	case FACT_VALUE:
		break;
	}
	/* "redis.host" with its port beside it is no place of its own */
	if (fact->port.len && (slice_is(last, "host") || slice_is(last, "hostname")) &&
	    !is_own_port(fact->name)) {
		value_read_text(f->r, &t, fact->name, fact->port, "");
		return;
	}
	if (key_judge(last) == KEY_PRIVATE) {
		return;
	}
	/* file-format keys judged by the whole path: "server.port" is its own, "database.port" is
	 * not */
	value_read_text(f->r, &t, fact->name, fact->port, "");
}

static struct slice find_variable(void *arg, struct slice name)
{
	struct file *f = arg;
	size_t at = env_index(&f->r->env, name);

	if (at < f->r->env.n && !f->r->settings.at[f->r->first_setting + at].is_secret) {
		return f->r->env.at[at].value;
	}
	return (struct slice){ 0 };
}

/* ---- one file ---- */

static void read_json(struct file *f)
{
	struct val *root = NULL;

	if (json_parse(f->r->arena, f->t->text, 0, &root, NULL) == 0) {
		config_tree(f->r->arena, root, on_fact, f);
	}
}

static int on_document(void *arg, struct val *root, struct err *err)
{
	struct file *f = arg;

	(void)err;
	config_tree(f->r->arena, root, on_fact, f);
	return 0;
}

/* What is no YAML after all was a template: it is kept as far as it went. */
static void read_yaml(struct file *f)
{
	int r = yaml_parse_all(f->r->arena, f->t->text, on_document, f, NULL);

	(void)r;
}

void value_read_file(struct value_reader *r, const struct value_text *t)
{
	struct file f = { r, t };
	const struct config_vars vars = { find_variable, &f };
	struct slice name = slice_of(t->file[0] ? t->file : t->name);
	bool is_template = slice_has_suffix(name, SLICE(".template")) ||
	                   slice_has_suffix(name, SLICE(".tmpl"));

	if (t->text.len > VALUE_TEXT_MAX) {
		return;
	}
	switch (config_format_of(name, t->text)) {
	case CONFIG_NGINX:
		config_nginx(r->arena, t->text, is_template && r->container ? &vars : NULL, on_fact,
		             &f);
		return;
	case CONFIG_HAPROXY:
		config_haproxy(r->arena, t->text, on_fact, &f);
		return;
	case CONFIG_LINES:
		config_lines(r->arena, t->text, on_fact, &f);
		return;
	case CONFIG_JSON:
		read_json(&f);
		return;
	case CONFIG_YAML:
		read_yaml(&f);
		return;
	case CONFIG_NONE:
		break;
	}
	if (slice_find(t->text, '\n') < 0 || t->text.len < 256) {
		value_read_text(r, t, slice_of(t->name), (struct slice){ "", 0 }, "");
	}
}

/* ---- mounts ---- */

static void say_again(struct value_reader *r, const struct parsed_file *p, const char *file)
{
	for (size_t i = 0; i < p->n_references; i++) {
		struct reference ref = r->references.at[p->first_reference + i];

		ref.workload = r->workload;
		ref.container = r->container;
		ref.file = file;
		vec_push(&r->references, ref);
	}
	for (size_t i = 0; i < p->n_listenings; i++) {
		struct listening l = r->listenings.at[p->first_listening + i];

		l.workload = r->workload;
		l.container = r->container;
		l.file = file;
		vec_push(&r->listenings, l);
	}
}

static void read_key(struct value_reader *r, const struct val *object, struct slice key,
                     const char *file)
{
	struct value_text t = { .source = VALUE_FILE, .place = PLACE_POD };
	bool is_secret;
	struct slice text;
	const struct val *node = value_key(r, object, key, &is_secret, &text);
	const void *p = node;
	struct parsed_file *known;

	if (!node) {
		return;
	}
	map_set(&r->read, value_pointer_key(&p), (void *)node);
	known = map_find(&r->files, value_pointer_key(&p));
	if (known && !slice_has_suffix(slice_of(file), SLICE(".template"))) {
		say_again(r, known, file);
		return;
	}
	t = value_text_of(object, node, value_key_path(r->arena, object, key));
	t.by_line = t.by_line && slice_eq(t.text, text);
	t.text = text;
	t.source = VALUE_FILE;
	t.file = file;
	t.name = arena_slice(r->arena, key).p;
	t.is_secret = is_secret;
	known = ARENA_NEW(r->arena, struct parsed_file);
	known->first_reference = r->references.n;
	known->first_listening = r->listenings.n;
	value_read_file(r, &t);
	known->n_references = r->references.n - known->first_reference;
	known->n_listenings = r->listenings.n - known->first_listening;
	map_set(&r->files, value_pointer_key(&p), known);
}

static void read_all_keys(struct value_reader *r, const struct val *object, const char *map,
                          const struct val *mount)
{
	val_for_each (val_get(object, map), it) {
		struct slice sub = val_get_str(mount, "subPath"),
			     path = val_get_str(mount, "mountPath");

		if (!sub.len || slice_eq(sub, it->key)) {
			read_key(r, object, it->key,
			         sub.len ? arena_slice(r->arena, path).p
			                 : arena_printf(r->arena, SLICE_FMT "/" SLICE_FMT,
			                                SLICE_ARG(path), SLICE_ARG(it->key)));
		}
	}
}

static void read_source(struct value_reader *r, const struct val *source, const char *kind,
                        struct slice name, const struct val *mount)
{
	const struct val *object = value_object(r, kind, name);
	struct slice sub = val_get_str(mount, "subPath"), path = val_get_str(mount, "mountPath");

	if (!object) {
		return;
	}
	if (!val_get(source, "items")) {
		read_all_keys(r, object, "data", mount);
		read_all_keys(r, object, "stringData", mount);
		return;
	}
	val_for_each (val_get(source, "items"), it) {
		struct slice file = val_get_str(it, "path");

		if (!sub.len || slice_eq(sub, file)) {
			read_key(r, object, val_get_str(it, "key"),
			         sub.len ? arena_slice(r->arena, path).p
			                 : arena_printf(r->arena, SLICE_FMT "/" SLICE_FMT,
			                                SLICE_ARG(path), SLICE_ARG(file)));
		}
	}
}

static void read_volume(struct value_reader *r, const struct val *volume, const struct val *mount)
{
	const struct val *map = val_get(volume, "configMap"), *secret = val_get(volume, "secret");

	if (map) {
		read_source(r, map, "ConfigMap", val_get_str(map, "name"), mount);
	}
	if (secret) {
		read_source(r, secret, "Secret", val_get_str(secret, "secretName"), mount);
	}
	val_for_each (val_path(volume, "projected.sources"), it) {
		map = val_get(it, "configMap");
		secret = val_get(it, "secret");
		if (map) {
			read_source(r, map, "ConfigMap", val_get_str(map, "name"), mount);
		}
		if (secret) {
			read_source(r, secret, "Secret", val_get_str(secret, "name"), mount);
		}
	}
}

void value_read_files(struct value_reader *r)
{
	val_for_each (val_get(r->container, "volumeMounts"), mount) {
		val_for_each (val_get(r->spec, "volumes"), volume) {
			if (slice_eq(val_get_str(volume, "name"), val_get_str(mount, "name"))) {
				read_volume(r, volume, mount);
				break;
			}
		}
	}
}
