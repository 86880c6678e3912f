/* Why: everything that an instance keeps on disk is laid out in one place; see home.h. */
#include "serve/home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/pki.h"
#include "serve/nodes.h"

/* systemd's range for dynamic users: no distribution gives these to an account. */
enum { UID_FIRST = 61184, UID_LAST = 65519 };
static const int64_t renew_before_us = 30 * 86400 * US_PER_S;

void home_init(struct home *h, const char *path, const char *name)
{
	uint64_t hash = slice_hash(slice_of(name)), n = UID_LAST - UID_FIRST + 1;

	*h = (struct home){
		.path = path,
		.name = name,
		.api_uid = (uid_t)(UID_FIRST + hash % n),
		.lb_uid = (uid_t)(UID_FIRST + (hash % n + 1 + (hash >> 32) % (n - 1)) % n),
		.n_nodes = 1,
		.lock_fd = -1,
	};
}

void home_fini(struct home *h)
{
	if (h->lock_fd >= 0) {
		close(take_fd(&h->lock_fd));
	}
}

bool home_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= 20 && name[0] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

char *home_file(const struct home *h, const char *fmt, ...)
{
	scoped_free char *rest = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&rest, fmt, ap) < 0) {
		abort();
	}
	va_end(ap);
	return mem_printf("%s/%s", h->path, rest);
}

/* What lies in a folder of a role without rights may be a link that the role has put there, to have root
 * change the owner of something else: such a link is not followed. */
static int open_folder(const char *path, bool is_role, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (is_role ? O_NOFOLLOW : 0));

	return fd >= 0 ? fd : err_sys(err, "open folder %s", path);
}

static int make_folder(const char *path, mode_t mode, uid_t owner, struct err *err)
{
	scoped_fd int fd = -1;

	if (mkdir(path, mode) < 0 && errno != EEXIST) {
		return err_sys(err, "make folder %s", path);
	}
	fd = open_folder(path, owner, err);
	if (fd < 0) {
		return fd;
	}
	if (fchmod(fd, mode) < 0 || (owner && fchown(fd, owner, owner) < 0)) {
		return err_sys(err, "set the mode of %s", path);
	}
	return 0;
}

/* Whoever owns the folder could exchange the keys in it. */
static int check_owner(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_uid != geteuid()) {
		return err_raise(err, ERR_USAGE,
		                 "--home %s belongs to uid %u, who could replace what root keeps "
		                 "there; choose another folder or remove it",
		                 path, st.st_uid);
	}
	return 0;
}

/* mkdir -p for what stands above the home folder. */
static int make_parents(const char *path, struct err *err)
{
	scoped_free char *copy = mem_strdup(path);

	for (char *p = copy + 1; *p; p++) {
		if (*p == '/') {
			*p = '\0';
			if (mkdir(copy, 0755) < 0 && errno != EEXIST) {
				return err_sys(err, "make folder %s", copy);
			}
			*p = '/';
		}
	}
	return 0;
}

/* The API server and the balancer run without root's rights and must get to their files. */
static int check_way(const char *path, struct err *err)
{
	scoped_free char *copy = mem_strdup(path);

	for (char *p = copy + 1; *p; p++) {
		struct stat st;

		if (*p == '/') {
			*p = '\0';
			if (stat(copy, &st) == 0 && !(st.st_mode & S_IXOTH)) {
				return err_raise(err, ERR_USAGE,
				                 "--home %s: %s may not be entered by others (mode "
				                 "%04o), and the API "
				                 "server runs without root's rights; choose "
				                 "another folder or chmod o+x it",
				                 path, copy, (unsigned)(st.st_mode & 07777));
			}
			*p = '/';
		}
	}
	return 0;
}

