/* Why: real MariaDB and Redis servers in containers, from an object in the API to an answer over
 * TLS and back to nothing. Needs root; makes a mount namespace of its own. The API is fake-api.c,
 * the dataplane is this:
 *
 *   test --setns--> namespace of the server: eth0 with the server's address
 *
 * The tests are one story and build on each other, since servers take their time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "fake-api.h"
#include "host/cgroup.h"
#include "host/netns.h"
#include "http/pki.h"
#include "loop/process.h"
#include "node/file.h"
#include "node/managed.h"
#include "sql.h"

#define DB    "dbinstances"
#define CACHE "cacheclusters"

static struct world {
	struct loop *loop;
	struct fake_api *api;
	struct agent agent;
	struct managed *managed;
	char *dir, *home, *run, *cgroup, *ca;
	int64_t begin_us;
} w;

/* ---- the dataplane ---- */

static int rules_seen;

int dataplane_host_attach(struct dataplane *d, struct slice id, struct ip ip, int netns_fd,
                          struct err *err)
{
	char address[IP_TEXT_SIZE], script[300];
	const char *argv[] = { "sh", "-c", script, NULL };
	int status;

	(void)d, (void)id;
	snprintf(script, sizeof(script),
	         "ip link show eth0 >/dev/null 2>&1 || { ip link add eth0 type veth peer name "
	         "peer0 && ip addr add %s/24 dev eth0 && "
	         "ip link set lo up && ip link set peer0 up && ip link set eth0 up; }",
	         ip_format(ip, address));
	if (process_run(&(struct process_spec){ .argv = argv, .netns_fd = netns_fd }, NULL, NULL,
	                &status, err) < 0 ||
	    status != 0) {
		return err_raise(err, ERR_IO, "attach the host");
	}
	return 0;
}

void dataplane_host_detach(struct dataplane *d, struct slice id)
{
	(void)d, (void)id;
}

int dataplane_host_rules(struct dataplane *d, struct slice id, struct ip ip,
                         const struct host_rule *rules, size_t n, struct err *err)
{
	(void)d, (void)id, (void)ip, (void)err;
	assert_int_equal(n, 2);
	assert_int_equal(rules[0].from.ip.bytes[2], 2);
	assert_int_equal(rules[1].from.ip.bytes[2], 3);
	rules_seen++;
	return 0;
}

int dataplane_host_egress(struct dataplane *d, struct slice id, struct ip ip, bool limited,
                          const struct host_rule *rules, size_t n, struct err *err)
{
	(void)d, (void)id, (void)ip, (void)rules, (void)n, (void)err;
	assert_false(limited); /* no server here has a group */
	return 0;
}

int dataplane_host_open(struct dataplane *d, struct ip ip, struct err *err)
{
	(void)d, (void)ip, (void)err;
	return 0;
}

int dataplane_vpc_set(struct dataplane *d, const struct dataplane_vpc *v, struct err *err)
{
	(void)d, (void)v, (void)err;
	return 0;
}

/* ---- the world ---- */

