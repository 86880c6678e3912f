/* Why: joins store, API server and controllers on one loop. Started by the supervisor as root with
 * its sockets open; gives all rights away before it reads a byte of anybody's. */
#include "role-api.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/control.h"
#include "serve/home.h"
#include "serve/nodes.h"

#define DRAIN_US (2 * US_PER_S)   /* for answers that are under way */
#define LOOK_US  (20 * US_PER_MS) /* between looks whether they are done */

enum { FIRST_SOCKET = 3, LAST_SOCKET = 4 };

struct options {
	const char *name, *home, *ip_families;
	uid_t uid;        /* 0: stay who we are */
	uint64_t n_nodes; /* 0: not known */
};

struct role_api {
	struct options options;
	struct loop *loop;
	struct registry *registry;
	struct store *store;
	struct api *api;
	struct control *control;
	struct tls_server *tls;
	struct strbuf server_cert, server_key, client_ca, token_key, edge_cert, edge_key;
	char address[80]; /* of the first socket */
	struct loop_timer stop;
	int64_t stop_us; /* when there is no more patience; 0: not stopping */
};

/* ---- options and rights ---- */

static int read_options(int argc, char **argv, struct options *o, struct err *err)
{
	static const struct option known[] = { { "name", required_argument, NULL, 'n' },
		                               { "home", required_argument, NULL, 'h' },
		                               { "uid", required_argument, NULL, 'u' },
		                               { "nodes", required_argument, NULL, 'k' },
		                               { "ip-families", required_argument, NULL, 'f' },
		                               { 0 } };
	uint64_t uid = 0;
	int c;

	optind = 1;
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'n') {
			o->name = optarg;
		} else if (c == 'h') {
			o->home = optarg;
		} else if (c == 'f') {
			o->ip_families = optarg;
		} else if (c == 'k' && slice_to_u64(slice_of(optarg), &o->n_nodes) &&
		           o->n_nodes <= NODES_MAX) {
			continue;
		} else if (c != 'u' || !slice_to_u64(slice_of(optarg), &uid) || uid > UINT32_MAX) {
			return err_raise(err, ERR_USAGE,
			                 "usage: kennel api --name NAME --home FOLDER [--uid UID] "
			                 "[--nodes N] [--ip-families LIST]");
		}
	}
	if (!o->name || !o->home || optind != argc) {
		return err_raise(err, ERR_USAGE,
		                 "usage: kennel api --name NAME --home FOLDER [--uid UID] "
		                 "[--nodes N] [--ip-families LIST]");
	}
	o->uid = (uid_t)uid;
	return 0;
}

/* From here on a mistake in a parser is worth what that user may do: nothing. */
static int drop_rights(uid_t uid, struct err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		return err_sys(err, "renounce new rights");
	}
	if (uid && geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
	     setresuid(uid, uid, uid) < 0)) {
		return err_sys(err, "become user %u", uid);
	}
	if (uid && (geteuid() != uid || setuid(0) == 0)) {
		return err_raise(err, ERR_INTERNAL, "rights are still there after becoming user %u",
		                 uid);
	}
	return 0;
}

/* ---- files ---- */

static int read_files(struct role_api *r, struct err *err)
{
	const struct {
		const char *name;
		struct strbuf *to;
	} files[] = {
		{ "store/pki/apiserver.crt", &r->server_cert },
		{ "store/pki/apiserver.key", &r->server_key },
		{ "store/pki/client-ca.crt", &r->client_ca },
		{ "store/pki/sa.key", &r->token_key },
		{ "store/pki/edge-ca.crt", &r->edge_cert },
		{ "store/pki/edge-ca.key", &r->edge_key },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		scoped_free char *path = mem_printf("%s/%s", r->options.home, files[i].name);
		int result = home_read(path, files[i].to, err);

		if (result < 0) {
			return result;
		}
	}
	return 0;
}

/* ---- what controllers ask ---- */

static int issue(void *arg, const struct control_certificate *wish, struct strbuf *cert_pem,
                 struct strbuf *key_pem, struct err *err)
{
	return api_issue(arg, wish->names, wish->n_names, cert_pem, key_pem, err);
}

/* ---- life ---- */

static void find_address(struct role_api *r)
{
	struct sockaddr_storage sa;
	socklen_t size = sizeof(sa);
	char text[IP_TEXT_SIZE];
	uint16_t port;
	struct ip ip;

	if (getsockname(FIRST_SOCKET, (struct sockaddr *)&sa, &size) == 0 &&
	    ip_from_sockaddr((struct sockaddr *)&sa, &ip, &port)) {
		snprintf(r->address, sizeof(r->address), "%s:%u", ip_format(ip, text), port);
	}
}

static int open_store(struct role_api *r, struct err *err)
{
	scoped_free char *path = mem_printf("%s/store/objects.db", r->options.home);

	r->registry = registry_new();
	return store_open(r->loop, &(struct store_config){ .path = path, .registry = r->registry },
	                  &r->store, err);
}