int home_make(struct home *h, struct err *err)
{
	const struct {
		const char *name;
		mode_t mode;
		uid_t owner;
	} folders[] = {
		{ ".", 0711, 0 },
		{ "pki", 0700, 0 },
		{ "run", 0711, 0 },
		{ "run/nodes", 0711, 0 }, /* a socket for each node */
		{ "logs", 0700, 0 },
		{ "store", 0700, h->api_uid },
		{ "store/pki", 0700, h->api_uid },
		{ "images", 0700, 0 }, /* setuid programs of images are not for the host's users */
		{ "pods", 0700, 0 },
		{ "managed", 0711, 0 },
	};
	int r = make_parents(h->path, err);

	if (r == 0) {
		r = check_way(h->path, err);
	}
	if (r == 0) {
		r = check_owner(h->path, err);
	}
	if (r < 0) {
		return r;
	}
	if (mkdir(h->path, 0711) < 0 && errno != EEXIST) {
		return err_sys(err, "make folder %s", h->path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		scoped_free char *path = home_file(h, "%s", folders[i].name);

		r = make_folder(path, folders[i].mode, folders[i].owner, err);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int home_lock(struct home *h, struct err *err)
{
	scoped_free char *path = home_file(h, "lock");
	scoped_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		return err_sys(err, "open %s", path);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		return errno == EWOULDBLOCK ? err_raise(err, ERR_EXISTS,
		                                        "instance %s is already running", h->name)
		                            : err_sys(err, "lock %s", path);
	}
	h->lock_fd = take_fd(&fd);
	return 0;
}

int home_read(const char *path, struct strbuf *out, struct err *err)
{
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		return err_sys(err, "open %s", path);
	}
	for (;;) {
		char *to = strbuf_reserve(out, 4096);
		ssize_t n = to ? read(fd, to, 4096) : -1;

		if (n < 0) {
			return err_sys(err, "read %s", path);
		}
		strbuf_added(out, (size_t)n);
		if (n == 0) {
			return 0;
		}
	}
}

int home_write(const char *path, struct slice text, mode_t mode, uid_t owner, struct err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	scoped_free char *temporary = mem_printf("%s.new", name);
	scoped_free char *folder =
		slash ? mem_printf("%.*s", (int)(slash - path), path) : mem_strdup(".");
	scoped_fd int dir = open_folder(*folder ? folder : "/", owner, err);
	scoped_fd int fd = -1;

	if (dir < 0) {
		return dir;
	}
	(void)unlinkat(dir, temporary, 0);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0) {
		return err_sys(err, "make %s.new", path);
	}
	while (text.len) {
		ssize_t n = write(fd, text.p, text.len);

		if (n < 0) {
			return err_sys(err, "write %s", path);
		}
		text = slice_from(text, (size_t)n);
	}
	if (fchmod(fd, mode) < 0 || (owner && fchown(fd, owner, owner) < 0) ||
	    renameat(dir, temporary, dir, name) < 0) {
		return err_sys(err, "write %s", path);
	}
	return 0;
}

/* ---- keys and certificates ---- */

/* A certificate with its key on disk, as <base>.crt and <base>.key. */
static int load_pair(const char *base, struct pki_pair *ret)
{
	scoped_free char *crt = mem_printf("%s.crt", base), *key = mem_printf("%s.key", base);
	int64_t end;

	if (home_read(crt, &ret->cert, NULL) < 0 || home_read(key, &ret->key, NULL) < 0 ||
	    pki_pair_check(strbuf_slice(&ret->cert), strbuf_slice(&ret->key), NULL) < 0 ||
	    pki_cert_not_after(strbuf_slice(&ret->cert), &end, NULL) < 0 ||
	    end < clock_wall_us() + renew_before_us) {
		pki_pair_fini(ret);
		return 1;
	}
	return 0;
}

static int save_pair(const char *base, const struct pki_pair *pair, uid_t owner, struct err *err)
{
	scoped_free char *crt = mem_printf("%s.crt", base), *key = mem_printf("%s.key", base);
	int r = home_write(crt, strbuf_slice(&pair->cert), 0600, owner, err);

	return r < 0 ? r : home_write(key, strbuf_slice(&pair->key), 0600, owner, err);
}

static int need_ca(const char *base, const char *common_name, struct pki_pair *ret, struct err *err)
{
	int r = load_pair(base, ret);

	if (r == 0) {
		return 0;
	}
	r = pki_make_ca(common_name, ret, err);
	return r < 0 ? r : save_pair(base, ret, 0, err);
}

/* Leaves are cheap and hold names that may change with the options: made at every start. */
static int client_certificate(const struct pki_pair *ca, const char *user, const char *group,
                              struct pki_pair *ret, struct err *err)
{
	const char *const organizations[] = { group, NULL };
	struct pki_request request = {
		.common_name = user,
		.organizations = organizations,
		.client = true,
	};

	return pki_issue(strbuf_slice(&ca->cert), strbuf_slice(&ca->key), &request, ret, err);
}

static int write_kubeconfig(const struct home *h, const char *path, const char *host, uint16_t port,
                            const char *user, const struct pki_pair *ca,
                            const struct pki_pair *client, uid_t owner, struct err *err)
{
	scoped_strbuf struct strbuf out = { 0 };

	strbuf_adds(&out, "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n"
	                  "    certificate-authority-data: ");
	base64_encode(&out, strbuf_slice(&ca->cert));
	strbuf_addf(
		&out,
		"\n    server: https://%s:%u\n  name: %s\ncontexts:\n- context:\n    cluster: %s\n"
		"    user: %s\n  name: %s\ncurrent-context: %s\nusers:\n- name: %s\n  user:\n"
		"    client-certificate-data: ",
		host, port, h->name, h->name, user, h->name, h->name, user);
	base64_encode(&out, strbuf_slice(&client->cert));
	strbuf_adds(&out, "\n    client-key-data: ");
	base64_encode(&out, strbuf_slice(&client->key));
	strbuf_addc(&out, '\n');
	return home_write(path, strbuf_slice(&out), 0600, owner, err);
}

