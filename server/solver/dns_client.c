#include "server/solver/dns_client.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/solver/dns_silence.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LENGTH_SIZE = 2, /* in front of a message over TCP (RFC 1035 section 4.2.2) */
    DATAGRAM_MAX = 4096,
};

/*
 *             ask                socket free            truncated
 *   (new) ───────────▶ QUEUED ─────────────▶ ASKING_UDP ─────────▶ SENDING_TCP ──▶ READING_TCP
 *                                             │   ▲ next try            │               │
 *                                             └───┘                     ▼               ▼
 *             any of them, by answer, error, time limit or close:      done, freed
 */
enum query_state { QUEUED, ASKING_UDP, SENDING_TCP, READING_TCP };

struct query {
    struct dns_client *client;
    enum query_state state;
    struct dns_address server;
    struct dns_question question;
    dns_done *done;
    void *context;
    struct buf wire; /* the length, then the packet: UDP sends it from the packet on */
    size_t sent;     /* of wire, over TCP */
    struct buf reply;
    int fd;
    int tries;
    bool asked; /* something was sent */
    struct timer timer;
    enum dns_outcome outcome;   /* what the timer will tell */
    struct query *next, **link; /* of the client's list for its state */
};

struct dns_client {
    struct dns_client_options options;
    struct query *queue, **queue_end; /* QUEUED, in order */
    struct query *open;               /* all others */
    int open_count;
    struct dns_silence silence;
};

static void query_unlink(struct query *q)
{
    if (q->client->queue_end == &q->next)
        q->client->queue_end = q->link;
    if (q->next)
        q->next->link = q->link;
    *q->link = q->next;
    q->next = NULL;
    q->link = NULL;
}

static void query_link(struct query *q, struct query **link)
{
    q->link = link;
    q->next = *link;
    if (q->next)
        q->next->link = &q->next;
    *link = q;
}

static void query_close_socket(struct query *q)
{
    if (q->fd >= 0)
        close(q->fd); /* takes it out of epoll too */
    q->fd = -1;
}

/* Resolvers are few, and their users know how to wait: only others are passed over. */
static void query_note_silence(struct query *q, enum dns_outcome outcome)
{
    struct dns_client *client = q->client;
    if (q->question.recursive)
        return;
    if (outcome == DNS_ANSWERED)
        dns_silence_forget(&client->silence, &q->server);
    else if (outcome == DNS_SILENT && q->asked)
        dns_silence_note(&client->silence, &q->server,
                         (int64_t)client->options.try_timeout_ms * client->options.tries);
}

static void queue_advance(struct dns_client *client);

/* Takes the query apart, then tells: the callback may ask anew. */
static void query_finish(struct query *q, enum dns_outcome outcome, struct dns_answer *answer)
{
    struct dns_client *client = q->client;
    query_note_silence(q, outcome);
    if (q->state != QUEUED)
        client->open_count--;
    query_unlink(q);
    query_close_socket(q);
    timers_unset(client->options.timers, &q->timer);
    buf_finish(&q->wire);
    buf_finish(&q->reply);
    dns_done *done = q->done;
    void *context = q->context;
    free(q);
    done(context, outcome, answer);
    if (answer)
        dns_answer_finish(answer);
    queue_advance(client);
}

/* Fails the query from the timers, so that no callback runs inside of dns_client_ask. */
static void query_fail_later(struct query *q, enum dns_outcome outcome)
{
    query_close_socket(q);
    q->outcome = outcome;
    q->tries = 0;
    timers_set(q->client->options.timers, &q->timer, clock_monotonic_ms());
}

/* Opens a connected socket and waits for events on it. */
static bool query_open(struct query *q, int type, uint32_t events)
{
    query_close_socket(q);
    q->fd = socket(q->server.socket.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event event = {.events = events, .data.ptr = q};
    if (q->fd < 0 || epoll_ctl(q->client->options.epoll, EPOLL_CTL_ADD, q->fd, &event))
        return false;
    int rc = connect(q->fd, &q->server.socket.any, q->server.size);
    return rc == 0 || errno == EINPROGRESS;
}

static void query_limit_time(struct query *q)
{
    q->outcome = DNS_SILENT;
    timers_set(q->client->options.timers, &q->timer,
               clock_monotonic_ms() + q->client->options.try_timeout_ms);
}

static void query_send_datagram(struct query *q)
{
    q->tries--;
    q->asked = true;
    ssize_t sent = send(q->fd, q->wire.data + LENGTH_SIZE, q->wire.size - LENGTH_SIZE, 0);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        query_fail_later(q, DNS_UNREACHABLE);
    else
        query_limit_time(q);
}

static void query_start(struct query *q)
{
    q->state = ASKING_UDP;
    q->tries = q->client->options.tries;
    if (!q->question.recursive && dns_silence_has(&q->client->silence, &q->server))
        query_fail_later(q, DNS_SILENT);
    else if (query_open(q, SOCK_DGRAM, EPOLLIN))
        query_send_datagram(q);
    else
        query_fail_later(q, DNS_UNREACHABLE);
}

static void query_start_tcp(struct query *q)
{
    q->state = SENDING_TCP;
    q->tries = 0;
    if (query_open(q, SOCK_STREAM, EPOLLOUT))
        query_limit_time(q);
    else
        query_fail_later(q, DNS_UNREACHABLE);
}

static void queue_advance(struct dns_client *client)
{
    while (client->queue && client->open_count < client->options.max_sockets) {
        struct query *q = client->queue;
        query_unlink(q);
        query_link(q, &client->open);
        client->open_count++;
        query_start(q);
    }
}

static void query_timed_out(void *context)
{
    struct query *q = context;
    if (q->state == ASKING_UDP && q->tries > 0)
        query_send_datagram(q);
    else
        query_finish(q, q->outcome, NULL);
}

static void datagram_readable(struct query *q)
{
    char packet[DATAGRAM_MAX];
    struct dns_answer answer;
    ssize_t got = recv(q->fd, packet, sizeof packet, 0);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR)
            query_finish(q, DNS_UNREACHABLE, NULL);
        return;
    }
    if (!dns_answer_read(packet, (size_t)got, &q->question, &answer))
        return; /* whoever sent that, the answer may still come */
    if (answer.truncated) {
        dns_answer_finish(&answer);
        query_start_tcp(q);
    } else {
        query_finish(q, DNS_ANSWERED, &answer);
    }
}

