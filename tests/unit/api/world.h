/* What: a whole API server with its store in memory, asked over a unix socket. */
#pragma once

#include "api/api-priv.h"

struct world {
	struct loop *loop;
	struct registry *registry;
	struct store *store;
	struct api *api;
	char folder[64], socket[96];
	struct strbuf admin; /* token of a user who may do everything */
};

void world_start(struct world *w);
void world_stop(struct world *w);

struct question {
	const char *method, *target;
	const char *type;    /* Content-Type; null: JSON; "": none */
	const char *headers; /* more lines; may be null */
	struct slice body;
	const char *token; /* null: the administrator's; "": none */
};
struct answer {
	int status;
	struct strbuf head, body; /* owned */
};
void answer_fini(struct answer *a);
/* Asks and waits for the end of the answer. */
void world_ask(struct world *w, const struct question *q, struct answer *ret);

/* One row of a conversation: the body has ' for ", 'want' must be part of the answer's body. */
struct step {
	const char *method, *target, *type, *body;
	int status;
	const char *want;
};
void world_play(struct world *w, const struct step *steps, size_t n);

/* A streamed answer: opens it, reads one line of the body at a time. */
int world_open(struct world *w, const char *target);
/* False when the stream ended. */
bool world_line(struct world *w, int fd, struct strbuf *line);
