/* Why: what belongs to the cgroup and what this process would put there is compared in one place,
 * as the node's rules are (stamp.c). See socket-programs.h. */
#include "dataplane/socket-programs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/slice.h"
#include "dataplane/bpf/abi.h"
#include "dataplane/socket-address.h"

extern const struct bpf_code socket_code[]; /* bpf/sockets.c, by dev/embed-bpf */

/* In the kernel a program's name is "kn_", its tag and the version in hexadecimal. */
static const struct {
	const char *name, *tag;
	enum bpf_attach_type at;
} points[SOCKET_PROGRAMS] = {
	{ "connect4", "c4", BPF_CGROUP_INET4_CONNECT },
	{ "connect6", "c6", BPF_CGROUP_INET6_CONNECT },
	{ "sendmsg4", "s4", BPF_CGROUP_UDP4_SENDMSG },
	{ "sendmsg6", "s6", BPF_CGROUP_UDP6_SENDMSG },
	{ "recvmsg4", "r4", BPF_CGROUP_UDP4_RECVMSG },
	{ "recvmsg6", "r6", BPF_CGROUP_UDP6_RECVMSG },
	{ "getpeername4", "p4", BPF_CGROUP_INET4_GETPEERNAME },
	{ "getpeername6", "p6", BPF_CGROUP_INET6_GETPEERNAME },
};

/* What grows with the cluster takes memory as it grows. What clients leave behind has a fixed room
 * in which the oldest gives way: a namespace that is gone, a socket that was closed. */
static const struct bpf_map_spec specs[SOCKET_MAPS] = {
	[SOCKET_MAP_CONFIG] = { "config", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct socket_config), 1 },
	[SOCKET_MAP_ENTRIES] = { "entries", BPF_MAP_TYPE_HASH, sizeof(struct socket_entry), 4,
	                         131072, true },
	[SOCKET_MAP_POOLS] = { "pools", BPF_MAP_TYPE_HASH, 4, sizeof(struct socket_pool), 131072,
	                       true },
	[SOCKET_MAP_SLOTS] = { "slots", BPF_MAP_TYPE_HASH, sizeof(struct socket_slot),
	                       sizeof(struct socket_end), 262144, true },
	[SOCKET_MAP_CLIENTS] = { "clients", BPF_MAP_TYPE_LRU_HASH, 8, 4, 8192 },
	[SOCKET_MAP_AFFINITY] = { "affinity", BPF_MAP_TYPE_LRU_HASH, sizeof(struct socket_client),
	                          sizeof(struct socket_memory), 32768 },
	[SOCKET_MAP_PEERS] = { "peers", BPF_MAP_TYPE_LRU_HASH, sizeof(struct socket_peer),
	                       sizeof(struct socket_end), 32768 },
	[SOCKET_MAP_SENDERS] = { "senders", BPF_MAP_TYPE_LRU_HASH, sizeof(struct socket_peer),
	                         sizeof(struct socket_end), 16384 },
	[SOCKET_MAP_TURNS] = { "turns", BPF_MAP_TYPE_ARRAY, 4, 4, SOCKET_TURNS },
	[SOCKET_MAP_COUNTS] = { "counts", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, SOCKET_COUNTS },
};

static const struct bpf_code *code_of(const char *name)
{
	const struct bpf_code *c = socket_code;

	while (strcmp(c->name, name) != 0) {
		c++;
	}
	return c;
}

/* Of everything that must fit together: instructions and the layouts of maps. */
static uint64_t version(void)
{
	uint64_t parts[SOCKET_PROGRAMS + SOCKET_MAPS];

	for (int i = 0; i < SOCKET_PROGRAMS; i++) {
		const struct bpf_code *c = code_of(points[i].name);

		parts[i] = slice_hash((struct slice){ (const char *)c->instructions,
		                                      c->n_instructions * sizeof(uint64_t) });
	}
	for (int i = 0; i < SOCKET_MAPS; i++) {
		uint32_t layout[] = { specs[i].type, specs[i].key_size, specs[i].value_size,
			              specs[i].max };

		parts[SOCKET_PROGRAMS + i] =
			slice_hash((struct slice){ (const char *)layout, sizeof(layout) });
	}
	return slice_hash((struct slice){ (const char *)parts, sizeof(parts) });
}

/* The name in this version, or what it begins with in any. */
static const char *name_of(int i, bool any_version, char *buf)
{
	int n = snprintf(buf, BPF_OBJ_NAME_LEN, "kn_%s_", points[i].tag);

	if (!any_version) {
		snprintf(buf + n, BPF_OBJ_NAME_LEN - (size_t)n, "%09llx",
		         (unsigned long long)(version() >> 28));
	}
	return buf;
}

