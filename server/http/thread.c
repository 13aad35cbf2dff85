#include "server/http/thread.h"

#include "acme/base/clock.h"

#include <string.h>
#include <time.h>

void thread_block_signals(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

void thread_restore_signals(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

int thread_start(void *(*run)(void *), void *argument, pthread_t *out, struct err *e)
{
    sigset_t before;
    thread_block_signals(&before);
    int failed = pthread_create(out, NULL, run, argument);
    thread_restore_signals(&before);
    return failed ? err_set(e, ERR_IO, "cannot start a thread: %s", strerror(failed)) : 0;
}

void thread_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void thread_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t deadline_ms)
{
    if (deadline_ms == INT64_MAX) {
        pthread_cond_wait(condition, lock);
        return;
    }
    /* Ours counts the time that the machine slept, the condition's clock does not: so the rest of
       the wait is what is handed over. */
    int64_t left = deadline_ms - clock_monotonic_ms();
    if (left <= 0)
        return;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += left / 1000;
    until.tv_nsec += (left % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(condition, lock, &until);
}
