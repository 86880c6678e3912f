/* Why: configuration reaches programs as files that change as a whole: readers see the old set or
 * the new one, never a mixture. */
#include "node/volume-data.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "node/file.h"

bool volume_is_generated(const struct val *volume)
{
	return val_get(volume, "configMap") || val_get(volume, "secret") ||
	       val_get(volume, "downwardAPI") || val_get(volume, "projected");
}

static bool path_is_inside(struct slice path)
{
	struct slice rest = path, part;

	if (path.len == 0 || path.p[0] == '/' || memchr(path.p, '\0', path.len)) {
		return false;
	}
	while (slice_next(&rest, '/', &part)) {
		if (part.len == 0 || slice_has_prefix(part, SLICE(".."))) {
			return false;
		}
	}
	return true;
}

static int add_file(struct volume_files *out, struct slice path, struct slice bytes, uint32_t mode,
                    struct err *err)
{
	if (!path_is_inside(path)) {
		return err_raise(err, ERR_INVALID, "invalid path \"" SLICE_FMT "\" in a volume",
		                 SLICE_ARG(path));
	}
	if (out->n == out->room) {
		size_t room = out->room ? out->room * 2 : 16;
		struct volume_file *at = ARENA_ARRAY(out->arena, struct volume_file, room);

		if (out->n) {
			memcpy(at, out->at, out->n * sizeof(*at));
		}
		out->at = at;
		out->room = room;
	}
	out->at[out->n++] = (struct volume_file){
		.path = arena_slice(out->arena, path).p,
		.bytes = bytes,
		.mode = mode,
	};
	return 0;
}

static uint32_t mode_of(const struct val *item, uint32_t otherwise)
{
	return (uint32_t)val_int(val_get(item, "mode"), otherwise) & 07777;
}

static struct slice unbase64(struct arena *a, struct slice text)
{
	scoped_strbuf struct strbuf out = { 0 };

	return base64_decode(&out, text) ? arena_slice(a, strbuf_slice(&out))
	                                 : (struct slice){ "", 0 };
}

/* One key of a ConfigMap or Secret as bytes; null p when absent. */
static struct slice data_of(struct arena *a, const struct val *object, bool is_secret,
                            struct slice key)
{
	const struct val *v = val_get_slice(val_get(object, "data"), key);

	if (v) {
		return is_secret ? unbase64(a, val_str(v)) : arena_slice(a, val_str(v));
	}
	v = is_secret ? NULL : val_get_slice(val_get(object, "binaryData"), key);
	return v ? unbase64(a, val_str(v)) : (struct slice){ 0 };
}

/* source: {name|secretName, items, optional, defaultMode} */
static int add_object(struct volume_files *out, const struct pod_facts *f, const struct val *source,
                      bool is_secret, uint32_t mode, struct err *err)
{
	const char *kind = is_secret ? "Secret" : "ConfigMap";
	struct slice ns = val_str(val_path(f->pod, "metadata.namespace")), name;
	const struct val *items = val_get(source, "items"), *object;
	bool optional = val_bool(val_get(source, "optional"), false);
	int r = 0;

	name = val_get_str(source, "name");
	if (name.len == 0) {
		name = val_get_str(source, "secretName");
	}
	object = f->find(f->arg, kind, ns, name);
	if (!object) {
		return optional ? 0
		                : err_raise(err, ERR_NOTFOUND, "%s \"" SLICE_FMT "\" not found",
		                            is_secret ? "secret" : "configmap", SLICE_ARG(name));
	}
	if (val_len(items) > 0) {
		val_for_each (items, it) {
			struct slice key = val_get_str(it, "key");
			struct slice bytes = data_of(out->arena, object, is_secret, key);

			if (!bytes.p && optional) {
				continue;
			}
			if (!bytes.p) {
				return err_raise(err, ERR_NOTFOUND,
				                 "references non-existent %s key: " SLICE_FMT,
				                 is_secret ? "secret" : "config", SLICE_ARG(key));
			}
			r = add_file(out, val_get_str(it, "path"), bytes, mode_of(it, mode), err);
			if (r < 0) {
				return r;
			}
		}
		return 0;
	}
	val_for_each (val_get(object, "data"), it) {
		r = add_file(out, it->key, data_of(out->arena, object, is_secret, it->key), mode,
		             err);
		if (r < 0) {
			return r;
		}
	}
	if (!is_secret) {
		val_for_each (val_get(object, "binaryData"), it) {
			r = add_file(out, it->key, unbase64(out->arena, val_str(it)), mode, err);
			if (r < 0) {
				return r;
			}
		}
	}
	return 0;
}

