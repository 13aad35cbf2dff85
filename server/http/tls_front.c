#include "server/http/tls_front.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/http/connections.h"
#include "server/http/server_private.h"
#include "server/http/thread.h"
#include "server/http/tls_context.h"
#include "server/http/tls_link.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    EVENTS = 64,
    TICK_MS = 250, /* how late a slow client may be cut off */
    /* At once, but no more than half of the connections, or those that never end could take all
       of them; one more takes the oldest's place. */
    HANDSHAKES_MAX = 256,
    FLUSH_MS = 1000,
    LOG_MS = 1000, /* refused handshakes are told of no more often: strangers make them */
};

/* Oldest first. */
struct link_list {
    struct tls_link *first, *last;
    size_t count;
};

struct arrival {
    const struct listener *listener;
    int fd;
};

struct tls_front {
    struct tls_front_options options;
    size_t max_handshakes;
    int epoll_fd;
    int wake_fd; /* an eventfd: readable means that what the lock guards has changed */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Guarded by lock. */
    struct arrival *arrivals;
    size_t arrival_count, arrival_capacity;
    size_t open_count; /* of all links, for the cap; arrivals are within it */
    bool is_stopping, has_stopped, is_ending;

    /* The thread's own. */
    struct link_list handshakes, links, dead;
    bool hands_over;
    int64_t log_at;
    char scratch[TLS_LINK_SCRATCH];
};

/* ---- lists ---- */

static void list_add(struct link_list *list, struct tls_link *link)
{
    link->previous = list->last;
    link->next = NULL;
    if (list->last)
        list->last->next = link;
    else
        list->first = link;
    list->last = link;
    list->count++;
}

static void list_remove(struct link_list *list, struct tls_link *link)
{
    if (link->previous)
        link->previous->next = link->next;
    else
        list->first = link->next;
    if (link->next)
        link->next->previous = link->previous;
    else
        list->last = link->previous;
    list->count--;
}

/* ---- watching ---- */

/* False if the kernel has no room for it. */
static bool watch_end(const struct tls_front *front, struct tls_end *end, uint32_t events,
                      bool always)
{
    struct epoll_event event = {.events = events, .data.ptr = end};
    bool is_wanted = end->fd >= 0 && (events || always);
    if (is_wanted == end->is_watched && events == end->events)
        return true;
    int how = !is_wanted ? EPOLL_CTL_DEL : end->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(front->epoll_fd, how, end->fd, &event) < 0)
        return false;
    end->is_watched = is_wanted;
    end->events = events;
    return true;
}

/* The client is always watched: epoll tells of its departure unasked. */
static bool watch(const struct tls_front *front, struct tls_link *link)
{
    return watch_end(front, &link->net, tls_link_net_events(link), true) &&
           watch_end(front, &link->inner, tls_link_inner_events(link), false);
}

/* ---- the life of a link ---- */

static struct link_list *list_of(struct tls_front *front, const struct tls_link *link)
{
    return link->state == TLS_HANDSHAKE ? &front->handshakes : &front->links;
}

/* Events that were fetched together may name it still: it is freed after them. */
static void bury(struct tls_front *front, struct tls_link *link)
{
    if (link->is_dead)
        return;
    list_remove(list_of(front, link), link);
    link->is_dead = true;
    list_add(&front->dead, link);
}

static void free_dead(struct tls_front *front)
{
    size_t freed = front->dead.count;
    while (front->dead.first) {
        struct tls_link *link = front->dead.first;
        list_remove(&front->dead, link);
        tls_link_destroy(link);
    }
    if (!freed)
        return;
    pthread_mutex_lock(&front->lock);
    front->open_count -= freed;
    pthread_mutex_unlock(&front->lock);
}

