/* Why: the life of pods on a real kernel, told as objects in and statuses out; world.h draws it. */
#include "world.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/cgroup.h"
#include "node/file.h"

#define SLEEP                                                                                      \
	"{containers: [{name: c, image: kennel, command: [sleep, '1000']}], "                      \
	"terminationGracePeriodSeconds: 0}"

/* Nobody waits for it here: the next test runs beside it. */
static void end(struct world *w, const char *pod)
{
	world_delete_pod(w, pod, 0);
}

static void a_pod_runs_is_ready_and_leaves_nothing(void **state)
{
	struct world *w = *state;
	scoped_free char *dir = mem_printf("%s/pods/uid-plain-%d", w->home, getpid()),
			 *pins = mem_printf("%s/pods/uid-plain-%d", w->run, getpid()),
			 *group = mem_printf("%s/kubepods/besteffort/poduid-plain-%d", w->group,
	                                     getpid());
	int64_t start = clock_mono_us();
	struct cgroup_usage usage;
	int writes = w->n_status_writes;

	world_pod(w, "plain", SLEEP);
	world_wait(w, "plain", "status.conditions[2].status", "True");
	print_message("# create to Ready: %lld us\n", (long long)(clock_mono_us() - start));
	assert_string_equal(world_text(w, "plain", "status.conditions[2].type"), "Ready");
	assert_string_equal(world_text(w, "plain", "status.phase"), "Running");
	assert_string_equal(world_text(w, "plain", "status.podIP"), "10.244.0.2");
	assert_string_equal(world_text(w, "plain", "status.qosClass"), "BestEffort");
	assert_string_equal(world_text(w, "plain", "status.containerStatuses[0].started"), "true");
	assert_int_equal(w->n_status_writes - writes, 1);
	assert_exec(w, "plain",
	            "hostname; cat /proc/1/comm; ls -A /dev/shm; grep -c plain /etc/hosts",
	            "plain\nsleep\n1");
	world_delete_pod(w, "plain", 0);
	world_wait_gone(w, "plain");
	for (int i = 0; i < 200 && access(dir, F_OK) == 0; i++) {
		world_pass(w, 10000);
	}
	assert_int_equal(access(dir, F_OK), -1);
	assert_int_equal(access(pins, F_OK), -1);
	cgroup_usage(runtime_cgroups(w->agent.runtime), group, &usage);
	assert_int_equal(usage.pids, -1);
}

static void variables_come_from_everywhere(void **state)
{
	struct world *w = *state;

	world_put(w, "configmaps",
	          "{apiVersion: v1, kind: ConfigMap, metadata: {name: cm, namespace: t}, data: {A: "
	          "one, B: two}}");
	world_put(w, "secrets",
	          "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: t}, data: {P: "
	          "c2VjcmV0}}");
	world_pod(w, "env",
	          "{terminationGracePeriodSeconds: 0, containers: [{name: c, image: kennel, "
	          "command: [sleep, '1000'], "
	          "resources: {limits: {memory: 64Mi, cpu: 500m}}, "
	          "envFrom: [{configMapRef: {name: cm}}], env: [{name: P, valueFrom: "
	          "{secretKeyRef: {name: s, key: P}}}, "
	          "{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: BOTH, "
	          "value: '$(A)-$(P)-$(NO)'}, "
	          "{name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: "
	          "1Mi}}}]}]}");
	world_wait(w, "env", "status.phase", "Running");
	assert_exec(w, "env", "echo $A $B $P $BOTH $MEM $HOSTNAME; test -n \"$IP\"",
	            "one two secret one-secret-$(NO) 64 env");
	assert_string_equal(world_text(w, "env", "status.qosClass"), "Guaranteed");
	end(w, "env");
}

static void a_missing_configmap_is_named_and_awaited(void **state)
{
	struct world *w = *state;

	world_pod(w, "missing",
	          "{terminationGracePeriodSeconds: 0, containers: [{name: c, image: kennel, "
	          "command: [sleep, '1000'], "
	          "envFrom: [{configMapRef: {name: late}}]}]}");
	world_wait(w, "missing", "status.containerStatuses[0].state.waiting.reason",
	           "CreateContainerConfigError");
	assert_string_equal(
		world_text(w, "missing", "status.containerStatuses[0].state.waiting.message"),
		"configmap \"late\" not found");
	world_wait_event(w, "Warning Failed missing: Error: configmap \"late\" not found");
	world_put(w, "configmaps",
	          "{apiVersion: v1, kind: ConfigMap, metadata: {name: late, namespace: t}, data: "
	          "{X: here}}");
	world_wait(w, "missing", "status.phase", "Running");
	assert_exec(w, "missing", "echo $X", "here");
	end(w, "missing");
}

