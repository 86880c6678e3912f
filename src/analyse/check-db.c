/* Why: DB: what a client says to a database or cache, against what that one wants to hear. */
#include <ctype.h>
#include <stdlib.h>

#include "analyse/address.h"
#include "analyse/check-value.h"
#include "base/mem.h"

/* The store behind a reference, through an ExternalName as well; null when it is none. */
static const struct object *store_of(struct check *c, const struct target *t)
{
	if (t->kind == TARGET_STORE) {
		return t->object;
	}
	if (t->kind == TARGET_SERVICE && t->service->external) {
		return target_store_of_host(c->subject,
		                            val_get_str(object_spec(t->object), "externalName"));
	}
	return NULL;
}

static bool has_word(struct slice name, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= name.len; i++) {
		if (slice_eq_nocase(slice_head(slice_from(name, i), len), slice_of(word))) {
			return true;
		}
	}
	return false;
}

static bool is_on(struct slice value)
{
	return slice_eq_nocase(value, SLICE("true")) || slice_is(value, "1") ||
	       slice_eq_nocase(value, SLICE("yes")) || slice_eq_nocase(value, SLICE("on")) ||
	       slice_eq_nocase(value, SLICE("required")) ||
	       slice_eq_nocase(value, SLICE("require")) || has_word(value, "verify");
}

/* A variable of the container that has one of the words and is switched on, or names a file. */
static const struct setting *switched_on(struct check *c, const struct reference *r,
                                         const char *const *words)
{
	size_t n;
	const struct setting *s =
		r->container ? values_settings(subject_values(c->subject), r->container, &n) : NULL;

	for (size_t i = 0; s && i < n; i++) {
		for (size_t k = 0; words[k]; k++) {
			if (has_word(s[i].name, words[k]) &&
			    (s[i].is_secret || is_on(s[i].value) ||
			     slice_has_prefix(s[i].value, SLICE("/")))) {
				return &s[i];
			}
		}
	}
	return NULL;
}

static const char *const tls_words[] = { "TLS", "SSL", "CA_CERT", "CAFILE", NULL };

static bool is_redis(const struct reference *r)
{
	return strcmp(r->scheme, "redis") == 0 || strcmp(r->scheme, "rediss") == 0;
}

/* ---- DB001 ---- */

static const struct val *encrypts(const struct object *store)
{
	const struct val *on = val_get(object_spec(store), "transitEncryptionEnabled");

	return val_bool(on, false) &&
	                       !slice_is(val_get_str(object_spec(store), "transitEncryptionMode"),
	                                 "preferred")
	               ? on
	               : NULL;
}

static bool may_encrypt(const struct object *store)
{
	return val_bool(val_get(object_spec(store), "transitEncryptionEnabled"), false);
}

static void db001(struct check *c)
{
	called_each(c, r, t)
	{
		const struct object *store = store_of(c, &t);
		struct finding *f;

		if (!store || strcmp(target_store_scheme(store), "redis") != 0 ||
		    (r->scheme[0] && !is_redis(r))) {
			continue;
		}
		if (encrypts(store) && !r->tls && !switched_on(c, r, tls_words)) {
			f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
			                "%s speaks plain Redis to " OBJECT_FMT ", which wants TLS.",
			                r->name, OBJECT_ARG(store));
			finding_shows(c, f, store, encrypts(store), "encrypts in transit.");
			finding_repair(c, f, "Write rediss:// or switch the client's TLS on.");
		} else if (!may_encrypt(store) && r->tls && is_redis(r)) {
			f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
			                "%s speaks TLS to " OBJECT_FMT ", which does not.", r->name,
			                OBJECT_ARG(store));
			finding_shows(c, f, store, val_get(object_spec(store), "engine"),
			              "has no transitEncryptionEnabled.");
			finding_repair(c, f, "Write redis://, or switch encryption in transit on.");
		} else {
			continue;
		}
		show_reader(c, f, r);
	}
}

/* ---- DB002 ---- */

static const struct val *override_of(struct check *c, const struct object *store, const char *name,
                                     const struct object **ret_group)
{
	const struct val *spec = object_spec(store);
	struct slice group = val_get_str(spec, "dbParameterGroupName");

	group = group.len ? group : val_str(val_path(spec, "dbParameterGroupRef.from.name"));
	object_each(c->subject, OBJECT_DBPARAMETERGROUP, o)
	{
		const struct val *v = val_get(val_get(object_spec(o), "parameterOverrides"), name);

		if (v && group.len &&
		    (slice_eq(o->name, group) ||
		     slice_eq(val_get_str(object_spec(o), "name"), group))) {
			*ret_group = o;
			return v;
		}
	}
	return NULL;
}

