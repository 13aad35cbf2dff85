#include "server/http/waiters.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/http/thread.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct waiter {
    struct waiter *next;
    struct http_exchange *x;
    bool (*answer)(struct http_exchange *x, void *context, bool final);
    void *context;
    void (*release)(void *context);
    int64_t deadline_ms;
};

struct waiters {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    size_t max;
    /* All below is guarded by lock. */
    size_t count;
    struct waiter *fresh; /* never asked yet */
    bool is_notified;
    bool is_stopping;
};

/* Asks w for its answer; true: it has answered and is gone. */
static bool ask(struct waiter *waiter, bool final)
{
    bool answered = waiter->answer(waiter->x, waiter->context, final);
    assert(answered || !final);
    if (!answered)
        return false;
    if (waiter->release)
        waiter->release(waiter->context);
    free(waiter);
    return true;
}

/* Asks those in the list that have reason to be asked; returns how many are gone. */
static size_t ask_all(struct waiter **list, bool all, bool final)
{
    size_t gone = 0;
    int64_t now = clock_monotonic_ms();
    while (*list) {
        struct waiter *waiter = *list, *next = waiter->next;
        bool is_late = waiter->deadline_ms <= now;
        if ((all || is_late) && ask(waiter, final || is_late)) {
            *list = next;
            gone++;
        } else {
            list = &waiter->next;
        }
    }
    return gone;
}

static int64_t first_deadline(const struct waiter *list)
{
    int64_t first = INT64_MAX;
    for (; list; list = list->next)
        if (list->deadline_ms < first)
            first = list->deadline_ms;
    return first;
}

/* Puts the list of those that were asked already behind those that were not. */
static struct waiter *concatenated(struct waiter *front, struct waiter *back)
{
    struct waiter **end = &front;
    while (*end)
        end = &(*end)->next;
    *end = back;
    return front;
}

/*
 * The thread owns the list of those that it has asked; others only add to `fresh`. So no lock is
 * held while answers are made, which read the database.
 */
static void *run(void *argument)
{
    struct waiters *w = argument;
    struct waiter *asked = NULL;
    bool final = false;
    pthread_mutex_lock(&w->lock);
    while (!final) {
        while (!w->fresh && !w->is_notified && !w->is_stopping &&
               first_deadline(asked) > clock_monotonic_ms())
            thread_wait_until(&w->changed, &w->lock, first_deadline(asked));
        struct waiter *fresh = w->fresh;
        bool all = w->is_notified || w->is_stopping;
        final = w->is_stopping;
        w->fresh = NULL;
        w->is_notified = false;
        pthread_mutex_unlock(&w->lock);

        size_t gone = ask_all(&fresh, true, final);
        gone += ask_all(&asked, all, final);
        asked = concatenated(fresh, asked);

        pthread_mutex_lock(&w->lock);
        w->count -= gone;
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int waiters_create(size_t max, struct waiters **out, struct err *e)
{
    struct waiters *w = mem_new(1, sizeof *w);
    w->max = max;
    pthread_mutex_init(&w->lock, NULL);
    thread_condition_init(&w->changed);
    if (thread_start(run, w, &w->thread, e) < 0) {
        w->is_stopping = true;
        waiters_destroy(w);
        return -1;
    }
    *out = w;
    return 0;
}

void waiters_destroy(struct waiters *w)
{
    if (!w)
        return;
    waiters_stop(w);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void waiters_add(struct waiters *w, struct http_exchange *x, int seconds,
                 bool (*answer)(struct http_exchange *x, void *context, bool final), void *context,
                 void (*release)(void *context))
{
    struct waiter *waiter = mem_new(1, sizeof *waiter);
    *waiter = (struct waiter){
        .x = x,
        .answer = answer,
        .context = context,
        .release = release,
        .deadline_ms = clock_monotonic_ms() + (int64_t)seconds * CLOCK_SECOND_MS,
    };
    pthread_mutex_lock(&w->lock);
    if (w->is_stopping) {
        pthread_mutex_unlock(&w->lock);
        ask(waiter, true);
        return;
    }
    if (w->count >= w->max)
        waiter->deadline_ms = 0;
    waiter->next = w->fresh;
    w->fresh = waiter;
    w->count++;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void waiters_notify(struct waiters *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_notified = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void waiters_stop(struct waiters *w)
{
    pthread_mutex_lock(&w->lock);
    bool was_stopping = w->is_stopping;
    w->is_stopping = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    if (!was_stopping)
        pthread_join(w->thread, NULL);
}
