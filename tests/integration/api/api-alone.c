/* Why: the API server is tested without a supervisor, a node or namespaces. Makes a home folder with
 * keys, listens on a loopback port of the kernel's choice (or the one given), writes the kubeconfig
 * and becomes `kennel api`.
 *
 *   api-alone HOME [PORT]     prints nothing; HOME/kubeconfig is there when it listens */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "role-api.h"
#include "serve/home.h"

static int listen_on(uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t size = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 256) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &size) < 0) {
		perror("listen");
		return -1;
	}
	*ret_port = ntohs(sa.sin_port);
	return fd;
}

int main(int argc, char **argv)
{
	struct home home;
	struct err err = { 0 };
	uint64_t port = 0;
	uint16_t bound = 0;
	int fd;
	char *args[] = { "api", "--name", "alone", "--home", argv[1], NULL };

	if (argc < 2 || (argc > 2 && !slice_to_u64(slice_of(argv[2]), &port))) {
		fprintf(stderr, "usage: api-alone HOME [PORT]\n");
		return 2;
	}
	fd = listen_on((uint16_t)port, &bound);
	if (fd < 0) {
		return 2;
	}
	home_init(&home, argv[1], "alone");
	home.api_uid = getuid();
	home.api_port = bound;
	if (home_make(&home, &err) < 0 || home_make_pki(&home, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 2;
	}
	if (fd != 3) {
		dup2(fd, 3);
		close(fd);
	}
	close(4);
	return api_main(5, args);
}
