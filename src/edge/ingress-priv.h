/* What: the controller's state, shared by its parts: ingress.c starts and stops it, ingress-sync.c
 * makes nginx what the objects say, ingress-status.c writes status and events, ingress-health.c
 * answers on the health port. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "client/client.h"
#include "edge/engine.h"
#include "edge/routes.h"
#include "http/server.h"
#include "model/model.h"

struct ingress_options {
	const char *kubeconfig; /* null: in-cluster */
	const char *work_dir, *nginx;
	const char *class_name, *controller;
	const char *watch_namespace;      /* null: all */
	struct slice publish_ns, publish; /* Service whose address goes into status; may be empty */
	struct slice config_ns, config;   /* ConfigMap; may be empty */
	struct slice cert_ns, cert;       /* default certificate; may be empty */
	const char *health_host;
	uint16_t http_port, https_port, health_port;
	int64_t grace_us, reload_gap_us;
	bool without_class;
};

struct ingress {
	struct ingress_options o;
	struct loop *loop;
	struct client *client;
	struct recorder *recorder;
	struct replica *ingresses, *classes, *services, *slices, *config; /* config may be null */
	struct map secrets; /* "ns/name" -> struct secret_watch */
	struct model *model;
	struct engine *engine;
	struct http_server *health;
	bool can_log;
	struct strbuf resolver; /* name servers of /etc/resolv.conf, by blank */

	/* result of the last look */
	struct arena arena; /* of routes */
	struct routes routes;
	VEC(const struct doc *) held; /* documents that routes borrows from */
	struct strbuf text;
	unsigned generation;
	const char *default_file;     /* of the default certificate, in arena or fake_arena */
	struct route_cert *fake_cert; /* in fake_arena */
	struct arena fake_arena;

	struct map refused;       /* "ns/name" -> struct refusal */
	struct map refused_certs; /* file -> why, text */
	struct map good;  /* "ns/name" -> mark of its wish in the configuration that is served */
	struct map said;  /* "uid\ntext" -> struct said */
	struct map known; /* uid -> struct known */

	struct loop_timer look;   /* sync soon */
	struct loop_defer points; /* endpoints at the end of the turn */
	struct loop_timer later;  /* status again */
	struct loop_timer grace;
	bool synced; /* a first configuration was applied */
	bool stopping;
};

/* ---- ingress-sync.c ---- */
void ingress_sync_soon(struct ingress *in);      /* objects changed: look after a short while */
void ingress_endpoints_soon(struct ingress *in); /* only endpoints changed */
void ingress_sync_refused(void *arg, struct slice text,
                          struct slice messages); /* engine_config.refused */
void ingress_sync_served(struct ingress *in, unsigned generation);
void ingress_sync_fini(struct ingress *in);
MUST_USE int ingress_sync_init(struct ingress *in,
                               struct err *err); /* makes the self-signed certificate */

/* ---- ingress-status.c ---- */
void ingress_status_write(struct ingress *in); /* addresses into the status of our Ingresses */
void ingress_tell_problems(
	struct ingress *in); /* events for what is new in routes.problems, and Sync */
void ingress_status_fini(struct ingress *in);
/* Number over everything of an object that the user writes: spec and annotations. */
uint64_t ingress_wish_of(const struct val *ingress);

/* ---- ingress-health.c ---- */
MUST_USE int ingress_health_start(struct ingress *in, struct err *err);