static bool is_set(const struct val *v)
{
	return v && (v->type == VAL_INT    ? v->i == 1
	             : v->type == VAL_BOOL ? v->b
	                                   : is_on(val_str(v)));
}

/* A server of our own that was told so by an argument. */
static const struct val *demands_tls(const struct workload *w)
{
	static const char *const lists[] = { "command", "args" };

	container_each(w->spec, it)
	{
		for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
			val_for_each (val_get(it, lists[k]), word) {
				const char *text = val_cstr(word);

				if ((strstr(text, "require-secure-transport") ||
				     strstr(text, "require_secure_transport")) &&
				    !strstr(text, "=OFF") && !strstr(text, "=0")) {
					return word;
				}
			}
		}
	}
	return NULL;
}

static void db002(struct check *c)
{
	called_each(c, r, t)
	{
		const struct object *store = store_of(c, &t), *shown = NULL;
		const char *engine = store ? target_store_scheme(store) : r->scheme;
		const struct val *at = NULL;
		struct finding *f;

		if (store && strcmp(engine, "mysql") == 0) {
			at = override_of(c, store, "require_secure_transport", &shown);
		} else if (store && strcmp(engine, "postgres") == 0) {
			at = override_of(c, store, "rds.force_ssl", &shown);
		}
		at = is_set(at) ? at : NULL;
		for (size_t i = 0; !at && t.kind == TARGET_SERVICE && i < t.service->n_pods; i++) {
			at = demands_tls(t.service->pods[i]);
			shown = t.service->pods[i]->object;
		}
		/* PostgreSQL's clients take TLS when it is offered, unless told not to */
		if (!at || r->tls || (strcmp(engine, "postgres") == 0 && !r->tls_off) ||
		    (!r->tls_off && switched_on(c, r, tls_words))) {
			continue;
		}
		f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
		                "%s asks for no TLS, and the database refuses connections without.",
		                r->name);
		show_reader(c, f, r);
		finding_shows(c, f, shown, at, "demands TLS.");
	}
}

/* ---- DB003 ---- */

static const struct val *is_cluster(const struct object *store)
{
	const struct val *spec = object_spec(store);
	const struct val *mode = val_get(spec, "clusterMode"),
			 *groups = val_get(spec, "numNodeGroups");
	const struct val *parameters = val_get(spec, "cacheParameterGroupName");

	if (store->id != OBJECT_REPLICATIONGROUP) {
		return NULL;
	}
	return slice_is(val_str(mode), "enabled") ? mode
	       : val_int(groups, 1) > 1           ? groups
	       : memmem(val_str(parameters).p, val_str(parameters).len, "cluster.on", 10)
	               ? parameters
	               : NULL;
}

static void db003(struct check *c)
{
	static const char *const words[] = { "CLUSTER", NULL };

	called_each(c, r, t)
	{
		const struct object *store = store_of(c, &t);
		const struct val *why = store ? is_cluster(store) : NULL;
		struct finding *f;

		if (!why || (!is_redis(r) && r->scheme[0]) || switched_on(c, r, words) ||
		    has_word(slice_of(r->name), "CLUSTER")) {
			continue;
		}
		f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
		                "%s names " OBJECT_FMT
		                ", a cluster of shards, and nothing tells the client so.",
		                r->name, OBJECT_ARG(store));
		show_reader(c, f, r);
		finding_shows(c, f, store, why, "has cluster mode on.");
	}
}

/* ---- DB004 ---- */

static bool is_database(const char *scheme)
{
	static const char *const known[] = { "mysql",   "postgres",  "redis",     "rediss",
		                             "mongodb", "memcached", "sqlserver", "oracle",
		                             "amqp",    "amqps",     "cassandra" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(scheme, known[i]) == 0) {
			return true;
		}
	}
	return false;
}

static const char *plain(const char *scheme)
{
	return strcmp(scheme, "rediss") == 0  ? "redis"
	       : strcmp(scheme, "amqps") == 0 ? "amqp"
	                                      : scheme;
}

