/* What: the files of a configMap, secret, downwardAPI or projected volume. Pure.
 * kubernetes-api.md section 8.7. */
#pragma once

#include "node/env.h"

struct volume_file {
	const char *path; /* relative, validated: no "..", not absolute */
	struct slice bytes;
	uint32_t mode; /* permission bits */
};
struct volume_files {
	struct arena *arena; /* given */
	struct volume_file *at;
	size_t n, room;
};

/* Token for a projected serviceAccountToken source {audience, expirationSeconds, path}; null p: not
 * there yet. */
typedef struct slice volume_token_fn(void *arg, const struct val *source);

enum volume_outcome {
	VOLUME_DONE = 0,
	VOLUME_WAITS = 1, /* a token was asked for and is not there yet */
};

/* True for the four kinds whose content is made here. */
bool volume_is_generated(const struct val *volume);
/* Failure: ERR_NOTFOUND (object or key) in the kubelet's words, ERR_INVALID (path). */
MUST_USE int volume_files_of(struct volume_files *out, const struct pod_facts *f,
                             const struct val *volume, volume_token_fn *token, void *token_arg,
                             struct err *err);
/* Changes whenever any path, byte or mode does. */
uint64_t volume_files_hash(const struct volume_files *files);
/* Makes 'dir' show the files: data in a new "..<time>" folder, then "..data" switched atomically;
 * the old folder goes. gid >= 0: files and folders belong to that group (fsGroup). */
MUST_USE int volume_files_write(const char *dir, const struct volume_files *files, int64_t gid,
                                struct err *err);
