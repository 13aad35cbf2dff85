#include "server/http/exchange.h"

#include "acme/base/base64url.h"
#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "acme/problem.h"
#include "server/access/grant.h"
#include "server/http/exchange_private.h"
#include "server/http/negotiate.h"
#include "server/http/problem.h"
#include "server/http/router.h"
#include "server/http/server_private.h"
#include "server/http/shares.h"
#include "server/http/thread.h"

#include <assert.h>
#include <json-c/json.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

enum {
    RETRY_SOON_SECONDS = 1,
    RETRY_AFTER_RESTART_SECONDS = 5,
    WAIT_MAX_SECONDS = 30,
    RETRY_STREAM_SECONDS = 10
};

/*
 * Guards the states of all exchanges and each server's accounts of them. It is one for the process,
 * so that an answer that comes after the server's end finds it. Never held over a call into
 * libmicrohttpd or a handler.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct http_exchange *exchange_create(const struct listener *listener, struct MHD_Connection *mhd,
                                      struct connection *connection, const char *raw_target)
{
    struct http_exchange *x = mem_new(1, sizeof *x);
    x->server = listener->server;
    x->listener = listener;
    x->mhd = mhd;
    x->connection = connection;
    x->started_ms = clock_monotonic_ms();
    x->raw_target = mem_strdup(raw_target);
    x->target_place = raw_target;
    x->method_name = "";
    x->holders = 1;
    pthread_mutex_lock(&lock);
    x->server->active++;
    pthread_mutex_unlock(&lock);
    return x;
}

static void destroy(struct http_exchange *x)
{
    free(x->raw_target);
    headers_finish(&x->headers);
    http_target_finish(&x->target);
    buf_finish_secret(&x->body);
    headers_finish(&x->answer_headers);
    buf_finish_secret(&x->answer);
    free(x->answer_type);
    grant_release(x->principal.grant);
    free(x);
}

/* Called with the lock held, gives it back. */
static void let_go_and_unlock(struct http_exchange *x)
{
    bool is_last = --x->holders == 0;
    pthread_mutex_unlock(&lock);
    if (is_last)
        destroy(x);
}

void exchange_release(struct http_exchange *x)
{
    struct http_server *server = x->server;
    atomic_fetch_sub(&server->body_bytes, x->reserved);
    shares_give(server->waits, x->wait);
    pthread_mutex_lock(&lock);
    server->active--;
    pthread_cond_broadcast(&server->exchanges_changed);
    let_go_and_unlock(x);
}

static void handle(struct http_exchange *x)
{
    pthread_mutex_lock(&lock);
    x->state = EXCHANGE_RUNNING;
    pthread_mutex_unlock(&lock);
    x->route->handle(x, x->server->context);
}

bool exchange_run(struct http_exchange *x)
{
    struct http_server *server = x->server;
    struct err e;
    pthread_mutex_lock(&lock);
    bool is_stopping = server->is_stopping;
    if (!is_stopping)
        server->running++;
    pthread_mutex_unlock(&lock);
    if (is_stopping) {
        err_set(&e, ERR_SHUTDOWN, "the service is stopping");
        exchange_refuse(x, 0, &e);
        return true;
    }
    /* The body may have been long in coming. */
    if (http_confirm(x, &e) < 0 || (server->permit && server->permit(server->context, x, &e) < 0))
        exchange_refuse(x, 0, &e);
    else
        handle(x);
    pthread_mutex_lock(&lock);
    server->running--;
    pthread_cond_broadcast(&server->exchanges_changed);
    bool was_deferred = x->was_deferred;
    assert(was_deferred || x->state != EXCHANGE_RUNNING);
    pthread_mutex_unlock(&lock);
    return !was_deferred;
}

bool exchange_is_abandoned(struct http_exchange *x)
{
    pthread_mutex_lock(&lock);
    bool is_abandoned = x->state == EXCHANGE_ABANDONED;
    pthread_mutex_unlock(&lock);
    return is_abandoned;
}

