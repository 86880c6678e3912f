/* Why: handlers should see requests and give answers, and nothing of HTTP. A thread per connection,
 * because handlers wait for the database: one that waits must never hold up another, least of all a
 * probe. */
#include "server.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "log.h"

enum {
	BODY_MAX = 64 * 1024,
	CONNECTIONS_MAX = 512,
	IDLE_S = 75 /* longer than what proxies in front keep connections for: they close first */
};

struct server {
	struct app *app;
	struct MHD_Daemon *daemon;
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
	return (struct answer){ .status = json ? status : 500, .json = json };
}

struct answer answer_error(int status, const char *code, const char *message)
{
	return answer_json(status,
	                   json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message));
}

struct answer answer_away(void)
{
	return answer_error(503, "database",
	                    "Our records cannot be reached. Please try again soon.");
}

struct answer answer_gone(void)
{
	return answer_error(401, "account_gone", "This account does not exist any more.");
}

/* Is origin one of the comma-separated list? "*" admits all. */
static bool origin_admitted(const char *list, const char *origin)
{
	size_t len = origin ? strlen(origin) : 0;

	while (len && *list) {
		size_t n = strcspn(list, ", ");

		if ((n == 1 && *list == '*') || (n == len && strncasecmp(list, origin, n) == 0)) {
			return true;
		}
		list += n;
		list += strspn(list, ", ");
	}
	return false;
}

static void add_cors(const struct config *c, struct MHD_Connection *connection,
                     struct MHD_Response *response)
{
	const char *origin = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Origin");

	if (!*c->cors_origin) {
		return;
	}
	MHD_add_response_header(response, "Vary", "Origin");
	if (origin_admitted(c->cors_origin, origin)) {
		MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
		MHD_add_response_header(response, "Access-Control-Allow-Headers",
		                        "Authorization, Content-Type, X-API-Key");
		MHD_add_response_header(response, "Access-Control-Allow-Methods",
		                        "GET, POST, PATCH, DELETE");
		MHD_add_response_header(response, "Access-Control-Max-Age", "600");
	}
}

static enum MHD_Result send_answer(struct app *app, struct MHD_Connection *connection,
                                   struct answer *a)
{
	static const char broken[] =
		"{\"error\":{\"code\":\"internal\",\"message\":\"Something went wrong.\"}}";
	char *text = a->json ? json_dumps(a->json, JSON_COMPACT | JSON_REAL_PRECISION(6)) : a->text;
	struct MHD_Response *response;
	enum MHD_Result result;

	json_decref(a->json);
	if (text || a->status == 204) {
		response = MHD_create_response_from_buffer(text ? strlen(text) : 0, text,
		                                           MHD_RESPMEM_MUST_FREE);
	} else {
		a->status = 500;
		response = MHD_create_response_from_buffer(sizeof(broken) - 1, (void *)broken,
		                                           MHD_RESPMEM_PERSISTENT);
	}
	if (!response) {
		free(text);
		return MHD_NO;
	}
	if (a->status != 204) {
		MHD_add_response_header(response, "Content-Type",
		                        a->text_type ? a->text_type : "application/json");
	}
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	add_cors(&app->config, connection, response);
	if (atomic_load(&app->draining)) {
		MHD_add_response_header(response, "Connection", "close");
	}
	result = MHD_queue_response(connection, (unsigned)a->status, response);
	MHD_destroy_response(response);
	return result;
}

/* Probes and scrapes come all the time: they are worth a line only to who asks for details. */
static bool is_routine(const char *path)
{
	return strcmp(path, "/api/live") == 0 || strcmp(path, "/api/ready") == 0 ||
	       strcmp(path, "/api/health") == 0 || strcmp(path, "/metrics") == 0;
}

static enum MHD_Result take_body(struct exchange *x, const char *upload, size_t *size)
{
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

static struct answer answer_request(struct request *r, struct exchange *x)
{
	if (strcmp(r->method, "OPTIONS") == 0) {
		return (struct answer){ .status = 204 };
	}
	if (x->too_large) {
		return answer_error(413, "too_large", "The request is larger than 64 KiB.");
	}
	return routes_answer(r, x->body, x->size);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *size, void **state)
{
	struct app *app = arg;
	struct exchange *x = *state;
	struct request r = { .app = app, .connection = connection, .method = method, .path = path };
	struct answer answer;
	struct timespec end;
	double seconds;

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
		return take_body(x, upload, size);
	}
	answer = answer_request(&r, x);
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - x->start.tv_sec) +
	          (double)(end.tv_nsec - x->start.tv_nsec) / 1e9;
	metrics_count(&app->metrics, answer.status, seconds);
	log_request(is_routine(path), method, path, answer.status, seconds);
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

struct server *server_start(struct app *app)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s) {
		return NULL;
	}
	s->app = app;
	s->daemon = MHD_start_daemon(
		MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
			MHD_USE_ITC,
		(uint16_t)app->config.port, NULL, NULL, on_request, app,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_LISTENING_ADDRESS_REUSE,
		1u, MHD_OPTION_NOTIFY_COMPLETED, on_completed, app, MHD_OPTION_END);
	if (!s->daemon) {
		log_error("cannot listen on port %d", app->config.port);
		free(s);
		return NULL;
	}
	return s;
}

void server_stop(struct server *s, int seconds)
{
	MHD_socket socket = MHD_quiesce_daemon(s->daemon);

	for (int i = 0; i < seconds * 100 && atomic_load(&s->app->metrics.in_flight) > 0; i++) {
		usleep(10 * 1000);
	}
	MHD_stop_daemon(s->daemon);
	if (socket != MHD_INVALID_SOCKET) {
		close(socket);
	}
	free(s);
}
