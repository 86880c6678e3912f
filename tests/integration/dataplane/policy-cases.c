/* Why: NetworkPolicy as its specification has it, case by case: what a case makes and which pods then reach which stands
 * in the files of cases/, and is held against packets. The expectation is data, made without the model.
 *
 * Namespaces x, y, z with labels ns=NAME, pods a, b, c in each with labels pod=NAME. Every pod serves TCP and UDP 80
 * and 81, named serve-80-tcp and so on, SCTP likewise, and nothing on 82; "web" is 80 in pods a, 81 in pods b. After each step all pairs are probed with all
 * three protocols at all three ports.
 *
 *     cases:
 *     - name: what it shows
 *       steps:
 *       - namespaces: {y: {ns: y, new: label}}     labels; null: gone
 *         pods: {x/d: {pod: d}}                    likewise
 *         policies: {x/name: SPEC}                 likewise
 *         expect:
 *         - x/a > *: no                            sources > destinations [PROTO[/PORT]]: yes or no
 *         - "* > [yz]/b tcp/80: yes"               later lines win; what no line names is admitted
 *
 *     test-dataplane-policy-cases FILE...
 *     test-dataplane-policy-cases --json FILE...      the cases as JSON, for other drivers
 *
 * Sources and destinations are patterns as of a shell, several with blanks between. A pod always reaches itself. */
#include "probes.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "codec/json.h"
#include "codec/yaml.h"

#define PORTS     3
#define PROTOS    3
#define FILE_MAX  (1 << 20)
#define PODS_MAX  16
#define TABLE_MAX (PODS_MAX * PODS_MAX * PORTS * PROTOS)

static const enum proto protos[PROTOS] = { PROTO_TCP, PROTO_UDP, PROTO_SCTP };
static const char *const proto_names[PROTOS] = { "tcp", "udp", "sctp" };
static const uint16_t ports[PORTS] = { 80, 81, 82 };

struct box {           /* a pod */
	char name[16]; /* "x/a" */
	struct ip ip;
};

static struct {
	struct world *w;
	struct probes *probes;
	struct box pods[PODS_MAX];
	size_t n_pods;
	VEC(char *) policies; /* that the case made, "x/name" */
	struct arena arena;   /* of the files */
	VEC(struct CMUnitTest) tests;
} world;

/* ---- objects ---- */

static void split(const char *name, struct slice *ns, struct slice *own)
{
	if (!slice_cut(slice_of(name), '/', ns, own)) {
		fail_msg("%s: not NAMESPACE/NAME", name);
	}
}

static const char *as_json(const struct val *v)
{
	static struct strbuf text;

	strbuf_reset(&text);
	json_write(&text, v);
	return strbuf_str(&text);
}

static void put_namespace(const char *name, const char *labels)
{
	world_put(world.w, "{apiVersion: v1, kind: Namespace, metadata: {name: '%s', labels: %s}}",
	          name, labels);
}

/* A named port that is another number in every pod. */
static const char *web_port(struct slice pod)
{
	return slice_is(pod, "a")   ? ", {name: web, containerPort: 80}"
	       : slice_is(pod, "b") ? ", {name: web, containerPort: 81}"
	                            : "";
}

static void put_labelled_pod(const struct box *box, const char *labels)
{
	char ip[IP_TEXT_SIZE];
	struct slice ns, name;

	split(box->name, &ns, &name);
	ip_format(box->ip, ip);
	world_put(
		world.w,
		"apiVersion: v1\nkind: Pod\n"
		"metadata: {name: " SLICE_FMT ", namespace: '" SLICE_FMT "', uid: uid-" SLICE_FMT
		"-" SLICE_FMT ", labels: %s}\n"
		"spec: {nodeName: node-1, containers: [{name: main, ports: ["
		"{name: serve-80-tcp, containerPort: 80}, {name: serve-81-tcp, containerPort: 81}, "
		"{name: serve-80-udp, containerPort: 80, protocol: UDP}, "
		"{name: serve-81-udp, containerPort: 81, protocol: UDP}, "
		"{name: serve-80-sctp, containerPort: 80, protocol: SCTP}, "
		"{name: serve-81-sctp, containerPort: 81, protocol: SCTP}%s]}]}\n"
		"status: {phase: Running, podIP: %s, podIPs: [{ip: %s}]}\n",
		SLICE_ARG(name), SLICE_ARG(ns), SLICE_ARG(ns), SLICE_ARG(name), labels,
		web_port(name), ip, ip);
}

