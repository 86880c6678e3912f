/* Why: the supervisor is root and listens to those who are not: each request is answered to whom it is for. */
#include "scene.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/control.h"

#define NEEDS_ROOT(s)                                                                              \
	if (!(s)) {                                                                                \
		skip();                                                                            \
	}

struct hall {
	struct listeners listeners;
	struct control_door *door;
	int n_stops;
};

static struct hall hall;

static void on_status(void *arg, struct arena *a, struct val *into)
{
	(void)arg;
	val_set_cstr(a, into, "name", "test");
}

static void on_stop(void *arg)
{
	(void)arg;
	hall.n_stops++;
}

static int set_up(void **state)
{
	struct scene *s;

	scene_set_up(state);
	s = *state;
	hall = (struct hall){ 0 };
	if (s) {
		struct control_door_config c = {
			.loop = s->loop,
			.home = &s->home,
			.listeners = &hall.listeners,
			.edge = { { { ip_v4(0x7f4d0001), ip_v4(0x7f4d0001) } },
			          1 }, /* 127.77.0.1 */
			.status = on_status,
			.stop = on_stop
		};

		assert_int_equal(control_door_open(&c, &hall.door, NULL), 0);
	}
	return 0;
}

static int tear_down(void **state)
{
	hall.door = control_door_close(hall.door);
	listeners_fini(&hall.listeners);
	return scene_tear_down(state);
}

static int dial(struct scene *s)
{
	scoped_free char *path = home_file(&s->home, "run/serve.sock");
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(at.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* The answer to a request, with the passed descriptor in *ret_fd; "gone" when the door closes. */
static const char *ask_on(struct scene *s, int fd, struct slice request, int *ret_fd)
{
	static char text[2048];
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = -1;
	struct cmsghdr *c;

	if (send(fd, request.p, request.len, MSG_NOSIGNAL) < 0) {
		return "gone";
	}
	SCENE_WAIT(s, (msg.msg_control = control.bytes, msg.msg_controllen = sizeof(control.bytes),
	               (n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC)) >= 0 || errno != EAGAIN));
	c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && ret_fd) {
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	}
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? text : "gone";
}

static const char *ask(struct scene *s, const char *request)
{
	int fd = dial(s);
	const char *ret;

	assert_true(fd >= 0);
	ret = ask_on(s, fd, slice_of(request), NULL);
	close(fd);
	return ret;
}

/* Runs 'act' as another user in a child while the loop turns here; its result. */
static int as_user(struct scene *s, uid_t uid, int (*act)(struct scene *s))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0) {
			_exit(100);
		}
		_exit(act(s));
	}
	SCENE_WAIT(s, waitpid(pid, &status, WNOHANG) == pid);
	return WEXITSTATUS(status);
}

/* For children: waits for an answer without a loop. 1: refused at the door. */
static int blocking_ask(struct scene *s, const char *request, char *text, size_t size)
{
	int fd = dial(s);
	ssize_t n;

	if (fd < 0) {
		return 1;
	}
	(void)!send(fd, request, strlen(request), MSG_NOSIGNAL);
	while ((n = recv(fd, text, size - 1, 0)) < 0 && errno == EAGAIN) {
		usleep(500); /* its own process: the test does not sleep */
	}
	text[n > 0 ? n : 0] = '\0';
	close(fd);
	return n > 0 ? 0 : 1;
}

static int may_ask_status(struct scene *s)
{
	char text[1000];

	return blocking_ask(s, "{\"status\":true}", text, sizeof(text)) ? 1
	       : strstr(text, "\"ok\"")                                 ? 0
	                                                                : 2;
}

static int may_ask_stop(struct scene *s)
{
	char text[1000];

	return blocking_ask(s, "{\"stop\":true}", text, sizeof(text)) ? 1
	       : strstr(text, "\"ok\"")                               ? 0
	                                                              : 2;
}

static int may_listen(struct scene *s)
{
	char text[1000];

	return blocking_ask(s, "{\"listen\":\"127.77.0.1:7071\"}", text, sizeof(text)) ? 1
	       : strstr(text, "\"ok\"")                                                ? 0
	                                                                               : 2;
}

static int may_listen_elsewhere(struct scene *s)
{
	char text[1000];

	return blocking_ask(s, "{\"listen\":\"0.0.0.0:7071\"}", text, sizeof(text)) ? 1
	       : strstr(text, "\"ok\"")                                             ? 0
	                                                                            : 2;
}

static void root_asks_everything(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);

	assert_string_equal(ask(s, "{\"status\":true}"), "{\"name\":\"test\",\"ok\":true}");
	assert_string_equal(ask(s, "{\"stop\":true}"), "{\"ok\":true}");
	assert_int_equal(hall.n_stops, 1);
}

static void a_socket_is_passed_and_works(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	int fd = dial(s), got = -1, listening = 0;
	socklen_t size = sizeof(listening);

	assert_string_equal(ask_on(s, fd, SLICE("{\"listen\":\"127.77.0.1:7070\"}"), &got),
	                    "{\"ok\":true}");
	assert_int_equal(getsockopt(got, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size), 0);
	assert_true(listening);
	close(got);
	assert_int_equal(hall.listeners.all.n, 1); /* the supervisor keeps it */
	assert_string_equal(ask_on(s, fd, SLICE("{\"close\":\"127.77.0.1:7070\"}"), NULL),
	                    "{\"ok\":true}");
	assert_int_equal(hall.listeners.all.n, 0);
	close(fd);
}

