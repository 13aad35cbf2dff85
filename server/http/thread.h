/* Threads that leave the process's signals to the main thread. For server/http and server/start. */
#ifndef CERTWRIGHT_SERVER_HTTP_THREAD_H
#define CERTWRIGHT_SERVER_HTTP_THREAD_H

#include "acme/base/error.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>

/* Blocks all signals in this thread and those it starts, until thread_restore_signals. */
void thread_block_signals(sigset_t *before);
void thread_restore_signals(const sigset_t *before);

/* Starts a thread with all signals blocked. ERR_IO. */
int thread_start(void *(*run)(void *), void *argument, pthread_t *out, struct err *e);

/* A condition variable whose timed waits thread_wait_until bounds. */
void thread_condition_init(pthread_cond_t *condition);

/* Waits until woken or until that time of clock_monotonic_ms; INT64_MAX: until woken. May wake for
   nothing. */
void thread_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t deadline_ms);

#endif
