/* Why: the tests of this room open, close and crash stores all the time. See world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"

static int64_t wall(void *arg)
{
	return ((struct world *)arg)->wall_us;
}

int world_open(struct world *w, struct err *err)
{
	struct store_config c = { .path = w->path, .wall_us = wall, .clock_arg = w };
	int r;

	w->registry = registry_new();
	c.registry = w->registry;
	w->configmap = registry_find(w->registry, SLICE(""), SLICE("v1"), SLICE("ConfigMap"));
	w->pod = registry_find(w->registry, SLICE(""), SLICE("v1"), SLICE("Pod"));
	w->namespace = registry_find(w->registry, SLICE(""), SLICE("v1"), SLICE("Namespace"));
	w->deployment = registry_find(w->registry, SLICE("apps"), SLICE("v1"), SLICE("Deployment"));
	r = store_open(w->loop, &c, &w->store, err);
	if (r < 0) {
		w->registry = registry_free(w->registry);
	}
	return r;
}

void world_close(struct world *w)
{
	w->store = store_close(w->store);
	w->registry = registry_free(w->registry);
}

void world_init(struct world *w)
{
	*w = (struct world){ .wall_us = INT64_C(1767225600) * US_PER_S };
	w->loop = loop_new_manual();
	assert_int_equal(world_open(w, NULL), 0);
}

static void new_folder(struct world *w)
{
	const char *tmp = getenv("TMPDIR");
	scoped_free char *name = mem_printf("%s/kennel-store-XXXXXX", tmp ? tmp : "/tmp");

	assert_non_null(mkdtemp(name));
	w->folder = mem_strdup(name);
	w->path = mem_printf("%s/store.db", name);
}

void world_init_file(struct world *w)
{
	*w = (struct world){ .wall_us = INT64_C(1767225600) * US_PER_S };
	w->loop = loop_new_manual();
	new_folder(w);
	assert_int_equal(world_open(w, NULL), 0);
}

static const char *const files[] = { "", "-wal", "-shm", "-lock" };

static void remove_folder(struct world *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		scoped_free char *path = mem_printf("%s%s", w->path, files[i]);

		unlink(path);
	}
	assert_int_equal(rmdir(w->folder), 0);
	free(w->folder);
	free(w->path);
}

void world_fini(struct world *w)
{
	world_close(w);
	w->loop = loop_free(w->loop);
	if (w->folder) {
		remove_folder(w);
	}
}

void world_reopen(struct world *w)
{
	world_close(w);
	assert_int_equal(world_open(w, NULL), 0);
}

static void copy_file(const char *from, const char *to)
{
	scoped_fd int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	char buf[65536];
	ssize_t n;

	if (in < 0) {
		return;
	}
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0) {
		assert_int_equal(write(out, buf, (size_t)n), n);
	}
}

void world_crash(struct world *w)
{
	struct world before = *w;

	new_folder(w);
	for (size_t i = 0; i < 2; i++) { /* the file and its log */
		scoped_free char *from = mem_printf("%s%s", before.path, files[i]);
		scoped_free char *to = mem_printf("%s%s", w->path, files[i]);

		copy_file(from, to);
	}
	world_close(&before);
	remove_folder(&before);
	w->store = NULL;
	assert_int_equal(world_open(w, NULL), 0);
}

const struct doc *world_create(struct world *w, const struct kind *k, const char *fmt, ...)
{
	scoped_arena struct arena a = { 0 };
	const struct doc *d = NULL;
	struct err err = { 0 };
	char *text = NULL;
	struct val *v;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&text, fmt, ap) > 0);
	va_end(ap);
	assert_int_equal(json_parse(&a, slice_of(text), 0, &v, NULL), 0);
	free(text);
	if (store_create(w->store, k, v, &d, &err) < 0) {
		fail_msg("create: %s", err.msg);
	}
	return d;
}

const struct doc *world_configmap(struct world *w, const char *name, const char *v)
{
	return world_create(w, w->configmap,
	                    "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\"},\"data\":{"
	                    "\"v\":\"%s\"}}",
	                    name, v);
}

const struct doc *world_get(struct world *w, const struct kind *k, const char *ns, const char *name)
{
	return store_get(w->store, (struct key){ k, slice_of(ns), slice_of(name) });
}

int world_update(struct world *w, const struct kind *k, const char *ns, const char *name,
                 const char *json, struct err *err)
{
	scoped_arena struct arena a = { 0 };
	const struct doc *d = world_get(w, k, ns, name);
	struct val *object, *more;

	assert_non_null(d);
	object = val_copy(&a, d->root);
	assert_int_equal(json_parse(&a, slice_of(json), 0, &more, NULL), 0);
	for (const struct val *it = val_first(more), *next; it; it = next) {
		next = it->next;
		if (!slice_is(it->key, "metadata")) {
			val_set_slice(&a, object, it->key, val_copy(&a, it));
			continue;
		}
		val_for_each (it, m) {
			val_set_slice(&a, val_get(object, "metadata"), m->key, val_copy(&a, m));
		}
	}
	return store_update(w->store, k, object, NULL, err);
}

const char *world_str(const struct doc *d, const char *path)
{
	return val_cstr(val_path(d->root, path));
}
