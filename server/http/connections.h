/*
 * The open connections, who is at their other end, and for how long. libmicrohttpd's time-out
 * counts idle time only, so a client that sends a byte now and then would keep a connection for
 * ever: here each phase of a request has its whole time. Private to server/http.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_CONNECTIONS_H
#define CERTWRIGHT_SERVER_HTTP_CONNECTIONS_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum connection_phase {
    CONNECTION_IDLE,    /* between requests, and while the next one's header arrives */
    CONNECTION_HEADER,  /* the request line has arrived, or the connection is new */
    CONNECTION_BODY,    /* the header has arrived */
    CONNECTION_WORKING, /* the request is whole; the handler is at it */
    CONNECTION_ANSWERING,
};

/* How long a phase may last, in milliseconds; 0: for ever. */
struct connection_limits {
    int idle_ms;
    int header_ms;
    int body_ms;
    int answer_ms;
};

struct connection {
    struct connection *previous, *next;
    int fd;
    bool is_unix;
    char own_address[INET6_ADDRSTRLEN];  /* that the client came to; "" for a Unix socket */
    char peer_address[INET6_ADDRSTRLEN]; /* that it came from; the same */
    int64_t uid;                         /* of the other end of a Unix socket, else -1 */
    _Atomic int64_t deadline_ms;
};

struct connections;

struct connections *connections_create(const struct connection_limits *limits);
void connections_destroy(struct connections *all);

/* Ends those whose time is over; libmicrohttpd then sees their end of stream and closes them. */
void connections_reap(struct connections *all);

/* A connection has been opened. It stays until connections_remove, before fd is closed. */
struct connection *connections_add(struct connections *all, int fd);
void connections_remove(struct connections *all, struct connection *connection);

/* Starts the phase's time. */
void connections_enter(struct connections *all, struct connection *connection,
                       enum connection_phase phase);

#endif
