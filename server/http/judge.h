/* The doors that a request passes before its body is read. Private to server/http. */
#ifndef CERTWRIGHT_SERVER_HTTP_JUDGE_H
#define CERTWRIGHT_SERVER_HTTP_JUDGE_H

#include "acme/base/error.h"
#include "server/http/exchange_private.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Gate, Host rule, router, authentication, body caps and Accept, in this order; x has its headers.
 * Fills what the handler needs to know. When the request goes no further, x is settled: it has its
 * answer.
 */
void judge_request(struct http_exchange *x, const char *method, const char *version);

/* Makes a problem the answer, in place of the handler's. status 0 takes the code's own. */
void judge_settle(struct http_exchange *x, int status, const struct err *e);

/* Takes size bytes from the budget for bodies, for as long as x lives. ERR_BUSY. */
int judge_reserve(struct http_exchange *x, size_t size, struct err *e);

#endif
