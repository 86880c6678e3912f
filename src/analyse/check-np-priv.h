/* What: the parts of family NP: the writing of policies (check-np.c, with the table) and what they do to flows
 * (check-np-flows.c), and to calls that values tell of (check-np-calls.c). */
#pragma once

#include "analyse/policies.h"
#include "analyse/rule.h"

void np_controller_not_admitted(struct check *c); /* NP001 */
void np_one_side(struct check *c);                /* NP007 */
void np_credentials(struct check *c);             /* NP011 */
void np_api_server(struct check *c);              /* NP012 */
void np_scraper(struct check *c);                 /* NP013 */
void np_solver(struct check *c);                  /* NP014 */
void np_webhook(struct check *c);                 /* NP015 */
void np_late(struct check *c);                    /* NP018 */
void np_mesh(struct check *c);                    /* NP026 */
void np_before_translation(struct check *c);      /* NP027 */
void np_balancer(struct check *c);                /* NP028 */
void np_without_policy(struct check *c);          /* NP030 */

void np_calls(struct check *c);   /* NP007, by values; np_one_side is by rules */
void np_outside(struct check *c); /* NP008 */
void np_except(struct check *c);  /* NP010 */
void np_helpers(struct check *c); /* NP024 */

/* Shows policies of these pods whose rules for the side have no effect (NP019): they explain why it is closed. */
void np_show_idle(struct check *c, struct finding *f, const struct workload *w,
                  enum policy_direction dir);
