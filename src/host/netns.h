/* What: network namespaces as descriptors: make, open, step in for a moment and out again.
 *
 * Threads: a visit changes the calling thread only. Nothing that may wait belongs between enter and
 * leave. */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* A fresh namespace that lives as long as its descriptor (or something in it). The caller owns
 * *ret_fd. Failure: ERR_FORBIDDEN without the right, ERR_IO. */
MUST_USE int netns_new(int *ret_fd, struct err *err);
/* Opens the namespace kept at 'path'. The caller owns *ret_fd. Failure: ERR_NOTFOUND, ERR_IO. */
MUST_USE int netns_open(const char *path, int *ret_fd, struct err *err);

/* The number that the kernel gives a namespace and never again (SO_NETNS_COOKIE, Linux 5.14).
 * Failure: ERR_IO. */
MUST_USE int netns_cookie(int fd, uint64_t *ret, struct err *err);

struct netns_visit {
	int home_fd; /* where the thread came from; -1: not visiting. Owned */
};
/* Moves the calling thread into the namespace until netns_leave. fd is borrowed; -1 stays where it
 * is. Failure: ERR_FORBIDDEN, ERR_IO; the thread has not moved. */
MUST_USE int netns_enter(struct netns_visit *v, int fd, struct err *err);
/* Goes home; stops the program when that is refused, since everything after would hit the wrong
 * network. */
void netns_leave(struct netns_visit *v);
#define scoped_visit __attribute__((cleanup(netns_leave)))
