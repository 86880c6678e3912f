/* What: the OCI runtime configuration (config.json, runtime-spec 1.0) of one container. Pure. */
#pragma once

#include "base/err.h"
#include "codec/value.h"
#include "node/env.h"
#include "node/user.h"

struct spec_mount {
	const char *source, *dest;
	const char *type;    /* "bind" by default (null) */
	const char *options; /* comma separated; null: "rbind,rprivate" */
};

struct spec_input {
	const struct val *pod;       /* may be null for a managed server */
	const struct val *container; /* null likewise; then 'argv' is what runs */
	const struct val *image_config;
	const struct env *own_env; /* of the pod: what command and args may refer to */
	const struct env *env;     /* whole */
	const char *const *argv;   /* null-terminated; instead of command and args */
	const struct user *user;
	const char *rootfs;
	const char *hostname;
	const char *cgroup_path;                   /* "/kennel-N/ROLE/kubepods/..." */
	const char *netns, *ipcns, *utsns, *pidns; /* paths; null: netns, ipcns of the host if so
	                                              asked by the pod, else new */
	const struct spec_mount *mounts;           /* after the standard ones, in order */
	size_t n_mounts;
	int oom_score_adj;
	int64_t pids_max; /* 0: none */
	int64_t nofile;   /* most open files; 0: as the node's own */
	bool read_only_root;
};

/* Builds config.json into a. Failure: ERR_INVALID (no command at all, unknown capability). */
MUST_USE int spec_render(struct arena *a, const struct spec_input *in, struct val **ret,
                         struct err *err);
/* The process object alone, as `crun exec --process` takes it: same user, env and rights, other
 * args. */
struct val *spec_exec_process(struct arena *a, const struct val *config, const struct val *args,
                              bool tty);
/* A capability mask as names ("CAP_CHOWN", ...): defaults, securityContext.capabilities applied. */
MUST_USE int spec_capabilities(struct arena *a, const struct val *security, struct val **ret,
                               struct err *err);
