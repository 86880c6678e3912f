/* Why: one place knows the environment; everything else gets a struct. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static const char *env(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v && *v ? v : otherwise;
}

static bool number(const char *name, const char *text, long least, long most, int *ret)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || *end || end == text || v < least || v > most) {
		log_error("%s=%s: a number from %ld to %ld is wanted", name, text, least, most);
		return false;
	}
	*ret = (int)v;
	return true;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* A percent-decoded copy of [from, to). */
static char *decoded(const char *from, const char *to)
{
	char *out = malloc((size_t)(to - from) + 1), *w = out;

	if (!out) {
		abort();
	}
	while (from < to) {
		if (*from == '%' && to - from > 2 && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
			*w++ = (char)(hex(from[1]) << 4 | hex(from[2]));
			from += 3;
		} else {
			*w++ = *from++;
		}
	}
	*w = '\0';
	return out;
}

struct url {
	char *user, *password, *host, *path, *ca;
	int port;
};

static void url_free(struct url *u)
{
	free(u->user);
	free(u->password);
	free(u->host);
	free(u->path);
	free(u->ca);
}

/* ?ssl-ca=FILE */
static bool parse_parameters(const char *name, const char *p, struct url *u)
{
	static const char key[] = "ssl-ca=";

	while (*p) {
		size_t n = strcspn(p, "&");

		if (strncmp(p, key, sizeof(key) - 1) != 0 || u->ca) {
			log_error("%s: after the ? only ssl-ca=FILE, once", name);
			return false;
		}
		u->ca = decoded(p + sizeof(key) - 1, p + n);
		p += n + (p[n] == '&');
	}
	return true;
}

/* scheme is behind us: [user[:password]@]host[:port][/path][?ssl-ca=FILE]. What stands before the
 * last @ is user and password, so a password that was not percent-encoded may contain / ? and #. */
static bool parse_url(const char *name, const char *rest, int default_port, struct url *u)
{
	const char *at = strrchr(rest, '@'), *colon, *path, *query, *end;

	*u = (struct url){ .port = default_port };
	colon = at ? memchr(rest, ':', (size_t)(at - rest)) : NULL;
	u->user = decoded(rest, colon ? colon : at ? at : rest);
	u->password = colon ? decoded(colon + 1, at) : decoded(rest, rest);
	rest = at ? at + 1 : rest;
	query = rest + strcspn(rest, "?");
	path = memchr(rest, '/', (size_t)(query - rest));
	end = path ? path : query;
	u->path = path ? decoded(path + 1, query) : decoded(rest, rest);
	colon = memchr(rest, ':', (size_t)(end - rest));
	u->host = decoded(rest, colon ? colon : end);
	if (strstr(u->host, "$(")) {
		/* Kubernetes leaves a reference to a variable that is not there as it stands. */
		log_error("%s: the host is still %s: that variable is not set", name, u->host);
		return false;
	}
	if (!*u->host) {
		log_error("%s names no host", name);
		return false;
	}
	if (colon) {
		char *port = decoded(colon + 1, end);
		bool ok = number(name, port, 1, 65535, &u->port);

		free(port);
		if (!ok) {
			return false;
		}
	}
	return !*query || parse_parameters(name, query + 1, u);
}

static bool load_database(struct config *c)
{
	static const char scheme[] = "mysql://";
	const char *text = env("DATABASE_URL", "");
	struct url u = { 0 };
	bool ok;

	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0) {
		log_error("DATABASE_URL must be mysql://user:password@host:port/database");
		return false;
	}
	ok = parse_url("DATABASE_URL", text + sizeof(scheme) - 1, 3306, &u);
	if (ok && !*u.path) {
		log_error("DATABASE_URL names no database");
		ok = false;
	}
	if (!ok) {
		url_free(&u);
		return false;
	}
	c->db_user = u.user;
	c->db_password = u.password;
	c->db_host = u.host;
	c->db_name = u.path;
	c->db_port = u.port;
	c->db_ca = u.ca;
	return true;
}

static bool load_redis(struct config *c)
{
	const char *text = env("REDIS_URL", "");
	struct url u = { 0 };

	if (!*text) {
		return true;
	}
	c->redis_tls = strncmp(text, "rediss://", 9) == 0;
	if (!c->redis_tls && strncmp(text, "redis://", 8) != 0) {
		log_error("REDIS_URL must be redis[s]://[:password@]host:port/db");
		return false;
	}
	if (!parse_url("REDIS_URL", text + (c->redis_tls ? 9 : 8), 6379, &u) ||
	    !number("REDIS_URL database", *u.path ? u.path : "0", 0, 1023, &c->redis_db)) {
		url_free(&u);
		return false;
	}
	free(u.user);
	free(u.path);
	c->redis_password = u.password;
	c->redis_host = u.host;
	c->redis_port = u.port;
	c->redis_ca = u.ca;
	return true;
}

bool config_load(struct config *c)
{
	static const char *const levels[] = { "error", "warn", "info", "debug" };
	const char *level = env("LOG_LEVEL", "info");

	*c = (struct config){ .log_level = -1 };
	for (int i = 0; i < 4; i++) {
		if (strcmp(levels[i], level) == 0) {
			c->log_level = i;
		}
	}
	if (c->log_level < 0) {
		log_error("LOG_LEVEL=%s: error, warn, info or debug", level);
		return false;
	}
	c->production = strcmp(env("NODE_ENV", "development"), "production") == 0;
	c->jwt_secret = env("JWT_SECRET", c->production ? "" : "development-only-secret");
	c->api_key = env("API_KEY", "");
	c->cors_origin = env("CORS_ORIGIN", "");
	if (strlen(c->jwt_secret) < 16) {
		log_error("JWT_SECRET must have 16 characters or more");
		return false;
	}
	return number("SERVER_PORT", env("SERVER_PORT", "5000"), 1, 65535, &c->port) &&
	       number("DRAIN_SECONDS", env("DRAIN_SECONDS", "2"), 0, 300, &c->drain_s) &&
	       load_database(c) && load_redis(c);
}
