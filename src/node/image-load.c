/* Why: archives come in three shapes and tools disagree about names; everything is brought to one
 * OCI layout in a scratch folder, unpacked once by umoci (which refuses to follow a layer's links
 * out of the root), and put in place by a rename. */
#include "node/image.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "base/chance.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "loop/process.h"
#include "node/file.h"
#include "node/image-name.h"
#include "node/image-priv.h"

/* The message of a logfmt line (time="..." level=fatal msg="..."), or the line. What is wrong
 * stands at its end. */
static void add_words(struct slice line, struct strbuf *out)
{
	enum { WORDS_MAX = 170 };
	const char *msg = memmem(line.p ? line.p : "", line.len, "msg=\"", 5);
	scoped_strbuf struct strbuf text = { 0 };
	struct slice rest = msg ? slice_from(line, (size_t)(msg - line.p) + 5) : line;

	for (size_t i = 0; i < rest.len && !(msg && rest.p[i] == '"'); i++) {
		if (msg && rest.p[i] == '\\' && i + 1 < rest.len) {
			i++;
		}
		strbuf_addc(&text, rest.p[i]);
	}
	if (text.size > WORDS_MAX) {
		strbuf_adds(out, "...");
		strbuf_add_slice(out, slice_from(strbuf_slice(&text), text.size - WORDS_MAX));
	} else {
		strbuf_add_slice(out, strbuf_slice(&text));
	}
}

static int run_tool(const char *const *argv, struct err *err)
{
	scoped_strbuf struct strbuf said = { 0 }, words = { 0 };
	struct process_spec spec = { .argv = argv, .timeout_us = 900 * US_PER_S };
	struct slice text, line, last = { 0 };
	int status = 0;
	int r = process_run(&spec, NULL, &said, &status, err);

	if (r < 0) {
		return err_while(err, r, "run %s", argv[0]);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		return 0;
	}
	text = slice_trim(strbuf_slice(&said));
	while (slice_next(&text, '\n', &line)) {
		last = line;
	}
	add_words(last, &words);
	return err_raise(err, ERR_IO, "%s failed: %s", argv[0], strbuf_str(&words));
}

static int read_json(const char *path, struct doc **ret, struct err *err)
{
	scoped_strbuf struct strbuf text = { 0 };
	int r = file_read(path, 8 << 20, &text, err);

	if (r >= 0) {
		r = json_parse_doc(strbuf_slice(&text), 0, ret, err);
	}
	return r < 0 ? err_while(err, r, "%s", path) : 0;
}

/* "sha256:<64 hex>" to its blob in a layout; false on anything else, so no path can be smuggled in.
 */
static bool blob_path(const char *layout, struct slice digest, struct strbuf *out)
{
	if (!slice_has_prefix(digest, SLICE("sha256:")) || digest.len != 71) {
		return false;
	}
	for (size_t i = 7; i < digest.len; i++) {
		if (!char_is_one_of(digest.p[i], "0123456789abcdef")) {
			return false;
		}
	}
	strbuf_addf(out, "%s/blobs/sha256/" SLICE_FMT, layout, SLICE_ARG(slice_from(digest, 7)));
	return true;
}

static int read_blob(const char *layout, struct slice digest, struct doc **ret, struct err *err)
{
	scoped_strbuf struct strbuf path = { 0 };

	if (!blob_path(layout, digest, &path)) {
		return err_raise(err, ERR_SYNTAX, "bad digest \"" SLICE_FMT "\"",
		                 SLICE_ARG(slice_head(digest, 80)));
	}
	return read_json(strbuf_str(&path), ret, err);
}

static const char *machine_arch(void)
{
	static struct utsname u;

	if (!u.machine[0]) {
		(void)uname(&u);
	}
	if (strcmp(u.machine, "x86_64") == 0) {
		return "amd64";
	}
	return strcmp(u.machine, "aarch64") == 0 ? "arm64" : u.machine;
}

/* One image of a layout on its way into the store. */
struct loading {
	struct image_store *store;
	const char *layout;  /* folder with oci-layout, index.json, blobs */
	const char *scratch; /* folder of ours on the store's file system */
	struct slice name;   /* normalised; may be empty */
	struct strbuf *loaded;
};

