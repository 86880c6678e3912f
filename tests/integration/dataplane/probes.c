/* Why: see probes.h. Raw sockets in every place see what arrives there, whether anybody serves it or not; an identity in
 * the payload (TCP: the source port) says which probe it was. */
#include "probes.h"

#include <errno.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/map.h"
#include "base/vec.h"
#include "host/netns.h"

#define NAP_MS      2
#define QUIET_NAPS  5000 /* so many in a row without anything new: what is open by then is lost */
#define SERVED      (PROBE_SERVED_TO - PROBE_SERVED_FROM + 1)
#define BUFFER_SIZE (8 << 20)

enum { SEE_TCP, SEE_UDP, SEE_SCTP, SEES };
static const int protocols[SEES] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

struct place {
	struct ip ip;
	int ns;        /* borrowed */
	int see[SEES]; /* raw sockets */
	int tcp[SERVED], udp[SERVED];
	VEC(int) accepted;
	int client; /* UDP socket of the probes of this run */
};

struct seen_drop {
	uint64_t packets;
};

struct probes {
	struct world *w;
	VEC(struct place *) places;
	struct map
		drops; /* reason, source, destination, protocol, port -> struct seen_drop, owned */
	uint32_t next_id;
	uint16_t sctp_port;
	/* of the run */
	struct probe *probes;
	size_t n;
	bool news;
};

#define MUST(call)                                                                                 \
	do {                                                                                       \
		if ((call) < 0) {                                                                  \
			fail_msg("%s: %s", #call, strerror(errno));                                \
		}                                                                                  \
	} while (0)

/* ---- text ---- */

static const char *proto_text(enum proto proto)
{
	return proto == PROTO_TCP ? "TCP" : proto == PROTO_UDP ? "UDP" : "SCTP";
}

const char *probe_text(const struct probe *p, char *buf)
{
	char src[IP_TEXT_SIZE], dst[IP_TEXT_SIZE];

	snprintf(buf, PROBE_TEXT_SIZE, "%s -> %s %s/%u%s", ip_format(p->src, src),
	         ip_format(p->dst, dst), proto_text(p->proto), p->port,
	         p->fd >= 0 ? " (open flow)" : "");
	return buf;
}

const char *probe_outcome_text(const struct probe *p, char *buf)
{
	char at[IP_TEXT_SIZE];

	switch (p->outcome) {
	case PROBE_ARRIVED:
		snprintf(buf, PROBE_TEXT_SIZE, "arrived at %s", ip_format(p->at.ip, at));
		break;
	case PROBE_DROPPED:
		snprintf(buf, PROBE_TEXT_SIZE, "%s to %s port %u", drop_reason_name(p->reason),
		         ip_format(p->at.ip, at), p->at.port);
		break;
	case PROBE_REFUSED:
		snprintf(buf, PROBE_TEXT_SIZE, "refused by its own kernel: %s", strerror(p->error));
		break;
	case PROBE_LOST:
		if (p->astray) {
			snprintf(buf, PROBE_TEXT_SIZE, "came to %s port %u, where it should not",
			         ip_format(p->at.ip, at), p->at.port);
			break;
		}
		snprintf(buf, PROBE_TEXT_SIZE, "%s%s%s",
		         p->seen ? "arrived, but no answer came back"
		                 : "neither arrived nor noted as dropped",
		         p->error ? ": " : "", p->error ? strerror(p->error) : "");
		break;
	}
	return buf;
}

/* ---- places ---- */

static int open_socket(int type, int protocol)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol), size = BUFFER_SIZE;

	MUST(fd);
	MUST(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)));
	return fd;
}

