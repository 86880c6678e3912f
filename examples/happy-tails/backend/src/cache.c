/* Why: the pet list is asked for all the time and changes rarely; see cache.h. hiredis formats
 * commands and reads replies; the bytes travel over TLS by OpenSSL, which this hiredis does not
 * speak itself. */
#include "cache.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "log.h"

struct cache {
	const struct config *config;
	SSL_CTX *ctx; /* null: plain */
	pthread_t dialer;
	pthread_mutex_t lock;
	pthread_cond_t wanted; /* the link is lost, or the end has come */
	struct link *link;     /* null: away; used under the lock */
	char *renew; /* a key that could not be renewed: first thing to do when it is back; owned */
	bool stop, away;
};

/* A connection; whoever makes it has it alone until it is in struct cache. */
struct link {
	int fd;
	SSL *ssl; /* null: plain */
	redisReader *reader;
};

enum { CONNECT_MS = 2000, IO_MS = 250, RETRY_MS = 500 };

static void link_free(struct link *l)
{
	if (!l) {
		return;
	}
	SSL_free(l->ssl);
	if (l->fd >= 0) {
		close(l->fd);
	}
	if (l->reader) {
		redisReaderFree(l->reader);
	}
	free(l);
}

static void set_limit(int fd, int ms)
{
	struct timeval limit = { ms / 1000, ms % 1000 * 1000L };

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static int dial(const struct config *c)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	char port[16];
	int fd = -1, on = 1;

	snprintf(port, sizeof(port), "%d", c->redis_port);
	if (getaddrinfo(c->redis_host, port, &hints, &all) != 0) {
		return -1;
	}
	for (struct addrinfo *a = all; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0) {
			continue;
		}
		set_limit(fd, CONNECT_MS);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(all);
	return fd;
}

static bool send_all(struct link *l, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = l->ssl ? SSL_write(l->ssl, bytes, (int)size)
		                   : send(l->fd, bytes, size, MSG_NOSIGNAL);

		if (n <= 0) {
			return false;
		}
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

/* One command, one reply; null when the connection is lost. */
static redisReply *ask(struct link *l, int argc, const char **argv)
{
	char *command = NULL, buf[16384];
	int size = (int)redisFormatCommandArgv(&command, argc, argv, NULL);
	void *reply = NULL;
	bool ok = size > 0 && send_all(l, command, (size_t)size);

	redisFreeCommand(command);
	while (ok && !reply) {
		ssize_t n = l->ssl ? SSL_read(l->ssl, buf, sizeof(buf))
		                   : recv(l->fd, buf, sizeof(buf), 0);

		ok = n > 0 && redisReaderFeed(l->reader, buf, (size_t)n) == REDIS_OK &&
		     redisReaderGetReply(l->reader, &reply) == REDIS_OK;
	}
	return reply;
}

/* A command whose answer only may not be an error. */
static bool tell(struct link *l, int argc, const char **argv)
{
	redisReply *reply = ask(l, argc, argv);
	bool ok = reply && reply->type != REDIS_REPLY_ERROR;

	if (reply && !ok) {
		log_warn("cache: %s", reply->str);
	}
	freeReplyObject(reply);
	return ok;
}

/* A text that no process ever used before. */
static void unique(char *out, size_t size)
{
	struct timespec now;
	unsigned chance = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	(void)RAND_bytes((unsigned char *)&chance, sizeof(chance));
	snprintf(out, size, "%lld%09ld-%08x", (long long)now.tv_sec, now.tv_nsec, chance);
}

static bool renew(struct link *l, const char *key)
{
	char text[64];
	const char *argv[] = { "SET", key, text };

	unique(text, sizeof(text));
	return tell(l, 3, argv);
}

static bool hello(struct link *l, const struct config *config)
{
	char db[16];
	const char *auth[] = { "AUTH", config->redis_password }, *select_db[] = { "SELECT", db },
		   *ping[] = { "PING" };

	snprintf(db, sizeof(db), "%d", config->redis_db);
	return (!*config->redis_password || tell(l, 2, auth)) &&
	       (!config->redis_db || tell(l, 2, select_db)) && tell(l, 1, ping);
}

static bool start_tls(struct link *l, struct cache *c, char *why, size_t size)
{
	l->ssl = SSL_new(c->ctx);
	if (!l->ssl) {
		return false;
	}
	SSL_set_tlsext_host_name(l->ssl, c->config->redis_host);
	SSL_set1_host(l->ssl, c->config->redis_host);
	SSL_set_fd(l->ssl, l->fd);
	ERR_clear_error();
	if (SSL_connect(l->ssl) == 1) {
		return true;
	}
	if (SSL_get_verify_result(l->ssl) != X509_V_OK) {
		snprintf(why, size, "TLS: %s",
		         X509_verify_cert_error_string(SSL_get_verify_result(l->ssl)));
	} else {
		snprintf(why, size, "TLS: %s",
		         ERR_peek_error() ? ERR_reason_error_string(ERR_peek_error())
		                          : "no answer");
	}
	return false;
}

/* Without the lock: may take seconds. */
static struct link *link_new(struct cache *c, char *why, size_t size)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l) {
		return NULL;
	}
	snprintf(why, size, "no connection");
	l->reader = redisReaderCreate();
	l->fd = dial(c->config);
	if (l->fd >= 0 && l->reader && (!c->ctx || start_tls(l, c, why, size))) {
		if (hello(l, c->config)) {
			set_limit(l->fd, IO_MS);
			return l;
		}
		snprintf(why, size, "it refuses us");
	}
	link_free(l);
	return NULL;
}

