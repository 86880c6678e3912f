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
	const char *digits = "0123456789abcdef", *at = strchr(digits, c | 0x20);

	return c && at ? (int)(at - digits) : -1;
}

/* A percent-decoded copy of [from, to). */
static char *decoded(const char *from, const char *to)
{
	char *out = malloc((size_t)(to - from) + 1), *w = out;

	while (out && from < to) {
		if (*from == '%' && to - from > 2 && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
			*w++ = (char)(hex(from[1]) << 4 | hex(from[2]));
			from += 3;
		} else {
			*w++ = *from++;
		}
	}
	if (out) {
		*w = '\0';
	}
	return out;
}

struct url {
	char *user, *password, *host, *path, *ca;
	int port;
};

/* scheme is behind us: [user[:password]@]host[:port][/path][?ssl-ca=FILE] */
static bool parse_url(const char *name, const char *rest, int default_port, struct url *u)
{
	const char *end = rest + strlen(rest), *query = strchr(rest, '?'), *path, *at = NULL, *colon;

	*u = (struct url){ .port = default_port };
	if (query) {
		static const char key[] = "ssl-ca=";
		const char *ca = strstr(query, key);

		if (ca) {
			ca += sizeof(key) - 1;
			u->ca = decoded(ca, ca + strcspn(ca, "&"));
		}
		end = query;
	}
	path = memchr(rest, '/', (size_t)(end - rest));
	u->path = path ? decoded(path + 1, end) : strdup("");
	if (path) {
		end = path;
	}
	for (const char *p = rest; p < end; p++) {
		at = *p == '@' ? p : at;
	}
	if (at) {
		colon = memchr(rest, ':', (size_t)(at - rest));
		u->user = decoded(rest, colon ? colon : at);
		u->password = colon ? decoded(colon + 1, at) : strdup("");
		rest = at + 1;
	} else {
		u->user = strdup("");
		u->password = strdup("");
	}
	colon = memchr(rest, ':', (size_t)(end - rest));
	u->host = decoded(rest, colon ? colon : end);
	if (colon) {
		char *port = decoded(colon + 1, end);
		bool ok = number(name, port, 1, 65535, &u->port);

		free(port);
		if (!ok) {
			return false;
		}
	}
	if (!*u->host) {
		log_error("%s names no host", name);
		return false;
	}
	return true;
}

static bool load_database(struct config *c)
{
	static const char scheme[] = "mysql://";
	const char *text = env("DATABASE_URL", "");
	struct url u;

	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0) {
		log_error("DATABASE_URL must be mysql://user:password@host:port/database");
		return false;
	}
	if (!parse_url("DATABASE_URL", text + sizeof(scheme) - 1, 3306, &u)) {
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
	struct url u;
	bool ok;

	if (!*text) {
		return true;
	}
	c->redis_tls = strncmp(text, "rediss://", 9) == 0;
	if (!c->redis_tls && strncmp(text, "redis://", 8) != 0) {
		log_error("REDIS_URL must be redis[s]://[:password@]host:port/db");
		return false;
	}
	if (!parse_url("REDIS_URL", text + (c->redis_tls ? 9 : 8), 6379, &u)) {
		return false;
	}
	ok = number("REDIS_URL", *u.path ? u.path : "0", 0, 1023, &c->redis_db);
	free(u.user);
	free(u.path);
	c->redis_password = u.password;
	c->redis_host = u.host;
	c->redis_port = u.port;
	c->redis_ca = u.ca;
	return ok;
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
	       load_database(c) && load_redis(c);
}