static void check_store_port(struct check *c, const struct reference *r, const struct object *store)
{
	const char *engine = target_store_scheme(store);
	uint16_t port = target_store_port(store);
	struct finding *f;

	if (r->scheme[0] && engine[0] && is_database(r->scheme) &&
	    strcmp(plain(r->scheme), engine) != 0) {
		f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
		                "%s speaks %s to " OBJECT_FMT ", which is %s.", r->name, r->scheme,
		                OBJECT_ARG(store), engine);
		finding_shows(c, f, store, val_get(object_spec(store), "engine"), "is its engine.");
	} else if (r->port_given && r->port && port && r->port != port) {
		f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
		                "%s calls " OBJECT_FMT " on port %u, it listens on %u.", r->name,
		                OBJECT_ARG(store), r->port, port);
		finding_shows(c, f, store, val_get(object_spec(store), "port"), "is %s.", engine);
	} else {
		return;
	}
	show_reader(c, f, r);
}

static void db004(struct check *c)
{
	called_each(c, r, t)
	{
		const struct object *store = store_of(c, &t);
		const char *usual = port_scheme(r->port);
		struct finding *f;

		if (store) {
			check_store_port(c, r, store);
			continue;
		}
		if (!r->port_given || !is_database(r->scheme) || !is_database(usual) ||
		    strcmp(plain(usual), plain(r->scheme)) == 0 || t.kind == TARGET_UNKNOWN) {
			continue;
		}
		f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
		                "%s speaks %s to port %u, which is the port of %s.", r->name,
		                r->scheme, r->port, usual);
		show_reader(c, f, r);
		finding_repair(c, f, "The port of %s is %u.", r->scheme,
		               scheme_port(slice_of(r->scheme)));
	}
}

/* ---- DB005 ---- */

/* Words between dots and dashes: "mysql-ro", "db.cluster-ro-x1", "redis-replicas". */
static bool is_read_host(struct slice host)
{
	static const char *const words[] = {
		"ro",   "reader",    "readonly", "replica", "replicas",
		"read", "secondary", "slave",    "slaves",  "standby"
	};
	size_t from = 0;

	for (size_t i = 0; i <= host.len; i++) {
		struct slice word;

		if (i < host.len && host.p[i] != '.' && host.p[i] != '-' && host.p[i] != '_') {
			continue;
		}
		word = slice_head(slice_from(host, from), i - from);
		for (size_t k = 0; k < ARRAY_SIZE(words); k++) {
			if (slice_eq_nocase(word, slice_of(words[k]))) {
				return true;
			}
		}
		from = i + 1;
	}
	return false;
}

static bool names_reading(struct slice name)
{
	return has_word(name, "READ") || has_word(name, "REPLICA") || has_word(name, "SLAVE") ||
	       has_word(name, "_RO") || has_word(name, "RO_") || has_word(name, "SECONDARY") ||
	       has_word(name, "STANDBY");
}

static void db005(struct check *c)
{
	called_each(c, r, t)
	{
		struct slice host = slice_of(r->host), first = host, rest;
		struct finding *f;

		(void)t_once;
		if (!is_database(r->scheme) || !r->workload || names_reading(slice_of(r->name)) ||
		    r->confidence == CONFIDENCE_LOW) {
			continue;
		}
		/* the namespace may be called anything; AWS puts the role into the second label */
		(void)slice_cut(host, '.', &first, &rest);
		if (!is_read_host(first) && !(slice_has_prefix(rest, SLICE("cluster-ro-"))) &&
		    !(slice_has_suffix(host, SLICE(".cache.amazonaws.com")) &&
		      slice_has_prefix(host, SLICE("replica.")))) {
			continue;
		}
		f = check_found(
			c, value_object_of(c, &r->where), value_place(c, &r->where),
			"%s is %s, an endpoint for reading, and nothing says that it only reads.",
			r->name, r->host);
		show_reader(c, f, r);
		if (t.object) {
			finding_shows(c, f, t.object, NULL, "is what it names.");
		}
	}
}

/* ---- DB006 ---- */

static const char *keeps_for_ever(const struct setting *s)
{
	bool never = slice_is(s->value, "0") || slice_is(s->value, "-1");

	if (never &&
	    (has_word(s->name, "MAX_LIFETIME") || has_word(s->name, "MAXLIFETIME") ||
	     has_word(s->name, "POOL_RECYCLE") || has_word(s->name, "CONN_MAX_LIFETIME"))) {
		return "lets connections live for ever";
	}
	if (memmem(s->value.p, s->value.len, "cache.ttl=-1", 12) ||
	    memmem(s->value.p, s->value.len, "inetaddr.ttl=-1", 15)) {
		return "keeps addresses of names for ever";
	}
	return NULL;
}