/* x has 10.244.0.16/28, y the next, z the next; whoever comes later 10.244.0.64 and on. */
static void add_box(const char *name, const char *labels)
{
	struct box *box = &world.pods[world.n_pods];
	char ip[IP_TEXT_SIZE], ns[8], own[8];
	unsigned at;

	assert_true(world.n_pods < PODS_MAX);
	at = world.n_pods < 9
	             ? (unsigned)(world.n_pods / 3 + 1) * 16 + (unsigned)world.n_pods % 3 + 1
	             : 64 + (unsigned)world.n_pods;
	snprintf(box->name, sizeof(box->name), "%s", name);
	snprintf(ip, sizeof(ip), "10.244.0.%u", at);
	box->ip = ip_of(ip);
	world.n_pods++;
	put_labelled_pod(box, labels);
	assert_int_equal(sscanf(name, "%7[^/]/%7s", ns, own), 2);
	probes_add_place(world.probes, box->ip, attach_pod(world.w, ns, own, ip));
}

static void remove_last_box(void)
{
	struct box *box = &world.pods[--world.n_pods];
	char ns[8], own[8];

	assert_int_equal(sscanf(box->name, "%7[^/]/%7s", ns, own), 2);
	probes_remove_place(world.probes, box->ip);
	remove_pod(world.w, ns, own);
}

static struct box *find_box(const char *name)
{
	for (size_t i = 0; i < world.n_pods; i++) {
		if (strcmp(world.pods[i].name, name) == 0) {
			return &world.pods[i];
		}
	}
	return NULL;
}

/* ---- steps ---- */

static void remove_policy(const char *name)
{
	struct slice ns, own;

	split(name, &ns, &own);
	world_remove(world.w,
	             "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: "
	             "{name: " SLICE_FMT ", namespace: '" SLICE_FMT "'}}",
	             SLICE_ARG(own), SLICE_ARG(ns));
}

static void step_policies(const struct val *step)
{
	val_for_each (val_get(step, "policies"), it) {
		struct slice ns, own;

		if (val_is_null(it)) {
			remove_policy(it->key.p);
			continue;
		}
		split(it->key.p, &ns, &own);
		world_put(world.w,
		          "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: "
		          "{name: " SLICE_FMT ", namespace: '" SLICE_FMT "'}, spec: %s}",
		          SLICE_ARG(own), SLICE_ARG(ns), as_json(it));
		vec_push(&world.policies, slice_dup(it->key));
	}
}

static void step_namespaces(const struct val *step)
{
	val_for_each (val_get(step, "namespaces"), it) {
		if (val_is_null(it)) {
			world_remove(world.w,
			             "{apiVersion: v1, kind: Namespace, metadata: {name: '%s'}}",
			             it->key.p);
		} else {
			put_namespace(it->key.p, as_json(it));
		}
	}
}

static void step_pods(const struct val *step)
{
	val_for_each (val_get(step, "pods"), it) {
		struct box *box = find_box(it->key.p);

		if (val_is_null(it)) {
			assert_ptr_equal(
				box,
				&world.pods[world.n_pods - 1]); /* the last to come goes first */
			remove_last_box();
		} else if (box) {
			put_labelled_pod(box, as_json(it));
		} else {
			add_box(it->key.p, as_json(it));
		}
	}
}

static void reset(void)
{
	for (size_t i = 0; i < world.policies.n; i++) {
		remove_policy(world.policies.at[i]);
		free(world.policies.at[i]);
	}
	vec_clear(&world.policies);
	while (world.n_pods > 9) {
		remove_last_box();
	}
	for (int i = 0; i < 3; i++) {
		char name[2] = { (char)('x' + i) }, labels[64];

		snprintf(labels, sizeof(labels), "{ns: '%s', kubernetes.io/metadata.name: '%s'}",
		         name, name);
		put_namespace(name, labels);
	}
	for (size_t i = 0; i < world.n_pods; i++) {
		char labels[16];

		snprintf(labels, sizeof(labels), "{pod: %c}", world.pods[i].name[2]);
		put_labelled_pod(&world.pods[i], labels);
	}
	world_sync(world.w);
}

/* ---- expectations ---- */

static bool expected[PODS_MAX][PODS_MAX][PROTOS][PORTS];

