/* What: addresses and listening ports out of the configuration files of servers (nginx, HAProxy,
 * Envoy) and out of files of keys and values (YAML, JSON, properties, ini, .env, redis.conf).
 *
 * Each reader is pure: text or values in, facts out, in the order of the text. None fails: what
 * does not belong to the format is passed over. Facts and what they point to live as long as the
 * text and the arena. */
#pragma once

#include "base/arena.h"
#include "base/slice.h"
#include "codec/value.h"

enum config_fact_kind {
	FACT_VALUE,    /* key and value; the key decides what it is (analyse/key.h) */
	FACT_CALL,     /* the server opens connections to it: URL or host:port */
	FACT_LISTEN,   /* it listens there: port, host:port or address */
	FACT_RESOLVER, /* it asks this DNS server */
	FACT_SELF,     /* its own name */
};

struct config_fact {
	enum config_fact_kind kind;
	struct slice
		name; /* directive or dotted path of keys: "proxy_pass", "spring.datasource.url" */
	struct slice value;
	struct slice
		port; /* stands beside the value: "port: 6379" next to "host: redis"; else empty */
	const char *scheme; /* the format says so; else "" */
	bool tls, udp;
	uint32_t line, col;     /* of the value in the text, from 1; tree: of the node */
	const struct val *node; /* tree only */
};
typedef void config_fact_fn(void *arg, const struct config_fact *f);

/* Variables that an entrypoint puts into a template (envsubst); may be null. */
struct config_vars {
	/* A null slice when there is none of that name. */
	struct slice (*find)(void *arg, struct slice name);
	void *arg;
};

void config_nginx(struct arena *a, struct slice text, const struct config_vars *vars,
                  config_fact_fn *fn, void *arg);
void config_haproxy(struct arena *a, struct slice text, config_fact_fn *fn, void *arg);
/* "key = value", "key: value", "key value"; sections in brackets; remarks with # ; or //. */
void config_lines(struct arena *a, struct slice text, config_fact_fn *fn, void *arg);
/* Any tree: walks all members; knows Envoy's socket_address. */
void config_tree(struct arena *a, const struct val *root, config_fact_fn *fn, void *arg);

enum config_format {
	CONFIG_NONE,
	CONFIG_NGINX,
	CONFIG_HAPROXY,
	CONFIG_LINES,
	CONFIG_YAML,
	CONFIG_JSON
};
/* By the file's name (path or key) and what is in it. */
enum config_format config_format_of(struct slice name, struct slice text);
