/* Why: whatever stands in a value, the parts found lie in it, a host without complaint is one, and
 * an address written down again is read as the same. The first byte chooses the kind of key. */
#include <stdint.h>

#include "analyse/address.h"
#include "base/must.h"
#include "base/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct arena *arena;
	struct slice text;
	const struct address *want; /* second round */
	unsigned n;
};

static void compare(void *arg, const struct address *a)
{
	struct seen *s = arg;

	s->n++;
	must(slice_eq(a->host, s->want->host));
	must(a->port == s->want->port);
}

/* "scheme://host:port" of it, read again. */
static void round_trip(struct seen *s, const struct address *a)
{
	scoped_strbuf struct strbuf out = { 0 };
	struct seen again = { .arena = s->arena, .want = a };
	bool v6 = slice_find(a->host, ':') >= 0;

	strbuf_addf(&out, v6 ? "x-y://[" SLICE_FMT "]:%u" : "x-y://" SLICE_FMT ":%u",
	            SLICE_ARG(a->host), a->port);
	address_each(s->arena, strbuf_slice(&out), KEY_ADDRESS, "", compare, &again);
	must(again.n <= 1);
}

static void check(void *arg, const struct address *a)
{
	struct seen *s = arg;

	s->n++;
	must(a->at <= s->text.len);
	must(!a->port_given || a->port_text.len > 0);
	must(!a->tls || !a->tls_off);
	if (!a->problem && a->host.len) {
		must(address_is_host(a->host));
		if (!a->is_template && a->port) {
			round_trip(s, a);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 64 << 20 };
	struct seen s = { .arena = &a };
	struct address one;

	if (size == 0) {
		return 0;
	}
	s.text = (struct slice){ (const char *)data + 1, size - 1 };
	address_each(&a, s.text, (enum key_kind)(data[0] % (KEY_NAME + 1)), "", check, &s);
	if (address_host_port(&a, s.text, &one)) {
		must(one.host.len == 0 || address_is_host(one.host));
	}
	must(key_stem(s.text).len <= s.text.len);
	(void)key_judge(s.text);
	must(key_scheme(s.text) != NULL);
	return 0;
}
