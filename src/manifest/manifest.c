/* Why: a mistake in a manifest is told with file and line, before anything is changed; see manifest.h. */
#include "manifest/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "manifest/text.h"
#include "schema/object.h"

enum {
	FILE_MAX = 512 << 20,
	KUSTOMIZATION_MAX = 1 << 20,
	DEPTH_MAX = 16,
	PROBLEMS_MAX = 1000 /* that are told; nobody reads more */
};
#define OBJECTS_MEMORY_MAX ((size_t)1 << 30) /* bytes; some 200 MiB of ordinary manifests */

void manifests_init(struct manifests *m, manifests_build_fn *build)
{
	*m = (struct manifests){ .registry = registry_new(),
		                 .build = build,
		                 .arena = { .max = OBJECTS_MEMORY_MAX } };
}

void manifests_fini(struct manifests *m)
{
	for (size_t i = 0; i < m->problems.n; i++) {
		free(m->problems.at[i]);
	}
	vec_fini(&m->problems);
	vec_fini(&m->all);
	registry_free(m->registry);
	arena_fini(&m->arena);
}

static void problem(struct manifests *m, const char *file, const struct val *at, const char *fmt,
                    ...) __attribute__((format(printf, 4, 5)));

static void problem(struct manifests *m, const char *file, const struct val *at, const char *fmt,
                    ...)
{
	scoped_free char *text = NULL;
	va_list ap;

	if (m->problems.n == PROBLEMS_MAX) {
		vec_push(&m->problems, mem_printf("%s: there are more mistakes than the %d told "
		                                  "here; what they concern is left out too",
		                                  file, PROBLEMS_MAX));
	}
	if (m->problems.n > PROBLEMS_MAX) {
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0) {
		abort();
	}
	va_end(ap);
	vec_push(&m->problems, at && at->line
	                               ? mem_printf("%s:%u:%u: %s", file, at->line, at->col, text)
	                               : mem_printf("%s: %s", file, text));
}

struct reading {
	struct manifests *m;
	const char *file;
};

static void add(struct manifests *m, const char *file, struct val *object)
{
	struct slice kind = val_get_str(object, "kind"),
		     version = val_get_str(object, "apiVersion");

	if (val_is_null(object)) {
		return;
	}
	if (object->type != VAL_OBJECT) {
		problem(m, file, object, "a manifest must be an object, not a list or text");
		return;
	}
	if (!kind.len || !version.len) {
		problem(m, file, object,
		        "%s is missing: every manifest names its apiVersion and kind",
		        kind.len ? "apiVersion" : "kind");
		return;
	}
	if (slice_is(version, "v1") && slice_has_suffix(kind, SLICE("List")) &&
	    val_get(object, "items")) {
		struct val *items = val_get(object, "items");

		for (struct val *it = items->type == VAL_ARRAY ? items->first : NULL; it;) {
			struct val *next = it->next;

			add(m, file, it);
			it = next;
		}
		return;
	}
	vec_push(&m->all, ((struct manifest){ .file = file, .object = object }));
}

static int on_document(void *arg, struct val *root, struct err *err)
{
	struct reading *r = arg;

	(void)err;
	add(r->m, r->file, root);
	return 0;
}

/* ---- a text with a mistake: what stands behind the next "---" is read all the same ---- */

/* The parsers' messages begin with "line 3, column 14: ". */
static bool cut_position(const char **msg, unsigned *line, unsigned *col)
{
	int end = 0;

	if (sscanf(*msg, "line %u, column %u: %n", line, col, &end) != 2 || !end) {
		return false;
	}
	*msg += end;
	return true;
}

static void move_down(struct val *v, uint32_t lines)
{
	v->line += v->line ? lines : 0;
	val_for_each (v, it) {
		move_down((struct val *)it, lines);
	}
}

/* The line after the next document mark behind 'line' (from 1) lines; 0: there is none. */
static unsigned next_document(struct slice text, unsigned line, size_t *ret_offset)
{
	unsigned at = 0;

	for (struct slice rest = text, one, tail; rest.len; rest = tail) {
		(void)slice_cut(rest, '\n', &one, &tail);
		if (++at > line && slice_has_prefix(one, SLICE("---")) && tail.len) {
			*ret_offset = text.len - tail.len;
			return at;
		}
	}
	return 0;
}

static void syntax_problem(struct manifests *m, const char *file, const char *msg, unsigned before)
{
	unsigned line = 0, col = 0;

	if (cut_position(&msg, &line, &col)) {
		struct val at = { .line = before + line,
			          .col = (uint16_t)(col < UINT16_MAX ? col : UINT16_MAX) };

		problem(m, file, &at, "%s", msg);
	} else {
		problem(m, file, NULL, "%s", msg);
	}
}