static int add_downward(struct volume_files *out, const struct pod_facts *f,
                        const struct val *source, uint32_t mode, struct err *err)
{
	val_for_each (val_get(source, "items"), it) {
		const struct val *field = val_get(it, "fieldRef");
		struct slice bytes = { "", 0 };
		int r;

		if (field) {
			r = downward_field(out->arena, f, val_get_str(field, "fieldPath"), &bytes,
			                   err);
		} else {
			r = downward_resource(out->arena, f, NULL, val_get(it, "resourceFieldRef"),
			                      &bytes, err);
		}
		if (r == 0) {
			r = add_file(out, val_get_str(it, "path"), bytes, mode_of(it, mode), err);
		}
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

/* A fsGroup or one user for all containers decides who may read the token (kubernetes-api.md 5.2).
 */
static uint32_t token_mode(const struct pod_facts *f, uint32_t mode)
{
	return val_path(f->pod, "spec.securityContext.fsGroup") ? 0640 : mode;
}

static int add_projected(struct volume_files *out, const struct pod_facts *f,
                         const struct val *projected, uint32_t mode, volume_token_fn *token,
                         void *token_arg, struct err *err)
{
	int outcome = VOLUME_DONE;

	val_for_each (val_get(projected, "sources"), it) {
		const struct val *source;
		int r = 0;

		if ((source = val_get(it, "configMap"))) {
			r = add_object(out, f, source, false, mode, err);
		} else if ((source = val_get(it, "secret"))) {
			r = add_object(out, f, source, true, mode, err);
		} else if ((source = val_get(it, "downwardAPI"))) {
			r = add_downward(out, f, source, mode, err);
		} else if ((source = val_get(it, "serviceAccountToken"))) {
			struct slice text = token ? token(token_arg, source) : (struct slice){ 0 };

			if (!text.p) {
				outcome = VOLUME_WAITS;
				continue;
			}
			r = add_file(out, val_get_str(source, "path"),
			             arena_slice(out->arena, text), token_mode(f, mode), err);
		}
		if (r < 0) {
			return r;
		}
	}
	return outcome;
}

int volume_files_of(struct volume_files *out, const struct pod_facts *f, const struct val *volume,
                    volume_token_fn *token, void *token_arg, struct err *err)
{
	const struct val *source;
	uint32_t mode;

	if ((source = val_get(volume, "configMap"))) {
		mode = (uint32_t)val_int(val_get(source, "defaultMode"), 0644);
		return add_object(out, f, source, false, mode, err);
	}
	if ((source = val_get(volume, "secret"))) {
		mode = (uint32_t)val_int(val_get(source, "defaultMode"), 0644);
		return add_object(out, f, source, true, mode, err);
	}
	if ((source = val_get(volume, "downwardAPI"))) {
		mode = (uint32_t)val_int(val_get(source, "defaultMode"), 0644);
		return add_downward(out, f, source, mode, err);
	}
	source = val_get(volume, "projected");
	mode = (uint32_t)val_int(val_get(source, "defaultMode"), 0644);
	return add_projected(out, f, source, mode, token, token_arg, err);
}

uint64_t volume_files_hash(const struct volume_files *files)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < files->n; i++) {
		const struct volume_file *f = &files->at[i];

		h = (h ^ slice_hash(slice_of(f->path))) * 1099511628211u;
		h = (h ^ slice_hash(f->bytes)) * 1099511628211u;
		h = (h ^ f->mode) * 1099511628211u;
		h = (h ^ f->bytes.len) * 1099511628211u;
	}
	return h;
}

static int write_one(const char *data_dir, const struct volume_file *f, int64_t gid,
                     struct err *err)
{
	scoped_free char *path = mem_printf("%s/%s", data_dir, f->path);
	char *slash = strrchr(path, '/');
	int r;

	if (strchr(f->path, '/')) {
		*slash = '\0';
		r = dir_make(path, 0755, err);
		*slash = '/';
		if (r < 0) {
			return r;
		}
	}
	r = file_write(path, f->bytes, gid >= 0 ? f->mode | ((f->mode & 0400) >> 3) : f->mode, err);
	if (r == 0 && gid >= 0 && chown(path, (uid_t)-1, (gid_t)gid) < 0) {
		return err_sys(err, "chown %s", path);
	}
	return r;
}

/* Makes the name a user sees: NAME -> ..data/NAME, once per first path component. */
static int link_visible(const char *dir, const char *path, struct err *err)
{
	scoped_free char *first = slice_dup((struct slice){ path, strcspn(path, "/") });
	scoped_free char *target = mem_printf("..data/%s", first);
	scoped_free char *visible = mem_printf("%s/%s", dir, first);

	if (symlink(target, visible) < 0 && errno != EEXIST) {
		return err_sys(err, "link %s", visible);
	}
	return 0;
}

/* Removes visible names without data behind them and data folders that are not current. */
static int sweep(const char *dir, const char *current, struct err *err)
{
	scoped_dir DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		scoped_free char *path = mem_printf("%s/%s", dir, e->d_name);
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    strcmp(e->d_name, "..data") == 0 || strcmp(e->d_name, current) == 0) {
			continue;
		}
		if (slice_has_prefix(slice_of(e->d_name), SLICE("..")) || stat(path, &st) < 0) {
			int r = tree_remove(path, err);

			if (r < 0) {
				return r;
			}
		}
	}
	return 0;
}

int volume_files_write(const char *dir, const struct volume_files *files, int64_t gid,
                       struct err *err)
{
	char stamp[TIME_TEXT_SIZE];
	scoped_free char *name = NULL, *data_dir = NULL, *fresh = NULL, *data = NULL;
	int r = dir_make(dir, 0755, err);

	if (r < 0) {
		return r;
	}
	name = mem_printf("..%s", time_format_nano(clock_wall_us(), stamp));
	data_dir = mem_printf("%s/%s", dir, name);
	fresh = mem_printf("%s/..data_new", dir);
	data = mem_printf("%s/..data", dir);
	r = dir_make(data_dir, 0755, err);
	for (size_t i = 0; r == 0 && i < files->n; i++) {
		r = write_one(data_dir, &files->at[i], gid, err);
	}
	if (r < 0) {
		return r;
	}
	(void)unlink(fresh);
	if (symlink(name, fresh) < 0 || rename(fresh, data) < 0) {
		return err_sys(err, "switch %s", data);
	}
	for (size_t i = 0; r == 0 && i < files->n; i++) {
		r = link_visible(dir, files->at[i].path, err);
	}
	if (r == 0 && gid >= 0 &&
	    (chown(dir, (uid_t)-1, (gid_t)gid) < 0 || chown(data_dir, (uid_t)-1, (gid_t)gid) < 0 ||
	     chmod(dir, 02755) < 0)) {
		return err_sys(err, "chown %s", dir);
	}
	return r < 0 ? r : sweep(dir, name, err);
}
