/* Passwords (crypt, yescrypt) and tokens (JWT, HS256). */
#pragma once

#include <stdbool.h>

/* A salted hash to be freed; null on failure. */
char *auth_hash(const char *password);
bool auth_matches(const char *password, const char *hash);
/* A token for the user, valid one day; to be freed. */
char *auth_token(const char *secret, long long user, const char *email);
/* Reads "Bearer ..."; *ret_email is to be freed. False unless signed by us and not expired. */
bool auth_verify(const char *secret, const char *header, long long *ret_user, char **ret_email);
