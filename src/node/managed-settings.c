/* Why: what a server may do and where it listens is decided by a few lines of text; see
 * managed-settings.h. */
#include "node/managed-settings.h"

#include <string.h>

#include "base/mem.h"
#include "http/pki.h"

/* ---- databases ---- */

static const char database_settings[] = "[mariadbd]\n"
					"datadir=/data\n"
					"socket=/run/server.sock\n"
					"pid-file=/run/server.pid\n"
					"tmpdir=/tmp\n"
					"skip-name-resolve\n"
					"skip-log-bin\n"
					"character-set-server=utf8mb4\n"
					"ssl-cert=/conf/server.crt\n"
					"ssl-key=/conf/server.key\n"
					"tls-version=TLSv1.2,TLSv1.3\n"
					/* small, as the classes for trying things out are */
					"innodb-buffer-pool-size=64M\n"
					"innodb-log-file-size=16M\n"
					"aria-pagecache-buffer-size=8M\n"
					"key-buffer-size=1M\n";

/* Not the user's, as the service does not let them be changed either. */
static const char *const fixed_parameters[] = {
	"basedir",          "bind_address",      "datadir",         "init_file",       "log_error",
	"pid_file",         "plugin_dir",        "plugin_load",     "plugin_load_add", "port",
	"secure_file_priv", "skip_grant_tables", "skip_networking", "socket",          "ssl_ca",
	"ssl_capath",       "ssl_cert",          "ssl_key",         "tmpdir",          "user",
};

static bool is_parameter_name(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '-') {
			return false;
		}
	}
	return s.len > 0 && s.len <= 64;
}

static bool is_fixed(struct slice name)
{
	char plain[65];

	for (size_t i = 0; i < name.len; i++) {
		plain[i] = (char)(name.p[i] == '-' ? '_' : name.p[i]);
	}
	plain[name.len] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(fixed_parameters); i++) {
		if (strcmp(plain, fixed_parameters[i]) == 0) {
			return true;
		}
	}
	return strncmp(plain, "loose_", 6) == 0 || strncmp(plain, "maximum_", 8) == 0;
}

static int add_overrides(struct strbuf *out, const struct val *overrides, struct err *err)
{
	val_for_each (overrides, it) {
		struct slice value = val_str(it);

		if (!is_parameter_name(it->key) || is_fixed(it->key)) {
			return err_raise(err, ERR_INVALID,
			                 "parameter " SLICE_FMT " cannot be modified",
			                 SLICE_ARG(slice_head(it->key, 80)));
		}
		for (size_t i = 0; i < value.len; i++) {
			if ((unsigned char)value.p[i] < ' ' || value.p[i] == '#' ||
			    value.p[i] == '\\' || value.p[i] == '"' || value.p[i] == '\'') {
				return err_raise(err, ERR_INVALID,
				                 "value of parameter " SLICE_FMT " is malformed",
				                 SLICE_ARG(it->key));
			}
		}
		strbuf_addf(out, SLICE_FMT "=" SLICE_FMT "\n", SLICE_ARG(it->key),
		            SLICE_ARG(value));
	}
	return 0;
}

void managed_password_hash(struct slice password, char hash[MANAGED_HASH_SIZE])
{
	scoped_strbuf struct strbuf once = { 0 }, twice = { 0 };

	pki_sha1(&once, password);
	pki_sha1(&twice, strbuf_slice(&once));
	hash[0] = '*';
	for (size_t i = 0; i < twice.size; i++) {
		snprintf(hash + 1 + 2 * i, 3, "%02X", (unsigned char)twice.p[i]);
	}
}

const char *const *managed_bootstrap_argv(struct arena *a, const char *data)
{
	/* Nothing is kept in order on disk while it is made: a half-made folder is thrown away. */
	const char *const fixed[] = { "/usr/sbin/mariadbd",
		                      "--no-defaults",
		                      "--bootstrap",
		                      "--log-warnings=0",
		                      "--character-set-server=utf8mb4",
		                      "--innodb-buffer-pool-size=16M",
		                      "--innodb-log-file-size=16M",
		                      "--innodb-fast-shutdown=2",
		                      "--innodb-flush-log-at-trx-commit=0",
		                      "--innodb-flush-method=nosync",
		                      "--innodb-temp-data-file-path=ibtmp1:1M:autoextend",
		                      "--sync-frm=0",
		                      arena_printf(a, "--datadir=%s", data),
		                      arena_printf(a, "--tmpdir=%s", data) };
	const char **argv = ARENA_ARRAY(a, const char *, ARRAY_SIZE(fixed) + 1);

	memcpy(argv, fixed, sizeof(fixed));
	return argv;
}

