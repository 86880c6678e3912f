/* Why: connections are dear (a TLS handshake each), so they are kept; see db.h. */
#include "db.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mysql.h>
#include <mysqld_error.h>

#include "log.h"

struct db_conn {
	struct db *db;
	MYSQL *mysql; /* null: not connected */
	bool busy, broken;
	bool unsent; /* broke before the last statement could have run */
};

struct db {
	const struct config *config;
	pthread_mutex_t lock;
	pthread_cond_t freed;
	int64_t retry_ms; /* no connection is tried before */
	bool away;        /* said so in the log */
	atomic_llong answered_ms;
	int size;
	struct db_conn conns[];
};

enum {
	WAIT_S = 5,
	CONNECT_S = 3,
	IO_S = 8,
	RETRY_MS = 500,
	AGAIN_MS = 2000, /* a statement is not tried again once that much time is lost */
	FRESH_MS = 1000,
	COLUMNS_MAX = 16
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct db *db_new(const struct config *c, int size)
{
	struct db *db = calloc(1, sizeof(*db) + (size_t)size * sizeof(db->conns[0]));

	if (!db || mysql_library_init(0, NULL, NULL) != 0) {
		free(db);
		return NULL;
	}
	db->config = c;
	db->size = size;
	atomic_store(&db->answered_ms, -FRESH_MS);
	pthread_mutex_init(&db->lock, NULL);
	pthread_cond_init(&db->freed, NULL);
	for (int i = 0; i < size; i++) {
		db->conns[i].db = db;
	}
	return db;
}

static MYSQL *new_handle(const struct config *c)
{
	MYSQL *m = mysql_init(NULL);
	unsigned tcp = MYSQL_PROTOCOL_TCP, connect_s = CONNECT_S, io_s = IO_S, no_files = 0;
	my_bool yes = 1;

	if (!m) {
		return NULL;
	}
	mysql_options(m, MYSQL_OPT_PROTOCOL,
	              &tcp); /* also for "localhost", which else is a socket file */
	mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &io_s);
	mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
	mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &no_files); /* a server cannot ask for our files */
	mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(m, MYSQL_INIT_COMMAND, "SET time_zone = '+00:00'");
	if (c->db_ca) {
		/* The one CA: the system's bundle costs 70 ms a connection. */
		mysql_ssl_set(m, NULL, NULL, c->db_ca, NULL, NULL);
		mysql_options(m, MYSQL_OPT_SSL_ENFORCE, &yes);
		mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
	}
	return m;
}

/* What is said of a failure is said once, not at every try. */
static void note_away(struct db *db, const char *why)
{
	const struct config *c = db->config;
	bool first;

	pthread_mutex_lock(&db->lock);
	db->retry_ms = now_ms() + RETRY_MS;
	first = !db->away;
	db->away = true;
	pthread_mutex_unlock(&db->lock);
	if (first) {
		log_warn("database %s:%d is away: %s", c->db_host, c->db_port, why);
	}
}

static void note_back(struct db *db)
{
	bool was_away;

	pthread_mutex_lock(&db->lock);
	was_away = db->away;
	db->away = false;
	db->retry_ms = 0;
	pthread_mutex_unlock(&db->lock);
	if (was_away) {
		log_info("database %s:%d answers", db->config->db_host, db->config->db_port);
	}
}

static bool may_try(struct db *db)
{
	bool may;

	pthread_mutex_lock(&db->lock);
	may = now_ms() >= db->retry_ms;
	pthread_mutex_unlock(&db->lock);
	return may;
}

static bool open_connection(struct db_conn *conn)
{
	const struct config *c = conn->db->config;
	MYSQL *m = may_try(conn->db) ? new_handle(c) : NULL;

	if (!m) {
		return false;
	}
	if (!mysql_real_connect(m, c->db_host, c->db_user, c->db_password, c->db_name,
	                        (unsigned)c->db_port, NULL, 0)) {
		note_away(conn->db, mysql_error(m));
		mysql_close(m);
		return false;
	}
	note_back(conn->db);
	conn->mysql = m;
	conn->broken = conn->unsent = false;
	return true;
}

static void close_connection(struct db_conn *conn)
{
	if (conn->mysql) {
		mysql_close(conn->mysql);
		conn->mysql = NULL;
	}
}

