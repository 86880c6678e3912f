/* What: objects for the commands that analyse (check, explain, matrix...): out of files (-f), a cluster (--kubeconfig) or the
 * running instance, as a subject. Lenient: what cannot be read is told and the rest is looked at. */
#pragma once

#include "analyse/subject.h"
#include "cli/command.h"
#include "manifest/manifest.h"

struct gathered {
	struct manifests
		manifests;      /* from files; its problems also tell what a cluster did not give */
	VEC(struct doc *) docs; /* owned shares: from a cluster */
	struct profile profile; /* as used: a cluster brings its own controllers */
	struct subject *subject; /* owned; ready */
};
/* Looks at the options filename, kubeconfig and those of the instance. Failure: nothing could be read at all, or
 * no instance runs. Call gathered_fini in any case. */
MUST_USE int gather(struct gathered *g, const struct cli_parsed *p, const struct profile *profile,
                    struct err *err);
/* The same for one path. build: see manifests_init. */
MUST_USE int gather_path(struct gathered *g, const char *path, const struct profile *profile,
                         manifests_build_fn *build, struct err *err);
void gathered_fini(struct gathered *g); /* accepts zeroed */
