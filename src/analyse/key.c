/* Why: a value alone rarely tells whether it is an address; people tell by the name, and so does
 * this file. */
#include "analyse/key.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"

enum { WORDS_MAX = 12, WORD_SIZE = 24 };

struct words {
	char at[WORDS_MAX][WORD_SIZE]; /* lower case; the last ones when there are more */
	size_t begin[WORDS_MAX];       /* in the name */
	size_t n;
};

static bool starts_word(struct slice s, size_t i)
{
	unsigned char c = (unsigned char)s.p[i];
	unsigned char before = i ? (unsigned char)s.p[i - 1] : '_';

	if (!isalnum(c)) {
		return false;
	}
	return !isalnum(before) || (isupper(c) && islower(before)) ||
	       (isupper(c) && isupper(before) && i + 1 < s.len &&
	        islower((unsigned char)s.p[i + 1]));
}

static void split(struct slice name, struct words *w)
{
	w->n = 0;
	for (size_t i = 0; i < name.len; i++) {
		size_t len = 0;

		if (!starts_word(name, i)) {
			continue;
		}
		if (w->n == WORDS_MAX) {
			memmove(w->at, w->at[1], sizeof(w->at) - WORD_SIZE);
			memmove(w->begin, &w->begin[1], sizeof(w->begin) - sizeof(*w->begin));
			w->n--;
		}
		w->begin[w->n] = i;
		do {
			if (len + 1 < WORD_SIZE) {
				w->at[w->n][len++] = (char)tolower((unsigned char)name.p[i]);
			}
			i++;
		} while (i < name.len && isalnum((unsigned char)name.p[i]) &&
		         !starts_word(name, i));
		w->at[w->n++][len] = 0;
		i--;
	}
}

/* 'list' is words with a space before and behind each. */
static bool is_in(const char *word, const char *list)
{
	size_t len = strlen(word);

	for (const char *at = list; len && (at = strstr(at, word)); at++) {
		if (at[-1] == ' ' && at[len] == ' ') {
			return true;
		}
	}
	return false;
}

static bool has(const struct words *w, const char *list)
{
	for (size_t i = 0; i < w->n; i++) {
		if (is_in(w->at[i], list)) {
			return true;
		}
	}
	return false;
}

static const char *back(const struct words *w, size_t n)
{
	return w->n > n ? w->at[w->n - 1 - n] : "";
}

static const char PRIVATE[] =
	" password passwd pass pwd passphrase secret secrets token tokens key keys apikey "
	"credential credentials salt hash signature cert crt pem pin otp jwt privatekey license "
	"auth userpass ";
static const char NAMES[] =
	" image tag email mail user username role name names hostname path dir directory file "
	"level "
	"mode version namespace ns class type env environment region zone bucket topic queue "
	"table schema index database db dbname timeout interval ttl size count limit enabled "
	"enable disabled debug format pattern regex prefix suffix id arn label labels ";
static const char ADDRESSES[] =
	" url urls uri uris addr addrs address addresses endpoint endpoints server servers "
	"broker brokers bootstrap dsn upstream upstreams backend backends connection "
	"connectionstring connstr conn target targets peer peers nodes seeds discovery "
	"collector sentinels contactpoints service svc issuer jwks webhook datasource "
	"proxy gateway remote destination ";
static const char HOSTS[] = " host hosts domain fqdn ";
static const char LISTENS[] = " listen listener listeners bind binding ";
static const char OWN[] =
	" server http https grpc app listen bind web metrics management admin health api rest node "
	"service container internal local my web interface uvicorn flask run hypercorn gunicorn "
	"rocket quarkus servlet ";
static const char PUBLIC[] =
	" public external site root canonical callback redirect return success cancel frontend "
	"client web nextauth homepage website advertised ";

/* HOST, SERVER_HOST, UVICORN_HOST: every word before the last is about the program itself. */
static bool is_own(const struct words *w)
{
	for (size_t i = 0; i + 1 < w->n; i++) {
		if (!is_in(w->at[i], OWN)) {
			return false;
		}
	}
	return true;
}