/* A free one, a connected one if there is; null: all busy. The lock is held. */
static struct db_conn *find_free(struct db *db)
{
	struct db_conn *found = NULL;

	for (int i = 0; i < db->size && !(found && found->mysql); i++) {
		if (!db->conns[i].busy && (!found || db->conns[i].mysql)) {
			found = &db->conns[i];
		}
	}
	return found;
}

struct db_conn *db_take(struct db *db)
{
	struct db_conn *conn;
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_S;
	pthread_mutex_lock(&db->lock);
	while (!(conn = find_free(db))) {
		if (pthread_cond_timedwait(&db->freed, &db->lock, &end) != 0) {
			break;
		}
	}
	if (conn) {
		conn->busy = true;
	}
	pthread_mutex_unlock(&db->lock);
	if (!conn) {
		log_warn("database: all %d connections were busy for %d s", db->size, WAIT_S);
		return NULL;
	}
	if (!conn->mysql && !open_connection(conn)) {
		db_give(db, conn);
		return NULL;
	}
	return conn;
}

void db_give(struct db *db, struct db_conn *conn)
{
	MYSQL *dead = NULL;

	pthread_mutex_lock(&db->lock);
	if (conn->broken) {
		dead = conn->mysql;
		conn->mysql = NULL;
	}
	conn->busy = false;
	pthread_cond_signal(&db->freed);
	pthread_mutex_unlock(&db->lock);
	if (dead) {
		mysql_close(dead);
	}
}

/* What became of a statement. sent: it may have run. */
static enum db_status failed(struct db_conn *conn, unsigned code, const char *why, bool sent)
{
	if (code == ER_DUP_ENTRY) {
		return DB_DUPLICATE;
	}
	if (code == ER_NO_REFERENCED_ROW_2) {
		return DB_ORPHAN;
	}
	conn->broken =
		code >= 2000 && code < 3000; /* the client library's own: the connection is gone */
	conn->unsent = conn->broken && !sent;
	if (!conn->unsent) {
		log_error("database: %s", why);
	}
	return DB_FAILED;
}

/* Fetches every row as text. */
static bool fetch(MYSQL_STMT *stmt, struct db_result *ret)
{
	MYSQL_BIND out[COLUMNS_MAX] = { 0 };
	unsigned long lengths[COLUMNS_MAX];
	my_bool nulls[COLUMNS_MAX];
	unsigned columns = mysql_stmt_field_count(stmt);
	size_t room = 0;
	int r;

	if (columns == 0) {
		return true;
	}
	if (columns > COLUMNS_MAX) {
		return false;
	}
	for (unsigned i = 0; i < columns; i++) {
		out[i].buffer_type = MYSQL_TYPE_STRING;
		out[i].length = &lengths[i];
		out[i].is_null = &nulls[i];
	}
	ret->columns = columns;
	if (mysql_stmt_bind_result(stmt, out) || mysql_stmt_store_result(stmt)) {
		return false;
	}
	while ((r = mysql_stmt_fetch(stmt)) == 0 || r == MYSQL_DATA_TRUNCATED) {
		if (ret->rows == room) {
			char **more;

			room = room ? room * 2 : 16;
			more = realloc(ret->cells, room * columns * sizeof(char *));
			if (!more) {
				return false;
			}
			ret->cells = more;
		}
		memset(&ret->cells[ret->rows * columns], 0, columns * sizeof(char *));
		ret->rows++;
		for (unsigned i = 0; i < columns; i++) {
			char **cell = &ret->cells[(ret->rows - 1) * columns + i];
			MYSQL_BIND one = { .buffer_type = MYSQL_TYPE_STRING };

			*cell = nulls[i] ? NULL : calloc(1, lengths[i] + 1);
			if (*cell && lengths[i]) {
				one.buffer = *cell;
				one.buffer_length = lengths[i];
				if (mysql_stmt_fetch_column(stmt, &one, i, 0)) {
					return false;
				}
			}
		}
	}
	return r == MYSQL_NO_DATA;
}

static void bind_input(MYSQL_BIND *in, const struct db_param *params, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (params[i].text) {
			in[i].buffer_type = MYSQL_TYPE_STRING;
			in[i].buffer = (void *)params[i].text;
			in[i].buffer_length = strlen(params[i].text);
			in[i].length = &in[i].buffer_length;
		} else {
			in[i].buffer_type = MYSQL_TYPE_LONGLONG;
			in[i].buffer = (void *)&params[i].number;
		}
	}
}

