/* Why: a kubeconfig of any shape gives credentials that can be used, or a failure. */
#include <stdint.h>

#include "base/must.h"
#include "client/credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_credentials struct credentials c = { 0 };

	if (credentials_parse((struct slice){ (const char *)data, size }, "/f", &c, NULL) < 0) {
		must(!c.host);
		return 0;
	}
	must(c.host && *c.host && c.port && c.prefix);
	must(!*c.prefix || c.prefix[0] == '/');
	must(!strpbrk(c.host, " \r\n\t") && !strpbrk(c.prefix, " \r\n\t"));
	return 0;
}
