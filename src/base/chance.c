/* Why: names, identifiers and keys need chance; see chance.h. */
#include "base/chance.h"

#include <stdio.h>
#include <sys/random.h>

#include "base/must.h"

void chance_bytes(void *to, size_t size)
{
	char *p = to;

	while (size) {
		ssize_t n = getrandom(p, size, 0);

		must(n > 0);
		p += n;
		size -= (size_t)n;
	}
}

uint32_t chance_u32(void)
{
	uint32_t v;

	chance_bytes(&v, sizeof(v));
	return v;
}

const char *chance_uuid(char *buf)
{
	uint8_t b[16];
	size_t at = 0;

	chance_bytes(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	for (int i = 0; i < 16; i++) {
		const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";

		at += (size_t)snprintf(buf + at, UUID_TEXT_SIZE - at, "%s%02x", dash, b[i]);
	}
	return buf;
}

const char *chance_suffix(char *buf, size_t n)
{
	static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";

	chance_bytes(buf, n);
	for (size_t i = 0; i < n; i++) {
		buf[i] = alphabet[(uint8_t)buf[i] % (sizeof(alphabet) - 1)];
	}
	buf[n] = '\0';
	return buf;
}
