/* Why: kennel-analyse: the commands that look at manifests as a program of its own, for pipelines: one static file that opens
 * the files it is given and nothing else. */
#include "cli/command.h"

static const struct cli_command *const commands[] = {
	&cli_check, &cli_explain, &cli_matrix, &cli_diff, &cli_verify, &cli_graph, NULL,
};

static const struct cli_program program = {
	.name = "kennel-analyse",
	.about = "why A will not reach B, from manifests alone",
	.commands = commands,
};

int main(int argc, char **argv)
{
	return cli_main(argc, argv, &program, NULL);
}
