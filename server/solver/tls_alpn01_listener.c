#include "server/solver/tls_alpn01_listener.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "acme/tls_alpn.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 64,
    CONNECTION_MS = 10 * CLOCK_SECOND_MS,
    EXHAUSTED_MS = 100, /* how long nothing is accepted when descriptors have run out */
};

/* In the order of their accept, so the first is both the oldest and the next to run out of time. */
struct connection {
    int fd;
    SSL *ssl;
    bool done; /* the handshake is over: only the peer's close is waited for */
    int64_t until;
};

struct tls_alpn01_listener {
    struct tls_alpn01_table *table;
    int fd;
    int wake_fd; /* an eventfd: readable means the end */
    SSL_CTX *ctx;
    pthread_t thread;
    struct connection connections[CONNECTIONS_MAX];
    size_t count;
};

/* ---- TLS ---- */

/* list: names with a byte of length before each (RFC 7301 section 3.1). */
static bool list_names_acme(const unsigned char *list, size_t size)
{
    const size_t wanted = strlen(TLS_ALPN_PROTOCOL);
    for (size_t at = 0; at < size; at += (size_t)list[at] + 1)
        if (list[at] == wanted && at + 1 + wanted <= size &&
            !memcmp(list + at + 1, TLS_ALPN_PROTOCOL, wanted))
            return true;
    return false;
}

/* OpenSSL asks for a choice only where the peer offers one, and goes on without: so look before. */
static int hello_judge(SSL *ssl, int *alert, void *context)
{
    const unsigned char *data;
    size_t size;
    (void)context;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data,
                                  &size) &&
        size > 2 && list_names_acme(data + 2, size - 2))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static int protocol_choose(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *list, unsigned size, void *context)
{
    (void)ssl, (void)context;
    if (!list_names_acme(list, size))
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = (const unsigned char *)TLS_ALPN_PROTOCOL;
    *out_size = (unsigned char)strlen(TLS_ALPN_PROTOCOL);
    return SSL_TLSEXT_ERR_OK;
}