static void read_yaml(struct manifests *m, const char *file, struct slice text)
{
	struct reading r = { m, file };
	unsigned before = 0;

	for (;;) {
		size_t first = m->all.n, offset = 0;
		struct err why = { 0 };
		const char *msg = why.msg;
		unsigned line = 0, col = 0, skipped;
		int ret = yaml_parse_all(&m->arena, text, on_document, &r, &why);

		for (size_t i = first; before && i < m->all.n; i++) {
			move_down(m->all.at[i].object, before);
		}
		if (ret == 0) {
			return;
		}
		syntax_problem(m, file, why.msg, before);
		skipped = cut_position(&msg, &line, &col) && why.code != ERR_LIMIT
		                  ? next_document(text, line, &offset)
		                  : 0;
		if (!skipped) {
			return;
		}
		before += skipped;
		text = slice_from(text, offset);
	}
}

int manifests_read_text(struct manifests *m, const char *file, struct slice text, struct err *err)
{
	const char *name = arena_strdup(&m->arena, file);
	struct val *root = NULL;
	struct err why = { 0 };

	(void)err;
	if (!slice_trim(text).len || slice_trim(text).p[0] != '{') {
		read_yaml(m, name, text);
	} else if (json_parse(&m->arena, text, JSON_STRICT, &root, &why) < 0) {
		syntax_problem(m, name, why.msg, 0);
	} else {
		add(m, name, root);
	}
	return 0;
}

static int read_file(struct manifests *m, const char *path, struct err *err)
{
	scoped_strbuf struct strbuf text = { 0 };
	int r = text_read(path, FILE_MAX, &text, err);

	return r < 0 ? r : manifests_read_text(m, text_name(path), strbuf_slice(&text), err);
}

static bool has_manifest_suffix(const char *name)
{
	struct slice s = slice_of(name);

	return slice_has_suffix(s, SLICE(".yaml")) || slice_has_suffix(s, SLICE(".yml")) ||
	       slice_has_suffix(s, SLICE(".json"));
}

static int read_path(struct manifests *m, const char *path, int depth, struct err *err);

static char *kustomization_in(const char *folder)
{
	static const char *const names[] = { "kustomization.yaml", "kustomization.yml",
		                             "Kustomization" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *path = mem_printf("%s/%s", folder, names[i]);

		if (access(path, R_OK) == 0) {
			return path;
		}
		free(path);
	}
	return NULL;
}

/* A kustomization that only lists resources (and names their namespace) is read here, so that positions
 * stay those of the files; any other is built by kubectl's own kustomize. */
static bool is_plain(const struct val *k)
{
	val_for_each (k, field) {
		if (!slice_is(field->key, "apiVersion") && !slice_is(field->key, "kind") &&
		    !slice_is(field->key, "resources") && !slice_is(field->key, "namespace")) {
			return false;
		}
	}
	return true;
}

static int build_kustomization(struct manifests *m, const char *folder, struct err *err)
{
	scoped_strbuf struct strbuf out = { .max = FILE_MAX };
	int r;

	if (!m->build) {
		return err_raise(
			err, ERR_USAGE,
			"%s uses more of kustomize than resources and namespace, and nothing is "
			"started here that could build it: give what 'kubectl kustomize %s' "
			"prints",
			folder, folder);
	}
	r = m->build(folder, &out, err);
	return r < 0 ? r : manifests_read_text(m, folder, strbuf_slice(&out), err);
}

static int read_kustomization(struct manifests *m, const char *folder, const char *file, int depth,
                              struct err *err)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct val *k = NULL;
	struct slice ns;
	size_t first = m->all.n;
	int r = text_read(file, KUSTOMIZATION_MAX, &text, err);

	if (r < 0) {
		return r;
	}
	r = yaml_parse(&m->arena, strbuf_slice(&text), &k, err);
	if (r < 0) {
		return err_while(err, r, "%s", file);
	}
	if (!is_plain(k)) {
		return build_kustomization(m, folder, err);
	}
	val_for_each (val_get(k, "resources"), resource) {
		scoped_free char *path = mem_printf("%s/%s", folder, val_cstr(resource));

		r = read_path(m, path, depth + 1, err);
		if (r < 0) {
			return err_while(err, r, "%s:%u", file, resource->line);
		}
	}
	ns = val_get_str(k, "namespace");
	for (size_t i = first; ns.len && i < m->all.n; i++) {
		const struct kind *kind = registry_kind_of(m->registry, m->all.at[i].object);

		if (kind && kind->namespaced) {
			val_set_str(&m->arena,
			            val_need_object(&m->arena, m->all.at[i].object, "metadata"),
			            "namespace", ns);
		}
	}
	return 0;
}

