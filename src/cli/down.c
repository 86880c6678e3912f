/* Why: `kennel down`: what kennel made on the host is removed again, also after a crash. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/progress.h"

static const struct cli_option options[] = {
	{ "purge", 0, NULL, "remove its home as well: objects, images, databases" },
	{ 0 },
};

static int run(const struct cli_command *c, const struct cli_parsed *p, const struct cli_ops *ops)
{
	struct cli_instance instance = { 0 };
	struct progress progress;
	struct err err = { 0 };
	int status = 0;

	(void)c;
	if (cli_instance_of(p, &instance, &err) < 0) {
		return cli_fail(&err);
	}
	progress_init(&progress);
	progress_now(&progress, "stopping %s", instance.name);
	if (ops->stop(&instance, cli_has(p, "purge"), &err) < 0) {
		progress_end(&progress);
		status = cli_fail(&err);
	} else {
		progress_done(&progress, "%s is down%s", instance.name,
		              cli_has(p, "purge") ? " and its home removed"
		                                  : "; its data is kept for the next up");
	}
	cli_instance_fini(&instance);
	return status;
}

const struct cli_command cli_down = {
	.name = "down",
	.words = "",
	.summary = "Stop an instance and remove what it made on the host",
	.options = options,
	.takes_instance = true,
	.run = run,
};
