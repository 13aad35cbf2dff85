/*
 * Requests that wait for a commit (`Prefer: wait`): a list, and whoever goes through it at
 * each commit and at the deadlines. Private to server/http.
 *
 * A client that leaves meanwhile is not seen while its connection is suspended, so the deadline is
 * what bounds a waiter.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_WAITERS_H
#define CERTWRIGHT_SERVER_HTTP_WAITERS_H

#include "server/http/exchange.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct waiters;

/* wake_fd: an eventfd, written to when waiters_attend has something to do before the time that it
   told. */
struct waiters *waiters_create(size_t max, int wake_fd);
void waiters_destroy(struct waiters *w);

/* Asks those that have reason to be asked, and tells when there is again: a time of
   clock_monotonic_ms, or INT64_MAX. By one thread at a time. */
int64_t waiters_attend(struct waiters *w);

/* See http_wait. When max of them wait already, or after waiters_stop, the answer is asked for at
   once, with final true. x is deferred. */
void waiters_add(struct waiters *w, struct http_exchange *x, int seconds,
                 bool (*answer)(struct http_exchange *x, void *context, bool final), void *context,
                 void (*release)(void *context));

/* Something was committed. Never blocks for long. */
void waiters_notify(struct waiters *w);

/* Answers all of them for good; none stays. Nobody else attends to them any more. */
void waiters_stop(struct waiters *w);

#endif
