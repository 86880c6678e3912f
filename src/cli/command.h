/* What: the table of commands, their options and what they all need. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "base/vec.h"

#define CLI_NODES_MAX 16 /* nodes of an instance; serve/nodes.h holds the same */

/* Which instance a command speaks of, and how it is to be started. */
struct cli_instance {
	const char *name; /* --name, default "kennel" */
	const char *home; /* --home, absolute; default /var/lib/kennel (then .../NAME for others) */
	const char *edge_address; /* --edge-address, default 127.0.0.1 */
	const char
		*ip_families; /* --ip-families: IP_FAMILIES_... (base/ip.h); null: as last time */
	uint16_t api_port;    /* --api-port; 0: 6443 or the next free one */
	const char
		*service_dataplane; /* --service-dataplane: "auto" (default), "ebpf", "nftables" */
	unsigned nodes;             /* --nodes; 0: as last time, at first one */
};

/* A manifest that belongs to kennel itself (cluster DNS, ingress controller), built into the binary. */
struct cli_builtin {
	const char *file;
	struct slice text;
};

/* What main.c joins in: the rooms on the command line's own floor. */
struct cli_ops {
	/* Starts the supervisor unless it runs and waits until the API server answers. Outcome: 1 when it
	 * ran already. Failure: a sentence for the user (ERR_CONFLICT: it runs with another number of nodes). */
	int (*start)(const struct cli_instance *i, struct err *err);
	/* Stops everything and removes what the instance made on the host; purge: its home as well. */
	int (*stop)(const struct cli_instance *i, bool purge, struct err *err);
	/* The supervisor's own state as JSON. Failure: ERR_UNAVAILABLE when it does not run. */
	int (*status)(const struct cli_instance *i, struct strbuf *out, struct err *err);
	/* Puts an archive (or every archive of a folder) into the image store; says each name it loaded. */
	int (*load_images)(const struct cli_instance *i, const char *path,
	                   void (*loaded)(void *arg, const char *name), void *arg, struct err *err);
	const struct cli_builtin *builtins; /* ends with a null file */
};

/* An option of a command: "--name N". */
struct cli_option {
	const char *name;     /* "name" */
	char letter;          /* 'f' or 0 */
	const char *argument; /* "NAME"; null: a switch */
	const char *help;
	bool live; /* asks a running cluster: not there in a program that reads files only */
};

struct cli_parsed {
	const struct cli_program *program;
	VEC(const char *) words;                /* what is no option */
	VEC(const struct cli_option *) options; /* as given, in order */
	VEC(const char *) values;               /* value of options.at[i]; null for switches */
};

struct cli_command {
	const char *name;
	const char *words;        /* "[PATTERN...]" or "" */
	const char *summary;      /* one line */
	const char *details;      /* more lines for --help; may be null */
	const char *live_details; /* likewise, of a program that may ask a running cluster */
	const struct cli_option *options; /* ends with a null name; --help is added */
	bool takes_instance;              /* --name, --home and what follows from them */
	int (*run)(const struct cli_command *c, const struct cli_parsed *p,
	           const struct cli_ops *ops);
};

extern const struct cli_command cli_check, cli_diff, cli_drops, cli_explain, cli_graph, cli_matrix,
	cli_verify, cli_up, cli_down, cli_status, cli_kubeconfig;

#define CLI_WITHOUT_FILES "Without -f and --kubeconfig the running instance is looked at."

/* What a program that may ask a running cluster or instance has beyond one that reads files only. */
struct gathered;
struct explanation;
struct verify;
struct analysis;
struct cli_live {
	/* Reads the cluster of --kubeconfig, or else the instance. */
	int (*gather)(struct gathered *g, const struct cli_parsed *p, struct err *err);
	/* Builds a kustomization (manifests_build_fn). */
	int (*build)(const char *folder, struct strbuf *out, struct err *err);
	/* Observes an explanation's hops. */
	int (*explain)(struct explanation *x, const struct cli_instance *i,
	               const struct cli_ops *ops, struct err *err);
	/* Tries a verification's flows. */
	int (*verify)(struct verify *v, struct analysis *a, const struct cli_parsed *p,
	              const struct cli_ops *ops, struct err *err);
};
extern const struct cli_live cli_running; /* running.c */

/* A program is a choice of commands. */
struct cli_program {
	const char *name;                          /* "kennel" */
	const char *about;                         /* what it is, for --help */
	const struct cli_command *const *commands; /* ends with null */
	const char *const (*elsewhere)
		[2]; /* name and summary of what others run; ends with null; may be null */
	const struct cli_live *live; /* null: reads files only */
};
extern const struct cli_program cli_kennel; /* all commands; program.c */

/* Runs argv[1]; returns the exit status. */
int cli_main(int argc, char **argv, const struct cli_program *program, const struct cli_ops *ops);

/* ---- for commands ---- */

/* Value of the last such option, or 'otherwise'. */
const char *cli_value(const struct cli_parsed *p, const char *name, const char *otherwise);
bool cli_has(const struct cli_parsed *p, const char *name);
/* Reads --name, --home, and how an instance is to be started. Failure: ERR_USAGE. */
MUST_USE int cli_instance_of(const struct cli_parsed *p, struct cli_instance *ret, struct err *err);
void cli_instance_fini(struct cli_instance *i);
/* "kennel: sentence" on standard error; returns the exit status for the failure. */
int cli_fail(const struct err *err);
bool cli_is_terminal(int fd);