static int open_server(int type, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = open_socket(type, 0);

	MUST(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	if (type == SOCK_STREAM) {
		MUST(listen(fd, 4096));
	}
	return fd;
}

void probes_add_place(struct probes *p, struct ip ip, int ns)
{
	scoped_visit struct netns_visit v = { -1 };
	struct place *place = NEW(struct place);

	assert_int_equal(netns_enter(&v, ns, NULL), 0);
	place->ip = ip;
	place->ns = ns;
	for (int i = 0; i < SEES; i++) {
		place->see[i] = open_socket(SOCK_RAW, protocols[i]);
	}
	for (int i = 0; i < SERVED; i++) {
		place->tcp[i] = open_server(SOCK_STREAM, (uint16_t)(PROBE_SERVED_FROM + i));
		place->udp[i] = open_server(SOCK_DGRAM, (uint16_t)(PROBE_SERVED_FROM + i));
	}
	place->client = -1;
	vec_push(&p->places, place);
}

static void close_at_once(int fd)
{
	struct linger none = { .l_onoff = 1 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fd);
}

static void free_place(struct place *place)
{
	for (int i = 0; i < SEES; i++) {
		close(place->see[i]);
	}
	for (int i = 0; i < SERVED; i++) {
		close(place->tcp[i]);
		close(place->udp[i]);
	}
	for (size_t i = 0; i < place->accepted.n; i++) {
		close_at_once(place->accepted.at[i]);
	}
	vec_fini(&place->accepted);
	free(place);
}

void probes_remove_place(struct probes *p, struct ip ip)
{
	for (size_t i = 0; i < p->places.n; i++) {
		if (ip_eq(p->places.at[i]->ip, ip)) {
			free_place(p->places.at[i]);
			p->places.at[i] = p->places.at[--p->places.n];
			return;
		}
	}
	fail_msg("no such place");
}

struct probes *probes_new(struct world *w)
{
	struct probes *p = NEW(struct probes);
	struct rlimit files;

	p->w = w;
	p->sctp_port = 20000;
	MUST(getrlimit(RLIMIT_NOFILE, &files));
	files.rlim_cur = files.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &files));
	probes_add_place(p, ip_of(NODE_IP), w->node);
	return p;
}

void probes_free(struct probes *p)
{
	for (size_t i = 0; i < p->places.n; i++) {
		free_place(p->places.at[i]);
	}
	vec_fini(&p->places);
	for (struct map_iter it = { 0 }; map_next(&p->drops, &it);) {
		free(it.value);
	}
	map_fini(&p->drops);
	free(p);
}

/* ---- sending ---- */

static struct sockaddr_in address(struct ip ip, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

	memcpy(&to.sin_addr, ip.bytes, 4);
	return to;
}

static void refused(struct probe *probe)
{
	probe->outcome = PROBE_REFUSED;
	probe->error = errno;
}

static void send_tcp(struct probe *probe)
{
	struct sockaddr_in to = address(probe->dst, probe->port), from;
	socklen_t len = sizeof(from);

	if (probe->fd >= 0) {
		probe->answered = true; /* it was, when the flow was opened */
		(void)!send(probe->fd, &probe->id, sizeof(probe->id), MSG_NOSIGNAL);
		return;
	}
	probe->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	MUST(probe->fd);
	if (connect(probe->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) {
		refused(probe);
		return;
	}
	MUST(getsockname(probe->fd, (struct sockaddr *)&from, &len));
	probe->id = ntohs(from.sin_port);
}

static void send_udp(struct place *place, struct probe *probe)
{
	struct sockaddr_in to = address(probe->dst, probe->port);

	if (probe->fd < 0 && probe->keep) {
		probe->fd = open_socket(SOCK_DGRAM, 0);
	}
	if (place->client < 0) {
		place->client = open_socket(SOCK_DGRAM, 0);
	}
	if (sendto(probe->fd >= 0 ? probe->fd : place->client, &probe->id, sizeof(probe->id), 0,
	           (struct sockaddr *)&to, sizeof(to)) < 0) {
		refused(probe);
	}
}

/* CRC-32C, bit by bit: packets are few and short (RFC 9260 appendix A). */
static uint32_t crc32c(const uint8_t *bytes, size_t size)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++) {
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
		}
	}
	return ~crc;
}

struct sctp_init { /* common header and INIT chunk (RFC 9260 3.1, 3.3.2) */
	uint16_t sport_be, dport_be;
	uint32_t tag, checksum_le;
	uint8_t type, flags;
	uint16_t length_be;
	uint32_t initiate_tag, window_be;
	uint16_t out_be, in_be;
	uint32_t tsn_be;
};