/* umoci addresses images by a tag of the layout: a view of the layout with one tag of ours. */
static int make_view(const struct loading *l, const struct val *descriptor, const char *view,
                     struct err *err)
{
	scoped_free char *blobs = mem_printf("%s/blobs", view);
	scoped_free char *real = mem_printf("%s/blobs", l->layout);
	scoped_free char *index = mem_printf("%s/index.json", view);
	scoped_free char *mark = mem_printf("%s/oci-layout", view);
	scoped_free char *absolute = realpath(real, NULL);
	scoped_doc struct doc *d = doc_new();
	scoped_strbuf struct strbuf text = { 0 };
	struct arena *a = &d->arena;
	struct val *desc, *notes;
	int r = tree_remove(view, err);

	if (r == 0) {
		r = dir_make(view, 0700, err);
	}
	if (r < 0) {
		return r;
	}
	if (!absolute || symlink(absolute, blobs) < 0) {
		return err_sys(err, "link %s", real);
	}
	d->root = val_new_object(a);
	val_set_int(a, d->root, "schemaVersion", 2);
	desc = val_append(val_need_array(a, d->root, "manifests"), val_copy(a, descriptor));
	val_remove(desc, "annotations");
	notes = val_need_object(a, desc, "annotations");
	val_set_cstr(a, notes, "org.opencontainers.image.ref.name", "image");
	json_write(&text, d->root);
	r = file_write(mark, SLICE("{\"imageLayoutVersion\":\"1.0.0\"}"), 0600, err);
	return r < 0 ? r : file_write(index, strbuf_slice(&text), 0600, err);
}

/* Docker's own media types are brought to OCI ones by skopeo when umoci refuses them. */
static int unpack(const struct loading *l, const struct val *descriptor, const char *rootfs,
                  struct err *err)
{
	scoped_free char *view = mem_printf("%s/view", l->scratch);
	scoped_free char *image = mem_printf("%s:image", view);
	const char *const argv[] = { "umoci", "raw", "unpack", "--image", image, rootfs, NULL };
	scoped_free char *from = mem_printf("oci:%s:image", view);
	scoped_free char *converted = mem_printf("%s/converted", l->scratch);
	scoped_free char *to = mem_printf("oci:%s:image", converted);
	scoped_free char *image2 = mem_printf("%s:image", converted);
	const char *const copy[] = { "skopeo", "--insecure-policy", "copy", "--quiet", from, to,
		                     NULL };
	const char *const again[] = { "umoci", "raw", "unpack", "--image", image2, rootfs, NULL };
	int r = make_view(l, descriptor, view, err);

	if (r < 0) {
		return r;
	}
	r = run_tool(argv, err);
	if (r == 0) {
		return 0;
	}
	r = tree_remove(rootfs, err);
	if (r == 0) {
		r = tree_remove(converted, err);
	}
	if (r == 0) {
		r = run_tool(copy, err);
	}
	return r < 0 ? r : run_tool(again, err);
}

static int load_manifest(const struct loading *l, const struct val *descriptor, struct err *err)
{
	scoped_doc struct doc *manifest = NULL;
	scoped_doc struct doc *config = NULL;
	scoped_fd int lock = -1;
	scoped_free char *rootfs = mem_printf("%s/rootfs", l->scratch);
	scoped_free char *dir = NULL, *final = NULL;
	struct slice digest = val_get_str(descriptor, "digest"), id;
	struct stat st;
	int r = read_blob(l->layout, digest, &manifest, err);

	if (r < 0) {
		return r;
	}
	id = val_str(val_path(manifest->root, "config.digest"));
	r = read_blob(l->layout, id, &config, err);
	if (r < 0) {
		return r;
	}
	id = slice_from(id, 7);
	dir = mem_printf("%s/" SLICE_FMT, l->store->dir, SLICE_ARG(id));
	final = mem_printf("%s/rootfs", dir);
	if (stat(final, &st) < 0) {
		r = tree_remove(rootfs, err);
		if (r == 0) {
			r = unpack(l, descriptor, rootfs, err);
		}
		if (r < 0) {
			return r;
		}
	}
	r = image_store_lock(l->store, &lock, err);
	if (r == 0) {
		r = dir_make(dir, 0755, err);
	}
	if (r < 0) {
		return r;
	}
	if (stat(final, &st) < 0 && rename(rootfs, final) < 0) {
		return err_sys(err, "move %s", rootfs);
	}
	{
		scoped_free char *id_text = slice_dup(id);
		struct image_record rec = {
			.id = id_text,
			.name = l->name,
			.digest = digest,
			.config = val_get(config->root, "config"),
			.size = tree_size(final),
		};

		r = image_store_record(l->store, &rec, err);
	}
	if (r == 0 && l->loaded) {
		strbuf_add_slice(l->loaded, l->name.len ? l->name : id);
		strbuf_addc(l->loaded, '\n');
	}
	return r;
}

