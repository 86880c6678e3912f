/* What: an explanation's hops asked of a running instance, each from its right place: inside the source's pod, the
 * node, the router where the balancer is, this host; and what was seen put beside what was predicted. */
#pragma once

#include "analyse/explain.h"
#include "cli/command.h"

/* Failure: the instance does not run, or we may not ask it. A hop that cannot be asked stays without observation. */
MUST_USE int explain_live(struct explanation *x, const struct cli_instance *i,
                          const struct cli_ops *ops, struct err *err);
