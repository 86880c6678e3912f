/* What: passwords (crypt, yescrypt) and tokens (JWT, HS256). */
#pragma once

#include <stdbool.h>

/* A salted hash to be freed; null on failure. Takes tens of milliseconds and 16 MiB: that is its
 * point; at most a few are computed at once, the others wait. */
char *auth_hash(const char *password);
/* hash null: takes as long as with a hash and says no, so that time does not tell who has an
 * account. */
bool auth_matches(const char *password, const char *hash);
/* A token for the user, valid one day; to be freed; null on failure. */
char *auth_token(const char *secret, long long user);
/* Reads "Bearer ...", null allowed. False unless signed by us and not expired. */
bool auth_verify(const char *secret, const char *header, long long *ret_user);