static void link_deferred(struct http_exchange *x)
{
    x->next_deferred = x->server->deferred;
    if (x->next_deferred)
        x->next_deferred->previous_deferred = x;
    x->server->deferred = x;
}

static void unlink_deferred(struct http_exchange *x)
{
    if (x->previous_deferred)
        x->previous_deferred->next_deferred = x->next_deferred;
    else
        x->server->deferred = x->next_deferred;
    if (x->next_deferred)
        x->next_deferred->previous_deferred = x->previous_deferred;
    x->next_deferred = x->previous_deferred = NULL;
    pthread_cond_broadcast(&x->server->exchanges_changed);
}

void http_defer(struct http_exchange *x)
{
    assert(x->state == EXCHANGE_RUNNING && !x->was_deferred);
    /* Suspended first: from here on another thread may answer and resume. */
    MHD_suspend_connection(x->mhd);
    pthread_mutex_lock(&lock);
    x->state = EXCHANGE_DEFERRED;
    x->was_deferred = true;
    x->holders++;
    link_deferred(x);
    pthread_mutex_unlock(&lock);
}

/* A daemon without a thread of its own is not told by the library. */
static void resume(const struct http_exchange *x)
{
    const struct http_server *server = x->server;
    bool is_driven = x->listener->is_driven;
    MHD_resume_connection(x->mhd);
    if (is_driven)
        eventfd_write(server->resume_fd, 1);
}

/* The answer is complete: it goes to the connection's thread. */
static void give_answer(struct http_exchange *x)
{
    pthread_mutex_lock(&lock);
    if (x->state == EXCHANGE_ABANDONED) {
        let_go_and_unlock(x);
        return;
    }
    assert(x->state != EXCHANGE_ANSWERED);
    bool is_deferred = x->state == EXCHANGE_DEFERRED;
    x->state = EXCHANGE_ANSWERED;
    pthread_mutex_unlock(&lock);
    if (!is_deferred)
        return;
    resume(x);
    /* In the list until here, so that the server does not end before the resume. */
    pthread_mutex_lock(&lock);
    unlink_deferred(x);
    let_go_and_unlock(x);
}

/* Takes the connection back from one that is still deferred; false if there is none. Called with
   the lock held. */
static bool abandon_one(struct http_server *server)
{
    struct http_exchange *x = server->deferred;
    while (x && x->state != EXCHANGE_DEFERRED)
        x = x->next_deferred;
    if (!x)
        return false;
    x->state = EXCHANGE_ABANDONED;
    unlink_deferred(x);
    pthread_mutex_unlock(&lock);
    /* The connection holds x at least until it is resumed. */
    resume(x);
    pthread_mutex_lock(&lock);
    return true;
}

void exchange_begin_stop(struct http_server *server)
{
    pthread_mutex_lock(&lock);
    server->is_stopping = true;
    pthread_mutex_unlock(&lock);
}

void exchange_settle_all(struct http_server *server, int64_t deadline_ms)
{
    pthread_mutex_lock(&lock);
    while (server->deferred || server->running || server->pins) {
        if (clock_monotonic_ms() < deadline_ms)
            thread_wait_until(&server->exchanges_changed, &lock, deadline_ms);
        /* Those that are between their answer and their resume are left to end that. */
        else if (!abandon_one(server))
            thread_wait_until(&server->exchanges_changed, &lock, INT64_MAX);
    }
    pthread_mutex_unlock(&lock);
}

void exchange_await_completion(struct http_server *server, int64_t deadline_ms)
{
    pthread_mutex_lock(&lock);
    while (server->active && clock_monotonic_ms() < deadline_ms)
        thread_wait_until(&server->exchanges_changed, &lock, deadline_ms);
    pthread_mutex_unlock(&lock);
}

/* ---- answers ---- */

static bool has_no_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            return false;
    return true;
}

void http_add_header(struct http_exchange *x, const char *name, const char *value)
{
    /* In every build: a line break here would be a second answer of the caller's making. */
    if (!*name || !has_no_control(name) || !has_no_control(value))
        abort();
    headers_add(&x->answer_headers, name, strlen(name), value, strlen(value));
}