static enum key_kind judge_port(const struct words *w)
{
	if (has(w, LISTENS) || is_own(w)) {
		return KEY_LISTEN_PORT;
	}
	return KEY_PORT;
}

static enum key_kind judge_host(const struct words *w)
{
	const char *last = back(w, 0);

	if (has(w, " allowed allow trusted virtual vhost upgrade ") ||
	    is_in(last, " domain fqdn ")) {
		return is_in(last, " domain fqdn ") || !has(w, " allowed allow trusted ")
		               ? KEY_SELF
		               : KEY_ORIGIN;
	}
	if (has(w, " public external advertised ") || (has(w, " ingress ") && w->n <= 2)) {
		return KEY_SELF;
	}
	return has(w, LISTENS) || is_own(w) ? KEY_LISTEN_HOST : KEY_HOST;
}

static enum key_kind judge_address(const struct words *w)
{
	const char *last = back(w, 0), *before = back(w, 1);

	if (has(w, " cors csrf ")) {
		return KEY_ORIGIN;
	}
	if (has(w, " dns nameserver nameservers resolver ") &&
	    is_in(last, " server servers addr address ")) {
		return KEY_RESOLVER;
	}
	if (has(w, LISTENS) || (is_in(last, " addr addrs address urls ") && is_own(w))) {
		return KEY_LISTEN;
	}
	if (is_in(last, " url uri ") &&
	    (has(w, PUBLIC) || (is_in(before, " base app server ") && w->n <= 2) ||
	     (w->n == 3 && has(w, " base ") && is_in(w->at[0], " app site server ")))) {
		return has(w, " api backend database redis internal upstream service ")
		               ? KEY_ADDRESS
		               : KEY_SELF;
	}
	return KEY_ADDRESS;
}

enum key_kind key_judge(struct slice name)
{
	struct words w;
	const char *last;

	split(name, &w);
	last = back(&w, 0);
	if (is_in(last, " origin origins ") || has(&w, " cors ")) {
		return has(&w, " methods headers credentials age ") ? KEY_NAME : KEY_ORIGIN;
	}
	if (is_in(last, " port ports ")) {
		return judge_port(&w);
	}
	if (is_in(last, " nameserver nameservers resolver resolvers ")) {
		return KEY_RESOLVER;
	}
	if (is_in(last, HOSTS)) {
		return judge_host(&w);
	}
	if (is_in(last, LISTENS)) {
		return KEY_LISTEN;
	}
	if (is_in(last, " string ") && is_in(back(&w, 1), " connection conn ")) {
		return KEY_ADDRESS;
	}
	if (is_in(last, ADDRESSES)) {
		return judge_address(&w);
	}
	if (is_in(last, PRIVATE)) {
		return KEY_PRIVATE;
	}
	return is_in(last, NAMES) ? KEY_NAME : KEY_PLAIN;
}

const char *key_scheme(struct slice name)
{
	static const struct {
		const char *words, *scheme;
	} known[] = {
		{ " mysql mariadb rds aurora ", "mysql" },
		{ " postgres postgresql pg pgsql psql pgbouncer ", "postgres" },
		{ " redis valkey elasticache ", "redis" },
		{ " mongo mongodb documentdb ", "mongodb" },
		{ " rabbitmq amqp rabbit ", "amqp" },
		{ " kafka ", "kafka" },
		{ " memcached memcache ", "memcached" },
		{ " nats ", "nats" },
		{ " elasticsearch opensearch elastic ", "elasticsearch" },
		{ " smtp ", "smtp" },
		{ " mssql sqlserver ", "sqlserver" },
		{ " cassandra scylla ", "cassandra" },
		{ " zookeeper ", "zookeeper" },
		{ " etcd ", "etcd" },
		{ " mqtt ", "mqtt" },
		{ " ldap ", "ldap" },
		{ " grpc ", "grpc" },
	};
	struct words w;

	split(name, &w);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (has(&w, known[i].words)) {
			return known[i].scheme;
		}
	}
	return "";
}

struct slice key_stem(struct slice name)
{
	struct words w;

	split(name, &w);
	return slice_head(name, w.n ? w.begin[w.n - 1] : 0);
}
