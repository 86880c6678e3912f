/* What: assertions. Never on input: input gets an error. */
#pragma once

#include <stdbool.h>

/* Going on would corrupt or mislead: stop. */
#define must(x) ((x) ? (void)0 : must_failed(#x, __FILE__, __LINE__))
/* Wrong, yet survivable here: logs once per site, marks the process tainted, returns the truth. */
#define should(x)                                                                                  \
	__extension__({                                                                            \
		static bool should_said_;                                                          \
		bool should_ok_ = (x);                                                             \
		if (!should_ok_ && !should_said_) {                                                \
			should_said_ = true;                                                       \
			should_failed(#x, __FILE__, __LINE__);                                     \
		}                                                                                  \
		should_ok_;                                                                        \
	})
#define unreachable() must_failed("unreachable", __FILE__, __LINE__)

_Noreturn void must_failed(const char *what, const char *file, int line);
void should_failed(const char *what, const char *file, int line);
bool should_is_tainted(void);
