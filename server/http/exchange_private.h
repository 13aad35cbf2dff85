/*
 * An exchange from within: from the request line to the last byte of the answer. Private to
 * server/http.
 *
 * Two hold it: libmicrohttpd's connection, until the request is completed, and whoever deferred it,
 * until it is answered. The handler runs on the connection's thread. http_defer suspends the
 * connection; an answer is stored, and the connection resumed if it was suspended; then its thread
 * sends what is stored. As that thread runs the handler too, it does not matter whether an answer
 * comes before or after the handler returns.
 *
 *   READING ──> RUNNING ──────────> ANSWERED ──> (sent, completed)
 *                  └──> DEFERRED ──────┘
 *                          └──────> ABANDONED ──> (503 sent; the late answer is dropped)
 *
 * Only a server that stops abandons: a deferred exchange must not keep it from ending.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_EXCHANGE_PRIVATE_H
#define CERTWRIGHT_SERVER_HTTP_EXCHANGE_PRIVATE_H

#include "acme/base/ulid.h"
#include "server/access/principal.h"
#include "server/http/connections.h"
#include "server/http/exchange.h"
#include "server/http/gate.h"
#include "server/http/headers.h"
#include "server/http/server.h"
#include "server/http/target.h"

#include <microhttpd.h>

struct listener;
struct share;
struct stream;

enum { HTTP_TOO_MANY = 429 }; /* what ERR_BUSY is where its client alone is the cause */

enum exchange_state {
    EXCHANGE_READING,
    EXCHANGE_RUNNING,
    EXCHANGE_DEFERRED,
    EXCHANGE_ANSWERED,
    EXCHANGE_ABANDONED,
};

struct http_exchange {
    struct http_server *server; /* not to be followed once abandoned */
    const struct listener *listener;
    struct connection *connection;
    struct MHD_Connection *mhd;
    int64_t started_ms; /* monotonic */

    /* The request. Only the connection's thread writes it, before the handler runs. */
    char *raw_target;
    const char *target_place; /* where the library keeps it; compared, never read */
    const char *method_name;  /* a constant */
    bool is_get;              /* GET or HEAD: ETag and Accept count */
    struct headers headers;
    struct http_target target;
    const struct http_route *route; /* NULL if none fits */
    struct principal principal;
    char request_id[ULID_SIZE]; /* "" until somebody asks for it */
    struct gate_framing framing;
    struct buf body;
    size_t reserved;    /* of the budget for bodies */
    struct share *wait; /* its client's leave to wait; NULL: it does not */

    /* How far the connection's thread is with it. */
    bool is_begun;   /* the header has been judged */
    bool is_settled; /* the answer is there without the handler; the body's rest is skipped */
    bool is_handed;  /* the request is whole, the handler has had its turn */
    size_t skipped;  /* bytes of the body */
    int sent_status; /* 0: no answer was sent */
    const char *sent_problem;

    /* The answer. Whoever answers writes it, then gives it away with the state. */
    struct headers answer_headers;
    struct buf answer;
    char *answer_type;
    int status;
    const char *problem;   /* its stable name, if the answer is one */
    struct stream *stream; /* instead of the bytes; the response's once that is made */
    int64_t answered_ms;   /* monotonic; when the answer began to be sent */
    bool closes;           /* the connection ends with the answer */

    /* Guarded by the lock in exchange.c. */
    enum exchange_state state;
    bool was_deferred;
    int holders;
    struct http_exchange *previous_deferred, *next_deferred;
};

/* Made when the request line has arrived; raw_target may be NULL. */
struct http_exchange *exchange_create(const struct listener *listener, struct MHD_Connection *mhd,
                                      struct connection *connection, const char *raw_target);

/* The connection lets go of it. */
void exchange_release(struct http_exchange *x);

/* Runs the handler. True: the answer is there; false: the connection is suspended, the answer
   comes when it is resumed. */
bool exchange_run(struct http_exchange *x);

/* Whether the server has stopped waiting for the answer. */
bool exchange_is_abandoned(struct http_exchange *x);

/* Makes a problem the answer; status 0 takes the code's own. */
void exchange_refuse(struct http_exchange *x, int status, const struct err *e);

/* From here on no handler is started, and answers end their connections. */
void exchange_begin_stop(struct http_server *server);

/* Waits until no handler is running and no exchange is deferred; those that are deferred after
   deadline_ms (monotonic) are abandoned. */
void exchange_settle_all(struct http_server *server, int64_t deadline_ms);

/* Waits until all are completed, up to deadline_ms. */
void exchange_await_completion(struct http_server *server, int64_t deadline_ms);

#endif
