/* What: `kennel ingress`, the controller that speaks ingress-nginx: Ingress objects in, a running
 * nginx out.
 *
 * It takes the options of ingress-nginx that matter (the names and defaults are that one's), runs
 * as any user, and keeps its files below --work-dir. Returns the exit status. SIGTERM: answers
 * /healthz with 500, serves on for --shutdown-grace-period seconds, then lets nginx finish and
 * ends. */
#pragma once

int ingress_main(int argc, char **argv);
