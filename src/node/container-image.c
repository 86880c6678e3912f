/* Why: which image a container runs, whether it has to be fetched first, and what the image says of
 * users and signals. kubernetes-api.md sections 8.2 and 8.9. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "node/file.h"
#include "node/image-name.h"
#include "node/pod-priv.h"
#include "node/user.h"

static const char *policy_of(const struct container *c, const struct image_name *name)
{
	struct slice s = val_get_str(c->facts.spec, "imagePullPolicy");

	if (s.len > 0) {
		return slice_is(s, "Always")  ? "Always"
		       : slice_is(s, "Never") ? "Never"
		                              : "IfNotPresent";
	}
	return image_name_is_latest(name) ? "Always" : "IfNotPresent";
}

static void on_pulled(void *arg, const struct err *why, int64_t took_us)
{
	struct container *c = arg;
	struct slice image = val_get_str(c->facts.spec, "image");
	struct image found;

	c->pull = NULL;
	c->facts.is_busy = false;
	if (!why) {
		bool here = image_store_find(c->pod->pods->agent->images, image, &found, NULL) == 1;

		c->image_is_fetched = true;
		backoff_reset(&c->pull_backoff);
		pod_event(c->pod, c, "Normal", "Pulled",
		          "Successfully pulled image \"" SLICE_FMT
		          "\" in %.3gs (%.3gs including waiting). Image size: %lld "
		          "bytes.",
		          SLICE_ARG(image), (double)took_us / 1e6, (double)took_us / 1e6,
		          here ? (long long)found.size : 0LL);
	} else {
		scoped_free char *message = mem_printf("failed to pull image \"" SLICE_FMT "\": %s",
		                                       SLICE_ARG(image), why->msg);

		pod_event(c->pod, c, "Warning", "Failed",
		          "Failed to pull image \"" SLICE_FMT "\": %s", SLICE_ARG(image), why->msg);
		pod_event(c->pod, c, "Warning", "Failed", "Error: ErrImagePull");
		container_wait(c, "ErrImagePull", message);
		c->pull_again_us = loop_now_us(c->pod->pods->agent->loop) +
		                   backoff_next_us(&c->pull_backoff, 0);
		c->facts.restart_at_us = loop_now_us(c->pod->pods->agent->loop) +
		                         2 * US_PER_S; /* then: back-off is said */
	}
	pod_look(c->pod);
}

/* {"auths": {...}} of all imagePullSecrets; null: none. Secrets that are missing are left out, as
 * the kubelet does. */
static struct val *pull_auth(struct arena *a, const struct container *c)
{
	struct pod *p = c->pod;
	struct val *out = val_new_object(a), *auths = val_need_object(a, out, "auths");

	val_for_each (val_path(pod_val(p), "spec.imagePullSecrets"), it) {
		const struct val *secret = objects_find(p->pods->objects, "Secret", slice_of(p->ns),
		                                        val_get_str(it, "name"));
		scoped_strbuf struct strbuf text = { 0 };
		struct val *config;

		if (!base64_decode(&text,
		                   val_get_str(val_get(secret, "data"), ".dockerconfigjson")) ||
		    json_parse(a, arena_slice(a, strbuf_slice(&text)), 0, &config, NULL) < 0) {
			continue;
		}
		val_for_each (val_get(config, "auths"), auth) {
			val_set_slice(a, auths, auth->key, val_copy(a, auth));
		}
	}
	return val_len(auths) ? out : NULL;
}

static void pull(struct container *c, struct slice image)
{
	struct agent *agent = c->pod->pods->agent;
	scoped_arena struct arena a = { 0 };

	if (c->pull_again_us > loop_now_us(agent->loop)) {
		scoped_free char *message =
			mem_printf("Back-off pulling image \"" SLICE_FMT "\"", SLICE_ARG(image));

		if (!c->facts.reason || strcmp(c->facts.reason, "ImagePullBackOff") != 0) {
			pod_event(c->pod, c, "Normal", "BackOff", "%s", message);
			pod_event(c->pod, c, "Warning", "Failed", "Error: ImagePullBackOff");
		}
		container_wait(c, "ImagePullBackOff", message);
		c->facts.restart_at_us = c->pull_again_us;
		return;
	}
	pod_event(c->pod, c, "Normal", "Pulling", "Pulling image \"" SLICE_FMT "\"",
	          SLICE_ARG(image));
	c->facts.is_busy = true;
	c->pull = pulls_start(c->pod->pods->pulls, image, pull_auth(&a, c), on_pulled, c);
}

/* True: *ret is the image to run. False: it is being fetched, or cannot be had; the facts say so.
 */
