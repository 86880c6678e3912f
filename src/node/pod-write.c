/* Why: what happened to a pod becomes its status: one write at a time, conditional on the revision
 * that it was computed from, and none when nothing would change. A pod that starts at once is
 * written once, when it runs. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/file.h"
#include "node/pod-priv.h"
#include "node/pod-status.h"

static const int64_t first_write_us =
	150 * US_PER_MS; /* a pod that takes longer says that it is being made */

static void send_status(struct pod *p, const struct val *status);

static struct val *compute(struct pod *p, struct arena *a)
{
	struct container_facts *facts = ARENA_ARRAY(a, struct container_facts, p->n_containers + 1);
	char host_ips[IP_PAIR_TEXT_SIZE];

	for (size_t i = 0; i < p->n_containers; i++) {
		facts[i] = p->containers[i]->facts;
	}
	return pod_status_compute(
		a, &(struct pod_status_input){
			   .pod = pod_val(p),
			   .facts = facts,
			   .n = p->n_containers,
			   .host_ips = ip_pair_format(p->pods->agent->node_ips, host_ips),
			   .pod_ips = p->ip_text,
			   .has_sandbox = sandbox_is_made(p),
			   .is_initialized = p->is_initialized,
			   .phase = p->phase,
			   .reason = p->reason && *p->reason ? p->reason : NULL,
			   .message = p->message,
			   .start_us = p->start_wall_us,
			   .now_us = clock_wall_us(),
		   });
}

static void on_later(struct loop_timer *t)
{
	pod_write_status(container_of(t, struct pod, write_later));
}

/* Something beyond "being made" is known. */
static bool is_worth_saying(const struct pod *p)
{
	bool all_run = p->n_containers > 0;

	if (p->phase || pod_is_deleting(p)) {
		return true;
	}
	for (size_t i = 0; i < p->n_containers; i++) {
		const struct container_facts *f = &p->containers[i]->facts;

		if (f->reason || f->phase == CONTAINER_TERMINATED) {
			return true;
		}
		all_run = all_run && f->phase == CONTAINER_RUNNING;
	}
	return all_run;
}

void pod_write_status(struct pod *p)
{
	scoped_arena struct arena a = { 0 };
	int64_t now = loop_now_us(p->pods->agent->loop), age_us = now - p->seen_mono_us;
	struct val *status;

	if (p->writing || p->is_deleted || p->is_finalizing || p->write_not_before_us > now) {
		return;
	}
	if (p->phase && p->reason && !*p->reason) {
		return; /* it had ended before this node saw it: its status stays as it is */
	}
	if (age_us < first_write_us && !val_path(pod_val(p), "status.startTime") &&
	    !is_worth_saying(p)) {
		loop_timer_start(p->pods->agent->loop, &p->write_later, first_write_us - age_us,
		                 on_later);
		return;
	}
	status = compute(p, &a);
	if (!pod_status_is_same(val_get(pod_val(p), "status"), status)) {
		send_status(p, status);
	}
}

static void on_written(void *arg, const struct client_answer *answer)
{
	struct pod *p = arg;
	int64_t wait_us;

	p->writing = NULL;
	if (answer->status == 200 && answer->body) {
		backoff_reset(&p->write_backoff);
		objects_put_pod(p->pods->objects, answer->body); /* brings pod_update */
		pod_look(p);
		return;
	}
	if (answer->status == 404) {
		return; /* the watch will say so */
	}
	if (answer->status != 409) {
		log_odd("Status of a pod was not written pod=%s/%s status=%d error=%s", p->ns,
		        p->name, answer->status, answer->why ? answer->why->msg : "");
	}
	/* a conflict: the watch brings the newer revision, from which it is computed again */
	wait_us = backoff_next_us(&p->write_backoff, 0);
	p->write_not_before_us = loop_now_us(p->pods->agent->loop) + wait_us;
	loop_timer_start(p->pods->agent->loop, &p->write_later, wait_us, on_later);
}

static void send_status(struct pod *p, const struct val *status)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf path = { 0 };
	struct val *body = val_new_object(&a), *meta = val_need_object(&a, body, "metadata");

	val_set_cstr(&a, meta, "uid", p->uid);
	val_set_str(&a, meta, "resourceVersion",
	            val_str(val_path(pod_val(p), "metadata.resourceVersion")));
	val_set(&a, body, "status", val_copy(&a, status));
	client_path(&path, "v1", "pods", slice_of(p->ns), slice_of(p->name), "status");
	p->writing = client_request(p->pods->agent->client, "PATCH", strbuf_str(&path),
	                            "application/merge-patch+json", body, on_written, p);
}

void pod_write_stop(struct pod *p)
{
	loop_timer_stop(&p->write_later);
	if (p->writing) {
		client_cancel(p->writing);
		p->writing = NULL;
	}
}

/* ---- the last word ---- */

static void on_delete_again(struct loop_timer *t)
{
	struct pod *p = container_of(t, struct pod, write_later);

	p->is_finalizing = false;
	pod_look(p);
}

static void on_deleted(void *arg, const struct client_answer *answer)
{
	struct pod *p = arg;

	p->writing = NULL;
	if (answer->status == 200 || answer->status == 202 || answer->status == 404 ||
	    answer->status == 409) {
		return; /* the watch brings the end; a finalizer may hold it */
	}
	log_odd("Pod was not deleted pod=%s/%s status=%d error=%s", p->ns, p->name, answer->status,
	        answer->why ? answer->why->msg : "");
	loop_timer_start(p->pods->agent->loop, &p->write_later,
	                 backoff_next_us(&p->write_backoff, 0), on_delete_again);
}

static void send_delete(struct pod *p)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf path = { 0 };
	struct val *body = val_new_object(&a);

	val_set_cstr(&a, body, "apiVersion", "v1");
	val_set_cstr(&a, body, "kind", "DeleteOptions");
	val_set_int(&a, body, "gracePeriodSeconds", 0);
	val_set_cstr(&a, val_need_object(&a, body, "preconditions"), "uid", p->uid);
	client_path(&path, "v1", "pods", slice_of(p->ns), slice_of(p->name), NULL);
	p->writing = client_request(p->pods->agent->client, "DELETE", strbuf_str(&path), NULL, body,
	                            on_deleted, p);
}

static void on_last_status(void *arg, const struct client_answer *answer)
{
	struct pod *p = arg;

	(void)answer; /* it is for those who look at finalizers; the deletion does not depend on it
	               */
	p->writing = NULL;
	send_delete(p);
}

void pod_delete(struct pod *p)
{
	scoped_arena struct arena a = { 0 };

	if (p->is_finalizing) {
		return;
	}
	pod_write_stop(p);
	p->is_finalizing = true;
	if (val_len(val_path(pod_val(p), "metadata.finalizers")) > 0) {
		struct val *status = compute(p, &a);

		if (!pod_status_is_same(val_get(pod_val(p), "status"), status)) {
			scoped_strbuf struct strbuf path = { 0 };
			struct val *body = val_new_object(&a);

			val_set_cstr(&a, val_need_object(&a, body, "metadata"), "uid", p->uid);
			val_set(&a, body, "status", status);
			client_path(&path, "v1", "pods", slice_of(p->ns), slice_of(p->name),
			            "status");
			p->writing = client_request(
				p->pods->agent->client, "PATCH", strbuf_str(&path),
				"application/merge-patch+json", body, on_last_status, p);
			return;
		}
	}
	send_delete(p);
}
