/* Why: `kennel status`: what runs, in a few lines or as JSON. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/caller.h"
#include "cli/command.h"
#include "codec/json.h"

static const struct cli_option options[] = {
	{ "output", 'o', "FORMAT", "text (default) or json" },
	{ 0 },
};

struct tally {
	size_t pods, ready;
};

static struct tally count_pods(const struct val *list)
{
	struct tally t = { 0 };

	val_for_each (val_get(list, "items"), pod) {
		t.pods++;
		val_for_each (val_path(pod, "status.conditions"), c) {
			if (slice_is(val_get_str(c, "type"), "Ready") &&
			    slice_is(val_get_str(c, "status"), "True")) {
				t.ready++;
			}
		}
	}
	return t;
}

static int ask_pods(const struct cli_instance *i, struct tally *ret, struct err *err)
{
	scoped_free char *kubeconfig = mem_printf("%s/kubeconfig", i->home);
	scoped_doc struct doc *pods = NULL;
	struct caller caller;
	int r = caller_open(&caller, kubeconfig, err);

	if (r < 0) {
		return r;
	}
	r = caller_ask(&caller, "GET", "/api/v1/pods", NULL, NULL, &pods, err);
	if (r == 0) {
		*ret = count_pods(pods->root);
	}
	caller_close(&caller);
	return r;
}

static void print_text(const struct cli_instance *i, const struct val *status,
                       const struct tally *t, const struct err *pods_err)
{
	printf("instance  %s\nhome      %s\napi       https://127.0.0.1:%lld\nedge      %s\n",
	       i->name, i->home, (long long)val_int(val_get(status, "apiPort"), 0),
	       val_cstr(val_get(status, "edgeAddress")));
	if (val_get(status, "serviceDataplane")) {
		const char *why = val_cstr(val_get(status, "serviceDataplaneReason"));

		printf("services  %s%s%s%s\n", val_cstr(val_get(status, "serviceDataplane")),
		       *why ? " (" : "", why, *why ? ")" : "");
	}
	if (pods_err) {
		printf("pods      unknown: %s\n", pods_err->msg);
	} else {
		printf("pods      %zu of %zu ready\n", t->ready, t->pods);
	}
	printf("\n%-8s %-10s %8s %9s %10s\n", "ROLE", "STATE", "PID", "RESTARTS", "SECONDS");
	val_for_each (val_get(status, "roles"), role) {
		printf("%-8s %-10s %8lld %9lld %10lld\n", val_cstr(val_get(role, "name")),
		       val_cstr(val_get(role, "state")),
		       (long long)val_int(val_get(role, "pid"), 0),
		       (long long)val_int(val_get(role, "restarts"), 0),
		       (long long)val_int(val_get(role, "seconds"), 0));
	}
}

static int run(const struct cli_command *c, const struct cli_parsed *p, const struct cli_ops *ops)
{
	const char *format = cli_value(p, "output", "text");
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 }, out = { 0 };
	struct cli_instance instance = { 0 };
	struct val *status = NULL;
	struct tally tally = { 0 };
	struct err err = { 0 }, pods_err = { 0 };
	bool pods_known;
	int exit_status = 0;

	(void)c;
	if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0) {
		(void)err_raise(&err, ERR_USAGE, "-o %s: text or json", format);
		return cli_fail(&err);
	}
	if (cli_instance_of(p, &instance, &err) < 0) {
		return cli_fail(&err);
	}
	if (ops->status(&instance, &text, &err) < 0 ||
	    json_parse(&a, strbuf_slice(&text), 0, &status, &err) < 0) {
		(void)cli_fail(&err);
		cli_instance_fini(&instance);
		return 1; /* the answer is no: it does not run */
	}
	pods_known = ask_pods(&instance, &tally, &pods_err) == 0;
	val_for_each (val_get(status, "roles"), role) {
		exit_status |= !slice_is(val_get_str(role, "state"), "RUNNING");
	}
	if (strcmp(format, "json") == 0) {
		val_remove(status, "ok");
		if (pods_known) {
			struct val *pods = val_set(&a, status, "pods", val_new_object(&a));

			val_set_int(&a, pods, "total", (int64_t)tally.pods);
			val_set_int(&a, pods, "ready", (int64_t)tally.ready);
		}
		json_write_pretty(&out, status);
		printf("%s\n", strbuf_str(&out));
	} else {
		print_text(&instance, status, &tally, pods_known ? NULL : &pods_err);
	}
	cli_instance_fini(&instance);
	return exit_status | !pods_known;
}

const struct cli_command cli_status = {
	.name = "status",
	.words = "",
	.summary = "Say what runs in an instance",
	.options = options,
	.takes_instance = true,
	.run = run,
};
