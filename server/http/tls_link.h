/*
 * One TLS connection: a socket to the client, and one of a pair whose other end libmicrohttpd
 * serves as if it were the client. Nothing here blocks. Private to server/http.
 *
 *   HANDSHAKE ──> OPEN ──> LINGERING ──> (closed)
 *
 * The service's end of stream becomes close_notify; what the client still sends is then thrown
 * away until it has gone, since to close at once could take the answer's last bytes back.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_TLS_LINK_H
#define CERTWRIGHT_SERVER_HTTP_TLS_LINK_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct listener;
struct tls_link;

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_LINGERING };

/* A socket of the link, for epoll. */
struct tls_end {
    struct tls_link *link;
    int fd; /* -1: none */
    bool is_watched;
    uint32_t events;
};

/* Bytes that one side has sent and the other does not take yet. */
struct tls_held {
    char *data;
    size_t at, size;
};

struct tls_link {
    struct tls_link *previous, *next;
    const struct listener *listener;
    SSL *ssl;
    enum tls_state state;
    struct tls_end net, inner;
    int64_t deadline_ms; /* monotonic; INT64_MAX: none */
    struct tls_held in, out;
    bool in_ended;   /* the client sends no more */
    bool in_dropped; /* the service takes no more */
    bool out_ended;  /* the service sends no more */
    bool net_is_full;
    bool is_dead; /* to be freed once nobody can come upon it */
};

/* Takes over ssl and fd. */
struct tls_link *tls_link_create(const struct listener *listener, SSL *ssl, int fd);
/* Closes what is open; not watched by then, or the epoll goes too. */
void tls_link_destroy(struct tls_link *link);

/* 1: it is done; 0: it goes on when net is ready; -1: it has failed. */
int tls_link_shake(struct tls_link *link);

/* Moves what can be moved, with scratch of TLS_LINK_SCRATCH bytes; false: it is over. */
enum { TLS_LINK_SCRATCH = 16 * 1024 };
bool tls_link_pump(struct tls_link *link, char *scratch);

/* What to watch for: EPOLLIN, EPOLLOUT. */
uint32_t tls_link_net_events(const struct tls_link *link);
uint32_t tls_link_inner_events(const struct tls_link *link);

#endif
