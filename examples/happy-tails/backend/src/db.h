/* What: a pool of TLS connections to MySQL; prepared statements only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

struct db;
struct db_conn;

/* A parameter: text, or a number when text is null. */
struct db_param {
	const char *text;
	long long number;
};
#define DB_TEXT(t)   ((struct db_param){ .text = (t) })
#define DB_NUMBER(n) ((struct db_param){ .number = (n) })

/* Rows as text; cells[row * columns + column], null for NULL. */
struct db_result {
	char **cells;
	size_t rows, columns;
	unsigned long long insert_id, affected;
};

enum db_status {
	DB_OK,
	DB_DUPLICATE, /* a unique key refused it */
	DB_ORPHAN,    /* what it refers to is not there */
	DB_FAILED     /* the database is away, or the statement is wrong; the log says which */
};

struct db *db_new(const struct config *c, int size);
/* A connected connection from the pool, waiting at most 5 s for a free one and 3 s for the server;
 * null when the database is away. After a failed try nobody tries for half a second: the answer is
 * null at once. */
struct db_conn *db_take(struct db *db);
/* Gives it back; a broken one is closed and made anew at the next take. */
void db_give(struct db *db, struct db_conn *conn);
enum db_status db_run(struct db_conn *conn, const char *sql, const struct db_param *params,
                      size_t n, struct db_result *ret);
/* Several db_run as one: all or nothing. db_commit: DB_OK or DB_FAILED. */
enum db_status db_begin(struct db_conn *conn);
enum db_status db_commit(struct db_conn *conn);
void db_rollback(struct db_conn *conn);
void db_result_free(struct db_result *r);
/* take + run + give; on a connection that proves dead before the statement ran, once more. ret may
 * be null. */
enum db_status db_do(struct db *db, const char *sql, const struct db_param *params, size_t n,
                     struct db_result *ret);
/* Milliseconds of a round trip, or -1. */
double db_ping(struct db *db);
/* It answered within the last second, or does now. Under load, a busy pool is not taken for a dead
 * database. */
bool db_is_up(struct db *db);
void db_stats(struct db *db, int *open, int *busy);
/* No other thread uses it any more. */
void db_free(struct db *db);

static inline const char *db_cell(const struct db_result *r, size_t row, size_t column)
{
	return r->cells[row * r->columns + column];
}