bool container_get_image(struct container *c, struct image *ret)
{
	struct agent *agent = c->pod->pods->agent;
	struct slice text = val_get_str(c->facts.spec, "image");
	struct image_name name;
	struct err err = { 0 };
	const char *policy;
	int r = image_name_parse(text, &name, &err);

	if (r < 0) {
		scoped_free char *message =
			mem_printf("Failed to apply default image tag \"" SLICE_FMT "\": %s",
		                   SLICE_ARG(text), err.msg);

		container_refuse(c, "InvalidImageName", message);
		return false;
	}
	policy = policy_of(c, &name);
	r = image_store_find(agent->images, text, ret, &err);
	if (r < 0) {
		container_refuse(c, "ErrImagePull", err.msg);
		return false;
	}
	/* Loaded by hand or built in: what is here by a local name satisfies every policy. */
	if (r == 1 && (c->image_is_fetched || strcmp(policy, "Always") != 0 ||
	               !image_store_was_pulled(agent->images, text))) {
		if (!c->image_is_fetched) {
			pod_event(c->pod, c, "Normal", "Pulled",
			          "Container image \"" SLICE_FMT "\" already present on machine",
			          SLICE_ARG(text));
		}
		return true;
	}
	if (r == 0 && strcmp(policy, "Never") == 0) {
		scoped_free char *message =
			mem_printf("Container image \"" SLICE_FMT
		                   "\" is not present with pull policy of Never",
		                   SLICE_ARG(text));

		if (!c->facts.reason || strcmp(c->facts.reason, "ErrImageNeverPull") != 0) {
			pod_event(c->pod, c, "Warning", "ErrImageNeverPull", "%s", message);
		}
		container_refuse(c, "ErrImageNeverPull", message);
		return false;
	}
	pull(c, text);
	return false;
}

/* ---- user ---- */

static const struct val *security(const struct container *c, const char *key)
{
	const struct val *v = val_get(val_get(c->facts.spec, "securityContext"), key);

	return v ? v : val_get(val_path(pod_val(c->pod), "spec.securityContext"), key);
}

static void read_in_root(int root, const char *path, struct strbuf *out)
{
	scoped_fd int fd = root < 0 ? -1 : file_open_in_root(root, path, O_RDONLY | O_NONBLOCK);
	scoped_free char *self = mem_printf("/proc/self/fd/%d", fd);

	if (fd >= 0) {
		(void)!file_read(self, 4 << 20, out, NULL);
	}
}

int container_find_user(const struct container *c, const struct image *image, const char *lower,
                        struct user *ret, struct err *err)
{
	scoped_fd int root = open(lower, O_PATH | O_DIRECTORY | O_CLOEXEC);
	scoped_strbuf struct strbuf passwd = { 0 }, group = { 0 }, text = { 0 };
	int64_t uid = val_int(security(c, "runAsUser"), -1),
		gid = val_int(security(c, "runAsGroup"), -1);
	const struct val *pod_security = val_path(pod_val(c->pod), "spec.securityContext");
	int r;

	if (uid >= 0) {
		strbuf_addf(&text, "%lld", (long long)uid);
	} else {
		strbuf_add_slice(&text, val_get_str(image->config, "User"));
	}
	read_in_root(root, "/etc/passwd", &passwd);
	read_in_root(root, "/etc/group", &group);
	r = user_resolve(strbuf_slice(&text), strbuf_slice(&passwd), strbuf_slice(&group), ret,
	                 err);
	if (r < 0) {
		return r;
	}
	if (gid >= 0) {
		ret->gid = (uint32_t)gid;
	}
	val_for_each (val_get(pod_security, "supplementalGroups"), it) {
		user_add_group(ret, (uint32_t)val_int(it, 0));
	}
	if (val_get(pod_security, "fsGroup")) {
		user_add_group(ret, (uint32_t)val_int(val_get(pod_security, "fsGroup"), 0));
	}
	if (val_bool(security(c, "runAsNonRoot"), false) && ret->uid == 0) {
		return err_raise(err, ERR_FORBIDDEN,
		                 uid == 0
		                         ? "container's runAsUser breaks non-root policy"
		                         : "container has runAsNonRoot and image will run as root");
	}
	return 0;
}

int container_stop_signal(const struct container *c, const struct image *image)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {
		{ "HUP", SIGHUP },   { "INT", SIGINT },     { "QUIT", SIGQUIT },
		{ "ABRT", SIGABRT }, { "KILL", SIGKILL },   { "USR1", SIGUSR1 },
		{ "USR2", SIGUSR2 }, { "TERM", SIGTERM },   { "ALRM", SIGALRM },
		{ "CONT", SIGCONT }, { "WINCH", SIGWINCH }, { "PWR", SIGPWR },
	};
	struct slice s = val_str(val_path(c->facts.spec, "lifecycle.stopSignal"));
	int64_t n;

	if (s.len == 0) {
		s = val_get_str(image->config, "StopSignal");
	}
	if (slice_to_i64(s, &n) && n > 0 && n < NSIG) {
		return (int)n;
	}
	if (slice_has_prefix(s, SLICE("SIGRTMIN+")) && slice_to_i64(slice_from(s, 9), &n) &&
	    n >= 0 && SIGRTMIN + n <= SIGRTMAX) {
		return SIGRTMIN + (int)n;
	}
	if (slice_has_prefix(s, SLICE("SIG"))) {
		s = slice_from(s, 3);
	}
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (slice_is(s, signals[i].name)) {
			return signals[i].number;
		}
	}
	return SIGTERM;
}

void container_set_image_id(struct container *c, const struct image *image)
{
	struct slice digest = val_str(val_at(image->digests, 0)),
		     name = val_str(val_at(image->names, 0)), repo, tag;
	ptrdiff_t colon = slice_rfind(name, ':');

	free(c->facts.image_id);
	repo = colon > slice_rfind(name, '/') ? slice_head(name, (size_t)colon) : name;
	tag = digest;
	c->facts.image_id = digest.len && name.len ? mem_printf(SLICE_FMT "@" SLICE_FMT,
	                                                        SLICE_ARG(repo), SLICE_ARG(tag))
	                                           : mem_printf("sha256:%s", image->id);
}