/* Goes down nested indexes to the manifest for this machine's architecture. */
static int load_descriptor(const struct loading *l, const struct val *descriptor, int depth,
                           struct err *err)
{
	scoped_doc struct doc *index = NULL;
	struct slice type = val_get_str(descriptor, "mediaType");
	const struct val *best = NULL;
	int r;

	if (!slice_is(type, "application/vnd.oci.image.index.v1+json") &&
	    !slice_is(type, "application/vnd.docker.distribution.manifest.list.v2+json")) {
		return load_manifest(l, descriptor, err);
	}
	if (depth > 4) {
		return err_raise(err, ERR_LIMIT, "image index is nested too deeply");
	}
	r = read_blob(l->layout, val_get_str(descriptor, "digest"), &index, err);
	if (r < 0) {
		return r;
	}
	val_for_each (val_get(index->root, "manifests"), it) {
		const struct val *p = val_get(it, "platform");

		if (!p || (slice_is(val_get_str(p, "os"), "linux") &&
		           slice_is(val_get_str(p, "architecture"), machine_arch()))) {
			best = it;
			break;
		}
	}
	if (!best) {
		return err_raise(err, ERR_NOTFOUND, "no image for linux/%s in the archive",
		                 machine_arch());
	}
	return load_descriptor(l, best, depth + 1, err);
}

/* What the builder noted; a bare tag belongs to a repository called as the file. */
static void descriptor_name(const struct val *descriptor, const char *path, struct strbuf *out)
{
	const struct val *notes = val_get(descriptor, "annotations");
	struct slice ref = val_get_str(notes, "io.containerd.image.name");
	const char *stem = strrchr(path, '/');

	if (ref.len == 0) {
		ref = val_get_str(notes, "org.opencontainers.image.ref.name");
	}
	if (ref.len > 0 && (slice_find(ref, '/') >= 0 || slice_find(ref, ':') >= 0)) {
		strbuf_add_slice(out, ref);
		return;
	}
	stem = stem ? stem + 1 : path;
	strbuf_add(out, stem, strcspn(stem, "."));
	if (ref.len > 0) {
		strbuf_addc(out, ':');
		strbuf_add_slice(out, ref);
	}
}

static int load_layout(struct image_store *s, const char *layout, const char *scratch,
                       const char *path, const char *name, struct strbuf *loaded, struct err *err)
{
	scoped_free char *index_path = mem_printf("%s/index.json", layout);
	scoped_doc struct doc *index = NULL;
	const struct val *manifests;
	int r = read_json(index_path, &index, err);

	if (r < 0) {
		return r;
	}
	manifests = val_get(index->root, "manifests");
	if (val_len(manifests) == 0) {
		return err_raise(err, ERR_SYNTAX, "%s holds no image", path);
	}
	if (name && val_len(manifests) > 1) {
		return err_raise(err, ERR_USAGE, "%s holds %zu images: it cannot be given one name",
		                 path, val_len(manifests));
	}
	val_for_each (manifests, it) {
		scoped_strbuf struct strbuf raw = { 0 }, full = { 0 };
		struct image_name n;
		struct loading l = { s, layout, scratch, { 0 }, loaded };

		if (name) {
			strbuf_adds(&raw, name);
		} else {
			descriptor_name(it, path, &raw);
		}
		r = image_name_parse(strbuf_slice(&raw), &n, err);
		if (r == 0) {
			image_name_format(&n, &full);
			l.name = strbuf_slice(&full);
			r = load_descriptor(&l, it, 0, err);
		}
		if (r < 0) {
			return err_while(err, r, "image %s", strbuf_str(&raw));
		}
	}
	return 0;
}

