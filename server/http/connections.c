#include "server/http/connections.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/http/address.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

struct connections {
    struct connection_limits limits;
    pthread_mutex_t lock;
    struct connection *first; /* guarded by lock */
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
    pthread_mutex_destroy(&all->lock);
    free(all);
}

/*
 * Who is at the other end. The family comes first: on a TCP socket SO_PEERCRED "succeeds" too, with
 * a uid that is none.
 */
static void identify(struct connection *c)
{
    struct sockaddr_storage own = {0};
    struct sockaddr_storage other = {0};
    struct ucred peer = {0};
    socklen_t size = sizeof own;
    socklen_t other_size = sizeof other;
    socklen_t peer_size = sizeof peer;
    if (getsockname(c->fd, (struct sockaddr *)&own, &size) < 0)
        return;
    if (own.ss_family != AF_UNIX) {
        address_host(&own, c->own_address, sizeof c->own_address);
        if (getpeername(c->fd, (struct sockaddr *)&other, &other_size) == 0)
            address_host(&other, c->peer_address, sizeof c->peer_address);
        return;
    }
    c->is_unix = true;
    if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) == 0)
        c->uid = peer.uid;
}

struct connection *connections_add(struct connections *all, int fd)
{
    struct connection *c = mem_new(1, sizeof *c);
    c->fd = fd;
    c->uid = -1;
    identify(c);
    /* The first request is due at once; only later ones may be long in coming. */
    connections_enter(all, c, CONNECTION_HEADER);
    pthread_mutex_lock(&all->lock);
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
