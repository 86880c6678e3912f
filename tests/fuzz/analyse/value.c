/* Why: whatever objects are read, reading ends, parts lie within the whole, and nothing of a Secret
 * but scheme, host and port is kept. */
#include <stdint.h>
#include <string.h>

#include "analyse/value.h"
#include "base/must.h"
#include "base/vec.h"
#include "codec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct objects {
	VEC(const struct val *) all;
};

static int add(void *arg, struct val *root, struct err *err)
{
	struct objects *o = arg;

	(void)err;
	vec_push(&o->all, root);
	return 0;
}

static void check(const struct values *v, const struct val *object)
{
	size_t n;
	const struct reference *r = values_references(v, object, &n);

	must(!n || (r >= v->references && r + n <= v->references + v->n_references));
	(void)values_listenings(v, object, &n);
	must(n <= v->n_listenings);
	(void)values_settings(v, object, &n);
	must(n <= v->n_settings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 256 << 20 };
	struct objects o = { 0 };
	struct values v;

	if (yaml_parse_all(&a, (struct slice){ (const char *)data, size }, add, &o, NULL) < 0) {
		vec_fini(&o.all);
		return 0;
	}
	values_read(&v, o.all.at, o.all.n);
	for (size_t i = 0; i < v.n_references; i++) {
		const struct reference *r = &v.references[i];

		must(r->where.object && r->where.path && r->name && r->file && r->scheme &&
		     r->host && r->url_path);
		must(!r->is_secret || !*r->url_path);
		must(!strchr(r->host, '\x1a'));
	}
	for (size_t i = 0; i < v.n_listenings; i++) {
		must(v.listenings[i].workload && v.listenings[i].container);
		must(v.listenings[i].port || v.listenings[i].scope != SCOPE_ANY ||
		     v.listenings[i].source != VALUE_PORT);
	}
	for (size_t i = 0; i < o.all.n; i++) {
		check(&v, o.all.at[i]);
	}
	values_fini(&v);
	vec_fini(&o.all);
	return 0;
}