static void volumes_are_mounted_and_follow_their_objects(void **state)
{
	struct world *w = *state;

	world_put(w, "configmaps",
	          "{apiVersion: v1, kind: ConfigMap, metadata: {name: conf, namespace: t}, data: "
	          "{k: old}}");
	world_put(w, "secrets",
	          "{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: t}, data: {p: "
	          "c2VjcmV0}}");
	world_pod(w, "vol",
	          "{terminationGracePeriodSeconds: 0, volumes: [{name: conf, configMap: {name: "
	          "conf}}, "
	          "{name: key, secret: {secretName: key, defaultMode: 256}}, {name: e, emptyDir: "
	          "{}}, "
	          "{name: m, emptyDir: {medium: Memory, sizeLimit: 1Mi}}, "
	          "{name: all, projected: {sources: [{serviceAccountToken: {path: token}}, "
	          "{downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: "
	          "metadata.labels}}]}}]}}], "
	          "initContainers: [{name: i, image: kennel, command: [sh, -c, 'echo from-init > "
	          "/e/f; mkdir /e/sub; echo s > "
	          "/e/sub/x'], volumeMounts: [{name: e, mountPath: /e}]}], "
	          "containers: [{name: c, image: kennel, command: [sleep, '1000'], volumeMounts: "
	          "[{name: conf, mountPath: /conf}, "
	          "{name: key, mountPath: /key}, {name: e, mountPath: /e}, {name: m, mountPath: "
	          "/m}, {name: all, mountPath: "
	          "/all}, {name: e, mountPath: /sub, subPath: sub}, {name: conf, mountPath: /one, "
	          "subPath: k}]}]}");
	world_wait(w, "vol", "status.phase", "Running");
	assert_exec(w, "vol",
	            "cat /conf/k; echo; cat /key/p; echo; stat -L -c %a /key/p; cat /e/f /sub/x; "
	            "stat -f -c %T /m",
	            "old\nsecret\n400\nfrom-init\ns\ntmpfs");
	assert_exec(w, "vol", "cat /all/token; echo; cat /all/labels; echo; cat /one",
	            "the-token\napp=\"vol\"\nold");
	assert_exec(w, "vol", "(echo x > /conf/no) 2>/dev/null || echo refused", "refused");
	world_put(w, "configmaps",
	          "{apiVersion: v1, kind: ConfigMap, metadata: {name: conf, namespace: t}, data: "
	          "{k: new}}");
	world_pass(w, 20000);
	assert_exec(w, "vol", "cat /conf/k; echo; cat /one", "new\nold");
	end(w, "vol");
}

static void init_containers_run_one_by_one(void **state)
{
	struct world *w = *state;

	world_pod(w, "init",
	          "{terminationGracePeriodSeconds: 0, volumes: [{name: e, emptyDir: {}}], "
	          "initContainers: ["
	          "{name: a, image: kennel, command: [sh, -c, 'sleep 0.1; echo a >> /e/f'], "
	          "volumeMounts: [{name: e, mountPath: "
	          "/e}]}, {name: side, image: kennel, restartPolicy: Always, command: [sh, -c, "
	          "'echo s >> /e/f; exec sleep 1000'], "
	          "volumeMounts: [{name: e, mountPath: /e}]}, "
	          "{name: b, image: kennel, command: [sh, -c, 'sleep 0.1; echo b >> /e/f'], "
	          "volumeMounts: [{name: e, mountPath: "
	          "/e}]}], containers: [{name: c, image: kennel, command: [sleep, '1000'], "
	          "volumeMounts: [{name: e, mountPath: "
	          "/e}]}]}");
	world_wait(w, "init", "status.phase", "Running");
	assert_exec(w, "init", "cat /e/f", "a\ns\nb");
	assert_string_equal(
		world_text(w, "init", "status.initContainerStatuses[0].state.terminated.reason"),
		"Completed");
	assert_string_equal(world_text(w, "init", "status.initContainerStatuses[1].ready"), "true");
	end(w, "init");
	world_pod(w, "badinit",
	          "{restartPolicy: Never, initContainers: [{name: a, image: kennel, command: [sh, "
	          "-c, 'exit 5']}], containers: "
	          "[{name: c, image: kennel, command: [sleep, '1000']}]}");
	world_wait(w, "badinit", "status.phase", "Failed");
	assert_string_equal(world_text(w, "badinit",
	                               "status.initContainerStatuses[0].state.terminated.exitCode"),
	                    "5");
	assert_string_equal(
		world_text(w, "badinit", "status.containerStatuses[0].state.waiting.reason"),
		"PodInitializing");
	end(w, "badinit");
}

