/* What: lines to measure: a client's network, an address, and the listener that answers. Client and
 * server are this one process, so the processor time it takes is that of the whole connection,
 * whatever else the machine does; lines that are to be compared take turns. */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_ROUNDS 40
#define LINE_BATCH  100

struct line {
	const char *name;
	int ns, listener; /* borrowed */
	struct sockaddr_in to;
	double cpu_us[LINE_ROUNDS];               /* of one connection, or of one MiB; by round */
	double wall_us[LINE_ROUNDS * LINE_BATCH]; /* of each connect() */
};

void line_init(struct line *l, const char *name, int ns, int listener, const char *ip, int port);
int line_listen(int ns, int port);
/* Connections through all lines in turn: opened, accepted and reset. */
void lines_connect(struct line **lines, size_t n);
/* A stream through each line in turn. */
void lines_stream(struct line **lines, size_t n);
/* The part of the rounds, from 0 to 1, that took less. */
double line_cpu_us(const struct line *l, double part);
double line_wall_us(const struct line *l, double part);
double at_part(double *values, size_t n, double part); /* sorts them */
double cpu_us(void);                                   /* of this process */
double wall_us(void);
