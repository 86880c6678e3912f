/* What: what the name of a variable, key or option says about its value: DATABASE_URL is an
 * address, DB_PASSWORD is none of ours. Names are judged by their words (split at _ - . / and
 * between cases), not by their letters. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum key_kind {
	KEY_PLAIN,       /* says nothing */
	KEY_PRIVATE,     /* password, token, key: never looked into */
	KEY_ADDRESS,     /* *_URL, *_ADDR, *_ENDPOINT, *_SERVERS...: an address or several */
	KEY_HOST,        /* *_HOST: a name, with the port elsewhere */
	KEY_PORT,        /* *_PORT */
	KEY_LISTEN,      /* BIND, *_LISTEN_ADDRESS: where the program itself opens */
	KEY_LISTEN_HOST, /* HOST, SERVER_HOST: the same without port */
	KEY_LISTEN_PORT, /* PORT, SERVER_PORT */
	KEY_ORIGIN,      /* CORS_ORIGIN, CSRF_TRUSTED_ORIGINS */
	KEY_SELF,        /* BASE_URL, PUBLIC_URL: the program's own address as others see it */
	KEY_RESOLVER,    /* DNS_SERVER */
	KEY_NAME         /* IMAGE, EMAIL, PATH, SERVER_NAME: never an address to connect to */
};

enum key_kind key_judge(struct slice name);
/* The scheme that the words name ("mysql" for MYSQL_HOST and DB_MYSQL_URL), or "". */
const char *key_scheme(struct slice name);
/* "DB_" of "DB_HOST": what stands before the last word; so that DB_PORT is found beside it. */
struct slice key_stem(struct slice name);
