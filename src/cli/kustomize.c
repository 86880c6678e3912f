/* Why: see kustomize.h. */
#include "cli/kustomize.h"

#include <sys/wait.h>

#include "loop/process.h"

enum { OUTPUT_MAX = 512 << 20 };

int kustomize_build(const char *folder, struct strbuf *out, struct err *err)
{
	const char *argv[] = { "kubectl", "kustomize", folder, NULL };
	scoped_strbuf struct strbuf complaints = { 0 };
	int status,
		r = process_run(&(struct process_spec){ .argv = argv, .max_output = OUTPUT_MAX },
	                        out, &complaints, &status, err);

	if (r < 0) {
		return err_while(
			err, r,
			"%s uses more of kustomize than resources and namespace, which needs "
			"kubectl",
			folder);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		return err_raise(err, ERR_SYNTAX, "kubectl kustomize %s: " SLICE_FMT, folder,
		                 SLICE_ARG(slice_trim(strbuf_slice(&complaints))));
	}
	return 0;
}
