/* What: the locations of an nginx configuration that pass requests on, as far as their form decides what arrives there. */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

struct nginx_location {
	struct slice path;   /* "/api/" */
	struct slice target; /* of proxy_pass: "http://backend:5000/v1/" */
	struct slice uri;    /* its path, "/v1/"; empty: the URL is passed on as it is */
	bool is_pattern;     /* location ~ or ~* */
	bool has_variable;   /* in the target: nginx then builds the URL from it alone */
	bool is_socket;      /* its name says WebSocket */
	bool sets_upgrade;   /* proxy_set_header Upgrade */
};
typedef void nginx_location_fn(void *arg, const struct nginx_location *l);
/* For each location with a proxy_pass of its own, in the order of the text. What is no nginx configuration is passed over;
 * slices point into the text. */
void nginx_each_location(struct slice text, nginx_location_fn *fn, void *arg);
