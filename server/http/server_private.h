/* The server from within. Private to server/http. */
#ifndef CERTWRIGHT_SERVER_HTTP_SERVER_PRIVATE_H
#define CERTWRIGHT_SERVER_HTTP_SERVER_PRIVATE_H

#include "server/http/address.h"
#include "server/http/connections.h"
#include "server/http/host.h"
#include "server/http/server.h"
#include "server/http/streams.h"
#include "server/http/waiters.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

struct acceptor;
struct clients;
struct shares;
struct tls_context;
struct tls_front;

struct listener {
    struct http_server *server;
    enum http_listener_kind kind;
    struct bound_address bound;
    bool is_unix;
    struct identities identities;
    uint32_t scopes;         /* the most that anybody has here */
    struct tls_context *tls; /* NULL: plain HTTP */
    struct MHD_Daemon *daemon;
    bool is_driven; /* it has no thread of its own: the acceptor's runs it */
};

struct http_server {
    struct listener *listeners;
    size_t listener_count;
    struct host_list hosts;
    const struct http_route *const *routes;
    void *context;
    int (*authenticate)(void *context, const struct http_caller *caller,
                        struct principal *principal, struct err *e);
    int (*permit)(void *context, const struct http_exchange *x, struct err *e);
    void (*served)(void *context, const struct http_served *request);
    int threads;
    size_t max_body;
    size_t max_body_total;
    bool is_parser_old; /* libmicrohttpd before 1.0 */

    int wake_fd;   /* an eventfd: there is something to attend to */
    int resume_fd; /* likewise: an exchange of a daemon that the acceptor runs has its answer */
    struct connections *connections;
    struct waiters *waiters;
    struct clients *clients;  /* NULL: they may send what they like */
    struct clients *failures; /* of those who prove nothing */
    struct shares *waits;     /* of the requests that may wait */
    struct streams *streams;
    struct acceptor *acceptor;
    struct tls_front *tls_front; /* NULL: no listener has TLS */

    atomic_size_t body_bytes; /* reserved by the requests under way */
    atomic_bool is_stopping;  /* written under that lock */

    /* Guarded by the lock in exchange.c. */
    pthread_cond_t exchanges_changed;
    struct http_exchange *deferred;
    size_t active;  /* exchanges that are not completed */
    size_t running; /* handlers */
    size_t pins;    /* threads within http_wait */
};

#endif
