/* What: objects out of the cluster that --kubeconfig names, or out of the running instance; the part of gather.h that asks a
 * network. */
#pragma once

#include "cli/gather.h"

/* Adds to g->subject. Failure: no instance runs, or the server does not answer. */
MUST_USE int gather_running(struct gathered *g, const struct cli_parsed *p, struct err *err);
