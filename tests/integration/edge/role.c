/* Why: the two roles of edge/ alone, without the rest of kennel: `role ingress ...`, `role lb ...`.
 * The balancer's listening sockets are the test's: EDGE_SOCKETS="IP:PORT=FD ..." stands for the
 * supervisor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge/ingress.h"
#include "edge/lb.h"

static int give(void *arg, const struct lb_front *f, int *ret_fd, struct err *err)
{
	struct slice rest = slice_of(getenv("EDGE_SOCKETS")), item, address, fd_text;
	char text[IP_TEXT_SIZE], want[IP_TEXT_SIZE + 16];
	int64_t fd;

	(void)arg;
	snprintf(want, sizeof(want), "%s:%u%s", ip_format(f->ip, text), f->port,
	         f->protocol == IPPROTO_UDP ? "/udp" : "");
	if (f->protocol == IPPROTO_SCTP) {
		return err_raise(err, ERR_UNSUPPORTED, "this kernel has no SCTP sockets");
	}
	while (slice_next(&rest, ' ', &item)) {
		if (slice_cut(item, '=', &address, &fd_text) && slice_is(address, want) &&
		    slice_to_i64(fd_text, &fd)) {
			*ret_fd = dup((int)fd);
			return *ret_fd < 0 ? err_sys(err, "dup") : 0;
		}
	}
	return err_raise(err, ERR_EXISTS, "%s is in use by somebody else", want);
}

static void give_up(void *arg, const struct lb_front *f)
{
	char text[IP_TEXT_SIZE];

	(void)arg;
	fprintf(stderr, "closed %s:%u\n", ip_format(f->ip, text), f->port);
}

int main(int argc, char **argv)
{
	static const struct lb_provider provider = { .listen = give, .close = give_up };

	if (argc > 1 && strcmp(argv[1], "ingress") == 0) {
		return ingress_main(argc - 1, argv + 1);
	}
	if (argc > 1 && strcmp(argv[1], "lb") == 0) {
		return lb_main(argc - 1, argv + 1, &provider);
	}
	fprintf(stderr, "role ingress|lb ...\n");
	return 2;
}
