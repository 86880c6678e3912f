/* What: the limits of this room: value, reason. */
#pragma once

#define BODY_BYTES_MAX         3145728          /* a request's body; the API server's own limit */
#define CALL_ARENA_MAX         (256u << 20)     /* trees made for one request */
#define LIST_LIMIT_MAX         100000           /* objects on one page that a client may ask for */
#define SNAPSHOTS_MAX          64               /* lists that are being paged through */
#define SNAPSHOT_LIFE_US       (300 * US_PER_S) /* how long a page's successor can be had */
#define WATCH_BACKLOG_MAX      (16u << 20)      /* bytes queued for a watcher that does not read */
#define WATCHES_MAX            4096             /* watches at one time */
#define WATCH_BOOKMARK_US      (60 * US_PER_S)  /* between bookmarks */
#define WARNINGS_BYTES_MAX     4096             /* all Warning headers of an answer */
#define WARNING_BYTES_MAX      256              /* one of them */
#define IMPERSONATE_GROUPS_MAX 64               /* Impersonate-Group headers */
#define TOKEN_LIFE_MIN_S       600              /* shortest token one may ask for */
#define TOKEN_LIFE_MAX_S       (365 * 86400)    /* longest */
#define NAME_TRIES             8                /* of generateName */
#define TUNNELS_MAX            512              /* exec, attach, log and port-forward at one time */