static bool find_attached(int cgroup_fd, int i, bool any_version, int *ret_fd)
{
	char name[BPF_OBJ_NAME_LEN];

	return bpf_program_find(cgroup_fd, points[i].at, name_of(i, any_version, name), ret_fd);
}

/* ---- taking over ---- */

static void take_maps(struct socket_programs *p, int program_fd)
{
	for (int i = 0; i < SOCKET_MAPS; i++) {
		if (p->maps[i] < 0) {
			(void)bpf_program_map(program_fd, specs[i].name, &p->maps[i]);
		}
	}
}

static void adopt(struct socket_programs *p, bool *is_attached)
{
	for (int i = 0; i < SOCKET_PROGRAMS; i++) {
		scoped_fd int fd = -1;

		is_attached[i] = find_attached(p->cgroup_fd, i, false, &fd);
		if (is_attached[i]) {
			take_maps(p, fd);
		}
	}
}

/* ---- making ---- */

static int make_missing_maps(struct socket_programs *p, struct ip node_ip, struct err *err)
{
	struct socket_end node = socket_end_of(node_ip, 0);
	struct socket_config c;
	uint32_t zero = 0;
	int r = 0;

	for (int i = 0; i < SOCKET_MAPS && r == 0; i++) {
		if (p->maps[i] < 0) {
			r = bpf_map_make(&specs[i], &p->maps[i], err);
		}
	}
	memcpy(c.node_ip, node.ip, sizeof(c.node_ip));
	return r < 0 ? r : bpf_map_put(p->maps[SOCKET_MAP_CONFIG], &zero, &c, err);
}

static int load(struct socket_programs *p, int i, struct err *err)
{
	struct bpf_map_ref refs[SOCKET_MAPS];
	char name[BPF_OBJ_NAME_LEN];

	for (int k = 0; k < SOCKET_MAPS; k++) {
		refs[k] = (struct bpf_map_ref){ specs[k].name, p->maps[k] };
	}
	return bpf_program_load(code_of(points[i].name), name_of(i, false, name), points[i].at,
	                        refs, SOCKET_MAPS, &p->programs[i], err);
}

int socket_programs_open(int cgroup_fd, struct ip node_ip, struct socket_programs *ret,
                         struct err *err)
{
	struct socket_programs p = { .cgroup_fd = fcntl(cgroup_fd, F_DUPFD_CLOEXEC, 3) };
	bool is_attached[SOCKET_PROGRAMS];
	int r;

	memset(p.maps, -1, sizeof(p.maps));
	memset(p.programs, -1, sizeof(p.programs));
	if (p.cgroup_fd < 0) {
		return err_sys(err, "copy a descriptor");
	}
	adopt(&p, is_attached);
	r = make_missing_maps(&p, node_ip, err);
	for (int i = 0; i < SOCKET_PROGRAMS && r == 0; i++) {
		if (!is_attached[i]) {
			r = load(&p, i, err);
		}
	}
	if (r < 0) {
		socket_programs_close(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void socket_programs_close(struct socket_programs *p)
{
	for (int i = 0; i < SOCKET_MAPS; i++) {
		if (p->maps[i] >= 0) {
			close(take_fd(&p->maps[i]));
		}
	}
	for (int i = 0; i < SOCKET_PROGRAMS; i++) {
		if (p->programs[i] >= 0) {
			close(take_fd(&p->programs[i]));
		}
	}
	if (p->cgroup_fd >= 0) {
		close(take_fd(&p->cgroup_fd));
	}
}

int socket_programs_attach(struct socket_programs *p, struct err *err)
{
	for (int i = 0; i < SOCKET_PROGRAMS; i++) {
		scoped_fd int before = -1;
		int r;

		if (p->programs[i] < 0) {
			continue;
		}
		(void)find_attached(p->cgroup_fd, i, true, &before);
		r = bpf_program_attach(p->cgroup_fd, points[i].at, p->programs[i], before, err);
		if (r < 0) {
			return err_while(err, r, "%s", points[i].name);
		}
		close(take_fd(&p->programs[i]));
	}
	return 0;
}

int socket_programs_remove(int cgroup_fd, struct err *err)
{
	int r = 0;

	for (int i = 0; i < SOCKET_PROGRAMS && r == 0; i++) {
		scoped_fd int fd = -1;

		if (find_attached(cgroup_fd, i, true, &fd)) {
			r = bpf_program_detach(cgroup_fd, points[i].at, fd, err);
		}
	}
	return r;
}
