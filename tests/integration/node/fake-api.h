/* What: an API server in memory behind client.h, for tests of what a role says to it: objects are
 * put, patched and watched within the process, every answer in the next turn of the loop. */
#pragma once

#include "client/client.h"

struct fake_api;

struct fake_api *fake_api_new(struct loop *l);
struct fake_api *fake_api_free(struct fake_api *f);
/* Passes for a client of it. */
struct client *fake_api_client(struct fake_api *f);
/* Creates or replaces what the JSON says, with finalizers honoured as the real server does. */
void fake_api_apply(struct fake_api *f, const char *plural, const char *json);
/* Merges a patch into an object. */
void fake_api_patch(struct fake_api *f, const char *plural, const char *ns, const char *name,
                    const char *json);
void fake_api_delete(struct fake_api *f, const char *plural, const char *ns, const char *name);
/* Null when there is none; borrowed until it changes. */
const struct val *fake_api_get(struct fake_api *f, const char *plural, const char *ns,
                               const char *name);
/* Reasons of all events so far, each followed by a blank. */
const char *fake_api_events(struct fake_api *f);
