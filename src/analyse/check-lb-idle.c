/* Why: LB, the part about time: who closes an idle connection first (LB011), and who forgets it (LB018). */
#include "analyse/check-lb.h"
#include "analyse/family.h"
#include "analyse/front.h"
#include "analyse/value.h"
#include "base/mem.h"

enum {
	ALB_IDLE_S = 60,     /* idle_timeout.timeout_seconds */
	INGRESS_IDLE_S = 60, /* upstream-keepalive-timeout of ingress-nginx */
	NLB_IDLE_S = 350,    /* tcp.idle_timeout.seconds; NAT gateways the same, unchangeable */
};

/* Calls for each workload behind an Ingress, once per Ingress. */
void lb_each_behind(struct check *c, const struct object *ingress, behind_fn *fn)
{
	scoped_ingress_paths struct ingress_paths paths = { 0 };
	scoped_map struct map seen = { 0 };

	ingress_paths_read(c->subject, ingress, &paths);
	for (size_t i = 0; i < paths.all.n; i++) {
		const struct svc *x = paths.all.at[i].svc;

		for (size_t j = 0; x && j < x->n_pods; j++) {
			const struct workload *w = x->pods[j];

			if (!w->object->assumed && !w->ends &&
			    !map_set(&seen, (struct slice){ (const char *)&w, sizeof(w) },
			             (void *)w)) {
				fn(c, ingress, w);
			}
		}
	}
}

/* ---- LB011: who closes first ---- */

/* How long a server keeps an idle connection, as far as its command line tells. */
struct keep_alive {
	const char *server;
	int64_t seconds;
	bool written;
};

static void words_of(const struct val *container, struct strbuf *out)
{
	static const char *const lists[] = { "command", "args" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		val_for_each (val_get(container, lists[i]), word) {
			strbuf_add_slice(out, val_str(word));
			strbuf_addc(out, ' ');
		}
	}
}

static struct slice base_name(struct slice path)
{
	return slice_from(path, (size_t)(slice_rfind(path, '/') + 1));
}

/* Reads "--keep-alive 5" and "--keep-alive=5"; 'word' is the option, 'rest' what comes after. */
static bool option_seconds(struct slice word, struct slice rest, const char *option, int64_t *ret)
{
	struct slice head, tail, next;

	if (slice_cut(word, '=', &head, &tail)) {
		return slice_is(head, option) && slice_to_i64(tail, ret);
	}
	return slice_is(word, option) && slice_next(&rest, ' ', &next) && slice_to_i64(next, ret);
}

static void keep_alive_of_words(struct slice words, struct keep_alive *ret)
{
	bool keeps = false;
	struct slice word;

	while (slice_next(&words, ' ', &word)) {
		struct slice name = base_name(word);

		if (!ret->server && (slice_is(name, "uvicorn") || slice_is(name, "hypercorn") ||
		                     slice_is(name, "gunicorn"))) {
			ret->server = slice_is(name, "uvicorn")     ? "uvicorn"
			              : slice_is(name, "hypercorn") ? "hypercorn"
			                                            : "gunicorn";
			ret->seconds = slice_is(name, "gunicorn") ? 2 : 5;
			keeps = !slice_is(name, "gunicorn");
		}
		/* gunicorn's plain workers close after each answer */
		keeps = keeps || slice_is(word, "gthread") || slice_is(word, "gevent") ||
		        slice_is(word, "eventlet") || slice_is(word, "--threads") ||
		        slice_has_suffix(word, SLICE("UvicornWorker")) ||
		        slice_has_prefix(word, SLICE("--threads="));
		ret->written = ret->written ||
		               option_seconds(word, words, "--keep-alive", &ret->seconds) ||
		               option_seconds(word, words, "--timeout-keep-alive", &ret->seconds);
	}
	if (!keeps) {
		ret->server = NULL;
	}
}

static int64_t front_idle_s(const struct subject *s, const struct object *ingress)
{
	struct slice text;
	int64_t seconds;

	if (!ingress_is_alb(s, ingress)) {
		return INGRESS_IDLE_S;
	}
	text = attribute_of(alb_setting(s, ingress, NULL, "load-balancer-attributes"),
	                    "idle_timeout.timeout_seconds");
	return slice_to_i64(text, &seconds) ? seconds : ALB_IDLE_S;
}