/* docker save: one skopeo conversion per tag. */
static int load_docker(struct image_store *s, const char *dir, const char *scratch,
                       const char *path, const char *name, struct strbuf *loaded, struct err *err)
{
	scoped_free char *manifest_path = mem_printf("%s/manifest.json", dir);
	scoped_free char *layout = mem_printf("%s/docker", scratch);
	scoped_free char *to = mem_printf("oci:%s:image", layout);
	scoped_doc struct doc *manifest = NULL;
	int r = read_json(manifest_path, &manifest, err);

	if (r < 0) {
		return r;
	}
	val_for_each (manifest->root, image) {
		const struct val *tags = val_get(image, "RepoTags");
		size_t n_tags = val_len(tags);

		for (size_t i = 0; i < (n_tags ? n_tags : 1); i++) {
			const char *tag = n_tags ? val_cstr(val_at(tags, i)) : name;
			scoped_free char *from =
				n_tags ? mem_printf("docker-archive:%s:%s", path, tag)
				       : mem_printf("docker-archive:%s", path);
			const char *const argv[] = {
				"skopeo", "--insecure-policy", "copy", "--quiet", from, to, NULL
			};

			r = tree_remove(layout, err);
			if (r == 0) {
				r = run_tool(argv, err);
			}
			if (r == 0) {
				r = load_layout(s, layout, scratch, path,
				                name ? name : (n_tags ? tag : NULL), loaded, err);
			}
			if (r < 0) {
				return r;
			}
		}
	}
	return 0;
}

static int make_scratch(struct image_store *s, char **ret, struct err *err)
{
	char suffix[9];
	char *p = mem_printf("%s/.tmp-%s", s->dir, chance_suffix(suffix, 8));
	int r = dir_make(p, 0700, err);

	if (r < 0) {
		free(p);
		return r;
	}
	*ret = p;
	return 0;
}

int image_store_load_one(struct image_store *s, const char *path, const char *name,
                         struct strbuf *loaded, struct err *err)
{
	scoped_free char *scratch = NULL, *archive = NULL, *mark = NULL, *docker = NULL;
	const char *layout = path;
	struct stat st;
	int r;

	if (stat(path, &st) < 0) {
		return err_sys(err, "image archive %s", path);
	}
	r = make_scratch(s, &scratch, err);
	if (r < 0) {
		return r;
	}
	if (!S_ISDIR(st.st_mode)) {
		archive = mem_printf("%s/archive", scratch);
		r = dir_make(archive, 0700, err);
		if (r == 0) {
			const char *const argv[] = { "tar", "--no-same-owner", "-xf", path,
				                     "-C",  archive,           NULL };

			r = run_tool(argv, err);
		}
		layout = archive;
	}
	if (r == 0) {
		mark = mem_printf("%s/oci-layout", layout);
		docker = mem_printf("%s/manifest.json", layout);
		if (access(mark, F_OK) == 0) {
			r = load_layout(s, layout, scratch, path, name, loaded, err);
		} else if (archive && access(docker, F_OK) == 0) {
			r = load_docker(s, layout, scratch, path, name, loaded, err);
		} else {
			r = err_raise(err, ERR_SYNTAX,
			              "%s is neither an OCI nor a docker image archive", path);
		}
	}
	tree_discard(scratch);
	return r;
}

int image_store_pull(struct image_store *s, const char *name, const char *authfile, struct err *err)
{
	scoped_free char *scratch = NULL, *from = NULL, *to = NULL, *layout = NULL;
	scoped_strbuf struct strbuf full = { 0 };
	struct image_name n;
	int r = image_name_parse(slice_of(name), &n, err);

	if (r < 0) {
		return r;
	}
	image_name_format(&n, &full);
	r = make_scratch(s, &scratch, err);
	if (r < 0) {
		return r;
	}
	from = mem_printf("docker://%s", strbuf_str(&full));
	layout = mem_printf("%s/pulled", scratch);
	to = mem_printf("oci:%s:image", layout);
	{
		const char *argv[] = {
			"skopeo", "--insecure-policy", "copy", "--quiet", from, to, NULL, NULL, NULL
		};

		if (authfile) {
			argv[4] = "--src-authfile";
			argv[5] = authfile;
			argv[6] = from;
			argv[7] = to;
		}
		r = run_tool(argv, err);
	}
	if (r == 0) {
		r = load_layout(s, layout, scratch, name, n.digest[0] ? NULL : name, NULL, err);
	}
	if (r == 0) {
		r = image_store_mark_pulled(s, strbuf_slice(&full), err);
	}
	tree_discard(scratch);
	return r;
}

int image_store_load(struct image_store *s, const char *path, const char *name,
                     struct strbuf *loaded, struct err *err)
{
	scoped_free char *mark = mem_printf("%s/oci-layout", path);
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) && access(mark, F_OK) < 0) {
		return image_store_load_folder(s, path, loaded, err);
	}
	return image_store_load_one(s, path, name, loaded, err);
}
