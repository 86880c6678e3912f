/* Why: the rules of the services stand in one place, apart from the doing; see managed-wish.h. */
#include "node/managed-wish.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define REGION  "us-east-1"
#define ACCOUNT "000000000000" /* no real account has this number */

static const struct managed_kind_info kinds[MANAGED_KINDS] = {
	[MANAGED_DATABASE] = { .kind = "DBInstance",
	                       .api_version = "rds.services.k8s.aws/v1alpha1",
	                       .plural = "dbinstances",
	                       .folder = "mysql",
	                       .finalizer = "finalizers.rds.services.k8s.aws/DBInstance",
	                       .status_key = "dbInstanceStatus",
	                       .grace_us = 60 * US_PER_S },
	[MANAGED_CACHE] = { .kind = "CacheCluster",
	                    .api_version = "elasticache.services.k8s.aws/v1alpha1",
	                    .plural = "cacheclusters",
	                    .folder = "redis",
	                    .finalizer = "finalizers.elasticache.services.k8s.aws/CacheCluster",
	                    .status_key = "cacheClusterStatus",
	                    .grace_us = 20 * US_PER_S },
};

const struct managed_kind_info *managed_kind_info(enum managed_kind k)
{
	return &kinds[k];
}

/* ---- text rules ---- */

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Letters, digits and single dashes inside, a letter first: it becomes a part of a host name. */
static bool is_identifier(struct slice s, size_t max)
{
	if (s.len == 0 || s.len > max || !is_letter(s.p[0]) || s.p[s.len - 1] == '-') {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!is_letter(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '-') {
			return false;
		}
		if (s.p[i] == '-' && s.p[i + 1] == '-') {
			return false;
		}
	}
	return true;
}

/* A letter, then letters, digits and underscores. */
static bool is_word(struct slice s, size_t max)
{
	if (s.len == 0 || s.len > max || !is_letter(s.p[0])) {
		return false;
	}
	for (size_t i = 1; i < s.len; i++) {
		if (!is_letter(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '_') {
			return false;
		}
	}
	return true;
}

const char *managed_password_fault(struct slice password)
{
	if (password.len < 8 || password.len > 41) {
		return "The parameter MasterUserPassword is not a valid password: it must have 8 "
		       "to 41 "
		       "characters";
	}
	for (size_t i = 0; i < password.len; i++) {
		if (password.p[i] <= ' ' || password.p[i] > '~' || strchr("/\"@", password.p[i])) {
			return "The parameter MasterUserPassword is not a valid password: only "
			       "printable ASCII characters besides '/', '@', '\"', ' ' may be used";
		}
	}
	return NULL;
}

static struct slice lower(struct arena *a, struct slice s)
{
	char *copy = arena_alloc(a, s.len + 1);

	for (size_t i = 0; i < s.len; i++) {
		copy[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]);
	}
	return (struct slice){ copy, s.len };
}

/* ---- what is accepted and not done ---- */

static const char *const db_ignored[] = {
	"autoMinorVersionUpgrade",
	"availabilityZone",
	"backupRetentionPeriod",
	"caCertificateIdentifier",
	"databaseInsightsMode",
	"dbInstanceClass",
	"allocatedStorage",
	"dbSubnetGroupName",
	"domain",
	"enableCloudwatchLogsExports",
	"enableIAMDatabaseAuthentication",
	"iops",
	"kmsKeyID",
	"kmsKeyRef",
	"maxAllocatedStorage",
	"monitoringInterval",
	"multiAZ",
	"optionGroupName",
	"performanceInsightsEnabled",
	"preferredBackupWindow",
	"preferredMaintenanceWindow",
	"publiclyAccessible",
	"storageEncrypted",
	"storageThroughput",
	"storageType",
	"timezone",
};
static const char *const cache_ignored[] = {
	"autoMinorVersionUpgrade",
	"azMode",
	"cacheNodeType",
	"cacheParameterGroupName",
	"cacheParameterGroupRef",
	"cacheSubnetGroupName",
	"logDeliveryConfigurations",
	"notificationTopicARN",
	"notificationTopicRef",
	"preferredAvailabilityZone",
	"preferredAvailabilityZones",
	"preferredMaintenanceWindow",
	"snapshotRetentionLimit",
	"snapshotWindow",
};

static void list_ignored(struct strbuf *out, const struct val *spec, const char *const *fields,
                         size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		const struct val *v = val_get(spec, fields[i]);

		if (val_is_null(v) || (v->type == VAL_BOOL && !v->b)) {
			continue; /* "not encrypted" is fulfilled */
		}
		strbuf_addf(out, "%s%s",
		            any ? ", " : "accepted and not enforced here: ", fields[i]);
		any = true;
	}
}

