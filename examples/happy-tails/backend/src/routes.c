/* Why: one table says which paths there are and who may call them; nothing reaches a handler past
 * it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "app.h"
#include "auth.h"

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

static bool path_fits(const struct route *route, const char *path, long long *ret_id)
{
	size_t len = strlen(route->path);
	char *end;

	if (route->path[len - 1] != '/') {
		return strcmp(path, route->path) == 0;
	}
	if (strncmp(path, route->path, len) != 0 || path[len] < '1' || path[len] > '9') {
		return false;
	}
	errno = 0;
	*ret_id = strtoll(path + len, &end, 10);
	return !*end && !errno;
}

static const struct route *find_route(struct request *r, bool *ret_known)
{
	const char *method = strcmp(r->method, "HEAD") == 0 ? "GET" : r->method;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (path_fits(&routes[i], r->path, &r->id)) {
			*ret_known = true;
			if (strcmp(routes[i].method, method) == 0) {
				return &routes[i];
			}
		}
	}
	return NULL;
}

static const char *header(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
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

/* Who it is; false with the refusal when that is not enough. */
static bool admitted(struct request *r, enum need need, struct answer *ret)
{
	const struct config *c = &r->app->config;

	if (need == NEED_STAFF || need == NEED_EITHER) {
		r->is_staff = same_secret(header(r, "X-API-Key"), c->api_key);
	}
	if (need == NEED_USER || need == NEED_EITHER) {
		(void)auth_verify(c->jwt_secret, header(r, "Authorization"), &r->user);
	}
	if (need == NEED_STAFF && !r->is_staff) {
		*ret = answer_error(403, "staff", "This is for the shelter's staff.");
		return false;
	}
	if ((need == NEED_USER && !r->user) || (need == NEED_EITHER && !r->user && !r->is_staff)) {
		*ret = answer_error(401, "login", "Please log in first.");
		return false;
	}
	return true;
}

static bool has_body(const struct request *r)
{
	return strcmp(r->method, "POST") == 0 || strcmp(r->method, "PATCH") == 0;
}

struct answer routes_answer(struct request *r, const char *body, size_t size)
{
	bool known = false;
	const struct route *route = find_route(r, &known);
	struct answer answer;

	if (!route) {
		return known ? answer_error(405, "method", "This method is not allowed here.")
		             : answer_error(404, "not_found", "There is no such path.");
	}
	if (!admitted(r, route->need, &answer)) {
		return answer;
	}
	if (has_body(r)) {
		r->body = json_loadb(body ? body : "", size, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(r->body)) {
			json_decref(r->body);
			return answer_error(400, "json", "The body must be one JSON object.");
		}
	}
	answer = route->handler(r);
	json_decref(r->body);
	return answer;
}
