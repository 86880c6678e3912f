/* Why: invariants that say so when they break; see must.h. */
#include "base/must.h"

#include <stdlib.h>

#include "base/log.h"

static bool tainted;

void must_failed(const char *what, const char *file, int line)
{
	log_broken("Invariant broken, stopping: %s at=%s:%d", what, file, line);
	abort();
}

void should_failed(const char *what, const char *file, int line)
{
	tainted = true;
	log_broken("Invariant broken, going on: %s at=%s:%d", what, file, line);
}

bool should_is_tainted(void)
{
	return tainted;
}
