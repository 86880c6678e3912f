/* Why: everything a pod says about how its process runs meets here, in one tree that crun reads. */
#include "node/spec.h"

#include <stdio.h>

#include "base/mem.h"
#include "node/resources.h"

/* Bits 0..40 of linux/capability.h, in order. */
static const char *const CAPS[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};
static const char *const DEFAULT_CAPS[] = {
	"CHOWN",   "DAC_OVERRIDE", "FSETID",           "FOWNER",
	"MKNOD",   "NET_RAW",      "SETGID",           "SETUID",
	"SETFCAP", "SETPCAP",      "NET_BIND_SERVICE", "SYS_CHROOT",
	"KILL",    "AUDIT_WRITE",
};
static const char *const MASKED[] = {
	"/proc/asound",
	"/proc/acpi",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/sys/firmware",
	"/sys/devices/virtual/powercap",
};
static const char *const READ_ONLY[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};
/* What RuntimeDefault refuses to whoever lacks CAP_SYS_ADMIN: the kernel's own administration. */
static const char *const REFUSED_CALLS[] = {
	"acct",
	"add_key",
	"bpf",
	"clock_adjtime",
	"clock_settime",
	"create_module",
	"delete_module",
	"finit_module",
	"fsconfig",
	"fsmount",
	"fsopen",
	"fspick",
	"get_kernel_syms",
	"init_module",
	"ioperm",
	"iopl",
	"kcmp",
	"kexec_file_load",
	"kexec_load",
	"keyctl",
	"lookup_dcookie",
	"mbind",
	"mount",
	"mount_setattr",
	"move_mount",
	"move_pages",
	"name_to_handle_at",
	"nfsservctl",
	"open_by_handle_at",
	"open_tree",
	"perf_event_open",
	"pivot_root",
	"process_vm_readv",
	"process_vm_writev",
	"ptrace",
	"query_module",
	"quotactl",
	"reboot",
	"request_key",
	"set_mempolicy",
	"setns",
	"settimeofday",
	"stime",
	"swapoff",
	"swapon",
	"syslog",
	"umount",
	"umount2",
	"unshare",
	"uselib",
	"userfaultfd",
	"ustat",
	"vm86",
	"vm86old",
	"vhangup",
};

static int cap_bit(struct slice name)
{
	if (slice_has_prefix(name, SLICE("CAP_"))) {
		name = slice_from(name, 4);
	}
	for (size_t i = 0; i < ARRAY_SIZE(CAPS); i++) {
		if (slice_eq_nocase(name, slice_of(CAPS[i]))) {
			return (int)i;
		}
	}
	return -1;
}

static int cap_change(const struct val *names, bool add, uint64_t *mask, struct err *err)
{
	val_for_each (names, it) {
		int bit = cap_bit(val_str(it));

		if (slice_eq_nocase(val_str(it), SLICE("ALL"))) {
			*mask = add ? (UINT64_C(1) << ARRAY_SIZE(CAPS)) - 1 : 0;
			continue;
		}
		if (bit < 0) {
			return err_raise(err, ERR_INVALID, "unknown capability \"" SLICE_FMT "\"",
			                 SLICE_ARG(val_str(it)));
		}
		*mask = add ? *mask | UINT64_C(1) << bit : *mask & ~(UINT64_C(1) << bit);
	}
	return 0;
}

int spec_capabilities(struct arena *a, const struct val *security, struct val **ret,
                      struct err *err)
{
	const struct val *change = val_get(security, "capabilities");
	uint64_t mask = 0;
	struct val *out;
	int r;

	if (val_bool(val_get(security, "privileged"), false)) {
		mask = (UINT64_C(1) << ARRAY_SIZE(CAPS)) - 1;
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(DEFAULT_CAPS); i++) {
			mask |= UINT64_C(1) << cap_bit(slice_of(DEFAULT_CAPS[i]));
		}
	}
	/* "drop: [ALL], add: [X]" leaves X: drops of ALL come first */
	r = cap_change(val_get(change, "drop"), false, &mask, err);
	if (r == 0) {
		r = cap_change(val_get(change, "add"), true, &mask, err);
	}
	if (r < 0) {
		return r;
	}
	out = val_new_array(a);
	for (size_t i = 0; i < ARRAY_SIZE(CAPS); i++) {
		if (mask & UINT64_C(1) << i) {
			val_append(out, val_new_strf(a, "CAP_%s", CAPS[i]));
		}
	}
	*ret = out;
	return 0;
}

