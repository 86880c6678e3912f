/* Why: the reader of HAProxy's configuration; see config.h. */
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return config_replay(config_haproxy, data, size);
}