static int visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int read_folder(struct manifests *m, const char *folder, int depth, struct err *err)
{
	scoped_free char *kustomization = kustomization_in(folder);
	struct dirent **names = NULL;
	int n, r = 0;
	size_t before = m->all.n + m->problems.n;

	if (kustomization) {
		return read_kustomization(m, folder, kustomization, depth, err);
	}
	n = scandir(folder, &names, visible, alphasort);
	if (n < 0) {
		return err_sys(err, "read folder %s", folder);
	}
	for (int i = 0; i < n; i++) {
		if (r == 0 && has_manifest_suffix(names[i]->d_name)) {
			scoped_free char *path = mem_printf("%s/%s", folder, names[i]->d_name);

			r = read_file(m, path, err);
		}
		free(names[i]);
	}
	free(names);
	if (r == 0 && m->all.n + m->problems.n == before) {
		return err_raise(err, ERR_NOTFOUND, "%s has no .yaml, .yml or .json file", folder);
	}
	return r;
}

static int read_path(struct manifests *m, const char *path, int depth, struct err *err)
{
	struct stat st;

	if (depth > DEPTH_MAX) {
		return err_raise(err, ERR_LIMIT, "%s: kustomizations nest deeper than %d", path,
		                 DEPTH_MAX);
	}
	if (stat(path, &st) < 0) {
		return err_sys(err, "read %s", path);
	}
	return S_ISDIR(st.st_mode) ? read_folder(m, path, depth, err) : read_file(m, path, err);
}

int manifests_read(struct manifests *m, const char *path, struct err *err)
{
	return strcmp(path, "-") == 0 ? read_file(m, path, err) : read_path(m, path, 0, err);
}

/* ---- check ---- */

static int rank_of(const struct manifest *x)
{
	struct slice kind = val_get_str(x->object, "kind");

	return slice_is(kind, "Namespace") ? 0 : slice_is(kind, "CustomResourceDefinition") ? 1 : 2;
}

/* Stable: what is created first stands first, the rest as read. */
static void sort(struct manifests *m)
{
	size_t n = m->all.n;
	struct manifest *sorted = mem_alloc(n * sizeof(*sorted));
	size_t at = 0;

	for (int rank = 0; rank <= 2; rank++) {
		for (size_t i = 0; i < n; i++) {
			if (rank_of(&m->all.at[i]) == rank) {
				sorted[at++] = m->all.at[i];
			}
		}
	}
	if (n) {
		memcpy(m->all.at, sorted, n * sizeof(*sorted));
	}
	free(sorted);
}

static void report(struct manifests *m, const struct manifest *x, const struct field_errors *e)
{
	for (size_t i = 0; i < e->n; i++) {
		struct val at = { .line = e->at[i].line ? e->at[i].line : x->object->line,
			          .col = e->at[i].line ? e->at[i].col : x->object->col };

		problem(m, x->file, &at, "%s %s: %s: %s", val_cstr(val_get(x->object, "kind")),
		        val_cstr(val_path(x->object, "metadata.name")), e->at[i].path,
		        e->at[i].detail);
	}
}

/* Is the group one whose kinds are all built in (so that a kind we do not know does not exist)? */
static bool is_own_group(const struct manifests *m, struct slice api_version)
{
	struct slice group, version;
	const struct kind *k;

	if (!slice_cut(api_version, '/', &group, &version)) {
		return true;
	}
	for (size_t i = 0; (k = registry_at(m->registry, i)); i++) {
		if (!k->is_custom && slice_is(group, k->group)) {
			return true;
		}
	}
	return false;
}

static void check_one(struct manifests *m, struct manifest *x)
{
	struct field_errors wrong = { .arena = &m->arena }, unknown = { .arena = &m->arena };
	struct val *copy = val_copy(&m->arena, x->object), *metadata = val_get(copy, "metadata");
	struct err err = { 0 };

	x->kind = registry_kind_of(m->registry, x->object);
	if (!x->kind) {
		if (is_own_group(m, val_get_str(x->object, "apiVersion"))) {
			problem(m, x->file, val_get(x->object, "kind"),
			        "no kind \"%s\" in apiVersion \"%s\"",
			        val_cstr(val_get(x->object, "kind")),
			        val_cstr(val_get(x->object, "apiVersion")));
		}
		return;
	}
	if (object_decode(x->kind, &m->arena, copy, &wrong, &unknown, &err) < 0 && !wrong.n) {
		problem(m, x->file, x->object, "%s", err.msg);
		return;
	}
	report(m, x, &wrong);
	report(m, x, &unknown);
	if (wrong.n) {
		return;
	}
	if (x->kind->namespaced && metadata && !val_get(metadata, "namespace")) {
		val_set_cstr(&m->arena, metadata, "namespace", "default");
	}
	object_default(x->kind, &m->arena, copy);
	object_validate(x->kind, copy, NULL, &wrong);
	report(m, x, &wrong);
}

void manifests_check(struct manifests *m)
{
	sort(m);
	for (size_t i = 0; i < m->all.n; i++) {
		if (rank_of(&m->all.at[i]) == 1) {
			struct err err = { 0 };

			if (registry_add_crd(m->registry, m->all.at[i].object, &err) < 0) {
				problem(m, m->all.at[i].file, m->all.at[i].object, "%s", err.msg);
			}
		}
	}
	for (size_t i = 0; i < m->all.n; i++) {
		check_one(m, &m->all.at[i]);
	}
}
