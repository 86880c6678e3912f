/* What: the role `kennel api`. */
#pragma once

/* api --name N --home H [--uid U]: serves the sockets 3 and, when it is there, 4. Returns the exit
 * status. */
int api_main(int argc, char **argv);
