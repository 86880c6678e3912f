/* What: the limits of this room: value, reason. Reaching one is ERR_LIMIT. */
#pragma once

#define PATCH_OPS_MAX        10000     /* operations in a JSON patch; the API server's own limit */
#define PATCH_COPY_BYTES_MAX (3 << 20) /* grown by "copy" operations; one request body's worth */
#define PATCH_LIST_MAX       10000 /* elements of a list merged by key: the work grows with the square \
	                            */
#define TREE_DEPTH_MAX 1000        /* nesting of a patched object; what the readers accept */
