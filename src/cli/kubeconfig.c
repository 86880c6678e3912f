/* Why: `kennel kubeconfig` says where the kubeconfig is, or prints it for a merge. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/command.h"

static const struct cli_option options[] = {
	{ "path", 0, NULL, "print the path only, for KUBECONFIG=$(kennel kubeconfig --path)" },
	{ 0 },
};

static int run(const struct cli_command *c, const struct cli_parsed *p, const struct cli_ops *ops)
{
	struct cli_instance instance = { 0 };
	scoped_free char *path = NULL;
	scoped_file FILE *f = NULL;
	struct err err = { 0 };
	char buf[4096];
	size_t n;

	(void)c;
	(void)ops;
	if (cli_instance_of(p, &instance, &err) < 0) {
		return cli_fail(&err);
	}
	path = mem_printf("%s/kubeconfig", instance.home);
	cli_instance_fini(&instance);
	f = fopen(path, "re");
	if (!f) {
		(void)err_sys(&err, "open %s (has 'kennel up' been run?)", path);
		return cli_fail(&err);
	}
	if (cli_has(p, "path")) {
		puts(path);
		return 0;
	}
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0) {
		fwrite(buf, 1, n, stdout);
	}
	return 0;
}

const struct cli_command cli_kubeconfig = {
	.name = "kubeconfig",
	.words = "",
	.summary = "Print the kubeconfig of an instance",
	.options = options,
	.takes_instance = true,
	.run = run,
};
