#include "server/http/acceptor.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/http/server_private.h"
#include "server/http/thread.h"
#include "server/http/tls_front.h"

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
    REAP_MS = 250,      /* how late a slow client may be cut off */
};

struct acceptor {
    struct http_server *server;
    int wake_fd; /* an eventfd: readable means that it is to stop, or to end */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Guarded by lock. */
    bool has_stopped; /* no listener is touched any more */
    bool is_ending;
};

static bool is_exhausted(int reason)
{
    return reason == EMFILE || reason == ENFILE || reason == ENOBUFS || reason == ENOMEM;
}

static void hand_over(struct http_server *server, const struct listener *listener, int fd,
                      const struct sockaddr *peer, socklen_t size)
{
    struct connection_origin origin;
    origin_of_socket(listener, fd, &origin);
    connections_expect(server->connections, fd, &origin);
    /* On failure (too many connections) the library closes it. */
    MHD_add_connection(listener->daemon, fd, peer, size);
}

/* False if there is nothing left to accept with. */
static bool accept_some(struct http_server *server, const struct listener *listener)
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
        if (listener->tls)
            tls_front_add(server->tls_front, listener, fd);
        else
            hand_over(server, listener, fd, (struct sockaddr *)&peer, size);
    }
    return true;
}

/* Accepts what waits. False if descriptors have run out. */
static bool accept_all(const struct acceptor *a, const struct pollfd *polled)
{
    bool enough = true;
    for (size_t i = 0; i < a->server->listener_count && enough; i++)
        if (polled[i].revents)
            enough = accept_some(a->server, &a->server->listeners[i]);
    return enough;
}

/* Somebody has woken the thread; false: for its end, else to leave the listeners alone. */
static bool heed(struct acceptor *a)
{
    eventfd_t ignored;
    eventfd_read(a->wake_fd, &ignored);
    pthread_mutex_lock(&a->lock);
    a->has_stopped = true;
    pthread_cond_signal(&a->changed);
    bool go_on = !a->is_ending;
    pthread_mutex_unlock(&a->lock);
    return go_on;
}

/* ---- daemons without a thread ---- */

/* What the thread waits for: to be woken, answers of the daemons that it runs, these daemons, then
   the listeners. */
enum { WOKEN, RESUMED, FIRST_DAEMON };

struct watch {
    struct pollfd *polled;
    struct MHD_Daemon **driven;
    size_t driven_count;
    size_t listener_count; /* 0: they are left alone */
};

static void watch_init(struct watch *watch, const struct acceptor *a)
{
    const struct http_server *server = a->server;
    size_t count = server->listener_count, n = FIRST_DAEMON;
    *watch = (struct watch){
        .polled = mem_new(FIRST_DAEMON + 2 * count, sizeof *watch->polled),
        .driven = mem_new(count, sizeof(struct MHD_Daemon *)),
        .listener_count = count,
    };
    watch->polled[WOKEN] = (struct pollfd){.fd = a->wake_fd, .events = POLLIN};
    watch->polled[RESUMED] = (struct pollfd){.fd = server->resume_fd, .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        struct MHD_Daemon *daemon = server->listeners[i].daemon;
        if (!server->listeners[i].is_driven)
            continue;
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
        watch->driven[watch->driven_count++] = daemon;
        watch->polled[n++] = (struct pollfd){.fd = info->epoll_fd, .events = POLLIN};
    }
    for (size_t i = 0; i < count; i++)
        watch->polled[n++] = (struct pollfd){.fd = server->listeners[i].bound.fd, .events = POLLIN};
}

static void watch_finish(struct watch *watch)
{
    free(watch->polled);
    free(watch->driven);
}

/* Lets them do what there is to do; tells for how long nothing will be, at most `most`. */
static int drive(const struct watch *watch, int most)
{
    int ms = most;
    for (size_t i = 0; i < watch->driven_count; i++) {
        MHD_UNSIGNED_LONG_LONG left;
        MHD_run(watch->driven[i]);
        if (MHD_get_timeout(watch->driven[i], &left) == MHD_YES &&
            left < (MHD_UNSIGNED_LONG_LONG)ms)
            ms = (int)left;
    }
    return ms;
}

/* ---- the thread ---- */

static void forget_resumed(struct http_server *server)
{
    eventfd_t ignored;
    eventfd_read(server->resume_fd, &ignored);
}

/* Cuts slow clients off and runs the daemons too, and does that after it accepts no more. */
static void *run(void *argument)
{
    struct acceptor *a = argument;
    struct watch watch;
    watch_init(&watch, a);
    const size_t others = FIRST_DAEMON + watch.driven_count;
    bool exhausted = false;
    int64_t reap_at = clock_monotonic_ms() + REAP_MS;
    for (;;) {
        int ms = drive(&watch, exhausted ? EXHAUSTED_MS : REAP_MS);
        int ready = poll(watch.polled, exhausted ? others : others + watch.listener_count, ms);
        if (ready > 0 && watch.polled[RESUMED].revents)
            forget_resumed(a->server);
        if (ready > 0 && watch.polled[WOKEN].revents) {
            if (!heed(a))
                break;
            watch.listener_count = 0;
        }
        if (clock_monotonic_ms() >= reap_at) {
            connections_reap(a->server->connections);
            reap_at = clock_monotonic_ms() + REAP_MS;
        }
        exhausted = ready > 0 && watch.listener_count > 0 && !exhausted &&
                    !accept_all(a, watch.polled + others);
    }
    watch_finish(&watch);
    return NULL;
}

int acceptor_create(struct http_server *server, struct acceptor **out, struct err *e)
{
    struct acceptor *a = mem_new(1, sizeof *a);
    a->server = server;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
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

static void wake(struct acceptor *a)
{
    eventfd_write(a->wake_fd, 1);
}

void acceptor_stop(struct acceptor *a)
{
    wake(a);
    pthread_mutex_lock(&a->lock);
    while (!a->has_stopped)
        pthread_cond_wait(&a->changed, &a->lock);
    pthread_mutex_unlock(&a->lock);
}

void acceptor_destroy(struct acceptor *a)
{
    if (!a)
        return;
    if (a->has_thread) {
        pthread_mutex_lock(&a->lock);
        a->is_ending = true;
        pthread_mutex_unlock(&a->lock);
        wake(a);
        pthread_join(a->thread, NULL);
    }
    if (a->wake_fd >= 0)
        close(a->wake_fd);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}