/* Who typed `sudo kennel up`, or root: the one kubectl is run by. */
static uid_t person(void)
{
	uint64_t uid = 0;

	return slice_to_u64(slice_of(getenv("SUDO_UID")), &uid) && uid < UINT32_MAX ? (uid_t)uid
	                                                                            : 0;
}

struct user {
	const char *name, *group, *file, *host;
	uint16_t port;
	uid_t owner;
};

static int make_user(struct home *h, const struct pki_pair *ca, const struct user *u,
                     struct err *err)
{
	scoped_free char *path = home_file(h, "%s", u->file);
	struct pki_pair client = { 0 };
	int r = client_certificate(ca, u->name, u->group, &client, err);

	if (r == 0) {
		r = write_kubeconfig(h, path, u->host, u->port, u->name, ca, &client, u->owner,
		                     err);
	}
	pki_pair_fini(&client);
	return r;
}

static int make_users(struct home *h, const struct pki_pair *ca, struct err *err)
{
	const struct user users[] = {
		{ "kennel-admin", "system:masters", "kubeconfig", "127.0.0.1", h->api_port,
		  person() },
		{ "system:kennel-lb", "system:kennel", "run/lb.kubeconfig", HOME_API_INSIDE,
		  HOME_API_INSIDE_PORT, h->lb_uid },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(users) && r == 0; i++) {
		r = make_user(h, ca, &users[i], err);
	}
	for (unsigned i = 0; i < h->n_nodes && r == 0; i++) {
		struct node_place place;
		scoped_free char *name = NULL, *file = NULL;

		node_place(h->name, i, &place);
		name = mem_printf("system:node:%s", place.name);
		file = mem_printf("run/%s.kubeconfig", place.role);
		r = make_user(h, ca,
		              &(struct user){ name, "system:nodes", file, HOME_API_INSIDE,
		                              HOME_API_INSIDE_PORT, 0 },
		              err);
	}
	return r;
}

static int make_server_certificate(struct home *h, const struct pki_pair *ca, struct err *err)
{
	static const char *const names[] = { "localhost",
		                             "kubernetes",
		                             "kubernetes.default",
		                             "kubernetes.default.svc",
		                             "kubernetes.default.svc.cluster.local",
		                             NULL };
	scoped_free char *base = home_file(h, "store/pki/apiserver");
	struct ip ips[3];
	struct pki_pair server = { 0 };
	int r;

	(void)ip_parse(SLICE("127.0.0.1"), &ips[0]);
	(void)ip_parse(SLICE(HOME_API_INSIDE), &ips[1]);
	(void)ip_parse(SLICE("10.1.0.1"), &ips[2]);
	r = pki_issue(strbuf_slice(&ca->cert), strbuf_slice(&ca->key),
	              &(struct pki_request){ .common_name = "kube-apiserver",
	                                     .dns_names = names,
	                                     .ips = ips,
	                                     .n_ips = ARRAY_SIZE(ips),
	                                     .server = true },
	              &server, err);
	if (r == 0) {
		r = save_pair(base, &server, h->api_uid, err);
	}
	pki_pair_fini(&server);
	return r;
}

static int make_token_key(struct home *h, struct err *err)
{
	scoped_free char *path = home_file(h, "store/pki/sa.key");
	scoped_strbuf struct strbuf key = { 0 }, public = { 0 };
	int r;

	if (home_read(path, &key, NULL) == 0 && pki_jwks(strbuf_slice(&key), &public, NULL) == 0) {
		return 0;
	}
	strbuf_reset(&key);
	r = pki_make_key(&key, err);
	return r < 0 ? r : home_write(path, strbuf_slice(&key), 0600, h->api_uid, err);
}

int home_make_pki(struct home *h, struct err *err)
{
	scoped_free char *cluster_base = home_file(h, "pki/cluster-ca"),
			 *edge_base = home_file(h, "pki/edge-ca"),
			 *public_edge = home_file(h, "ca.crt"),
			 *client_ca = home_file(h, "store/pki/client-ca.crt"),
			 *api_edge = home_file(h, "store/pki/edge-ca");
	struct pki_pair cluster = { 0 }, edge = { 0 };
	int r = need_ca(cluster_base, "kennel cluster CA", &cluster, err);

	if (r == 0) {
		r = need_ca(edge_base, "kennel local CA", &edge, err);
	}
	if (r == 0) {
		r = home_write(public_edge, strbuf_slice(&edge.cert), 0644, 0, err);
	}
	if (r == 0) {
		r = home_write(client_ca, strbuf_slice(&cluster.cert), 0600, h->api_uid, err);
	}
	if (r == 0) {
		r = save_pair(api_edge, &edge, h->api_uid, err);
	}
	if (r == 0) {
		r = make_token_key(h, err);
	}
	if (r == 0) {
		r = make_server_certificate(h, &cluster, err);
	}
	if (r == 0) {
		r = make_users(h, &cluster, err);
	}
	pki_pair_fini(&cluster);
	pki_pair_fini(&edge);
	return r < 0 ? err_while(err, r, "prepare keys in %s", h->path) : 0;
}
