/* Why: the reader of nginx's configuration; see config.h. */
#include "config.h"

static void nginx(struct arena *a, struct slice text, config_fact_fn *fact, void *arg)
{
	config_nginx(a, text, NULL, fact, arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return config_replay(nginx, data, size);
}
