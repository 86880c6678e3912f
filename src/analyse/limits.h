/* What: the numbers that bound this room, each with its reason. */
#pragma once

#define ANALYSE_KEY_SIZE                                                                           \
	420u /* bytes: a kind's number, a namespace (63) and a name (253), with room */
#define ANALYSE_FINDINGS_MAX                                                                       \
	20000u /* per rule; beyond, the rest is counted only: nobody reads more */
#define ANALYSE_PAIRS_MAX                                                                          \
	4000000u /* decisions of flows one check may ask for before it says "not all looked at" */
#define ANALYSE_RULES_MAX                                                                          \
	2000u /* rules of one policy that another is compared with: the first are as good as all */
#define ANALYSE_NEAREST_MAX 2000u /* candidates for "did you mean": the first are as good as all */
