/* Why: a database is a folder, a certificate and a program of the host's; see managed-host.h. */
#include "node/managed-host.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/pki.h"
#include "node/env.h"
#include "node/file.h"
#include "node/managed-settings.h"
#include "node/spec.h"

/* systemd's range for dynamic users, as the API server's user (serve/home.c). */
enum { UID_FIRST = 61184, UID_LAST = 65519 };
static const int64_t renew_before_us = INT64_C(30) * 86400 * US_PER_S;

uint32_t managed_uid(const char *id, uint32_t not_this)
{
	uint32_t uid = UID_FIRST + (uint32_t)(slice_hash(slice_of(id)) % (UID_LAST - UID_FIRST));

	return uid == not_this ? uid + 1 : uid;
}

/* ---- folders ---- */

int managed_root_make(const char *home, struct err *err)
{
	static const char *const folders[] = { "usr", "proc", "sys",  "dev", "tmp",
		                               "run", "data", "conf", "etc" };
	static const char *const links[] = { "bin", "sbin", "lib", "lib64" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++) {
		scoped_free char *path = mem_printf("%s/managed/root/%s", home, folders[i]);

		r = dir_make(path, 0755, err);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(links); i++) {
		scoped_free char *path = mem_printf("%s/managed/root/%s", home, links[i]);
		scoped_free char *to = mem_printf("usr/%s", links[i]);

		if (symlink(to, path) < 0 && errno != EEXIST) {
			r = err_sys(err, "make %s", path);
		}
	}
	if (r == 0) {
		scoped_free char *path = mem_printf("%s/managed/root/etc/passwd", home);

		/* the server asks who is at its socket, by name */
		r = file_write(path, SLICE("root:x:0:0:root:/:/usr/sbin/nologin\n"), 0644, err);
	}
	return r;
}

int managed_folders_make(const char *dir, uint32_t uid, struct err *err)
{
	static const char *const owned[] = { "data", "run" };
	scoped_free char *conf = mem_printf("%s/conf", dir);
	int r = dir_make(dir, 0711, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(owned); i++) {
		scoped_free char *path = mem_printf("%s/%s", dir, owned[i]);

		/* data of a database appears only when it is whole */
		r = dir_make(path, 0700, err);
		if (r == 0 && chown(path, uid, uid) < 0) {
			r = err_sys(err, "give %s to its server", path);
		}
	}
	return r < 0 ? r : dir_make(conf, 0711, err);
}

int managed_conf_write(const char *dir, const char *name, struct slice text, uint32_t uid,
                       struct err *err)
{
	scoped_free char *path = mem_printf("%s/conf/%s", dir, name);
	int r = file_write(path, text, 0400, err);

	if (r == 0 && chown(path, uid, uid) < 0) {
		r = err_sys(err, "give %s to its server", path);
	}
	return r;
}

/* ---- certificate ---- */

static bool is_good(struct slice cert, const char *endpoint, const char *address, int64_t *ret_end)
{
	bool named = false, addressed = false;

	return pki_cert_not_after(cert, ret_end, NULL) == 0 &&
	       *ret_end > clock_wall_us() + renew_before_us &&
	       pki_cert_covers(cert, endpoint, &named, NULL) == 0 && named &&
	       pki_cert_covers(cert, address, &addressed, NULL) == 0 && addressed;
}

/* Signed by the CA that H/ca.crt shows: a new CA makes new certificates. */
static bool is_of_ca(const char *dir, struct slice ca)
{
	scoped_free char *path = mem_printf("%s/conf/ca.crt", dir);
	scoped_strbuf struct strbuf was = { 0 };

	return file_read(path, 1 << 20, &was, NULL) == 0 && slice_eq(strbuf_slice(&was), ca);
}

static int issue(const char *home, const char *dir, uint32_t uid, const char *endpoint,
                 struct ip ip, struct slice ca, int64_t *ret_end, struct err *err)
{
	scoped_free char *key_path = mem_printf("%s/pki/edge-ca.key", home);
	scoped_strbuf struct strbuf key = { 0 };
	const char *const names[] = { endpoint, NULL };
	struct pki_pair pair = { 0 };
	int r = file_read(key_path, 1 << 20, &key, err);

	if (r == 0) {
		r = pki_issue(
			ca, strbuf_slice(&key),
			&(struct pki_request){ .common_name = "kennel managed server",
		                               .dns_names = names,
		                               .ips = &ip,
		                               .n_ips = 1,
		                               .server = true,
		                               .days = 3000 }, /* nobody renews one that runs */
			&pair, err);
	}
	explicit_bzero(key.p, key.size);
	if (r == 0) {
		r = managed_conf_write(dir, "server.key", strbuf_slice(&pair.key), uid, err);
	}
	if (r == 0) {
		r = managed_conf_write(dir, "server.crt", strbuf_slice(&pair.cert), uid, err);
	}
	if (r == 0) {
		r = managed_conf_write(dir, "ca.crt", ca, uid, err);
	}
	if (r == 0) {
		r = pki_cert_not_after(strbuf_slice(&pair.cert), ret_end, err);
	}
	pki_pair_fini(&pair);
	return r;
}

