/* What: HTTP in front of the handlers: bodies, limits, headers, CORS, the request log, the end. */
#pragma once

#include <stdbool.h>

#include "app.h"

struct server;

/* Listens on app->config.port; null, with a line in the log, when it cannot. */
struct server *server_start(struct app *app);
/* Takes no new connection, waits for requests in flight at most so many seconds, and ends. */
void server_stop(struct server *s, int seconds);
