/* What: the innards of the API server that its files share. */
#pragma once

#include "api/addresses.h"
#include "api/api.h"
#include "api/call.h"
#include "base/list.h"
#include "base/map.h"
#include "http/client.h"
#include "http/server.h"

/* Kinds that the server itself knows something about. */
struct kinds {
	const struct kind *namespace_, *pod, *service, *endpoints, *endpoint_slice,
		*service_account, *secret, *config_map, *node, *event, *role, *cluster_role,
		*role_binding, *cluster_role_binding, *ingress, *ingress_class, *priority_class,
		*definition, *budget, *scale, *delete_options, *token_request, *eviction, *binding,
		*storage_class;
};

/* A discovery or OpenAPI document, made when first asked for. */
struct document {
	char *name; /* owned: "apis;v2", "openapi/v3/apis/apps/v1" */
	struct strbuf text;
	char etag[68];
};

struct api {
	struct loop *loop;   /* given */
	struct store *store; /* given */
	struct registry *registry;
	struct http_server *server; /* owned */
	struct strbuf token_key, edge_cert, edge_key;
	char *node_sockets, *public_address; /* owned; may be null */
	struct ip advertise_ip;
	uint16_t advertise_port;
	struct kinds kinds;
	struct addresses addresses;
	struct store_watch *all; /* sees every change */
	struct list watches;     /* struct watch.in_api */
	size_t n_watches;
	struct list snapshots; /* struct snapshot.in_api, oldest first */
	size_t n_snapshots;
	uint64_t next_snapshot;
	struct list tunnels; /* struct tunnel.in_api */
	size_t n_tunnels;
	struct map documents; /* struct document by name; dropped when a definition changes */
	struct map metrics;   /* struct metric by labels */
	struct map nodes;     /* struct http_client by node, made when usage is first asked for */
	struct loop_defer aggregate; /* roles are to be put together again */
	bool draining;
};

/* Path of a node's socket, on the heap; null: there are none. */
char *api_node_socket(const struct api *api, struct slice node);
void usage_fini(struct api *api);

static inline int64_t api_wall_us(const struct api *api)
{
	return store_wall_us(api->store);
}