int managed_certificate(const char *home, const char *dir, uint32_t uid, const char *endpoint,
                        struct ip ip, int64_t *ret_not_after, struct err *err)
{
	scoped_free char *ca_path = mem_printf("%s/ca.crt", home);
	scoped_free char *path = mem_printf("%s/conf/server.crt", dir);
	scoped_strbuf struct strbuf ca = { 0 }, cert = { 0 };
	char address[IP_TEXT_SIZE];
	int r = file_read(ca_path, 1 << 20, &ca, err);

	if (r == 0 &&
	    !(file_read(path, 1 << 20, &cert, NULL) == 0 && is_of_ca(dir, strbuf_slice(&ca)) &&
	      is_good(strbuf_slice(&cert), endpoint, ip_format(ip, address), ret_not_after))) {
		r = issue(home, dir, uid, endpoint, ip, strbuf_slice(&ca), ret_not_after, err);
	}
	return r < 0 ? err_while(err, r, "make a certificate for %s", endpoint) : 0;
}

/* ---- container ---- */

int managed_config(struct arena *a, const struct managed_box *b, struct val **ret, struct err *err)
{
	struct env env = { .arena = a };
	struct user user = { .uid = b->uid, .gid = b->uid, .home = "/data" };
	const struct spec_mount mounts[] = {
		{ "/usr", "/usr", NULL, "rbind,rprivate,ro" },
		{ arena_printf(a, "%s/data", b->dir), "/data", NULL,
		  "rbind,rprivate,nosuid,nodev,noexec" },
		{ arena_printf(a, "%s/conf", b->dir), "/conf", NULL,
		  "rbind,rprivate,ro,nosuid,nodev,noexec" },
		{ arena_printf(a, "%s/run", b->dir), "/run", NULL,
		  "rbind,rprivate,nosuid,nodev,noexec" },
		{ "tmpfs", "/tmp", "tmpfs", "nosuid,nodev,noexec,mode=1777,size=256m" },
	};
	struct val *image = val_new_object(a), *container = val_new_object(a);
	struct val *security = val_need_object(a, container, "securityContext");

	/* A server needs no right beyond its own files. */
	val_set_bool(a, security, "allowPrivilegeEscalation", false);
	val_append(val_need_array(a, val_need_object(a, security, "capabilities"), "drop"),
	           val_new_cstr(a, "ALL"));
	val_set_cstr(a, val_need_object(a, security, "seccompProfile"), "type", "RuntimeDefault");
	env_set(&env, SLICE("PATH"), SLICE("/usr/sbin:/usr/bin"));
	return spec_render(
		a,
		&(struct spec_input){ .container = container,
	                              .image_config = image,
	                              .own_env = &env,
	                              .env = &env,
	                              .argv = managed_argv(b->kind),
	                              .user = &user,
	                              .rootfs = arena_printf(a, "%s/managed/root", b->home),
	                              .hostname = b->hostname,
	                              .cgroup_path = b->cgroup,
	                              .netns = b->netns,
	                              .mounts = mounts,
	                              .n_mounts = ARRAY_SIZE(mounts),
	                              .pids_max = 1024,
	                              .read_only_root = true },
		ret, err);
}

/* ---- the server's own words ---- */

int managed_system_tables(struct strbuf *out, struct err *err)
{
	static const char *const scripts[] = { "mysql_system_tables", "mysql_performance_tables",
		                               "mysql_system_tables_data",
		                               "maria_add_gis_sp_bootstrap" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(scripts); i++) {
		scoped_free char *path = mem_printf("/usr/share/mysql/%s.sql", scripts[i]);

		r = file_read(path, 16 << 20, out, err);
		strbuf_addc(out, '\n');
	}
	return r < 0 ? err_while(err, r, "read the server's scripts (package mariadb-server-core)")
	             : 0;
}

void managed_last_error(const char *dir, struct strbuf *out)
{
	static const char mark[] = "[ERROR] ";
	scoped_free char *path = mem_printf("%s/server.log", dir);
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[16 << 10];
	struct stat st;
	struct slice rest, line;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return;
	}
	n = pread(fd, buf, sizeof(buf),
	          st.st_size > (off_t)sizeof(buf) ? st.st_size - (off_t)sizeof(buf) : 0);
	rest = (struct slice){ buf, n > 0 ? (size_t)n : 0 };
	while (slice_next(&rest, '\n', &line)) {
		const char *at = memmem(line.p, line.len, mark, sizeof(mark) - 1);

		if (at && !memmem(line.p, line.len, "Aborting", 8)) {
			strbuf_reset(out);
			strbuf_add_slice(out, slice_head(slice_from(line, (size_t)(at - line.p) +
			                                                          sizeof(mark) - 1),
			                                 160));
		}
	}
}
