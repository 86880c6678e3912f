/* Why: pods start from images that are already on the machine; finding one must cost a stat and a
 * walk over a few names, not a tool. */
#include "node/image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "codec/json.h"
#include "node/file.h"
#include "node/image-name.h"
#include "node/image-priv.h"

/* What every built-in container sees beside its own files; missing ones of the host are left out by
 * the spec. */
static const char BUILTIN_CONFIG[] =
	"{\"Env\":[\"PATH=/kennel:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"],"
	"\"Entrypoint\":[],\"Cmd\":[\"kennel\",\"version\"],\"WorkingDir\":\"/\"}";

static int reload(struct image_store *s, struct err *err)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct doc *d = NULL;
	struct stat st;
	int r;

	if (stat(s->index_path, &st) < 0) {
		if (errno != ENOENT) {
			return err_sys(err, "stat %s", s->index_path);
		}
		doc_unref(take(s->index));
		s->ino = 0;
		return 0;
	}
	if (s->index && st.st_ino == s->ino && st.st_mtim.tv_sec == s->mtime.tv_sec &&
	    st.st_mtim.tv_nsec == s->mtime.tv_nsec) {
		return 0;
	}
	r = file_read(s->index_path, 0, &text, err);
	if (r < 0) {
		return r;
	}
	r = json_parse_doc(strbuf_slice(&text), 0, &d, err);
	if (r < 0) {
		return err_while(err, r, "image index %s", s->index_path);
	}
	doc_unref(s->index);
	s->index = d;
	s->ino = st.st_ino;
	s->mtime = st.st_mtim;
	return 0;
}

int image_store_reload(struct image_store *s, struct err *err)
{
	return reload(s, err);
}

