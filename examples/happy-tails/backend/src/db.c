/* Why: connections are dear (a TLS handshake each), so they are kept; see db.h. */
#include "db.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mysql.h>
#include <mysqld_error.h>

#include "log.h"

struct db_conn {
	MYSQL *mysql; /* null: not connected */
	bool busy, broken;
};

struct db {
	const struct config *config;
	pthread_mutex_t lock;
	pthread_cond_t freed;
	int size;
	struct db_conn conns[];
};

enum { WAIT_S = 5, CONNECT_S = 3, IO_S = 10, COLUMNS_MAX = 16 };

struct db *db_new(const struct config *c, int size)
{
	struct db *db = calloc(1, sizeof(*db) + (size_t)size * sizeof(db->conns[0]));

	if (db && mysql_library_init(0, NULL, NULL) == 0) {
		db->config = c;
		db->size = size;
		pthread_mutex_init(&db->lock, NULL);
		pthread_cond_init(&db->freed, NULL);
	}
	return db;
}

static MYSQL *open_connection(const struct config *c)
{
	MYSQL *m = mysql_init(NULL);
	unsigned connect_s = CONNECT_S, io_s = IO_S;
	my_bool verify = 1;

	if (!m) {
		return NULL;
	}
	mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &io_s);
	mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
	mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	if (c->db_ca) {
		/* The one CA: the system's bundle costs 70 ms a connection. */
		mysql_ssl_set(m, NULL, NULL, c->db_ca, NULL, NULL);
		mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
	}
	if (!mysql_real_connect(m, c->db_host, c->db_user, c->db_password, c->db_name, (unsigned)c->db_port,
				NULL, 0)) {
		log_warn("database %s:%d: %s", c->db_host, c->db_port, mysql_error(m));
		mysql_close(m);
		return NULL;
	}
	return m;
}

struct db_conn *db_take(struct db *db)
{
	struct db_conn *conn = NULL;
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_S;
	pthread_mutex_lock(&db->lock);
	while (!conn) {
		for (int i = 0; i < db->size && !(conn && conn->mysql); i++) {
			if (!db->conns[i].busy && (!conn || db->conns[i].mysql)) {
				conn = &db->conns[i]; /* a connected one if there is */
			}
		}
		if (!conn && pthread_cond_timedwait(&db->freed, &db->lock, &end) != 0) {
			break;
		}
	}
	if (conn) {
		conn->busy = true;
	}
	pthread_mutex_unlock(&db->lock);
	if (conn && conn->mysql && mysql_ping(conn->mysql) != 0) {
		mysql_close(conn->mysql);
		conn->mysql = NULL;
	}
	if (conn && !conn->mysql) {
		conn->mysql = open_connection(db->config);
		conn->broken = false;
		if (!conn->mysql) {
			db_give(db, conn);
			return NULL;
		}
	}
	return conn;
}

void db_give(struct db *db, struct db_conn *conn)
{
	if (conn->broken && conn->mysql) {
		mysql_close(conn->mysql);
		conn->mysql = NULL;
	}
	pthread_mutex_lock(&db->lock);
	conn->busy = false;
	pthread_cond_signal(&db->freed);
	pthread_mutex_unlock(&db->lock);
}

static enum db_status failed(struct db_conn *conn, MYSQL_STMT *stmt)
{
	unsigned code = mysql_stmt_errno(stmt);

	if (code == ER_DUP_ENTRY) {
		return DB_DUPLICATE;
	}
	log_error("database: %s", mysql_stmt_error(stmt));
	conn->broken = code >= 2000 && code < 3000; /* the client library's own: connection is gone */
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

enum db_status db_run(struct db_conn *conn, const char *sql, const struct db_param *params, size_t n,
		      struct db_result *ret)
{
	MYSQL_BIND in[COLUMNS_MAX] = { 0 };
	unsigned long lengths[COLUMNS_MAX];
	struct db_result none = { 0 }, *result = ret ? ret : &none;
	MYSQL_STMT *stmt = mysql_stmt_init(conn->mysql);
	enum db_status status = DB_OK;

	*result = (struct db_result){ 0 };
	if (!stmt || n > COLUMNS_MAX) {
		return DB_FAILED;
	}
	for (size_t i = 0; i < n; i++) {
		if (params[i].text) {
			lengths[i] = strlen(params[i].text);
			in[i].buffer_type = MYSQL_TYPE_STRING;
			in[i].buffer = (void *)params[i].text;
			in[i].buffer_length = lengths[i];
			in[i].length = &lengths[i];
		} else {
			in[i].buffer_type = MYSQL_TYPE_LONGLONG;
			in[i].buffer = (void *)&params[i].number;
		}
	}
	if (mysql_stmt_prepare(stmt, sql, strlen(sql)) || (n && mysql_stmt_bind_param(stmt, in)) ||
	    mysql_stmt_execute(stmt) || !fetch(stmt, result)) {
		status = failed(conn, stmt);
	} else {
		result->insert_id = mysql_stmt_insert_id(stmt);
		result->affected = mysql_stmt_affected_rows(stmt);
	}
	mysql_stmt_close(stmt);
	if (status != DB_OK || !ret) {
		db_result_free(result);
	}
	return status;
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
	struct db_conn *conn = db_take(db);
	enum db_status status;

	if (ret) {
		*ret = (struct db_result){ 0 };
	}
	if (!conn) {
		return DB_FAILED;
	}
	status = db_run(conn, sql, params, n, ret);
	db_give(db, conn);
	return status;
}

double db_ping(struct db *db)
{
	struct timespec a, b;
	enum db_status status;

	clock_gettime(CLOCK_MONOTONIC, &a);
	status = db_do(db, "SELECT 1", NULL, 0, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return status == DB_OK ? (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6 :
				 -1;
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
		if (db->conns[i].mysql) {
			mysql_close(db->conns[i].mysql);
		}
	}
	free(db);
	mysql_library_end();
}
