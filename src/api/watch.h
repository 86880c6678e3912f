/* What: a client that is told every change of what it selected, as lines of JSON. */
#pragma once

struct api;

/* Ends all watches in order (shutdown). */
void watches_end(struct api *api);