static void a_crash_restarts_at_once_and_then_backs_off(void **state)
{
	struct world *w = *state;

	world_pod(w, "crash",
	          "{terminationGracePeriodSeconds: 0, containers: [{name: c, image: kennel, "
	          "terminationMessagePolicy: "
	          "FallbackToLogsOnError, command: [sh, -c, 'echo why it died; exit 3']}]}");
	world_wait(w, "crash", "status.containerStatuses[0].state.waiting.reason",
	           "CrashLoopBackOff");
	assert_string_equal(world_text(w, "crash", "status.containerStatuses[0].restartCount"),
	                    "1");
	assert_string_equal(
		world_text(w, "crash", "status.containerStatuses[0].lastState.terminated.exitCode"),
		"3");
	assert_string_equal(
		world_text(w, "crash", "status.containerStatuses[0].lastState.terminated.message"),
		"why it died");
	assert_non_null(
		strstr(world_text(w, "crash", "status.containerStatuses[0].state.waiting.message"),
	               "back-off 10s restarting failed container=c pod=crash_t("));
	assert_string_equal(world_text(w, "crash", "status.phase"), "Running");
	world_wait_event(
		w, "Warning BackOff crash: Back-off restarting failed container c in pod crash_t(");
	end(w, "crash");
}

static void a_job_like_pod_succeeds(void **state)
{
	struct world *w = *state;

	world_pod(w, "job",
	          "{restartPolicy: OnFailure, containers: [{name: c, image: kennel, command: [sh, "
	          "-c, 'printf done > "
	          "/dev/termination-log']}]}");
	world_wait(w, "job", "status.phase", "Succeeded");
	assert_string_equal(
		world_text(w, "job", "status.containerStatuses[0].state.terminated.message"),
		"done");
	assert_string_equal(world_text(w, "job", "status.conditions[2].reason"), "PodCompleted");
	end(w, "job");
}

static void probes_decide_ready_and_restart(void **state)
{
	struct world *w = *state;

	world_pod(
		w, "probe",
		"{terminationGracePeriodSeconds: 0, containers: [{name: c, image: kennel, "
		"command: [sleep, '1000'], readinessProbe: {exec: {command: [test, -f, /tmp/up]}, "
		"periodSeconds: 1, "
		"failureThreshold: 1}, livenessProbe: {exec: {command: [sh, -c, '! test -f "
		"/tmp/sick']}, periodSeconds: 1, "
		"failureThreshold: 1}}]}");
	world_wait(w, "probe", "status.phase", "Running");
	assert_string_equal(world_text(w, "probe", "status.containerStatuses[0].ready"), "false");
	assert_string_equal(world_text(w, "probe", "status.conditions[2].message"),
	                    "containers with unready status: [c]");
	assert_exec(w, "probe", "touch /tmp/up", "");
	world_wait(w, "probe", "status.containerStatuses[0].ready", "true");
	assert_exec(w, "probe", "rm /tmp/up", "");
	world_wait(w, "probe", "status.containerStatuses[0].ready", "false");
	world_wait_event(w, "Warning Unhealthy probe: Readiness probe failed:");
	assert_exec(w, "probe", "touch /tmp/sick", "");
	world_wait(w, "probe", "status.containerStatuses[0].restartCount", "1");
	world_wait_event(
		w, "Normal Killing probe: Container c failed liveness probe, will be restarted");
	end(w, "probe");
}

