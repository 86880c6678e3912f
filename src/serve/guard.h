/* What: `kennel guard`, a process of a few pages that starts the supervisor again when it dies; the
 * supervisor does the same for the guard. */
#pragma once

/* argv: guard --pid PID -- SERVE-ARGUMENTS...; returns the exit status. */
int guard_main(int argc, char **argv);
