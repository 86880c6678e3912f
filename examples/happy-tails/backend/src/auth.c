/* Why: well-kept libraries do the cryptography; see auth.h. */
#include "auth.h"

#include <crypt.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jwt.h>

enum {
	TOKEN_LIFE_S = 86400,
	HASHES_AT_ONCE = 4 /* 64 MiB: within the memory limit of the pod, whatever arrives */
};

static sem_t hashing;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_semaphore(void)
{
	sem_init(&hashing, 0, HASHES_AT_ONCE);
}

/* The hash of password with that setting (a salt, or a hash that begins with one); to be freed. */
static char *crypt_limited(const char *password, const char *setting)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	char *hash = NULL;

	pthread_once(&once, make_semaphore);
	while (sem_wait(&hashing) != 0) {
	}
	if (data) {
		hash = crypt_r(password, setting, data);
		hash = hash && hash[0] != '*' ? strdup(hash) : NULL;
		explicit_bzero(data, sizeof(*data));
	}
	sem_post(&hashing);
	free(data);
	return hash;
}

char *auth_hash(const char *password)
{
	char *salt = crypt_gensalt_ra("$y$", 0, NULL, 0);
	char *hash = salt ? crypt_limited(password, salt) : NULL;

	free(salt);
	return hash;
}

bool auth_matches(const char *password, const char *hash)
{
	char *got;
	unsigned char differ = 1;

	if (!hash) {
		free(auth_hash(password));
		return false;
	}
	got = crypt_limited(password, hash);
	if (got && strlen(got) == strlen(hash)) {
		differ = 0;
		for (size_t i = 0; hash[i]; i++) {
			differ |= (unsigned char)(got[i] ^
			                          hash[i]); /* the same time for every answer */
		}
	}
	free(got);
	return differ == 0;
}

char *auth_token(const char *secret, long long user)
{
	jwt_t *jwt = NULL;
	char *token = NULL, subject[24];

	snprintf(subject, sizeof(subject), "%lld", user);
	if (jwt_new(&jwt) == 0 && jwt_add_grant(jwt, "sub", subject) == 0 &&
	    jwt_add_grant_int(jwt, "iat", time(NULL)) == 0 &&
	    jwt_add_grant_int(jwt, "exp", time(NULL) + TOKEN_LIFE_S) == 0 &&
	    jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)secret, (int)strlen(secret)) ==
	            0) {
		char *encoded = jwt_encode_str(jwt);

		token = encoded ? strdup(encoded) : NULL;
		free(encoded);
	}
	jwt_free(jwt);
	return token;
}

bool auth_verify(const char *secret, const char *header, long long *ret_user)
{
	static const char scheme[] = "Bearer ";
	jwt_t *jwt = NULL;
	const char *subject;
	bool ok;

	if (!header || strncmp(header, scheme, sizeof(scheme) - 1) != 0 ||
	    jwt_decode(&jwt, header + sizeof(scheme) - 1, (const unsigned char *)secret,
	               (int)strlen(secret)) != 0) {
		return false;
	}
	/* The algorithm is ours to choose, not the token's. */
	subject = jwt_get_grant(jwt, "sub");
	ok = jwt_get_alg(jwt) == JWT_ALG_HS256 && jwt_get_grant_int(jwt, "exp") > time(NULL) &&
	     subject && atoll(subject) > 0;
	if (ok) {
		*ret_user = atoll(subject);
	}
	jwt_free(jwt);
	return ok;
}
