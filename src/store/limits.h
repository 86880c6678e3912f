/* What: the limits of this room: value, reason. */
#pragma once

#include "base/clock.h"

#define HISTORY_KEEP 10000 /* changes a watch may go back; some minutes of a busy rollout */
#define HISTORY_FOLD                                                                               \
	1000 /* changes folded into the objects at a time: the price of a commit now and then */
#define REVISION_GAP                                                                               \
	100000 /* left out at each start: revisions that a crash lost are never given again */
#define BACKLOG_MAX  (REVISION_GAP - 1) /* changes not yet on the disk; then writes are refused */
#define CATCH_UP_MAX 256                /* old changes told to one watch in one turn */
#define NAME_TRIES   8                  /* of generateName; the API server's own */
#define NAME_BASE    58             /* characters of generateName that count; 63 less the suffix */
#define RETRY_US     (1 * US_PER_S) /* between tries to write when the disk refuses */