static void a_server_is_ready_when_it_listens(void **state)
{
	struct world *w = *state;

	/* hostNetwork: the test's own loopback is the node's address */
	world_pod(w, "web",
	          "{hostNetwork: true, terminationGracePeriodSeconds: 0, containers: [{name: c, "
	          "image: kennel, command: [python3, "
	          "-m, http.server, '18431', --bind, 127.0.0.1, --directory, /usr/share/doc], "
	          "ports: [{name: http, containerPort: "
	          "18431}], startupProbe: {tcpSocket: {port: 18431}, periodSeconds: 10}, "
	          "readinessProbe: {httpGet: {path: /, "
	          "port: http}, periodSeconds: 10}}]}");
	world_wait(w, "web", "status.conditions[2].status", "True");
	assert_string_equal(world_text(w, "web", "status.podIP"), "127.0.0.1");
	end(w, "web");
	world_pod(
		w, "deaf",
		"{hostNetwork: true, terminationGracePeriodSeconds: 0, containers: [{name: c, "
		"image: kennel, command: [sleep, "
		"'1000'], readinessProbe: {httpGet: {path: /x, port: 18432}, periodSeconds: 1}}]}");
	world_wait_event(w, "Warning Unhealthy deaf: Readiness probe failed: Get "
	                    "\"http://127.0.0.1:18432/x\": dial tcp "
	                    "127.0.0.1:18432: connect: connection refused");
	end(w, "deaf");
}

static void the_end_is_graceful(void **state)
{
	struct world *w = *state;
	scoped_free char *host = mem_printf("%s/kept", w->dir), *spec = NULL,
			 *file = mem_printf("%s/f", host);
	scoped_strbuf struct strbuf text = { 0 };
	int64_t start;

	spec = mem_printf("{terminationGracePeriodSeconds: 30, volumes: [{name: h, hostPath: "
	                  "{path: %s, type: "
	                  "DirectoryOrCreate}}], containers: [{name: c, image: kennel, command: "
	                  "[sh, -c, 'trap \"echo term >> "
	                  "/h/f; exit 0\" TERM; while :; do sleep 0.05; done'], volumeMounts: "
	                  "[{name: h, mountPath: /h}], "
	                  "lifecycle: {postStart: {exec: {command: [sh, -c, 'echo post >> "
	                  "/h/f']}}, preStop: {exec: {command: "
	                  "[sh, -c, 'echo pre >> /h/f']}}}}]}",
	                  host);
	world_pod(w, "grace", spec);
	world_wait(w, "grace", "status.containerStatuses[0].ready", "true");
	world_delete_pod(w, "grace", 30);
	world_wait_gone(w, "grace");
	assert_int_equal(file_read(file, 0, &text, NULL), 0);
	assert_string_equal(strbuf_str(&text), "post\npre\nterm\n");
	world_wait_event(w, "Normal Killing grace: Stopping container c");

	world_pod(w, "stubborn",
	          "{containers: [{name: c, image: kennel, command: [sh, -c, 'trap \"\" TERM; while "
	          ":; do sleep 0.05; done']}]}");
	world_wait(w, "stubborn", "status.phase", "Running");
	start = clock_mono_us();
	world_delete_pod(w, "stubborn", 1);
	world_wait_gone(w, "stubborn");
	/* its own patience, not the thirty seconds of a pod that has none */
	assert_in_range(clock_mono_us() - start, 500 * US_PER_MS, 20 * US_PER_S);
}

static void a_pod_behind_a_service_leaves_before_it_ends(void **state)
{
	struct world *w = *state;
	scoped_free char *slice = mem_printf(
		"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s, "
		"namespace: "
		"t}, endpoints: [{conditions: {ready: %s}, targetRef: {uid: uid-leaves-%d}}]}",
		"true", getpid());
	scoped_free char *gone = mem_printf(
		"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s, "
		"namespace: "
		"t}, endpoints: [{conditions: {ready: %s}, targetRef: {uid: uid-leaves-%d}}]}",
		"false", getpid());
	size_t seen;

	world_put(w, "endpointslices", slice);
	world_pod(w, "leaves",
	          "{containers: [{name: c, image: kennel, command: [sh, -c, 'trap \"exit 0\" TERM; "
	          "while :; do sleep 0.02; "
	          "done']}]}");
	world_wait(w, "leaves", "status.phase", "Running");
	world_delete_pod(w, "leaves", 30);
	seen = w->events.size;
	world_pass(w, 300000);
	assert_null(strstr(w->events.p + seen, "Killing leaves"));
	world_put(w, "endpointslices", gone);
	world_wait_gone(w, "leaves");
	assert_non_null(strstr(w->events.p + seen, "Killing leaves"));
	world_drop(w, "endpointslices", "t", "s");
}

/* What conmon writes when the pod's container has ended. */
static char *exit_file(const struct world *w, const char *pod)
{
	const char *id = world_text(w, pod, "status.containerStatuses[0].containerID"),
		   *bare = strrchr(id, '/');

	assert_non_null(bare);
	return mem_printf("%s/exit%s", w->run, bare);
}

