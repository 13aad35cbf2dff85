#include "server/http/judge.h"

#include "acme/base/clock.h"
#include "server/http/clients.h"
#include "server/http/host.h"
#include "server/http/negotiate.h"
#include "server/http/router.h"
#include "server/http/server_private.h"
#include "server/http/shares.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TOKEN_MAX = 512, CLIENT_SIZE = 64, RETRY_WAIT_SECONDS = 10 };

void judge_settle(struct http_exchange *x, int status, const struct err *e)
{
    exchange_refuse(x, status, e);
    x->is_settled = true;
}

int judge_reserve(struct http_exchange *x, size_t size, struct err *e)
{
    struct http_server *server = x->server;
    if (atomic_fetch_add(&server->body_bytes, size) + size > server->max_body_total) {
        atomic_fetch_sub(&server->body_bytes, size);
        return err_set(e, ERR_BUSY, "the bodies of other requests take all the memory there is");
    }
    x->reserved += size;
    return 0;
}

static int pass_gate(struct http_exchange *x, const char *method, const char *version,
                     struct err *e)
{
    const char *raw = x->raw_target;
    if (gate_check(version, &x->headers, &x->framing, e) < 0 ||
        http_target_parse(raw, &x->target, e) < 0)
        return -1;
    if (x->server->is_parser_old &&
        !gate_line_is_plain(method, x->target_place, strlen(raw), version))
        return err_set(e, ERR_MALFORMED, "the request line holds a NUL or a run of spaces");
    return 0;
}

static bool is_for_any_host(const struct router_match *match)
{
    for (int i = 0; i < HTTP_METHOD_COUNT; i++)
        if (match->routes[i] && match->routes[i]->flags & HTTP_ROUTE_ANY_HOST)
            return true;
    return false;
}

/* Only what a browser could be tricked into is guarded: the API's listener. */
static int pass_host_rule(const struct http_exchange *x, const struct router_match *match,
                          bool is_write, struct err *e)
{
    if (x->listener->kind != HTTP_LISTENER_API || is_for_any_host(match))
        return 0;
    const struct connection_origin *origin = &x->connection->origin;
    const char *host = headers_get(&x->headers, "Host");
    if (host_check(&x->server->hosts, origin->own_address, host, e) < 0 &&
        !(origin->shown && host_is_of(origin->shown, host)))
        return -1;
    return host_check_browser(&x->headers, is_write, origin->shown != NULL, e);
}

static void add_allow(struct http_exchange *x, const struct router_match *match)
{
    struct buf allow = {0};
    router_allow(match, &allow);
    http_add_header(x, "Allow", buf_string(&allow));
    buf_finish(&allow);
}

/* The token of `Bearer TOKEN` (RFC 6750 section 2.1), or NULL. */
static const char *bearer_token(const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return NULL;
    const char *token = authorization + sizeof scheme - 1;
    token += strspn(token, " ");
    size_t size = strlen(token);
    return size > 0 && size <= TOKEN_MAX && !strpbrk(token, " \t,") ? token : NULL;
}

/* Who counts as one client without a name: an address; of IPv6 the first half, since whoever has
   one address has all that begin so. */
static void name_peer(const struct http_exchange *x, char out[CLIENT_SIZE])
{
    struct in6_addr v6;
    const char *address = x->connection->origin.peer_address;
    if (x->listener->is_unix)
        snprintf(out, CLIENT_SIZE, "uid:%lld", (long long)x->connection->origin.uid);
    else if (inet_pton(AF_INET6, address, &v6) == 1)
        snprintf(out, CLIENT_SIZE, "%02x%02x:%02x%02x:%02x%02x:%02x%02x", v6.s6_addr[0],
                 v6.s6_addr[1], v6.s6_addr[2], v6.s6_addr[3], v6.s6_addr[4], v6.s6_addr[5],
                 v6.s6_addr[6], v6.s6_addr[7]);
    else
        snprintf(out, CLIENT_SIZE, "%s", address);
}

