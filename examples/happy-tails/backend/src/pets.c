/* Why: the pets: list with filters and pages (cached), one pet, and what the shelter's staff
 * changes. */
#include "pets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "text.h"

enum {
	PAGE_DEFAULT = 12,
	LIMIT_MOST = 100,
	PAGE_MOST = 100000,
	SEARCH_MOST = 100,
	AGE_MOST = 1200,
	CACHE_S = 60
};

/* All lists ever cached carry this key's text in their own key; a change of any pet gives it a new
 * one. */
#define GENERATION "pets:generation"

#define COLUMNS                                                                                    \
	"p.id, p.name, p.species, p.breed, p.age_months, p.sex, p.size, p.description, p.photo, "  \
	"p.status, (SELECT COUNT(*) FROM applications a WHERE a.pet_id = p.id AND a.status = "     \
	"'pending')"

static const char *const species_list[] = { "dog", "cat", "rabbit", "bird", "other", NULL };
static const char *const size_list[] = { "small", "medium", "large", NULL };
static const char *const sex_list[] = { "female", "male", NULL };
static const char *const status_list[] = { "available", "reserved", "adopted", NULL };

struct filter {
	const char *species, *size, *status, *search; /* "" : any */
	long page, limit;
};

static json_t *pet_json(const struct db_result *r, size_t row)
{
	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:I}", "id",
	                 (json_int_t)atoll(db_cell(r, row, 0)), "name", db_cell(r, row, 1),
	                 "species", db_cell(r, row, 2), "breed", db_cell(r, row, 3), "ageMonths",
	                 (json_int_t)atoll(db_cell(r, row, 4)), "sex", db_cell(r, row, 5), "size",
	                 db_cell(r, row, 6), "description", db_cell(r, row, 7), "photo",
	                 db_cell(r, row, 8), "status", db_cell(r, row, 9), "pendingApplications",
	                 (json_int_t)atoll(db_cell(r, row, 10)));
}

void pets_changed(struct app *app)
{
	cache_renew(app->cache, GENERATION);
}

static const char *read_filter(struct request *r, struct filter *f)
{
	*f = (struct filter){ .species = request_query(r, "species"),
		              .size = request_query(r, "size"),
		              .status = request_query(r, "status"),
		              .search = request_query(r, "q") };
	if (*f->species && !text_is_one_of(f->species, species_list)) {
		return "species is dog, cat, rabbit, bird or other.";
	}
	if (*f->size && !text_is_one_of(f->size, size_list)) {
		return "size is small, medium or large.";
	}
	if (*f->status && !text_is_one_of(f->status, status_list)) {
		return "status is available, reserved or adopted.";
	}
	if (text_length(f->search) > SEARCH_MOST || !text_is_clean(f->search)) {
		return "q is a text of at most 100 characters.";
	}
	if (!text_number(request_query(r, "page"), 1, 1, PAGE_MOST, &f->page)) {
		return "page is a number from 1.";
	}
	if (!text_number(request_query(r, "limit"), PAGE_DEFAULT, 1, LIMIT_MOST, &f->limit)) {
		return "limit is a number from 1 to 100.";
	}
	return NULL;
}

/* Null when the database is away. */
static json_t *list_from_database(struct app *app, const struct filter *f)
{
	/* Every filter is always there and switched off by an empty parameter: one statement, no
	 * SQL built from input. */
#define WHERE                                                                                      \
	" FROM pets p WHERE (? = '' OR p.species = ?) AND (? = '' OR p.size = ?)"                  \
	" AND (? = '' OR p.status = ?)"                                                            \
	" AND (? = '' OR LOCATE(?, p.name) > 0 OR LOCATE(?, p.breed) > 0)"
	const struct db_param params[] = {
		DB_TEXT(f->species),
		DB_TEXT(f->species),
		DB_TEXT(f->size),
		DB_TEXT(f->size),
		DB_TEXT(f->status),
		DB_TEXT(f->status),
		DB_TEXT(f->search),
		DB_TEXT(f->search),
		DB_TEXT(f->search),
		DB_NUMBER(f->limit),
		DB_NUMBER((f->page - 1) * f->limit),
	};
	struct db_result result;
	json_t *pets;
	long long total;

	if (db_do(app->db, "SELECT COUNT(*)" WHERE, params, 9, &result) != DB_OK) {
		return NULL;
	}
	total = atoll(db_cell(&result, 0, 0));
	db_result_free(&result);
	if (db_do(app->db, "SELECT " COLUMNS WHERE " ORDER BY p.id LIMIT ? OFFSET ?", params, 11,
	          &result) != DB_OK) {
		return NULL;
	}
	pets = json_array();
	for (size_t i = 0; i < result.rows; i++) {
		json_array_append_new(pets, pet_json(&result, i));
	}
	db_result_free(&result);
	return json_pack("{s:o, s:I, s:I, s:I, s:I}", "pets", pets, "page", (json_int_t)f->page,
	                 "limit", (json_int_t)f->limit, "total", (json_int_t)total, "pages",
	                 (json_int_t)((total + f->limit - 1) / f->limit));
#undef WHERE
}

