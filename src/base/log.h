/* What: one event, one line on standard error: time, level, role, a sentence, key=value.
 *
 * A sentence starts with a capital and has no full stop. Each site is limited to 20 lines in ten
 * seconds and says how many it swallowed. Never log a secret. */
#pragma once

enum log_level {
	LOG_TRACE,  /* every step */
	LOG_DEBUG,  /* decisions */
	LOG_INFO,   /* life of the thing */
	LOG_ODD,    /* worth a look, we coped */
	LOG_BROKEN, /* our bug or our invariant */
};

/* Names the role in every line; 'name' must stay valid. */
void log_init(const char *role, enum log_level least);
/* Level from its name ("debug"); -1 when unknown. */
int log_level_parse(const char *name);

struct log_site {
	long long window_us; /* start of the current window */
	int n;               /* lines in it */
	int swallowed;
};

void log_at(struct log_site *site, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_line(level, ...)                                                                       \
	do {                                                                                       \
		static struct log_site log_site_;                                                  \
		log_at(&log_site_, (level), __VA_ARGS__);                                          \
	} while (0)
#define log_trace(...)  log_line(LOG_TRACE, __VA_ARGS__)
#define log_debug(...)  log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)   log_line(LOG_INFO, __VA_ARGS__)
#define log_odd(...)    log_line(LOG_ODD, __VA_ARGS__)
#define log_broken(...) log_line(LOG_BROKEN, __VA_ARGS__)
