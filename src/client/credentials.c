/* Why: every tool of a Kubernetes user finds its server by the same file; see credentials.h. */
#include "client/credentials.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/mem.h"
#include "client/limits.h"
#include "codec/value.h"
#include "codec/yaml.h"

static void material_fini(struct material *m)
{
	strbuf_fini(&m->bytes);
	free(m->path);
}

void credentials_fini(struct credentials *c)
{
	free(c->host);
	free(c->prefix);
	free(c->tls_name);
	material_fini(&c->ca);
	material_fini(&c->cert);
	material_fini(&c->key);
	material_fini(&c->token);
	*c = (struct credentials){ 0 };
}

/* ---- the server's address ---- */

static int bad_server(struct slice url, struct err *err)
{
	return err_raise(err, ERR_SYNTAX,
	                 "server: '" SLICE_FMT "' is no address like https://host:6443",
	                 SLICE_ARG(url));
}

/* Takes "host:port", "host" or "[v6]:port" apart; the port stays as it is when none is given. */
static bool split_authority(struct slice text, struct slice *host, uint16_t *port)
{
	struct slice rest = { 0 };
	uint64_t number;
	ptrdiff_t colon;

	if (text.len && text.p[0] == '[') {
		ptrdiff_t end = slice_find(text, ']');

		if (end < 0) {
			return false;
		}
		*host = slice_head(slice_from(text, 1), (size_t)end - 1);
		rest = slice_from(text, (size_t)end + 1);
	} else {
		colon = slice_find(text, ':');
		*host = colon < 0 ? text : slice_head(text, (size_t)colon);
		rest = colon < 0 ? SLICE("") : slice_from(text, (size_t)colon);
	}
	if (!host->len || !rest.len) {
		return host->len > 0;
	}
	if (rest.p[0] != ':' || !slice_to_u64(slice_from(rest, 1), &number) || !number ||
	    number > 65535) {
		return false;
	}
	*port = (uint16_t)number;
	return true;
}

static bool is_plain_text(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '?' ||
		    s.p[i] == '#' || s.p[i] == '@') {
			return false;
		}
	}
	return true;
}

static int parse_server(struct slice url, struct credentials *c, struct err *err)
{
	struct slice rest, authority, path, host;
	ptrdiff_t slash;

	if (slice_has_prefix(url, SLICE("https://"))) {
		c->is_tls = true;
		c->port = 443;
		rest = slice_from(url, 8);
	} else if (slice_has_prefix(url, SLICE("http://"))) {
		c->port = 80;
		rest = slice_from(url, 7);
	} else {
		return bad_server(url, err);
	}
	slash = slice_find(rest, '/');
	authority = slash < 0 ? rest : slice_head(rest, (size_t)slash);
	path = slash < 0 ? SLICE("") : slice_from(rest, (size_t)slash);
	while (slice_has_suffix(path, SLICE("/"))) {
		path.len--;
	}
	if (!is_plain_text(rest) || !split_authority(authority, &host, &c->port)) {
		return bad_server(url, err);
	}
	c->host = slice_dup(host);
	c->prefix = slice_dup(path);
	return 0;
}

/* ---- kubeconfig ---- */

/* The member 'what' of the entry of that name in a list of {name, what}; null when it is not there.
 */
static const struct val *find_named(const struct val *config, const char *list, const char *what,
                                    struct slice name)
{
	val_for_each (val_get(config, list), it) {
		if (slice_eq(val_get_str(it, "name"), name)) {
			return val_get(it, what);
		}
	}
	return NULL;
}

static char *path_from(const char *folder, struct slice path)
{
	return path.p[0] == '/' || !folder ? slice_dup(path)
	                                   : mem_printf("%s/" SLICE_FMT, folder, SLICE_ARG(path));
}

/* Bytes given as "name-data" (base64), or a file given as "name". */
static int read_material(const struct val *from, const char *name, const char *folder,
                         struct material *m, struct err *err)
{
	scoped_free char *data = mem_printf("%s-data", name);
	struct slice text = val_get_str(from, data), path = val_get_str(from, name);

	if (text.len && !base64_decode(&m->bytes, text)) {
		return err_raise(err, ERR_SYNTAX, "%s is no base64", data);
	}
	if (!text.len && path.len) {
		m->path = path_from(folder, path);
	}
	return 0;
}

static int read_cluster(const struct val *cluster, const char *folder, struct credentials *c,
                        struct err *err)
{
	struct slice name = val_get_str(cluster, "tls-server-name");

	if (val_get_str(cluster, "proxy-url").len) {
		return err_raise(err, ERR_UNSUPPORTED, "proxy-url is not supported");
	}
	c->insecure = val_bool(val_get(cluster, "insecure-skip-tls-verify"), false);
	c->tls_name = name.len ? slice_dup(name) : NULL;
	return read_material(cluster, "certificate-authority", folder, &c->ca, err);
}

static int read_user(const struct val *user, const char *folder, struct credentials *c,
                     struct err *err)
{
	struct slice token = val_get_str(user, "token"), file = val_get_str(user, "tokenFile");
	int r;

