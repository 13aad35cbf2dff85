#include "server/http/acceptor.h"

#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/http/server_private.h"
#include "server/http/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BURST = 64,         /* connections of one listener before the others have their turn */
    EXHAUSTED_MS = 100, /* how long nothing is accepted when descriptors have run out */
};

struct acceptor {
    const struct listener *listeners;
    size_t count;
    int wake_fd; /* an eventfd: readable means the end */
    pthread_t thread;
    bool has_thread;
};

static bool is_exhausted(int reason)
{
    return reason == EMFILE || reason == ENFILE || reason == ENOBUFS || reason == ENOMEM;
}

/* False if there is nothing left to accept with. */
static bool accept_some(const struct listener *listener)
{
    for (int i = 0; i < BURST; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t size = sizeof peer;
        int fd = accept4(listener->bound.fd, (struct sockaddr *)&peer, &size,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && is_exhausted(errno)) {
            log_warn("cannot accept a connection", "listener", listener->bound.name, "reason",
                     strerror(errno), NULL);
            return false;
        }
        if (fd < 0)
            return true;
        /* On failure (too many connections) the library closes it. */
        MHD_add_connection(listener->daemon, fd, (struct sockaddr *)&peer, size);
    }
    return true;
}

static void *run(void *argument)
{
    struct acceptor *a = argument;
    struct pollfd *polled = mem_new(a->count + 1, sizeof *polled);
    polled[0] = (struct pollfd){.fd = a->wake_fd, .events = POLLIN};
    for (size_t i = 0; i < a->count; i++)
        polled[i + 1] = (struct pollfd){.fd = a->listeners[i].bound.fd, .events = POLLIN};
    bool exhausted = false;
    for (;;) {
        int ready = exhausted ? poll(polled, 1, EXHAUSTED_MS) : poll(polled, a->count + 1, -1);
        if (ready > 0 && polled[0].revents)
            break;
        for (size_t i = 0; i < a->count && ready > 0 && !exhausted; i++)
            if (polled[i + 1].revents)
                exhausted = !accept_some(&a->listeners[i]);
        if (ready == 0)
            exhausted = false;
    }
    free(polled);
    return NULL;
}

int acceptor_create(const struct listener *listeners, size_t count, struct acceptor **out,
                    struct err *e)
{
    struct acceptor *a = mem_new(1, sizeof *a);
    a->listeners = listeners;
    a->count = count;
    a->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (a->wake_fd < 0) {
        err_set(e, ERR_IO, "cannot make an eventfd: %s", strerror(errno));
    } else if (thread_start(run, a, &a->thread, e) == 0) {
        a->has_thread = true;
        *out = a;
        return 0;
    }
    acceptor_destroy(a);
    return -1;
}

void acceptor_destroy(struct acceptor *a)
{
    if (!a)
        return;
    if (a->has_thread) {
        eventfd_write(a->wake_fd, 1);
        pthread_join(a->thread, NULL);
    }
    if (a->wake_fd >= 0)
        close(a->wake_fd);
    free(a);
}