static const char *steal(struct arena *a, struct strbuf *b)
{
	const char *text = b->size ? arena_strdup(a, strbuf_str(b)) : NULL;

	strbuf_fini(b);
	return text;
}

/* ---- databases ---- */

static const char *database_fault(struct arena *a, const struct val *spec, struct managed_wish *w)
{
	static const char *const reserved[] = { "root", "mysql", "rdsadmin", "mariadb.sys" };
	struct slice engine = val_get_str(spec, "engine");
	const struct val *secret = val_get(spec, "masterUserPassword");

	if (!slice_is(engine, "mysql") && !slice_is(engine, "mariadb")) {
		return arena_printf(
			a, "engine " SLICE_FMT " has no local equivalent: mysql and mariadb have",
			SLICE_ARG(engine));
	}
	if (!is_identifier(val_get_str(spec, "dbInstanceIdentifier"), 63)) {
		return "The parameter DBInstanceIdentifier is not a valid identifier: up to 63 "
		       "letters, "
		       "digits and single hyphens, a letter first";
	}
	if (!is_word(w->user, 16)) {
		return "masterUsername must be 1 to 16 letters, digits and underscores, a letter "
		       "first";
	}
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		if (slice_eq_nocase(w->user, slice_of(reserved[i]))) {
			return arena_printf(
				a, "masterUsername %s cannot be used as it is a reserved word",
				reserved[i]);
		}
	}
	if (w->db_name.len && !is_word(w->db_name, 64)) {
		return "dbName must be 1 to 64 letters, digits and underscores, a letter first";
	}
	if (val_int(val_get(spec, "allocatedStorage"), 0) < 1) {
		return "allocatedStorage must be given for this engine";
	}
	if (val_bool(val_get(spec, "manageMasterUserPassword"), false)) {
		return secret ? "manageMasterUserPassword and masterUserPassword exclude each other"
		              : "manageMasterUserPassword keeps the password in Secrets Manager, "
		                "which has "
		                "no local equivalent: name a Secret in masterUserPassword";
	}
	if (!w->secret_name.len || !w->secret_key.len) {
		return "masterUserPassword must name a Secret and a key";
	}
	if (val_get_str(spec, "dbSnapshotIdentifier").len ||
	    val_get_str(spec, "sourceDBInstanceIdentifier").len ||
	    val_get_str(spec, "dbClusterIdentifier").len) {
		return "restoring from a snapshot, read replicas and clusters have no local "
		       "equivalent";
	}
	return NULL;
}

static void read_database(struct arena *a, const struct val *object, struct managed_wish *w)
{
	const struct val *spec = val_get(object, "spec");
	const struct val *notes = val_path(object, "metadata.annotations");
	const struct val *secret = val_get(spec, "masterUserPassword");
	const struct val *group = val_path(spec, "dbParameterGroupRef.from");
	struct strbuf text = { 0 };

	w->id = lower(a, val_get_str(spec, "dbInstanceIdentifier"));
	w->port = (uint16_t)val_int(val_get(spec, "port"), 3306);
	w->user = val_get_str(spec, "masterUsername");
	w->db_name = val_get_str(spec, "dbName");
	w->is_protected = val_bool(val_get(spec, "deletionProtection"), false);
	w->secret_name = val_get_str(secret, "name");
	w->secret_key = val_get_str(secret, "key");
	w->secret_ns = val_get_str(secret, "namespace");
	w->secret_ns = w->secret_ns.len ? w->secret_ns : w->ns;
	w->group_name = val_get_str(group, "name");
	w->group_ns = val_get_str(group, "namespace");
	w->group_ns = w->group_ns.len ? w->group_ns : w->ns;
	if (slice_is(val_get_str(notes, "rds.services.k8s.aws/skip-final-snapshot"), "false")) {
		w->snapshot =
			val_get_str(notes, "rds.services.k8s.aws/final-db-snapshot-identifier");
		if (!is_identifier(w->snapshot, 255)) {
			w->snapshot =
				slice_of(arena_printf(a, SLICE_FMT "-final", SLICE_ARG(w->id)));
		}
	}
	w->terminal = database_fault(a, spec, w);
	if (slice_is(val_get_str(spec, "engine"), "mysql")) {
		strbuf_adds(&text, "MariaDB stands in for MySQL: caching_sha2_password, "
		                   "utf8mb4_0900_ai_ci, binary JSON and SET PERSIST are missing; ");
	}
	strbuf_adds(&text,
	            "a new password in the Secret is taken over at once, on AWS only a changed "
	            "reference is; ");
	list_ignored(&text, spec, db_ignored, ARRAY_SIZE(db_ignored));
	w->advisory = steal(a, &text);
}

