/* What: answers as they went out lately, found again by the question's own bytes: neither parsed nor looked up anew.
 *
 * Only what depends on nothing but the question and the objects is kept: answers from the model to datagrams. They hold
 * until the objects change; memo_forget. Bounded in entries and bytes. Answers of several records are kept once for each
 * rotation, so clients are still spread evenly. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memo;
struct memo *memo_new(void);
struct memo *memo_free(struct memo *m);
/* Nothing that was kept is an answer any more. */
void memo_forget(struct memo *m);

/* A question in the form in which it is looked for. */
struct memo_key {
	uint64_t hash;
	size_t size;        /* 0: such a question is not kept */
	size_t qname_size;  /* of the name, behind the header */
	uint8_t bytes[288]; /* flags to the end, the name in lower case */
};
/* bytes: a whole datagram. */
void memo_key_make(struct memo_key *k, const uint8_t *bytes, size_t size);

/* Writes the answer to question (of which k was made) into buf; 0: there is none. buf has room for
 * MEMO_ANSWER bytes. */
#define MEMO_ANSWER 1232u
size_t memo_find(const struct memo *m, const struct memo_key *k, const uint8_t *question,
                 uint16_t rotate, uint8_t *buf);
/* Keeps an answer that was made with this rotation. */
void memo_put(struct memo *m, const struct memo_key *k, uint16_t rotate, const uint8_t *answer,
              size_t size);
