/* A server with a few routes, for the tests of server/http. */
#ifndef CERTWRIGHT_TESTS_UNIT_HTTP_SERVICE_H
#define CERTWRIGHT_TESTS_UNIT_HTTP_SERVICE_H

#include "acme/problem.h"
#include "server/access/principal.h"
#include "server/access/scope.h"
#include "server/http/server.h"
#include "tests/unit/http_attendant.h"
#include "tests/unit/unit.h"

#include <json-c/json.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct service {
    struct http_server *server;
    const char *api;
    const char *ops;
    const char *http01;
    const char *local; /* the Unix socket */
    char path[64];
    atomic_int acts;   /* how often POST /act ran */
    atomic_int served; /* answers that the metrics were told of */
    atomic_int last_status;
    atomic_int commits; /* what waiters look at */
    atomic_int waiting;
    atomic_int released;
    atomic_int finals;
    _Atomic(struct http_exchange *) held; /* GET /held is not answered */
};

static inline void answer_text(struct http_exchange *x, const char *text)
{
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "text", json_object_new_string(text));
    http_respond_json(x, 200, json);
}

static inline void show(struct http_exchange *x, void *context)
{
    (void)context;
    const char *q = http_query(x, "q");
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "name", json_object_new_string(http_param(x, "name")));
    json_object_object_add(json, "path", json_object_new_string(http_path(x)));
    json_object_object_add(json, "principal", json_object_new_string(http_principal(x)));
    if (q)
        json_object_object_add(json, "q", json_object_new_string(q));
    http_respond_json(x, 200, json);
}

static inline void measure(struct http_exchange *x, void *context)
{
    (void)context;
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "size", json_object_new_int64((int64_t)http_body(x)->size));
    http_respond_json(x, 201, json);
}

static inline void act(struct http_exchange *x, void *context)
{
    struct service *s = context;
    s->acts++;
    http_respond(x, 204, NULL, NULL);
}

static inline void guarded(struct http_exchange *x, void *context)
{
    (void)context;
    struct err e;
    if (http_if_match(x, "\"7\"", &e) < 0)
        http_respond_error(x, &e, NULL, NULL);
    else
        http_respond(x, 204, NULL, NULL);
}

static inline void open_to_all(struct http_exchange *x, void *context)
{
    (void)context;
    answer_text(x, http_principal(x));
}

static inline void pem(struct http_exchange *x, void *context)
{
    (void)context;
    struct buf body = {0};
    buf_add_string(&body, "-----BEGIN CERTIFICATE-----\n");
    http_add_header(x, "Cache-Control", "private");
    http_respond(x, 200, "application/pem-certificate-chain", &body);
}

static inline void broken(struct http_exchange *x, void *context)
{
    (void)context;
    struct err e;
    err_set(&e, ERR_STORE, "the secret place");
    http_respond_error(x, &e, NULL, NULL);
}

static inline void refused(struct http_exchange *x, void *context)
{
    (void)context;
    struct err e;
    char document[] = "{\"type\":\"urn:ietf:params:acme:error:dns\",\"detail\":\"no such name\"}";
    const struct acme_problem acme = {.document = document};
    struct json_object *errors = json_object_new_array(), *first = json_object_new_object();
    json_object_object_add(first, "pointer", json_object_new_string("/identifiers/0"));
    json_object_object_add(first, "detail", json_object_new_string("no name"));
    json_object_array_add(errors, first);
    err_set(&e, ERR_INVALID, "one field is invalid");
    e.retry_after_ms = 1500;
    http_respond_error(x, &e, errors, &acme);
}

static inline void *answer_from_elsewhere(void *argument)
{
    struct http_exchange *x = argument;
    char name[64];
    snprintf(name, sizeof name, "%s", http_param(x, "name"));
    answer_text(x, name);
    return NULL;
}

static inline void later(struct http_exchange *x, void *context)
{
    (void)context;
    pthread_t thread;
    http_defer(x);
    if (pthread_create(&thread, NULL, answer_from_elsewhere, x) == 0)
        pthread_detach(thread);
    else
        answer_text(x, "no thread");
}

static inline void at_once(struct http_exchange *x, void *context)
{
    (void)context;
    http_defer(x);
    answer_text(x, "at once");
}

static inline void held(struct http_exchange *x, void *context)
{
    struct service *s = context;
    http_defer(x);
    s->held = x;
}

static inline bool answer_commits(struct http_exchange *x, void *context, bool final)
{
    struct service *s = context;
    if (!s->commits && !final)
        return false;
    s->finals += final;
    answer_text(x, final ? "final" : "committed");
    return true;
}

static inline void release_waiter(void *context)
{
    struct service *s = context;
    s->released++;
}

static inline void wait_for_commit(struct http_exchange *x, void *context)
{
    struct service *s = context;
    s->waiting++;
    http_wait(x, http_prefer_wait_seconds(x), answer_commits, s, release_waiter);
}

