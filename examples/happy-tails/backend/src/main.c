/* Why: the back end of Happy Tails: a start that waits for nobody, and an orderly end on SIGTERM.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "log.h"
#include "migrations.h"
#include "server.h"

enum {
	DB_CONNECTIONS = 8,
	RETRY_MS = 200,
	FINISH_S = 20 /* how long requests in flight may take at the end */
};

/* Tries until the database is there: a pod may start before it. */
static void *migrate(void *arg)
{
	struct app *app = arg;

	while (!atomic_load(&app->draining) && !migrations_run(app->db)) {
		usleep(RETRY_MS * 1000);
	}
	if (!atomic_load(&app->draining)) {
		atomic_store(&app->migrated, true);
		log_info("ready");
	}
	return NULL;
}

/* Still serving while the endpoint is taken out everywhere; only then nothing new comes. */
static void drain(struct app *app, struct server *server)
{
	atomic_store(&app->draining, true);
	log_info("draining for %d s", app->config.drain_s);
	sleep((unsigned)app->config.drain_s);
	server_stop(server, FINISH_S);
}

int main(void)
{
	static struct app app;
	struct server *server;
	pthread_t migrator;
	sigset_t stop;
	int signum;

	if (!config_load(&app.config)) {
		return 2;
	}
	log_set_level(app.config.log_level);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	pthread_sigmask(SIG_BLOCK, &stop, NULL); /* before any thread: sigwait below gets them */
	signal(SIGPIPE, SIG_IGN);
	app.started = time(NULL);
	app.db = db_new(&app.config, DB_CONNECTIONS);
	app.cache = cache_new(&app.config);
	if (!app.db || pthread_create(&migrator, NULL, migrate, &app) != 0) {
		log_error("cannot start");
		return 2;
	}
	server = server_start(&app);
	if (!server) {
		return 2;
	}
	log_info("listening on port %d", app.config.port);
	sigwait(&stop, &signum);
	drain(&app, server);
	pthread_join(migrator, NULL);
	cache_free(app.cache);
	db_free(app.db);
	log_info("bye");
	return 0;
}