static const struct val *pick(const struct val *over, const struct val *under, const char *key)
{
	const struct val *v = val_get(over, key);

	return v ? v : val_get(under, key);
}

/* command replaces Entrypoint and drops Cmd; args replaces Cmd. */
static int render_args(struct arena *a, const struct spec_input *in, struct val *process,
                       struct err *err)
{
	struct val *args = val_need_array(a, process, "args");
	const struct val *command = val_get(in->container, "command");
	const struct val *extra = val_get(in->container, "args");
	const struct val *cmd = val_get(in->image_config, "Cmd");

	if (in->argv) {
		for (const char *const *it = in->argv; *it; it++) {
			val_append(args, val_new_cstr(a, *it));
		}
		return 0;
	}
	if (val_len(command) > 0) {
		val_for_each (command, it) {
			val_append(args, val_new_str(a, env_expand(in->own_env, val_str(it))));
		}
	} else {
		val_for_each (val_get(in->image_config, "Entrypoint"), it) {
			val_append(args, val_copy(a, it));
		}
	}
	if (val_len(extra) > 0) {
		val_for_each (extra, it) {
			val_append(args, val_new_str(a, env_expand(in->own_env, val_str(it))));
		}
	} else if (val_len(command) == 0) {
		val_for_each (cmd, it) {
			val_append(args, val_copy(a, it));
		}
	}
	if (val_len(args) == 0) {
		return err_raise(err, ERR_INVALID, "no command specified");
	}
	return 0;
}

static void render_user(struct arena *a, const struct user *u, struct val *process)
{
	struct val *user = val_need_object(a, process, "user");

	val_set_int(a, user, "uid", u->uid);
	val_set_int(a, user, "gid", u->gid);
	if (u->n_groups > 0) {
		struct val *groups = val_need_array(a, user, "additionalGids");

		for (size_t i = 0; i < u->n_groups; i++) {
			val_append(groups, val_new_int(a, u->groups[i]));
		}
	}
}

static int render_process(struct arena *a, const struct spec_input *in, struct val *config,
                          struct err *err)
{
	static const char *const SETS[] = { "bounding", "effective", "permitted" };
	const struct val *security = val_get(in->container, "securityContext");
	bool privileged = val_bool(val_get(security, "privileged"), false);
	struct val *process = val_need_object(a, config, "process");
	struct slice cwd = val_get_str(in->container, "workingDir");
	struct val *env, *caps, *sets;
	bool has_home = false;
	int r;

	val_set_bool(a, process, "terminal", val_bool(val_get(in->container, "tty"), false));
	render_user(a, in->user, process);
	r = render_args(a, in, process, err);
	if (r < 0) {
		return r;
	}
	env = val_need_array(a, process, "env");
	for (size_t i = 0; i < in->env->n; i++) {
		const struct env_var *v = &in->env->at[i];

		has_home = has_home || slice_is(v->name, "HOME");
		val_append(env, val_new_strf(a, SLICE_FMT "=" SLICE_FMT, SLICE_ARG(v->name),
		                             SLICE_ARG(v->value)));
	}
	if (!has_home) {
		val_append(env, val_new_strf(a, "HOME=%s", in->user->home));
	}
	if (val_bool(val_get(in->container, "tty"), false)) {
		val_append(env, val_new_cstr(a, "TERM=xterm"));
	}
	if (cwd.len == 0) {
		cwd = val_get_str(in->image_config, "WorkingDir");
	}
	val_set_str(a, process, "cwd", cwd.len > 0 ? cwd : SLICE("/"));
	r = spec_capabilities(a, security, &caps, err);
	if (r < 0) {
		return r;
	}
	sets = val_need_object(a, process, "capabilities");
	for (size_t i = 0; i < ARRAY_SIZE(SETS); i++) {
		val_set(a, sets, SETS[i], val_copy(a, caps));
	}
	val_set_bool(a, process, "noNewPrivileges",
	             !privileged && !val_bool(val_get(security, "allowPrivilegeEscalation"), true));
	val_set_int(a, process, "oomScoreAdj", in->oom_score_adj);
	if (in->nofile > 0) {
		struct val *limits = val_need_array(a, process, "rlimits");
		struct val *files = val_append(limits, val_new_object(a));

		val_set_cstr(a, files, "type", "RLIMIT_NOFILE");
		val_set_int(a, files, "hard", in->nofile);
		val_set_int(a, files, "soft", in->nofile);
	}
	return 0;
}

