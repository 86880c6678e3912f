/* Why: durable writes cost what the disk makes them cost; a ratio to plain inserts says what we
 * add. */
#include "peer.h"

#include <sqlite3.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"

double peer_insert_s(const char *path, size_t n, size_t batch, size_t size)
{
	scoped_free char *bytes = mem_alloc(size + 1);
	sqlite3_stmt *insert;
	sqlite3 *db;
	int64_t start;

	memset(bytes, 'x', size);
	must(sqlite3_open(path, &db) == SQLITE_OK);
	must(sqlite3_exec(db,
	                  "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	                  "CREATE TABLE t(id INTEGER PRIMARY KEY, json TEXT)",
	                  NULL, NULL, NULL) == SQLITE_OK);
	must(sqlite3_prepare_v2(db, "INSERT INTO t(json) VALUES(?1)", -1, &insert, NULL) ==
	     SQLITE_OK);
	sqlite3_bind_text(insert, 1, bytes, (int)size, SQLITE_STATIC);
	start = clock_mono_us();
	for (size_t i = 0; i < n; i += batch) {
		must(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK);
		for (size_t k = 0; k < batch; k++) {
			must(sqlite3_step(insert) == SQLITE_DONE);
			sqlite3_reset(insert);
		}
		must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
	}
	start = clock_mono_us() - start;
	sqlite3_finalize(insert);
	sqlite3_close(db);
	return (double)start / US_PER_S;
}
