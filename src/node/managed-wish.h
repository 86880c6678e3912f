/* What: what a DBInstance or CacheCluster asks for, as values, and what is wrong with it. Pure.
 * cloud-kinds.md sections 3, 5, 6, 11, 12. */
#pragma once

#include "base/ip.h"
#include "codec/value.h"

enum managed_kind { MANAGED_DATABASE, MANAGED_CACHE };
enum { MANAGED_KINDS = 2 };

struct managed_kind_info {
	const char *kind;        /* "DBInstance" */
	const char *api_version; /* "rds.services.k8s.aws/v1alpha1" */
	const char *plural;      /* "dbinstances" */
	const char *folder;      /* in H/managed: "mysql" */
	const char *finalizer;
	const char *status_key; /* of its state's name in status */
	int64_t grace_us;       /* from SIGTERM to SIGKILL */
};
const struct managed_kind_info *managed_kind_info(enum managed_kind k);

struct managed_wish {
	enum managed_kind kind;
	struct slice ns, name; /* of the object */
	struct slice id;       /* dbInstanceIdentifier, cacheClusterID */
	uint16_t port;
	bool tls_only;              /* a cache with transitEncryptionEnabled */
	bool is_protected;          /* deletionProtection */
	bool keeps_data;            /* deletion policy retain */
	struct slice snapshot;      /* name of the copy to keep at deletion; empty: none */
	struct slice user, db_name; /* databases; db_name may be empty */
	struct slice secret_ns, secret_name, secret_key; /* databases: of the password */
	struct slice group_ns, group_name;               /* parameter group object; empty: none */
	const char *terminal; /* sentence why it cannot be; null: it can */
	const char *advisory; /* sentence what is not as on AWS; null: nothing */
};

/* Reads the object; texts point into it or are made in a. Never fails: terminal says it. */
void managed_wish_of(struct arena *a, enum managed_kind kind, const struct val *object,
                     struct managed_wish *ret);
/* Null when it may be a password of the service, else the sentence. */
const char *managed_password_fault(struct slice password);
/* The name under which clients reach it, appended: "<id>.<hash>.us-east-1.rds.amazonaws.com". The
 * hash stands for account and region and is the same in one instance of kennel. */
void managed_endpoint(struct strbuf *out, const struct managed_wish *w, const char *instance);
void managed_arn(struct strbuf *out, const struct managed_wish *w);