/* The key of this list in the present generation; false when nothing can be cached now. The
 * generation is read before the database is: a change in between makes the entry one that nobody
 * asks for. */
static bool cache_key(struct app *app, const struct filter *f, char *key, size_t size)
{
	char *generation = cache_get(app->cache, GENERATION);
	bool ok = generation != NULL;

	if (ok) {
		snprintf(key, size, "pets:%s:%ld:%ld:%s:%s:%s:%s", generation, f->page, f->limit,
		         f->species, f->size, f->status, f->search);
	} else if (app->cache) {
		cache_renew(app->cache, GENERATION);
	}
	free(generation);
	return ok;
}

struct answer pets_list(struct request *r)
{
	struct app *app = r->app;
	struct filter f;
	char key[1024], *text = NULL;
	const char *mistake = read_filter(r, &f);
	bool cached;
	json_t *json;

	if (mistake) {
		return answer_error(400, "filter", mistake);
	}
	cached = cache_key(app, &f, key, sizeof(key));
	text = cached ? cache_get(app->cache, key) : NULL;
	if (text) {
		atomic_fetch_add(&app->metrics.cache_hits, 1);
		return (struct answer){ .status = 200, .text = text };
	}
	atomic_fetch_add(&app->metrics.cache_misses, 1);
	json = list_from_database(app, &f);
	if (!json) {
		return answer_away();
	}
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (cached && text) {
		cache_set(app->cache, key, text, CACHE_S);
	}
	return (struct answer){ .status = 200, .text = text };
}

struct answer pets_get(struct request *r)
{
	struct db_result result;
	struct answer answer;

	if (db_do(r->app->db, "SELECT " COLUMNS " FROM pets p WHERE p.id = ?",
	          (struct db_param[]){ DB_NUMBER(r->id) }, 1, &result) != DB_OK) {
		return answer_away();
	}
	answer = result.rows == 1 ? answer_json(200, pet_json(&result, 0))
	                          : answer_error(404, "not_found", "There is no such pet.");
	db_result_free(&result);
	return answer;
}

static const char *mistake_in_pet(struct request *r)
{
	const char *name = request_text(r, "name");
	const json_t *age = json_object_get(r->body, "ageMonths");

	if (text_is_blank(name) || !text_is_clean(name) || text_length(name) > 100) {
		return "name is a text of 1 to 100 characters.";
	}
	if (!text_is_one_of(request_text(r, "species"), species_list)) {
		return "species is dog, cat, rabbit, bird or other.";
	}
	if (!text_is_one_of(request_text(r, "size"), size_list)) {
		return "size is small, medium or large.";
	}
	if (!text_is_one_of(request_text(r, "sex"), sex_list)) {
		return "sex is female or male.";
	}
	if (!json_is_integer(age) || json_integer_value(age) < 0 ||
	    json_integer_value(age) > AGE_MOST) {
		return "ageMonths is a whole number from 0 to 1200.";
	}
	if (text_length(request_text(r, "breed")) > 100) {
		return "breed has at most 100 characters.";
	}
	return text_length(request_text(r, "description")) > 4000
	               ? "description has at most 4000 characters."
	               : NULL;
}

struct answer pets_create(struct request *r)
{
	const char *species = request_text(r, "species"), *mistake = mistake_in_pet(r);
	struct db_result result;
	struct answer answer;

	if (mistake) {
		return answer_error(400, "pet", mistake);
	}
	if (db_do(r->app->db,
	          "INSERT INTO pets (name, species, breed, age_months, sex, size, description, "
	          "photo) "
	          "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	          (struct db_param[]){
			  DB_TEXT(request_text(r, "name")), DB_TEXT(species),
			  DB_TEXT(request_text(r, "breed")),
			  DB_NUMBER(json_integer_value(json_object_get(r->body, "ageMonths"))),
			  DB_TEXT(request_text(r, "sex")), DB_TEXT(request_text(r, "size")),
			  DB_TEXT(request_text(r, "description")), DB_TEXT(species) },
	          8, &result) != DB_OK) {
		return answer_away();
	}
	pets_changed(r->app);
	r->id = (long long)result.insert_id;
	answer = pets_get(r);
	answer.status = answer.status == 200 ? 201 : answer.status;
	return answer;
}

struct answer pets_update(struct request *r)
{
	const char *status = request_text(r, "status");

	if (!text_is_one_of(status, status_list)) {
		return answer_error(400, "status", "status is available, reserved or adopted.");
	}
	if (db_do(r->app->db, "UPDATE pets SET status = ? WHERE id = ?",
	          (struct db_param[]){ DB_TEXT(status), DB_NUMBER(r->id) }, 2, NULL) != DB_OK) {
		return answer_away();
	}
	pets_changed(r->app);
	return pets_get(r);
}
