/* Why: what it is all for: somebody wants to give a pet a home. */
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "log.h"
#include "pets.h"
#include "text.h"

enum { MESSAGE_LEAST = 10, MESSAGE_MOST = 4000, PHONE_MOST = 40 };

#define COLUMNS                                                                                    \
	"a.id, a.pet_id, p.name, p.photo, a.message, a.phone, a.status, "                          \
	"DATE_FORMAT(a.created_at, '%Y-%m-%dT%H:%i:%sZ')"

static json_t *application_json(const struct db_result *r, size_t row)
{
	return json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "id",
	                 (json_int_t)atoll(db_cell(r, row, 0)), "petId",
	                 (json_int_t)atoll(db_cell(r, row, 1)), "petName", db_cell(r, row, 2),
	                 "petPhoto", db_cell(r, row, 3), "message", db_cell(r, row, 4), "phone",
	                 db_cell(r, row, 5), "status", db_cell(r, row, 6), "createdAt",
	                 db_cell(r, row, 7));
}

struct answer applications_create(struct request *r)
{
	const char *message = request_text(r, "message"), *phone = request_text(r, "phone");
	long long pet = json_integer_value(json_object_get(r->body, "petId"));
	struct db_result result;
	struct answer answer;
	enum db_status status;

	if (text_is_blank(message) || text_length(message) < MESSAGE_LEAST ||
	    text_length(message) > MESSAGE_MOST) {
		return answer_error(400, "message",
		                    "Please tell us something about you: 10 to 4000 characters.");
	}
	if (text_length(phone) > PHONE_MOST || !text_is_clean(phone)) {
		return answer_error(400, "phone", "The phone number has at most 40 characters.");
	}
	/* The pet must be there and available: one statement decides, so nothing can come in
	 * between. */
	status = db_do(r->app->db,
	               "INSERT INTO applications (pet_id, user_id, message, phone) "
	               "SELECT id, ?, ?, ? FROM pets WHERE id = ? AND status = 'available'",
	               (struct db_param[]){ DB_NUMBER(r->user), DB_TEXT(message), DB_TEXT(phone),
	                                    DB_NUMBER(pet) },
	               4, &result);
	if (status == DB_DUPLICATE) {
		return answer_error(409, "already_applied",
		                    "You have applied for this pet already.");
	}
	if (status == DB_ORPHAN) {
		return answer_gone();
	}
	if (status != DB_OK) {
		return answer_away();
	}
	if (result.affected == 0) {
		return answer_error(404, "not_available", "This pet is not available any more.");
	}
	atomic_fetch_add(&r->app->metrics.applications, 1);
	log_info("application %llu filed for pet %lld", result.insert_id, pet);
	pets_changed(r->app);
	r->id = (long long)result.insert_id;
	answer = applications_get(r);
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
		return answer_away();
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
	          (struct db_param[]){ DB_NUMBER(r->id), DB_NUMBER(r->user),
	                               DB_NUMBER(r->is_staff) },
	          3, &result) != DB_OK) {
		return answer_away();
	}
	answer = result.rows == 1 ? answer_json(200, application_json(&result, 0))
	                          : answer_error(404, "not_found", "There is no such application.");
	db_result_free(&result);
	return answer;
}

/* One pet, one home: approving takes the pet and declines the others, all of it or nothing. */
static enum db_status approve(struct db_conn *conn, long long id, bool *ret_taken)
{
	const struct db_param by_id[] = { DB_NUMBER(id) };
	struct db_result result;

	/* Locks the pet's row: of two approvals at once the second finds it adopted. */
	if (db_run(conn,
	           "UPDATE pets p JOIN applications a ON a.pet_id = p.id SET p.status = 'adopted' "
	           "WHERE a.id = ? AND p.status <> 'adopted'",
	           by_id, 1, &result) != DB_OK) {
		return DB_FAILED;
	}
	*ret_taken = result.affected == 0;
	if (*ret_taken) {
		return DB_OK;
	}
	if (db_run(conn, "UPDATE applications SET status = 'approved' WHERE id = ?", by_id, 1,
	           NULL) != DB_OK) {
		return DB_FAILED;
	}
	return db_run(conn,
	              "UPDATE applications o JOIN applications a ON a.pet_id = o.pet_id "
	              "SET o.status = 'declined' WHERE a.id = ? AND o.id <> a.id AND o.status = "
	              "'pending'",
	              by_id, 1, NULL);
}

static enum db_status decide(struct app *app, long long id, const char *status, bool *ret_taken)
{
	struct db_conn *conn = db_take(app->db);
	enum db_status r;

	*ret_taken = false;
	if (!conn) {
		return DB_FAILED;
	}
	r = db_begin(conn);
	if (r == DB_OK && strcmp(status, "approved") == 0) {
		r = approve(conn, id, ret_taken);
	} else if (r == DB_OK) {
		r = db_run(conn,
		           "UPDATE applications SET status = 'declined' WHERE id = ? AND status = "
		           "'pending'",
		           (struct db_param[]){ DB_NUMBER(id) }, 1, NULL);
	}
	if (r == DB_OK) {
		r = db_commit(conn);
	}
	if (r != DB_OK) {
		db_rollback(conn);
	}
	db_give(app->db, conn);
	return r;
}

struct answer applications_update(struct request *r)
{
	const char *status = request_text(r, "status");
	struct answer answer;
	bool taken;

	if (strcmp(status, "approved") != 0 && strcmp(status, "declined") != 0) {
		return answer_error(400, "status", "status is approved or declined.");
	}
	answer = applications_get(r);
	if (answer.status != 200) {
		return answer;
	}
	json_decref(answer.json);
	if (decide(r->app, r->id, status, &taken) != DB_OK) {
		return answer_away();
	}
	if (taken) {
		return answer_error(409, "adopted", "This pet has found a home already.");
	}
	log_info("application %lld %s", r->id, status);
	pets_changed(r->app);
	return applications_get(r);
}

struct answer applications_withdraw(struct request *r)
{
	struct db_result result;

	if (db_do(r->app->db,
	          "DELETE FROM applications WHERE id = ? AND user_id = ? AND status = 'pending'",
	          (struct db_param[]){ DB_NUMBER(r->id), DB_NUMBER(r->user) }, 2,
	          &result) != DB_OK) {
		return answer_away();
	}
	if (result.affected == 0) {
		return answer_error(404, "not_found", "There is no such pending application.");
	}
	pets_changed(r->app);
	return answer_json(200, json_pack("{s:b}", "withdrawn", 1));
}
