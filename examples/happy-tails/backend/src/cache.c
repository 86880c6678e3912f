/* Why: the pet list is asked for all the time and changes rarely; see cache.h. hiredis formats commands
 * and reads replies; the bytes travel over TLS by OpenSSL, which this hiredis does not speak itself. */
#include "cache.h"

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "log.h"

struct cache {
	const struct config *config;
	pthread_mutex_t lock;
	SSL_CTX *ctx; /* null: plain */
	int fd;       /* -1: not connected */
	SSL *ssl;
	redisReader *reader;
	time_t retry_at; /* no connection is tried before */
};

enum { IO_S = 2, RETRY_S = 2 };

struct cache *cache_new(const struct config *config)
{
	struct cache *c;

	if (!config->redis_host) {
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		return NULL;
	}
	c->config = config;
	c->fd = -1;
	pthread_mutex_init(&c->lock, NULL);
	if (config->redis_tls) {
		c->ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
		SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
		if (config->redis_ca ? SSL_CTX_load_verify_locations(c->ctx, config->redis_ca, NULL) != 1 :
				       SSL_CTX_set_default_verify_paths(c->ctx) != 1) {
			log_warn("cache: cannot read CA %s", config->redis_ca ? config->redis_ca : "");
		}
	}
	return c;
}

static void hang_up(struct cache *c)
{
	if (c->ssl) {
		SSL_free(c->ssl);
		c->ssl = NULL;
	}
	if (c->fd >= 0) {
		close(c->fd);
		c->fd = -1;
	}
	if (c->reader) {
		redisReaderFree(c->reader);
		c->reader = NULL;
	}
}

static int dial(const struct config *c)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	struct timeval limit = { IO_S, 0 };
	char port[16];
	int fd = -1;

	snprintf(port, sizeof(port), "%d", c->redis_port);
	if (getaddrinfo(c->redis_host, port, &hints, &all) != 0) {
		return -1;
	}
	for (struct addrinfo *a = all; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd >= 0) {
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
			setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
			if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
				close(fd);
				fd = -1;
			}
		}
	}
	freeaddrinfo(all);
	return fd;
}

static bool send_all(struct cache *c, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = c->ssl ? SSL_write(c->ssl, bytes, (int)size) :
				     send(c->fd, bytes, size, MSG_NOSIGNAL);

		if (n <= 0) {
			return false;
		}
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

/* One command, one reply; null when the connection is lost. */
static redisReply *ask(struct cache *c, int argc, const char **argv)
{
	char *command = NULL, buf[16384];
	int size = (int)redisFormatCommandArgv(&command, argc, argv, NULL);
	void *reply = NULL;
	bool ok = size > 0 && send_all(c, command, (size_t)size);

	redisFreeCommand(command);
	while (ok && !reply) {
		ssize_t n = c->ssl ? SSL_read(c->ssl, buf, sizeof(buf)) : recv(c->fd, buf, sizeof(buf), 0);

		ok = n > 0 && redisReaderFeed(c->reader, buf, (size_t)n) == REDIS_OK &&
		     redisReaderGetReply(c->reader, &reply) == REDIS_OK;
	}
	return reply;
}

static bool hello(struct cache *c)
{
	const struct config *config = c->config;
	char db[16];
	const char *auth[] = { "AUTH", config->redis_password }, *select_db[] = { "SELECT", db };
	redisReply *reply = NULL;
	bool ok = true;

	snprintf(db, sizeof(db), "%d", config->redis_db);
	if (*config->redis_password) {
		reply = ask(c, 2, auth);
		ok = reply && reply->type != REDIS_REPLY_ERROR;
		freeReplyObject(reply);
	}
	if (ok && config->redis_db) {
		reply = ask(c, 2, select_db);
		ok = reply && reply->type != REDIS_REPLY_ERROR;
		freeReplyObject(reply);
	}
	return ok;
}

static bool connected(struct cache *c)
{
	if (c->fd >= 0) {
		return true;
	}
	if (time(NULL) < c->retry_at) {
		return false;
	}
	c->fd = dial(c->config);
	c->reader = redisReaderCreate();
	if (c->fd >= 0 && c->ctx) {
		c->ssl = SSL_new(c->ctx);
		SSL_set_tlsext_host_name(c->ssl, c->config->redis_host);
		SSL_set1_host(c->ssl, c->config->redis_host);
		SSL_set_fd(c->ssl, c->fd);
		if (SSL_connect(c->ssl) != 1) {
			char why[256];

			ERR_error_string_n(ERR_get_error(), why, sizeof(why));
			log_warn("cache: TLS: %s", why);
			hang_up(c);
		}
	}
	if (c->fd < 0 || !c->reader || !hello(c)) {
		hang_up(c);
		c->retry_at = time(NULL) + RETRY_S;
		log_warn("cache %s:%d is away", c->config->redis_host, c->config->redis_port);
		return false;
	}
	return true;
}

/* Asks under the lock; a kept connection that proves dead is dialled anew once. */
static redisReply *command(struct cache *c, int argc, const char **argv)
{
	redisReply *reply = NULL;

	if (!c) {
		return NULL;
	}
	pthread_mutex_lock(&c->lock);
	for (int try = 0; try < 2 && !reply && connected(c); try++) {
		reply = ask(c, argc, argv);
		if (!reply) {
			hang_up(c);
		}
	}
	pthread_mutex_unlock(&c->lock);
	if (reply && reply->type == REDIS_REPLY_ERROR) {
		log_warn("cache: %s", reply->str);
		freeReplyObject(reply);
		return NULL;
	}
	return reply;
}

char *cache_get(struct cache *c, const char *key)
{
	const char *argv[] = { "GET", key };
	redisReply *reply = command(c, 2, argv);
	char *text = reply && reply->type == REDIS_REPLY_STRING ? strdup(reply->str) : NULL;

	freeReplyObject(reply);
	return text;
}

void cache_set(struct cache *c, const char *key, const char *text, int seconds)
{
	char ttl[16];
	const char *argv[] = { "SET", key, text, "EX", ttl };

	snprintf(ttl, sizeof(ttl), "%d", seconds);
	freeReplyObject(command(c, 5, argv));
}

long long cache_increment(struct cache *c, const char *key)
{
	const char *argv[] = { "INCR", key };
	redisReply *reply = command(c, 2, argv);
	long long v = reply && reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;

	freeReplyObject(reply);
	return v;
}

bool cache_ping(struct cache *c)
{
	const char *argv[] = { "PING" };
	redisReply *reply = command(c, 1, argv);
	bool ok = reply != NULL;

	freeReplyObject(reply);
	return ok;
}

void cache_free(struct cache *c)
{
	if (c) {
		hang_up(c);
		SSL_CTX_free(c->ctx);
		free(c);
	}
}