static void stream_writable(struct query *q)
{
    ssize_t sent = send(q->fd, q->wire.data + q->sent, q->wire.size - q->sent, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            query_finish(q, DNS_UNREACHABLE, NULL);
        return;
    }
    q->sent += (size_t)sent;
    if (q->sent < q->wire.size)
        return;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = q};
    q->state = READING_TCP;
    epoll_ctl(q->client->options.epoll, EPOLL_CTL_MOD, q->fd, &event);
}

/* The length of the message that is being read, 0 while it is not known. */
static size_t stream_expected(const struct query *q)
{
    if (q->reply.size < LENGTH_SIZE)
        return 0;
    const unsigned char *head = (const unsigned char *)q->reply.data;
    return (size_t)(head[0] << 8 | head[1]);
}

static void stream_readable(struct query *q)
{
    char data[DATAGRAM_MAX];
    struct dns_answer answer;
    ssize_t got = recv(q->fd, data, sizeof data, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        query_finish(q, DNS_SILENT, NULL);
        return;
    }
    buf_add(&q->reply, data, (size_t)got);
    size_t expected = stream_expected(q);
    if (q->reply.size < LENGTH_SIZE || q->reply.size < LENGTH_SIZE + expected)
        return;
    if (dns_answer_read(q->reply.data + LENGTH_SIZE, expected, &q->question, &answer))
        query_finish(q, DNS_ANSWERED, &answer);
    else
        query_finish(q, DNS_SILENT, NULL);
}

struct dns_client *dns_client_create(const struct dns_client_options *options)
{
    struct dns_client *client = mem_new(1, sizeof *client);
    client->options = *options;
    client->queue_end = &client->queue;
    client->silence.timers = options->timers;
    return client;
}

void dns_client_destroy(struct dns_client *client)
{
    if (!client)
        return;
    client->options.max_sockets = 0; /* so that the queue stands still */
    while (client->queue || client->open)
        /* query_finish takes it out of its list, which the analyzer cannot see. */
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        query_finish(client->queue ? client->queue : client->open, DNS_CLOSED, NULL);
    dns_silence_finish(&client->silence);
    free(client);
}

void dns_client_ask(struct dns_client *client, const struct dns_address *server, const char *name,
                    enum dns_type type, bool recursive, dns_done *done, void *context)
{
    struct query *q = mem_new(1, sizeof *q);
    q->client = client;
    q->server = *server;
    q->done = done;
    q->context = context;
    q->fd = -1;
    q->timer.fire = query_timed_out;
    q->timer.context = q;
    q->question.type = type;
    q->question.recursive = recursive;
    bool named = dns_name_read(name, q->question.name);
    ssize_t drawn = getrandom(&q->question.id, sizeof q->question.id, 0);
    assert(named && drawn == (ssize_t)sizeof q->question.id);
    (void)named;
    (void)drawn;

    const char no_length[LENGTH_SIZE] = {0};
    buf_add(&q->wire, no_length, sizeof no_length);
    bool written = dns_question_write(&q->question, &q->wire);
    assert(written);
    (void)written;
    q->wire.data[0] = (char)((q->wire.size - LENGTH_SIZE) >> 8);
    q->wire.data[1] = (char)((q->wire.size - LENGTH_SIZE) & 0xff);

    query_link(q, client->queue_end);
    client->queue_end = &q->next;
    queue_advance(client);
}

void dns_client_event(struct dns_client *client, void *pointer)
{
    struct query *q = pointer;
    assert(q->client == client);
    (void)client;
    switch (q->state) {
    case ASKING_UDP:
        datagram_readable(q);
        break;
    case SENDING_TCP:
        stream_writable(q);
        break;
    case READING_TCP:
        stream_readable(q);
        break;
    case QUEUED:
        break;
    }
}
