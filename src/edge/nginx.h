/* What: routes written down as nginx.conf. Pure: the same routes give the same text.
 *
 * The text names files below 'dir': ssl/ and auth/ hold what routes_make found, under names made
 * from their content, so a change of a certificate is a change of the text. Endpoints are not in
 * it: the balancer (balancer.lua) has them from the control socket. */
#pragma once

#include "base/strbuf.h"
#include "edge/routes.h"

struct nginx_layout {
	const char *dir; /* absolute; plain characters */
	uint16_t http_port, https_port;
	const char *default_cert; /* file in ssl/ */
	const char *resolver;     /* addresses of name servers, by blank; null: none */
	bool as_root;             /* the process is root: say whom the workers are to be */
	bool can_log;             /* /dev/stdout can be opened */
	unsigned generation;      /* told by the control socket, so that a reload can be seen */
};

void nginx_render(struct strbuf *out, const struct routes *r, const struct nginx_settings *g,
                  const struct nginx_layout *l);
/* The Ingress that the line (from 1) of a rendered text is about; false when it is nobody's. */
bool nginx_line_owner(struct slice text, size_t line, struct slice *ret_ns, struct slice *ret_name);
/* The line number in the first message of `nginx -t` that has one ("... in FILE:12"), or 0;
 * *ret_text gets the message without time stamps and file. */
size_t nginx_error_line(struct slice output, struct slice *ret_text);
/* The first [emerg] message of `nginx -t`, without time, level and process. */
struct slice nginx_message(struct slice output);
