/* Shared by the files that answer requests: server.c (routes), logs.c, exec.c, attach.c,
 * portforward.c, stats.c. */
#pragma once

#include "base/list.h"
#include "node/server.h"

struct drops;
struct logs_watch;
struct stats;

struct server {
	struct agent *agent;      /* borrowed */
	struct http_server *http; /* owned */
	struct logs_watch *watch; /* owned */
	struct stats *stats;      /* owned */
	struct drops *drops;      /* owned */
	struct list logs;         /* of struct logs_stream */
	char *path;               /* owned */
};

/* What the path of a request names. */
struct server_target {
	struct slice ns, pod, container; /* container may be empty: the default one */
	struct pod_view view;
};

/* Answers with a Status: message as format says. */
void server_refuse(struct http_request *r, int status, const char *reason, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* The same from a failure: status and reason by its code. */
void server_refuse_err(struct http_request *r, const struct err *why);
/* The container that exec and attach go to, running; otherwise the request is answered and false
 * returned. */
bool server_running_container(struct http_request *r, const struct server_target *t,
                              struct pod_container_view *ret);
/* What exec and attach ask for, out of the query; answers 400 and returns false when that is
 * nothing. */
struct channel_ask;
bool server_channel_ask(struct http_request *r, struct channel_ask *ret);
