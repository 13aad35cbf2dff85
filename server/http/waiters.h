/*
 * Requests that wait for a commit (`Prefer: wait`): a list, and one thread that goes through it at
 * each commit and at the deadlines. Private to server/http.
 *
 * A client that leaves meanwhile is not seen while its connection is suspended, so the deadline is
 * what bounds a waiter.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_WAITERS_H
#define CERTWRIGHT_SERVER_HTTP_WAITERS_H

#include "acme/base/error.h"
#include "server/http/exchange.h"

#include <stdbool.h>
#include <stddef.h>

struct waiters;

/* ERR_IO if its thread cannot be started. */
int waiters_create(size_t max, struct waiters **out, struct err *e);
void waiters_destroy(struct waiters *w);

/* See http_wait. When max of them wait already, or after waiters_stop, the answer is asked for at
   once, with final true. x is deferred. */
void waiters_add(struct waiters *w, struct http_exchange *x, int seconds,
                 bool (*answer)(struct http_exchange *x, void *context, bool final), void *context,
                 void (*release)(void *context));

/* Something was committed. Never blocks for long. */
void waiters_notify(struct waiters *w);

/* Answers all of them for good; none stays. Ends the thread. */
void waiters_stop(struct waiters *w);

#endif