static void a_restarted_node_takes_up_what_runs(void **state)
{
	struct world *w = *state;
	scoped_free char *id = NULL, *ip = NULL, *ended = NULL, *go = mem_printf("%s/go", w->dir),
			 *dies = mem_printf("{restartPolicy: Never, volumes: [{name: h, hostPath: "
	                                    "{path: %s}}], containers: [{name: c, image: kennel, "
	                                    "volumeMounts: [{name: h, mountPath: /h}], command: "
	                                    "[sh, -c, 'until [ -e /h/go ]; do sleep 0.02; done; "
	                                    "exit 6']}]}",
	                                    w->dir);

	world_pod(w, "lives", SLEEP);
	world_pod(w, "dies", dies);
	world_pod(w, "orphan", SLEEP);
	world_wait(w, "lives", "status.phase", "Running");
	world_wait(w, "dies", "status.phase", "Running");
	world_wait(w, "orphan", "status.phase", "Running");
	id = mem_strdup(world_text(w, "lives", "status.containerStatuses[0].containerID"));
	ip = mem_strdup(world_text(w, "lives", "status.podIP"));
	ended = exit_file(w, "dies");
	world_stop_node(w);
	world_drop(w, "pods", "t", "orphan");
	assert_int_equal(file_write(go, SLICE(""), 0600, NULL), 0);
	for (int i = 0; i < 2000 && access(ended, F_OK) < 0; i++) {
		usleep(10000);
	}
	world_start_node(w);
	world_wait(w, "dies", "status.phase", "Failed");
	assert_string_equal(
		world_text(w, "dies", "status.containerStatuses[0].state.terminated.exitCode"),
		"6");
	assert_string_equal(world_text(w, "lives", "status.containerStatuses[0].containerID"), id);
	assert_string_equal(world_text(w, "lives", "status.containerStatuses[0].restartCount"),
	                    "0");
	assert_string_equal(world_text(w, "lives", "status.podIP"), ip);
	assert_exec(w, "lives", "echo here", "here");
	{
		scoped_free char *left = mem_printf("%s/pods/uid-orphan-%d", w->home, getpid());

		for (int i = 0; i < 200 && access(left, F_OK) == 0; i++) {
			world_pass(w, 10000);
		}
		assert_int_equal(access(left, F_OK), -1);
	}
	end(w, "lives");
	end(w, "dies");
}

