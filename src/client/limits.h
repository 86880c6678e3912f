/* What: the limits of this room: value, reason. */
#pragma once

#include "base/clock.h"

#define KUBECONFIG_MAX (4 << 20)  /* bytes of a kubeconfig, or of one file that it names */
#define TOKEN_MAX      (64 << 10) /* bytes of a token */
#define LINE_MAX_BYTES (16 << 20) /* one event of a watch; servers refuse objects above 3 MiB */
#define RETRY_FLOOR_US                                                                             \
	(50 * US_PER_MS) /* first wait after a failure: a server that restarts is back soon */
#define RETRY_CEILING_US (5 * US_PER_S)
#define FAILURES_SAID    7              /* tries in a row, about five seconds, before it is said */
#define ABSENT_US        (5 * US_PER_S) /* until a kind that is not served is asked for again */
#define WATCH_S          300 /* a watch asks to be ended after this time, up to twice as long */
#define WATCH_GRACE_US   (30 * US_PER_S)  /* for a server that does not end it */
#define SENTENCES_MAX    4096             /* events remembered by a recorder */
#define SIMILAR_MAX      10               /* different messages of one object and reason ... */
#define SIMILAR_US       (600 * US_PER_S) /* ... in this time; then they are told as one */
#define EVENT_TRIES      12               /* of recording an event, EVENT_RETRY_US apart */
#define EVENT_RETRY_US   (10 * US_PER_S)
