/* What: an answer that files may not be able to give. Rules speak only of a certain yes or no. */
#pragma once

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };
