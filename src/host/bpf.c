/* Why: a handful of commands of one system call; a library for them would bring an ELF reader and
 * type information that programs which were linked at build time do not need. */
#include "host/bpf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/slice.h"

#define LICENSE      "Apache-2.0" /* no helper in use asks for more */
#define PROGRAMS_MAX 64           /* of one kind on one cgroup */
#define MAPS_MAX     32           /* of one program */
#define LOG_SIZE     (1 << 20)

static int call(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static uint64_t pointer(const void *p)
{
	return (uintptr_t)p;
}

/* ---- maps ---- */

int bpf_map_make(const struct bpf_map_spec *s, int *ret_fd, struct err *err)
{
	union bpf_attr attr = { .map_type = s->type,
		                .key_size = s->key_size,
		                .value_size = s->value_size,
		                .max_entries = s->max,
		                .map_flags = s->on_demand ? BPF_F_NO_PREALLOC : 0 };
	int fd;

	snprintf(attr.map_name, sizeof(attr.map_name), "%s", s->name);
	fd = call(BPF_MAP_CREATE, &attr);
	if (fd < 0) {
		return err_sys(err, "make BPF map %s", s->name);
	}
	*ret_fd = fd;
	return 0;
}

int bpf_map_put(int fd, const void *key, const void *value, struct err *err)
{
	union bpf_attr attr = { .map_fd = (uint32_t)fd,
		                .key = pointer(key),
		                .value = pointer(value),
		                .flags = BPF_ANY };

	return call(BPF_MAP_UPDATE_ELEM, &attr) < 0 ? err_sys(err, "write a BPF map") : 0;
}

int bpf_map_drop(int fd, const void *key, struct err *err)
{
	union bpf_attr attr = { .map_fd = (uint32_t)fd, .key = pointer(key) };

	return call(BPF_MAP_DELETE_ELEM, &attr) < 0 && errno != ENOENT
	               ? err_sys(err, "delete from a BPF map")
	               : 0;
}

bool bpf_map_read(int fd, const void *key, void *value)
{
	union bpf_attr attr = { .map_fd = (uint32_t)fd,
		                .key = pointer(key),
		                .value = pointer(value) };

	return call(BPF_MAP_LOOKUP_ELEM, &attr) == 0;
}

/* "0-3": each CPU that may ever be there has a number of its own in the answer. */
static size_t possible_cpus(void)
{
	scoped_file FILE *f = fopen("/sys/devices/system/cpu/possible", "re");
	unsigned last = 0;

	if (f && fscanf(f, "%*u-%u", &last) != 1) {
		last = 0;
	}
	return (size_t)last + 1;
}

uint64_t bpf_map_sum(int fd, const void *key)
{
	size_t n = possible_cpus();
	scoped_free uint64_t *each = mem_realloc(NULL, n, sizeof(*each));
	uint64_t sum = 0;

	if (!bpf_map_read(fd, key, each)) {
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		sum += each[i];
	}
	return sum;
}

bool bpf_map_next(int fd, const void *key, void *ret_key)
{
	union bpf_attr attr = { .map_fd = (uint32_t)fd,
		                .key = pointer(key),
		                .next_key = pointer(ret_key) };

	return call(BPF_MAP_GET_NEXT_KEY, &attr) == 0;
}

/* ---- loading ---- */

static int link_map(struct bpf_insn *at, const struct bpf_use *use, const struct bpf_map_ref *maps,
                    size_t n_maps, struct err *err)
{
	for (size_t i = 0; i < n_maps; i++) {
		if (strcmp(maps[i].name, use->map) == 0) {
			at->src_reg = BPF_PSEUDO_MAP_FD;
			at->imm = maps[i].fd;
			return 0;
		}
	}
	return err_raise(err, ERR_INTERNAL, "no BPF map %s", use->map);
}

/* The last line of the verifier's log that says something. */
static struct slice last_word(const char *log)
{
	struct slice rest = slice_of(log), line, last = { "", 0 };

	while (slice_next(&rest, '\n', &line)) {
		if (line.len > 0 && !slice_has_prefix(line, SLICE("processed "))) {
			last = line;
		}
	}
	return last;
}

/* The same once more, for the kernel to say why not. */
static int refused(union bpf_attr *attr, const struct bpf_code *code, struct err *err)
{
	int was = errno;
	scoped_free char *log = mem_realloc(NULL, LOG_SIZE, 1);

	log[0] = '\0';
	attr->log_buf = pointer(log);
	attr->log_size = LOG_SIZE;
	attr->log_level = 1;
	(void)call(BPF_PROG_LOAD, attr);
	log[LOG_SIZE - 1] = '\0';
	errno = was;
	return err_sys(err, "load BPF program %s: " SLICE_FMT, code->name,
	               SLICE_ARG(last_word(log)));
}

int bpf_program_load(const struct bpf_code *code, const char *name, enum bpf_attach_type at,
                     const struct bpf_map_ref *maps, size_t n_maps, int *ret_fd, struct err *err)
{
	scoped_free struct bpf_insn *linked =
		mem_realloc(NULL, code->n_instructions, sizeof(*linked));
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
		                .expected_attach_type = at,
		                .insns = pointer(linked),
		                .insn_cnt = (uint32_t)code->n_instructions,
		                .license = pointer(LICENSE) };
	int r = 0, fd;

	memcpy(linked, code->instructions, code->n_instructions * sizeof(*linked));
	for (size_t i = 0; i < code->n_uses && r == 0; i++) {
		r = link_map(&linked[code->uses[i].at], &code->uses[i], maps, n_maps, err);
	}
	if (r < 0) {
		return r;
	}
	snprintf(attr.prog_name, sizeof(attr.prog_name), "%s", name);
	fd = call(BPF_PROG_LOAD, &attr);
	if (fd < 0) {
		return refused(&attr, code, err);
	}
	*ret_fd = fd;
	return 0;
}

