/* Why: the pets: list with filters and pages (cached), one pet, and what the shelter's staff changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

enum { PAGE_DEFAULT = 12, PAGE_MOST = 100, CACHE_S = 60 };

#define COLUMNS                                                                              \
	"p.id, p.name, p.species, p.breed, p.age_months, p.sex, p.size, p.description, p.photo, " \
	"p.status, (SELECT COUNT(*) FROM applications a WHERE a.pet_id = p.id AND a.status = 'pending')"

static json_t *pet_json(const struct db_result *r, size_t row)
{
	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:I}", "id",
			 (json_int_t)atoll(db_cell(r, row, 0)), "name", db_cell(r, row, 1), "species",
			 db_cell(r, row, 2), "breed", db_cell(r, row, 3), "ageMonths",
			 (json_int_t)atoll(db_cell(r, row, 4)), "sex", db_cell(r, row, 5), "size",
			 db_cell(r, row, 6), "description", db_cell(r, row, 7), "photo", db_cell(r, row, 8),
			 "status", db_cell(r, row, 9), "pendingApplications",
			 (json_int_t)atoll(db_cell(r, row, 10)));
}

/* All lists ever cached carry the number of the last change in their key; a change makes it grow. */
void pets_changed(struct app *app)
{
	if (app->cache) {
		(void)cache_increment(app->cache, "pets:generation");
	}
}

static long number(const char *text, long otherwise, long least, long most)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (!*text || *end) {
		v = otherwise;
	}
	return v < least ? least : v > most ? most : v;
}

static json_t *list_from_database(struct app *app, const char *species, const char *size, const char *status,
				  const char *search, long page, long limit)
{
	/* Every filter is always there and switched off by an empty parameter: one statement, no SQL built
	 * from input. */
	static const char where[] = " FROM pets p WHERE (? = '' OR p.species = ?) AND (? = '' OR p.size = ?)"
				    " AND (? = '' OR p.status = ?)"
				    " AND (? = '' OR LOCATE(?, p.name) > 0 OR LOCATE(?, p.breed) > 0)";
	struct db_param params[11] = {
		DB_TEXT(species), DB_TEXT(species), DB_TEXT(size),   DB_TEXT(size),   DB_TEXT(status),
		DB_TEXT(status),  DB_TEXT(search),  DB_TEXT(search), DB_TEXT(search), DB_NUMBER(limit),
		DB_NUMBER((page - 1) * limit),
	};
	char sql[1024];
	struct db_result result;
	json_t *pets, *json = NULL;
	long long total;

	snprintf(sql, sizeof(sql), "SELECT COUNT(*)%s", where);
	if (db_do(app->db, sql, params, 9, &result) != DB_OK) {
		return NULL;
	}
	total = atoll(db_cell(&result, 0, 0));
	db_result_free(&result);
	snprintf(sql, sizeof(sql), "SELECT " COLUMNS "%s ORDER BY p.id LIMIT ? OFFSET ?", where);
	if (db_do(app->db, sql, params, 11, &result) != DB_OK) {
		return NULL;
	}
	pets = json_array();
	for (size_t i = 0; i < result.rows; i++) {
		json_array_append_new(pets, pet_json(&result, i));
	}
	db_result_free(&result);
	json = json_pack("{s:o, s:I, s:I, s:I, s:I}", "pets", pets, "page", (json_int_t)page, "limit",
			 (json_int_t)limit, "total", (json_int_t)total, "pages",
			 (json_int_t)((total + limit - 1) / limit));
	return json;
}

struct answer pets_list(struct request *r)
{
	const char *species = request_query(r, "species"), *size = request_query(r, "size"),
		   *status = request_query(r, "status"), *search = request_query(r, "q");
	long page = number(request_query(r, "page"), 1, 1, 100000),
	     limit = number(request_query(r, "limit"), PAGE_DEFAULT, 1, PAGE_MOST);
	char key[512], *generation, *text;
	json_t *json;