static void start_managed(void)
{
	struct err err;

	if (runtime_new(w.loop, w.run, &w.agent.runtime, &err) < 0 ||
	    managed_new(&w.agent, &w.managed, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	runtime_remove_strays(w.agent.runtime);
}

static void stop_managed(void)
{
	w.managed = managed_free(w.managed);
	w.agent.runtime = runtime_free(w.agent.runtime);
}

static void save(const char *name, struct slice text)
{
	scoped_free char *path = mem_printf("%s/%s", w.home, name);

	assert_int_equal(file_write(path, text, 0600, NULL), 0);
}

static int set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");
	scoped_free char *dir = mem_printf("%s/kennel-managed-XXXXXX", tmp ? tmp : "/tmp");
	struct pki_pair ca = { 0 };
	scoped_free char *pki = NULL;

	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		return -1;
	}
	(void)umount2("/sys/fs/cgroup/unified", MNT_DETACH);
	log_init("test", LOG_INFO);
	w.dir = mem_strdup(mkdtemp(dir));
	(void)chmod(w.dir, 0711);
	/* deeper than a socket's path may be */
	w.home = mem_printf("%s/"
	                    "a-home-folder-with-a-very-long-name-such-as-people-have-them-in-their-"
	                    "home-folders",
	                    w.dir);
	w.run = mem_printf("%s/run", w.dir);
	w.cgroup = mem_printf("/kennel-test-%d", getpid());
	w.ca = mem_printf("%s/ca.crt", w.home);
	pki = mem_printf("%s/pki", w.home);
	if (dir_make(w.home, 0711, NULL) < 0 || dir_make(pki, 0700, NULL) < 0 ||
	    pki_make_ca("test CA", &ca, NULL) < 0) {
		return -1;
	}
	save("ca.crt", strbuf_slice(&ca.cert));
	save("pki/edge-ca.key", strbuf_slice(&ca.key));
	pki_pair_fini(&ca);
	w.loop = loop_new();
	w.api = fake_api_new(w.loop);
	w.agent = (struct agent){
		.loop = w.loop,
		.client = fake_api_client(w.api),
		.recorder = (struct recorder *)(void *)w.api,
		.instance = "test",
		.home = w.home,
		.run_dir = w.run,
		.cgroup = w.cgroup,
		.api_uid = 61200,
	};
	start_managed();
	return 0;
}

static int tear_down(void **state)
{
	struct cgroups *groups = NULL;

	(void)state;
	stop_managed();
	if (cgroups_open(&groups, NULL) == 0) {
		(void)cgroup_kill(groups, w.cgroup);
		(void)cgroup_remove(groups, w.cgroup);
		cgroups_close(groups);
	}
	loop_run_once(w.loop);
	loop_free(w.loop);
	fake_api_free(w.api);
	tree_discard(w.dir);
	free(w.dir);
	free(w.home);
	free(w.run);
	free(w.cgroup);
	free(w.ca);
	return 0;
}

/* ---- waiting ---- */

typedef bool is_true_fn(const struct val *object);

static void on_limit(struct loop_timer *t)
{
	(void)t;
	must_failed("what was waited for comes in time", __FILE__, __LINE__);
}

static void wait_for(const char *plural, const char *name, is_true_fn *is_true)
{
	struct loop_timer limit = { 0 }, beat = { 0 };

	loop_timer_start(w.loop, &limit, 40 * US_PER_S, on_limit);
	while (!is_true(fake_api_get(w.api, plural, "shop", name))) {
		loop_timer_start(w.loop, &beat, 5000, loop_timer_stop);
		loop_run_once(w.loop);
		usleep(1000);
	}
	loop_timer_stop(&limit);
	loop_timer_stop(&beat);
}

static bool is_available(const struct val *o)
{
	const struct val *s = val_get(o, "status");

	return slice_is(val_get_str(s, "dbInstanceStatus"), "available") ||
	       slice_is(val_get_str(s, "cacheClusterStatus"), "available");
}

static bool is_not_available(const struct val *o)
{
	return !is_available(o);
}

static bool is_gone(const struct val *o)
{
	return !o;
}

static const struct val *condition(const struct val *o, const char *type)
{
	val_for_each (val_path(o, "status.conditions"), it) {
		if (slice_is(val_get_str(it, "type"), type)) {
			return it;
		}
	}
	return NULL;
}

static bool is_recoverable(const struct val *o)
{
	return condition(o, "ACK.Recoverable");
}

static bool is_terminal(const struct val *o)
{
	return condition(o, "ACK.Terminal");
}

static void secret(const char *name, const char *password_base64)
{
	scoped_free char *json = mem_printf(
		"{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"%s\","
		"\"namespace\":\"shop\"},\"type\":\"Opaque\",\"data\":{\"pw\":\"%s\"}}",
		name, password_base64);

	fake_api_apply(w.api, "secrets", json);
}