static int open_api(struct role_api *r, struct err *err)
{
	scoped_free char *nodes = mem_printf("%s/run/nodes", r->options.home);
	struct api_config config = {
		.store = r->store,
		.token_key_pem = strbuf_slice(&r->token_key),
		.edge_cert_pem = strbuf_slice(&r->edge_cert),
		.edge_key_pem = strbuf_slice(&r->edge_key),
		.node_sockets = nodes,
		.advertise_port = HOME_API_INSIDE_PORT,
		.public_address = r->address,
		.dual_stack = r->options.ip_families &&
		              strcmp(r->options.ip_families, IP_FAMILIES_DUAL) == 0,
	};
	int result = tls_server_new(
		&(struct tls_server_config){ .cert_pem = strbuf_slice(&r->server_cert),
	                                     .key_pem = strbuf_slice(&r->server_key),
	                                     .client_ca_pem = strbuf_slice(&r->client_ca) },
		&r->tls, err);

	if (result < 0) {
		return result;
	}
	config.tls = r->tls;
	(void)ip_parse(SLICE(HOME_API_INSIDE), &config.advertise_ip);
	find_address(r);
	return api_new(r->loop, &config, &r->api, err);
}

/* Whether a Node object that this instance once made still has a node behind it. */
static bool has_node(void *arg, struct slice name)
{
	const struct role_api *r = arg;

	for (unsigned i = 0; i < r->options.n_nodes; i++) {
		struct node_place place;

		node_place(r->options.name, i, &place);
		if (slice_is(name, place.name)) {
			return true;
		}
	}
	return r->options.n_nodes == 0;
}

static void open_control(struct role_api *r)
{
	r->control = control_new(
		r->loop, r->store,
		&(struct control_config){
			.cluster_ca_pem = strbuf_slice(&r->client_ca),
			.edge_ca_pem = strbuf_slice(&r->edge_cert),
			.provider = { .arg = r->api, .admit = api_admit, .issue = issue },
			.nodes = { .arg = r, .has = has_node } });
}

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int listen_all(struct role_api *r, struct err *err)
{
	int result = 0;

	if (!is_socket(FIRST_SOCKET)) {
		return err_raise(err, ERR_USAGE,
		                 "descriptor %d is no listening socket: the supervisor passes it",
		                 FIRST_SOCKET);
	}
	for (int fd = FIRST_SOCKET; fd <= LAST_SOCKET && result == 0; fd++) {
		if (is_socket(fd)) {
			result = api_listen(r->api, fd, err);
		}
	}
	return result;
}

static void on_stop(struct loop_timer *t)
{
	struct role_api *r = container_of(t, struct role_api, stop);

	if (api_is_idle(r->api) || loop_now_us(r->loop) >= r->stop_us) {
		loop_stop(r->loop);
	} else {
		loop_timer_start(r->loop, &r->stop, LOOK_US, on_stop);
	}
}

static void on_signal(void *arg, int signum)
{
	struct role_api *r = arg;

	if (r->stop_us) {
		loop_stop(r->loop);
		return;
	}
	log_info("Stopping signal=%d", signum);
	api_drain(r->api);
	r->stop_us = loop_now_us(r->loop) + DRAIN_US;
	loop_timer_start(r->loop, &r->stop, 0, on_stop);
}

static int open_all(struct role_api *r, struct err *err)
{
	int result = read_files(r, err);

	result = result < 0 ? result : open_store(r, err);
	result = result < 0 ? result : open_api(r, err);
	if (result < 0) {
		return result;
	}
	open_control(r);
	result = listen_all(r, err);
	result = result < 0 ? result : loop_on_signal(r->loop, SIGTERM, on_signal, r, err);
	return result < 0 ? result : loop_on_signal(r->loop, SIGINT, on_signal, r, err);
}

static void close_all(struct role_api *r)
{
	struct strbuf *texts[] = { &r->server_cert, &r->server_key, &r->client_ca,
		                   &r->token_key,   &r->edge_cert,  &r->edge_key };

	r->control = control_free(r->control);
	r->api = api_free(r->api);
	r->store = store_close(r->store);
	r->tls = tls_server_free(r->tls);
	r->loop = loop_free(r->loop);
	r->registry = registry_free(r->registry);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		strbuf_fini(texts[i]);
	}
}

int api_main(int argc, char **argv)
{
	struct role_api r = { 0 };
	struct err err = { 0 };
	int result = read_options(argc, argv, &r.options, &err);

	log_init("api", LOG_INFO);
	result = result < 0 ? result : drop_rights(r.options.uid, &err);
	if (result == 0) {
		umask(0077);
		r.loop = loop_new();
		result = open_all(&r, &err);
	}
	if (result == 0) {
		log_info("Serving name=%s address=%s revision=%" PRIu64, r.options.name, r.address,
		         store_revision(r.store));
		loop_run(r.loop);
	} else {
		log_broken("Cannot serve why=%s", err.msg);
	}
	close_all(&r);
	return result < 0 ? 2 : 0;
}
