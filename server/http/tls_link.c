#include "server/http/tls_link.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ROUNDS = 4, /* before others have their turn; epoll tells again of what is left */
    /* For all that is held for a client that does not read, as an answer has without TLS. */
    HELD_MS = 60 * CLOCK_SECOND_MS,
    LINGER_MS = 2 * CLOCK_SECOND_MS,
};

enum flow { FLOW_STUCK, FLOW_MOVED, FLOW_BROKEN };

struct tls_link *tls_link_create(const struct listener *listener, SSL *ssl, int fd)
{
    struct tls_link *link = mem_new(1, sizeof *link);
    link->listener = listener;
    link->ssl = ssl;
    link->net = (struct tls_end){.link = link, .fd = fd};
    link->inner = (struct tls_end){.link = link, .fd = -1};
    link->deadline_ms = INT64_MAX;
    SSL_set_fd(ssl, fd);
    return link;
}

static void held_finish(struct tls_held *held)
{
    if (held->data)
        mem_free_secret(held->data, held->size);
    *held = (struct tls_held){0};
}

void tls_link_destroy(struct tls_link *link)
{
    SSL_free(link->ssl);
    close(link->net.fd);
    if (link->inner.fd >= 0)
        close(link->inner.fd);
    held_finish(&link->in);
    held_finish(&link->out);
    free(link);
}

