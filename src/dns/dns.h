/* What: the role 'kennel dns': the cluster's DNS server, in a pod of its own or by hand. */
#pragma once

/* argv[0] is the role's name. Returns the exit status: 0 after SIGTERM, 1 when it cannot serve, 2
 * for wrong usage. */
int dns_main(int argc, char **argv);
