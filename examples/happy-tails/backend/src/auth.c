/* Why: well-kept libraries do the cryptography; see auth.h. */
#include "auth.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jwt.h>

enum { TOKEN_LIFE_S = 86400 };

char *auth_hash(const char *password)
{
	char *salt = crypt_gensalt_ra("$y$", 0, NULL, 0), *copy = NULL;
	struct crypt_data *data = calloc(1, sizeof(*data));

	if (salt && data) {
		char *hash = crypt_r(password, salt, data);

		copy = hash && hash[0] != '*' ? strdup(hash) : NULL;
	}
	free(data);
	free(salt);
	return copy;
}

bool auth_matches(const char *password, const char *hash)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	char *got = data ? crypt_r(password, hash, data) : NULL;
	unsigned char differ = 1;

	if (got && got[0] != '*' && strlen(got) == strlen(hash)) {
		differ = 0;
		for (size_t i = 0; hash[i]; i++) {
			differ |= (unsigned char)(got[i] ^ hash[i]); /* the same time for every answer */
		}
	}
	free(data);
	return differ == 0;
}

char *auth_token(const char *secret, long long user, const char *email)
{
	jwt_t *jwt = NULL;
	char *token = NULL;

	if (jwt_new(&jwt) == 0 && jwt_add_grant_int(jwt, "sub", (long)user) == 0 &&
	    jwt_add_grant(jwt, "email", email) == 0 && jwt_add_grant_int(jwt, "iat", time(NULL)) == 0 &&
	    jwt_add_grant_int(jwt, "exp", time(NULL) + TOKEN_LIFE_S) == 0 &&
	    jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)secret, (int)strlen(secret)) == 0) {
		char *encoded = jwt_encode_str(jwt);

		token = encoded ? strdup(encoded) : NULL;
		free(encoded);
	}
	jwt_free(jwt);
	return token;
}

bool auth_verify(const char *secret, const char *header, long long *ret_user, char **ret_email)
{
	static const char scheme[] = "Bearer ";
	jwt_t *jwt = NULL;
	bool ok = false;

	if (!header || strncmp(header, scheme, sizeof(scheme) - 1) != 0 ||
	    jwt_decode(&jwt, header + sizeof(scheme) - 1, (const unsigned char *)secret,
		       (int)strlen(secret)) != 0) {
		return false;
	}
	/* The algorithm is ours to choose, not the token's. */
	if (jwt_get_alg(jwt) == JWT_ALG_HS256 && jwt_get_grant_int(jwt, "exp") > time(NULL) &&
	    jwt_get_grant_int(jwt, "sub") > 0 && jwt_get_grant(jwt, "email")) {
		*ret_user = jwt_get_grant_int(jwt, "sub");
		*ret_email = strdup(jwt_get_grant(jwt, "email"));
		ok = *ret_email != NULL;
	}
	jwt_free(jwt);
	return ok;
}
