/*
 * One HTTP request and its answer, as handlers see it. Only server/http knows libmicrohttpd.
 *
 * A handler runs on one of a few HTTP threads once the request has passed gate, Host rule, router,
 * authentication and body caps (in this order; authentication comes before the body is read). It
 * must not block. It either answers (one http_respond… call) before it returns, or calls
 * http_defer; then any thread answers later, exactly once. An exchange is valid until answered.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_EXCHANGE_H
#define CERTWRIGHT_SERVER_HTTP_EXCHANGE_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct acme_problem;
struct http_exchange;
struct json_object;
struct principal;

enum http_method {
    HTTP_GET, /* HEAD comes with it */
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_METHOD_COUNT,
};

enum http_route_flags {
    HTTP_ROUTE_OPEN = 1,     /* needs no token */
    HTTP_ROUTE_OPS = 2,      /* served by the ops listener too, there without a token */
    HTTP_ROUTE_ANY_HOST = 4, /* not subject to the Host allow-list (http-01 challenges) */
    HTTP_ROUTE_NO_BODY = 8,  /* a POST that needs none: an empty body is fine, else JSON */
    HTTP_ROUTE_QUERY = 16,   /* looks at the query, all of it; others that want a token take none */
};

/* "/certificates/{name}/renew": a segment in braces is a parameter. Tables end with path NULL. */
struct http_route {
    enum http_method method;
    const char *path;
    void (*handle)(struct http_exchange *x, void *context);
    unsigned flags;
    uint32_t scopes; /* what a caller needs, all of them (server/access/scope.h); 0 if it is open */
};

/* ---- the request; texts are borrowed and live as long as the exchange ---- */

/* A path parameter, percent-decoded once; never NULL for a name in the route's path. */
const char *http_param(const struct http_exchange *x, const char *name);
/* A query parameter, decoded; NULL if absent. */
const char *http_query(const struct http_exchange *x, const char *name);
/* Calls fn for every query parameter, so that unknown ones can be refused. */
void http_query_each(const struct http_exchange *x,
                     void (*fn)(void *context, const char *name, const char *value), void *context);
/* A request header; NULL if absent. */
const char *http_header(const struct http_exchange *x, const char *name);
/* The body, at most 1 MiB; its Content-Type is application/json (or …merge-patch+json for PATCH).
 */
const struct buf *http_body(const struct http_exchange *x);
/* The path as routed. */
const char *http_path(const struct http_exchange *x);
/* The template of the path; "" if none fits. */
const char *http_route(const struct http_exchange *x);
/* "GET" and so on; "OTHER" for one that is not known. */
const char *http_method(const struct http_exchange *x);
/* Whether it is a GET or HEAD. */
bool http_is_read(const struct http_exchange *x);
/* Where it comes from: an address without port, or "unix". */
const char *http_address(const struct http_exchange *x);
/* Made at the first call, before the answer, to which it is added as Request-Id. */
const char *http_request_id(struct http_exchange *x);
/* Whether its Accept takes that media type. */
bool http_accepts(const struct http_exchange *x, const char *media_type);
/* Whether If-None-Match of a GET names this ETag: its answer will be a 304. */
bool http_is_known(const struct http_exchange *x, const char *etag);
/* Who asks: "token:admin", "uid:0", "open". */
const char *http_principal(const struct http_exchange *x);
/* The same with what it may do. */
const struct principal *http_rights(const struct http_exchange *x);
/* 0 while it may still be answered, else ERR_UNAUTHENTICATED: its token was revoked or has expired
   since. For those who answer late; handlers are not begun otherwise. */
int http_confirm(const struct http_exchange *x, struct err *e);
/* 0 if it has all these scopes, else ERR_FORBIDDEN: for what goes beyond those of the route. */
int http_require(const struct http_exchange *x, uint32_t scopes, struct err *e);
/* Whether Accept names this media type itself, and does not name JSON: then it is to be had where
   JSON would be, too. */
