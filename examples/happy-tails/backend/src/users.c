/* Why: people who adopt: sign-up, log-in, who am I. */
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "auth.h"
#include "log.h"
#include "text.h"

enum { PASSWORD_LEAST = 8, PASSWORD_MOST = 200, NAME_MOST = 100 };

static json_t *user_json(long long id, const char *email, const char *name)
{
	return json_pack("{s:I, s:s, s:s}", "id", (json_int_t)id, "email", email, "name", name);
}

static struct answer with_token(struct request *r, int status, long long id, const char *email,
                                const char *name)
{
	char *token = auth_token(r->app->config.jwt_secret, id);
	json_t *json =
		token ? json_pack("{s:s, s:o}", "token", token, "user", user_json(id, email, name))
		      : NULL;

	free(token);
	return answer_json(status, json);
}

struct answer users_sign_up(struct request *r)
{
	const char *email = request_text(r, "email"), *password = request_text(r, "password"),
		   *name = request_text(r, "name");
	struct db_result result;
	enum db_status status;
	char *hash;

	if (!text_is_email(email)) {
		return answer_error(400, "email", "Please give a valid e-mail address.");
	}
	if (text_length(password) < PASSWORD_LEAST || strlen(password) > PASSWORD_MOST) {
		return answer_error(400, "password",
		                    "Please choose a password of 8 to 200 characters.");
	}
	if (text_is_blank(name) || !text_is_clean(name) || text_length(name) > NAME_MOST) {
		return answer_error(400, "name", "Please give a name of 1 to 100 characters.");
	}
	hash = auth_hash(password);
	if (!hash) {
		return answer_json(500, NULL);
	}
	status = db_do(
		r->app->db, "INSERT INTO users (email, name, password_hash) VALUES (?, ?, ?)",
		(struct db_param[]){ DB_TEXT(email), DB_TEXT(name), DB_TEXT(hash) }, 3, &result);
	free(hash);
	if (status == DB_DUPLICATE) {
		return answer_error(409, "email_taken",
		                    "There is an account with this e-mail address already.");
	}
	if (status != DB_OK) {
		return answer_away();
	}
	log_info("user %llu signed up", result.insert_id);
	return with_token(r, 201, (long long)result.insert_id, email, name);
}

struct answer users_log_in(struct request *r)
{
	const char *email = request_text(r, "email"), *password = request_text(r, "password"),
		   *hash;
	struct db_result result;
	struct answer answer;

	if (db_do(r->app->db, "SELECT id, name, password_hash, email FROM users WHERE email = ?",
	          (struct db_param[]){ DB_TEXT(email) }, 1, &result) != DB_OK) {
		return answer_away();
	}
	hash = result.rows == 1 ? db_cell(&result, 0, 2) : NULL;
	if (!auth_matches(strlen(password) <= PASSWORD_MOST ? password : "", hash)) {
		answer = answer_error(401, "credentials",
		                      "The e-mail address or the password is wrong.");
	} else {
		answer = with_token(r, 200, atoll(db_cell(&result, 0, 0)), db_cell(&result, 0, 3),
		                    db_cell(&result, 0, 1));
	}
	db_result_free(&result);
	return answer;
}

struct answer users_me(struct request *r)
{
	struct db_result result;
	struct answer answer;

	if (db_do(r->app->db, "SELECT email, name FROM users WHERE id = ?",
	          (struct db_param[]){ DB_NUMBER(r->user) }, 1, &result) != DB_OK) {
		return answer_away();
	}
	answer = result.rows == 1 ? answer_json(200, user_json(r->user, db_cell(&result, 0, 0),
	                                                       db_cell(&result, 0, 1)))
	                          : answer_gone();
	db_result_free(&result);
	return answer;
}
