/* What: what is known of one container, as plain data: the plan (pod-plan.h) and the status
 * (pod-status.h) are computed from these and nothing else. Pure. */
#pragma once

#include "codec/value.h"
#include "node/pods.h"

enum container_phase {
	CONTAINER_WAITING, /* never started, or waiting to be started again */
	CONTAINER_RUNNING,
	CONTAINER_TERMINATED, /* ended; whether it starts again is the plan's */
};

struct container_end {            /* of one run */
	int code;                 /* 0..255 */
	int64_t started_us;       /* wall; 0: it never started */
	int64_t finished_us;      /* wall */
	const char *reason;       /* "Completed", "Error", "OOMKilled", "StartError",
	                             "ContainerStatusUnknown"; static */
	char *message;            /* owned; null: none */
	char id[RUNTIME_ID_SIZE]; /* "": none */
};

struct container_facts {
	const struct val *spec; /* in the pod's document */
	enum pod_container_list list;
	enum container_phase phase;
	const char *reason;        /* of waiting; static; null: the usual one before a start */
	char *message;             /* of waiting; owned; null: none */
	int64_t started_us;        /* wall; of the run that is running */
	struct container_end end;  /* with CONTAINER_TERMINATED: that run */
	struct container_end last; /* of the run before; reason null: there was none */
	char id[RUNTIME_ID_SIZE];  /* of the present run; "" */
	char *image_id;            /* owned; null: unknown */
	int restarts;
	bool has_begun;        /* it ran in the present sandbox */
	bool is_started;       /* running, postStart done, startup probe passed */
	bool is_ready;         /* running and its readiness probe says so */
	bool is_busy;          /* being made or being ended: nothing to decide now */
	int64_t restart_at_us; /* monotonic: not started again before; 0: at once */
};

/* Init container that keeps running (restartPolicy Always). */
bool container_is_sidecar(const struct container_facts *c);
/* A run that ended well. */
bool container_has_succeeded(const struct container_facts *c);
/* An init container that the next one need not wait for. */
bool container_is_passed(const struct container_facts *c);
