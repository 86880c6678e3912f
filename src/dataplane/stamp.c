/* Why: a restart must leave a table alone that is right, and notice one that is not, without a copy
 * of the kernel's way of describing rules in this program. */
#include "dataplane/stamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX     "stamp-"
#define STAMP_SIZE (sizeof(PREFIX) + 33)

struct reading {
	struct stamp *s;
	bool (*varies)(const char *chain);
};

static void mix(struct stamp *s, const void *bytes, size_t size)
{
	s->print = (s->print ^ slice_hash((struct slice){ bytes, size })) *
	           UINT64_C(0x9e3779b97f4a7c15);
	s->print ^= s->print >> 29;
}

static void format(uint64_t digest, uint64_t print, char *buf)
{
	snprintf(buf, STAMP_SIZE, PREFIX "%016llx-%016llx", (unsigned long long)digest,
	         (unsigned long long)print);
}

static bool parse(const char *name, uint64_t *ret)
{
	char again[STAMP_SIZE];

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || strlen(name) != STAMP_SIZE - 1) {
		return false;
	}
	ret[0] = strtoull(name + strlen(PREFIX), NULL, 16);
	ret[1] = strtoull(name + strlen(PREFIX) + 17, NULL, 16);
	format(ret[0], ret[1], again);
	return strcmp(again, name) == 0;
}

/* A chain's value counts up from here, one a rule, so that it is never null. */
static char counting[1];

size_t stamp_rules_of(const void *value)
{
	return (size_t)((uintptr_t)value - (uintptr_t)counting);
}

static void read_chain(void *arg, const char *chain, const void *rule, size_t size)
{
	struct reading *r = arg;

	(void)rule;
	(void)size;
	r->s->any = true;
	if (r->varies && r->varies(chain)) {
		(void)map_set(&r->s->others, slice_of(chain), counting);
	} else if (!parse(chain, r->s->found)) {
		mix(r->s, chain, strlen(chain));
	}
}

static void read_rule(void *arg, const char *chain, const void *rule, size_t size)
{
	struct reading *r = arg;
	void *count = map_find(&r->s->others, slice_of(chain));

	if (count) {
		(void)map_set(&r->s->others, slice_of(chain), (void *)((uintptr_t)count + 1));
	} else {
		mix(r->s, chain, strlen(chain));
		mix(r->s, rule, size);
	}
}

static void read_set(void *arg, const char *name, uint32_t flags, size_t key_size, size_t data_size)
{
	uint32_t shape[3] = { flags, (uint32_t)key_size, (uint32_t)data_size };
	struct reading *r = arg;

	mix(r->s, name, strlen(name));
	mix(r->s, shape, sizeof(shape));
}

static void restart(void *arg)
{
	((struct reading *)arg)->s->moving = true;
}

int stamp_read(struct nft *n, bool (*varies)(const char *chain), struct stamp *ret, struct err *err)
{
	struct reading r = { ret, varies };
	int result;

	*ret = (struct stamp){ 0 };
	result = nft_each_chain(n, read_chain, restart, &r, err);
	if (result == 0) {
		result = nft_each_rule(n, read_rule, restart, &r, err);
	}
	if (result == 0) {
		result = nft_each_set(n, read_set, restart, &r, err);
	}
	return result;
}

void stamp_fini(struct stamp *s)
{
	map_fini(&s->others);
}

bool stamp_fits(const struct stamp *s, uint64_t digest)
{
	return s->any && !s->moving && s->found[0] == digest && s->found[1] == s->print;
}

int stamp_write(struct nft *n, bool (*varies)(const char *chain), uint64_t digest, struct err *err)
{
	char name[STAMP_SIZE];
	struct stamp s;
	int r = stamp_read(n, varies, &s, err);

	stamp_fini(&s);
	if (r < 0) {
		return r;
	}
	format(digest, s.print, name);
	nft_chain_add(n, name, NULL);
	return nft_commit(n, err);
}