int image_store_open(const char *home, struct image_store **ret, struct err *err)
{
	struct image_store *s = NEW(struct image_store);
	int r;

	s->home = mem_strdup(home);
	s->dir = mem_printf("%s/images", home);
	s->index_path = mem_printf("%s/index.json", s->dir);
	s->builtin = doc_new();
	r = dir_make(s->dir, 0700, err); /* as serve makes it */
	if (r == 0) {
		r = json_parse(&s->builtin->arena, SLICE(BUILTIN_CONFIG), 0, &s->builtin->root,
		               err);
	}
	if (r == 0) {
		s->builtin_names = val_new_array(&s->builtin->arena);
		val_append(s->builtin_names,
		           val_new_cstr(&s->builtin->arena, "docker.io/library/kennel:latest"));
		r = reload(s, err);
	}
	if (r < 0) {
		image_store_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct image_store *image_store_close(struct image_store *s)
{
	if (s) {
		doc_unref(s->index);
		doc_unref(s->builtin);
		free(s->home);
		free(s->dir);
		free(s->index_path);
		free(s);
	}
	return NULL;
}

static void image_of_val(const struct val *v, struct image *ret)
{
	*ret = (struct image){
		.id = val_cstr(val_get(v, "id")),
		.config = val_get(v, "config"),
		.names = val_get(v, "names"),
		.digests = val_get(v, "digests"),
		.size = val_int(val_get(v, "size"), 0),
	};
}

static void image_of_builtin(const struct image_store *s, struct image *ret)
{
	*ret = (struct image){
		.id = IMAGE_BUILTIN_ID,
		.config = s->builtin->root,
		.names = s->builtin_names,
	};
}

static bool array_has(const struct val *array, struct slice s)
{
	val_for_each (array, it) {
		if (slice_eq(val_str(it), s)) {
			return true;
		}
	}
	return false;
}

/* The name itself; then, for short names, what local builders call "localhost/NAME". */
static const struct val *find_by_name(const struct image_store *s, const struct image_name *n)
{
	scoped_strbuf struct strbuf full = { 0 }, local = { 0 }, repo = { 0 };
	const struct val *images = s->index ? val_get(s->index->root, "images") : NULL;
	const char *path = n->path;

	image_name_format(n, &full);
	if (slice_has_prefix(slice_of(path), SLICE("library/"))) {
		path += strlen("library/");
	}
	strbuf_addf(&local, "localhost/%s:%s", path, n->tag);
	strbuf_addf(&repo, "%s/%s:", n->domain, n->path);
	val_for_each (images, it) {
		const struct val *names = val_get(it, "names");

		if (n->digest[0]) {
			if (array_has(val_get(it, "digests"), slice_of(n->digest))) {
				return it;
			}
		} else if (array_has(names, strbuf_slice(&full))) {
			return it;
		}
	}
	if (n->digest[0] || strcmp(n->domain, "docker.io") != 0) {
		return NULL;
	}
	val_for_each (images, it) {
		if (array_has(val_get(it, "names"), strbuf_slice(&local))) {
			return it;
		}
	}
	return NULL;
}

static const struct val *find_by_id(const struct image_store *s, struct slice id)
{
	const struct val *images = s->index ? val_get(s->index->root, "images") : NULL;

	if (slice_has_prefix(id, SLICE("sha256:"))) {
		id = slice_from(id, 7);
	}
	if (id.len < 12) {
		return NULL;
	}
	for (size_t i = 0; i < id.len; i++) {
		if (!char_is_one_of(id.p[i], "0123456789abcdef")) {
			return NULL;
		}
	}
	val_for_each (images, it) {
		if (slice_has_prefix(val_get_str(it, "id"), id)) {
			return it;
		}
	}
	return NULL;
}

int image_store_find(struct image_store *s, struct slice name, struct image *ret, struct err *err)
{
	struct image_name n;
	const struct val *v;
	int r = reload(s, err);

	if (r < 0) {
		return r;
	}
	v = find_by_id(s, name);
	if (!v) {
		r = image_name_parse(name, &n, err);
		if (r < 0) {
			return r;
		}
		v = find_by_name(s, &n);
		if (!v && strcmp(n.path, "library/kennel") == 0 &&
		    strcmp(n.domain, "docker.io") == 0) {
			image_of_builtin(s, ret);
			return 1;
		}
	}
	if (!v) {
		return 0;
	}
	image_of_val(v, ret);
	return 1;
}

void image_store_each(struct image_store *s, image_each_fn *fn, void *arg)
{
	struct image i;

	image_of_builtin(s, &i);
	fn(arg, &i);
	if (reload(s, NULL) < 0 || !s->index) {
		return;
	}
	val_for_each (val_get(s->index->root, "images"), it) {
		image_of_val(it, &i);
		fn(arg, &i);
	}
}

void image_root(const struct image_store *s, const char *id, struct strbuf *out)
{
	strbuf_addf(out, "%s/%s/rootfs", s->dir, id);
}

/* ---- changing the index ---- */

int image_store_lock(struct image_store *s, int *ret_fd, struct err *err)
{
	scoped_free char *path = mem_printf("%s/lock", s->dir);
	scoped_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		return err_sys(err, "open %s", path);
	}
	if (flock(fd, LOCK_EX) < 0) {
		return err_sys(err, "lock %s", path);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

/* The index as a tree of our own to change; the caller holds the lock. */
static int index_copy(struct image_store *s, struct doc **ret, struct err *err)
{
	int r = reload(s, err);

	if (r < 0) {
		return r;
	}
	if (s->index) {
		*ret = doc_copy_of(s->index->root);
	} else {
		*ret = doc_new();
		(*ret)->root = val_new_object(&(*ret)->arena);
	}
	val_need_array(&(*ret)->arena, (*ret)->root, "images");
	return 0;
}

static int index_write(struct image_store *s, const struct doc *d, struct err *err)
{
	scoped_strbuf struct strbuf text = { 0 };

	json_write_pretty(&text, d->root);
	strbuf_addc(&text, '\n');
	return file_write(s->index_path, strbuf_slice(&text), 0644, err);
}

static void drop_text(struct val *array, struct slice text)
{
	for (struct val *it = (struct val *)val_first(array), *after; it; it = after) {
		after = it->next;
		if (slice_eq(val_str(it), text)) {
			val_unlink(array, it);
		}
	}
}

/* Takes a name away from every image that has it. */
static void drop_name(struct val *images, struct slice name)
{
	for (struct val *i = (struct val *)val_first(images); i; i = i->next) {
		drop_text(val_get(i, "names"), name);
	}
}

int image_store_record(struct image_store *s, const struct image_record *rec, struct err *err)
{
	scoped_doc struct doc *d = NULL;
	struct val *images, *mine = NULL;
	struct arena *a;
	int r = index_copy(s, &d, err);

	if (r < 0) {
		return r;
	}
	a = &d->arena;
	images = val_get(d->root, "images");
	if (rec->name.len > 0) {
		drop_name(images, rec->name);
		drop_text(val_get(d->root, "pulled"), rec->name);
	}
	for (struct val *it = (struct val *)val_first(images); it; it = it->next) {
		if (slice_is(val_get_str(it, "id"), rec->id)) {
			mine = it;
		}
	}
	if (!mine) {
		mine = val_append(images, val_new_object(a));
		val_set_cstr(a, mine, "id", rec->id);
		val_set(a, mine, "names", val_new_array(a));
		val_set(a, mine, "digests", val_new_array(a));
		val_set_int(a, mine, "size", rec->size);
		val_set(a, mine, "config",
		        rec->config ? val_copy(a, rec->config) : val_new_object(a));
	}
	if (rec->name.len > 0) {
		val_append(val_get(mine, "names"), val_new_str(a, rec->name));
	}
	if (rec->digest.len > 0 && !array_has(val_get(mine, "digests"), rec->digest)) {
		val_append(val_get(mine, "digests"), val_new_str(a, rec->digest));
	}
	return index_write(s, d, err);
}

int image_store_mark_pulled(struct image_store *s, struct slice name, struct err *err)
{
	scoped_doc struct doc *d = NULL;
	scoped_fd int lock = -1;
	struct val *pulled;
	int r = image_store_lock(s, &lock, err);

	if (r >= 0) {
		r = index_copy(s, &d, err);
	}
	if (r < 0) {
		return r;
	}
	pulled = val_need_array(&d->arena, d->root, "pulled");
	drop_text(pulled, name);
	val_append(pulled, val_new_str(&d->arena, name));
	return index_write(s, d, err);
}

bool image_store_was_pulled(const struct image_store *s, struct slice name)
{
	scoped_strbuf struct strbuf full = { 0 };
	struct image_name n;

	if (!s->index || image_name_parse(name, &n, NULL) < 0) {
		return false;
	}
	image_name_format(&n, &full);
	return array_has(val_get(s->index->root, "pulled"), strbuf_slice(&full));
}

static bool is_used_below(const char *pods, const char *id)
{
	scoped_dir DIR *d = opendir(pods);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		scoped_free char *cs = mem_printf("%s/%s/containers", pods, e->d_name);
		scoped_dir DIR *cd = e->d_name[0] == '.' ? NULL : opendir(cs);
		const struct dirent *c;

		while (cd && (c = readdir(cd))) {
			scoped_free char *path = mem_printf("%s/%s/image", cs, c->d_name);
			scoped_strbuf struct strbuf text = { 0 };

			if (c->d_name[0] != '.' && file_read(path, 4096, &text, NULL) == 0 &&
			    slice_is(slice_trim(strbuf_slice(&text)), id)) {
				return true;
			}
		}
	}
	return false;
}

/* Whether a pod's container of any node stands on this image: H/pods/<uid>/containers/<name>/image names it, and
 * likewise below H/nodeK. */
static bool image_is_used(const struct image_store *s, const char *id)
{
	scoped_free char *first = mem_printf("%s/pods", s->home);
	scoped_dir DIR *d = opendir(s->home);
	bool used = is_used_below(first, id);
	const struct dirent *e;

	while (!used && d && (e = readdir(d))) {
		scoped_free char *pods = mem_printf("%s/%s/pods", s->home, e->d_name);

		used = strncmp(e->d_name, "node", 4) == 0 && is_used_below(pods, id);
	}
	return used;
}

int image_store_remove(struct image_store *s, const char *name, struct err *err)
{
	scoped_doc struct doc *d = NULL;
	scoped_strbuf struct strbuf full = { 0 }, used = { 0 };
	scoped_fd int lock = -1;
	struct image_name n;
	struct image found;
	struct val *images, *mine = NULL;
	int r = image_store_lock(s, &lock, err);

	if (r < 0) {
		return r;
	}
	r = image_store_find(s, slice_of(name), &found, err);
	if (r < 0) {
		return r;
	}
	if (r == 0) {
		return err_raise(err, ERR_NOTFOUND, "image \"%s\" not found", name);
	}
	if (strcmp(found.id, IMAGE_BUILTIN_ID) == 0) {
		return err_raise(err, ERR_CONFLICT, "image \"%s\" is built in", name);
	}
	r = index_copy(s, &d, err);
	if (r < 0) {
		return r;
	}
	images = val_get(d->root, "images");
	for (struct val *it = (struct val *)val_first(images); it; it = it->next) {
		if (slice_is(val_get_str(it, "id"), found.id)) {
			mine = it;
		}
	}
	if (image_name_parse(slice_of(name), &n, NULL) == 0 && !n.digest[0]) {
		image_name_format(&n, &full);
	}
	if (val_len(val_get(mine, "names")) > 1 &&
	    array_has(val_get(mine, "names"), strbuf_slice(&full))) {
		drop_name(images, strbuf_slice(&full));
		return index_write(s, d, err);
	}
	if (image_is_used(s, found.id)) {
		return err_raise(err, ERR_CONFLICT,
		                 "image \"%s\" is in use by a container; delete its pod first",
		                 name);
	}
	strbuf_addf(&used, "%s/%s", s->dir, found.id);
	val_unlink(images, mine);
	r = index_write(s, d, err);
	if (r < 0) {
		return r;
	}
	return tree_remove(strbuf_str(&used), err);
}
