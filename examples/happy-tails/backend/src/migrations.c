/* Why: the application brings its own tables; see migrations.h. */
#include "migrations.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

/* Never change a step that has shipped: add one. A step may be cut off in the middle and run again:
 * a table is made only if it is not there; rows go in together with the number of the step. */
static const char *const steps[] = {
	"CREATE TABLE IF NOT EXISTS users ("
	" id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
	" email VARCHAR(190) NOT NULL UNIQUE, name VARCHAR(100) NOT NULL,"
	" password_hash VARCHAR(255) NOT NULL,"
	" created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) CHARACTER SET utf8mb4",

	"CREATE TABLE IF NOT EXISTS pets ("
	" id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
	" name VARCHAR(100) NOT NULL,"
	" species ENUM('dog','cat','rabbit','bird','other') NOT NULL, breed VARCHAR(100) NOT NULL "
	"DEFAULT '',"
	" age_months INT UNSIGNED NOT NULL DEFAULT 0, sex ENUM('female','male') NOT NULL,"
	" size ENUM('small','medium','large') NOT NULL, description TEXT NOT NULL,"
	" photo VARCHAR(40) NOT NULL DEFAULT 'other',"
	" status ENUM('available','reserved','adopted') NOT NULL DEFAULT 'available',"
	" created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,"
	" KEY by_species (species, status)) CHARACTER SET utf8mb4",

	"CREATE TABLE IF NOT EXISTS applications ("
	" id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
	" pet_id BIGINT UNSIGNED NOT NULL, user_id BIGINT UNSIGNED NOT NULL,"
	" message TEXT NOT NULL, phone VARCHAR(40) NOT NULL DEFAULT '',"
	" status ENUM('pending','approved','declined') NOT NULL DEFAULT 'pending',"
	" created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,"
	" UNIQUE KEY once_per_pet (user_id, pet_id), KEY by_pet (pet_id, status),"
	" FOREIGN KEY (pet_id) REFERENCES pets (id) ON DELETE CASCADE,"
	" FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE) CHARACTER SET utf8mb4",

	/* clang-format off */
	"INSERT INTO pets (name, species, breed, age_months, sex, size, description, photo) VALUES "
	"('Biscuit','dog','Beagle mix',26,'male','medium',"
	" 'Follows his nose and then you. Knows sit, down and the sound of every fridge.','dog-brown-marked'),"
	"('Luna','cat','European shorthair',14,'female','small',"
	" 'Sleeps on keyboards. Gets along with other cats and with quiet dogs.','cat-gray'),"
	"('Oscar','dog','Labrador',72,'male','large',"
	" 'A gentle older boy who still swims like a pup.','dog-sand'),"
	"('Maple','rabbit','Holland Lop',9,'female','small',"
	" 'Digs, jumps and loves coriander. Needs company of her kind.','rabbit-chestnut-marked'),"
	"('Ziggy','bird','Cockatiel',20,'male','small',"
	" 'Whistles two and a half songs.','bird-yellow-marked'),"
	"('Nala','cat','Maine Coon mix',38,'female','large',"
	" 'A big, calm lady who likes to be brushed.','cat-chestnut-marked'),"
	"('Pixel','dog','Jack Russell terrier',11,'female','small',"
	" 'Endless energy, quick to learn.','dog-white-marked'),"
	"('Moss','cat','Tabby',6,'male','small',"
	" 'Found in a garden shed, now afraid of nothing.','cat-gray-marked'),"
	"('Bruno','dog','Bernese mountain dog',40,'male','large',"
	" 'Thinks he is a lap dog.','dog-black-marked'),"
	"('Clover','rabbit','Rex',15,'male','medium',"
	" 'Soft as velvet and curious about shoes.','rabbit-gray'),"
	"('Saffron','cat','Ginger shorthair',52,'female','medium',"
	" 'Purrs before you touch her.','cat-ginger-marked'),"
	"('Hazel','dog','Border collie',30,'female','medium',"
	" 'Needs work for her head, and a long field.','dog-black'),"
	"('Pip','other','Guinea pig',8,'male','small',"
	" 'Sings when he hears the drawer with the peppers.','other-brown-marked'),"
	"('Juno','dog','Greyhound',60,'female','large',"
	" 'Retired from racing; now professionally asleep.','dog-gray'),"
	"('Inky','cat','Black shorthair',22,'male','medium','Not unlucky at all.','cat-black'),"
	"('Kiwi','bird','Budgerigar',10,'female','small',"
	" 'Talks to her mirror and, soon, to you.','bird-green')",
	/* clang-format on */
};

enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

static bool step(struct db_conn *conn, int n)
{
	if (db_begin(conn) != DB_OK || db_run(conn, steps[n], NULL, 0, NULL) != DB_OK ||
	    db_run(conn, "INSERT INTO schema_migrations (version) VALUES (?)",
	           (struct db_param[]){ DB_NUMBER(n + 1) }, 1, NULL) != DB_OK ||
	    db_commit(conn) != DB_OK) {
		db_rollback(conn);
		log_error("migration %d failed", n + 1);
		return false;
	}
	log_info("migration %d applied", n + 1);
	return true;
}

static bool run_locked(struct db_conn *conn)
{
	struct db_result result;
	int version;

	if (db_run(conn,
	           "CREATE TABLE IF NOT EXISTS schema_migrations (version INT NOT NULL PRIMARY KEY,"
	           " applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
	           NULL, 0, NULL) != DB_OK ||
	    db_run(conn, "SELECT COALESCE(MAX(version), 0) FROM schema_migrations", NULL, 0,
	           &result) != DB_OK) {
		return false;
	}
	version = atoi(db_cell(&result, 0, 0));
	db_result_free(&result);
	for (; version < STEPS; version++) {
		if (!step(conn, version)) {
			return false;
		}
	}
	return true;
}

bool migrations_run(struct db *db)
{
	struct db_conn *conn = db_take(db);
	struct db_result result;
	bool ok = false;

	if (!conn) {
		return false;
	}
	if (db_run(conn, "SELECT GET_LOCK('happy_tails_migrations', 5)", NULL, 0, &result) ==
	    DB_OK) {
		bool locked = result.rows == 1 && db_cell(&result, 0, 0) &&
		              strcmp(db_cell(&result, 0, 0), "1") == 0;

		db_result_free(&result);
		if (locked) {
			ok = run_locked(conn);
			(void)db_run(conn, "SELECT RELEASE_LOCK('happy_tails_migrations')", NULL, 0,
			             NULL);
		}
	}
	db_give(db, conn);
	return ok;
}
