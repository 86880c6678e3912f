/* Why: the back end of Happy Tails: HTTP in front, the handlers behind, an orderly end on SIGTERM. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "app.h"
#include "auth.h"
#include "log.h"
#include "migrations.h"

enum {
	THREADS = 8,
	DB_CONNECTIONS = 8,
	BODY_MAX = 64 * 1024,
	DRAIN_S = 2,  /* after SIGTERM: still serving, while the endpoint is taken out everywhere */
	FINISH_S = 20 /* then: how long requests in flight may take */
};

enum need { NEED_NOTHING, NEED_USER, NEED_STAFF, NEED_EITHER };

/* A path ending in /: takes a number behind it. */
static const struct route {
	const char *method, *path;
	enum need need;
	handler_fn *handler;
} routes[] = {
	{ "GET", "/api/health", NEED_NOTHING, health_full },
	{ "GET", "/api/live", NEED_NOTHING, health_live },
	{ "GET", "/api/ready", NEED_NOTHING, health_ready },
	{ "GET", "/metrics", NEED_NOTHING, health_metrics },
	{ "POST", "/api/auth/signup", NEED_NOTHING, users_sign_up },
	{ "POST", "/api/auth/login", NEED_NOTHING, users_log_in },
	{ "GET", "/api/auth/me", NEED_USER, users_me },
	{ "GET", "/api/pets", NEED_NOTHING, pets_list },
	{ "GET", "/api/pets/", NEED_NOTHING, pets_get },
	{ "POST", "/api/pets", NEED_STAFF, pets_create },
	{ "PATCH", "/api/pets/", NEED_STAFF, pets_update },
	{ "POST", "/api/applications", NEED_USER, applications_create },
	{ "GET", "/api/applications", NEED_USER, applications_list },
	{ "GET", "/api/applications/", NEED_EITHER, applications_get },
	{ "PATCH", "/api/applications/", NEED_STAFF, applications_update },
	{ "DELETE", "/api/applications/", NEED_USER, applications_withdraw },
};

struct exchange { /* one request while its body arrives */
	char *body;
	size_t size;
	bool too_large;
	struct timespec start;
};

const char *request_query(const struct request *r, const char *name)
{
	const char *v = MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);

	return v ? v : "";
}

const char *request_text(const struct request *r, const char *name)
{
	const char *v = json_string_value(json_object_get(r->body, name));

	return v ? v : "";
}

struct answer answer_json(int status, json_t *json)
{
	return (struct answer){ .status = status, .json = json };
}

struct answer answer_error(int status, const char *code, const char *message)
{
	return answer_json(status, json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message));
}

static const struct route *find_route(const char *method, const char *path, long long *ret_id,
				      bool *ret_known)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		size_t len = strlen(routes[i].path);
		char *end;

		if (routes[i].path[len - 1] == '/') {
			if (strncmp(path, routes[i].path, len) != 0 || path[len] < '1' || path[len] > '9') {
				continue;
			}
			errno = 0;
			*ret_id = strtoll(path + len, &end, 10);
			if (*end || errno) {
				continue;
			}
		} else if (strcmp(path, routes[i].path) != 0) {
			continue;
		}
		*ret_known = true;
		if (strcmp(routes[i].method, method) == 0) {
			return &routes[i];
		}
	}
	return NULL;
}

/* A comparison whose time does not tell how much was right. */
static bool same_secret(const char *given, const char *secret)
{
	size_t n = strlen(secret), m = given ? strlen(given) : 0;
	unsigned char differ = n != m || n == 0;

	for (size_t i = 0; i < n && i < m; i++) {
		differ |= (unsigned char)(given[i] ^ secret[i]);
	}
	return differ == 0;
}

static struct answer dispatch(struct request *r, struct exchange *x)
{
	const char *authorization = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Authorization"),
		   *key = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "X-API-Key");
	bool known = false;
	const struct route *route = find_route(r->method, r->path, &r->id, &known);
	struct answer answer;
	char *email = NULL;

	if (!route) {
		return known ? answer_error(405, "method", "this method is not allowed here") :
			       answer_error(404, "not_found", "there is no such path");
	}
	if (x->too_large) {
		return answer_error(413, "too_large", "the request is larger than 64 KiB");
	}
	r->is_staff = same_secret(key, r->app->config.api_key);
	(void)auth_verify(r->app->config.jwt_secret, authorization, &r->user, &email);
	r->user_email = email;
	if ((route->need == NEED_USER && !r->user) || (route->need == NEED_EITHER && !r->user && !r->is_staff)) {
		answer = answer_error(401, "login", "log in first");
	} else if (route->need == NEED_STAFF && !r->is_staff) {
		answer = answer_error(403, "staff", "this is for the shelter's staff");
	} else if (x->size && !(r->body = json_loadb(x->body, x->size, JSON_REJECT_DUPLICATES, NULL))) {
		answer = answer_error(400, "json", "the body is not valid JSON");
	} else if ((strcmp(r->method, "POST") == 0 || strcmp(r->method, "PATCH") == 0) &&
		   !json_is_object(r->body)) {
		answer = answer_error(400, "json", "the body must be a JSON object");
	} else {
		answer = route->handler(r);
	}
	json_decref(r->body);
	free(email);
	return answer;
}

