/* Why: people who adopt: sign-up, log-in, who am I. */
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "auth.h"

enum { PASSWORD_LEAST = 8, PASSWORD_MOST = 200, NAME_MOST = 100, EMAIL_MOST = 190 };

static bool looks_like_email(const char *s)
{
	const char *at = strchr(s, '@');

	return at && at != s && strchr(at, '.') && at[1] != '.' && strlen(s) <= EMAIL_MOST &&
	       !strpbrk(s, " \t\r\n");
}

static struct answer with_token(struct request *r, int status, long long id, const char *email,
				const char *name)
{
	char *token = auth_token(r->app->config.jwt_secret, id, email);
	json_t *json = json_pack("{s:s*, s:{s:I, s:s, s:s}}", "token", token, "user", "id", (json_int_t)id,
				 "email", email, "name", name);

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

	if (!looks_like_email(email)) {
		return answer_error(400, "email", "a valid e-mail address is needed");
	}
	if (strlen(password) < PASSWORD_LEAST || strlen(password) > PASSWORD_MOST) {
		return answer_error(400, "password", "a password of 8 to 200 characters is needed");
	}
	if (!*name || strlen(name) > NAME_MOST) {
		return answer_error(400, "name", "a name of 1 to 100 characters is needed");
	}
	hash = auth_hash(password);
	if (!hash) {
		return answer_error(500, "internal", "the password cannot be kept");
	}
	status = db_do(r->app->db, "INSERT INTO users (email, name, password_hash) VALUES (?, ?, ?)",
		       (struct db_param[]){ DB_TEXT(email), DB_TEXT(name), DB_TEXT(hash) }, 3, &result);
	free(hash);
	if (status == DB_DUPLICATE) {
		return answer_error(409, "email_taken", "there is an account with this e-mail address");
	}
	if (status != DB_OK) {
		return answer_error(503, "database", "the database does not answer");
	}
	return with_token(r, 201, (long long)result.insert_id, email, name);
}

struct answer users_log_in(struct request *r)
{
	const char *email = request_text(r, "email"), *password = request_text(r, "password");
	struct db_result result;
	struct answer answer;

	if (db_do(r->app->db, "SELECT id, name, password_hash, email FROM users WHERE email = ?",
		  (struct db_param[]){ DB_TEXT(email) }, 1, &result) != DB_OK) {
		return answer_error(503, "database", "the database does not answer");
	}
	if (result.rows != 1 || !auth_matches(password, db_cell(&result, 0, 2))) {
		answer = answer_error(401, "credentials", "e-mail address or password is wrong");
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

	if (db_do(r->app->db, "SELECT id, email, name FROM users WHERE id = ?",
		  (struct db_param[]){ DB_NUMBER(r->user) }, 1, &result) != DB_OK) {
		return answer_error(503, "database", "the database does not answer");
	}
	answer = result.rows == 1 ?
			 answer_json(200, json_pack("{s:I, s:s, s:s}", "id", (json_int_t)r->user, "email",
						    db_cell(&result, 0, 1), "name", db_cell(&result, 0, 2))) :
			 answer_error(404, "not_found", "this account is gone");
	db_result_free(&result);
	return answer;
}
