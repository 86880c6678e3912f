/* What: the Node object of this machine and its heartbeat. kubernetes-api.md section 8.14. */
#pragma once

#include "node/agent.h"

struct registration;

/* Creates the Node when it is missing, writes its status, renews its Lease every 10 s. Never fails:
 * tries again. */
struct registration *registration_new(struct agent *a);
struct registration *registration_free(struct registration *r);