static void database(const char *name, const char *more)
{
	scoped_free char *json =
		mem_printf("{\"apiVersion\":\"rds.services.k8s.aws/"
	                   "v1alpha1\",\"kind\":\"DBInstance\",\"metadata\":{\"name\":\"%s\","
	                   "\"namespace\":\"shop\",\"uid\":\"u-%s\",\"annotations\":{\"rds."
	                   "services.k8s.aws/skip-final-snapshot\":"
	                   "\"false\"}},\"spec\":{\"dbInstanceIdentifier\":\"%s\","
	                   "\"dbInstanceClass\":\"db.t4g.micro\","
	                   "\"engine\":\"mysql\",\"allocatedStorage\":20,\"dbName\":\"pets\","
	                   "\"masterUsername\":\"keeper\","
	                   "\"masterUserPassword\":{\"name\":\"db\",\"key\":\"pw\"}%s}}",
	                   name, name, name, more);

	fake_api_apply(w.api, DB, json);
}

static void cache(const char *name, const char *more)
{
	scoped_free char *json =
		mem_printf("{\"apiVersion\":\"elasticache.services.k8s.aws/"
	                   "v1alpha1\",\"kind\":\"CacheCluster\",\"metadata\":{\"name\":"
	                   "\"%s\",\"namespace\":\"shop\",\"uid\":\"u-%s\"},\"spec\":{"
	                   "\"cacheClusterID\":\"%s\",\"engine\":\"redis\","
	                   "\"cacheNodeType\":\"cache.t4g.micro\"%s}}",
	                   name, name, name, more);

	fake_api_apply(w.api, CACHE, json);
}

/* ---- talking to servers ---- */

static const char *address(const char *plural, const char *name)
{
	const char *a = val_cstr(
		val_get(val_path(fake_api_get(w.api, plural, "shop", name), "metadata.annotations"),
	                HOST_ADDRESS_ANNOTATION));

	assert_true(strncmp(a, "10.0.3.", 7) == 0);
	return a;
}

/* The namespace whose eth0 has that address: the only one of that kind here. */
static int namespace_of(const char *plural)
{
	const char *kind = strcmp(plural, DB) == 0 ? "db" : "ca";
	scoped_free char *script = mem_printf("ls -d %s/managed/%s-*/net", w.run, kind);
	const char *argv[] = { "sh", "-c", script, NULL };
	scoped_strbuf struct strbuf out = { 0 };
	int status, fd;

	assert_int_equal(
		process_run(&(struct process_spec){ .argv = argv }, &out, NULL, &status, NULL), 0);
	while (out.size && out.p[out.size - 1] == '\n') {
		out.p[--out.size] = '\0';
	}
	assert_int_equal(netns_open(strbuf_str(&out), &fd, NULL), 0);
	return fd;
}

