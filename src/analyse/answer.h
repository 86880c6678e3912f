/* What: an answer that files may not be able to give. Rules speak only of a certain yes or no. */
#pragma once

#include <stdbool.h>

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

/* ---- logic ---- */

static inline enum answer answer_of(bool yes)
{
	return yes ? ANSWER_YES : ANSWER_NO;
}

static inline enum answer answer_and(enum answer a, enum answer b)
{
	if (a == ANSWER_NO || b == ANSWER_NO) {
		return ANSWER_NO;
	}
	return a == ANSWER_YES && b == ANSWER_YES ? ANSWER_YES : ANSWER_UNKNOWN;
}

static inline enum answer answer_not(enum answer a)
{
	return a == ANSWER_NO ? ANSWER_YES : a == ANSWER_YES ? ANSWER_NO : ANSWER_UNKNOWN;
}

static inline enum answer answer_or(enum answer a, enum answer b)
{
	return answer_not(answer_and(answer_not(a), answer_not(b)));
}