int tls_link_shake(struct tls_link *link)
{
    ERR_clear_error();
    int rc = SSL_accept(link->ssl);
    if (rc == 1)
        return 1;
    int reason = SSL_get_error(link->ssl, rc);
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* ---- from the client to the service ---- */

static void hold(struct tls_held *held, const char *data, size_t size)
{
    held->data = mem_new(1, size);
    memcpy(held->data, data, size);
    held->at = 0;
    held->size = size;
}

/* The service's end takes no more once it has closed: what comes is thrown away. */
static size_t give_inner(struct tls_link *link, const char *data, size_t size)
{
    ssize_t sent =
        link->in_dropped ? (ssize_t)size : send(link->inner.fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        link->in_dropped = true;
        return size;
    }
    return sent < 0 ? 0 : (size_t)sent;
}

static enum flow drain_in(struct tls_link *link)
{
    size_t given = give_inner(link, link->in.data + link->in.at, link->in.size - link->in.at);
    link->in.at += given;
    if (link->in.at == link->in.size)
        held_finish(&link->in);
    return given ? FLOW_MOVED : FLOW_STUCK;
}

static enum flow client_has_ended(struct tls_link *link)
{
    link->in_ended = true;
    /* Half-closed, as TCP would be: an answer may still go the other way. */
    shutdown(link->inner.fd, SHUT_WR);
    return FLOW_MOVED;
}

/* A record is at most TLS_LINK_SCRATCH bytes, so that nothing stays behind within OpenSSL, where
   epoll would not see it. */
static enum flow move_in(struct tls_link *link, char *scratch)
{
    size_t size;
    if (link->in.size)
        return drain_in(link);
    if (link->in_ended)
        return FLOW_STUCK;
    ERR_clear_error();
    int rc = SSL_read_ex(link->ssl, scratch, TLS_LINK_SCRATCH, &size);
    if (rc == 1) {
        size_t given = give_inner(link, scratch, size);
        if (given < size)
            hold(&link->in, scratch + given, size - given);
        OPENSSL_cleanse(scratch, size);
        return FLOW_MOVED;
    }
    switch (SSL_get_error(link->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return FLOW_STUCK;
    case SSL_ERROR_WANT_WRITE:
        link->net_is_full = true;
        return FLOW_STUCK;
    case SSL_ERROR_ZERO_RETURN:
        return client_has_ended(link);
    default:
        return FLOW_BROKEN; /* an end without close_notify too: nobody is there to read answers */
    }
}

/* ---- from the service to the client ---- */

/* 1 and *given, 0: not now, -1: broken. */
static int give_net(struct tls_link *link, const char *data, size_t size, size_t *given)
{
    ERR_clear_error();
    int rc = SSL_write_ex(link->ssl, data, size, given);
    if (rc == 1)
        return 1;
    int reason = SSL_get_error(link->ssl, rc);
    link->net_is_full = reason == SSL_ERROR_WANT_WRITE;
    return reason == SSL_ERROR_WANT_WRITE || reason == SSL_ERROR_WANT_READ ? 0 : -1;
}

static enum flow drain_out(struct tls_link *link)
{
    size_t given;
    int rc = give_net(link, link->out.data + link->out.at, link->out.size - link->out.at, &given);
    if (rc <= 0)
        return rc < 0 ? FLOW_BROKEN : FLOW_STUCK;
    link->out.at += given;
    if (link->out.at == link->out.size) {
        held_finish(&link->out);
        link->deadline_ms = INT64_MAX;
    }
    return FLOW_MOVED;
}

static enum flow move_out(struct tls_link *link, char *scratch)
{
    size_t given = 0;
    if (link->out.size)
        return drain_out(link);
    if (link->out_ended)
        return FLOW_STUCK;
    ssize_t size = recv(link->inner.fd, scratch, TLS_LINK_SCRATCH, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return FLOW_STUCK;
    if (size <= 0) {
        link->out_ended = true;
        return FLOW_MOVED;
    }
    int rc = give_net(link, scratch, (size_t)size, &given);
    if (rc < 0)
        return FLOW_BROKEN;
    if (rc == 0 || given < (size_t)size) {
        given = rc == 0 ? 0 : given;
        hold(&link->out, scratch + given, (size_t)size - given);
        link->deadline_ms = clock_monotonic_ms() + HELD_MS;
    }
    OPENSSL_cleanse(scratch, (size_t)size);
    return FLOW_MOVED;
}

/* ---- both ---- */

/* All has been said. */
static void begin_lingering(struct tls_link *link)
{
    ERR_clear_error();
    SSL_shutdown(link->ssl);
    shutdown(link->net.fd, SHUT_WR);
    link->state = TLS_LINGERING;
    link->deadline_ms = clock_monotonic_ms() + LINGER_MS;
}

/* Whether the client is still there; what it sends is not even deciphered. */
static bool linger(const struct tls_link *link, char *scratch)
{
    for (int i = 0; i < ROUNDS; i++) {
        ssize_t size = recv(link->net.fd, scratch, TLS_LINK_SCRATCH, 0);
        if (size <= 0)
            return size < 0 && (errno == EAGAIN || errno == EINTR);
    }
    return true;
}

bool tls_link_pump(struct tls_link *link, char *scratch)
{
    if (link->state == TLS_LINGERING)
        return linger(link, scratch);
    link->net_is_full = false;
    for (int i = 0; i < ROUNDS; i++) {
        enum flow in = move_in(link, scratch);
        enum flow out = in == FLOW_BROKEN ? FLOW_BROKEN : move_out(link, scratch);
        if (out == FLOW_BROKEN)
            return false;
        if (in == FLOW_STUCK && out == FLOW_STUCK)
            break;
    }
    if (link->out_ended && !link->out.size)
        begin_lingering(link);
    return true;
}

uint32_t tls_link_net_events(const struct tls_link *link)
{
    if (link->state == TLS_HANDSHAKE)
        return SSL_want_write(link->ssl) ? EPOLLOUT : EPOLLIN;
    if (link->state == TLS_LINGERING)
        return EPOLLIN;
    uint32_t events = link->in.size || link->in_ended ? 0 : EPOLLIN;
    return events | (link->out.size || link->net_is_full ? EPOLLOUT : 0);
}

uint32_t tls_link_inner_events(const struct tls_link *link)
{
    if (link->state != TLS_OPEN)
        return 0;
    uint32_t events = link->out.size || link->out_ended ? 0 : EPOLLIN;
    return events | (link->in.size ? EPOLLOUT : 0);
}
