/* What: settings, all from the environment; see config_load for names and defaults. */
#pragma once

#include <stdbool.h>

struct config {
	int port;                /* SERVER_PORT, 5000 */
	int drain_s;             /* DRAIN_SECONDS, 2: still serving after SIGTERM */
	bool production;         /* NODE_ENV=production: refuses default secrets */
	int log_level;           /* LOG_LEVEL: error 0, warn 1, info 2, debug 3 */
	const char *jwt_secret;  /* JWT_SECRET, 16 characters or more */
	const char *api_key;     /* API_KEY: shelter staff; empty: nobody */
	const char *cors_origin; /* CORS_ORIGIN: empty: none; "*" or origins with commas between */
	/* DATABASE_URL: mysql://user:password@host:port/database[?ssl-ca=FILE] */
	char *db_user, *db_password, *db_host, *db_name;
	char *db_ca; /* null: no TLS; set: TLS or nothing, the server checked against this CA */
	int db_port;
	/* REDIS_URL: redis[s]://[:password@]host:port/db[?ssl-ca=FILE]; empty: no cache */
	char *redis_password, *redis_host;
	char *redis_ca; /* null: the CAs of the system */
	int redis_port, redis_db;
	bool redis_tls;
};

/* Reads the environment; on a mistake prints which variable and why, and returns false. No value of
 * a secret is ever printed. */
bool config_load(struct config *c);