static void db006(struct check *c)
{
	const struct val *told = NULL;

	called_each(c, r, t)
	{
		size_t n = 0;
		const struct setting *s;
		const struct object *store = store_of(c, &t);

		if (!r->container || r->container == told || (!store && !is_database(r->scheme)) ||
		    t.kind == TARGET_SELF) {
			continue;
		}
		told = r->container;
		s = values_settings(subject_values(c->subject), r->container, &n);
		for (size_t i = 0; i < n; i++) {
			const char *how = s[i].is_secret ? NULL : keeps_for_ever(&s[i]);
			struct finding *f;

			if (!how) {
				continue;
			}
			f = check_found(
				c, value_object_of(c, &s[i].where), value_place(c, &s[i].where),
				SLICE_FMT
				" %s: after a fail-over the program stays with the old database.",
				SLICE_ARG(s[i].name), how);
			finding_shows(c, f, value_object_of(c, &r->where),
			              value_place(c, &r->where), "names the database.");
		}
	}
}

/* ---- DB007 ---- */

/* Something in the set will make this Secret. */
static bool is_made(struct check *c, struct slice ns, struct slice name)
{
	static const enum object_kind makers[] = { OBJECT_EXTERNALSECRET, OBJECT_SEALEDSECRET };

	if (subject_find(c->subject, OBJECT_SECRET, ns, name)) {
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
		object_each_in(c->subject, makers[i], ns, o)
		{
			struct slice made = val_str(val_path(object_spec(o), "target.name"));

			if (slice_eq(made.len ? made : o->name, name)) {
				return true;
			}
		}
	}
	object_each(c->subject, OBJECT_FIELDEXPORT, o)
	{
		const struct val *to = val_get(object_spec(o), "to");

		if (slice_eq_nocase(val_get_str(to, "kind"), SLICE("secret")) &&
		    slice_eq(val_get_str(to, "name"), name)) {
			return true;
		}
	}
	return false;
}

static bool has_key(const struct object *secret, struct slice key)
{
	return val_get_slice(val_get(secret->v, "data"), key) ||
	       val_get_slice(val_get(secret->v, "stringData"), key);
}

static void check_master(struct check *c, const struct object *store)
{
	const struct val *ref = val_get(object_spec(store), "masterUserPassword");
	struct slice ns = val_get_str(ref, "namespace"), name = val_get_str(ref, "name"),
		     key = val_get_str(ref, "key");
	const struct object *secret;

	ns = ns.len ? ns : store->ns;
	if (!name.len) {
		return;
	}
	secret = subject_find(c->subject, OBJECT_SECRET, ns, name);
	if (!secret && !is_made(c, ns, name)) {
		check_found(c, store, val_get(ref, "name"),
		            OBJECT_FMT " takes its password from Secret " SLICE_FMT
		                       ", which is not in namespace " SLICE_FMT ".",
		            OBJECT_ARG(store), SLICE_ARG(name), SLICE_ARG(ns));
	} else if (secret && key.len && !has_key(secret, key)) {
		struct finding *f =
			check_found(c, store, val_get(ref, "key"),
		                    OBJECT_FMT " takes its password from key " SLICE_FMT
		                               " of Secret " SLICE_FMT ", which has no such key.",
		                    OBJECT_ARG(store), SLICE_ARG(key), SLICE_ARG(name));

		finding_shows(c, f, secret, NULL, "has other keys.");
	}
}

/* Clients of a database whose password AWS keeps: somebody has to bring it into the namespace. */
static void check_client(struct check *c, const struct reference *r, const struct object *store)
{
	val_for_each (val_get(r->container, "env"), it) {
		const struct val *ref = val_path(it, "valueFrom.secretKeyRef");
		struct slice name = val_get_str(ref, "name");
		const struct workload *w = reader_of(c, r);
		struct finding *f;

		if (!ref || !w || val_bool(val_get(ref, "optional"), false) ||
		    is_made(c, w->ns, name)) {
			continue;
		}
		f = check_found(
			c, w->object, val_get(ref, "name"),
			SLICE_FMT " comes from Secret " SLICE_FMT
				  ", which nothing makes: AWS keeps the password of " OBJECT_FMT
				  " in Secrets Manager.",
			SLICE_ARG(val_get_str(it, "name")), SLICE_ARG(name), OBJECT_ARG(store));
		finding_shows(c, f, store, val_get(object_spec(store), "manageMasterUserPassword"),
		              "lets AWS keep the password.");
	}
}

