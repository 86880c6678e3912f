/* Why: the internet gateway. slirp4netns runs on the host's side of the network and is the far end
 * of a tap in the vpc namespace: the host's routes and firewall stay as they are. It outlives this
 * process (a restart finds the tap and adopts it); when it ends, its tap goes, which is what is
 * watched.
 *
 *     MISSING --start--> STARTING --tap seen--> UP --tap gone--> MISSING (later again)
 *        \--no such program--> NEVER */
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/backoff.h"
#include "base/chance.h"
#include "base/log.h"
#include "dataplane/dataplane-priv.h"
#include "host/link.h"
#include "host/route.h"
#include "loop/process.h"

#define GATEWAY_RANGE "100.127.255.0/24"
#define GATEWAY_OWN   0x647fff64u /* 100.127.255.100: the router's address on the tap */
#define GATEWAY_NEXT  0x647fff02u /* 100.127.255.2: the program */

/* The program outlives the gateway of this process. */
struct program {
	struct gateway *g; /* null: forgotten */
};

struct gateway {
	struct dataplane *d;
	struct netlink changes; /* hears of links in the vpc namespace */
	struct loop_fd *watch;
	struct loop_timer retry;
	struct backoff backoff;
	struct program
		*program; /* started by us and not ended yet; null: none, or somebody else's */
	bool up, never;
};

static void start_later(struct gateway *g);

/* ---- the program ---- */

static void on_end(void *arg, const struct process_result *r)
{
	struct program *p = arg;
	struct gateway *g = p->g;

	free(p);
	if (!g) {
		return;
	}
	g->program = NULL;
	if (!g->up) {
		log_odd("The internet gateway's program ended before it was up status=%d",
		        r->status);
		start_later(g);
	}
}

static int start_program(struct gateway *g, struct err *err)
{
	scoped_free struct program *p = NEW(struct program);
	scoped_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int pass[] = { g->d->config.vpc_ns, -1 };
	/* The passed descriptor is number 3 there. */
	const char *const argv[] = { "slirp4netns",
		                     "--netns-type=path",
		                     "--cidr=" GATEWAY_RANGE,
		                     "--disable-host-loopback",
		                     "--mtu=1500",
		                     "/proc/self/fd/3",
		                     VPC_INTERNET_LINK,
		                     NULL };

	struct process *ignored;
	int r;

	if (null < 0) {
		return err_sys(err, "open /dev/null");
	}
	p->g = g;
	r = process_start(g->d->loop,
	                  &(struct process_spec){ .argv = argv,
	                                          .pass_fds = pass,
	                                          .netns_fd = g->d->config.host_ns,
	                                          .stdin_fd = null,
	                                          .stdout_fd = null,
	                                          .stderr_fd = null,
	                                          .new_session = true },
	                  on_end, p, &ignored, err);
	if (r == 0) {
		g->program = take(p);
	}
	return r;
}

static void start_now(struct loop_timer *t)
{
	struct gateway *g = container_of(t, struct gateway, retry);
	struct err err;
	int r;

	if (g->up || g->program || g->never) {
		return;
	}
	r = start_program(g, &err);
	if (r == -ERR_NOTFOUND) {
		g->never = true;
		log_odd("No way from inside to the internet: install slirp4netns and start again");
	} else if (r < 0) {
		log_odd("No way from inside to the internet, trying again error=%s", err.msg);
		start_later(g);
	}
}

static void start_later(struct gateway *g)
{
	loop_timer_start(g->d->loop, &g->retry, backoff_next_us(&g->backoff, chance_u32()),
	                 start_now);
}

/* ---- the tap ---- */

static int configure(struct gateway *g, int index, struct err *err)
{
	static const struct prefix everywhere = { .ip = { .family = IP_V4 } };
	struct netlink *nl = &g->d->vpc_route;

	address_queue(nl, index, ip_v4(GATEWAY_OWN), 24);
	link_queue_up(nl, index);
	route_queue(nl, &(struct route){
				.to = everywhere, .via = ip_v4(GATEWAY_NEXT), .index = index });
	return netlink_send(nl, err);
}

static void tap_came(struct gateway *g, const struct link_info *info)
{
	struct err err;

	if (g->up) {
		return;
	}
	if (configure(g, info->index, &err) < 0) {
		log_odd("The way to the internet could not be set up error=%s", err.msg);
		return;
	}
	g->up = true;
	backoff_reset(&g->backoff);
	log_info("Inside reaches the internet link=" VPC_INTERNET_LINK);
}

static void tap_went(struct gateway *g)
{
	if (g->up) {
		g->up = false;
		log_odd("The internet gateway is gone, starting it again");
		start_later(g);
	}
}

static void on_change(void *arg, int fd, unsigned events)
{
	struct gateway *g = arg;
	struct link_info info;
	char *buf = g->changes.scratch;
	ssize_t n;

	(void)events;
	while ((n = recv(fd, buf, NETLINK_REQUEST_MAX, MSG_DONTWAIT)) > 0) {
		int left = (int)n;

		for (struct nlmsghdr *nlh = (void *)buf; NLMSG_OK(nlh, (unsigned)left);
		     nlh = NLMSG_NEXT(nlh, left)) {
			bool gone;

			if (!link_parse_change(nlh, &info, &gone) ||
			    strcmp(info.name, VPC_INTERNET_LINK) != 0) {
				continue;
			}
			if (gone) {
				tap_went(g);
			} else {
				tap_came(g, &info);
			}
		}
	}
}

/* ---- life ---- */

int gateway_new(struct dataplane *d, struct gateway **ret, struct err *err)
{
	struct gateway *g = NEW(struct gateway);
	struct link_info info;
	int r;

	g->d = d;
	g->backoff = (struct backoff){ .floor_us = US_PER_S / 10, .ceiling_us = 60 * US_PER_S };
	r = netlink_open(&g->changes, NETLINK_ROUTE, d->config.vpc_ns, RTMGRP_LINK, err);
	if (r == 0) {
		r = loop_fd_open(d->loop, g->changes.fd, LOOP_READ, on_change, g, &g->watch, err);
	}
	if (r == 0) {
		r = link_find(&d->vpc_route, VPC_INTERNET_LINK, &info, err);
	}
	if (r < 0) {
		gateway_free(g);
		return err_while(err, r, "internet gateway");
	}
	if (r == 0) {
		tap_came(g, &info);
	} else {
		loop_timer_start(d->loop, &g->retry, 0, start_now);
	}
	*ret = g;
	return 0;
}

struct gateway *gateway_free(struct gateway *g)
{
	if (g) {
		loop_timer_stop(&g->retry);
		if (g->program) {
			g->program->g = NULL;
		}
		g->watch = loop_fd_close(g->watch);
		netlink_close(&g->changes);
		free(g);
	}
	return NULL;
}
