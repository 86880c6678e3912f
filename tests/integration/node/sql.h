/* What: the few functions of libmariadb (Connector/C 3.3) that the tests call. Its own header
 * cannot be read here: it mentions calls that base/banned.h forbids, and has a list_push of its
 * own. */
#pragma once

#include <stdint.h>

typedef struct st_mysql MYSQL;
typedef struct st_mysql_res MYSQL_RES;
typedef char **MYSQL_ROW;
enum {
	MYSQL_OPT_SSL_VERIFY_SERVER_CERT = 21,
	MYSQL_OPT_SSL_CA = 27
}; /* of enum mysql_option, which only grows */

MYSQL *mysql_init(MYSQL *db);
int mysql_optionsv(MYSQL *db, int option, ...);
MYSQL *mysql_real_connect(MYSQL *db, const char *host, const char *user, const char *password,
                          const char *name, unsigned port, const char *socket, unsigned long flags);
const char *mysql_get_ssl_cipher(MYSQL *db);
int mysql_query(MYSQL *db, const char *sql);
const char *mysql_error(MYSQL *db);
MYSQL_RES *mysql_store_result(MYSQL *db);
MYSQL_ROW mysql_fetch_row(MYSQL_RES *r);
void mysql_free_result(MYSQL_RES *r);
void mysql_close(MYSQL *db);