	if (strlen(species) + strlen(size) + strlen(status) + strlen(search) > 300) {
		return answer_error(400, "filter", "the filters are too long");
	}
	generation = r->app->cache ? cache_get(r->app->cache, "pets:generation") : NULL;
	snprintf(key, sizeof(key), "pets:%s:%ld:%ld:%s|%s|%s|%s", generation ? generation : "0", page, limit,
		 species, size, status, search);
	free(generation);
	text = r->app->cache ? cache_get(r->app->cache, key) : NULL;
	if (text) {
		atomic_fetch_add(&r->app->metrics.cache_hits, 1);
		return (struct answer){ .status = 200, .text = text, .text_type = "application/json" };
	}
	atomic_fetch_add(&r->app->metrics.cache_misses, 1);
	json = list_from_database(r->app, species, size, status, search, page, limit);
	if (!json) {
		return answer_error(503, "database", "the database does not answer");
	}
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (r->app->cache && text) {
		cache_set(r->app->cache, key, text, CACHE_S);
	}
	return (struct answer){ .status = 200, .text = text, .text_type = "application/json" };
}

struct answer pets_get(struct request *r)
{
	struct db_result result;
	struct answer answer;

	if (db_do(r->app->db, "SELECT " COLUMNS " FROM pets p WHERE p.id = ?",
		  (struct db_param[]){ DB_NUMBER(r->id) }, 1, &result) != DB_OK) {
		return answer_error(503, "database", "the database does not answer");
	}
	answer = result.rows == 1 ? answer_json(200, pet_json(&result, 0)) :
				    answer_error(404, "not_found", "there is no such pet");
	db_result_free(&result);
	return answer;
}

static bool one_of(const char *text, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(*list, text) == 0) {
			return true;
		}
	}
	return false;
}

static const char *const species_list[] = { "dog", "cat", "rabbit", "bird", "other", NULL };
static const char *const size_list[] = { "small", "medium", "large", NULL };
static const char *const status_list[] = { "available", "reserved", "adopted", NULL };

struct answer pets_create(struct request *r)
{
	const char *name = request_text(r, "name"), *species = request_text(r, "species"),
		   *size = request_text(r, "size"), *breed = request_text(r, "breed"),
		   *sex = request_text(r, "sex"), *description = request_text(r, "description");
	long long age = json_integer_value(json_object_get(r->body, "ageMonths"));
	struct db_result result;

	if (!*name || strlen(name) > 100 || strlen(breed) > 100 || strlen(description) > 4000 ||
	    !one_of(species, species_list) || !one_of(size, size_list) || age < 0 || age > 1200) {
		return answer_error(400, "pet", "name, species, size and a sensible age are needed");
	}
	if (db_do(r->app->db,
		  "INSERT INTO pets (name, species, breed, age_months, sex, size, description, photo) "
		  "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		  (struct db_param[]){ DB_TEXT(name), DB_TEXT(species), DB_TEXT(breed), DB_NUMBER(age),
				       DB_TEXT(strcmp(sex, "male") == 0 ? "male" : "female"), DB_TEXT(size),
				       DB_TEXT(description), DB_TEXT(species) },
		  8, &result) != DB_OK) {
		return answer_error(503, "database", "the database does not answer");
	}
	pets_changed(r->app);
	r->id = (long long)result.insert_id;
	struct answer answer = pets_get(r);

	answer.status = answer.status == 200 ? 201 : answer.status;
	return answer;
}

struct answer pets_update(struct request *r)
{
	const char *status = request_text(r, "status");

	if (!one_of(status, status_list)) {
		return answer_error(400, "status", "status is available, reserved or adopted");
	}
	if (db_do(r->app->db, "UPDATE pets SET status = ? WHERE id = ?",
		  (struct db_param[]){ DB_TEXT(status), DB_NUMBER(r->id) }, 2, NULL) != DB_OK) {
		return answer_error(503, "database", "the database does not answer");
	}
	pets_changed(r->app);
	return pets_get(r);
}
