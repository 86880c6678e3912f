/* Why: `kennel verify`: connectivity tests as code: expectations held against manifests, or against packets. Reads,
 * asks analyse/ (and, with --live, the node), prints. */
#include <stdio.h>
#include <string.h>

#include "analyse/verify.h"
#include "base/mem.h"
#include "cli/analysis.h"
#include "cli/verify-live.h"
#include "codec/yaml.h"

static const struct cli_option options[] = {
	{ "filename", 'f', "FILE",
	  "manifests: a file, a folder, a kustomization, or - (may be repeated)" },
	{ "kubeconfig", 0, "FILE", "read a running cluster instead" },
	{ "output", 'o', "FORMAT", "text (default), tap, junit or json" },
	{ "profile", 0, "NAME", ANALYSIS_PROFILE_HELP },
	{ "live", 0, NULL,
	  "try the flows with packets through the running instance as well (as root)" },
	{ "timeout", 0, "MS", "with --live: how long a flow may take (default 500)" },
	{ 0 },
};

typedef void report_fn(struct strbuf *out, const struct verify *v);
static const struct {
	const char *name;
	report_fn *report;
} forms[] = { { "text", verify_text },
	      { "tap", verify_tap },
	      { "junit", verify_junit },
	      { "json", verify_json } };

static int read_form(const char *name, report_fn **ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (strcmp(name, forms[i].name) == 0) {
			*ret = forms[i].report;
			return 0;
		}
	}
	return err_raise(err, ERR_USAGE, "-o %s: text, tap, junit or json", name);
}

enum { FILE_MAX = 64 << 20 };

static int read_expectations(struct arena *a, const char *path, const struct val **ret,
                             struct err *err)
{
	scoped_file FILE *f = fopen(path, "re");
	scoped_strbuf struct strbuf text = { .max = FILE_MAX };
	struct val *root = NULL;
	size_t n = 1;
	int r;

	if (!f) {
		return err_sys(err, "open %s", path);
	}
	while (n) {
		char *to = strbuf_reserve(&text, 65536);

		if (!to) {
			return err_raise(err, ERR_LIMIT, "%s is larger than %d MiB", path,
			                 FILE_MAX >> 20);
		}
		n = fread(to, 1, 65536, f);
		strbuf_added(&text, n);
	}
	if (ferror(f)) {
		return err_sys(err, "read %s", path);
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

/* What packets say, marked in the cases; the sum of it on standard error. */
static int judge_live(struct analysis *a, const struct cli_parsed *p, const struct cli_ops *ops,
                      struct verify *v, struct err *err)
{
	struct cli_instance instance = { 0 };
	struct verify_live result = { 0 };
	struct live live = { 0 };
	uint64_t timeout_ms;
	int r;

	if (!slice_to_u64(slice_of(cli_value(p, "timeout", "500")), &timeout_ms) ||
	    timeout_ms < 1 || timeout_ms > 2500) {
		return err_raise(err, ERR_USAGE, "--timeout: 1 to 2500 milliseconds");
	}
	r = cli_instance_of(p, &instance, err);
	if (r < 0) {
		return r;
	}
	r = live_open(&live, &instance, err);
	r = r ? r
	      : verify_live(v, a->gathered.subject, a->matrix, &live, (int)timeout_ms, &result,
	                    err);
	live_close(&live);
	r = r ? r : verify_live_requests(v, a->gathered.subject, &instance, ops, &result, err);
	cli_instance_fini(&instance);
	if (r == 0) {
		fprintf(stderr,
		        "%zu flows and requests tried, %zu not as predicted; not tried: %zu pairs "
		        "without a pod "
		        "here; "
		        "without an answer (UDP): %zu\n",
		        result.n_flows, result.n_disagree, result.n_skipped, result.n_silent);
	}
	return r;
}

static int run(const struct cli_command *c, const struct cli_parsed *p, const struct cli_ops *ops)
{
	struct analysis a = { 0 };
	struct verify v = { 0 };
	scoped_strbuf struct strbuf out = { 0 };
	const struct profile *profile = NULL;
	report_fn *report = NULL;
	struct err err = { 0 };
	bool incomplete = false;
	int r = read_form(cli_value(p, "output", "text"), &report, &err), status;

	(void)c;
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
		r = judge_live(&a, p, ops, &v, &err);
	}
	if (r == 0) {
		report(&out, &v);
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
	.summary = "Hold manifests or a running instance against expected reachability",
	.details = "Expectations are YAML: flows (from, to, port, expect: allow, deny or only), "
		   "requests (from, to: a URL,\n"
		   "status: 200, or expect: allow or deny) and 'everything else: deny'.\n"
		   "'kennel matrix -o expectations' writes them out of what is. Exit status: 0 as "
		   "expected, 1 not, 2 usage\n"
		   "or unreadable input.",
	.options = options,
	.takes_instance = true,
	.run = run,
};
