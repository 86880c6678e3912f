/* Why: see analysis.h. */
#include "cli/analysis.h"

#include <stdio.h>

int analysis_profile(const struct cli_parsed *p, const struct profile **ret, struct err *err)
{
	*ret = profile_by_name(cli_value(p, "profile", NULL), err);
	return *ret ? 0 : err_while(err, -(int)ERR_USAGE, "--profile");
}

bool analysis_tell_problems(const struct gathered *g)
{
	for (size_t i = 0; i < g->manifests.problems.n; i++) {
		fprintf(stderr, "%s\n", g->manifests.problems.at[i]);
	}
	return g->manifests.problems.n > 0;
}

void analysis_make(struct analysis *a, struct ports_pool *pool)
{
	a->owns_pool = !pool;
	a->pool = pool ? pool : ports_pool_new();
	a->matrix = matrix_new(a->pool, matrix_world_of_subject(&a->arena, a->gathered.subject));
}

void analysis_fini(struct analysis *a)
{
	a->matrix = matrix_free(a->matrix);
	if (a->owns_pool) {
		a->pool = ports_pool_free(a->pool);
	}
	gathered_fini(&a->gathered);
	arena_fini(&a->arena);
}

int analysis_print(const struct strbuf *out, struct err *err)
{
	if (strbuf_failed(out)) {
		return err_raise(
			err, ERR_LIMIT,
			"the answer is larger than 1 GiB; narrow it, or ask for another form");
	}
	if (fwrite(strbuf_str(out), 1, out->size, stdout) != out->size || fflush(stdout) != 0) {
		return err_sys(err, "write the answer");
	}
	return 0;
}