static inline void challenge(struct http_exchange *x, void *context)
{
    (void)context;
    struct buf body = {0};
    buf_add_string(&body, http_param(x, "token"));
    http_respond(x, 200, "application/octet-stream", &body);
}

/* Who has no token is known by the Unix socket; "weak" may do nothing, "other" is another one. */
static inline int authenticate(void *context, const struct http_caller *caller,
                               struct principal *principal, struct err *e)
{
    (void)context;
    const char *token = caller->token;
    if (!token && caller->address)
        return err_set(e, ERR_UNAUTHENTICATED, "This request carries no token.");
    bool is_other = token && !strcmp(token, "other");
    if (token && !is_other && strcmp(token, "good") != 0 && strcmp(token, "weak") != 0)
        return err_set(e, ERR_UNAUTHENTICATED, "This token is not known.");
    if (token)
        snprintf(principal->name, sizeof principal->name, is_other ? "token:other" : "token:admin");
    else
        snprintf(principal->name, sizeof principal->name, "uid:%lld", (long long)caller->uid);
    principal->scopes = token && !strcmp(token, "weak") ? SCOPE_AUDIT_READ : SCOPE_ALL;
    return 0;
}

static inline void count_served(void *context, const struct http_served *request)
{
    struct service *s = context;
    if (*request->method && request->route && request->duration_ms >= 0)
        s->last_status = request->status;
    s->served++;
}

static const struct http_route service_routes[] = {
    {HTTP_GET, "/things/{name}", show, HTTP_ROUTE_QUERY, SCOPE_JOBS_READ},
    {HTTP_PATCH, "/things/{name}", measure, 0, SCOPE_JOBS_READ},
    {HTTP_PUT, "/things/{name}", guarded, 0, SCOPE_JOBS_READ},
    {HTTP_DELETE, "/things/{name}", guarded, 0, SCOPE_JOBS_READ},
    {HTTP_POST, "/things", measure, 0, SCOPE_JOBS_READ},
    {HTTP_POST, "/act", act, HTTP_ROUTE_NO_BODY, SCOPE_JOBS_READ},
    {HTTP_GET, "/pem", pem, 0, SCOPE_JOBS_READ},
    {HTTP_GET, "/broken", broken, 0, SCOPE_JOBS_READ},
    {HTTP_GET, "/refused", refused, 0, SCOPE_JOBS_READ},
    {HTTP_GET, "/later/{name}", later, 0, SCOPE_JOBS_READ},
    {HTTP_GET, "/at-once", at_once, 0, SCOPE_JOBS_READ},
    {HTTP_GET, "/held", held, 0, SCOPE_JOBS_READ},
    {HTTP_GET, "/wait", wait_for_commit, 0, SCOPE_JOBS_READ},
    {HTTP_GET, "/livez", open_to_all, HTTP_ROUTE_OPEN | HTTP_ROUTE_OPS, 0},
    {HTTP_GET, "/metrics", open_to_all, HTTP_ROUTE_OPS, SCOPE_JOBS_READ},
    {HTTP_GET, "/.well-known/acme-challenge/{token}", challenge,
     HTTP_ROUTE_OPEN | HTTP_ROUTE_ANY_HOST, 0},
    {0},
};

static const struct http_route *const service_tables[] = {service_routes, NULL};

/* Starts the service; limits may be NULL, or hold what else the options are to be. */
static inline void service_start(struct service *s, const struct http_server_options *limits)
{
    static const char *const hosts[] = {"certs.example.com"};
    struct err e = {0};
    static int starts;
    snprintf(s->path, sizeof s->path, "unix:/tmp/certwright-test-%ld-%d", (long)getpid(), ++starts);
    const struct http_listener_options listeners[] = {
        {.kind = HTTP_LISTENER_API, .address = "127.0.0.1:0"},
        {.kind = HTTP_LISTENER_OPS, .address = "127.0.0.1:0"},
        {.kind = HTTP_LISTENER_HTTP01, .address = "127.0.0.1:0"},
        {.kind = HTTP_LISTENER_API, .address = s->path},
    };
    struct http_server_options options = limits ? *limits : (struct http_server_options){0};
    options.listeners = listeners;
    options.listener_count = sizeof listeners / sizeof listeners[0];
    options.allowed_hosts = hosts;
    options.allowed_host_count = 1;
    options.routes = service_tables;
    options.context = s;
    options.authenticate = authenticate;
    options.served = count_served;
    if (attended_create(&options, &s->server, &e) < 0)
        fail_msg("%s", e.detail);
    s->api = http_server_address(s->server, 0);
    s->ops = http_server_address(s->server, 1);
    s->http01 = http_server_address(s->server, 2);
    s->local = http_server_address(s->server, 3);
}

static inline void service_stop(struct service *s)
{
    attended_destroy(s->server);
    s->server = NULL;
}

#endif