/* ---- on a cgroup ---- */

int bpf_program_attach(int cgroup_fd, enum bpf_attach_type at, int fd, int replaced_fd,
                       struct err *err)
{
	union bpf_attr attr = { .target_fd = (uint32_t)cgroup_fd,
		                .attach_bpf_fd = (uint32_t)fd,
		                .attach_type = at,
		                .attach_flags = BPF_F_ALLOW_MULTI };

	if (replaced_fd >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)replaced_fd;
	}
	return call(BPF_PROG_ATTACH, &attr) < 0 ? err_sys(err, "attach a BPF program") : 0;
}

int bpf_program_detach(int cgroup_fd, enum bpf_attach_type at, int fd, struct err *err)
{
	union bpf_attr attr = { .target_fd = (uint32_t)cgroup_fd,
		                .attach_bpf_fd = (uint32_t)fd,
		                .attach_type = at };

	return call(BPF_PROG_DETACH, &attr) < 0 ? err_sys(err, "detach a BPF program") : 0;
}

static int info_of(int fd, void *info, size_t size)
{
	union bpf_attr attr = { .info = { .bpf_fd = (uint32_t)fd,
		                          .info_len = (uint32_t)size,
		                          .info = pointer(info) } };

	return call(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

static bool is_program(int fd, const char *prefix)
{
	struct bpf_prog_info info = { 0 };

	return info_of(fd, &info, sizeof(info)) == 0 &&
	       strncmp(info.name, prefix, strlen(prefix)) == 0;
}

static bool is_map(int fd, const char *name)
{
	struct bpf_map_info info = { 0 };

	return info_of(fd, &info, sizeof(info)) == 0 && strcmp(info.name, name) == 0;
}

/* The first of the objects with these ids that has the name (a program: one that begins so). */
static bool find_named(const uint32_t *ids, uint32_t n, enum bpf_cmd open_by_id, const char *name,
                       int *ret_fd)
{
	for (uint32_t i = 0; i < n; i++) {
		union bpf_attr attr = { .prog_id = ids[i] }; /* the same place as map_id */
		scoped_fd int fd = call(open_by_id, &attr);

		if (fd >= 0 && (open_by_id == BPF_PROG_GET_FD_BY_ID ? is_program(fd, name)
		                                                    : is_map(fd, name))) {
			*ret_fd = take_fd(&fd);
			return true;
		}
	}
	return false;
}

bool bpf_program_find(int cgroup_fd, enum bpf_attach_type at, const char *prefix, int *ret_fd)
{
	uint32_t ids[PROGRAMS_MAX];
	union bpf_attr attr = { .query = { .target_fd = (uint32_t)cgroup_fd,
		                           .attach_type = at,
		                           .prog_ids = pointer(ids),
		                           .prog_cnt = PROGRAMS_MAX } };

	return call(BPF_PROG_QUERY, &attr) == 0 &&
	       find_named(ids, attr.query.prog_cnt, BPF_PROG_GET_FD_BY_ID, prefix, ret_fd);
}

bool bpf_program_map(int fd, const char *name, int *ret_fd)
{
	uint32_t ids[MAPS_MAX];
	struct bpf_prog_info info = { .nr_map_ids = MAPS_MAX, .map_ids = pointer(ids) };

	return info_of(fd, &info, sizeof(info)) == 0 && info.nr_map_ids <= MAPS_MAX &&
	       find_named(ids, info.nr_map_ids, BPF_MAP_GET_FD_BY_ID, name, ret_fd);
}

int bpf_probe(int cgroup_fd, struct err *err)
{
	static const struct bpf_insn go_on[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const struct bpf_code code = { .name = "probe",
		                       .instructions = (const void *)go_on,
		                       .n_instructions = sizeof(go_on) / sizeof(go_on[0]) };
	scoped_fd int fd = -1;
	int r = bpf_program_load(&code, code.name, BPF_CGROUP_INET4_CONNECT, NULL, 0, &fd, err);

	if (r == 0) {
		r = bpf_program_attach(cgroup_fd, BPF_CGROUP_INET4_CONNECT, fd, -1, err);
	}
	return r < 0 ? r : bpf_program_detach(cgroup_fd, BPF_CGROUP_INET4_CONNECT, fd, err);
}