static enum MHD_Result send_answer(struct app *app, struct MHD_Connection *connection, struct answer *a)
{
	char *text = a->json ? json_dumps(a->json, JSON_COMPACT) : a->text;
	struct MHD_Response *response;
	enum MHD_Result result;

	json_decref(a->json);
	if (!text) {
		text = strdup("{\"error\":{\"code\":\"internal\",\"message\":\"no answer could be made\"}}");
		a->status = 500;
	}
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, "Content-Type", a->text_type ? a->text_type : "application/json");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (*app->config.cors_origin) {
		MHD_add_response_header(response, "Access-Control-Allow-Origin", app->config.cors_origin);
		MHD_add_response_header(response, "Vary", "Origin");
		MHD_add_response_header(response, "Access-Control-Allow-Headers",
					"Authorization, Content-Type, X-API-Key");
		MHD_add_response_header(response, "Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE");
	}
	if (atomic_load(&app->draining)) {
		MHD_add_response_header(response, "Connection", "close");
	}
	result = MHD_queue_response(connection, (unsigned)a->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload, size_t *size,
				  void **state)
{
	struct app *app = arg;
	struct exchange *x = *state;
	struct request r = { .app = app, .connection = connection, .method = method, .path = path };
	struct answer answer;
	struct timespec end;

	(void)version;
	if (!x) {
		x = calloc(1, sizeof(*x));
		if (!x) {
			return MHD_NO;
		}
		clock_gettime(CLOCK_MONOTONIC, &x->start);
		atomic_fetch_add(&app->metrics.in_flight, 1);
		*state = x;
		return MHD_YES;
	}
	if (*size) {
		char *more = x->size + *size <= BODY_MAX ? realloc(x->body, x->size + *size) : NULL;

		if (more) {
			memcpy(more + x->size, upload, *size);
			x->body = more;
			x->size += *size;
		} else {
			x->too_large = true;
		}
		*size = 0;
		return MHD_YES;
	}
	answer = strcmp(method, "OPTIONS") == 0 ? answer_json(204, NULL) : dispatch(&r, x);
	if (answer.status == 204) {
		answer.text = strdup("");
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	metrics_count(&app->metrics, answer.status,
		      (double)(end.tv_sec - x->start.tv_sec) + (double)(end.tv_nsec - x->start.tv_nsec) / 1e9);
	log_debug("%s %s %d", method, path, answer.status);
	return send_answer(app, connection, &answer);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct app *app = arg;
	struct exchange *x = *state;

	(void)connection;
	(void)why;
	if (x) {
		free(x->body);
		free(x);
		atomic_fetch_sub(&app->metrics.in_flight, 1);
	}
}

/* Tries until the database is there: a pod may start before it. */
static void *migrate(void *arg)
{
	struct app *app = arg;

	while (!migrations_run(app->db)) {
		usleep(200 * 1000);
	}
	atomic_store(&app->migrated, true);
	log_info("ready");
	return NULL;
}

static void drain(struct app *app, struct MHD_Daemon *daemon)
{
	int socket;

	atomic_store(&app->draining, true);
	log_info("draining");
	sleep(DRAIN_S);
	socket = (int)MHD_quiesce_daemon(daemon);
	for (int i = 0; i < FINISH_S * 100 && atomic_load(&app->metrics.in_flight) > 0; i++) {
		usleep(10 * 1000);
	}
	MHD_stop_daemon(daemon);
	if (socket >= 0) {
		close(socket);
	}
}

int main(void)
{
	static struct app app;
	struct MHD_Daemon *daemon;
	pthread_t migrator;
	sigset_t stop;
	int signum;

	if (!config_load(&app.config)) {
		return 2;
	}
	log_set_level(app.config.log_level);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	app.started = time(NULL);
	app.db = db_new(&app.config, DB_CONNECTIONS);
	app.cache = cache_new(&app.config);
	if (!app.db || pthread_create(&migrator, NULL, migrate, &app) != 0) {
		log_error("cannot start");
		return 2;
	}
	pthread_detach(migrator);
	daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG,
				  (uint16_t)app.config.port, NULL, NULL, on_request, &app,
				  MHD_OPTION_THREAD_POOL_SIZE, THREADS, MHD_OPTION_CONNECTION_TIMEOUT, 75u,
				  MHD_OPTION_NOTIFY_COMPLETED, on_completed, &app, MHD_OPTION_END);
	if (!daemon) {
		log_error("cannot listen on port %d", app.config.port);
		return 2;
	}
	log_info("listening on port %d", app.config.port);
	sigwait(&stop, &signum);
	drain(&app, daemon);
	log_info("bye");
	return 0;
}
