/* Why: bodies of typed clients, put together by hand, give the tree that their JSON would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parse.h"

/* ---- writing messages: each appends one field ---- */

static void add_varint(struct strbuf *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7) {
		strbuf_addc(out, (char)(v | 0x80));
	}
	strbuf_addc(out, (char)v);
}

static void add_int(struct strbuf *out, unsigned field, int64_t i)
{
	add_varint(out, field << 3);
	add_varint(out, (uint64_t)i);
}

static void add_text(struct strbuf *out, unsigned field, const char *text)
{
	add_varint(out, field << 3 | 2);
	add_varint(out, strlen(text));
	strbuf_adds(out, text);
}

/* Takes what inner holds. */
static void add_message(struct strbuf *out, unsigned field, struct strbuf *inner)
{
	add_varint(out, field << 3 | 2);
	add_varint(out, inner->size);
	strbuf_add_slice(out, strbuf_slice(inner));
	strbuf_reset(inner);
}

static void add_entry(struct strbuf *out, unsigned field, const char *key, const char *value)
{
	scoped_strbuf struct strbuf entry = { 0 };

	add_text(&entry, 1, key);
	add_text(&entry, 2, value);
	add_message(out, field, &entry);
}

static void check(const char *api_version, const char *kind, struct strbuf *raw, const char *want)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf envelope = { 0 };
	scoped_strbuf struct strbuf meta = { 0 };
	struct registry *r = registry_new();
	struct val *v = NULL;
	struct err err = { 0 };

	strbuf_add(&envelope, "k8s\0", 4);
	add_text(&meta, 1, api_version);
	add_text(&meta, 2, kind);
	add_message(&envelope, 1, &meta);
	add_message(&envelope, 2, raw);
	if (object_from_protobuf(r, &a, strbuf_slice(&envelope), &v, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	assert_json(v, want);
	registry_free(r);
}

/* ---- tests ---- */

static void leaves_out_zeros(void **state)
{
	scoped_strbuf struct strbuf raw = { 0 };
	scoped_strbuf struct strbuf part = { 0 };

	(void)state;
	add_text(&part, 1, "q1");
	add_text(&part, 2, ""); /* generateName */
	add_int(&part, 7, 0);   /* generation */
	add_text(&part, 8, ""); /* creationTimestamp: a zero time */
	add_message(&raw, 1, &part);
	add_message(&raw, 2, &part); /* spec */
	check("v1", "Namespace", &raw,
	      "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'q1'},'spec':{}}");
}

static void keeps_zeros_of_pointers(void **state)
{
	scoped_strbuf struct strbuf raw = { 0 };
	scoped_strbuf struct strbuf spec = { 0 };
	scoped_strbuf struct strbuf part = { 0 };
	scoped_strbuf struct strbuf rolling = { 0 };

	(void)state;
	add_int(&spec, 1, 0); /* replicas */
	add_entry(&part, 1, "a", "b");
	add_entry(&part, 1, "c", "");
	add_message(&spec, 2, &part); /* selector.matchLabels */
	add_int(&part, 1, 0);
	add_int(&part, 2, 0);
	add_text(&part, 3, "");
	add_message(&rolling, 1, &part); /* maxUnavailable: 0 */
	add_int(&part, 1, 1);
	add_int(&part, 2, 0);
	add_text(&part, 3, "25%");
	add_message(&rolling, 2, &part); /* maxSurge: "25%" */
	add_text(&part, 1, "RollingUpdate");
	add_message(&part, 2, &rolling);
	add_message(&spec, 4, &part);
	add_int(&spec, 5, 0); /* minReadySeconds: no pointer */
	add_message(&raw, 2, &spec);
	check("apps/v1", "Deployment", &raw,
	      "{'apiVersion':'apps/v1','kind':'Deployment','spec':{'replicas':0,"
	      "'selector':{'matchLabels':{'a':'b','c':''}},'strategy':{'type':'RollingUpdate',"
	      "'rollingUpdate':{'maxUnavailable':0,'maxSurge':'25%'}}}}");
}

static void reads_pods(void **state)
{
	scoped_strbuf struct strbuf raw = { 0 };
	scoped_strbuf struct strbuf spec = { 0 };
	scoped_strbuf struct strbuf part = { 0 };
	scoped_strbuf struct strbuf source = { 0 };
	scoped_strbuf struct strbuf container = { 0 };

	(void)state;
	add_text(&part, 1, "v"); /* volume: name, and the embedded source */
	add_message(&source, 2, &raw);
	add_message(&part, 2, &source);
	add_message(&spec, 1, &part);
	add_text(&container, 1, "c");
	add_text(&container, 3, ""); /* command: an empty word is a word */
	add_text(&container, 3, "x");
	add_text(&source, 1, "64Mi"); /* resources.limits.memory */
	add_text(&part, 1, "memory");
	add_message(&part, 2, &source);
	add_message(&source, 1, &part);
	add_message(&container, 8, &source);
	add_int(&part, 3, 80); /* port */
	add_text(&part, 4, "TCP");
	add_message(&container, 6, &part);
	add_message(&spec, 2, &container);
	add_int(&spec, 4, 0);  /* terminationGracePeriodSeconds: pointer */
	add_int(&spec, 11, 1); /* hostNetwork */
	add_message(&raw, 2, &spec);
	check("v1", "Pod", &raw,
	      "{'apiVersion':'v1','kind':'Pod','spec':{'volumes':[{'name':'v','emptyDir':{}}],"
	      "'containers':[{'name':'c','command':['','x'],'resources':{'limits':{'memory':'64Mi'}"
	      "},"
	      "'ports':[{'containerPort':80,'protocol':'TCP'}]}],"
	      "'terminationGracePeriodSeconds':0,'hostNetwork':true}}");
}

static void reads_times_and_bytes(void **state)
{
	scoped_strbuf struct strbuf raw = { 0 };
	scoped_strbuf struct strbuf part = { 0 };

	(void)state;
	add_entry(&raw, 2, "k", "v1");
	add_text(&raw, 3, "Opaque");
	check("v1", "Secret", &raw,
	      "{'apiVersion':'v1','kind':'Secret','data':{'k':'djE='},'type':'Opaque'}");
	strbuf_reset(&raw);
	add_int(&part, 1, 1700000000);
	add_int(&part, 2, 123456789);
	add_message(&raw, 6, &part); /* firstTimestamp */
	add_int(&part, 1, 1700000000);
	add_int(&part, 2, 123456789);
	add_message(&raw, 10, &part); /* eventTime */
	add_int(&raw, 8, 3);
	check("v1", "Event", &raw,
	      "{'apiVersion':'v1','kind':'Event','firstTimestamp':'2023-11-14T22:13:20Z',"
	      "'eventTime':'2023-11-14T22:13:20.123456Z','count':3}");
}

static void reads_lists_in_maps(void **state)
{
	scoped_strbuf struct strbuf raw = { 0 };
	scoped_strbuf struct strbuf spec = { 0 };
	scoped_strbuf struct strbuf part = { 0 };
	scoped_strbuf struct strbuf list = { 0 };

	(void)state;
	add_text(&spec, 3, "bob");
	add_text(&list, 1, "a");
	add_text(&list, 1, "");
	add_text(&part, 1, "scopes");
	add_message(&part, 2, &list);
	add_message(&spec, 5, &part);
	add_message(&raw, 2, &spec);
	check("authorization.k8s.io/v1", "SubjectAccessReview", &raw,
	      "{'apiVersion':'authorization.k8s.io/v1','kind':'SubjectAccessReview',"
	      "'spec':{'user':'bob','extra':{'scopes':['a','']}}}");
}

static void reads_packed_numbers_and_json(void **state)
{
	scoped_strbuf struct strbuf raw = { 0 };
	scoped_strbuf struct strbuf spec = { 0 };
	scoped_strbuf struct strbuf part = { 0 };

	(void)state;
	add_varint(&part, 4 << 3 | 2); /* supplementalGroups, packed */
	add_varint(&part, 3);
	add_varint(&part, 1);
	add_varint(&part, 300);
	add_int(&part, 4, 7); /* and once more alone */
	add_message(&spec, 14, &part);
	add_message(&raw, 2, &spec);
	check("v1", "Pod", &raw,
	      "{'apiVersion':'v1','kind':'Pod',"
	      "'spec':{'securityContext':{'supplementalGroups':[1,300,7]}}}");
	strbuf_reset(&raw);
	add_text(&part, 1, "{\"x\":[1]}");
	add_message(&raw, 2, &part);
	add_int(&raw, 3, 5);
	add_int(&raw, 99, 5); /* of a later version */
	check("apps/v1", "ControllerRevision", &raw,
	      "{'apiVersion':'apps/v1','kind':'ControllerRevision','data':{'x':[1]},'revision':5}");
}

static void refuses_broken_bytes(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} rows[] = {
		{ "", 0 },
		{ "k8s", 3 },
		{ "{}  ", 4 },
		{ "k8s\0\x0a", 5 },
		{ "k8s\0\x0a\xff\xff\xff\xff\x0f", 10 },
		{ "k8s\0\x0a\x07\x0a\x02v1\x12\x01X", 13 },
		{ "k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x02\x0a\x05", 19 },
		{ "k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x02\x08\x01",
		  19 }, /* metadata as a number */
	};
	struct registry *r = registry_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		scoped_arena struct arena a = { 0 };
		struct err err = { 0 };
		struct val *v;

		assert_int_equal(object_from_protobuf(r, &a,
		                                      (struct slice){ rows[i].bytes, rows[i].size },
		                                      &v, &err),
		                 -ERR_SYNTAX);
	}
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_out_zeros),
		cmocka_unit_test(keeps_zeros_of_pointers),
		cmocka_unit_test(reads_pods),
		cmocka_unit_test(reads_times_and_bytes),
		cmocka_unit_test(reads_lists_in_maps),
		cmocka_unit_test(reads_packed_numbers_and_json),
		cmocka_unit_test(refuses_broken_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