static void send_sctp(struct probes *p, struct place *place, struct probe *probe)
{
	struct sockaddr_in to = address(probe->dst, 0);
	struct sctp_init init = {
		.sport_be = htons(p->sctp_port),
		.dport_be = htons(probe->port),
		.type = 1,
		.length_be = htons(20),
		.initiate_tag = probe->id,
		.window_be = htonl(65536),
		.out_be = htons(1),
		.in_be = htons(1),
		.tsn_be = htonl(1),
	};

	init.checksum_le = htole32(crc32c((const uint8_t *)&init, sizeof(init)));
	MUST(sendto(place->see[SEE_SCTP], &init, sizeof(init), 0, (struct sockaddr *)&to,
	            sizeof(to)));
}

static void send_probe(struct probes *p, struct place *place, struct probe *probe)
{
	probe->id = ++p->next_id;
	probe->seen = probe->answered = probe->astray = false;
	probe->outcome = PROBE_LOST;
	probe->error = 0;
	probe->at = (struct probe_end){ probe->dst, probe->port };
	switch (probe->proto) {
	case PROTO_TCP:
		send_tcp(probe);
		break;
	case PROTO_UDP:
		send_udp(place, probe);
		break;
	case PROTO_SCTP:
		send_sctp(p, place, probe);
		probe->answered = true; /* nobody answers */
		break;
	}
}

/* ---- what arrives ---- */

static void arrived(struct probes *p, struct place *place, uint16_t port, struct probe *probe)
{
	p->news |= !probe->seen;
	probe->seen = true;
	probe->at = (struct probe_end){ place->ip, port };
}

static bool may_go_to(const struct probe *probe, struct ip ip, uint16_t port)
{
	bool may = ip_eq(ip, probe->dst) && port == probe->port;

	for (size_t i = 0; i < probe->n_ends && !may; i++) {
		may = ip_eq(ip, probe->ends[i].ip) && port == probe->ends[i].port;
	}
	return may;
}

static struct probe *find(struct probes *p, enum proto proto, uint32_t id)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->probes[i].id == id && p->probes[i].proto == proto) {
			return &p->probes[i];
		}
	}
	return NULL;
}

static void goes_astray(struct probe *probe, struct ip to, uint16_t port)
{
	probe->astray = true;
	probe->at = (struct probe_end){ to, port };
}

/* By the source's port, which sockets of one place may share as long as they connect to different ends. The kernel
 * gives a flow another one when it would clash with an earlier flow, direct or through a service, to the same end: then by
 * its ends alone. */
static struct probe *find_connect(struct probes *p, struct ip from, uint16_t sport, struct ip to,
                                  uint16_t dport)
{
	struct probe *astray = NULL, *changed = NULL;

	for (size_t i = 0; i < p->n; i++) {
		struct probe *probe = &p->probes[i];
		bool is_same = probe->id == sport, may = may_go_to(probe, to, dport);

		if (probe->proto != PROTO_TCP || !ip_eq(probe->src, from)) {
			continue;
		}
		if (is_same && may) {
			return probe;
		}
		changed = may && !probe->seen ? probe : changed;
		astray = is_same && probe->n_ends ? probe : astray;
	}
	if (astray && !changed) {
		goes_astray(astray, to, dport);
	}
	return changed;
}

static void see_tcp(struct probes *p, struct place *place, struct ip from, const uint8_t *bytes,
                    size_t size)
{
	struct tcphdr h;
	struct probe *probe;

	if (size < sizeof(h)) {
		return;
	}
	memcpy(&h, bytes, sizeof(h));
	if (h.syn && !h.ack) {
		probe = find_connect(p, from, ntohs(h.source), place->ip, ntohs(h.dest));
		if (probe) {
			arrived(p, place, ntohs(h.dest), probe);
		}
		return;
	}
	for (size_t at = h.doff * 4u; at + 4 <= size;
	     at += 4) { /* identities that were sent on an open flow */
		uint32_t id;

		memcpy(&id, bytes + at, sizeof(id));
		probe = find(p, PROTO_TCP, id);
		if (probe) {
			arrived(p, place, ntohs(h.dest), probe);
		}
	}
}

