/* What: the DNS server on the loop: UDP and TCP in front, answers from the model, the rest
 * forwarded. */
#pragma once

#include "dns/forward.h"
#include "model/model.h"

/* What is answered depends on where the question came in. */
enum dns_view { VIEW_CLUSTER, VIEW_PUBLIC, DNS_VIEWS };

struct dns_server_config {
	struct loop *loop;
	const struct model *model;        /* borrowed */
	const struct forward_zone *zones; /* who is asked what is not ours; may be replaced later */
	size_t n_zones;
	struct ip address;    /* to listen on; family 0: every IPv4 address */
	uint16_t port;        /* 0: any free one, the same for both transports */
	uint16_t public_port; /* for who asks from outside; 0: nobody does */
};

#define DNS_RCODES 24
/* How long clients waited: bucket i counts waits of at most DNS_WAIT_US << i microseconds, the last all others. */
#define DNS_WAIT_US      16
#define DNS_WAIT_BUCKETS 20
struct dns_waits {
	uint64_t buckets[DNS_WAIT_BUCKETS];
	uint64_t sum_us;
};
struct dns_server_stats {
	uint64_t requests[2];               /* UDP, TCP */
	uint64_t responses[DNS_RCODES];     /* by code */
	struct dns_waits waits[DNS_RCODES]; /* likewise */
	uint64_t repeated;                  /* answered out of memory (memo.h) */
	uint64_t dropped;                   /* no questions: too short, or replies */
	uint64_t truncated;
	uint64_t connections; /* TCP, accepted so far */
};

struct dns_server;
/* Failure: ERR_IO, with the address and port in the sentence; ERR_INVALID for a cluster domain that
 * is no name. */
MUST_USE int dns_server_new(const struct dns_server_config *c, struct dns_server **ret,
                            struct err *err);
/* Answers what is waiting in the sockets, then closes them; who waits for upstream gets no answer.
 */
struct dns_server *dns_server_free(struct dns_server *s);
/* Until then every question is answered SERVFAIL. */
void dns_server_set_synced(struct dns_server *s, bool synced);
/* The zone's serial: seconds of the last change. */
void dns_server_set_serial(struct dns_server *s, uint32_t serial);
void dns_server_set_zones(struct dns_server *s, const struct forward_zone *zones, size_t n);
/* Whether search paths are walked here, see dns_engine; the model has pods then. */
void dns_server_set_autopath(struct dns_server *s, bool on);
/* Clients that wait for an answer from upstream. */
size_t dns_server_pending(const struct dns_server *s);
uint16_t dns_server_port(const struct dns_server *s);
const struct dns_server_stats *dns_server_stats(const struct dns_server *s);
const struct forwarder *dns_server_forwarder(const struct dns_server *s);
