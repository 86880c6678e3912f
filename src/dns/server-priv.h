/* What: the inside of the server: questions (server.c), datagrams (listen-udp.c), connections
 * (listen-tcp.c). */
#pragma once

#include "base/list.h"
#include "dns/answer.h"
#include "dns/memo.h"
#include "dns/server.h"

struct tcp_conn;
struct udp_listener;
struct tcp_listener;

struct dns_server {
	struct loop *loop;
	struct dns_engine engines[DNS_VIEWS];
	struct forwarder *forwarder;
	struct memo *memo; /* owned; of what the model says in the cluster's view */
	uint64_t names;    /* version of MODEL_NAMES that it holds for */
	struct udp_listener *udp[DNS_VIEWS]; /* null: nobody is served so */
	struct tcp_listener *tcp[DNS_VIEWS];
	struct list pending; /* struct pending.in_server */
	size_t n_pending;
	struct dns_server_stats stats;
	uint32_t rotate; /* counts questions */
	uint16_t ports[DNS_VIEWS];
};

/* Who asked: a datagram's sender, or a connection. */
struct asker {
	enum dns_view view;
	struct tcp_conn *conn; /* null: UDP */
	struct sockaddr_storage from;
	socklen_t from_size;
	int64_t since_us; /* when the question was taken */
};
/* Handles one question. Returns the size of the reply in buf, or 0: none is to be sent, or it comes
 * later. */
size_t server_handle(struct dns_server *s, const struct asker *who, const uint8_t *bytes,
                     size_t size, uint8_t *buf, size_t max);
/* The connection is going: its questions are forgotten. */
void server_forget(struct dns_server *s, const struct tcp_conn *conn);

MUST_USE int udp_listen(struct dns_server *s, enum dns_view view, struct ip address, uint16_t port,
                        struct udp_listener **ret, struct err *err);
void udp_send(struct udp_listener *u, const struct asker *who, const uint8_t *bytes, size_t size);
uint16_t udp_port(const struct udp_listener *u);
/* Answers what is queued first. */
struct udp_listener *udp_close(struct udp_listener *u);

MUST_USE int tcp_listen(struct dns_server *s, enum dns_view view, struct ip address, uint16_t port,
                        struct tcp_listener **ret, struct err *err);
/* The reply to a question that had to wait. */
void tcp_reply(struct tcp_conn *c, const uint8_t *bytes, size_t size);
/* One more question of c waits for upstream. */
void tcp_wait(struct tcp_conn *c);
struct tcp_listener *tcp_close(struct tcp_listener *t);