static void add_mount(struct arena *a, struct val *mounts, const char *dest, const char *type,
                      const char *source, const char *options)
{
	struct val *m = val_append(mounts, val_new_object(a));
	struct val *opts;
	struct slice rest = slice_of(options), one;

	val_set_cstr(a, m, "destination", dest);
	val_set_cstr(a, m, "type", type);
	val_set_cstr(a, m, "source", source);
	opts = val_need_array(a, m, "options");
	while (slice_next(&rest, ',', &one)) {
		val_append(opts, val_new_str(a, one));
	}
}

static void render_mounts(struct arena *a, const struct spec_input *in, struct val *config)
{
	struct val *mounts = val_need_array(a, config, "mounts");
	bool privileged = val_bool(val_path(in->container, "securityContext.privileged"), false);
	bool host_net = val_bool(val_path(in->pod, "spec.hostNetwork"), false);
	bool has_shm = false;

	for (size_t i = 0; i < in->n_mounts; i++) {
		has_shm = has_shm || strcmp(in->mounts[i].dest, "/dev/shm") == 0;
	}
	add_mount(a, mounts, "/proc", "proc", "proc", "nosuid,noexec,nodev");
	add_mount(a, mounts, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	add_mount(a, mounts, "/dev/pts", "devpts", "devpts",
	          "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
	add_mount(a, mounts, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	if (host_net) {
		add_mount(a, mounts, "/sys", "bind", "/sys",
		          privileged ? "rbind,nosuid,noexec,nodev"
		                     : "rbind,nosuid,noexec,nodev,ro");
	} else {
		add_mount(a, mounts, "/sys", "sysfs", "sysfs",
		          privileged ? "nosuid,noexec,nodev" : "nosuid,noexec,nodev,ro");
	}
	add_mount(a, mounts, "/sys/fs/cgroup", "cgroup", "cgroup",
	          privileged ? "nosuid,noexec,nodev,relatime" : "nosuid,noexec,nodev,relatime,ro");
	if (!has_shm) {
		add_mount(a, mounts, "/dev/shm", "tmpfs", "shm",
		          "nosuid,noexec,nodev,mode=1777,size=65536k");
	}
	for (size_t i = 0; i < in->n_mounts; i++) {
		const struct spec_mount *m = &in->mounts[i];

		add_mount(a, mounts, m->dest, m->type ? m->type : "bind", m->source,
		          m->options ? m->options : "rbind,rprivate");
	}
}

static void add_namespace(struct arena *a, struct val *list, const char *type, const char *path)
{
	struct val *ns = val_append(list, val_new_object(a));

	val_set_cstr(a, ns, "type", type);
	if (path) {
		val_set_cstr(a, ns, "path", path);
	}
}

static void render_namespaces(struct arena *a, const struct spec_input *in, struct val *linux_)
{
	struct val *list = val_need_array(a, linux_, "namespaces");
	const struct val *spec = val_get(in->pod, "spec");

	add_namespace(a, list, "mount", NULL);
	add_namespace(a, list, "cgroup", NULL);
	if (!val_bool(val_get(spec, "hostPID"), false)) {
		add_namespace(a, list, "pid", in->pidns);
	}
	if (!val_bool(val_get(spec, "hostIPC"), false)) {
		add_namespace(a, list, "ipc", in->ipcns);
	}
	if (in->netns || !val_bool(val_get(spec, "hostNetwork"), false)) {
		add_namespace(a, list, "network", in->netns);
	}
	add_namespace(a, list, "uts", in->utsns);
}

static void render_resources(struct arena *a, const struct spec_input *in, struct val *linux_)
{
	struct resources r = resources_of_container(in->container);
	struct val *out = val_need_object(a, linux_, "resources");
	struct val *cpu = val_need_object(a, out, "cpu");
	bool privileged = val_bool(val_path(in->container, "securityContext.privileged"), false);
	struct val *device = val_append(val_need_array(a, out, "devices"), val_new_object(a));

	val_set_bool(a, device, "allow", privileged);
	val_set_cstr(a, device, "access", "rwm");
	val_set_int(a, cpu, "shares", cpu_shares(r.cpu_request_milli));
	if (r.cpu_limit_milli > 0) {
		val_set_int(a, cpu, "quota", cpu_quota_us(r.cpu_limit_milli));
		val_set_int(a, cpu, "period", 100000);
	}
	if (r.memory_limit_bytes > 0) {
		val_set_int(a, val_need_object(a, out, "memory"), "limit", r.memory_limit_bytes);
	}
	if (in->pids_max > 0) {
		val_set_int(a, val_need_object(a, out, "pids"), "limit", in->pids_max);
	}
}

static bool has_cap(const struct val *config, const char *name)
{
	val_for_each (val_path(config, "process.capabilities.bounding"), it) {
		if (slice_is(val_str(it), name)) {
			return true;
		}
	}
	return false;
}

static void render_seccomp(struct arena *a, const struct spec_input *in, const struct val *config,
                           struct val *linux_)
{
	const struct val *profile =
		pick(val_get(in->container, "securityContext"),
	             val_path(in->pod, "spec.securityContext"), "seccompProfile");
	struct val *seccomp, *rule, *names;

	if (!slice_is(val_get_str(profile, "type"), "RuntimeDefault") ||
	    has_cap(config, "CAP_SYS_ADMIN")) {
		return;
	}
	seccomp = val_need_object(a, linux_, "seccomp");
	val_set_cstr(a, seccomp, "defaultAction", "SCMP_ACT_ALLOW");
	rule = val_append(val_need_array(a, seccomp, "syscalls"), val_new_object(a));
	names = val_need_array(a, rule, "names");
	for (size_t i = 0; i < ARRAY_SIZE(REFUSED_CALLS); i++) {
		val_append(names, val_new_cstr(a, REFUSED_CALLS[i]));
	}
	val_set_cstr(a, rule, "action", "SCMP_ACT_ERRNO");
	val_set_int(a, rule, "errnoRet", 1);
}

static void render_linux(struct arena *a, const struct spec_input *in, struct val *config)
{
	struct val *linux_ = val_need_object(a, config, "linux");
	const struct val *security = val_get(in->container, "securityContext");
	bool privileged = val_bool(val_get(security, "privileged"), false);

	val_set_cstr(a, linux_, "cgroupsPath", in->cgroup_path);
	render_namespaces(a, in, linux_);
	render_resources(a, in, linux_);
	if (!privileged) {
		struct val *masked = val_need_array(a, linux_, "maskedPaths");
		struct val *ro = val_need_array(a, linux_, "readonlyPaths");
		bool unmasked = slice_is(val_get_str(security, "procMount"), "Unmasked");

		for (size_t i = 0; !unmasked && i < ARRAY_SIZE(MASKED); i++) {
			val_append(masked, val_new_cstr(a, MASKED[i]));
		}
		for (size_t i = 0; !unmasked && i < ARRAY_SIZE(READ_ONLY); i++) {
			val_append(ro, val_new_cstr(a, READ_ONLY[i]));
		}
		render_seccomp(a, in, config, linux_);
	}
	if (!val_bool(val_path(in->pod, "spec.hostNetwork"), false)) {
		struct val *sysctl = val_need_object(a, linux_, "sysctl");

		val_for_each (val_path(in->pod, "spec.securityContext.sysctls"), it) {
			val_set_slice(a, sysctl, val_get_str(it, "name"),
			              val_new_str(a, val_get_str(it, "value")));
		}
	}
}

int spec_render(struct arena *a, const struct spec_input *in, struct val **ret, struct err *err)
{
	struct val *config = val_new_object(a), *root;
	int r;

	val_set_cstr(a, config, "ociVersion", "1.0.0");
	r = render_process(a, in, config, err);
	if (r < 0) {
		return r;
	}
	root = val_need_object(a, config, "root");
	val_set_cstr(a, root, "path", in->rootfs);
	val_set_bool(a, root, "readonly", in->read_only_root);
	if (in->hostname && !in->utsns) {
		val_set_cstr(a, config, "hostname", in->hostname);
	}
	render_mounts(a, in, config);
	render_linux(a, in, config);
	*ret = config;
	return 0;
}

struct val *spec_exec_process(struct arena *a, const struct val *config, const struct val *args,
                              bool tty)
{
	struct val *process = val_copy(a, val_get(config, "process"));

	val_remove(process, "args");
	val_set(a, process, "args", val_copy(a, args));
	val_set_bool(a, process, "terminal", tty);
	if (tty) {
		val_append(val_need_array(a, process, "env"), val_new_cstr(a, "TERM=xterm"));
	}
	return process;
}
