/*
 * The open connections, who is at their other end, and for how long. libmicrohttpd's time-out
 * counts idle time only, so a client that sends a byte now and then would keep a connection for
 * ever: here each phase of a request has its whole time. Private to server/http.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_CONNECTIONS_H
#define CERTWRIGHT_SERVER_HTTP_CONNECTIONS_H

#include "server/http/origin.h"

#include <stdatomic.h>
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
    struct connection_origin origin;
    _Atomic int64_t deadline_ms;
};

struct connections;

struct connections *connections_create(const struct connection_limits *limits);
void connections_destroy(struct connections *all);

/* Ends those whose time is over; libmicrohttpd then sees their end of stream and closes them. */
void connections_reap(struct connections *all);

/*
 * Where fd comes from, before libmicrohttpd gets it: what that shows of a connection does not tell
 * which of its listeners it came by, nor who is behind a socket pair. Takes over the origin.
 */
void connections_expect(struct connections *all, int fd, struct connection_origin *origin);

/* An expected connection has been opened. It stays until connections_remove, before fd is closed.
 */
struct connection *connections_add(struct connections *all, int fd);
void connections_remove(struct connections *all, struct connection *connection);

/* Starts the phase's time. */
void connections_enter(struct connections *all, struct connection *connection,
                       enum connection_phase phase);

#endif
