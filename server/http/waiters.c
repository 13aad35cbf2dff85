#include "server/http/waiters.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

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
    size_t max;
    int wake_fd;          /* borrowed */
    struct waiter *asked; /* of whoever attends to them */
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
 * Who attends owns the list of those that were asked; others only add to `fresh`. So no lock is
 * held while answers are made, which read the database.
 */
int64_t waiters_attend(struct waiters *w)
{
    pthread_mutex_lock(&w->lock);
    struct waiter *fresh = w->fresh;
    bool final = w->is_stopping, all = w->is_notified || final;
    w->fresh = NULL;
    w->is_notified = false;
    pthread_mutex_unlock(&w->lock);

    size_t gone = ask_all(&fresh, true, final);
    gone += ask_all(&w->asked, all, final);
    w->asked = concatenated(fresh, w->asked);

    pthread_mutex_lock(&w->lock);
    w->count -= gone;
    pthread_mutex_unlock(&w->lock);
    return first_deadline(w->asked);
}

struct waiters *waiters_create(size_t max, int wake_fd)
{
    struct waiters *w = mem_new(1, sizeof *w);
    w->max = max;
    w->wake_fd = wake_fd;
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

void waiters_destroy(struct waiters *w)
{
    if (!w)
        return;
    waiters_stop(w);
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
    pthread_mutex_unlock(&w->lock);
    eventfd_write(w->wake_fd, 1);
}

void waiters_notify(struct waiters *w)
{
    pthread_mutex_lock(&w->lock);
    bool someone = w->count > 0;
    w->is_notified = someone; /* who comes later is asked anyway */
    pthread_mutex_unlock(&w->lock);
    if (someone)
        eventfd_write(w->wake_fd, 1);
}

void waiters_stop(struct waiters *w)
{
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    pthread_mutex_unlock(&w->lock);
    waiters_attend(w);
}
