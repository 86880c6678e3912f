/* Why: a role may die, its port may not; see listeners.h. */
#include "serve/listeners.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { BACKLOG = 4096, LISTENERS_MAX = 2048 };

void listeners_fini(struct listeners *l)
{
	for (size_t i = 0; i < l->all.n; i++) {
		close(l->all.at[i].fd);
	}
	vec_fini(&l->all);
}

int listeners_find(const struct listeners *l, struct ip ip, uint16_t port)
{
	for (size_t i = 0; i < l->all.n; i++) {
		if (l->all.at[i].port == port && ip_eq(l->all.at[i].ip, ip)) {
			return l->all.at[i].fd;
		}
	}
	return -1;
}

/* The command that holds a listening socket with that inode, by walking /proc; false when unseen. */
static bool holder_of(unsigned long inode, char *name, size_t size)
{
	scoped_dir DIR *proc = opendir("/proc");
	char want[64];

	snprintf(want, sizeof(want), "socket:[%lu]", inode);
	for (struct dirent *p; proc && (p = readdir(proc));) {
		char path[300];
		scoped_dir DIR *fds = NULL;

		if (p->d_name[0] < '1' || p->d_name[0] > '9') {
			continue;
		}
		snprintf(path, sizeof(path), "/proc/%s/fd", p->d_name);
		fds = opendir(path);
		for (struct dirent *f; fds && (f = readdir(fds));) {
			char link[64];
			ssize_t n = readlinkat(dirfd(fds), f->d_name, link, sizeof(link) - 1);

			if (n > 0 && (link[n] = '\0', strcmp(link, want) == 0)) {
				scoped_file FILE *comm = NULL;
				char text[64] = "?";

				snprintf(path, sizeof(path), "/proc/%s/comm", p->d_name);
				comm = fopen(path, "re");
				if (comm && fgets(text, sizeof(text), comm)) {
					text[strcspn(text, "\n")] = '\0';
				}
				snprintf(name, size, "%s (pid %.10s)", text, p->d_name);
				return true;
			}
		}
	}
	return false;
}

/* How /proc/net/tcp writes an address: words of four bytes in host order. */
static void proc_address(struct ip ip, char text[static 33])
{
	size_t n_words = ip.family == IP_V6 ? 4 : 1;

	for (size_t i = 0; i < n_words; i++) {
		uint32_t word;

		memcpy(&word, ip.bytes + 4 * i, sizeof(word));
		snprintf(text + 8 * i, 9, "%08X", word);
	}
}

/* Inode of the socket in that table that listens on the port, at the address or at any; 0 when none is seen. */
static unsigned long find_in_table(const char *path, const char *address, uint16_t port)
{
	scoped_file FILE *f = fopen(path, "re");
	char line[512], local[33];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned local_port, state;
		unsigned long inode;

		if (sscanf(line,
		           " %*d: %32[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
		           local, &local_port, &state, &inode) == 4 &&
		    state == 0x0a && local_port == port &&
		    (strcmp(local, address) == 0 || strspn(local, "0") == strlen(local))) {
			return inode;
		}
	}
	return 0;
}

static unsigned long listening_inode(struct ip ip, uint16_t port)
{
	char address[33];
	unsigned long inode = 0;

	proc_address(ip, address);
	if (ip.family == IP_V4) {
		inode = find_in_table("/proc/net/tcp", address, port);
	}
	return inode ? inode : find_in_table("/proc/net/tcp6", address, port);
}

void listeners_reserve(struct listeners *l, struct ip ip, uint16_t port)
{
	for (size_t i = 0; i < l->all.n; i++) {
		if (l->all.at[i].port == port && ip_eq(l->all.at[i].ip, ip)) {
			l->all.at[i].is_ours = true;
		}
	}
}

bool listeners_is_reserved(const struct listeners *l, struct ip ip, uint16_t port)
{
	for (size_t i = 0; i < l->all.n; i++) {
		if (l->all.at[i].port == port && ip_eq(l->all.at[i].ip, ip)) {
			return l->all.at[i].is_ours;
		}
	}
	return false;
}

int listeners_open(struct listeners *l, struct ip ip, uint16_t port, bool freebind, int *ret_fd,
                   struct err *err)
{
	int kept = listeners_find(l, ip, port), on = 1;
	char text[IP_TEXT_SIZE];
	struct sockaddr_storage to;
	socklen_t len = ip_to_sockaddr(ip, port, &to);
	scoped_fd int fd = -1;

	if (kept >= 0) {
		*ret_fd = kept;
		return 0;
	}
	if (l->all.n >= LISTENERS_MAX) {
		return err_raise(err, ERR_LIMIT, "more than %d ports", LISTENERS_MAX);
	}
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return err_sys(err, "make a socket");
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (freebind) {
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	}
	if (bind(fd, (struct sockaddr *)&to, len) < 0 || listen(fd, BACKLOG) < 0) {
		char holder[128] = "another program";
		unsigned long inode;

		if (errno != EADDRINUSE) {
			return err_sys(err, "listen on %s port %u", ip_format(ip, text), port);
		}
		inode = listening_inode(ip, port);
		if (inode) {
			(void)holder_of(inode, holder, sizeof(holder));
		}
		return err_raise(err, ERR_EXISTS, "port %u on %s is in use by %s", port,
		                 ip_format(ip, text), holder);
	}
	*ret_fd = fd;
	vec_push(&l->all, ((struct listener){ ip, port, take_fd(&fd), false }));
	return 0;
}

void listeners_close(struct listeners *l, struct ip ip, uint16_t port)
{
	for (size_t i = 0; i < l->all.n; i++) {
		if (l->all.at[i].port == port && ip_eq(l->all.at[i].ip, ip)) {
			close(l->all.at[i].fd);
			vec_remove(&l->all, i);
			return;
		}
	}
}

void listeners_adopt(struct listeners *l, pid_t pid)
{
	char path[64];
	scoped_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	scoped_dir DIR *fds = NULL;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	fds = opendir(path);
	for (struct dirent *f; pidfd >= 0 && fds && (f = readdir(fds));) {
		struct sockaddr_storage at;
		socklen_t len = sizeof(at), size = sizeof(int);
		struct ip ip;
		uint16_t port;
		uint64_t number;
		int listening = 0;
		scoped_fd int fd = -1;

		if (!slice_to_u64(slice_of(f->d_name), &number)) {
			continue;
		}
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)number, 0);
		if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 ||
		    !listening || getsockname(fd, (struct sockaddr *)&at, &len) < 0 ||
		    !ip_from_sockaddr((struct sockaddr *)&at, &ip, &port) ||
		    listeners_find(l, ip, port) >= 0) {
			continue;
		}
		vec_push(&l->all, ((struct listener){ ip, port, take_fd(&fd), false }));
	}
}
