/* Why: the three probes of a container, each a timer, an attempt and a count (probe.h).
 *
 * A container that has just started is asked more often than its period says: a yes counts at once,
 * a no is forgotten until the first period is over. So a server that needs 80 ms to listen is Ready
 * after 80 ms, not after 10 s, and no threshold means anything else than it says. */
#include "base/chance.h"
#include "base/clock.h"
#include "base/mem.h"
#include "node/check.h"

static const int64_t eager_floor_us = 10 * US_PER_MS, eager_exec_floor_us = 200 * US_PER_MS,
		     eager_ceiling_us = US_PER_S;

struct prober {
	struct container *container;
	struct probe_state state;
	struct loop_timer timer;
	struct check *check;
	int64_t eager_until_us; /* a no does not count before; 0: it counts */
	int64_t eager_us;       /* next wait while eager */
};

static void run(struct loop_timer *t);

static const struct val *spec_of(const struct prober *p)
{
	return val_get(p->container->facts.spec, probe_kind_field(p->state.kind));
}

static void wait_for_turn(struct prober *p)
{
	struct loop *l = p->container->pod->pods->agent->loop;
	int64_t now = loop_now_us(l), wait = p->state.period_us;

	if (p->eager_until_us > now) {
		wait = p->eager_us;
		p->eager_us =
			p->eager_us * 2 > eager_ceiling_us ? eager_ceiling_us : p->eager_us * 2;
		if (now + wait > p->eager_until_us) {
			wait = p->eager_until_us - now;
		}
	}
	loop_timer_start(l, &p->timer, wait, run);
}

static int64_t grace_us(const struct prober *p)
{
	int64_t own = val_int(val_get(spec_of(p), "terminationGracePeriodSeconds"), -1);

	return own >= 0 ? own * US_PER_S : pod_grace_us(p->container->pod);
}

/* A flip. The prober may be gone when this returns. */
static void turned(struct prober *p, enum probe_turn turn)
{
	struct container *c = p->container;
	struct loop *l = c->pod->pods->agent->loop;
	enum probe_kind kind = p->state.kind;

	if (turn == PROBE_FAILS && kind != PROBE_READINESS) {
		scoped_free char *why =
			mem_printf("Container %s failed %s probe, will be restarted", c->name,
		                   kind == PROBE_LIVENESS ? "liveness" : "startup");

		if (c->is_stopping) {
			return; /* it has its time already */
		}
		container_stop(c, loop_now_us(l) + grace_us(p), why);
		return;
	}
	if (kind == PROBE_READINESS) {
		c->facts.is_ready = turn == PROBE_PASSES;
	} else if (kind == PROBE_STARTUP) {
		c->facts.is_started = true;
		if (!c->probers[PROBE_READINESS]) {
			c->facts.is_ready = true;
		}
		probers_start(c);
	}
	(void)container_save(c);
	pod_look(c->pod);
}

static void on_checked(void *arg, bool ok, const char *why)
{
	struct prober *p = arg;
	struct container *c = p->container;
	int64_t now = loop_now_us(c->pod->pods->agent->loop);
	enum probe_turn turn;

	p->check = NULL;
	if (ok) {
		p->eager_until_us = 0;
	} else if (p->eager_until_us > now) {
		wait_for_turn(p);
		return;
	} else {
		pod_event(c->pod, c, "Warning", "Unhealthy", "%s probe failed: %s",
		          probe_kind_title(p->state.kind), why);
	}
	turn = probe_result(&p->state, ok);
	if (p->state.kind == PROBE_STARTUP && turn == PROBE_PASSES) {
		turned(p, turn); /* done: this one never runs again */
		return;
	}
	wait_for_turn(p);
	if (turn != PROBE_STAYS) {
		turned(p, turn);
	}
}

static void run(struct loop_timer *t)
{
	struct prober *p = container_of(t, struct prober, timer);

	if (!p->container->runtime || p->container->facts.phase != CONTAINER_RUNNING) {
		return;
	}
	p->check = check_start(p->container, spec_of(p), p->state.timeout_us, on_checked, p);
}

static void start(struct container *c, enum probe_kind kind)
{
	const struct val *spec = val_get(c->facts.spec, probe_kind_field(kind));
	struct loop *l = c->pod->pods->agent->loop;
	struct prober *p;
	int64_t due;

	if (!spec || c->probers[kind]) {
		return;
	}
	p = NEW(struct prober);
	p->container = c;
	probe_init(&p->state, kind, spec);
	if (kind == PROBE_READINESS && c->facts.is_ready) { /* adopted as ready */
		p->state.passes = true;
	}
	due = c->started_mono_us + p->state.initial_delay_us - loop_now_us(l);
	if (kind != PROBE_LIVENESS && due > -p->state.period_us) {
		p->eager_us = val_get(spec, "exec") ? eager_exec_floor_us : eager_floor_us;
		p->eager_until_us = loop_now_us(l) + (due > 0 ? due : 0) + p->state.period_us;
		due = due > 0 ? due : p->eager_us;
	} else if (due <= 0) { /* spread out after a restart of the node */
		due = (int64_t)(chance_u32() % (uint32_t)(p->state.period_us / 1000 + 1)) * 1000;
	}
	c->probers[kind] = p;
	loop_timer_start(l, &p->timer, due, run);
}

void probers_start(struct container *c)
{
	if (c->facts.phase != CONTAINER_RUNNING) {
		return;
	}
	if (!c->facts.is_started) {
		start(c, PROBE_STARTUP);
		return;
	}
	start(c, PROBE_READINESS);
	start(c, PROBE_LIVENESS);
}

void probers_stop(struct container *c)
{
	for (int i = 0; i < PROBE_KINDS; i++) {
		struct prober *p = c->probers[i];

		if (p) {
			loop_timer_stop(&p->timer);
			check_cancel(p->check);
			free(p);
			c->probers[i] = NULL;
		}
	}
}
