/* A store's writer that is held up, so that what is queued meanwhile becomes one group. */
#ifndef CERTWRIGHT_TESTS_STORE_GATE_H
#define CERTWRIGHT_TESTS_STORE_GATE_H

#include "tests/unit/store_fixture.h"

#include <pthread.h>

struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool entered;
    bool open;
};

static inline int wait_at_gate(struct store_tx *tx, void *arg, struct err *e)
{
    struct gate *gate = arg;
    (void)tx;
    (void)e;
    pthread_mutex_lock(&gate->mutex);
    gate->entered = true;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    return 0;
}

static inline void no_done(void *arg, const struct err *e)
{
    (void)arg;
    (void)e;
}

static inline void close_gate(struct fixture *f, struct gate *gate)
{
    *gate = (struct gate){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    store_write(f->store, wait_at_gate, gate, no_done);
    pthread_mutex_lock(&gate->mutex);
    while (!gate->entered)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

static inline void open_gate(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

#endif
