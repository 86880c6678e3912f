/* Settings, all from the environment; see config_load for names and defaults. */
#pragma once

#include <stdbool.h>

struct config {
	int port;                /* SERVER_PORT, 5000 */
	bool production;         /* NODE_ENV=production: refuses default secrets */
	int log_level;           /* LOG_LEVEL: error 0, warn 1, info 2, debug 3 */
	const char *jwt_secret;  /* JWT_SECRET */
	const char *api_key;     /* API_KEY: shelter staff */
	const char *cors_origin; /* CORS_ORIGIN: empty: none; "*" or one origin */
	/* DATABASE_URL: mysql://user:password@host:port/database[?ssl-ca=FILE] */
	char *db_user, *db_password, *db_host, *db_name, *db_ca;
	int db_port;
	/* REDIS_URL: redis[s]://[:password@]host:port/db[?ssl-ca=FILE]; empty: no cache */
	char *redis_password, *redis_host, *redis_ca;
	int redis_port, redis_db;
	bool redis_tls;
};

/* Reads the environment; on a mistake prints which variable and why, and returns false. */
bool config_load(struct config *c);
