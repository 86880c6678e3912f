/* Why: Secrets hold anything; the cursor over DER stays in its bytes, and what it finds lies in them. */
#include <stdint.h>

#include "analyse/certificate.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { .max = 64 << 20 };
	const struct slice text = { (const char *)data, size };
	struct chain chain;
	const char *problem;
	struct slice key;

	chain_read(&a, text, &chain);
	must(chain.n > 0 || chain.problem);
	must(chain.n <= CERTIFICATES_MAX);
	for (size_t i = 0; i < chain.n; i++) {
		must(chain.at[i]->n_names <= CERTIFICATE_NAMES_MAX);
		must(chain.at[i]->subject.len > 0);
		for (size_t k = 0; k < chain.at[i]->n_names; k++) {
			must(chain.at[i]->names[k].len <= size);
			(void)certificate_has_name(chain.at[i], chain.at[i]->names[k]);
		}
	}
	key = key_public_part(&a, text, &problem);
	must(!problem || key.len == 0);
	return 0;
}
