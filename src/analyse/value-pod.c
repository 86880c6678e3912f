/* Why: what a pod template says of ports: declared ones, probes and hooks. */
#include "analyse/value-priv.h"

#include "base/mem.h"

static enum proto proto_named(struct slice s)
{
	return slice_is(s, "UDP") ? PROTO_UDP : slice_is(s, "SCTP") ? PROTO_SCTP : PROTO_TCP;
}

static struct slice number_text(struct value_reader *r, const struct val *v)
{
	if (v && v->type == VAL_INT) {
		return slice_of(arena_printf(r->arena, "%lld", (long long)v->i));
	}
	return val_str(v);
}

void value_read_ports(struct value_reader *r)
{
	size_t index = 0;

	val_for_each (val_get(r->container, "ports"), it) {
		const struct val *number = val_get(it, "containerPort");
		struct value_text t =
			value_text_of(r->workload, number,
		                      arena_printf(r->arena, "%s.ports[%zu].containerPort",
		                                   r->container_path, index++));
		struct slice name = val_get_str(it, "name");

		t.source = VALUE_PORT;
		t.name = arena_slice(r->arena, name).p;
		/* it opens nothing by itself: documentation, as the API says */
		value_add_listening(r, &t, number_text(r, number),
		                    proto_named(val_get_str(it, "protocol")), false,
		                    CONFIDENCE_MEDIUM);
	}
}

/* A probe's port by name is that of the container. */
static struct slice port_of(struct value_reader *r, const struct val *port)
{
	if (!port || port->type != VAL_STRING) {
		return number_text(r, port);
	}
	val_for_each (val_get(r->container, "ports"), it) {
		if (slice_eq(val_get_str(it, "name"), val_str(port))) {
			return number_text(r, val_get(it, "containerPort"));
		}
	}
	return val_str(port); /* "8080" as text */
}

static void read_connection(struct value_reader *r, const struct val *action, const char *path,
                            enum value_source source, const char *name, const char *scheme)
{
	const struct val *port = val_get(action, "port"), *host = val_get(action, "host");
	struct value_text t =
		value_text_of(r->workload, port, arena_printf(r->arena, "%s.port", path));

	if (!action) {
		return;
	}
	t.source = source;
	t.name = name;
	t.place = PLACE_NODE;
	if (val_str(host).len) {
		t = value_text_of(r->workload, host, arena_printf(r->arena, "%s.host", path));
		t.source = source;
		t.name = name;
		t.place = PLACE_NODE;
		value_add_call(r, &t, t.text, port_of(r, port), scheme,
		               strcmp(scheme, "https") == 0, USE_CONNECT);
	} else if (source == VALUE_PROBE) {
		value_add_listening(r, &t, port_of(r, port), PROTO_TCP,
		                    strcmp(scheme, "https") == 0, CONFIDENCE_MEDIUM);
	}
}

static void read_action(struct value_reader *r, const struct val *action, const char *field,
                        enum value_source source, const char *name)
{
	const struct val *http = val_get(action, "httpGet"),
			 *command = val_path(action, "exec.command");
	const char *path, *exec_path;

	if (!action) {
		return;
	}
	path = arena_printf(r->arena, "%s.%s%s", r->container_path, field, name);
	exec_path = arena_printf(r->arena, "%s.exec.command", path);
	read_connection(r, http, arena_printf(r->arena, "%s.httpGet", path), source, name,
	                slice_is(val_get_str(http, "scheme"), "HTTPS") ? "https" : "http");
	read_connection(r, val_get(action, "tcpSocket"),
	                arena_printf(r->arena, "%s.tcpSocket", path), source, name, "");
	read_connection(r, val_get(action, "grpc"), arena_printf(r->arena, "%s.grpc", path), source,
	                name, "grpc");
	if (command) {
		value_read_command(r, &command, &exec_path, 1, source, PLACE_POD);
	}
}

void value_read_probes(struct value_reader *r)
{
	static const char *const probes[] = { "startupProbe", "readinessProbe", "livenessProbe" };
	static const char *const hooks[] = { "postStart", "preStop" };

	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		read_action(r, val_get(r->container, probes[i]), "", VALUE_PROBE, probes[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		read_action(r, val_get(val_get(r->container, "lifecycle"), hooks[i]), "lifecycle.",
		            VALUE_HOOK, hooks[i]);
	}
}
