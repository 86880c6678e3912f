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

static bool is_at(const struct listener *l, struct ip ip, int protocol, uint16_t port)
{
	return l->port == port && l->protocol == protocol && ip_eq(l->ip, ip);
}

int listeners_find(const struct listeners *l, struct ip ip, int protocol, uint16_t port)
{
	for (size_t i = 0; i < l->all.n; i++) {
		if (is_at(&l->all.at[i], ip, protocol, port)) {
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

/* Inode of the socket in that table that has the port in that state, at the address or at any; 0 when
 * none is seen. */
static unsigned long find_in_table(const char *path, const char *address, uint16_t port,
                                   unsigned want_state)
{
	scoped_file FILE *f = fopen(path, "re");
	char line[512], local[33];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned local_port, state;
		unsigned long inode;

		if (sscanf(line,
		           " %*d: %32[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
		           local, &local_port, &state, &inode) == 4 &&
		    state == want_state && local_port == port &&
		    (strcmp(local, address) == 0 || strspn(local, "0") == strlen(local))) {
			return inode;
		}
	}
	return 0;
}

enum { STATE_CLOSE = 7, STATE_LISTEN = 10 };

static unsigned long bound_inode(struct ip ip, int protocol, uint16_t port)
{
	bool is_udp = protocol == IPPROTO_UDP;
	unsigned state = is_udp ? STATE_CLOSE : STATE_LISTEN;
	char address[33];
	unsigned long inode = 0;

	proc_address(ip, address);
	if (ip.family == IP_V4) {
		inode = find_in_table(is_udp ? "/proc/net/udp" : "/proc/net/tcp", address, port,
		                      state);
	}
	return inode ? inode
	             : find_in_table(is_udp ? "/proc/net/udp6" : "/proc/net/tcp6", address, port,
	                             state);
}

void listeners_reserve(struct listeners *l, struct ip ip, uint16_t port)
{
	for (size_t i = 0; i < l->all.n; i++) {
		if (is_at(&l->all.at[i], ip, IPPROTO_TCP, port)) {
			l->all.at[i].is_ours = true;
		}
	}
}

bool listeners_is_reserved(const struct listeners *l, struct ip ip, uint16_t port)
{
	for (size_t i = 0; i < l->all.n; i++) {
		if (is_at(&l->all.at[i], ip, IPPROTO_TCP, port)) {
			return l->all.at[i].is_ours;
		}
	}
	return false;
}

static const char *protocol_name(int protocol)
{
	return protocol == IPPROTO_UDP ? "UDP" : protocol == IPPROTO_SCTP ? "SCTP" : "TCP";
}

static int make_socket(const struct sockaddr_storage *to, int protocol, struct err *err)
{
	int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM, on = 1;
	int fd = socket(to->ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

	if (fd < 0 && errno == EPROTONOSUPPORT) {
		return err_raise(err, ERR_UNSUPPORTED, "this kernel has no %s sockets",
		                 protocol_name(protocol));
	}
	if (fd < 0) {
		return err_sys(err, "make a socket");
	}
	if (protocol != IPPROTO_UDP) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	}
	return fd;
}

int listeners_open(struct listeners *l, struct ip ip, int protocol, uint16_t port, bool freebind,
                   int *ret_fd, struct err *err)
{
	int kept = listeners_find(l, ip, protocol, port), on = 1;
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
	fd = make_socket(&to, protocol, err);
	if (fd < 0) {
		return fd;
	}
	if (freebind) {
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	}
	if (bind(fd, (struct sockaddr *)&to, len) < 0 ||
	    (protocol != IPPROTO_UDP && listen(fd, BACKLOG) < 0)) {
		char holder[128] = "another program";
		unsigned long inode;

		if (errno != EADDRINUSE) {
			return err_sys(err, "listen on %s port %u", ip_format(ip, text), port);
		}
		inode = bound_inode(ip, protocol, port);
		if (inode) {
			(void)holder_of(inode, holder, sizeof(holder));
		}
		return err_raise(err, ERR_EXISTS, "port %u%s on %s is in use by %s", port,
		                 protocol == IPPROTO_UDP ? "/UDP" : "", ip_format(ip, text),
		                 holder);
	}
	*ret_fd = fd;
	vec_push(&l->all, ((struct listener){ ip, protocol, port, take_fd(&fd), false }));
	return 0;
}

void listeners_close(struct listeners *l, struct ip ip, int protocol, uint16_t port)
{
	for (size_t i = 0; i < l->all.n; i++) {
		if (is_at(&l->all.at[i], ip, protocol, port)) {
			close(l->all.at[i].fd);
			vec_remove(&l->all, i);
			return;
		}
	}
}

/* Is it a socket that clients come to? A UDP socket has no peer then, and a port. */
static bool is_front(int fd, struct ip *ret_ip, int *ret_protocol, uint16_t *ret_port)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at), peer_len = sizeof(at), size = sizeof(int);
	int listening = 0;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, ret_protocol, &size) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0 ||
	    !ip_from_sockaddr((struct sockaddr *)&at, ret_ip, ret_port)) {
		return false;
	}
	if (*ret_protocol == IPPROTO_UDP) {
		return *ret_port && getpeername(fd, (struct sockaddr *)&at, &peer_len) < 0;
	}
	size = sizeof(listening);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

void listeners_adopt(struct listeners *l, pid_t pid)
{
	char path[64];
	scoped_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	scoped_dir DIR *fds = NULL;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	fds = opendir(path);
	for (struct dirent *f; pidfd >= 0 && fds && (f = readdir(fds));) {
		struct ip ip;
		uint16_t port;
		uint64_t number;
		int protocol;
		scoped_fd int fd = -1;

		if (!slice_to_u64(slice_of(f->d_name), &number)) {
			continue;
		}
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)number, 0);
		if (!is_front(fd, &ip, &protocol, &port) ||
		    listeners_find(l, ip, protocol, port) >= 0) {
			continue;
		}
		vec_push(&l->all, ((struct listener){ ip, protocol, port, take_fd(&fd), false }));
	}
}
