/* What: what policies claim about one subject, in order of precedence, made into rows of the policy
 * table.
 *
 * A claim says of some ports of a peer: admitted, denied, or passed on to the next tier. For every
 * port the first claim that speaks of it decides, where one that passes on only silences the later
 * claims of its own tier. What nobody claims is denied, so whoever starts from "open" makes that
 * the last claim. */
#pragma once

#include "base/vec.h"
#include "model/model-priv.h"

struct policy_claim {
	uint32_t peer; /* class, or POLICY_PEER_ANY */
	uint32_t rank; /* smaller decides first; RANK_TIER_SHIFT: the tier is in its upper bits */
	uint16_t from, to;
	uint8_t proto;  /* enum proto or POLICY_PROTO_ANY */
	uint8_t action; /* enum policy_action */
};
#define RANK_TIER_SHIFT 28
typedef VEC(struct policy_claim) claim_vec;
typedef VEC(struct policy_row) row_vec;

/* Appends the rows of the subject, canonical and in their order (see policy-table.h). Sorts the
 * claims. */
void rows_of_claims(uint32_t subject, claim_vec *claims, row_vec *out);

int row_cmp(const struct policy_row *a, const struct policy_row *b); /* all but the verdict */
/* The row of (subject, peer, proto) that holds 'port', or null. */
const struct policy_row *row_find(const struct policy_row *rows, size_t n, uint32_t subject,
                                  uint32_t peer, unsigned proto, uint16_t port);