static bool is_named(struct slice patterns, const char *name)
{
	struct slice one;

	while (slice_next(&patterns, ' ', &one)) {
		char pattern[32];

		snprintf(pattern, sizeof(pattern), SLICE_FMT, SLICE_ARG(one));
		if (*pattern && fnmatch(pattern, name, 0) == 0) {
			return true;
		}
	}
	return false;
}

/* The last word of a line's right side, when it says which protocol and port. */
static void cut_ports(struct slice *dst, bool which[PROTOS][PORTS])
{
	size_t at = dst->len;
	struct slice word, proto, port = { 0 };
	bool any = false;

	while (at > 0 && dst->p[at - 1] != ' ') {
		at--;
	}
	word = slice_from(*dst, at);
	if (!slice_cut(word, '/', &proto, &port)) {
		proto = word;
	}
	for (int k = 0; k < PROTOS; k++) {
		bool this = slice_is(proto, proto_names[k]);

		any |= this;
		for (int i = 0; i < PORTS; i++) {
			char number[8];

			snprintf(number, sizeof(number), "%u", ports[i]);
			which[k][i] = this && (port.len == 0 || slice_is(port, number));
		}
	}
	if (any) {
		dst->len = at ? at - 1 : 0;
		return;
	}
	for (int k = 0; k < PROTOS; k++) {
		for (int i = 0; i < PORTS; i++) {
			which[k][i] = true;
		}
	}
}

static void apply_line(struct slice line, bool yes)
{
	struct slice src, dst;
	bool which[PROTOS][PORTS];
	size_t hits = 0;

	if (!slice_cut(line, '>', &src, &dst)) {
		fail_msg(SLICE_FMT ": not SOURCES > DESTINATIONS", SLICE_ARG(line));
	}
	cut_ports(&dst, which);
	for (size_t i = 0; i < world.n_pods; i++) {
		for (size_t k = 0; k < world.n_pods; k++) {
			if (!is_named(src, world.pods[i].name) ||
			    !is_named(dst, world.pods[k].name)) {
				continue;
			}
			for (int c = 0; c < PROTOS * PORTS; c++) {
				if (which[c / PORTS][c % PORTS]) {
					expected[i][k][c / PORTS][c % PORTS] = yes;
					hits++;
				}
			}
		}
	}
	if (!hits) {
		fail_msg(SLICE_FMT ": names nothing", SLICE_ARG(line));
	}
}

static void apply_expectation(const struct val *v)
{
	val_for_each (v, it) {
		if (it->type == VAL_ARRAY || it->type == VAL_OBJECT) {
			apply_expectation(it);
		} else {
			struct slice word = val_str(it);
			bool yes = it->type == VAL_BOOL ? it->b : slice_is(word, "yes");

			if (it->type != VAL_BOOL && !yes && !slice_is(word, "no")) {
				fail_msg("%s: yes or no", it->key.p);
			}
			apply_line(it->key, yes);
		}
	}
}

/* ---- packets ---- */

static struct probe table[TABLE_MAX];

static struct probe *cell(size_t src, size_t dst, int proto, int port)
{
	return &table[((src * world.n_pods + dst) * PROTOS + (size_t)proto) * PORTS + (size_t)port];
}

static size_t fill_table(void)
{
	for (size_t i = 0; i < world.n_pods * world.n_pods * PROTOS * PORTS; i++) {
		size_t pair = i / (PROTOS * PORTS);

		table[i] = PROBE_NEW;
		table[i].src = world.pods[pair / world.n_pods].ip;
		table[i].dst = world.pods[pair % world.n_pods].ip;
		table[i].proto = protos[i / PORTS % PROTOS];
		table[i].port = ports[i % PORTS];
	}
	return world.n_pods * world.n_pods * PROTOS * PORTS;
}

static char mark_of(size_t src, size_t dst, int proto, int port)
{
	enum probe_outcome o = cell(src, dst, proto, port)->outcome;

	return o == PROBE_ARRIVED ? '.' : o == PROBE_DROPPED ? 'X' : '?';
}