bool http_asks_for(const struct http_exchange *x, const char *media_type);
/* Seconds of `Prefer: wait=N` (RFC 7240), clamped to 0 … 30. */
int http_prefer_wait_seconds(const struct http_exchange *x);
/*
 * Whether If-Match and If-None-Match allow to change a resource whose current ETag is etag, NULL if
 * there is no such resource (RFC 9110 section 13.1). 0 too without them; else ERR_PRECONDITION.
 */
int http_if_match(const struct http_exchange *x, const char *etag, struct err *e);

/* ---- the answer ---- */

/* Before the answer. Values with control characters are a programming error. */
void http_add_header(struct http_exchange *x, const char *name, const char *value);

/* Takes back what was added: an error is to be answered instead. */
void http_drop_headers(struct http_exchange *x);

/*
 * Takes over body's content (an empty body for NULL). The connection sends it afterwards. A 200 to
 * a GET to which the handler has added an ETag becomes 304 where If-None-Match has it.
 */
void http_respond(struct http_exchange *x, int status, const char *content_type, struct buf *body);

/*
 * The same for JSON (ownership of json passes). A 200 to a GET gets an ETag (a hash of the body,
 * unless the handler has added its own), and becomes 304 where If-None-Match has it.
 */
void http_respond_json(struct http_exchange *x, int status, struct json_object *json);

enum { HTTP_ETAG_SIZE = 32 };
/* A strong entity tag for these bytes, with its quotes (RFC 9110 section 8.8.3). */
void http_etag(const void *data, size_t size, char out[HTTP_ETAG_SIZE]);
/* The ETag that http_respond_json gives to that object. */
void http_json_etag(struct json_object *json, char out[HTTP_ETAG_SIZE]);

/*
 * Before JSON whose ETag is known is made: adds that ETag, and answers 304 if this is a GET whose
 * If-None-Match has it; false: the answer is still to be given.
 */
bool http_respond_unchanged(struct http_exchange *x, const char *etag);

/*
 * A problem document for e (RFC 9457). errors is a JSON array of {pointer, detail}, its ownership
 * passes, NULL for none; acme is the CA's own problem, borrowed, NULL for none.
 */
void http_respond_error(struct http_exchange *x, const struct err *e, struct json_object *errors,
                        const struct acme_problem *acme);

/* The handler will answer later, from any thread. To be called before another thread learns of x.
 */
void http_defer(struct http_exchange *x);

/*
 * For a deferred or running exchange: calls answer(x, context, final) now and after each commit
 * that the feed tells of, on an HTTP-owned thread, until it returns true (it has then answered
 * through x). At the deadline (seconds from now, ≤ 30) or at shutdown it is called with final true
 * and must answer. release(context) is called once after that; may be NULL.
 */
void http_wait(struct http_exchange *x, int seconds,
               bool (*answer)(struct http_exchange *x, void *context, bool final), void *context,
               void (*release)(void *context));

/* What a stream's bytes come from; state is the stream's own. */
struct http_stream_source {
    /*
     * Appends what there is to say since the last call, some KiB at most, and nothing if there is
     * nothing; *ended (false before): that was all. On an HTTP thread, whenever the client has
     * taken what came before, and also without news.
     */
    void (*fill)(void *state, struct buf *out, bool *ended);
    /* Whether what the server's options.news returned concerns it; on another thread than fill,
       perhaps at the same time. Quick, without side effects. */
    bool (*concerns)(const void *state, const void *news);
    void (*destroy)(void *state);
};

/*
 * Answers 200 with a stream of text/event-stream, which ends when its source or the server does,
 * or the client leaves. Takes over state. Where there are as many streams as may be, ERR_BUSY is
 * answered; as 429 where it is the client's own that are too many. Within the handler only; headers
 * are added before.
 */
void http_stream(struct http_exchange *x, const struct http_stream_source *source, void *state);

#endif
