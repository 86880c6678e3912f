/* Why: volumes are folders of the node that containers see through bind mounts; made before the
 * first container, kept in step with their ConfigMaps and Secrets, gone with the pod.
 * kubernetes-api.md section 8.7. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "host/mount.h"
#include "node/file.h"
#include "node/pod-priv.h"
#include "node/spec.h"
#include "node/volume-data.h"
#include "schema/quantity.h"

static struct volume *find(struct pod *p, struct slice name)
{
	for (size_t i = 0; i < p->volumes.n; i++) {
		if (slice_is(name, p->volumes.at[i].name)) {
			return &p->volumes.at[i];
		}
	}
	return NULL;
}

static struct volume *need(struct pod *p, struct slice name)
{
	struct volume *v = find(p, name);

	if (!v) {
		vec_push(&p->volumes, ((struct volume){ .name = slice_dup(name) }));
		v = &p->volumes.at[p->volumes.n - 1];
	}
	return v;
}

static int64_t fs_group(const struct pod *p)
{
	return val_int(val_path(pod_val(p), "spec.securityContext.fsGroup"), -1);
}

/* ---- emptyDir ---- */

static int make_empty(struct pod *p, const struct val *source, const char *path, struct err *err)
{
	int64_t group = fs_group(p), size = 0;
	mode_t mode = group >= 0 ? 02777 : 0777;
	struct quantity limit;
	int r = dir_make(path, 0777, err);

	if (r < 0) {
		return r;
	}
	if (quantity_of_val(val_get(source, "sizeLimit"), &limit)) {
		size = quantity_value(limit);
	}
	if (slice_is(val_get_str(source, "medium"), "Memory") && !mount_is_there(path)) {
		r = mount_memory(path, size, mode, err);
		if (r < 0) {
			return r;
		}
	}
	if (chmod(path, mode) < 0 || (group >= 0 && chown(path, (uid_t)-1, (gid_t)group) < 0)) {
		return err_sys(err, "prepare %s", path);
	}
	return 0;
}

/* ---- hostPath ---- */

