#include "server/http/connections.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { EXPECTED_STEP = 64 };

struct connections {
    struct connection_limits limits;
    pthread_mutex_t lock;
    /* Guarded by lock. */
    struct connection *first;
    struct connection_origin *expected; /* by descriptor; without a listener: none */
    size_t expected_size;
};

void connections_reap(struct connections *all)
{
    int64_t now = clock_monotonic_ms();
    pthread_mutex_lock(&all->lock);
    for (struct connection *c = all->first; c; c = c->next) {
        if (c->deadline_ms > now)
            continue;
        shutdown(c->fd, SHUT_RDWR);
        c->deadline_ms = INT64_MAX;
        log_debug("a slow client was cut off", NULL);
    }
    pthread_mutex_unlock(&all->lock);
}

struct connections *connections_create(const struct connection_limits *limits)
{
    struct connections *all = mem_new(1, sizeof *all);
    all->limits = *limits;
    pthread_mutex_init(&all->lock, NULL);
    return all;
}

void connections_destroy(struct connections *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < all->expected_size; i++)
        origin_finish(&all->expected[i]);
    free(all->expected);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

void connections_expect(struct connections *all, int fd, struct connection_origin *origin)
{
    size_t at = (size_t)fd;
    pthread_mutex_lock(&all->lock);
    if (at >= all->expected_size) {
        size_t size = at + EXPECTED_STEP;
        all->expected = mem_grow(all->expected, size, sizeof *all->expected);
        memset(all->expected + all->expected_size, 0,
               (size - all->expected_size) * sizeof *all->expected);
        all->expected_size = size;
    }
    /* One that was there before was for a descriptor that the library has closed unused. */
    origin_finish(&all->expected[at]);
    all->expected[at] = *origin;
    *origin = (struct connection_origin){0};
    pthread_mutex_unlock(&all->lock);
}

struct connection *connections_add(struct connections *all, int fd)
{
    struct connection *c = mem_new(1, sizeof *c);
    c->fd = fd;
    /* The first request is due at once; only later ones may be long in coming. */
    connections_enter(all, c, CONNECTION_HEADER);
    pthread_mutex_lock(&all->lock);
    assert((size_t)fd < all->expected_size && all->expected[fd].listener);
    c->origin = all->expected[fd];
    all->expected[fd] = (struct connection_origin){0};
    c->next = all->first;
    if (c->next)
        c->next->previous = c;
    all->first = c;
    pthread_mutex_unlock(&all->lock);
    return c;
}

void connections_remove(struct connections *all, struct connection *c)
{
    pthread_mutex_lock(&all->lock);
    if (c->previous)
        c->previous->next = c->next;
    else
        all->first = c->next;
    if (c->next)
        c->next->previous = c->previous;
    pthread_mutex_unlock(&all->lock);
    origin_finish(&c->origin);
    free(c);
}

static int limit_of(const struct connection_limits *limits, enum connection_phase phase)
{
    switch (phase) {
    case CONNECTION_IDLE:
        return limits->idle_ms;
    case CONNECTION_HEADER:
        return limits->header_ms;
    case CONNECTION_BODY:
        return limits->body_ms;
    case CONNECTION_ANSWERING:
        return limits->answer_ms;
    case CONNECTION_WORKING:
        break;
    }
    return 0;
}

void connections_enter(struct connections *all, struct connection *c, enum connection_phase phase)
{
    int limit = limit_of(&all->limits, phase);
    c->deadline_ms = limit ? clock_monotonic_ms() + limit : INT64_MAX;
}
