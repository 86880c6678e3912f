/* Why: YAML and JSON files nest what flat files spell out: "redis: {host: x, port: 1}" is
 * REDIS_HOST and REDIS_PORT; Envoy keeps host and port of everything in a socket_address. Source:
 * envoyproxy.io, core.v3.SocketAddress, listener.v3.Listener, cluster.v3.Cluster. */
#include "analyse/config.h"

#include "base/mem.h"
#include "base/strbuf.h"

enum { DEPTH_MAX = 64, PATH_MAX_SIZE = 512 };

struct walk {
	struct arena *arena;
	config_fact_fn *fn;
	void *arg;
	struct strbuf path; /* dotted keys */
	bool is_listener;   /* Envoy: below a listener's address */
	bool is_admin;
	bool tls; /* Envoy: the cluster has a TLS transport socket */
};

static void tell(struct walk *w, enum config_fact_kind kind, const struct val *at,
                 struct slice value, struct slice port, bool udp)
{
	struct config_fact f = { .kind = kind,
		                 .name = arena_slice(w->arena, strbuf_slice(&w->path)),
		                 .value = value,
		                 .port = port,
		                 .scheme = "",
		                 .tls = w->tls && kind == FACT_CALL,
		                 .udp = udp,
		                 .line = at->line,
		                 .col = at->col,
		                 .node = at };

	w->fn(w->arg, &f);
}

/* Text of a string or number; empty for others. */
static struct slice text_of(struct arena *a, const struct val *v)
{
	if (!v || (v->type != VAL_STRING && v->type != VAL_INT)) {
		return (struct slice){ "", 0 };
	}
	if (v->type == VAL_INT && v->s.len == 0) {
		return slice_of(arena_printf(a, "%lld", (long long)v->i));
	}
	return arena_slice(a, v->s);
}

static const struct val *either(const struct val *v, const char *one, const char *other)
{
	const struct val *found = val_get(v, one);

	return found ? found : val_get(v, other);
}

static void on_socket_address(struct walk *w, const struct val *v)
{
	const struct val *address = val_get(v, "address"),
			 *port = either(v, "port_value", "portValue");

	if (address) {
		tell(w, w->is_listener ? FACT_LISTEN : FACT_CALL, address,
		     text_of(w->arena, address), text_of(w->arena, port),
		     slice_is(val_get_str(v, "protocol"), "UDP"));
	}
}

static bool is_tls_socket(const struct val *v)
{
	const struct val *socket = either(v, "transport_socket", "transportSocket");

	return slice_has_suffix(val_get_str(socket, "name"), SLICE("tls"));
}

static void walk(struct walk *w, const struct val *v, int depth);

static void on_member(struct walk *w, const struct val *object, const struct val *it, int depth)
{
	struct walk before = *w;
	size_t size = w->path.size;
	struct slice port = { "", 0 };

	if (w->path.size + it->key.len + 2 < PATH_MAX_SIZE) {
		strbuf_addf(&w->path, "%s" SLICE_FMT, size ? "." : "", SLICE_ARG(it->key));
	}
	if (slice_is(it->key, "socket_address") || slice_is(it->key, "socketAddress")) {
		on_socket_address(w, it);
	} else if (it->type == VAL_STRING || it->type == VAL_INT) {
		if (slice_is(it->key, "host") || slice_is(it->key, "hostname") ||
		    slice_is(it->key, "address") || slice_is(it->key, "addr") ||
		    slice_is(it->key, "server")) {
			port = text_of(w->arena, val_get(object, "port"));
		}
		tell(w, FACT_VALUE, it, text_of(w->arena, it), port, false);
	} else {
		if (slice_is(it->key, "listeners") || slice_is(it->key, "admin")) {
			w->is_listener = true;
		} else if (slice_is(it->key, "clusters") || slice_is(it->key, "upstream")) {
			w->is_listener = false;
		}
		walk(w, it, depth + 1);
	}
	w->is_listener = before.is_listener;
	w->tls = before.tls;
	if (w->path.p) {
		w->path.size = size;
		w->path.p[size] = 0;
	}
}

static void walk(struct walk *w, const struct val *v, int depth)
{
	bool tls = w->tls;

	if (depth > DEPTH_MAX || !v) {
		return;
	}
	if (v->type == VAL_OBJECT) {
		w->tls = w->tls || is_tls_socket(v);
		val_for_each (v, it) {
			on_member(w, v, it, depth);
		}
	} else if (v->type == VAL_ARRAY) {
		val_for_each (v, it) {
			if (it->type == VAL_STRING || it->type == VAL_INT) {
				tell(w, FACT_VALUE, it, text_of(w->arena, it),
				     (struct slice){ "", 0 }, false);
			} else {
				walk(w, it, depth + 1);
			}
		}
	}
	w->tls = tls;
}

void config_tree(struct arena *a, const struct val *root, config_fact_fn *fn, void *arg)
{
	struct walk w = { .arena = a, .fn = fn, .arg = arg };

	walk(&w, root, 0);
	strbuf_fini(&w.path);
}
