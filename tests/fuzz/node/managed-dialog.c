/* Why: whatever a server says, in whatever pieces, the dialog ends or waits, and never says the
 * same twice. */
#include <stdint.h>

#include "base/must.h"
#include "node/managed-dialog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* First byte: the kind, and how large the pieces are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const statements[] = { "one", "two", 0 };
	struct managed_dialog d;
	size_t piece, said = 0;
	struct err err;

	if (size < 1) {
		return 0;
	}
	managed_dialog_init(&d, data[0] & 1 ? MANAGED_DIALOG_REDIS : MANAGED_DIALOG_MYSQL,
	                    statements);
	piece = 1 + (data[0] >> 1);
	for (size_t at = 1; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (managed_dialog_feed(&d, (struct slice){ (const char *)data + at, n }, &err) !=
		    MANAGED_DIALOG_MORE) {
			break;
		}
		must(d.out.size >= said && d.out.size < (1 << 20));
		said = d.out.size;
	}
	managed_dialog_fini(&d);
	return 0;
}