static int name_choose(SSL *ssl, int *alert, void *context)
{
    const struct tls_alpn01_listener *listener = context;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    X509 *certificate = name ? tls_alpn01_certificate(listener->table, name) : NULL;
    bool ready = certificate && SSL_use_certificate(ssl, certificate) == 1 &&
                 SSL_use_PrivateKey(ssl, tls_alpn01_key(listener->table)) == 1;
    X509_free(certificate);
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return ready ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* An allocation that failed is like any other: the process ends. */
static void *alive(void *p)
{
    if (!p)
        mem_exhausted();
    return p;
}

static SSL_CTX *context_make(struct tls_alpn01_listener *listener)
{
    SSL_CTX *ctx = alive(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_client_hello_cb(ctx, hello_judge, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, protocol_choose, NULL);
    SSL_CTX_set_tlsext_servername_callback(ctx, name_choose);
    SSL_CTX_set_tlsext_servername_arg(ctx, listener);
    return ctx;
}

/* ---- connections ---- */

static void connection_close(struct tls_alpn01_listener *listener, size_t i)
{
    SSL_free(listener->connections[i].ssl);
    close(listener->connections[i].fd);
    listener->count--;
    memmove(&listener->connections[i], &listener->connections[i + 1],
            (listener->count - i) * sizeof *listener->connections);
}

/* False: it is to be closed. */
static bool connection_go_on(struct connection *connection)
{
    if (connection->done)
        return false; /* what woke us is the peer's close */
    ERR_clear_error();
    int rc = SSL_accept(connection->ssl);
    if (rc != 1) {
        int reason = SSL_get_error(connection->ssl, rc);
        return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
    }
    /* Closing at once could reset the connection before the peer has read all. */
    SSL_shutdown(connection->ssl);
    shutdown(connection->fd, SHUT_WR);
    connection->done = true;
    return true;
}

static short connection_waits_for(const struct connection *connection)
{
    if (connection->done)
        return POLLRDHUP;
    return SSL_want_write(connection->ssl) ? POLLOUT : POLLIN;
}

static void connection_open(struct tls_alpn01_listener *listener, int fd)
{
    if (listener->count == CONNECTIONS_MAX)
        connection_close(listener, 0);
    struct connection *connection = &listener->connections[listener->count++];
    *connection = (struct connection){
        .fd = fd,
        .ssl = alive(SSL_new(listener->ctx)),
        .until = clock_monotonic_ms() + CONNECTION_MS,
    };
    SSL_set_fd(connection->ssl, fd);
}

/* A few at a time, so that those who are there have their turn. False if descriptors ran out. */
static bool accept_some(struct tls_alpn01_listener *listener)
{
    for (int i = 0; i < CONNECTIONS_MAX / 4; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            connection_open(listener, fd);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return true;
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            return false;
    }
    return true;
}

/* ---- the thread ---- */

static int wait_ms(const struct tls_alpn01_listener *listener, bool exhausted)
{
    if (exhausted)
        return EXHAUSTED_MS;
    if (!listener->count)
        return -1;
    int64_t left = listener->connections[0].until - clock_monotonic_ms();
    return left > 0 ? (int)left + 1 : 0;
}

/* From the last to the first, as closing one moves those after it. */
static void connections_serve(struct tls_alpn01_listener *listener, const struct pollfd *polled)
{
    int64_t now = clock_monotonic_ms();
    for (size_t i = listener->count; i-- > 0;) {
        struct connection *connection = &listener->connections[i];
        if (connection->until <= now || (polled[i].revents && !connection_go_on(connection)))
            connection_close(listener, i);
    }
}

static void *run(void *argument)
{
    struct tls_alpn01_listener *listener = argument;
    bool exhausted = false;
    for (;;) {
        struct pollfd polled[CONNECTIONS_MAX + 2] = {
            {.fd = listener->wake_fd, .events = POLLIN},
            {.fd = exhausted ? -1 : listener->fd, .events = POLLIN},
        };
        for (size_t i = 0; i < listener->count; i++)
            polled[i + 2] =
                (struct pollfd){.fd = listener->connections[i].fd,
                                .events = connection_waits_for(&listener->connections[i])};
        int ready = poll(polled, listener->count + 2, wait_ms(listener, exhausted));
        if (ready < 0)
            continue; /* no signal is for this thread, but a debugger may stop it */
        if (polled[0].revents)
            break;
        connections_serve(listener, polled + 2);
        exhausted = polled[1].revents && !accept_some(listener);
    }
    while (listener->count)
        connection_close(listener, listener->count - 1);
    return NULL;
}

/* With all signals blocked: they belong to the main thread. */
static int thread_start(struct tls_alpn01_listener *listener, struct err *e)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&listener->thread, NULL, run, listener);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return err_set(e, ERR_IO, "the tls-alpn-01 thread does not start: %s", strerror(failed));
    pthread_setname_np(listener->thread, "tls-alpn-01");
    return 0;
}

static void listener_free(struct tls_alpn01_listener *listener)
{
    if (listener->wake_fd >= 0)
        close(listener->wake_fd);
    SSL_CTX_free(listener->ctx);
    free(listener);
}

int tls_alpn01_listener_create(struct tls_alpn01_table *table, int fd,
                               struct tls_alpn01_listener **out, struct err *e)
{
    struct tls_alpn01_listener *listener = mem_new(1, sizeof *listener);
    listener->table = table;
    listener->fd = fd;
    listener->ctx = context_make(listener);
    listener->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (listener->wake_fd < 0)
        err_set(e, ERR_IO, "cannot make an eventfd: %s", strerror(errno));
    if (listener->wake_fd < 0 || thread_start(listener, e) < 0) {
        listener_free(listener);
        return -1;
    }
    *out = listener;
    return 0;
}

void tls_alpn01_listener_destroy(struct tls_alpn01_listener *listener)
{
    if (!listener)
        return;
    eventfd_write(listener->wake_fd, 1);
    pthread_join(listener->thread, NULL);
    listener_free(listener);
}
