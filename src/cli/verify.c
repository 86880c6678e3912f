/* Why: `kennel verify`: connectivity tests as code: expectations held against manifests, or against packets. Reads,
 * asks analyse/ (and, with --live, the node), prints. */
#include "analyse/verify.h"
#include "base/mem.h"
#include "cli/analysis.h"
#include "codec/yaml.h"
#include "manifest/text.h"

static const struct cli_option options[] = {
	{ "filename", 'f', "FILE",
	  "manifests: a file, a folder, a kustomization, or - (may be repeated)" },
	{ "kubeconfig", 0, "FILE", "read a running cluster instead", true },
	{ "output", 'o', "FORMAT", "text (default), tap, junit, json, yaml or markdown" },
	{ "profile", 0, "NAME", ANALYSIS_PROFILE_HELP },
	{ "live", 0, NULL,
	  "try the flows with packets through the running instance as well (as root)", true },
	{ "timeout", 0, "MS", "with --live: how long a flow may take (default 500)", true },
	{ 0 },
};

enum { FILE_MAX = 64 << 20 };

static int read_expectations(struct arena *a, const char *path, const struct val **ret,
                             struct err *err)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct val *root = NULL;
	int r = text_read(path, FILE_MAX, &text, err);

	if (r < 0) {
		return r;
	}
	r = yaml_parse(a, strbuf_slice(&text), &root, err);
	*ret = root;
	return r < 0 ? err_while(err, r, "%s", path) : 0;
}

static int judge(struct analysis *a, const struct cli_parsed *p, struct verify *v, struct err *err)
{
	for (size_t i = 0; i < p->words.n; i++) {
		const struct val *root = NULL;
		int r = read_expectations(&a->arena, p->words.at[i], &root, err);

		r = r ? r
		      : verify_run(v, a->gathered.subject, a->matrix, p->words.at[i], root, err);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int run(const struct cli_command *c, const struct cli_parsed *p, const struct cli_ops *ops)
{
	struct analysis a = { 0 };
	struct verify v = { 0 };
	scoped_strbuf struct strbuf out = { 0 };
	const struct profile *profile = NULL;
	const struct verify_form *form;
	struct err err = { 0 };
	bool incomplete = false;
	int r, status;

	(void)c;
	form = form_find(verify_forms, cli_value(p, "output", "text"), &err);
	r = form ? 0 : -(int)err.code;
	if (r == 0 && !p->words.n) {
		r = err_raise(&err, ERR_USAGE,
		              "verify: which expectations? 'kennel verify FILE -f MANIFESTS'");
	}
	r = r ? r : analysis_profile(p, &profile, &err);
	r = r ? r : gather(&a.gathered, p, profile, &err);
	if (r == 0) {
		incomplete = analysis_tell_problems(&a.gathered);
		analysis_make(&a, NULL);
		v.keep_pairs = cli_has(p, "live");
		r = judge(&a, p, &v, &err);
	}
	if (r == 0 && cli_has(p, "live")) {
		r = p->program->live->verify(&v, &a, p, ops, &err);
	}
	if (r == 0) {
		form->write(&out, &v);
		r = analysis_print(&out, &err);
	}
	status = r < 0 || incomplete ? 2 : v.n_failed ? 1 : 0;
	if (r < 0) {
		(void)cli_fail(&err);
	}
	verify_fini(&v);
	analysis_fini(&a);
	return status;
}

const struct cli_command cli_verify = {
	.name = "verify",
	.words = "EXPECTATIONS...",
	.summary = "Hold who reaches whom against what is expected",
	.details = "Expectations are YAML: flows (from, to, port, expect: allow, deny or only), "
		   "requests (from, to: a URL,\n"
		   "status: 200, or expect: allow or deny) and 'everything else: deny'.\n"
		   "'kennel matrix -o expectations' writes them out of what is. Exit status: 0 as "
		   "expected, 1 not, 2 usage\n"
		   "or unreadable input.",
	.live_details = CLI_WITHOUT_FILES,
	.options = options,
	.takes_instance = true,
	.run = run,
};
