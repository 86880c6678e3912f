/* Why: fsync takes from 50 microseconds to tens of milliseconds, and the loop has others to serve;
 * see writer.h.
 *
 *   IDLE --submit--> GIVEN --thread--> WRITTEN --told, or writer_wait--> IDLE
 */
#include "store/writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "base/mem.h"
#include "base/must.h"

enum state { IDLE, GIVEN, WRITTEN };

struct writer {
	pthread_t thread;
	pthread_mutex_t mutex; /* protects state and is_ending */
	pthread_cond_t changed;
	enum state state;
	bool is_ending;
	struct batch *batch;   /* borrowed; the thread's while GIVEN */
	struct db *db;         /* borrowed */
	int fd;                /* owned: an eventfd that says WRITTEN */
	struct loop_fd *watch; /* owned; reads only while something is under way */
	writer_done_fn *done;
	void *arg;
};

static void *write_batches(void *arg)
{
	struct writer *w = arg;
	const uint64_t one = 1;

	pthread_mutex_lock(&w->mutex);
	for (;;) {
		while (w->state != GIVEN && !w->is_ending) {
			pthread_cond_wait(&w->changed, &w->mutex);
		}
		if (w->state != GIVEN) {
			break;
		}
		pthread_mutex_unlock(&w->mutex);
		w->batch->result = db_write(w->db, w->batch, &w->batch->why);
		pthread_mutex_lock(&w->mutex);
		w->state = WRITTEN;
		pthread_cond_broadcast(&w->changed);
		must(write(w->fd, &one, sizeof(one)) == sizeof(one));
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

/* Takes the batch back; false when the thread is not ready with it. */
static bool take_back(struct writer *w)
{
	uint64_t n;
	bool written;

	pthread_mutex_lock(&w->mutex);
	written = w->state == WRITTEN;
	if (written) {
		w->state = IDLE;
		w->batch = NULL;
		must(read(w->fd, &n, sizeof(n)) == sizeof(n));
	}
	pthread_mutex_unlock(&w->mutex);
	return written;
}

static void told(void *arg, int fd, unsigned events)
{
	struct writer *w = arg;

	(void)fd;
	(void)events;
	if (take_back(w)) {
		loop_fd_set(w->watch, 0);
		w->done(w->arg);
	}
}

/* Signals are the loop's: the thread takes none. */
static int start_thread(struct writer *w)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(&w->thread, NULL, write_batches, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int writer_new(struct loop *l, struct db *db, writer_done_fn *done, void *arg, struct writer **ret,
               struct err *err)
{
	scoped_fd int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct writer *w;
	int r;

	if (fd < 0) {
		return err_sys(err, "make an eventfd");
	}
	w = NEW(struct writer);
	*w = (struct writer){ .db = db, .fd = fd, .done = done, .arg = arg };
	r = loop_fd_open(l, fd, 0, told, w, &w->watch, err);
	if (r < 0) {
		free(w);
		return r;
	}
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->changed, NULL);
	errno = start_thread(w);
	if (errno) {
		r = err_sys(err, "start the writer of the store");
		loop_fd_close(w->watch);
		free(w);
		return r;
	}
	take_fd(&fd);
	*ret = w;
	return 0;
}

struct writer *writer_free(struct writer *w)
{
	if (!w) {
		return NULL;
	}
	pthread_mutex_lock(&w->mutex);
	w->is_ending = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
	pthread_join(w->thread, NULL);
	loop_fd_close(w->watch);
	close(w->fd);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->mutex);
	free(w);
	return NULL;
}

void writer_submit(struct writer *w, struct batch *b)
{
	pthread_mutex_lock(&w->mutex);
	must(w->state == IDLE);
	w->batch = b;
	w->state = GIVEN;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->mutex);
	loop_fd_set(w->watch, LOOP_READ);
}

void writer_wait(struct writer *w)
{
	pthread_mutex_lock(&w->mutex);
	while (w->state == GIVEN) {
		pthread_cond_wait(&w->changed, &w->mutex);
	}
	pthread_mutex_unlock(&w->mutex);
	must(take_back(w));
	loop_fd_set(w->watch, 0);
}
