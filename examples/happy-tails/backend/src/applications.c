/* Why: what it is all for: somebody wants to give a pet a home. */
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "log.h"

#define COLUMNS                                                                                   \
	"a.id, a.pet_id, p.name, p.photo, a.message, a.phone, a.status, "                          \
	"DATE_FORMAT(a.created_at, '%Y-%m-%dT%H:%i:%sZ')"

static json_t *application_json(const struct db_result *r, size_t row)
{
	return json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "id",
			 (json_int_t)atoll(db_cell(r, row, 0)), "petId",
			 (json_int_t)atoll(db_cell(r, row, 1)), "petName", db_cell(r, row, 2), "petPhoto",
			 db_cell(r, row, 3), "message", db_cell(r, row, 4), "phone", db_cell(r, row, 5),
			 "status", db_cell(r, row, 6), "createdAt", db_cell(r, row, 7));
}

static struct answer away(void)
{
	return answer_error(503, "database", "the database does not answer");
}

struct answer applications_create(struct request *r)
{
	const char *message = request_text(r, "message"), *phone = request_text(r, "phone");
	long long pet = json_integer_value(json_object_get(r->body, "petId"));
	struct db_result result;
	enum db_status status;

	if (strlen(message) < 10 || strlen(message) > 4000) {
		return answer_error(400, "message", "tell us something about you: 10 to 4000 characters");
	}
	if (strlen(phone) > 40) {
		return answer_error(400, "phone", "the phone number is too long");
	}
	/* The pet must be there and available: one statement decides, so two visitors cannot race. */
	status = db_do(r->app->db,
		       "INSERT INTO applications (pet_id, user_id, message, phone) "
		       "SELECT id, ?, ?, ? FROM pets WHERE id = ? AND status = 'available'",
		       (struct db_param[]){ DB_NUMBER(r->user), DB_TEXT(message), DB_TEXT(phone),
					    DB_NUMBER(pet) },
		       4, &result);
	if (status == DB_DUPLICATE) {
		return answer_error(409, "already_applied", "you have applied for this pet already");
	}
	if (status != DB_OK) {
		return away();
	}
	if (result.affected == 0) {
		return answer_error(404, "not_available", "this pet is not available");
	}
	atomic_fetch_add(&r->app->metrics.applications, 1);
	log_info("application %llu filed for pet %lld", result.insert_id, pet);
	pets_changed(r->app);
	r->id = (long long)result.insert_id;
	struct answer answer = applications_get(r);

	answer.status = answer.status == 200 ? 201 : answer.status;
	return answer;
}

struct answer applications_list(struct request *r)
{
	struct db_result result;
	json_t *list;

	if (db_do(r->app->db,
		  "SELECT " COLUMNS " FROM applications a JOIN pets p ON p.id = a.pet_id "
		  "WHERE a.user_id = ? ORDER BY a.id DESC",
		  (struct db_param[]){ DB_NUMBER(r->user) }, 1, &result) != DB_OK) {
		return away();
	}
	list = json_array();
	for (size_t i = 0; i < result.rows; i++) {
		json_array_append_new(list, application_json(&result, i));
	}
	db_result_free(&result);
	return answer_json(200, json_pack("{s:o}", "applications", list));
}

struct answer applications_get(struct request *r)
{
	struct db_result result;
	struct answer answer;

	if (db_do(r->app->db,
		  "SELECT " COLUMNS " FROM applications a JOIN pets p ON p.id = a.pet_id "
		  "WHERE a.id = ? AND (a.user_id = ? OR ? = 1)",
		  (struct db_param[]){ DB_NUMBER(r->id), DB_NUMBER(r->user), DB_NUMBER(r->is_staff) }, 3,
		  &result) != DB_OK) {
		return away();
	}
	answer = result.rows == 1 ? answer_json(200, application_json(&result, 0)) :
				    answer_error(404, "not_found", "there is no such application");
	db_result_free(&result);
	return answer;
}

/* Staff decides: an approved application makes the pet adopted. */
struct answer applications_update(struct request *r)
{
	const char *status = request_text(r, "status");

	if (strcmp(status, "approved") != 0 && strcmp(status, "declined") != 0) {
		return answer_error(400, "status", "status is approved or declined");
	}
	if (db_do(r->app->db, "UPDATE applications SET status = ? WHERE id = ?",
		  (struct db_param[]){ DB_TEXT(status), DB_NUMBER(r->id) }, 2, NULL) != DB_OK) {
		return away();
	}
	if (strcmp(status, "approved") == 0 &&
	    db_do(r->app->db,
		  "UPDATE pets p JOIN applications a ON a.pet_id = p.id SET p.status = 'adopted' WHERE a.id = ?",
		  (struct db_param[]){ DB_NUMBER(r->id) }, 1, NULL) != DB_OK) {
		return away();
	}
	pets_changed(r->app);
	return applications_get(r);
}

struct answer applications_withdraw(struct request *r)
{
	struct db_result result;

	if (db_do(r->app->db, "DELETE FROM applications WHERE id = ? AND user_id = ? AND status = 'pending'",
		  (struct db_param[]){ DB_NUMBER(r->id), DB_NUMBER(r->user) }, 2, &result) != DB_OK) {
		return away();
	}
	if (result.affected == 0) {
		return answer_error(404, "not_found", "there is no such pending application");
	}
	pets_changed(r->app);
	return answer_json(200, json_pack("{s:b}", "withdrawn", 1));
}
