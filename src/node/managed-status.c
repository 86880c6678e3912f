/* Why: readers of the object (kubectl wait, FieldExport, people) know these words from AWS; see
 * managed-status.h. */
#include "node/managed-status.h"

#include "base/clock.h"

struct writer {
	struct arena *a;
	const struct val *old; /* conditions as they are */
	struct val *list;
	int64_t now_wall_us;
};

/* ---- conditions ---- */

static const struct val *find_condition(const struct val *list, const char *type)
{
	val_for_each (list, it) {
		if (slice_is(val_get_str(it, "type"), type)) {
			return it;
		}
	}
	return NULL;
}

static void add_condition(struct writer *w, const char *type, const char *status,
                          const char *reason, const char *message)
{
	const struct val *was = find_condition(w->old, type);
	struct val *c = val_append(w->list, val_new_object(w->a));
	char buf[TIME_TEXT_SIZE];

	val_set_cstr(w->a, c, "type", type);
	val_set_cstr(w->a, c, "status", status);
	if (was && slice_is(val_get_str(was, "status"), status)) {
		val_set_str(w->a, c, "lastTransitionTime", val_get_str(was, "lastTransitionTime"));
	} else {
		val_set_cstr(w->a, c, "lastTransitionTime", time_format(w->now_wall_us, buf));
	}
	if (reason) {
		val_set_cstr(w->a, c, "reason", reason);
	}
	if (message) {
		val_set_cstr(w->a, c, "message", message);
	}
}

static void add_conditions(struct writer *w, const struct managed_view *v)
{
	const char *terminal = v->is_incompatible ? v->trouble : v->wish->terminal;
	const char *recoverable = v->waits_for ? v->waits_for : terminal ? NULL : v->trouble;
	bool synced = v->state == MANAGED_RUNNING && !terminal && !v->is_deleting;

	if (terminal) {
		add_condition(w, "ACK.Terminal", "True", NULL, terminal);
	}
	if (recoverable) {
		add_condition(w, "ACK.Recoverable", "True", NULL, recoverable);
	}
	if (v->wish->group_name.len) {
		add_condition(w, "ACK.ReferencesResolved", v->waits_for ? "Unknown" : "True",
		              v->waits_for, v->waits_for ? "Reference resolution failed" : NULL);
	}
	if (v->wish->advisory && !v->wish->terminal) {
		add_condition(w, "ACK.Advisory", "True", "NotEnforcedLocally", v->wish->advisory);
	}
	add_condition(w, "ACK.ResourceSynced", synced ? "True" : "False", NULL,
	              synced ? "Resource synced successfully" : "Resource not synced");
	add_condition(w, "Ready", synced ? "True" : "False",
	              terminal      ? "ACK.Terminal"
	              : recoverable ? "ACK.Recoverable"
	                            : NULL,
	              synced        ? "Resource synced successfully"
	              : terminal    ? terminal
	              : recoverable ? recoverable
	                            : "Resource not synced");
}

/* ---- the state's name ---- */

const char *managed_status_word(const struct managed_view *v)
{
	if (v->is_incompatible) {
		return v->wish->kind == MANAGED_DATABASE ? "incompatible-parameters" : "failed";
	}
	switch (v->state) {
	case MANAGED_WAITING:
		return NULL;
	case MANAGED_CLAIMING:
	case MANAGED_PREPARING:
	case MANAGED_STARTING:
		return !v->was_available                ? "creating"
		       : v->wish->kind == MANAGED_CACHE ? "rebooting cluster nodes"
		                                        : "rebooting";
	case MANAGED_RUNNING:
		return "available";
	case MANAGED_RESTING:
		return "failed";
	case MANAGED_STOPPING:
		return v->is_deleting                   ? "deleting"
		       : v->wish->kind == MANAGED_CACHE ? "rebooting cluster nodes"
		                                        : "rebooting";
	case MANAGED_REMOVING:
	case MANAGED_RELEASING:
	case MANAGED_GONE:
	case MANAGED_STATE_COUNT:
		break;
	}
	return "deleting";
}

/* ---- what else ---- */

static void add_endpoint(struct arena *a, struct val *parent, const struct managed_view *v)
{
	struct val *endpoint = val_need_object(a, parent, "endpoint");

	val_set_cstr(a, endpoint, "address", v->endpoint);
	val_set_int(a, endpoint, "port", v->wish->port);
}

static void add_database(struct arena *a, struct val *status, const struct managed_view *v)
{
	struct val *details;
	char buf[TIME_TEXT_SIZE];

	if (v->endpoint) {
		add_endpoint(a, status, v);
		val_set_int(a, status, "dbInstancePort", v->wish->port);
	}
	if (v->cert_not_after) {
		details = val_need_object(a, status, "certificateDetails");
		val_set_cstr(a, details, "cAIdentifier", "rds-ca-kennel-local");
		val_set_cstr(a, details, "validTill", time_format(v->cert_not_after, buf));
	}
}

static void add_cache(struct arena *a, struct val *status, const struct managed_view *v)
{
	struct val *node;

	if (!v->endpoint) {
		return;
	}
	node = val_append(val_need_array(a, status, "cacheNodes"), val_new_object(a));
	val_set_cstr(a, node, "cacheNodeID", "0001");
	val_set_cstr(a, node, "cacheNodeStatus", managed_status_word(v));
	add_endpoint(a, node, v);
}

struct val *managed_status(struct arena *a, const struct managed_view *v, const struct val *old)
{
	const struct managed_kind_info *info = managed_kind_info(v->wish->kind);
	scoped_strbuf struct strbuf arn = { 0 };
	struct val *status = val_new_object(a), *meta;
	const char *word = managed_status_word(v);
	struct writer w = { .a = a,
		            .old = val_get(old, "conditions"),
		            .list = val_new_array(a),
		            .now_wall_us = v->now_wall_us };

	meta = val_need_object(a, status, "ackResourceMetadata");
	if (word) {
		managed_arn(&arn, v->wish);
		val_set_cstr(a, meta, "arn", strbuf_str(&arn));
		val_set_cstr(a, status, info->status_key, word);
	}
	val_set_cstr(a, meta, "ownerAccountID", "000000000000");
	val_set_cstr(a, meta, "partition", "aws");
	val_set_cstr(a, meta, "region", "us-east-1");
	if (v->wish->kind == MANAGED_DATABASE) {
		add_database(a, status, v);
	} else {
		add_cache(a, status, v);
	}
	add_conditions(&w, v);
	val_set(a, status, "conditions", w.list);
	return status;
}

bool managed_status_is(const struct val *old, const struct val *now)
{
	val_for_each (now, it) {
		if (!val_eq(val_get_slice(old, it->key), it)) {
			return false;
		}
	}
	return true;
}
