/* Why: the commands of `kennel`, in the order of its --help. */
#include "cli/command.h"

static const struct cli_command *const commands[] = {
	&cli_up,      &cli_down,   &cli_status, &cli_check, &cli_matrix,     &cli_diff,
	&cli_explain, &cli_verify, &cli_graph,  &cli_drops, &cli_kubeconfig, NULL,
};

/* Their own rooms run them (main.c). */
static const char *const elsewhere[][2] = {
	{ "image", "Load, list, pull and remove images of an instance" },
	{ NULL, NULL },
};

const struct cli_program cli_kennel = {
	.name = "kennel",
	.about = "a Kubernetes application's whole network on one machine",
	.commands = commands,
	.elsewhere = elsewhere,
	.live = &cli_running,
};
