/* What: a container's variables in the kubelet's order, and $(NAME) in texts. Pure.
 * kubernetes-api.md section 8.6. */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

struct env_var {
	struct slice name, value;
};
struct env {
	struct arena *arena; /* given: where the texts go */
	struct env_var *at;
	size_t n, room;
	uint32_t *slots; /* state: finds names once there are many; index + 1, 0 free */
	size_t n_slots;
};

void env_set(struct env *e, struct slice name, struct slice value); /* later wins */
/* Index of the variable, or n. */
size_t env_index(const struct env *e, struct slice name);
struct slice env_find(const struct env *e, struct slice name); /* null p when absent */
/* Replaces $(NAME) by e's values; unknown ones stay; "$$" becomes "$". Result lives in e->arena. */
struct slice env_expand(const struct env *e, struct slice text);
/* May a key of envFrom become a variable? */
bool env_name_is_valid(struct slice name);