static void closes_first(struct check *c, const struct object *ingress, const struct workload *w)
{
	int64_t front = front_idle_s(c->subject, ingress);

	container_each(w->spec, k)
	{
		scoped_strbuf struct strbuf words = { 0 };
		struct keep_alive back = { 0 };
		struct finding *f;

		words_of(k, &words);
		keep_alive_of_words(strbuf_slice(&words), &back);
		if (!back.server || back.seconds > front) {
			continue;
		}
		f = check_found(
			c, w->object,
			val_get(k, "args") ? val_get(k, "args") : val_get(k, "command"),
			"%s in " OBJECT_FMT
			" closes idle connections after %lld s%s, while %s in front keeps them for "
			"%lld s.",
			back.server, OBJECT_ARG(w->object), (long long)back.seconds,
			back.written ? "" : " (its default)",
			ingress_is_alb(c->subject, ingress) ? "the load balancer"
							    : "the ingress controller",
			(long long)front);
		finding_shows(c, f, ingress, NULL, "it sends to these pods.");
		finding_repair(c, f, "Start it with %s %lld.",
		               strcmp(back.server, "uvicorn") == 0 ? "--timeout-keep-alive"
		                                                   : "--keep-alive",
		               (long long)front + 15);
	}
}

void lb011(struct check *c)
{
	written_each(c->subject, OBJECT_INGRESS, ingress)
	{
		lb_each_behind(c, ingress, closes_first);
	}
}

/* ---- LB018: idle flows ---- */

static int64_t nlb_idle_s(const struct svc *x)
{
	int64_t seconds, least = 0;

	val_for_each (val_path(x->object->v, "metadata.annotations"), a) {
		if (slice_has_prefix(a->key, SLICE("service.beta.kubernetes.io/"
		                                   "aws-load-balancer-listener-attributes.")) &&
		    slice_to_i64(attribute_of(val_str(a), "tcp.idle_timeout.seconds"), &seconds)) {
			least = !least || seconds < least ? seconds : least;
		}
	}
	return least ? least : NLB_IDLE_S;
}

static void quiet_longer(struct check *c, const struct object *ingress, const struct svc *x)
{
	const struct val *at =
		object_annotation_at(ingress, "nginx.ingress.kubernetes.io/proxy-read-timeout");
	int64_t seconds;
	struct finding *f;

	if (!slice_to_i64(val_str(at), &seconds) || seconds <= nlb_idle_s(x)) {
		return;
	}
	f = check_found(c, ingress, at,
	                "Ingress " SLICE_FMT " lets a connection be quiet for %lld s, the load "
	                "balancer in front forgets it after "
	                "%lld s.",
	                SLICE_ARG(ingress->name), (long long)seconds, (long long)nlb_idle_s(x));
	finding_shows(c, f, x->object, NULL, "the load balancer of the ingress controller.");
	finding_repair(c, f,
	               "Let the program send something at least every %lld s (ping frames, "
	               "comments), or raise "
	               "tcp.idle_timeout.seconds in aws-load-balancer-listener-attributes.",
	               (long long)nlb_idle_s(x) / 2);
}

/* Pools of JVM programs tell their life times in milliseconds by these names. */
static void pool_outlives(struct check *c, const struct values *v, const struct workload *w)
{
	size_t n;
	const struct setting *s = values_settings(v, w->object->v, &n);

	for (size_t i = 0; i < n; i++) {
		const struct setting *url;
		int64_t ms;
		struct finding *f;

		if (!slice_is(s[i].name, "SPRING_DATASOURCE_HIKARI_IDLE_TIMEOUT") ||
		    !slice_to_i64(s[i].value, &ms) || ms / 1000 <= NLB_IDLE_S ||
		    values_setting(v, s[i].container, "SPRING_DATASOURCE_HIKARI_KEEPALIVE_TIME")) {
			continue;
		}
		url = values_setting(v, s[i].container, "SPRING_DATASOURCE_URL");
		if (!url || !url->is_known ||
		    (!strstr(url->value.p, ".vpce.amazonaws.com") &&
		     !strstr(url->value.p, ".elb."))) {
			continue;
		}
		f = check_found(
			c, w->object, NULL,
			"The pool of " OBJECT_FMT
			" keeps connections idle for %lld s, the load balancer on the way to the "
			"database forgets them after %d s.",
			OBJECT_ARG(w->object), (long long)ms / 1000, NLB_IDLE_S);
		finding_repair(c, f, "Set SPRING_DATASOURCE_HIKARI_KEEPALIVE_TIME to 120000.");
	}
}

void lb018(struct check *c)
{
	const struct values *v = subject_values(c->subject);

	service_each(c, x)
	{
		if (svc_is_nlb(x) && svc_is_controller(x)) {
			written_each(c->subject, OBJECT_INGRESS, ingress)
			{
				if (!ingress_is_alb(c->subject, ingress)) {
					quiet_longer(c, ingress, x);
				}
			}
		}
	}
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		if (!c->subject->workloads.at[i]->object->assumed) {
			pool_outlives(c, v, c->subject->workloads.at[i]);
		}
	}
}