/* ---- caches ---- */

static const char *cache_fault(struct arena *a, const struct val *spec)
{
	struct slice engine = val_get_str(spec, "engine");

	if (engine.len == 0) {
		return "engine must be given: redis or valkey";
	}
	if (!slice_is(engine, "redis") && !slice_is(engine, "valkey")) {
		return arena_printf(
			a, "engine " SLICE_FMT " has no local equivalent: redis and valkey have",
			SLICE_ARG(engine));
	}
	if (!is_identifier(val_get_str(spec, "cacheClusterID"), 50)) {
		return "The parameter CacheClusterId is not a valid identifier: up to 50 letters, "
		       "digits "
		       "and single hyphens, a letter first";
	}
	if (val_int(val_get(spec, "numCacheNodes"), 1) != 1) {
		return "Cannot create a Redis cluster with a NumCacheNodes parameter greater than "
		       "1";
	}
	if (val_get(spec, "authToken")) {
		return "authToken belongs to a ReplicationGroup: a CacheCluster has no password";
	}
	if (val_get_str(spec, "replicationGroupID").len || val_get(spec, "replicationGroupRef") ||
	    val_get_str(spec, "snapshotName").len || val_get(spec, "snapshotRef") ||
	    val_len(val_get(spec, "snapshotARNs"))) {
		return "replication groups and snapshots have no local equivalent";
	}
	return NULL;
}

static void read_cache(struct arena *a, const struct val *object, struct managed_wish *w)
{
	const struct val *spec = val_get(object, "spec");
	struct strbuf text = { 0 };

	w->id = lower(a, val_get_str(spec, "cacheClusterID"));
	w->port = (uint16_t)val_int(val_get(spec, "port"), 6379);
	w->tls_only = val_bool(val_get(spec, "transitEncryptionEnabled"), false);
	w->terminal = cache_fault(a, spec);
	if (slice_is(val_get_str(spec, "engine"), "valkey")) {
		strbuf_adds(&text, "Redis stands in for Valkey; ");
	}
	list_ignored(&text, spec, cache_ignored, ARRAY_SIZE(cache_ignored));
	w->advisory = steal(a, &text);
}

void managed_wish_of(struct arena *a, enum managed_kind kind, const struct val *object,
                     struct managed_wish *ret)
{
	const struct val *meta = val_get(object, "metadata");
	struct slice policy =
		val_get_str(val_get(meta, "annotations"), "services.k8s.aws/deletion-policy");

	*ret = (struct managed_wish){
		.kind = kind,
		.ns = val_get_str(meta, "namespace"),
		.name = val_get_str(meta, "name"),
		.keeps_data = slice_is(policy, "retain"),
	};
	if (kind == MANAGED_DATABASE) {
		read_database(a, object, ret);
	} else {
		read_cache(a, object, ret);
	}
}

/* ---- names ---- */

/* n letters and digits that stand for the account, as names of the services have them. */
static void add_account_hash(struct strbuf *out, const char *instance, size_t n)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint64_t h = slice_hash(slice_of(instance)) | 1;

	for (size_t i = 0; i < n; i++) {
		h = h * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		strbuf_addc(out, alphabet[i ? h >> 59 : (h >> 59) % 26]);
	}
}

void managed_endpoint(struct strbuf *out, const struct managed_wish *w, const char *instance)
{
	strbuf_addf(out, SLICE_FMT ".", SLICE_ARG(w->id));
	if (w->kind == MANAGED_DATABASE) {
		add_account_hash(out, instance, 12);
		strbuf_adds(out, "." REGION ".rds.amazonaws.com");
	} else {
		add_account_hash(out, instance, 6);
		strbuf_adds(out, ".0001.use1.cache.amazonaws.com");
	}
}

void managed_arn(struct strbuf *out, const struct managed_wish *w)
{
	strbuf_addf(out, "arn:aws:%s:" REGION ":" ACCOUNT ":%s:" SLICE_FMT,
	            w->kind == MANAGED_DATABASE ? "rds" : "elasticache",
	            w->kind == MANAGED_DATABASE ? "db" : "cluster", SLICE_ARG(w->id));
}