/* Connects as the master user; null when refused. */
static MYSQL *connect_db(const char *password, bool tls)
{
	MYSQL *db = mysql_init(NULL);
	scoped_fd int fd = namespace_of(DB);
	struct netns_visit visit;
	char verify = 1;
	MYSQL *ok;

	if (tls) {
		mysql_optionsv(db, MYSQL_OPT_SSL_CA, w.ca);
		mysql_optionsv(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
	}
	assert_int_equal(netns_enter(&visit, fd, NULL), 0);
	ok = mysql_real_connect(db, address(DB, "main"), "keeper", password, "pets", 3306, NULL, 0);
	netns_leave(&visit);
	if (!ok) {
		mysql_close(db);
		return NULL;
	}
	assert_true(!tls || mysql_get_ssl_cipher(db));
	return db;
}

static void must_run(MYSQL *db, const char *sql)
{
	if (mysql_query(db, sql) != 0) {
		fail_msg("%s: %s", sql, mysql_error(db));
	}
}

/* First field of the first row. */
static void ask(MYSQL *db, const char *sql, char *out, size_t size)
{
	MYSQL_RES *r;
	MYSQL_ROW row;

	must_run(db, sql);
	r = mysql_store_result(db);
	row = mysql_fetch_row(r);
	snprintf(out, size, "%s", row && row[0] ? row[0] : "");
	mysql_free_result(r);
}

static void redis(const char *args, char *out, size_t size)
{
	scoped_fd int fd = namespace_of(CACHE);
	scoped_free char *script =
		mem_printf("redis-cli -h %s %s 2>&1", address(CACHE, "main"), args);
	const char *argv[] = { "sh", "-c", script, NULL };
	scoped_strbuf struct strbuf text = { 0 };
	int status;

	assert_int_equal(process_run(&(struct process_spec){ .argv = argv, .netns_fd = fd }, &text,
	                             NULL, &status, NULL),
	                 0);
	snprintf(out, size, "%s", strbuf_str(&text));
}

static pid_t server_pid(const char *program)
{
	scoped_free char *script =
		mem_printf("for p in $(cat /sys/fs/cgroup/pids%s/managed/*/cgroup.procs "
	                   "/sys/fs/cgroup%s/managed/*/cgroup.procs 2>/dev/null); do "
	                   "[ \"$(cat /proc/$p/comm)\" = %s ] && echo $p; done | head -n 1",
	                   w.cgroup, w.cgroup, program);
	const char *argv[] = { "sh", "-c", script, NULL };
	scoped_strbuf struct strbuf out = { 0 };
	int status;

	assert_int_equal(
		process_run(&(struct process_spec){ .argv = argv }, &out, NULL, &status, NULL), 0);
	return (pid_t)strtol(strbuf_str(&out), NULL, 10);
}

/* ---- the story ---- */

static void a_database_waits_for_its_secret(void **state)
{
	const struct val *o;

	(void)state;
	database("main", "");
	wait_for(DB, "main", is_recoverable);
	o = fake_api_get(w.api, DB, "shop", "main");
	assert_string_equal(val_cstr(val_get(condition(o, "ACK.Recoverable"), "message")),
	                    "kubernetes secret not found");
	assert_string_equal(val_cstr(val_get(condition(o, "Ready"), "reason")), "ACK.Recoverable");
	assert_null(val_path(o, "status.endpoint"));
}

static void both_become_available_and_say_where(void **state)
{
	const struct val *o;
	int64_t begin = clock_mono_us();

	(void)state;
	secret("db", "cGFzc3dvcmQtMQ=="); /* password-1 */
	cache("main", "");
	wait_for(CACHE, "main", is_available);
	print_message("# redis available after %d ms\n", (int)((clock_mono_us() - begin) / 1000));
	wait_for(DB, "main", is_available);
	print_message("# mariadb available after %d ms\n", (int)((clock_mono_us() - begin) / 1000));
	o = fake_api_get(w.api, DB, "shop", "main");
	assert_true(strncmp(val_cstr(val_path(o, "status.endpoint.address")), "main.", 5) == 0);
	assert_true(slice_has_suffix(val_str(val_path(o, "status.endpoint.address")),
	                             SLICE(".us-east-1.rds.amazonaws.com")));
	assert_int_equal(val_int(val_path(o, "status.endpoint.port"), 0), 3306);
	assert_string_equal(val_cstr(val_path(o, "status.ackResourceMetadata.arn")),
	                    "arn:aws:rds:us-east-1:000000000000:db:main");
	assert_string_equal(val_cstr(val_get(condition(o, "ACK.ResourceSynced"), "status")),
	                    "True");
	assert_non_null(strstr(val_cstr(val_get(condition(o, "ACK.Advisory"), "message")),
	                       "MariaDB stands in for MySQL"));
	assert_string_equal(val_cstr(val_at(val_path(o, "metadata.finalizers"), 0)),
	                    "finalizers.rds.services.k8s.aws/DBInstance");
	o = fake_api_get(w.api, CACHE, "shop", "main");
	assert_true(slice_has_suffix(
		val_str(val_path(val_at(val_path(o, "status.cacheNodes"), 0), "endpoint.address")),
		SLICE(".cache.amazonaws.com")));
	assert_string_not_equal(address(DB, "main"), address(CACHE, "main"));
	assert_true(rules_seen >= 2);
	assert_non_null(
		strstr(val_cstr(val_get(
			       val_get(fake_api_get(w.api, "configmaps", "shop", "rds-ca"), "data"),
			       "global-bundle.pem")),
	               "BEGIN CERTIFICATE"));
}

static void the_master_user_comes_in_by_tls_and_has_no_rights_over_the_host(void **state)
{
	MYSQL *db = connect_db("password-1", true);
	char text[1000];

	(void)state;
	assert_non_null(db);
	must_run(db, "create table dogs (name varchar(20) primary key)");
	must_run(db, "insert into dogs values ('Rex')");
	ask(db, "show grants", text, sizeof(text));
	assert_null(strstr(text, "SUPER"));
	assert_null(strstr(text, "FILE"));
	assert_null(strstr(text, "ALL PRIVILEGES"));
	assert_int_not_equal(mysql_query(db, "select 'x' into outfile '/tmp/x'"), 0);
	assert_int_not_equal(mysql_query(db, "set global max_connections = 5"), 0);
	mysql_close(db);
	assert_null(connect_db("password-2", true));
}

static void servers_listen_on_their_own_address_only(void **state)
{
	scoped_fd int db = namespace_of(DB), ca = namespace_of(CACHE);
	const int fds[] = { db, ca };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		const char *argv[] = { "sh", "-c",
			               "ss -Htuln | awk '{print $5}' | grep -v '^10\\.0\\.3\\.'",
			               NULL };
		scoped_strbuf struct strbuf out = { 0 };
		int status;

		assert_int_equal(
			process_run(&(struct process_spec){ .argv = argv, .netns_fd = fds[i] },
		                    &out, NULL, &status, NULL),
			0);
		assert_string_equal(strbuf_str(&out), "");
	}
}

