/* What: many packets at once through a world. Each probe asks "does this get from here to there?"; it is answered when
 * it was seen where it should arrive, or when the kernel noted that it dropped it. So nothing is concluded from waiting
 * in vain, and the kernel's account of drops is proved on the way.
 *
 * TCP: a connection (SYN seen at the far end, and connected or refused at the near one). UDP: a datagram seen at the far
 * end; from a served port its echo came back as well. SCTP: an INIT chunk by raw socket, since not every kernel has SCTP
 * sockets; the packet filter tracks it all the same. */
#pragma once

#include "world.h"

#define PROBE_SERVED_FROM 80 /* ports that every place serves, TCP and UDP: */
#define PROBE_SERVED_TO   81

enum probe_outcome {
	PROBE_LOST, /* neither: a fault of the dataplane, or of the test */
	PROBE_ARRIVED,
	PROBE_DROPPED, /* for 'reason' */
	PROBE_REFUSED, /* by the sender's own kernel, before any packet: 'error' */
};

struct probe_end {
	struct ip ip;
	uint16_t port;
};

struct probe {
	struct ip src, dst; /* given; src: a place */
	enum proto proto;
	uint16_t port;
	const struct probe_end *ends; /* given, of a service: where it may go; borrowed */
	size_t n_ends;
	int fd;    /* given: of an earlier probe that was kept, to send on that flow; else -1 */
	bool keep; /* given: leave the flow open, its socket in fd. TCP and UDP only */
	enum probe_outcome outcome; /* results */
	struct probe_end at;        /* where it arrived, or to whom it was dropped */
	enum drop_reason reason;
	int error; /* errno, of what was refused or lost */
	/* inside */
	uint32_t id;
	bool seen, answered, astray; /* astray: came where it should not go, 'at' */
};
#define PROBE_NEW ((struct probe){ .fd = -1 })

struct probes;
struct probes *probes_new(struct world *w); /* borrowed; knows the node as a place */
void probes_free(struct probes *p);
/* A namespace where packets come from and go to: a pod's, a host's. ns is borrowed. */
void probes_add_place(struct probes *p, struct ip ip, int ns);
void probes_remove_place(struct probes *p, struct ip ip);

void probes_run(struct probes *p, struct probe *probes, size_t n);
/* "10.244.0.17 -> 10.244.0.33 TCP/80" into buf, which is returned. */
#define PROBE_TEXT_SIZE 128
const char *probe_text(const struct probe *p, char *buf);
const char *probe_outcome_text(const struct probe *p, char *buf); /* likewise: "arrived at ..." */