static void begin(struct tls_front *front, const struct arrival *arrival)
{
    int on = 1;
    setsockopt(arrival->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct tls_link *link = tls_link_create(
        arrival->listener, tls_context_session(arrival->listener->tls), arrival->fd);
    link->deadline_ms = clock_monotonic_ms() + front->options.handshake_ms;
    if (front->handshakes.count >= front->max_handshakes)
        bury(front, front->handshakes.first);
    list_add(&front->handshakes, link);
    if (!watch(front, link))
        bury(front, link);
}

static void tell_of_refusal(struct tls_front *front, const struct tls_link *link)
{
    int64_t now = clock_monotonic_ms();
    long verdict = SSL_get_verify_result(link->ssl);
    if (verdict == X509_V_OK || now < front->log_at)
        return;
    front->log_at = now + LOG_MS;
    log_info("a client's certificate was refused", "listener", link->listener->bound.name, "reason",
             X509_verify_cert_error_string(verdict), NULL);
}

/* The handshake is done: libmicrohttpd gets one end of a pair, and knows no difference. */
static bool hand_over(struct tls_front *front, struct tls_link *link)
{
    int pair[2];
    struct connection_origin origin;
    const struct sockaddr_un nobody = {.sun_family = AF_UNIX};
    if (!front->hands_over ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return false;
    list_remove(&front->handshakes, link);
    link->state = TLS_OPEN;
    list_add(&front->links, link);
    link->deadline_ms = INT64_MAX;
    link->inner.fd = pair[0];
    origin_of_tls(link->listener, link->net.fd, link->ssl, &origin);
    connections_expect(front->options.connections, pair[1], &origin);
    /* On failure (too many connections) the library closes it, which is what we then see. */
    MHD_add_connection(link->listener->daemon, pair[1], (const struct sockaddr *)&nobody,
                       sizeof nobody);
    return true;
}

static bool shake(struct tls_front *front, struct tls_link *link)
{
    int rc = tls_link_shake(link);
    if (rc < 0)
        tell_of_refusal(front, link);
    return rc == 0 || (rc == 1 && hand_over(front, link));
}

static void advance(struct tls_front *front, const struct epoll_event *event)
{
    struct tls_end *end = event->data.ptr;
    struct tls_link *link = end->link;
    if (link->is_dead)
        return;
    bool has_left = end == &link->net && event->events & (EPOLLHUP | EPOLLERR);
    bool lives = !has_left && (link->state != TLS_HANDSHAKE || shake(front, link));
    if (lives && link->state != TLS_HANDSHAKE)
        lives = tls_link_pump(link, front->scratch);
    if (!lives || !watch(front, link))
        bury(front, link);
}

static void reap(struct tls_front *front, struct link_list *list)
{
    int64_t now = clock_monotonic_ms();
    for (struct tls_link *link = list->first, *next; link; link = next) {
        next = link->next;
        if (link->deadline_ms <= now)
            bury(front, link);
    }
}

/* ---- the thread ---- */

static void bury_all(struct tls_front *front, struct link_list *list)
{
    while (list->first)
        bury(front, list->first);
}

/* What others have asked for; false: for the end. */
static bool heed(struct tls_front *front)
{
    eventfd_t ignored;
    eventfd_read(front->wake_fd, &ignored);
    pthread_mutex_lock(&front->lock);
    struct arrival *arrivals = front->arrivals;
    size_t count = front->arrival_count;
    bool goes_on = !front->is_ending;
    front->arrivals = NULL;
    front->arrival_count = front->arrival_capacity = 0;
    front->hands_over = !front->is_stopping;
    front->has_stopped = front->is_stopping;
    pthread_cond_signal(&front->changed);
    pthread_mutex_unlock(&front->lock);
    for (size_t i = 0; i < count; i++)
        begin(front, &arrivals[i]);
    free(arrivals);
    if (!front->hands_over)
        bury_all(front, &front->handshakes);
    return goes_on;
}

/* False: it is to end. */
static bool take_turn(struct tls_front *front)
{
    struct epoll_event events[EVENTS];
    bool goes_on = true;
    int count = epoll_wait(front->epoll_fd, events, EVENTS, TICK_MS);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr)
            advance(front, &events[i]);
        else
            goes_on = heed(front);
    }
    reap(front, &front->handshakes);
    reap(front, &front->links);
    free_dead(front);
    return goes_on;
}

static void *run(void *argument)
{
    struct tls_front *front = argument;
    while (take_turn(front))
        continue;
    int64_t until = clock_monotonic_ms() + FLUSH_MS;
    while (front->links.count && clock_monotonic_ms() < until)
        take_turn(front);
    bury_all(front, &front->links);
    free_dead(front);
    return NULL;
}

/* ---- from outside ---- */

static int open_descriptors(struct tls_front *front, struct err *e)
{
    struct epoll_event event = {.events = EPOLLIN}; /* without a pointer: the wake_fd */
    front->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    front->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (front->wake_fd < 0 || front->epoll_fd < 0 ||
        epoll_ctl(front->epoll_fd, EPOLL_CTL_ADD, front->wake_fd, &event) < 0)
        return err_set(e, ERR_IO, "cannot wait for TLS connections: %s", strerror(errno));
    return 0;
}

int tls_front_create(const struct tls_front_options *options, struct tls_front **out, struct err *e)
{
    struct tls_front *front = mem_new(1, sizeof *front);
    front->options = *options;
    front->max_handshakes = options->max / 2 < HANDSHAKES_MAX ? options->max / 2 : HANDSHAKES_MAX;
    if (!front->max_handshakes)
        front->max_handshakes = 1;
    front->hands_over = true;
    pthread_mutex_init(&front->lock, NULL);
    pthread_cond_init(&front->changed, NULL);
    if (open_descriptors(front, e) < 0 || thread_start(run, front, &front->thread, e) < 0) {
        tls_front_destroy(front);
        return -1;
    }
    front->has_thread = true;
    *out = front;
    return 0;
}

void tls_front_add(struct tls_front *front, const struct listener *listener, int fd)
{
    pthread_mutex_lock(&front->lock);
    bool has_room = front->open_count < front->options.max;
    if (has_room) {
        if (front->arrival_count == front->arrival_capacity) {
            front->arrival_capacity += EVENTS;
            front->arrivals =
                mem_grow(front->arrivals, front->arrival_capacity, sizeof *front->arrivals);
        }
        front->arrivals[front->arrival_count++] = (struct arrival){listener, fd};
        front->open_count++;
    }
    pthread_mutex_unlock(&front->lock);
    if (has_room)
        eventfd_write(front->wake_fd, 1);
    else
        close(fd);
}

void tls_front_stop(struct tls_front *front)
{
    pthread_mutex_lock(&front->lock);
    front->is_stopping = true;
    eventfd_write(front->wake_fd, 1);
    while (!front->has_stopped)
        pthread_cond_wait(&front->changed, &front->lock);
    pthread_mutex_unlock(&front->lock);
}

void tls_front_destroy(struct tls_front *front)
{
    if (!front)
        return;
    if (front->has_thread) {
        pthread_mutex_lock(&front->lock);
        front->is_stopping = front->is_ending = true;
        pthread_mutex_unlock(&front->lock);
        eventfd_write(front->wake_fd, 1);
        pthread_join(front->thread, NULL);
    }
    if (front->epoll_fd >= 0)
        close(front->epoll_fd);
    if (front->wake_fd >= 0)
        close(front->wake_fd);
    OPENSSL_cleanse(front->scratch, sizeof front->scratch);
    pthread_cond_destroy(&front->changed);
    pthread_mutex_destroy(&front->lock);
    free(front->arrivals);
    free(front);
}
