/* Why: durable objects in one file with a write-ahead log; see db.h. */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/must.h"

#define APPLICATION_ID 0x6b6e6e6c /* "knnl" in the file's header */
#define FORMAT         1          /* of the tables below */
#define DEFINITION     "CustomResourceDefinition.apiextensions.k8s.io"

static const char schema[] =
	"CREATE TABLE object(id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, kind TEXT NOT NULL,"
	" json TEXT NOT NULL);"
	"CREATE TABLE change(revision INTEGER PRIMARY KEY, type INTEGER NOT NULL, id INTEGER NOT "
	"NULL,"
	" before INTEGER NOT NULL, kind TEXT NOT NULL, json TEXT NOT NULL);";

#define LATEST "(SELECT max(revision) FROM change WHERE revision <= ?1 AND type < 3 GROUP BY id)"
#define PRESENT                                                                                    \
	"SELECT id, revision, kind, json FROM change WHERE type < 2 AND revision IN " LATEST       \
	" AND (?2 = '' OR kind = ?2) UNION ALL SELECT id, revision, kind, json FROM object"        \
	" WHERE id NOT IN (SELECT id FROM change) AND (?2 = '' OR kind = ?2)"

/* clang-format off */
enum statement {
	BEGIN, COMMIT, ROLLBACK, INSERT, FOLD_STATES, FOLD_DELETED, FOLD_CHANGES, /* of the writer */
	READ_CHANGE, READ_OBJECT,                                                 /* of the reader */
	STATEMENTS,
};
static const char *const statements[STATEMENTS] = {
	[BEGIN]        = "BEGIN IMMEDIATE",
	[COMMIT]       = "COMMIT",
	[ROLLBACK]     = "ROLLBACK",
	[INSERT]       = "INSERT INTO change(revision, type, id, before, kind, json) VALUES(?1,?2,?3,?4,?5,?6)",
	[FOLD_STATES]  = "INSERT OR REPLACE INTO object(id, revision, kind, json) SELECT id, revision, kind, json"
	                 " FROM change WHERE type < 2 AND revision IN " LATEST,
	[FOLD_DELETED] = "DELETE FROM object WHERE id IN (SELECT id FROM change WHERE revision <= ?1 AND type = 2)",
	[FOLD_CHANGES] = "DELETE FROM change WHERE revision <= ?1",
	[READ_CHANGE]  = "SELECT json FROM change WHERE revision = ?1 AND id = ?2",
	[READ_OBJECT]  = "SELECT json FROM object WHERE revision = ?1 AND id = ?2",
};
/* clang-format on */

struct db {
	sqlite3 *writer, *reader; /* owned; the same one in memory */
	sqlite3_stmt *prepared[STATEMENTS];
	char *path; /* owned; null in memory */
	int lock;   /* descriptor; -1 in memory */
};

static const char *name_of(const struct db *db)
{
	return db->path ? db->path : "in memory";
}

/* Raises what SQLite says about a connection. */
static int fail(const struct db *db, sqlite3 *c, struct err *err)
{
	int code = sqlite3_errcode(c) & 0xff;

	if (code == SQLITE_NOTADB) {
		return err_raise(err, ERR_SYNTAX, "%s is not a kennel store; move it away",
		                 name_of(db));
	}
	if (code == SQLITE_CORRUPT) {
		return err_raise(
			err, ERR_SYNTAX,
			"the store %s is damaged (%s); restore it from a copy or move it away",
			name_of(db), sqlite3_errmsg(c));
	}
	return err_raise(err, ERR_IO, "store %s: %s", name_of(db), sqlite3_errmsg(c));
}

/* ---- opening ---- */