static void see_packet(struct probes *p, struct place *place, int what, const uint8_t *bytes,
                       size_t size)
{
	struct probe *probe = NULL;
	struct iphdr ip;
	struct ip from;
	uint32_t id;
	uint16_t dport_be;
	size_t head;

	if (size < sizeof(ip)) {
		return;
	}
	memcpy(&ip, bytes, sizeof(ip));
	head = ip.ihl * 4u;
	from = (struct ip){ .family = IP_V4 };
	memcpy(from.bytes, &ip.saddr, 4);
	bytes += head;
	size -= head;
	if (what == SEE_TCP) {
		see_tcp(p, place, from, bytes, size);
	} else if (what == SEE_UDP && size == sizeof(struct udphdr) + sizeof(id)) {
		memcpy(&id, bytes + sizeof(struct udphdr), sizeof(id));
		probe = find(p, PROTO_UDP, id);
	} else if (what == SEE_SCTP && size == sizeof(struct sctp_init)) {
		memcpy(&id, bytes + offsetof(struct sctp_init, initiate_tag), sizeof(id));
		probe = find(p, PROTO_SCTP, id);
	}
	if (probe) {
		memcpy(&dport_be, bytes + 2, sizeof(dport_be));     /* in UDP and SCTP alike */
		if (may_go_to(probe, place->ip, ntohs(dport_be))) { /* else it is an echo */
			arrived(p, place, ntohs(dport_be), probe);
		} else if (!ip_eq(place->ip, probe->src)) {
			goes_astray(probe, place->ip, ntohs(dport_be));
		}
	}
}

static void drain(struct probes *p, struct place *place)
{
	uint8_t buf[2048];
	ssize_t n;

	for (int i = 0; i < SEES; i++) {
		while ((n = recv(place->see[i], buf, sizeof(buf), 0)) > 0) {
			see_packet(p, place, i, buf, (size_t)n);
		}
	}
	for (int i = 0; i < SERVED; i++) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);

		while ((n = recvfrom(place->udp[i], buf, sizeof(buf), 0, (struct sockaddr *)&from,
		                     &len)) > 0) {
			(void)!sendto(place->udp[i], buf, (size_t)n, 0, (struct sockaddr *)&from,
			              len);
		}
	}
}

/* ---- what comes back ---- */

static bool is_served(uint16_t port)
{
	return port >= PROBE_SERVED_FROM && port <= PROBE_SERVED_TO;
}

static void take_echoes(struct probes *p, int fd)
{
	uint32_t id;

	while (fd >= 0 && recv(fd, &id, sizeof(id), 0) == sizeof(id)) {
		struct probe *probe = find(p, PROTO_UDP, id);

		if (probe) {
			p->news |= !probe->answered;
			probe->answered = true;
		}
	}
}

/* Connected or refused: the far end's kernel has answered. */
static bool tcp_is_answered(int fd)
{
	struct pollfd at = { .fd = fd, .events = POLLOUT };

	return poll(&at, 1, 0) > 0;
}

static void take_answers(struct probes *p)
{
	for (size_t i = 0; i < p->places.n; i++) {
		take_echoes(p, p->places.at[i]->client);
	}
	for (size_t i = 0; i < p->n; i++) {
		struct probe *probe = &p->probes[i];

		if (probe->proto == PROTO_UDP) {
			take_echoes(p, probe->fd);
			/* Nobody answers there. */
			probe->answered |= probe->seen && !probe->n_ends && !is_served(probe->port);
		} else if (probe->proto == PROTO_TCP && !probe->answered && probe->seen) {
			probe->answered = tcp_is_answered(probe->fd);
			p->news |= probe->answered;
		}
	}
}

/* ---- drops ---- */

static void take_drop(struct probes *p, const struct dropped *d)
{
	for (size_t i = 0; i < p->n; i++) {
		struct probe *probe = &p->probes[i];

		/* Invalid is what comes late on flows of before. */
		if (d->flow.proto != probe->proto || !ip_eq(d->flow.src, probe->src) ||
		    d->reason == DROP_INVALID) {
			continue;
		}
		if (may_go_to(probe, d->flow.dst, d->flow.dst_port)) {
			p->news |= probe->outcome != PROBE_DROPPED;
			probe->outcome = PROBE_DROPPED;
			probe->reason = d->reason;
			if (!probe->seen) {
				probe->at = (struct probe_end){ d->flow.dst, d->flow.dst_port };
			}
		}
	}
}

