/* What: logs of containers that have grown are put aside and begun anew: five files of 10 MB at
 * most. */
#pragma once

#include "node/pods.h"

struct log_rotation;

struct log_rotation *log_rotation_new(struct loop *l, const struct pods *pods);
struct log_rotation *log_rotation_free(struct log_rotation *r);
