/* What: fetching images from registries: one child per image at a time (`kennel image pull`, in the
 * host's network), however many containers wait for it. */
#pragma once

#include "node/agent.h"

struct pulls;
struct pull_wait;

/* why null: the image is here. took_us: of the pull alone. */
typedef void pull_done_fn(void *arg, const struct err *why, int64_t took_us);

struct pulls *pulls_new(struct agent *a);
struct pulls *pulls_free(struct pulls *p);
/* auth: {"auths": {...}} for the registry, or null. done is called once, never from inside. */
struct pull_wait *pulls_start(struct pulls *p, struct slice image, const struct val *auth,
                              pull_done_fn *done, void *arg);
void pulls_cancel(
	struct pull_wait *w); /* done never comes; the pull goes on for others and for later */