/* ERR_BUSY, told as 429, when this client has sent too many. */
static int pass_limit(struct clients *clients, const char *who, const char *what, int *status,
                      struct err *e)
{
    int64_t wait_us = clients_take(clients, who, clock_monotonic_ms() * 1000);
    if (!wait_us)
        return 0;
    *status = HTTP_TOO_MANY;
    err_set(e, ERR_BUSY, "Too many %s have come from %s.", what, who);
    e->retry_after_ms = (wait_us + 999) / 1000;
    return -1;
}

/* What proves nothing costs its sender; a token that is good is taken all the same, or any process
   of a machine could lock the others out. Guessing one is hopeless without a limit, too. */
static void count_failure(const struct http_exchange *x, int *status, struct err *e)
{
    char who[CLIENT_SIZE];
    struct err limit;
    if (e->code != ERR_UNAUTHENTICATED)
        return;
    name_peer(x, who);
    if (pass_limit(x->server->failures, who, "requests without a good token", status, &limit) < 0)
        *e = limit;
}

/* Here, before anything is done for it: whether a request will really have to wait, only its
   handler knows, and by then there may be a job. */
static int pass_waits(struct http_exchange *x, int *status, struct err *e)
{
    if (http_prefer_wait_seconds(x) == 0)
        return 0;
    x->wait = shares_take(x->server->waits, x->principal.name);
    if (x->wait)
        return 0;
    *status = HTTP_TOO_MANY;
    err_set(e, ERR_BUSY, "As many requests of %s wait as one client may have.", x->principal.name);
    e->retry_after_ms = RETRY_WAIT_SECONDS * CLOCK_SECOND_MS;
    return -1;
}

static int pass_authentication(struct http_exchange *x, int *status, struct err *e)
{
    char who[CLIENT_SIZE];
    bool is_open = x->listener->kind != HTTP_LISTENER_API || x->route->flags & HTTP_ROUTE_OPEN;
    const char *authorization = headers_get(&x->headers, "Authorization");
    if (is_open) {
        snprintf(x->principal.name, sizeof x->principal.name, "open");
        if (x->listener->kind != HTTP_LISTENER_API)
            return 0;
        name_peer(x, who);
        return pass_limit(x->server->clients, who, "requests", status, e);
    }
    const struct connection_origin *origin = &x->connection->origin;
    const struct http_caller caller = {
        .token = authorization ? bearer_token(authorization) : NULL,
        .address = x->listener->is_unix ? NULL : origin->peer_address,
        .uid = origin->uid,
        .identity = origin_identity(origin),
    };
    int rc =
        authorization && !caller.token
            ? err_set(e, ERR_UNAUTHENTICATED, "The Authorization header holds no Bearer token.")
            : x->server->authenticate(x->server->context, &caller, &x->principal, e);
    if (rc < 0 && !authorization && origin_is_nobody(origin))
        err_set(e, ERR_UNAUTHENTICATED,
                "This request carries no token, and its client certificate is none of the "
                "listener's identities.");
    if (rc < 0) {
        count_failure(x, status, e);
        return -1;
    }
    if (pass_limit(x->server->clients, x->principal.name, "requests", status, e) < 0)
        return -1;
    x->principal.scopes &= x->listener->scopes;
    if (http_require(x, x->route->scopes, e) < 0)
        return -1;
    return pass_waits(x, status, e);
}