static void what_cannot_start_says_why(void **state)
{
	static const struct {
		const char *name, *container, *path, *reason;
	} cases[] = {
		{ "never", "image: example.invalid/none, imagePullPolicy: Never",
		  "state.waiting.reason", "ErrImageNeverPull" },
		{ "badname", "image: 'BAD NAME'", "state.waiting.reason", "InvalidImageName" },
		{ "root", "image: kennel, command: [id], securityContext: {runAsNonRoot: true}",
		  "state.waiting.reason", "CreateContainerConfigError" },
		{ "nocmd", "image: kennel, command: [/no/such]", "state.terminated.reason",
		  "StartError" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_free char *spec = mem_printf(
					 "{restartPolicy: Never, containers: [{name: c, %s}]}",
					 cases[i].container),
				 *path = mem_printf("status.containerStatuses[0].%s",
		                                    cases[i].path);

		world_pod(w, cases[i].name, spec);
		world_wait(w, cases[i].name, path, cases[i].reason);
		end(w, cases[i].name);
	}
}

static void rights_are_what_the_pod_asks_for(void **state)
{
	struct world *w = *state;

	world_pod(w, "rights",
	          "{terminationGracePeriodSeconds: 0, securityContext: {runAsUser: 1234, "
	          "runAsGroup: 55, fsGroup: 77, "
	          "supplementalGroups: [99]}, volumes: [{name: e, emptyDir: {}}], containers: "
	          "[{name: c, image: kennel, command: "
	          "[sleep, '1000'], volumeMounts: [{name: e, mountPath: /e}], securityContext: "
	          "{readOnlyRootFilesystem: true, "
	          "allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: "
	          "{type: RuntimeDefault}}}]}");
	world_wait(w, "rights", "status.phase", "Running");
	assert_exec(w, "rights", "id -u; id -g; id -G; grep NoNewPrivs /proc/self/status | cut -f2",
	            "1234\n55\n55 77 99\n1");
	assert_exec(w, "rights",
	            "(touch /x) 2>/dev/null || echo ro; touch /e/f && stat -c %g /e/f; grep CapEff "
	            "/proc/self/status "
	            "| cut -f2",
	            "ro\n77\n0000000000000000");
	end(w, "rights");
}

static void what_the_node_forbids_fails_at_once(void **state)
{
	struct world *w = *state;

	world_pod(w, "sysctl",
	          "{securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}, containers: "
	          "[{name: c, image: kennel, "
	          "command: [id]}]}");
	world_wait(w, "sysctl", "status.reason", "SysctlForbidden");
	assert_string_equal(world_text(w, "sysctl", "status.phase"), "Failed");
	end(w, "sysctl");
	world_pod(w, "late",
	          "{activeDeadlineSeconds: 1, terminationGracePeriodSeconds: 0, containers: "
	          "[{name: c, image: kennel, command: "
	          "[sleep, '1000']}]}");
	world_wait(w, "late", "status.phase", "Running");
	world_wait(w, "late", "status.reason", "DeadlineExceeded");
	world_wait(w, "late", "status.containerStatuses[0].state.terminated.exitCode", "137");
	assert_string_equal(world_text(w, "late", "status.phase"), "Failed");
	end(w, "late");
}

static void an_ephemeral_container_looks_into_another(void **state)
{
	struct world *w = *state;

	world_pod(w, "looked", SLEEP);
	world_wait(w, "looked", "status.phase", "Running");
	world_pod(w, "looked",
	          "{containers: [{name: c, image: kennel, command: [sleep, '1000']}], "
	          "terminationGracePeriodSeconds: 0, "
	          "ephemeralContainers: [{name: d, image: kennel, targetContainerName: c, "
	          "terminationMessagePath: /msg, command: "
	          "[sh, -c, 'cat /proc/1/comm > /msg']}]}");
	world_wait(w, "looked", "status.ephemeralContainerStatuses[0].state.terminated.message",
	           "sleep");
	world_wait(w, "looked", "status.containerStatuses[0].restartCount", "0");
	end(w, "looked");
}

/* The best of five: nothing on the way waits for a tick, whatever else the machine does. */
static void pods_start_quickly_one_after_the_other(void **state)
{
	struct world *w = *state;
	int64_t best = INT64_MAX;
	char name[24];

	for (int i = 0; i < 5; i++) {
		int64_t start = clock_mono_us(), took;

		snprintf(name, sizeof(name), "one-%d", i);
		world_pod(w, name, SLEEP);
		world_wait(w, name, "status.conditions[2].status", "True");
		took = clock_mono_us() - start;
		print_message("# create to Ready: %lld us\n", (long long)took);
		best = took < best ? took : best;
		end(w, name);
	}
	assert_in_range(best, 0, 500 * US_PER_MS);
}

static void ten_pods_start_together(void **state)
{
	struct world *w = *state;
	int64_t start = clock_mono_us();
	char name[24];

	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		world_pod(w, name, SLEEP);
	}
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		world_wait(w, name, "status.conditions[2].status", "True");
	}
	print_message("# ten pods Ready: %lld us\n", (long long)(clock_mono_us() - start));
	start = clock_mono_us();
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		world_delete_pod(w, name, 0);
	}
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		world_wait_gone(w, name);
	}
	print_message("# ten pods gone: %lld us\n", (long long)(clock_mono_us() - start));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_runs_is_ready_and_leaves_nothing),
		cmocka_unit_test(variables_come_from_everywhere),
		cmocka_unit_test(a_missing_configmap_is_named_and_awaited),
		cmocka_unit_test(volumes_are_mounted_and_follow_their_objects),
		cmocka_unit_test(init_containers_run_one_by_one),
		cmocka_unit_test(a_crash_restarts_at_once_and_then_backs_off),
		cmocka_unit_test(a_job_like_pod_succeeds),
		cmocka_unit_test(probes_decide_ready_and_restart),
		cmocka_unit_test(a_server_is_ready_when_it_listens),
		cmocka_unit_test(the_end_is_graceful),
		cmocka_unit_test(a_pod_behind_a_service_leaves_before_it_ends),
		cmocka_unit_test(a_restarted_node_takes_up_what_runs),
		cmocka_unit_test(what_cannot_start_says_why),
		cmocka_unit_test(rights_are_what_the_pod_asks_for),
		cmocka_unit_test(what_the_node_forbids_fails_at_once),
		cmocka_unit_test(an_ephemeral_container_looks_into_another),
		cmocka_unit_test(pods_start_quickly_one_after_the_other),
		cmocka_unit_test(ten_pods_start_together),
	};

	return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