static int check_type(const char *path, struct slice type, const struct stat *st, struct err *err)
{
	static const struct {
		const char *name;
		mode_t format;
		const char *what;
	} types[] = {
		{ "Directory", S_IFDIR, "a directory" },
		{ "DirectoryOrCreate", S_IFDIR, "a directory" },
		{ "File", S_IFREG, "a file" },
		{ "FileOrCreate", S_IFREG, "a file" },
		{ "Socket", S_IFSOCK, "a socket file" },
		{ "CharDevice", S_IFCHR, "a character device" },
		{ "BlockDevice", S_IFBLK, "a block device" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (slice_is(type, types[i].name) && (st->st_mode & S_IFMT) != types[i].format) {
			return err_raise(err, ERR_INVALID,
			                 "hostPath type check failed: %s is not %s", path,
			                 types[i].what);
		}
	}
	return 0;
}

static int use_host_path(const struct val *source, const char *path, struct err *err)
{
	struct slice type = val_get_str(source, "type");
	struct stat st;
	int r = 0;

	if (stat(path, &st) < 0 && errno == ENOENT) {
		if (type.len == 0 || slice_is(type, "DirectoryOrCreate")) {
			r = dir_make(path, 0755, err);
		} else if (slice_is(type, "FileOrCreate")) {
			r = file_write(path, SLICE(""), 0644, err);
		} else {
			r = err_raise(err, ERR_NOTFOUND,
			              "hostPath type check failed: %s does not exist", path);
		}
		if (r < 0) {
			return r;
		}
	}
	if (stat(path, &st) < 0) {
		return err_sys(err, "stat %s", path);
	}
	return check_type(path, type, &st, err);
}

/* ---- generated ones ---- */

static struct slice token_of(void *arg, const struct val *source)
{
	struct pod *p = arg;

	return tokens_get(p->pods->tokens, pod_val(p), source);
}

/* Returns an outcome, or a failure that may be "still asking" (then f->is_asking). */
static int make_generated(struct pod *p, const struct val *spec, struct volume *v, const char *path,
                          struct err *err)
{
	scoped_arena struct arena a = { 0 };
	struct volume_files files = { .arena = &a };
	struct finder finder;
	struct pod_facts facts;
	uint64_t hash;
	int r;

	pod_facts_fill(&finder, &facts, p);
	r = volume_files_of(&files, &facts, spec, token_of, p, err);
	if (r == VOLUME_WAITS || (r < 0 && finder.is_asking)) {
		return VOLUMES_WAIT;
	}
	if (r < 0) {
		return r;
	}
	hash = volume_files_hash(&files);
	if (v->path && v->hash == hash) {
		return VOLUMES_READY;
	}
	r = volume_files_write(path, &files, fs_group(p), err);
	if (r == 0) {
		v->hash = hash;
	}
	return r;
}

/* ---- all of a pod ---- */

static bool is_mounted(const struct pod *p, struct slice name)
{
	static const char *const lists[] = { "initContainers", "containers",
		                             "ephemeralContainers" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		val_for_each (val_get(val_get(pod_val(p), "spec"), lists[i]), c) {
			val_for_each (val_get(c, "volumeMounts"), it) {
				if (slice_eq(val_get_str(it, "name"), name)) {
					return true;
				}
			}
		}
	}
	return false;
}

static int prepare_one(struct pod *p, const struct val *spec, struct err *err)
{
	struct slice name = val_get_str(spec, "name");
	struct volume *v = need(p, name);
	scoped_free char *path = mem_printf("%s/volumes/%s", p->dir, v->name);
	const struct val *source;
	int r;

	v->is_generated = volume_is_generated(spec);
	if (v->path && !v->is_generated) {
		return VOLUMES_READY;
	}
	if (v->is_generated) {
		r = make_generated(p, spec, v, path, err);
	} else if ((source = val_get(spec, "emptyDir"))) {
		r = make_empty(p, source, path, err);
	} else if ((source = val_get(spec, "hostPath"))) {
		free(take(v->path));
		r = use_host_path(source, val_cstr(val_get(source, "path")), err);
		if (r == 0) {
			v->path = mem_strdup(val_cstr(val_get(source, "path")));
		}
		return r;
	} else {
		r = err_raise(err, ERR_UNSUPPORTED, "this kind of volume is not supported here");
	}
	if (r == VOLUMES_READY && !v->path) {
		v->path = mem_strdup(path);
	}
	return r;
}

int volumes_prepare(struct pod *p, struct err *err)
{
	int outcome = VOLUMES_READY;

	val_for_each (val_path(pod_val(p), "spec.volumes"), it) {
		int r;

		if (!is_mounted(p, val_get_str(it, "name"))) {
			continue;
		}
		r = prepare_one(p, it, err);
		if (r < 0) {
			return err_while(err, r,
			                 "MountVolume.SetUp failed for volume \"" SLICE_FMT "\" ",
			                 SLICE_ARG(val_get_str(it, "name")));
		}
		outcome = r > 0 ? r : outcome;
	}
	return outcome;
}

void volumes_refresh(struct pod *p)
{
	struct err err = { 0 };

	val_for_each (val_path(pod_val(p), "spec.volumes"), it) {
		const struct volume *v = find(p, val_get_str(it, "name"));

		if (v && v->is_generated && v->path && prepare_one(p, it, &err) < 0) {
			log_odd("Volume was not brought up to date pod=%s/%s volume=%s error=%s",
			        p->ns, p->name, v->name, err.msg);
		}
	}
}

void volumes_remove(struct pod *p)
{
	for (size_t i = 0; i < p->volumes.n; i++) {
		free(p->volumes.at[i].name);
		free(p->volumes.at[i].path);
	}
	vec_fini(&p->volumes);
}

/* ---- mounts of a container ---- */

/* mkdir of one folder whose parents exist, all seen from inside the volume. */
static int make_last(int root, const char *rel)
{
	const char *slash = strrchr(rel, '/');
	scoped_free char *parent =
		slash ? slice_dup((struct slice){ rel, (size_t)(slash - rel) }) : mem_strdup(".");
	const char *leaf = slash ? slash + 1 : rel;
	scoped_fd int fd = file_open_in_root(root, parent, O_PATH | O_DIRECTORY);

	if (fd < 0) {
		return -1;
	}
	if (mkdirat(fd, leaf, 0777) < 0) {
		return errno == EEXIST ? 0 : -1;
	}
	return fchmodat(fd, leaf, 0777, 0);
}

/* mkdir -p that no link can lead out of the volume. */
static int make_in_root(int root, char *rel, struct err *err)
{
	for (char *at = rel;; at++) {
		char kept;
		int r;

		at += strcspn(at, "/");
		kept = *at;
		*at = '\0';
		r = at == rel || at[-1] == '\0' ? 0 : make_last(root, rel);
		if (r < 0) {
			r = err_sys(err, "subPath \"%s\"", rel);
		}
		*at = kept;
		if (r < 0 || !kept) {
			return r;
		}
	}
}

/* A part of a volume, resolved inside it so that no link leads out, bound to a place of its own. */
static int bind_part(struct container *c, const struct volume *v, struct slice part, size_t n,
                     char **ret, struct err *err)
{
	scoped_free char *rel = slice_dup(part), *at = mem_printf("%s/part-%zu", c->dir, n),
			 *from = NULL;
	scoped_fd int root = open(v->path, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct stat st;
	int r;

	if (part.p[0] == '/' || memmem(part.p, part.len, "..", 2)) {
		return err_raise(err, ERR_INVALID, "subPath \"%s\" leads out of the volume", rel);
	}
	if (root < 0) {
		return err_sys(err, "open %s", v->path);
	}
	fd = file_open_in_root(root, rel, O_PATH);
	if (fd < 0 && errno == ENOENT && !v->is_generated) {
		r = make_in_root(root, rel, err);
		if (r < 0) {
			return r;
		}
		fd = file_open_in_root(root, rel, O_PATH);
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		return err_sys(err, "subPath \"%s\"", rel);
	}
	mount_remove(at);
	r = S_ISDIR(st.st_mode) ? dir_make(at, 0755, err) : file_write(at, SLICE(""), 0644, err);
	if (r == 0) {
		from = mem_printf("/proc/self/fd/%d", fd);
		r = mount_bind(from, at, MOUNT_RECURSIVE, err);
	}
	if (r == 0) {
		*ret = take(at);
	}
	return r;
}

static const char *options_of(const struct val *m, const struct volume *v)
{
	struct slice way = val_get_str(m, "mountPropagation");
	bool ro = v->is_generated || val_bool(val_get(m, "readOnly"), false);

	if (slice_is(way, "Bidirectional")) {
		return ro ? "rbind,rshared,ro" : "rbind,rshared";
	}
	if (slice_is(way, "HostToContainer")) {
		return ro ? "rbind,rslave,ro" : "rbind,rslave";
	}
	return ro ? "rbind,rprivate,ro" : "rbind,rprivate";
}

int volumes_mounts(struct pod *p, struct container *c, const struct env *env, struct arena *a,
                   struct spec_mount **ret, size_t *ret_n, struct err *err)
{
	const struct val *list = val_get(c->facts.spec, "volumeMounts");
	struct spec_mount *at = ARENA_ARRAY(a, struct spec_mount, val_len(list) + 1);
	size_t n = 0;

	val_for_each (list, it) {
		const struct volume *v = find(p, val_get_str(it, "name"));
		struct slice part = val_get_str(it, "subPath"),
			     expr = val_get_str(it, "subPathExpr");
		scoped_free char *bound = NULL;

		if (!v || !v->path) {
			return err_raise(err, ERR_NOTFOUND,
			                 "volume \"" SLICE_FMT "\" is not mounted",
			                 SLICE_ARG(val_get_str(it, "name")));
		}
		if (expr.len > 0) {
			part = env_expand(env, expr);
		}
		if (part.len > 0) {
			int r = bind_part(c, v, part, n, &bound, err);

			if (r < 0) {
				return r;
			}
		}
		at[n++] = (struct spec_mount){
			.source = arena_strdup(a, bound ? bound : v->path),
			.dest = val_cstr(val_get(it, "mountPath")),
			.options = options_of(it, v),
		};
	}
	*ret = at;
	*ret_n = n;
	return 0;
}
