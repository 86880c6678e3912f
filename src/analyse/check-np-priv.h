/* What: the parts of family NP, whose table is in check-np.c: how policies are written (check-np-selector.c, -port.c,
 * -address.c, -rule.c, -admin.c), what they do to flows (check-np-flows.c), and to calls that values tell of
 * (check-np-calls.c). */
#pragma once

#include "analyse/policies.h"
#include "analyse/rule.h"

#define WORKLOAD_FMT    SLICE_FMT " " SLICE_FMT
#define WORKLOAD_ARG(w) SLICE_ARG((w)->object->kind), SLICE_ARG((w)->name)

/* For each rule of each policy somebody wrote, in both directions. */
#define rule_of_each_policy(c, policy, dir, rule)                                                  \
	object_each((c)->subject, OBJECT_NETWORKPOLICY,                                            \
	            policy) for (enum policy_direction dir = POLICY_INGRESS;                       \
	                         dir < POLICY_DIRECTIONS; dir++)                                   \
		val_for_each (netpol_rules(policy, dir), rule)

void np_selector_space(struct check *c);   /* NP002 */
void np_selector_dash(struct check *c);    /* NP003 */
void np_port_of_service(struct check *c);  /* NP004 */
void np_selector_subject(struct check *c); /* NP005 */
void np_selector_outside(struct check *c); /* NP006 */
void np_address_unseen(struct check *c);   /* NP009 */
void np_selector_node(struct check *c);    /* NP016 */
void np_rule_types(struct check *c);       /* NP019 */
void np_rule_empty(struct check *c);       /* NP020 */
void np_port_name(struct check *c);        /* NP021 */
void np_port_range(struct check *c);       /* NP022 */
void np_port_protocol(struct check *c);    /* NP023 */
void np_admin_first(struct check *c);      /* NP025 */
void np_rule_idle(struct check *c);        /* NP029 */

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

const struct val *np_pod_selector(const struct object *policy);
/* The pods at the receiving end of a rule. */
void np_targets(struct check *c, const struct object *policy, enum policy_direction dir,
                const struct val *rule, struct selection *ret);

struct np_empty { /* a selector in a policy that picks nobody */
	const struct object *policy;
	const struct val *selector;
	const struct space *space;
	const struct workload *outside; /* whose own labels would fit */
	bool is_subject;
};
typedef void np_empty_fn(struct check *c, const struct np_empty *e);
/* Calls for each selector in a policy that picks nobody, with its subject first. */
void np_each_empty(struct check *c, np_empty_fn *fn);