static void db007(struct check *c)
{
	static const enum object_kind stores[] = { OBJECT_DBINSTANCE, OBJECT_DBCLUSTER };
	const struct val *told = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(stores); i++) {
		written_each(c->subject, stores[i], store)
		{
			check_master(c, store);
		}
	}
	called_each(c, r, t)
	{
		const struct object *store = store_of(c, &t);

		if (store && r->container && r->container != told &&
		    val_bool(val_get(object_spec(store), "manageMasterUserPassword"), false)) {
			told = r->container;
			check_client(c, r, store);
		}
	}
}

static const struct rule rules[] = {
	{
		.id = "DB001",
		.title = "Redis TLS mismatch",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_DATABASE,
		.symptom = "The connection opens, then hangs or is reset.",
		.cause = "One side speaks TLS, the other does not.",
		.evidence = "transitEncryptionEnabled of the cache against redis:// and rediss:// "
			    "and the client's switches.",
		.probe = "PING plain and over TLS.",
		.fix = "rediss://, or the client's TLS option.",
		.sources = "redis/redis-py#1001; redis-store/redis-rails#89",
		.check = db001,
	},
	{
		.id = "DB002",
		.title = "The database demands TLS, the client does not ask for it",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_DATABASE,
		.symptom = "\"Connections using insecure transport are prohibited\", or access "
			   "denied.",
		.cause = "require_secure_transport (MySQL) or rds.force_ssl (PostgreSQL) is on.",
		.evidence = "The parameter group or the server's arguments against the options of "
			    "the client's address.",
		.probe = "A login with and without TLS.",
		.fix = "TLS options and the CA's bundle.",
		.sources = "docs.aws.amazon.com, RDS for MySQL and TLS",
		.check = db002,
	},
	{
		.id = "DB003",
		.title = "Redis cluster with a plain client",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_DATABASE,
		.symptom = "MOVED errors, or time-outs to addresses of nodes.",
		.cause = "A cluster answers with the addresses of its nodes; only a cluster client "
			 "follows.",
		.evidence = "Cluster mode of the ReplicationGroup, and no setting of the client "
			    "that speaks of a cluster.",
		.probe = "Ask for a key of another shard.",
		.fix = "A cluster client, and egress to the whole subnet.",
		.sources = "redis/lettuce#1227",
		.check = db003,
	},
	{
		.id = "DB004",
		.title = "Wrong port for the engine",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_DATABASE,
		.symptom = "Refused, or a time-out.",
		.cause = "The port or the scheme belongs to another engine, or the endpoint has a "
			 "port of its own.",
		.evidence = "Scheme and port of the address against the endpoint, or against the "
			    "usual ports.",
		.probe = "Connect and read the greeting.",
		.fix = "The endpoint's port.",
		.sources = "The engines' manuals",
		.check = db004,
	},
	{
		.id = "DB005",
		.title = "Writes to an endpoint for reading",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_DATABASE,
		.symptom = "\"read-only\" errors, at once or after a fail-over.",
		.cause = "The reader's endpoint stands where the writer's belongs.",
		.evidence = "A host called reader, replica, ro under a name that does not speak of "
			    "reading.",
		.probe = "A write.",
		.fix = "The writer's or primary endpoint.",
		.sources = "docs.aws.amazon.com, Aurora endpoints",
		.check = db005,
	},
	{
		.id = "DB006",
		.title = "Old connections after a fail-over",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_DATABASE,
		.symptom = "Errors until the program is started anew.",
		.cause = "Connections or addresses are kept for ever.",
		.evidence = "A pool lifetime of 0 or -1, or a name cache without end, in a program "
			    "that calls a database.",
		.probe = "Fail over; time until it works again.",
		.fix = "A lifetime of some minutes, keep-alive, a short name cache.",
		.sources = "Preply post-mortem 2020",
		.check = db006,
	},
	{
		.id = "DB007",
		.title = "Credentials absent or not linked",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_DATABASE,
		.symptom = "Access denied, or pods that do not start.",
		.cause = "The password's Secret or key is not there, or AWS keeps it and nothing "
			 "brings it into the namespace.",
		.evidence = "masterUserPassword and the clients' secretKeyRef against Secrets, "
			    "ExternalSecrets and FieldExports.",
		.probe = "A login.",
		.fix = "The Secret, an ExternalSecret or a FieldExport.",
		.sources = "aws-controllers-k8s, RDS controller",
		.check = db007,
	},
	{ 0 },
};

const struct family family_db = { "DB", "Databases and caches", rules };
