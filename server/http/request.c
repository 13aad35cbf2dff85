#include "server/http/request.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/http/exchange_private.h"
#include "server/http/judge.h"
#include "server/http/problem.h"
#include "server/http/server_private.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* So much of a body that is refused half-way is read on, so that the client gets to see why. */
enum { SKIP_MAX = 8 * 1024 * 1024 };

void request_connection_changed(void *cls, struct MHD_Connection *mhd, void **socket_context,
                                enum MHD_ConnectionNotificationCode change)
{
    const struct listener *listener = cls;
    struct connections *all = listener->server->connections;
    if (change == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        *socket_context = connections_add(all, fd);
    } else {
        connections_remove(all, *socket_context);
        *socket_context = NULL;
    }
}

void *request_line_arrived(void *cls, const char *target, struct MHD_Connection *mhd)
{
    const struct listener *listener = cls;
    struct connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    connections_enter(listener->server->connections, connection, CONNECTION_HEADER);
    /* A daemon serves several listeners; cls is the first of them. */
    return exchange_create(connection->origin.listener, mhd, connection, target);
}

static enum MHD_Result copy_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                  size_t name_size, const char *value, size_t value_size)
{
    (void)kind;
    headers_add(cls, name, name_size, value ? value : "", value ? value_size : 0);
    return MHD_YES;
}

/* ---- the answer ---- */

static void free_body(void *cls)
{
    struct buf *body = cls;
    buf_finish_secret(body);
    free(body);
}

/* Takes over the body's content. */
static struct MHD_Response *make_response(struct buf *body)
{
    struct buf *kept = mem_new(1, sizeof *kept);
    *kept = *body;
    *body = (struct buf){0};
    /* The library does not write to it. */
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        kept->size, kept->data ? kept->data : (char *)kept, free_body, kept);
    if (!response)
        mem_exhausted();
    return response;
}

/* What the service says when it ends before an answer is there. */
static struct MHD_Response *make_shutdown_response(void)
{
    struct err e;
    err_set(&e, ERR_SHUTDOWN, "the service is stopping; what was accepted goes on after its start");
    struct json_object *json = problem_json(&e, NULL);
    json_object_object_add(json, "status", json_object_new_int(problem_status(e.code)));
    struct buf body = {0};
    buf_add_string(&body, json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
    json_object_put(json);
    struct MHD_Response *response = make_response(&body);
    MHD_add_response_header(response, "Content-Type", "application/problem+json");
    return response;
}

static void add_default(struct MHD_Response *response, const char *name, const char *value)
{
    if (!MHD_get_response_header(response, name))
        MHD_add_response_header(response, name, value);
}

static enum MHD_Result send_answer(struct http_exchange *x)
{
    struct MHD_Response *response;
    if (exchange_is_abandoned(x)) {
        response = make_shutdown_response();
        x->sent_status = problem_status(ERR_SHUTDOWN);
        x->sent_problem = err_info(ERR_SHUTDOWN)->name;
    } else {
        response = x->stream ? stream_response(x->stream) : make_response(&x->answer);
        x->sent_status = x->status;
        x->sent_problem = x->problem;
        if (x->answer_type)
            MHD_add_response_header(response, "Content-Type", x->answer_type);
        for (size_t i = 0; i < x->answer_headers.count; i++)
            MHD_add_response_header(response, headers_name(&x->answer_headers, i),
                                    headers_value(&x->answer_headers, i));
    }
    add_default(response, "Cache-Control", "no-store");
    add_default(response, "X-Content-Type-Options", "nosniff");
    add_default(response, "Content-Security-Policy", "default-src 'none'");
    if (x->closes || x->server->is_stopping)
        MHD_add_response_header(response, "Connection", "close");
    x->answered_ms = clock_monotonic_ms();
    connections_enter(x->server->connections, x->connection, CONNECTION_ANSWERING);
    enum MHD_Result queued = MHD_queue_response(x->mhd, (unsigned)x->sent_status, response);
    MHD_destroy_response(response);
    return queued;
}

/* ---- the request ---- */

/* The header is whole. */
static enum MHD_Result begin(struct http_exchange *x, const char *method, const char *version)
{
    x->is_begun = true;
    MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, copy_field, &x->headers);
    judge_request(x, method, version);
    /* An answer at this point makes the library close the connection, since it will not read the
       body. Without a body, and with nothing to fear, it is sent at the next call instead. */
    if (x->is_settled && (x->closes || x->framing.has_body)) {
        x->closes = true;
        x->is_handed = true;
        return send_answer(x);
    }
    connections_enter(x->server->connections, x->connection, CONNECTION_BODY);
    return MHD_YES;
}

/* A piece of the body. The library takes no answer until the body has ended, so the rest of one
   that is refused is skipped. */
static enum MHD_Result take(struct http_exchange *x, const char *data, size_t size)
{
    struct err e;
    if (!x->is_settled && x->body.size + size > x->server->max_body) {
        err_set(&e, ERR_TOO_LARGE, "a body has at most %zu bytes", x->server->max_body);
        judge_settle(x, 0, &e);
    }
    if (!x->is_settled && x->framing.is_chunked && judge_reserve(x, size, &e) < 0)
        judge_settle(x, 0, &e);
    if (!x->is_settled) {
        buf_add(&x->body, data, size);
        return MHD_YES;
    }
    x->closes = true;
    buf_finish_secret(&x->body);
    x->skipped += size;
    return x->skipped <= SKIP_MAX ? MHD_YES : MHD_NO;
}

enum MHD_Result request_advance(void *cls, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *size, void **exchange)
{
    struct http_exchange *x = *exchange;
    (void)cls;
    (void)mhd;
    (void)url;
    if (!x->is_begun)
        return begin(x, method, version);
    if (*size) {
        enum MHD_Result taken = take(x, data, *size);
        *size = 0;
        return taken;
    }
    if (!x->is_handed) {
        x->is_handed = true;
        connections_enter(x->server->connections, x->connection, CONNECTION_WORKING);
        if (!x->is_settled && !exchange_run(x))
            return MHD_YES;
    }
    return send_answer(x);
}

static void tell_served(const struct http_exchange *x)
{
    const struct http_served request = {
        .method = x->method_name,
        .route = http_route(x),
        .path = x->target.path ? x->target.path : "",
        .principal = x->principal.name,
        .address = http_address(x),
        .problem = x->sent_problem,
        .status = x->sent_status,
        /* How long a client stays with a stream says nothing of the service. */
        .duration_ms = (x->stream ? x->answered_ms : clock_monotonic_ms()) - x->started_ms,
    };
    x->server->served(x->server->context, &request);
}

void request_completed(void *cls, struct MHD_Connection *mhd, void **exchange,
                       enum MHD_RequestTerminationCode how)
{
    struct http_exchange *x = *exchange;
    (void)cls;
    (void)mhd;
    (void)how;
    if (!x)
        return;
    *exchange = NULL;
    struct http_server *server = x->server;
    if (server->served && x->sent_status)
        tell_served(x);
    connections_enter(server->connections, x->connection, CONNECTION_IDLE);
    exchange_release(x);
}