void managed_bootstrap_before(struct strbuf *out)
{
	strbuf_adds(out, "create database if not exists mysql;\nuse mysql;\n"
	                 "set @auth_root_socket='root';\n");
}

/* The master user with all rights that the service gives: neither SUPER nor FILE nor anything of
 * the server's own. */
static void add_user(struct strbuf *out, const struct managed_wish *w, const char *hash,
                     const char *end)
{
	strbuf_addf(out,
	            "create user if not exists '" SLICE_FMT "'@'%%' identified by password '%s'%s",
	            SLICE_ARG(w->user), hash, end);
	strbuf_addf(
		out,
		"grant select, insert, update, delete, create, drop, reload, process, references, "
		"index, alter, show databases, create temporary tables, lock tables, execute, "
		"replication slave, replication client, create view, show view, create routine, "
		"alter routine, create user, event, trigger on *.* to '" SLICE_FMT
		"'@'%%' with grant option%s",
		SLICE_ARG(w->user), end);
}

void managed_bootstrap_after(struct strbuf *out, const struct managed_wish *w, const char *hash)
{
	strbuf_adds(out, "\nflush privileges;\n"
	                 "drop database if exists test;\n"
	                 "alter user 'root'@'localhost' identified via unix_socket;\n");
	add_user(out, w, hash, ";\n");
	if (w->db_name.len) {
		strbuf_addf(out, "create database `" SLICE_FMT "`;\n", SLICE_ARG(w->db_name));
	}
}

void managed_password_statements(struct strbuf *out, const struct managed_wish *w, const char *hash)
{
	add_user(out, w, hash, "\n");
	strbuf_addf(out, "alter user '" SLICE_FMT "'@'%%' identified by password '%s'",
	            SLICE_ARG(w->user), hash);
}

/* ---- caches ---- */

static const char cache_settings[] =
	"daemonize no\n"
	"dir /data\n"
	"unixsocket /run/server.sock\n"
	"unixsocketperm 700\n"
	"protected-mode no\n"
	"maxmemory-policy volatile-lru\n"
	"save 300 1\n"
	/* The commands that the service withholds. */
	"rename-command BGREWRITEAOF \"\"\n"
	"rename-command BGSAVE \"\"\n"
	"rename-command CONFIG \"\"\n"
	"rename-command DEBUG \"\"\n"
	"rename-command FAILOVER \"\"\n"
	"rename-command MIGRATE \"\"\n"
	"rename-command MODULE \"\"\n"
	"rename-command PSYNC \"\"\n"
	"rename-command REPLICAOF \"\"\n"
	"rename-command SAVE \"\"\n"
	"rename-command SHUTDOWN \"\"\n"
	"rename-command SLAVEOF \"\"\n"
	"rename-command SYNC \"\"\n"
	"user default on nopass ~* &* +@all -acl|setuser -acl|deluser -acl|load -acl|save\n";

static const char cache_tls[] = "tls-cert-file /conf/server.crt\n"
				"tls-key-file /conf/server.key\n"
				"tls-ca-cert-file /conf/ca.crt\n"
				"tls-auth-clients no\n"
				"tls-protocols \"TLSv1.2 TLSv1.3\"\n";

/* ---- both ---- */

int managed_settings(struct strbuf *out, const struct managed_wish *w, const char *address,
                     const struct val *overrides, struct err *err)
{
	if (w->kind == MANAGED_DATABASE) {
		strbuf_adds(out, database_settings);
		strbuf_addf(out, "bind-address=%s\nport=%u\n", address, w->port);
		return add_overrides(out, overrides, err);
	}
	strbuf_adds(out, cache_settings);
	strbuf_addf(out, "bind %s\n", address);
	if (w->tls_only) {
		strbuf_adds(out, cache_tls);
		strbuf_addf(out, "port 0\ntls-port %u\n", w->port);
	} else {
		strbuf_addf(out, "port %u\n", w->port);
	}
	return 0;
}

const char *const *managed_argv(enum managed_kind k)
{
	static const char *const database[] = { "/usr/sbin/mariadbd",
		                                "--defaults-file=/conf/settings", NULL };
	static const char *const cache[] = { "/usr/bin/redis-server", "/conf/settings", NULL };

	return k == MANAGED_DATABASE ? database : cache;
}