void http_drop_headers(struct http_exchange *x)
{
    headers_finish(&x->answer_headers);
}

/* Whether the caller takes what is about to be answered to its GET; else 406 has been stored. */
static bool is_acceptable(struct http_exchange *x, int status, const char *content_type)
{
    if (!x->is_get || status < 200 || status > 299 || !content_type)
        return true;
    size_t size = strcspn(content_type, "; ");
    char *type = mem_strndup(content_type, size);
    char *accept = headers_joined(&x->headers, "Accept");
    bool accepted = negotiate_accepts(accept, type);
    if (!accepted) {
        struct err e;
        err_set(&e, ERR_NOT_ACCEPTABLE, "this is %s, which the Accept header rules out", type);
        exchange_refuse(x, 0, &e);
    }
    free(accept);
    free(type);
    return accepted;
}

static void store_answer(struct http_exchange *x, int status, const char *content_type,
                         struct buf *body)
{
    x->status = status;
    x->answer_type = mem_strdup(content_type);
    if (body) {
        x->answer = *body;
        *body = (struct buf){0};
    }
}

static void write_json(struct json_object *json, struct buf *out)
{
    size_t size;
    const char *text = json_object_to_json_string_length(
        json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
    buf_add(out, text, size);
    buf_add_char(out, '\n');
}

void http_etag(const void *data, size_t size, char out[HTTP_ETAG_SIZE])
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256(data, size, hash);
    /* Half of the hash is plenty: a tag tells versions of one resource apart. */
    char *text = base64url_string(hash, sizeof hash / 2);
    snprintf(out, HTTP_ETAG_SIZE, "\"%s\"", text);
    free(text);
}

void http_json_etag(struct json_object *json, char out[HTTP_ETAG_SIZE])
{
    struct buf body = {0};
    write_json(json, &body);
    http_etag(body.data, body.size, out);
    buf_finish_secret(&body);
}

/* Whether the caller has what that ETag stands for. */
static bool has_already(const struct http_exchange *x, const char *etag)
{
    char *listed = headers_joined(&x->headers, "If-None-Match");
    bool known = listed && negotiate_etag_listed(listed, etag, true);
    free(listed);
    return known;
}

/* Tags the answer to a GET; true: the caller has it already. */
static bool is_known_already(struct http_exchange *x, const struct buf *body)
{
    char made[HTTP_ETAG_SIZE];
    const char *etag = headers_get(&x->answer_headers, "ETag");
    if (!etag) {
        http_etag(body->data, body->size, made);
        http_add_header(x, "ETag", made);
        etag = made;
    }
    return has_already(x, etag);
}

bool http_respond_unchanged(struct http_exchange *x, const char *etag)
{
    http_add_header(x, "ETag", etag);
    if (!x->is_get || !has_already(x, etag))
        return false;
    if (is_acceptable(x, 200, "application/json"))
        store_answer(x, 304, NULL, NULL);
    give_answer(x);
    return true;
}

void http_respond(struct http_exchange *x, int status, const char *content_type, struct buf *body)
{
    bool is_tagged = headers_get(&x->answer_headers, "ETag") != NULL;
    if (is_acceptable(x, status, content_type)) {
        if (is_tagged && x->is_get && status == 200 && is_known_already(x, body))
            store_answer(x, 304, NULL, NULL);
        else
            store_answer(x, status, content_type, body);
    }
    if (body)
        buf_finish_secret(body);
    give_answer(x);
}

void http_respond_json(struct http_exchange *x, int status, struct json_object *json)
{
    static const char type[] = "application/json";
    struct buf body = {0};
    write_json(json, &body);
    json_object_put(json);
    if (is_acceptable(x, status, type)) {
        if (x->is_get && status == 200 && is_known_already(x, &body))
            store_answer(x, 304, NULL, NULL);
        else
            store_answer(x, status, type, &body);
    }
    buf_finish_secret(&body);
    give_answer(x);
}