static int pass_body_rules(struct http_exchange *x, struct err *e)
{
    enum http_method method = x->route->method;
    const char *type = headers_get(&x->headers, "Content-Type");
    const char *coding = headers_get(&x->headers, "Content-Encoding");
    if (method == HTTP_GET || method == HTTP_DELETE) {
        if (x->framing.has_body)
            return err_set(e, ERR_MALFORMED, "a %s takes no body", x->method_name);
        return 0;
    }
    if (!x->framing.has_body) {
        if (x->route->flags & HTTP_ROUTE_NO_BODY)
            return 0;
        return err_set(e, ERR_MALFORMED, "this request wants a JSON body");
    }
    if (!negotiate_takes(method, type))
        return err_set(e, ERR_MEDIA_TYPE, "the Content-Type is %s", type ? type : "missing");
    if (coding && strcasecmp(coding, "identity") != 0)
        return err_set(e, ERR_MEDIA_TYPE, "the Content-Encoding is %s", coding);
    if (x->framing.length > x->server->max_body)
        return err_set(e, ERR_TOO_LARGE, "a body has at most %zu bytes", x->server->max_body);
    return judge_reserve(x, (size_t)x->framing.length, e);
}

/* A parameter that is misspelt or misplaced must not be passed over: ?revok=true. */
static int pass_query(const struct http_exchange *x, struct err *e)
{
    bool is_open = x->listener->kind != HTTP_LISTENER_API || x->route->flags & HTTP_ROUTE_OPEN;
    if (is_open || x->route->flags & HTTP_ROUTE_QUERY || !x->target.parameter_count)
        return 0;
    return err_set(e, ERR_MALFORMED, "There is no query parameter \"%.100s\" here.",
                   x->target.parameters[0].name);
}

/* What changes something must not be done for a caller who then refuses to hear of it; what only
   reads is judged by what it gives. */
static int pass_accept(const struct http_exchange *x, struct err *e)
{
    if (x->is_get)
        return 0;
    char *accept = headers_joined(&x->headers, "Accept");
    bool accepted = negotiate_accepts(accept, "application/json");
    free(accept);
    return accepted ? 0
                    : err_set(e, ERR_NOT_ACCEPTABLE,
                              "the answer is application/json, which the Accept header rules out");
}

/* From the method to the route; settled or failed otherwise. */
static int pass_router(struct http_exchange *x, const char *method, int *status, struct err *e)
{
    struct router_match match;
    const struct router_verb *verb = router_verb(method);
    if (!verb) {
        x->method_name = "OTHER";
        *status = 501;
        return err_set(e, ERR_METHOD, "the method is none that this service knows");
    }
    x->method_name = verb->name;
    x->is_get = verb->method == HTTP_GET && verb->kind != ROUTER_OPTIONS;
    bool is_write = verb->kind == ROUTER_HANDLED && verb->method != HTTP_GET;
    bool found = router_find(x->server->routes, x->listener->kind, &x->target, &match);
    if (pass_host_rule(x, &match, is_write, e) < 0)
        return -1;
    if (!found)
        return err_set(e, ERR_NOT_FOUND, "there is nothing at %s", x->target.path);
    if (verb->kind == ROUTER_OPTIONS) {
        add_allow(x, &match);
        x->status = 204;
        x->is_settled = true;
        return 0;
    }
    x->route = verb->kind == ROUTER_REFUSED ? NULL : match.routes[verb->method];
    if (!x->route) {
        add_allow(x, &match);
        return err_set(e, ERR_METHOD, "%s takes no %s", x->target.path, verb->name);
    }
    return 0;
}

void judge_request(struct http_exchange *x, const char *method, const char *version)
{
    struct err e;
    int status = 0;
    if (pass_gate(x, method, version, &e) < 0) {
        /* What follows on this connection may be a request or the rest of this one. */
        x->closes = true;
        judge_settle(x, 0, &e);
        return;
    }
    if (pass_router(x, method, &status, &e) < 0) {
        judge_settle(x, status, &e);
        return;
    }
    if (x->is_settled)
        return;
    if (pass_authentication(x, &status, &e) < 0 || pass_query(x, &e) < 0 ||
        pass_body_rules(x, &e) < 0 || pass_accept(x, &e) < 0)
        judge_settle(x, status, &e);
}