static void print_table(int proto, int port)
{
	print_error("%s/%u (. admitted, X dropped, ! not as expected)\n     ", proto_names[proto],
	            ports[port]);
	for (size_t k = 0; k < world.n_pods; k++) {
		print_error(" %4s", world.pods[k].name);
	}
	for (size_t i = 0; i < world.n_pods; i++) {
		print_error("\n%-5s", world.pods[i].name);
		for (size_t k = 0; k < world.n_pods; k++) {
			char mark = mark_of(i, k, proto, port);

			print_error(" %3c%c", mark,
			            mark == (expected[i][k][proto][port] ? '.' : 'X') ? ' ' : '!');
		}
	}
	print_error("\n");
}

static bool is_as_expected(int proto, int port)
{
	bool fine = true;

	for (size_t i = 0; i < world.n_pods; i++) {
		for (size_t k = 0; k < world.n_pods; k++) {
			expected[i][k][proto][port] |= i == k;
			fine &= mark_of(i, k, proto, port) ==
			        (expected[i][k][proto][port] ? '.' : 'X');
		}
	}
	return fine;
}

static void check_step(const struct val *the_case, const struct val *step, size_t number)
{
	size_t wrong = 0;

	memset(expected, 1, sizeof(expected));
	apply_expectation(val_get(step, "expect"));
	probes_run(world.probes, table, fill_table());
	for (int c = 0; c < PROTOS * PORTS; c++) {
		if (!is_as_expected(c / PORTS, c % PORTS)) {
			wrong++;
			print_table(c / PORTS, c % PORTS);
		}
	}
	if (wrong) {
		fail_msg("%s, step %zu: %zu tables differ", val_cstr(val_get(the_case, "name")),
		         number, wrong);
	}
}

static void run_case(void **state)
{
	const struct val *the_case = *state;
	size_t number = 0;

	val_for_each (val_get(the_case, "steps"), step) {
		step_namespaces(step);
		step_pods(step);
		step_policies(step);
		world_sync(world.w);
		check_step(the_case, step, ++number);
	}
	assert_true(number > 0);
}

/* ---- files ---- */

static int setup(void **state)
{
	(void)state;
	world.w = world_new();
	world.probes = probes_new(world.w);
	for (int i = 0; i < 3; i++) {
		char name[2] = { (char)('x' + i) }, labels[64];

		snprintf(labels, sizeof(labels), "{ns: '%s', kubernetes.io/metadata.name: '%s'}",
		         name, name);
		put_namespace(name, labels);
	}
	for (int i = 0; i < 9; i++) {
		char name[8], labels[16];

		snprintf(name, sizeof(name), "%c/%c", 'x' + i / 3, 'a' + i % 3);
		snprintf(labels, sizeof(labels), "{pod: %c}", 'a' + i % 3);
		add_box(name, labels);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	probes_free(world.probes);
	world_free(world.w);
	vec_fini(&world.policies);
	return 0;
}

static int reset_case(void **state)
{
	(void)state;
	reset();
	return 0;
}

static void read_cases(const char *path)
{
	scoped_strbuf struct strbuf text = { 0 };
	scoped_file FILE *f = fopen(path, "re");
	struct val *root;
	struct err err = { 0 };
	char *room = strbuf_reserve(&text, FILE_MAX);

	if (!f) {
		perror(path);
		exit(1);
	}
	strbuf_added(&text, fread(room, 1, FILE_MAX, f));
	if (yaml_parse(&world.arena, strbuf_slice(&text), &root, &err) < 0) {
		print_error("%s: %s\n", path, err.msg);
		exit(1);
	}
	val_for_each (val_get(root, "cases"), it) {
		vec_push(&world.tests, ((struct CMUnitTest){
					       .name = val_cstr(val_get(it, "name")),
					       .test_func = run_case,
					       .teardown_func = reset_case,
					       .initial_state = (void *)(uintptr_t)it,
				       }));
	}
}

static void print_cases(void)
{
	for (size_t i = 0; i < world.tests.n; i++) {
		printf("%s%s", i ? ",\n" : "[", as_json(world.tests.at[i].initial_state));
	}
	printf("]\n");
}

int main(int argc, char **argv)
{
	bool as_text = argc > 1 && strcmp(argv[1], "--json") == 0;
	int failed;

	for (int i = as_text ? 2 : 1; i < argc; i++) {
		read_cases(argv[i]);
	}
	if (as_text) {
		print_cases();
		return 0;
	}
	failed = _cmocka_run_group_tests("policy cases", world.tests.at, world.tests.n, setup,
	                                 teardown);
	vec_fini(&world.tests);
	arena_fini(&world.arena);
	return failed;
}
