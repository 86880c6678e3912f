/* What: making and ending the set of pods; the rest of the room looks at it through pods.h. */
#pragma once

#include "node/pod-priv.h"

/* Fills agent->pods. server_changed is told about starts and ends of containers; may be null. */
struct pods *pods_new(struct agent *a);
void pods_set_server(struct pods *p, struct server *s);
/* Leaves every container as it is. */
struct pods *pods_free(struct pods *p);
