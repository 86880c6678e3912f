/* What: BPF programs and maps by bpf(2): load, attach to a cgroup, find again, change elements.
 *
 * Programs are attached to the cgroup itself, beside others' (BPF_F_ALLOW_MULTI): they and their
 * maps live as long as the cgroup, whatever becomes of the process that loaded them, and are found
 * again by asking the cgroup. Nothing is pinned to a file.
 *
 * All descriptors handed out are the caller's. Sources: bpf(2), linux/bpf.h. */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* ---- maps ---- */

struct bpf_map_spec {
	const char *name; /* up to 15 characters; the same in programs' uses */
	enum bpf_map_type type;
	uint32_t key_size, value_size, max;
	bool on_demand; /* hash maps: memory comes with the elements */
};
/* Failure: ERR_FORBIDDEN when the kernel does not let us, ERR_IO. */
MUST_USE int bpf_map_make(const struct bpf_map_spec *s, int *ret_fd, struct err *err);
/* Adds or replaces an element at once. Failure: ERR_IO (E2BIG: the map is full). */
MUST_USE int bpf_map_put(int fd, const void *key, const void *value, struct err *err);
MUST_USE int bpf_map_drop(int fd, const void *key, struct err *err); /* absent is fine */
/* Copies the element into value; false when there is none. */
bool bpf_map_read(int fd, const void *key, void *value);
/* The sum of a number of 8 bytes that each CPU counts for itself; 0 when there is none. */
uint64_t bpf_map_sum(int fd, const void *key);
/* The key after 'key' (null: the first) in no order; false at the end. A key that was deleted
 * meanwhile starts anew. */
bool bpf_map_next(int fd, const void *key, void *ret_key);

/* ---- programs ---- */

/* Whether a program for sockets can be loaded and attached to this cgroup; it is taken off again.
 * Failure: ERR_FORBIDDEN, ERR_IO. */
MUST_USE int bpf_probe(int cgroup_fd, struct err *err);

/* A program as dev/embed-bpf writes it out. */
struct bpf_code {
	const char *name;
	const uint64_t *instructions;
	size_t n_instructions;
	const struct bpf_use {
		uint32_t at; /* instruction whose number is the map's descriptor */
		const char *map;
	} * uses;
	size_t n_uses;
};
struct bpf_map_ref {
	const char *name;
	int fd;
};
/* Loads a program for struct bpf_sock_addr at that point. name: up to 15 characters. maps: all that it uses. Failure:
 * ERR_FORBIDDEN, ERR_IO; with what the kernel's verifier said last. */
MUST_USE int bpf_program_load(const struct bpf_code *code, const char *name,
                              enum bpf_attach_type at, const struct bpf_map_ref *maps,
                              size_t n_maps, int *ret_fd, struct err *err);
/* replaced_fd: a program that is attached there and gives way without a moment between; -1: none.
 * Failure: ERR_IO, ERR_FORBIDDEN. */
MUST_USE int bpf_program_attach(int cgroup_fd, enum bpf_attach_type at, int fd, int replaced_fd,
                                struct err *err);
MUST_USE int bpf_program_detach(int cgroup_fd, enum bpf_attach_type at, int fd, struct err *err);
/* The program attached to the cgroup whose name begins so; false when there is none. */
bool bpf_program_find(int cgroup_fd, enum bpf_attach_type at, const char *prefix, int *ret_fd);
/* The map of that name that the program uses; false when it uses none. */
bool bpf_program_map(int fd, const char *name, int *ret_fd);