static int take_lock(struct db *db, struct err *err)
{
	scoped_free char *path = mem_printf("%s-lock", db->path);
	scoped_fd int file = open(db->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (file < 0) {
		return err_sys(err, "open the store %s", db->path);
	}
	if (fchmod(file, 0600) < 0) {
		return err_sys(err, "make the store %s private", db->path);
	}
	db->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (db->lock < 0) {
		return err_sys(err, "open %s", path);
	}
	if (flock(db->lock, LOCK_EX | LOCK_NB) < 0) {
		return errno == EWOULDBLOCK
		               ? err_raise(err, ERR_UNAVAILABLE,
		                           "the store %s is in use by another process", db->path)
		               : err_sys(err, "lock %s", path);
	}
	return 0;
}

static int run(struct db *db, sqlite3 *c, const char *sql, struct err *err)
{
	return sqlite3_exec(c, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(db, c, err);
}

/* The first number that a statement yields. */
static int ask(struct db *db, const char *sql, int64_t *ret, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int r = 0;

	if (sqlite3_prepare_v2(db->writer, sql, -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW) {
		r = fail(db, db->writer, err);
	} else {
		*ret = sqlite3_column_int64(s, 0);
	}
	sqlite3_finalize(s);
	return r;
}

static int make_tables(struct db *db, struct err *err)
{
	char sql[1024];

	snprintf(sql, sizeof(sql),
	         "BEGIN;%s PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT;", schema,
	         APPLICATION_ID, FORMAT);
	return run(db, db->writer, sql, err);
}

static int check_format(struct db *db, struct err *err)
{
	int64_t application = 0, format = 0, tables = 0;
	int r = ask(db, "PRAGMA application_id", &application, err);

	r = r < 0 ? r : ask(db, "PRAGMA user_version", &format, err);
	r = r < 0 ? r : ask(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
	if (r < 0) {
		return r;
	}
	if (!tables && !application) {
		return make_tables(db, err);
	}
	if (application != APPLICATION_ID) {
		return err_raise(err, ERR_SYNTAX,
		                 "%s is a database, but not a kennel store; move it away",
		                 name_of(db));
	}
	if (format != FORMAT) {
		return err_raise(err, ERR_SYNTAX,
		                 "the store %s has format %d, and this kennel reads %d; use the "
		                 "kennel that wrote it",
		                 name_of(db), (int)format, FORMAT);
	}
	return 0;
}

static int connect_to(struct db *db, sqlite3 **ret, struct err *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW;

	if (sqlite3_open_v2(db->path ? db->path : ":memory:", ret, flags, NULL) != SQLITE_OK) {
		return fail(db, *ret, err);
	}
	sqlite3_extended_result_codes(*ret, 1);
	sqlite3_busy_timeout(*ret, 10000); /* the other connection, while it checkpoints */
	return 0;
}

static int prepare(struct db *db, struct err *err)
{
	for (size_t i = 0; i < STATEMENTS; i++) {
		sqlite3 *c = i < READ_CHANGE ? db->writer : db->reader;

		if (sqlite3_prepare_v3(c, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
		                       &db->prepared[i], NULL) != SQLITE_OK) {
			return fail(db, c, err);
		}
	}
	return 0;
}

static int open_all(struct db *db, struct err *err)
{
	int r = db->path ? take_lock(db, err) : 0;

	r = r < 0 ? r : connect_to(db, &db->writer, err);
	r = r < 0 ? r
	          : run(db, db->writer, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", err);
	r = r < 0 ? r : check_format(db, err);
	if (r < 0) {
		return r;
	}
	if (!db->path) {
		db->reader = db->writer;
	} else {
		r = connect_to(db, &db->reader, err);
	}
	return r < 0 ? r : prepare(db, err);
}

int db_open(const char *path, struct db **ret, struct err *err)
{
	struct db *db = NEW(struct db);
	int r;

	db->lock = -1;
	db->path = mem_strdup(path);
	r = open_all(db, err);
	if (r < 0) {
		db_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

struct db *db_close(struct db *db)
{
	if (!db) {
		return NULL;
	}
	for (size_t i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(db->prepared[i]);
	}
	if (db->reader != db->writer) {
		sqlite3_close(db->reader);
	}
	sqlite3_close(db->writer);
	if (db->lock >= 0) {
		close(db->lock);
	}
	free(db->path);
	free(db);
	return NULL;
}

bool db_is_in_memory(const struct db *db)
{
	return !db->path;
}

/* ---- writing ---- */

static int step(struct db *db, enum statement which, struct err *err)
{
	sqlite3_stmt *s = db->prepared[which];
	int code = sqlite3_step(s);
	int r = code == SQLITE_DONE || code == SQLITE_ROW ? 0 : fail(db, db->writer, err);

	sqlite3_reset(s);
	return r;
}

static int insert(struct db *db, const struct change *c, struct err *err)
{
	sqlite3_stmt *s = db->prepared[INSERT];
	const struct stored *o = c->now;
	char kind[256] = "";
	int r;

	if (o) {
		snprintf(kind, sizeof(kind), "%s%s%s", o->kind->kind, *o->kind->group ? "." : "",
		         o->kind->group);
	}
	sqlite3_bind_int64(s, 1, (sqlite3_int64)c->revision);
	sqlite3_bind_int(s, 2, c->type);
	sqlite3_bind_int64(s, 3, o ? (sqlite3_int64)o->id : 0);
	sqlite3_bind_int64(s, 4, (sqlite3_int64)c->before);
	sqlite3_bind_text(s, 5, kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 6, o ? o->json.p : "", o ? (int)o->json.len : 0, SQLITE_STATIC);
	r = step(db, INSERT, err);
	sqlite3_clear_bindings(s);
	return r;
}

static int fold(struct db *db, uint64_t to, struct err *err)
{
	for (enum statement i = FOLD_STATES; i <= FOLD_CHANGES; i++) {
		int r;

		sqlite3_bind_int64(db->prepared[i], 1, (sqlite3_int64)to);
		r = step(db, i, err);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int write_all(struct db *db, const struct batch *b, struct err *err)
{
	for (size_t i = 0; i < b->changes.n; i++) {
		int r = insert(db, &b->changes.at[i], err);

		if (r < 0) {
			return r;
		}
	}
	return b->fold_to ? fold(db, b->fold_to, err) : 0;
}

int db_write(struct db *db, const struct batch *b, struct err *err)
{
	int r = step(db, BEGIN, err);

	if (r < 0) {
		return r;
	}
	r = write_all(db, b, err);
	r = r < 0 ? r : step(db, COMMIT, err);
	if (r < 0 && !sqlite3_get_autocommit(db->writer)) {
		(void)step(db, ROLLBACK, NULL); /* the first failure is the one to tell */
	}
	return r;
}

/* ---- reading ---- */

static struct slice text_at(sqlite3_stmt *s, int column)
{
	const char *p = (const char *)sqlite3_column_text(s, column);

	return (struct slice){ p ? p : "", (size_t)sqlite3_column_bytes(s, column) };
}

static int each_object(struct db *db, sqlite3_stmt *s, db_object_fn *fn, void *arg, struct err *err)
{
	int code;

	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		struct db_object o = { .id = (uint64_t)sqlite3_column_int64(s, 0),
			               .revision = (uint64_t)sqlite3_column_int64(s, 1),
			               .kind = text_at(s, 2),
			               .json = text_at(s, 3) };
		int r = fn(arg, &o, err);

		if (r < 0) {
			return err_while(err, r, "the store %s is damaged at revision %llu",
			                 name_of(db), (unsigned long long)o.revision);
		}
	}
	return code == SQLITE_DONE ? 0 : fail(db, db->reader, err);
}

int db_each_object(struct db *db, bool only_definitions, db_object_fn *fn, void *arg,
                   struct err *err)
{
	sqlite3_stmt *s = NULL;
	int r;

	if (sqlite3_prepare_v2(db->reader, PRESENT, -1, &s, NULL) != SQLITE_OK) {
		return fail(db, db->reader, err);
	}
	sqlite3_bind_int64(s, 1, INT64_MAX);
	sqlite3_bind_text(s, 2, only_definitions ? DEFINITION : "", -1, SQLITE_STATIC);
	r = each_object(db, s, fn, arg, err);
	sqlite3_finalize(s);
	return r;
}

static int each_change(struct db *db, sqlite3_stmt *s, db_change_fn *fn, void *arg, struct err *err)
{
	int code;

	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		struct db_change c = { .revision = (uint64_t)sqlite3_column_int64(s, 0),
			               .type = sqlite3_column_int(s, 1),
			               .id = (uint64_t)sqlite3_column_int64(s, 2),
			               .before = (uint64_t)sqlite3_column_int64(s, 3),
			               .kind = text_at(s, 4) };
		int r = fn(arg, &c, err);

		if (r < 0) {
			return r;
		}
	}
	return code == SQLITE_DONE ? 0 : fail(db, db->reader, err);
}

int db_each_change(struct db *db, db_change_fn *fn, void *arg, struct err *err)
{
	static const char sql[] =
		"SELECT revision, type, id, before, kind FROM change ORDER BY revision";
	sqlite3_stmt *s = NULL;
	int r;

	if (sqlite3_prepare_v2(db->reader, sql, -1, &s, NULL) != SQLITE_OK) {
		return fail(db, db->reader, err);
	}
	r = each_change(db, s, fn, arg, err);
	sqlite3_finalize(s);
	return r;
}

static int read_from(struct db *db, enum statement which, uint64_t id, uint64_t revision,
                     struct strbuf *json, struct err *err)
{
	sqlite3_stmt *s = db->prepared[which];
	int code, r = 0;

	sqlite3_bind_int64(s, 1, (sqlite3_int64)revision);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)id);
	code = sqlite3_step(s);
	if (code == SQLITE_ROW) {
		strbuf_add_slice(json, text_at(s, 0));
	} else if (code == SQLITE_DONE) {
		r = err_raise(err, ERR_NOTFOUND, "revision %llu is not kept",
		              (unsigned long long)revision);
	} else {
		r = fail(db, db->reader, err);
	}
	sqlite3_reset(s);
	return r;
}

int db_read(struct db *db, uint64_t id, uint64_t revision, struct strbuf *json, struct err *err)
{
	int r = read_from(db, READ_CHANGE, id, revision, json, err);

	return r == -ERR_NOTFOUND ? read_from(db, READ_OBJECT, id, revision, json, err) : r;
}
