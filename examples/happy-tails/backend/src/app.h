/* What: what every handler works with, and the shape of a request and its answer. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include <jansson.h>

#include "cache.h"
#include "config.h"
#include "db.h"
#include "metrics.h"

struct app {
	struct config config;
	struct db *db;
	struct cache *cache; /* null: none */
	struct metrics metrics;
	atomic_bool draining; /* SIGTERM came: not ready any more */
	atomic_bool migrated;
	time_t started;
};

struct MHD_Connection;

struct request {
	struct app *app;
	struct MHD_Connection *connection;
	const char *method, *path;
	long long id;   /* from a path like /api/pets/7; 0 without */
	json_t *body;   /* parsed JSON object of POST and PATCH, or null */
	long long user; /* from the token; 0: not logged in */
	bool is_staff;  /* X-API-Key is right */
};

struct answer {
	int status;
	json_t *json; /* owned by the answer; null with text */
	char *text;   /* owned; instead of json */
	const char *text_type;
};

/* Query parameter, "" when absent. */
const char *request_query(const struct request *r, const char *name);
/* String member of the body, "" when absent or not a string. */
const char *request_text(const struct request *r, const char *name);
/* Takes over json; null makes a 500. */
struct answer answer_json(int status, json_t *json);
/* {"error": {"code": ..., "message": ...}}; message is a sentence for people. */
struct answer answer_error(int status, const char *code, const char *message);
/* 503: the database is away. */
struct answer answer_away(void);
/* 401: the token is of an account that is not there any more. */
struct answer answer_gone(void);

typedef struct answer handler_fn(struct request *r);

/* health.c */
handler_fn health_full, health_live, health_ready, health_metrics;
/* users.c */
handler_fn users_sign_up, users_log_in, users_me;
/* pets.c */
handler_fn pets_list, pets_get, pets_create, pets_update;
/* applications.c */
handler_fn applications_create, applications_list, applications_get, applications_update,
	applications_withdraw;

/* routes.c: finds the handler, asks who it is, reads the body, and lets the handler answer.
 * body: null-terminated or not, size bytes. */
struct answer routes_answer(struct request *r, const char *body, size_t size);
