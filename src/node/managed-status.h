/* What: what is said about a managed server in its object's status, in the words of ACK's
 * controllers (cloud-kinds.md 3.4, 5, 6). Pure. */
#pragma once

#include "node/managed-step.h"
#include "node/managed-wish.h"

struct managed_view {
	const struct managed_wish *wish;
	enum managed_state state;
	const char *endpoint; /* null: no address yet */
	bool was_available;   /* it answered once since it was made */
	bool is_deleting;
	bool is_incompatible;   /* its parameter group does not suit the server */
	const char *waits_for;  /* sentence: a reference is missing; null */
	const char *trouble;    /* sentence: why it rests or cannot be deleted; null */
	int64_t cert_not_after; /* wall time; 0: no certificate */
	int64_t now_wall_us;
};

/* "creating", "available", "rebooting", "failed", "deleting", "incompatible-parameters"; null while
 * nothing exists. */
const char *managed_status_word(const struct managed_view *v);
/* The members of status as they should be, in a. old: the present status, whose conditions keep
 * their times where they are unchanged; may be null. */
struct val *managed_status(struct arena *a, const struct managed_view *v, const struct val *old);
/* True when 'old' says all of that already. */
bool managed_status_is(const struct val *old, const struct val *now);