static void on_drop(void *arg, const struct dropped *d)
{
	struct probes *p = arg;
	struct seen_drop *seen;
	char key[2 * IP_TEXT_SIZE + 32], src[IP_TEXT_SIZE], dst[IP_TEXT_SIZE];
	bool more;

	snprintf(key, sizeof(key), "%d %s %s %d %u", (int)d->reason, ip_format(d->flow.src, src),
	         ip_format(d->flow.dst, dst), (int)d->flow.proto, d->flow.dst_port);
	seen = map_find(&p->drops, slice_of(key));
	if (!seen) {
		seen = NEW(struct seen_drop);
		map_set(&p->drops, slice_of(key), seen);
	}
	more = d->packets > seen->packets;
	seen->packets = d->packets;
	if (more && p->probes) {
		take_drop(p, d);
	}
}

static void read_drops(struct probes *p)
{
	assert_int_equal(dataplane_each_drop(p->w->d, on_drop, p, NULL), 0);
}

/* ---- a run ---- */

static void send_all(struct probes *p)
{
	for (size_t i = 0; i < p->places.n; i++) {
		struct place *place = p->places.at[i];
		scoped_visit struct netns_visit v = { -1 };

		assert_int_equal(netns_enter(&v, place->ns, NULL), 0);
		for (size_t k = 0; k < p->n; k++) {
			if (ip_eq(p->probes[k].src, place->ip)) {
				send_probe(p, place, &p->probes[k]);
			}
		}
	}
}

static bool all_are_answered(const struct probes *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct probe *probe = &p->probes[i];

		if (!(probe->seen && probe->answered) && probe->outcome == PROBE_LOST) {
			return false;
		}
	}
	return true;
}

static void look(struct probes *p)
{
	p->news = false;
	loop_run_once(p->w->loop);
	for (size_t i = 0; i < p->places.n; i++) {
		drain(p, p->places.at[i]);
	}
	take_answers(p);
	read_drops(p);
}

/* Takes connections that came; those whose client is gone go too. */
static void tidy(struct place *place)
{
	size_t kept = 0;
	char byte[4096];
	int fd;

	for (int i = 0; i < SERVED; i++) {
		while ((fd = accept4(place->tcp[i], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >=
		       0) {
			vec_push(&place->accepted, fd);
		}
	}
	for (size_t i = 0; i < place->accepted.n; i++) {
		fd = place->accepted.at[i];
		errno = 0;
		if (recv(fd, byte, sizeof(byte), 0) <= 0 && errno != EAGAIN) {
			close_at_once(fd);
		} else {
			place->accepted.at[kept++] = fd;
		}
	}
	place->accepted.n = kept;
}

static void finish(struct probes *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct probe *probe = &p->probes[i];

		if (probe->seen && probe->answered) {
			probe->outcome =
				PROBE_ARRIVED; /* also when something else of that name was dropped */
		}
		if (probe->outcome == PROBE_LOST && probe->proto == PROTO_TCP) {
			socklen_t size = sizeof(probe->error);

			(void)getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &probe->error, &size);
		}
		if (probe->fd >= 0 && !probe->keep) {
			close_at_once(probe->fd);
			probe->fd = -1;
		}
	}
	for (size_t i = 0; i < p->places.n; i++) {
		struct place *place = p->places.at[i];

		if (place->client >= 0) {
			close(place->client);
			place->client = -1;
		}
		tidy(place);
	}
	p->sctp_port = p->sctp_port < 60000 ? p->sctp_port + 1 : 20000;
	p->probes = NULL;
	p->n = 0;
}

void probes_run(struct probes *p, struct probe *probes, size_t n)
{
	read_drops(p); /* what was dropped before does not count */
	p->probes = probes;
	p->n = n;
	p->next_id |= 1u << 20; /* never a port's number */
	send_all(p);
	for (int quiet = 0; !all_are_answered(p) && quiet < QUIET_NAPS;) {
		look(p);
		if (p->news) {
			quiet = 0;
		} else {
			quiet++;
			poll(NULL, 0, NAP_MS);
		}
	}
	look(p); /* what was noted as dropped and came all the same */
	finish(p);
}
