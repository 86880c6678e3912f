/* Why: CDN, the part about names: aliases, their certificate, and records that lead to a distribution. */
#include "analyse/check-cdn.h"
#include "analyse/cloud.h"
#include "analyse/distribution.h"

/* ---- CDN010: aliases ---- */

static bool covers_name(const struct object *certificate, struct slice host)
{
	const struct val *spec = object_spec(certificate);
	struct slice head, tail, own;

	(void)slice_cut(host, '.', &head, &tail);
	own = val_get_str(spec, "domainName");
	if (slice_eq_nocase(own, host) ||
	    (slice_has_prefix(own, SLICE("*.")) && slice_eq_nocase(slice_from(own, 2), tail))) {
		return true;
	}
	val_for_each (val_get(spec, "subjectAlternativeNames"), n) {
		own = val_str(n);
		if (slice_eq_nocase(own, host) || (slice_has_prefix(own, SLICE("*.")) &&
		                                   slice_eq_nocase(slice_from(own, 2), tail))) {
			return true;
		}
	}
	return false;
}

static void alias_certificate(struct check *c, const struct object *dist)
{
	const struct val *viewer = val_get(distribution_config(dist), "viewerCertificate");
	const struct object *certificate = cloud_ref(
		c->subject, dist, val_get(viewer, "acmCertificateRef"), OBJECT_ACMCERTIFICATE);
	bool own = val_bool(val_get(viewer, "cloudFrontDefaultCertificate"), false) || !viewer;

	val_for_each (val_path(distribution_config(dist), "aliases.items"), a) {
		struct finding *f;

		if (own) {
			f = check_found(c, dist, a,
			                "Distribution " SLICE_FMT " has the alias " SLICE_FMT
			                " and no certificate but that of CloudFront.",
			                SLICE_ARG(dist->name), SLICE_ARG(val_str(a)));
			finding_repair(
				c, f,
				"Set viewerCertificate.acmCertificateRef to a certificate for it.");
			return;
		}
		/* an imported certificate says its names inside */
		if (certificate && val_get(object_spec(certificate), "domainName") &&
		    !covers_name(certificate, val_str(a))) {
			f = check_found(c, certificate,
			                val_get(object_spec(certificate), "domainName"),
			                "The certificate of Distribution " SLICE_FMT
			                " does not cover its alias " SLICE_FMT ".",
			                SLICE_ARG(dist->name), SLICE_ARG(val_str(a)));
			finding_shows(c, f, dist, a, "the alias.");
			finding_repair(c, f, "Add " SLICE_FMT " to subjectAlternativeNames.",
			               SLICE_ARG(val_str(a)));
		}
	}
}

/* The full name of a record: relative to its zone unless it ends with a dot. Empty when the zone is not known. */
static void record_name(const struct subject *s, const struct object *record, struct strbuf *out)
{
	const struct val *spec = object_spec(record);
	const struct object *zone =
		cloud_ref(s, record, val_get(spec, "hostedZoneRef"), OBJECT_HOSTEDZONE);
	struct slice name = val_get_str(spec, "name"),
		     apex = zone ? val_get_str(object_spec(zone), "name") : (struct slice){ "", 0 };

	if (name.len && name.p[name.len - 1] == '.') {
		strbuf_add(out, name.p, name.len - 1);
		return;
	}
	if (!apex.len) {
		return;
	}
	strbuf_add_slice(out, name);
	strbuf_adds(out, name.len ? "." : "");
	strbuf_add(out, apex.p, apex.len - (apex.p[apex.len - 1] == '.'));
}

static bool leads_to_cdn(const struct val *spec)
{
	if (strstr(val_cstr(val_path(spec, "aliasTarget.dnsName")), ".cloudfront.net")) {
		return true;
	}
	val_for_each (slice_is(val_get_str(spec, "recordType"), "CNAME")
	                      ? val_get(spec, "resourceRecords")
	                      : NULL,
	              r) {
		if (strstr(val_cstr(val_get(r, "value")), ".cloudfront.net")) {
			return true;
		}
	}
	return false;
}

static void record_has_alias(struct check *c, const struct object *record)
{
	scoped_strbuf struct strbuf name = { 0 };
	const struct object *some = NULL;
	struct finding *f;

	record_name(c->subject, record, &name);
	if (!name.size || !leads_to_cdn(object_spec(record))) {
		return;
	}
	object_each(c->subject, OBJECT_DISTRIBUTION, dist)
	{
		if (distribution_has_alias(dist, strbuf_slice(&name))) {
			return;
		}
		some = dist;
	}
	if (!some) {
		return;
	}
	f = check_found(c, record,
	                val_get(object_spec(record), "name")
	                        ? val_get(object_spec(record), "name")
	                        : val_get(object_spec(record), "recordType"),
	                "RecordSet " SLICE_FMT
	                " sends %s to CloudFront, and no distribution has this alias.",
	                SLICE_ARG(record->name), strbuf_str(&name));
	val_for_each (val_path(distribution_config(some), "aliases.items"), a) {
		finding_shows(c, f, some, a, "an alias.");
	}
	finding_repair(c, f, "Add %s to aliases and to the certificate%s.", strbuf_str(&name),
	               slice_find(val_get_str(object_spec(record), "name"), '.') >= 0
	                       ? ", or write the record's name with a final dot (without one it is "
	                         "relative to the zone)"
	                       : "");
}

void cdn010(struct check *c)
{
	written_each(c->subject, OBJECT_DISTRIBUTION, dist)
	{
		alias_certificate(c, dist);
	}
	written_each(c->subject, OBJECT_RECORDSET, record)
	{
		record_has_alias(c, record);
	}
}
