/* Why: the reader of lines of addresses in a file; see config.h. */
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return config_replay(config_lines, data, size);
}