/* When the same may be tried again, where that is known. */
static void add_retry_after(struct http_exchange *x, const struct err *e)
{
    int64_t seconds = (e->retry_after_ms + CLOCK_SECOND_MS - 1) / CLOCK_SECOND_MS;
    if (!seconds && (e->code == ERR_BUSY || e->code == ERR_STORE))
        seconds = RETRY_SOON_SECONDS;
    if (!seconds && e->code == ERR_SHUTDOWN)
        seconds = RETRY_AFTER_RESTART_SECONDS;
    if (!seconds)
        return;
    char *text = mem_printf("%lld", (long long)seconds);
    http_add_header(x, "Retry-After", text);
    free(text);
}

static void store_problem(struct http_exchange *x, int status, const struct err *e,
                          struct json_object *errors, const char *acme_document)
{
    status = status ? status : problem_status(e->code);
    x->problem = err_info(e->code)->name;
    if (problem_is_internal(e->code))
        log_error("a request failed", "path", x->target.path ? x->target.path : "", "code",
                  err_info(e->code)->name, "detail", e->detail, NULL);
    struct json_object *json = problem_json(e, acme_document);
    json_object_object_add(json, "status", json_object_new_int(status));
    if (errors && json_object_array_length(errors))
        json_object_object_add(json, "errors", errors);
    else
        json_object_put(errors);
    add_retry_after(x, e);
    if (e->code == ERR_UNAUTHENTICATED)
        http_add_header(x, "WWW-Authenticate", "Bearer realm=\"certwright\"");
    struct buf body = {0};
    write_json(json, &body);
    json_object_put(json);
    store_answer(x, status, "application/problem+json", &body);
}

void exchange_refuse(struct http_exchange *x, int status, const struct err *e)
{
    store_problem(x, status, e, NULL, NULL);
}

void http_respond_error(struct http_exchange *x, const struct err *e, struct json_object *errors,
                        const struct acme_problem *acme)
{
    store_problem(x, 0, e, errors, acme ? acme->document : NULL);
    give_answer(x);
}

void http_stream(struct http_exchange *x, const struct http_stream_source *source, void *state)
{
    assert(x->state == EXCHANGE_RUNNING);
    const struct stream_client client = {x->mhd, x->connection, &x->principal};
    enum stream_refusal refusal;
    x->stream = streams_add(x->server->streams, &client, source, state, &refusal);
    if (x->stream) {
        store_answer(x, 200, "text/event-stream", NULL);
        give_answer(x);
        return;
    }
    bool is_of_client = refusal == STREAMS_OF_CLIENT;
    struct err e;
    if (is_of_client)
        err_set(&e, ERR_BUSY, "%s has as many streams open as one client may.", x->principal.name);
    else
        err_set(&e, ERR_BUSY, "As many streams are open as may be.");
    e.retry_after_ms = RETRY_STREAM_SECONDS * CLOCK_SECOND_MS;
    source->destroy(state);
    store_problem(x, is_of_client ? HTTP_TOO_MANY : 0, &e, NULL, NULL);
    give_answer(x);
}

void http_wait(struct http_exchange *x, int seconds,
               bool (*answer)(struct http_exchange *x, void *context, bool final), void *context,
               void (*release)(void *context))
{
    struct http_server *server = x->server;
    seconds = seconds < 0 ? 0 : seconds > WAIT_MAX_SECONDS ? WAIT_MAX_SECONDS : seconds;
    pthread_mutex_lock(&lock);
    bool is_abandoned = x->state == EXCHANGE_ABANDONED;
    bool is_running = x->state == EXCHANGE_RUNNING;
    if (!is_abandoned)
        server->pins++;
    pthread_mutex_unlock(&lock);
    if (is_abandoned) {
        bool answered = answer(x, context, true);
        assert(answered);
        (void)answered;
        if (release)
            release(context);
        return;
    }
    if (is_running)
        http_defer(x);
    waiters_add(server->waiters, x, seconds, answer, context, release);
    pthread_mutex_lock(&lock);
    server->pins--;
    pthread_cond_broadcast(&server->exchanges_changed);
    pthread_mutex_unlock(&lock);
}
