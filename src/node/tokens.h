/* What: service account tokens for projected volumes: asked for by TokenRequest, kept in memory,
 * asked for again when four fifths of their life are over. */
#pragma once

#include "node/agent.h"

struct tokens;

/* changed: a token of that pod came or was renewed. */
struct tokens *tokens_new(struct agent *a, void (*changed)(void *arg, struct slice pod_uid),
                          void *arg);
struct tokens *tokens_free(struct tokens *t);
/* source: {audience, expirationSeconds}. Null p: asked for, 'changed' will come. Borrowed until the
 * loop turns. */
struct slice tokens_get(struct tokens *t, const struct val *pod, const struct val *source);
void tokens_forget(struct tokens *t, struct slice pod_uid);
