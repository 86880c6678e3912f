/* What: the numbers that bound this room, each with its reason. */
#pragma once

#define DNS_NAME_SIZE    256u   /* bytes on the wire, RFC 1035 2.3.4 (255) */
#define DNS_MESSAGE_SIZE 65535u /* bytes over TCP, RFC 1035 4.2.2 */
#define DNS_UDP_PLAIN    512u   /* bytes to a client without EDNS, RFC 1035 4.2.1 */
#define DNS_UDP_EDNS                                                                               \
	1232u /* bytes to any other: passes every path unfragmented (networking.md 5.3) */
#define DNS_CNAME_HOPS      10u          /* names followed inside the zone, as CoreDNS */
#define DNS_UDP_BATCH       32u          /* datagrams taken by one call */
#define DNS_UDP_BATCHES     16u          /* calls a wake-up, so that others get their turn */
#define DNS_PENDING         4096u        /* clients that wait for upstream, all together */
#define DNS_TCP_CONNECTIONS 256u         /* open at once; the one longest idle makes room */
#define DNS_TCP_IDLE_US     10000000     /* us without a query, RFC 7766 6.2.3 */
#define DNS_TCP_PENDING     100u         /* questions of one connection asked upstream at once */
#define DNS_TCP_BACKLOG     (256u << 10) /* bytes of answers that a slow reader may leave with us */
#define FORWARD_PENDING                                                                            \
	1000u /* questions upstream at once, as max_concurrent of the shipped Corefile */
#define FORWARD_WAITERS    200u        /* clients that may wait for one of them */
#define FORWARD_SERVERS    15u         /* upstream servers, as CoreDNS */
#define FORWARD_TRIES      4u          /* within the 5 s after which a stub resolver gives up */
#define FORWARD_TRY_US     1100000     /* us for one try */
#define FORWARD_TCP_US     2500000     /* us for a try by TCP */
#define FORWARD_DOWN_AFTER 2u          /* failures in a row, then others are asked first */
#define CACHE_ENTRIES      9984u       /* as CoreDNS */
#define CACHE_BYTES        (16u << 20) /* of messages */
#define CACHE_TTL_S        3600u       /* seconds at most, positive; as CoreDNS */
#define CACHE_STALE_S      3600u       /* seconds for which an answer is kept after its time */
#define CACHE_STALE_TTL_S  30u         /* seconds told to who gets such a one, RFC 8767 4 */
#define CACHE_PATIENCE_US                                                                          \
	1800000                  /* us until such a one is given for want of a better, RFC 8767 5 */
#define CACHE_DENIAL_TTL_S 1800u /* seconds at most, negative; as CoreDNS */
#define DRAIN_US                                                                                   \
	4400000 /* us that those who wait for upstream get after it: all tries of one question */
#define LAMEDUCK_US 5000000 /* us of answering after SIGTERM, as the shipped Corefile */
