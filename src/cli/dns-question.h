/* What: one question for the address of a name, and what the answer says; for looking at a running cluster's DNS from
 * a pod. (The server's own reading of messages is the dns room's.) */
#pragma once

#include <stdint.h>

#include "base/ip.h"
#include "base/slice.h"
#include "base/strbuf.h"

/* Appends a question for A records. False: no DNS name. */
bool dns_question_write(struct strbuf *out, struct slice name, uint16_t id);

struct dns_reply {
	int rcode;    /* 0: in order, 3: no such name */
	size_t n;     /* A records */
	struct ip ip; /* the first of them */
};
/* False when it is not the answer to question 'id' or cannot be read. Source: RFC 1035 4.1 */
bool dns_reply_read(struct slice message, uint16_t id, struct dns_reply *ret);