static void a_cache_answers_and_withholds_what_the_service_withholds(void **state)
{
	char text[400];

	(void)state;
	redis("set dog Rex", text, sizeof(text));
	assert_string_equal(text, "OK\n");
	redis("config get dir", text, sizeof(text));
	assert_non_null(strstr(text, "unknown command"));
	redis("acl setuser x on", text, sizeof(text));
	assert_non_null(strstr(text, "NOPERM"));
}

static void a_killed_server_comes_back_with_its_data(void **state)
{
	MYSQL *db;
	char text[100];
	pid_t pid = server_pid("mariadbd");

	(void)state;
	assert_true(pid > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	wait_for(DB, "main", is_not_available);
	wait_for(DB, "main", is_available);
	assert_int_not_equal(server_pid("mariadbd"), pid);
	db = connect_db("password-1", true);
	assert_non_null(db);
	ask(db, "select name from dogs", text, sizeof(text));
	assert_string_equal(text, "Rex");
	mysql_close(db);
	assert_non_null(strstr(fake_api_events(w.api), "ServerEnded"));
}

static bool password_was_changed(const struct val *o)
{
	(void)o;
	return strstr(fake_api_events(w.api), "PasswordChanged");
}

static void a_new_password_is_followed_without_a_restart(void **state)
{
	pid_t pid = server_pid("mariadbd");
	MYSQL *db;

	(void)state;
	secret("db", "cGFzc3dvcmQtMg=="); /* password-2 */
	wait_for(DB, "main", password_was_changed);
	assert_null(connect_db("password-1", true));
	db = connect_db("password-2", true);
	assert_non_null(db);
	mysql_close(db);
	assert_int_equal(server_pid("mariadbd"), pid);
}

static void a_restarted_node_takes_up_what_runs(void **state)
{
	pid_t db = server_pid("mariadbd"), ca = server_pid("redis-server");
	MYSQL *c;

	(void)state;
	stop_managed();
	fake_api_patch(w.api, DB, "shop", "main",
	               "{\"status\":{\"dbInstanceStatus\":\"unknown\"}}");
	fake_api_patch(w.api, CACHE, "shop", "main",
	               "{\"status\":{\"cacheClusterStatus\":\"unknown\"}}");
	start_managed();
	wait_for(DB, "main", is_available);
	wait_for(CACHE, "main", is_available);
	assert_int_equal(server_pid("mariadbd"), db);
	assert_int_equal(server_pid("redis-server"), ca);
	c = connect_db("password-2", true);
	assert_non_null(c);
	mysql_close(c);
}

/* As `kennel down` leaves it: no process, no namespace, but the home folder. */
static void an_instance_that_was_down_finds_its_data(void **state)
{
	scoped_free char *script =
		mem_printf("umount -l %s/managed/*/net; rm -rf %s", w.run, w.run);
	const char *argv[] = { "sh", "-c", script, NULL };
	struct cgroups *groups;
	char text[100];
	MYSQL *c;
	int status;

	(void)state;
	stop_managed();
	assert_int_equal(cgroups_open(&groups, NULL), 0);
	(void)cgroup_kill(groups, w.cgroup);
	cgroups_close(groups);
	assert_int_equal(
		process_run(&(struct process_spec){ .argv = argv }, NULL, NULL, &status, NULL), 0);
	start_managed();
	wait_for(DB, "main", is_not_available);
	assert_string_equal(val_cstr(val_path(fake_api_get(w.api, DB, "shop", "main"),
	                                      "status.dbInstanceStatus")),
	                    "rebooting");
	wait_for(DB, "main", is_available);
	wait_for(CACHE, "main", is_available);
	c = connect_db("password-2", true);
	assert_non_null(c);
	ask(c, "select name from dogs", text, sizeof(text));
	assert_string_equal(text, "Rex");
	mysql_close(c);
	redis("set dog Rex", text, sizeof(text));
}

static void a_parameter_group_is_followed(void **state)
{
	MYSQL *c = connect_db("password-2", false);

	(void)state;
	assert_non_null(c);
	mysql_close(c);
	fake_api_patch(w.api, DB, "shop", "main",
	               "{\"spec\":{\"dbParameterGroupRef\":{\"from\":{\"name\":\"tls\"}}}}");
	wait_for(DB, "main", is_recoverable);
	fake_api_apply(w.api, "dbparametergroups",
	               "{\"metadata\":{\"name\":\"tls\",\"namespace\":\"shop\"},\"spec\":{"
	               "\"parameterOverrides\":"
	               "{\"require_secure_transport\":\"1\"}}}");
	wait_for(DB, "main", is_not_available);
	wait_for(DB, "main", is_available);
	assert_null(connect_db("password-2", false));
	c = connect_db("password-2", true);
	assert_non_null(c);
	mysql_close(c);
}

static void a_cache_changes_to_tls(void **state)
{
	scoped_free char *with_tls = mem_printf("--tls --cacert %s get dog", w.ca);
	char text[400];

	(void)state;
	fake_api_patch(w.api, CACHE, "shop", "main",
	               "{\"spec\":{\"transitEncryptionEnabled\":true}}");
	wait_for(CACHE, "main", is_not_available);
	wait_for(CACHE, "main", is_available);
	redis(with_tls, text, sizeof(text));
	assert_string_equal(text, "Rex\n"); /* what it held outlives the change */
	redis("get dog", text, sizeof(text));
	assert_null(strstr(text, "Rex"));
}

static void what_cannot_be_is_said(void **state)
{
	(void)state;
	fake_api_patch(w.api, DB, "shop", "main", "{}");
	database("other", ",\"port\":3307");
	fake_api_patch(w.api, DB, "shop", "other", "{\"spec\":{\"engine\":\"postgres\"}}");
	wait_for(DB, "other", is_terminal);
	assert_non_null(strstr(val_cstr(val_get(condition(fake_api_get(w.api, DB, "shop", "other"),
	                                                  "ACK.Terminal"),
	                                        "message")),
	                       "postgres has no local equivalent"));
	fake_api_delete(w.api, DB, "shop", "other");
	wait_for(DB, "other", is_gone);
	database("second", "");
	fake_api_patch(w.api, DB, "shop", "second",
	               "{\"spec\":{\"dbInstanceIdentifier\":\"main\"}}");
	wait_for(DB, "second", is_terminal);
	assert_string_equal(val_cstr(val_get(condition(fake_api_get(w.api, DB, "shop", "second"),
	                                               "ACK.Terminal"),
	                                     "message")),
	                    "Resource already exists");
	fake_api_delete(w.api, DB, "shop", "second");
	wait_for(DB, "second", is_gone);
}

static bool is_starting(const struct val *o)
{
	(void)o;
	return server_pid("mariadbd") > 0;
}

static void one_can_be_deleted_while_it_starts(void **state)
{
	scoped_free char *pins = mem_printf("%s/managed", w.run);
	int64_t begin;

	(void)state;
	assert_int_equal(server_pid("mariadbd"), 0);
	database("early", "");
	wait_for(DB, "early", is_starting);
	begin = clock_mono_us();
	fake_api_delete(w.api, DB, "shop", "early");
	wait_for(DB, "early", is_gone);
	assert_int_equal(rmdir(pins), 0);                     /* nothing is left in it */
	assert_true(clock_mono_us() - begin < 15 * US_PER_S); /* far less than the grace */
	assert_int_equal(server_pid("mariadbd"), 0);
}

static void deletion_is_refused_while_protected_and_leaves_a_snapshot(void **state)
{
	scoped_free char *data = mem_printf("%s/managed/mysql/shop/main", w.home),
			 *snapshot = mem_printf("%s/managed/snapshots/main-final/pets", w.home);

	(void)state;
	fake_api_patch(w.api, DB, "shop", "main", "{\"spec\":{\"deletionProtection\":true}}");
	fake_api_delete(w.api, DB, "shop", "main");
	wait_for(DB, "main", is_recoverable);
	assert_true(server_pid("mariadbd") > 0);
	fake_api_patch(w.api, DB, "shop", "main", "{\"spec\":{\"deletionProtection\":false}}");
	fake_api_delete(w.api, CACHE, "shop", "main");
	wait_for(DB, "main", is_gone);
	wait_for(CACHE, "main", is_gone);
	assert_int_equal(server_pid("mariadbd"), 0);
	assert_int_equal(server_pid("redis-server"), 0);
	assert_int_not_equal(access(data, F_OK), 0);
	assert_int_equal(access(snapshot, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_database_waits_for_its_secret),
		cmocka_unit_test(both_become_available_and_say_where),
		cmocka_unit_test(the_master_user_comes_in_by_tls_and_has_no_rights_over_the_host),
		cmocka_unit_test(servers_listen_on_their_own_address_only),
		cmocka_unit_test(a_cache_answers_and_withholds_what_the_service_withholds),
		cmocka_unit_test(a_killed_server_comes_back_with_its_data),
		cmocka_unit_test(a_new_password_is_followed_without_a_restart),
		cmocka_unit_test(a_restarted_node_takes_up_what_runs),
		cmocka_unit_test(an_instance_that_was_down_finds_its_data),
		cmocka_unit_test(a_parameter_group_is_followed),
		cmocka_unit_test(a_cache_changes_to_tls),
		cmocka_unit_test(what_cannot_be_is_said),
		cmocka_unit_test(deletion_is_refused_while_protected_and_leaves_a_snapshot),
		cmocka_unit_test(one_can_be_deleted_while_it_starts),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