static void the_role_may_listen_and_nothing_else(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_free char *mode = mem_printf("0660 0 %u", s->home.lb_uid);

	assert_string_equal(scene_mode(s, "run/serve.sock"), mode);
	assert_int_equal(as_user(s, s->home.lb_uid, may_listen), 0);
	assert_int_equal(as_user(s, s->home.lb_uid, may_listen_elsewhere), 2);
	assert_int_equal(as_user(s, s->home.lb_uid, may_ask_status), 2);
	assert_int_equal(as_user(s, s->home.lb_uid, may_ask_stop), 2);
	assert_int_equal(hall.n_stops, 0);
}

static void everybody_else_stays_outside(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_free char *path = home_file(&s->home, "run/serve.sock");

	assert_int_equal(as_user(s, 12345, may_ask_stop), 1);
	assert_int_equal(as_user(s, s->home.api_uid, may_listen), 1); /* it has its sockets */
	/* even if the file's mode were wrong */
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(as_user(s, 12345, may_ask_stop), 1);
	assert_int_equal(as_user(s, 12345, may_listen), 1);
	assert_int_equal(hall.n_stops, 0);
}

static void the_instances_own_ports_are_not_given_away(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	int fd;

	assert_int_equal(listeners_open(&hall.listeners, ip_v4(0x7f4d0001), IPPROTO_TCP, 7443,
	                                false, &fd, NULL),
	                 0);
	listeners_reserve(&hall.listeners, ip_v4(0x7f4d0001), 7443);
	assert_non_null(
		strstr(ask(s, "{\"listen\":\"127.77.0.1:7443\"}"), "\"error\":\"port 7443"));
	assert_non_null(strstr(ask(s, "{\"close\":\"127.77.0.1:7443\"}"), "\"error\":\"port 7443"));
	assert_int_equal(listeners_find(&hall.listeners, ip_v4(0x7f4d0001), IPPROTO_TCP, 7443), fd);
}

static void what_is_no_request_is_answered_with_an_error(void **state)
{
	static const char *const bad[] = {
		"{",
		"[]",
		"x",
		"{}",
		"null",
		"{\"listen\":5}",
		"{\"listen\":\"127.77.0.1\"}",
		"{\"listen\":\"127.77.0.1:0\"}",
		"{\"listen\":\"127.77.0.1:65536\"}",
		"{\"listen\":\":80\"}",
		"{\"listen\":\"[127.77.0.1:80\"}",
		"{\"listen\":\"10.0.0.1:80\"}",
		"{\"close\":\"10.0.0.1:80\"}",
		"{\"status\":\"true\"}",
		"{\"unknown\":true}",
		"\xff\xfe",
	};
	struct scene *s = *state;
	NEEDS_ROOT(s);
	int fd = dial(s);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *got = ask_on(s, fd, slice_of(bad[i]), NULL);

		if (strncmp(got, "{\"error\":", 9) != 0) {
			fail_msg("%s: %s", bad[i], got);
		}
	}
	assert_int_equal(hall.listeners.all.n, 0);
	close(fd);
}

static void a_packet_has_a_limit(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	int fd = dial(s);
	size_t size = 100 << 10;
	scoped_free char *much = mem_alloc(size);

	memset(much, ' ', size);
	memcpy(much, "{\"stop\":true}", 13);
	much[13] = ' ';
	much[size - 1] = 'x'; /* behind the limit: what is cut must not look whole */
	assert_non_null(strstr(ask_on(s, fd, (struct slice){ much, size }, NULL), "\"error\""));
	assert_int_equal(hall.n_stops, 0);
	memset(much, '[', 60000); /* depth */
	assert_non_null(strstr(ask_on(s, fd, (struct slice){ much, 60000 }, NULL), "\"error\""));
	close(fd);
}

static void callers_have_a_limit(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	int fds[70], n_served = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(s);
		assert_true(fds[i] >= 0);
		n_served +=
			strstr(ask_on(s, fds[i], SLICE("{\"status\":true}"), NULL), "ok") != NULL;
	}
	assert_int_equal(n_served, 64);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		close(fds[i]);
	}
	for (int i = 0; i < 5; i++) {
		scene_turn(s);
	}
	assert_non_null(strstr(ask(s, "{\"status\":true}"), "ok")); /* who left makes room */
}

static void nobody_there_is_said_so(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_strbuf struct strbuf out = { 0 };
	struct err err;

	hall.door = control_door_close(hall.door);
	assert_string_equal(scene_mode(s, "run/serve.sock"), "none");
	assert_int_equal(control_ask(&s->home, "{\"status\":true}", 1000000, &out, NULL, &err),
	                 -ERR_UNAVAILABLE);
	assert_string_equal(err.msg, "instance test is not running");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(root_asks_everything),
		T(a_socket_is_passed_and_works),
		T(the_role_may_listen_and_nothing_else),
		T(everybody_else_stays_outside),
		T(the_instances_own_ports_are_not_given_away),
		T(what_is_no_request_is_answered_with_an_error),
		T(a_packet_has_a_limit),
		T(callers_have_a_limit),
		T(nobody_there_is_said_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