	if (!val_is_null(val_get(user, "exec")) || !val_is_null(val_get(user, "auth-provider"))) {
		return err_raise(err, ERR_UNSUPPORTED,
		                 "programs that fetch credentials are not supported; use a "
		                 "certificate or a token");
	}
	if (val_get_str(user, "username").len) {
		return err_raise(err, ERR_UNSUPPORTED,
		                 "passwords are not supported; use a certificate or a token");
	}
	r = read_material(user, "client-certificate", folder, &c->cert, err);
	r = r < 0 ? r : read_material(user, "client-key", folder, &c->key, err);
	if (file.len) {
		c->token.path = path_from(folder, file);
	} else {
		strbuf_add_slice(&c->token.bytes, slice_trim(token));
	}
	return r;
}

static int read_context(const struct val *config, const char *folder, struct credentials *c,
                        struct err *err)
{
	struct slice name = val_get_str(config, "current-context");
	const struct val *context = find_named(config, "contexts", "context", name), *cluster,
			 *user;
	struct slice user_name = val_get_str(context, "user");
	int r;

	if (!name.len) {
		return err_raise(err, ERR_SYNTAX, "current-context is not set");
	}
	if (!context) {
		return err_raise(err, ERR_NOTFOUND, "there is no context '" SLICE_FMT "'",
		                 SLICE_ARG(name));
	}
	cluster = find_named(config, "clusters", "cluster", val_get_str(context, "cluster"));
	if (!cluster) {
		return err_raise(err, ERR_NOTFOUND, "there is no cluster '" SLICE_FMT "'",
		                 SLICE_ARG(val_get_str(context, "cluster")));
	}
	user = find_named(config, "users", "user", user_name);
	if (user_name.len && !user) {
		return err_raise(err, ERR_NOTFOUND, "there is no user '" SLICE_FMT "'",
		                 SLICE_ARG(user_name));
	}
	r = parse_server(val_get_str(cluster, "server"), c, err);
	r = r < 0 ? r : read_cluster(cluster, folder, c, err);
	return r < 0 ? r : read_user(user, folder, c, err);
}

int credentials_parse(struct slice text, const char *folder, struct credentials *ret,
                      struct err *err)
{
	scoped_arena struct arena a = { .max = 16 * KUBECONFIG_MAX };
	struct credentials c = { 0 };
	struct val *config;
	int r = yaml_parse(&a, text, &config, err);

	if (r == 0 && a.overflowed) {
		r = err_raise(err, ERR_LIMIT, "the file is too large");
	}
	r = r < 0 ? r : read_context(config, folder, &c, err);
	if (r < 0) {
		credentials_fini(&c);
		return r;
	}
	*ret = c;
	return 0;
}

/* ---- files ---- */

int credentials_load(const char *path, size_t most, struct strbuf *text, struct err *err)
{
	scoped_file FILE *f = fopen(path, "re");
	size_t n;

	if (!f) {
		return err_sys(err, "open %s", path);
	}
	strbuf_reset(text);
	do {
		char *to = strbuf_reserve(text, 16384);

		if (!to || text->size > most) {
			return err_raise(err, ERR_LIMIT, "%s is larger than %zu bytes", path, most);
		}
		n = fread(to, 1, 16384, f);
		strbuf_added(text, n);
	} while (n > 0);
	return ferror(f) ? err_sys(err, "read %s", path) : 0;
}

static int load_material(struct material *m, struct err *err)
{
	return m->path ? credentials_load(m->path, KUBECONFIG_MAX, &m->bytes, err) : 0;
}

int credentials_read(const char *kubeconfig, struct credentials *ret, struct err *err)
{
	scoped_strbuf struct strbuf text = { 0 };
	scoped_free char *folder = NULL;
	struct credentials c = { 0 };
	const char *slash = strrchr(kubeconfig, '/');
	int r = credentials_load(kubeconfig, KUBECONFIG_MAX, &text, err);

	if (r < 0) {
		return r;
	}
	folder = slash ? slice_dup((struct slice){ kubeconfig, (size_t)(slash - kubeconfig) })
	               : mem_strdup(".");
	r = credentials_parse(strbuf_slice(&text), folder, &c, err);
	r = r < 0 ? r : load_material(&c.ca, err);
	r = r < 0 ? r : load_material(&c.cert, err);
	r = r < 0 ? r : load_material(&c.key, err);
	if (r < 0) {
		credentials_fini(&c);
		return err_while(err, r, "kubeconfig %s", kubeconfig);
	}
	*ret = c;
	return 0;
}

int credentials_in_cluster(const char *folder, struct credentials *ret, struct err *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"),
		   *port = getenv("KUBERNETES_SERVICE_PORT");
	struct credentials c = { .is_tls = true };
	uint64_t number;
	int r;

	if (!host || !*host || !slice_to_u64(slice_of(port ? port : "443"), &number) || !number ||
	    number > 65535) {
		return err_raise(err, ERR_NOTFOUND,
		                 "not in a pod (KUBERNETES_SERVICE_HOST is not set), and no "
		                 "kubeconfig was named");
	}
	c.host = mem_strdup(host);
	c.port = (uint16_t)number;
	c.prefix = mem_strdup("");
	c.token.path = mem_printf("%s/token", folder);
	c.ca.path = mem_printf("%s/ca.crt", folder);
	r = load_material(&c.ca, err);
	if (r < 0) {
		credentials_fini(&c);
		return err_while(err, r, "service account");
	}
	*ret = c;
	return 0;
}