enum db_status db_run(struct db_conn *conn, const char *sql, const struct db_param *params,
                      size_t n, struct db_result *ret)
{
	MYSQL_BIND in[COLUMNS_MAX] = { 0 };
	struct db_result none = { 0 }, *result = ret ? ret : &none;
	MYSQL_STMT *stmt = n <= COLUMNS_MAX ? mysql_stmt_init(conn->mysql) : NULL;
	enum db_status status = DB_OK;

	*result = (struct db_result){ 0 };
	if (!stmt) {
		return DB_FAILED;
	}
	bind_input(in, params, n);
	if (mysql_stmt_prepare(stmt, sql, strlen(sql)) || (n && mysql_stmt_bind_param(stmt, in))) {
		status = failed(conn, mysql_stmt_errno(stmt), mysql_stmt_error(stmt), false);
	} else if (mysql_stmt_execute(stmt) || !fetch(stmt, result)) {
		status = failed(conn, mysql_stmt_errno(stmt), mysql_stmt_error(stmt), true);
	} else {
		result->insert_id = mysql_stmt_insert_id(stmt);
		result->affected = mysql_stmt_affected_rows(stmt);
		atomic_store(&conn->db->answered_ms, now_ms());
	}
	mysql_stmt_close(stmt);
	if (status != DB_OK || !ret) {
		db_result_free(result);
	}
	return status;
}

enum db_status db_begin(struct db_conn *conn)
{
	return mysql_autocommit(conn->mysql, 0) == 0
	               ? DB_OK
	               : failed(conn, mysql_errno(conn->mysql), mysql_error(conn->mysql), false);
}

enum db_status db_commit(struct db_conn *conn)
{
	if (mysql_commit(conn->mysql) != 0 || mysql_autocommit(conn->mysql, 1) != 0) {
		enum db_status status =
			failed(conn, mysql_errno(conn->mysql), mysql_error(conn->mysql), true);

		conn->broken = true; /* never back into the pool inside a transaction */
		return status;
	}
	return DB_OK;
}

void db_rollback(struct db_conn *conn)
{
	if (conn->broken || mysql_rollback(conn->mysql) != 0 ||
	    mysql_autocommit(conn->mysql, 1) != 0) {
		conn->broken = true;
	}
}

void db_result_free(struct db_result *r)
{
	for (size_t i = 0; r->cells && i < r->rows * r->columns; i++) {
		free(r->cells[i]);
	}
	free(r->cells);
	r->cells = NULL;
	r->rows = 0;
}

enum db_status db_do(struct db *db, const char *sql, const struct db_param *params, size_t n,
                     struct db_result *ret)
{
	enum db_status status = DB_FAILED;
	int64_t start = now_ms();
	bool again = true;

	if (ret) {
		*ret = (struct db_result){ 0 };
	}
	/* Every kept connection may be dead when the server was away for a moment. */
	for (int i = 0; again && i <= db->size; i++) {
		struct db_conn *conn = db_take(db);

		if (!conn) {
			return DB_FAILED;
		}
		status = db_run(conn, sql, params, n, ret);
		again = status == DB_FAILED && conn->unsent && now_ms() - start < AGAIN_MS;
		db_give(db, conn);
	}
	return status;
}

double db_ping(struct db *db)
{
	struct timespec a, b;
	enum db_status status;

	clock_gettime(CLOCK_MONOTONIC, &a);
	status = db_do(db, "SELECT 1", NULL, 0, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return status == DB_OK
	               ? (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6
	               : -1;
}

bool db_is_up(struct db *db)
{
	return now_ms() - atomic_load(&db->answered_ms) < FRESH_MS || db_ping(db) >= 0;
}

void db_stats(struct db *db, int *open, int *busy)
{
	*open = *busy = 0;
	pthread_mutex_lock(&db->lock);
	for (int i = 0; i < db->size; i++) {
		*open += db->conns[i].mysql != NULL;
		*busy += db->conns[i].busy;
	}
	pthread_mutex_unlock(&db->lock);
}

void db_free(struct db *db)
{
	for (int i = 0; i < db->size; i++) {
		close_connection(&db->conns[i]);
	}
	pthread_cond_destroy(&db->freed);
	pthread_mutex_destroy(&db->lock);
	free(db);
	mysql_library_end();
}
