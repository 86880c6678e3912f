/* Why: the same few thousand questions make up nearly all of a cluster's; copying an answer costs a tenth of making it.
 * A table of small sets: the question's hash says which set, in which the oldest makes room. Source: networking.md 5.7,
 * techniques 3 to 5 */
#include "dns/memo.h"

#include <string.h>

#include "base/mem.h"
#include "dns/message.h"

#define SETS          16384u /* a power of two */
#define WAYS          4u
#define ROTATIONS     32u         /* answers of more records are made anew each time */
#define BYTES         (16u << 20) /* of answers and questions; then all are forgotten */
#define QUESTION_TAIL 4u          /* type and class */
#define OPT_SIZE      11u         /* of an EDNS record without options */

struct image {
	uint8_t *bytes; /* owned; null: not made yet */
	size_t size;
};
struct entry {
	uint64_t hash, epoch;
	uint8_t *key; /* owned */
	size_t key_size;
	struct image *images; /* owned; one for each rotation */
	uint16_t n_images;
};
struct memo {
	uint64_t epoch; /* entries of another one are nothing */
	size_t bytes;
	struct entry entries[SETS * WAYS];
	uint8_t next[SETS]; /* which way of a set makes room */
};

struct memo *memo_new(void)
{
	struct memo *m = NEW(struct memo);

	m->epoch = 1;
	return m;
}

static void drop(struct memo *m, struct entry *e)
{
	for (uint16_t i = 0; i < e->n_images; i++) {
		m->bytes -= e->images[i].size;
		free(e->images[i].bytes);
	}
	m->bytes -= e->key_size;
	free(e->images);
	free(e->key);
	*e = (struct entry){ 0 };
}

static void drop_all(struct memo *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(m->entries); i++) {
		if (m->entries[i].epoch) {
			drop(m, &m->entries[i]);
		}
	}
}

struct memo *memo_free(struct memo *m)
{
	if (m) {
		drop_all(m);
		free(m);
	}
	return NULL;
}

void memo_forget(struct memo *m)
{
	m->epoch++;
}

/* ---- questions ---- */

/* Bytes of the name in front, root included; 0: it is none that is written out. Lower case goes to 'to'. */
static size_t copy_name(const uint8_t *from, size_t size, uint8_t *to)
{
	size_t n = 0;

	while (n < size && n < DNS_NAME_SIZE) {
		size_t len = from[n];

		to[n++] = (uint8_t)len;
		if (!len) {
			return n;
		}
		if (len > 63 || n + len > size || n + len >= DNS_NAME_SIZE) {
			return 0;
		}
		for (size_t i = 0; i < len; i++, n++) {
			uint8_t c = from[n];

			to[n] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
		}
	}
	return 0;
}

/* Mixes eight bytes at a time. Who finds questions that fall together gains nothing but that they are made anew. */
static uint64_t hash_of(const uint8_t *p, size_t size)
{
	uint64_t h = size * 0x9e3779b97f4a7c15u, word;

	for (; size >= sizeof(word); p += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, p, size);
	h = (h ^ word) * 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 29;
}

/* One question of a plain query, nothing behind it but perhaps an EDNS record without options. */
static bool is_plain(const uint8_t *bytes, size_t size)
{
	return size > KNOT_WIRE_HEADER_SIZE && knot_wire_get_flags1(bytes) <= 1 /* QUERY, RD */ &&
	       knot_wire_get_qdcount(bytes) == 1 && knot_wire_get_ancount(bytes) == 0 &&
	       knot_wire_get_nscount(bytes) == 0 && knot_wire_get_arcount(bytes) <= 1;
}

void memo_key_make(struct memo_key *k, const uint8_t *bytes, size_t size)
{
	const uint8_t *question = bytes + KNOT_WIRE_HEADER_SIZE, *rest;
	uint8_t *to = k->bytes;
	size_t tail;

	k->size = 0;
	if (!is_plain(bytes, size)) {
		return;
	}
	*to++ = knot_wire_get_flags1(bytes);
	*to++ = knot_wire_get_flags2(bytes);
	k->qname_size = copy_name(question, size - KNOT_WIRE_HEADER_SIZE, to);
	rest = question + k->qname_size;
	tail = size - KNOT_WIRE_HEADER_SIZE - k->qname_size;
	if (!k->qname_size ||
	    tail != QUESTION_TAIL + (knot_wire_get_arcount(bytes) ? OPT_SIZE : 0u) ||
	    (tail > QUESTION_TAIL &&
	     (rest[QUESTION_TAIL] != 0 ||
	      knot_wire_read_u16(rest + QUESTION_TAIL + 1) != KNOT_RRTYPE_OPT ||
	      knot_wire_read_u16(rest + tail - 2) != 0))) {
		return;
	}
	to += k->qname_size;
	memcpy(to, rest, tail);
	k->size = (size_t)(to - k->bytes) + tail;
	k->hash = hash_of(k->bytes, k->size);
}

/* ---- answers ---- */

static struct entry *set_of(const struct memo *m, const struct memo_key *k)
{
	return (struct entry *)&m->entries[(k->hash & (SETS - 1)) * WAYS];
}

static struct entry *find(const struct memo *m, const struct memo_key *k)
{
	struct entry *set = set_of(m, k);

	for (size_t i = 0; i < WAYS; i++) {
		struct entry *e = &set[i];

		if (e->hash == k->hash && e->epoch == m->epoch && e->key_size == k->size &&
		    memcmp(e->key, k->bytes, k->size) == 0) {
			return e;
		}
	}
	return NULL;
}

size_t memo_find(const struct memo *m, const struct memo_key *k, const uint8_t *question,
                 uint16_t rotate, uint8_t *buf)
{
	const struct entry *e = k->size ? find(m, k) : NULL;
	const struct image *image = e ? &e->images[rotate % e->n_images] : NULL;

	if (!image || !image->bytes) {
		return 0;
	}
	memcpy(buf, image->bytes, image->size);
	memcpy(buf, question, 2); /* the id */
	/* letters as they were asked */
	memcpy(buf + KNOT_WIRE_HEADER_SIZE, question + KNOT_WIRE_HEADER_SIZE, k->qname_size);
	return image->size;
}

static struct entry *make(struct memo *m, const struct memo_key *k, uint16_t n_images)
{
	uint8_t *way = &m->next[k->hash & (SETS - 1)];
	struct entry *e = &set_of(m, k)[(*way)++ % WAYS];

	if (e->epoch) {
		drop(m, e);
	}
	*e = (struct entry){ .hash = k->hash,
		             .epoch = m->epoch,
		             .key = mem_alloc(k->size),
		             .key_size = k->size,
		             .images = mem_alloc(n_images * sizeof(*e->images)),
		             .n_images = n_images };
	memcpy(e->key, k->bytes, k->size);
	m->bytes += k->size;
	return e;
}

void memo_put(struct memo *m, const struct memo_key *k, uint16_t rotate, const uint8_t *answer,
              size_t size)
{
	uint16_t n = knot_wire_get_ancount(answer);
	struct image *image;
	struct entry *e;

	if (!k->size || n > ROTATIONS || size > MEMO_ANSWER ||
	    size < KNOT_WIRE_HEADER_SIZE + k->qname_size) {
		return;
	}
	if (m->bytes > BYTES) {
		drop_all(m);
	}
	e = find(m, k);
	e = e ? e : make(m, k, n ? n : 1);
	image = &e->images[rotate % e->n_images];
	if (!image->bytes) {
		*image = (struct image){ mem_alloc(size), size };
		memcpy(image->bytes, answer, size);
		m->bytes += size;
	}
}
