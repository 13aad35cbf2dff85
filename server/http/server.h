/*
 * The HTTP server: listeners, threads, and the doors a request passes.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_SERVER_H
#define CERTWRIGHT_SERVER_HTTP_SERVER_H

#include "acme/base/error.h"
#include "server/access/identity.h"
#include "server/http/exchange.h"
#include "server/http/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct principal;

enum http_listener_kind {
    HTTP_LISTENER_API,    /* every route */
    HTTP_LISTENER_OPS,    /* routes with HTTP_ROUTE_OPS; no token, no Host rule */
    HTTP_LISTENER_HTTP01, /* only /.well-known/acme-challenge/ */
};

struct http_listener_options {
    enum http_listener_kind kind;
    const char *address; /* "HOST:PORT", "[v6]:PORT", "unix:PATH"; PORT 0 takes a free one */
    struct identities identities; /* of peers that need no token */
    uint32_t scopes;              /* what anybody may do here at most; 0: no less than elsewhere */
    enum http_tls_client client;
    const struct http_tls_material *tls; /* NULL: plain HTTP; not for Unix sockets */
};

/* What a request shows of its sender; borrowed for the call. */
struct http_caller {
    const char *token;   /* of Authorization: Bearer; NULL: none */
    const char *address; /* canonical text without port; NULL: it came over a Unix socket */
    int64_t uid;         /* of the other end of a Unix socket; -1: not known */
    const struct identity *identity; /* whom the config knows as this peer; NULL: nobody */
};

/* A request that was answered; borrowed for the call. */
struct http_served {
    const char *method;    /* a constant */
    const char *route;     /* the path's template, "" if none fits; a constant */
    const char *path;      /* "" if it could not be read */
    const char *principal; /* "" if it is not known who it was */
    const char *address;   /* "unix" for a Unix socket */
    const char *problem;   /* the stable name of the problem that was answered, else NULL */
    int status;
    int64_t duration_ms;
};

struct http_server_options {
    const struct http_listener_options *listeners;
    size_t listener_count;
    const char *const *allowed_hosts; /* beside the listeners' own addresses and localhost */
    size_t allowed_host_count;
    const struct http_route *const *routes; /* tables; NULL-terminated list */
    void *context;                          /* passed to each handler */
    /*
     * Fills principal (all zeros) with who sends the request, and what that one may do; or -1
     * (ERR_UNAUTHENTICATED). Called on HTTP threads for each request, must be quick.
     */
    int (*authenticate)(void *context, const struct http_caller *caller,
                        struct principal *principal, struct err *e);
    /*
     * Asked before each handler whether that principal may have what the path names; -1 answers
     * with e. May be NULL. Must not block.
     */
    int (*permit)(void *context, const struct http_exchange *x, struct err *e);
    /* Told of each answered request, for metrics and the audit trail; may be NULL. */
    void (*served)(void *context, const struct http_served *request);
    /*
     * What has happened since its last call, for the streams' sources to judge by; valid until the
     * next. NULL: who can tell, all have to look. Called by http_server_attend, after a
     * notification; may be NULL where no route streams.
     */
    const void *(*news)(void *context);
    int threads;             /* 0: 2 */
    size_t max_body;         /* 0: 1 MiB */
    size_t max_body_total;   /* all requests together; 0: 64 MiB; above: 503 */
    size_t max_waiters;      /* 0: 10000; above, Prefer: wait is not honoured */
    size_t max_streams;      /* 0: 10000; never more than half of the connections; above: 503 */
    int ping_ms;             /* after which a silent stream gets a comment; 0: 15 s */
    int requests_per_second; /* of each client; 0: as many as it likes */
    int request_burst;       /* that it may send at once; 0: what it may in a second */
    int failures_per_minute; /* of each address, to authenticate; 0: as many as it likes */
    int client_streams;      /* of each client at once, but no more than a quarter of the */
    int client_waits;        /* connections; 0: as many as it likes. Above: 429 */
    int header_timeout_ms;   /* for a whole request header; 0: 10 s */
    int body_timeout_ms;     /* for a whole request body; 0: 60 s */
};

struct http_server;

/*
 * Binds and serves. ERR_IO if an address cannot be bound; ERR_CONFIG if it is none, or if it is
 * neither loopback nor a Unix socket while libmicrohttpd is older than 1.0, whose parser lets
 * ambiguous requests through (the http-01 listener may: what it serves is public).
 */
int http_server_create(const struct http_server_options *options, struct http_server **out,
                       struct err *e);

/* What http_server_create would say of the listener's address, which is only looked up. ERR_CONFIG.
 */
int http_server_check_listener(const struct http_listener_options *options, struct err *e);
/* The same of what a listener shows, in whole sentences. */
int http_server_check_tls(enum http_tls_client client, const struct http_tls_material *material,
                          struct err *e);
/* Whether it can be one of allowed_hosts. */
bool http_server_takes_host(const char *host);

/* "127.0.0.1:8555" of listener i as it is bound; borrowed. */
const char *http_server_address(const struct http_server *server, size_t i);

/* What listener i, which has TLS, shows to connections from now on. Any thread. ERR_CONFIG if the
   material is not usable; then what was shown before goes on. */
int http_server_renew_tls(struct http_server *server, size_t i,
                          const struct http_tls_material *material, struct err *e);

/* Tells the streams that something was committed, and the waiters if a job has ended. Any thread;
   never blocks. */
void http_server_notify(struct http_server *server, bool job_ended);

/*
 * Answers those who wait for a commit, and wakes the streams that have something to say; tells when
 * there is something to do again (clock_monotonic_ms; INT64_MAX: never), unless the descriptor gets
 * readable before. By one thread at a time, the caller's own.
 */
int64_t http_server_attend(struct http_server *server);
int http_server_wake_fd(const struct http_server *server);

/* Streams that are open. */
size_t http_server_streams(const struct http_server *server);

/* Stops accepting, answers all waiters and ends the streams, then ends. In order; bounded by a few
   seconds. Nobody attends any more. */
void http_server_destroy(struct http_server *server);

#endif
