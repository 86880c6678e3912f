/* What: one nginx: its files, its life, its reloads and the endpoints it balances over.
 *
 *   apply --> TEST (nginx -t on a copy) --refused--> told, the last good configuration stays
 *               | accepted
 *               v                       not running: start
 *            backends pushed --> swap --> SIGHUP --> generation seen on the control socket
 *
 * One configuration is under way at a time; of those that come meanwhile the last is kept. Reloads
 * are at least reload_gap_us apart. An nginx that ends unasked is started again, with its last good
 * configuration and all endpoints. */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"
#include "loop/loop.h"

struct engine;

struct engine_file {
	const char *name; /* relative to the folder: "ssl/x.pem" */
	struct slice text;
};

struct engine_config {
	struct loop *loop;
	const char *nginx; /* program */
	const char *dir;   /* absolute; made if missing */
	int64_t reload_gap_us;
	/* `nginx -t` refused the configuration just applied: its messages. */
	void (*refused)(void *arg, struct slice text, struct slice messages);
	/* A configuration is served now: the generation of the applied text. */
	void (*serving)(void *arg, unsigned generation);
	void *arg;
};

/* Makes the folders. Failure: ERR_IO. */
MUST_USE int engine_new(const struct engine_config *c, struct engine **ret_e, struct err *err);
/* Kills nginx if it still runs. */
struct engine *engine_free(struct engine *e);
/* text is copied; files are written at once (a file that is there is left alone: names follow
 * content). Failure: ERR_IO of the files, and nothing is applied. */
MUST_USE int engine_apply(struct engine *e, struct slice text, unsigned generation,
                          const struct engine_file *files, size_t n_files, struct err *err);
/* Endpoints of a backend: "ip:port ip:port"; empty: none. Sent at the end of the turn. */
void engine_set_backend(struct engine *e, struct slice key, struct slice addresses);
/* Calls fn for every backend that has endpoints. */
void engine_each_backend(const struct engine *e, void (*fn)(void *arg, struct slice key),
                         void *arg);
/* nginx runs, with the endpoints as they are now. */
bool engine_is_serving(const struct engine *e);
bool engine_is_settled(const struct engine *e); /* serving, and no configuration is under way */
/* nginx ends when its requests have; gone is called then, never from inside. */
void engine_quit(struct engine *e, void (*gone)(void *arg), void *arg);
/* Asks the control socket; done gets the body, or null when there was no answer. */
void engine_ask(struct engine *e, const char *path,
                void (*done)(void *arg, const struct slice *body), void *arg);
unsigned engine_reloads(const struct engine *e);
bool engine_last_was_good(const struct engine *e);
