/*
 * A loopback server that answers with the very bytes a test gives it, over plain TCP or TLS, one
 * connection after the other. What it counts may be read after wire_stop, or between calls of a
 * client that has its answer.
 */
#ifndef CERTWRIGHT_TESTS_UNIT_WIRE_H
#define CERTWRIGHT_TESTS_UNIT_WIRE_H

#include "acme/base/buffer.h"
#include "acme/base/memory.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct wire {
    /* The raw answer to a whole request, NULL: hang up. The server frees it. */
    char *(*answer)(const char *request, void *context);
    void *context;
    const char *tls_pem; /* path of certificate and key; NULL: plain TCP */

    int listener;
    int port;
    pthread_t thread;
    SSL_CTX *tls;
    atomic_int connection; /* the one under way, -1 if none */
    atomic_int connections;
    atomic_int requests;
    atomic_bool stopping;
};

static inline int wire_read(SSL *ssl, int fd, char *data, size_t size)
{
    return ssl ? SSL_read(ssl, data, (int)size) : (int)recv(fd, data, size, 0);
}

static inline bool wire_write(SSL *ssl, int fd, const char *data, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        int n = ssl ? SSL_write(ssl, data + sent, (int)(size - sent))
                    : (int)send(fd, data + sent, size - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

/* How many bytes a request has, 0 while its header is not complete. */
static inline size_t wire_request_size(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    if (!end)
        return 0;
    const char *length = strcasestr(text, "\r\ncontent-length:");
    size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    return (size_t)(end - text) + 4 + body;
}

static inline bool wire_serve_one(struct wire *wire, SSL *ssl, int fd)
{
    struct buf request = {0};
    char piece[4096];
    while (!wire_request_size(buf_string(&request)) ||
           wire_request_size(request.data) > request.size) {
        int n = wire_read(ssl, fd, piece, sizeof piece);
        if (n <= 0) {
            buf_finish(&request);
            return false;
        }
        buf_add(&request, piece, (size_t)n);
    }
    atomic_fetch_add(&wire->requests, 1);
    char *answer = wire->answer(request.data, wire->context);
    buf_finish(&request);
    bool more = answer && wire_write(ssl, fd, answer, strlen(answer));
    if (answer && strcasestr(answer, "\r\nconnection: close"))
        more = false;
    free(answer);
    return more;
}

static inline void *wire_run(void *context)
{
    struct wire *wire = context;
    int fd;
    while ((fd = accept(wire->listener, NULL, NULL)) >= 0) {
        atomic_store(&wire->connection, fd);
        atomic_fetch_add(&wire->connections, 1);
        SSL *ssl = wire->tls ? SSL_new(wire->tls) : NULL;
        if (!ssl || (SSL_set_fd(ssl, fd) && SSL_accept(ssl) == 1))
            while (!atomic_load(&wire->stopping) && wire_serve_one(wire, ssl, fd))
                ;
        if (ssl)
            SSL_shutdown(ssl);
        SSL_free(ssl);
        atomic_store(&wire->connection, -1);
        close(fd);
    }
    return NULL;
}

/* answer, context and tls_pem are set before. Ends the program if there is no loopback. */
static inline void wire_start(struct wire *wire)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    wire->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(wire->listener, (struct sockaddr *)&at, size) || listen(wire->listener, 16) ||
        getsockname(wire->listener, (struct sockaddr *)&at, &size))
        abort();
    wire->port = ntohs(at.sin_port);
    if (wire->tls_pem) {
        wire->tls = SSL_CTX_new(TLS_server_method());
        if (SSL_CTX_use_certificate_chain_file(wire->tls, wire->tls_pem) != 1 ||
            SSL_CTX_use_PrivateKey_file(wire->tls, wire->tls_pem, SSL_FILETYPE_PEM) != 1)
            abort();
    }
    atomic_store(&wire->connection, -1);
    if (pthread_create(&wire->thread, NULL, wire_run, wire))
        abort();
}

static inline void wire_stop(struct wire *wire)
{
    atomic_store(&wire->stopping, true);
    shutdown(wire->listener, SHUT_RDWR);
    int fd = atomic_load(&wire->connection);
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
    pthread_join(wire->thread, NULL);
    close(wire->listener);
    SSL_CTX_free(wire->tls);
}

#endif
