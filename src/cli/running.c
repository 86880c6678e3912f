/* Why: what the commands that analyse can do beyond reading files, in one place, so that a program for files alone can be
 * made without it. */
#include "cli/command.h"
#include "cli/explain-live.h"
#include "cli/gather-cluster.h"
#include "cli/kustomize.h"
#include "cli/verify-live.h"

const struct cli_live cli_running = {
	.gather = gather_running,
	.build = kustomize_build,
	.explain = explain_live,
	.verify = verify_running,
};
