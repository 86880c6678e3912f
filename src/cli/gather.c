/* Why: one way to come by objects for all commands that analyse; see gather.h. */
#include "cli/gather.h"

#include <string.h>

#include "base/mem.h"

void gathered_fini(struct gathered *g)
{
	g->subject = subject_free(g->subject);
	for (size_t i = 0; i < g->docs.n; i++) {
		doc_unref(g->docs.at[i]);
	}
	vec_fini(&g->docs);
	if (g->manifests.registry) {
		manifests_fini(&g->manifests);
	}
}

static void begin(struct gathered *g, const struct profile *profile, bool is_cluster,
                  manifests_build_fn *build)
{
	manifests_init(&g->manifests, build);
	g->profile = *profile;
	if (is_cluster) {
		g->profile.assumed = NULL;
	}
	g->subject = subject_new(&g->profile);
}

static void end(struct gathered *g)
{
	for (size_t i = 0; i < g->manifests.all.n; i++) {
		subject_add(g->subject, g->manifests.all.at[i].file, g->manifests.all.at[i].object);
	}
	subject_ready(g->subject);
}

int gather_path(struct gathered *g, const char *path, const struct profile *profile,
                manifests_build_fn *build, struct err *err)
{
	int r;

	begin(g, profile, false, build);
	r = manifests_read(&g->manifests, path, err);
	if (r == 0) {
		end(g);
	}
	return r;
}

int gather(struct gathered *g, const struct cli_parsed *p, const struct profile *profile,
           struct err *err)
{
	const struct cli_live *live = p->program->live;
	bool has_files = cli_has(p, "filename");
	int r = 0;

	begin(g, profile, !has_files, live ? live->build : NULL);
	if (!has_files && !live) {
		return err_raise(err, ERR_USAGE, "nothing to look at: give manifests by -f");
	}
	if (has_files && cli_has(p, "kubeconfig")) {
		return err_raise(err, ERR_USAGE,
		                 "-f and --kubeconfig are two things to look at; give one");
	}
	for (size_t i = 0; r == 0 && i < p->options.n; i++) {
		if (strcmp(p->options.at[i]->name, "filename") == 0) {
			r = manifests_read(&g->manifests, p->values.at[i], err);
		}
	}
	if (!has_files) {
		r = live->gather(g, p, err);
	}
	if (r == 0) {
		end(g);
	}
	return r;
}
