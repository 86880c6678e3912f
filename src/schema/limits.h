/* What: the limits of this room: value, reason. Reaching one is ERR_LIMIT. */
#pragma once

#define PATCH_OPS_MAX        10000     /* operations in a JSON patch; the API server's own limit */
#define PATCH_COPY_BYTES_MAX (3 << 20) /* grown by "copy" operations; one request body's worth */
#define PATCH_LIST_MAX                                                                             \
	10000 /* elements of a list merged by key: the work grows with the square \
	                            */
#define TREE_DEPTH_MAX        1000        /* nesting of a patched object; what the readers accept */
#define ANNOTATIONS_BYTES_MAX (256 << 10) /* all annotations of an object; the API server's own */
#define DATA_BYTES_MAX        (1 << 20)   /* data of a ConfigMap or Secret; the API server's own */
#define CRONJOB_NAME_MAX      52          /* room for the suffix of its jobs */
#define SCHEMA_DEPTH_MAX      100         /* nesting of a schema, and of values held against it */
#define PROTOBUF_DEPTH_MAX    100         /* nesting of messages; no kind comes near */
#define PATTERN_SUBJECT_MAX   65536       /* bytes of a text that is held against a pattern */