/* The lock is held. */
static void lose(struct cache *c)
{
	link_free(c->link);
	c->link = NULL;
	pthread_cond_signal(&c->wanted);
}

/* The lock is held and comes back held. */
static void try_once(struct cache *c)
{
	char why[128] = "";
	struct link *l;

	pthread_mutex_unlock(&c->lock);
	l = link_new(c, why, sizeof(why));
	pthread_mutex_lock(&c->lock);
	if (l && c->renew && !renew(l, c->renew)) {
		link_free(l);
		l = NULL;
	}
	if (l) {
		free(c->renew);
		c->renew = NULL;
	}
	c->link = l;
	if (!l != c->away) {
		c->away = !l;
		if (l) {
			log_info("cache %s:%d answers", c->config->redis_host,
			         c->config->redis_port);
		} else {
			log_warn("cache %s:%d is away: %s", c->config->redis_host,
			         c->config->redis_port, why);
		}
	}
}

static void *keep_linked(void *arg)
{
	struct cache *c = arg;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		struct timespec until;

		if (!c->link) {
			try_once(c);
		}
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += RETRY_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		while (!c->stop && c->link) {
			pthread_cond_wait(&c->wanted, &c->lock);
		}
		if (!c->stop && c->away) {
			pthread_cond_timedwait(&c->wanted, &c->lock, &until);
		}
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static SSL_CTX *new_context(const struct config *config)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx) {
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (config->redis_ca ? SSL_CTX_load_verify_locations(ctx, config->redis_ca, NULL) != 1
	                     : SSL_CTX_set_default_verify_paths(ctx) != 1) {
		log_error("cache: cannot read the CA %s",
		          config->redis_ca ? config->redis_ca : "of the system");
	}
	return ctx;
}

struct cache *cache_new(const struct config *config)
{
	struct cache *c = config->redis_host ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		return NULL;
	}
	c->config = config;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wanted, NULL);
	c->ctx = config->redis_tls ? new_context(config) : NULL;
	if ((config->redis_tls && !c->ctx) ||
	    pthread_create(&c->dialer, NULL, keep_linked, c) != 0) {
		log_error("cache: cannot start; going on without");
		SSL_CTX_free(c->ctx);
		free(c);
		return NULL;
	}
	return c;
}

/* Waits for the others no longer than for the cache itself. The caller unlocks when true. */
static bool lock_link(struct cache *c)
{
	struct timespec until;

	if (!c) {
		return false;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += IO_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	if (pthread_mutex_timedlock(&c->lock, &until) != 0) {
		return false;
	}
	if (!c->link) {
		pthread_mutex_unlock(&c->lock);
		return false;
	}
	return true;
}

static redisReply *command(struct cache *c, int argc, const char **argv)
{
	redisReply *reply;

	if (!lock_link(c)) {
		return NULL;
	}
	reply = ask(c->link, argc, argv);
	if (!reply) {
		lose(c);
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
	freeReplyObject(command(c, seconds ? 5 : 3, argv));
}

void cache_renew(struct cache *c, const char *key)
{
	if (!c) {
		return;
	}
	pthread_mutex_lock(&c->lock);
	if (!c->link || !renew(c->link, key)) {
		free(c->renew);
		c->renew = strdup(key);
		lose(c);
	}
	pthread_mutex_unlock(&c->lock);
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
	if (!c) {
		return;
	}
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wanted);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->dialer, NULL);
	link_free(c->link);
	SSL_CTX_free(c->ctx);
	pthread_cond_destroy(&c->wanted);
	pthread_mutex_destroy(&c->lock);
	free(c->renew);
	free(c);
}
