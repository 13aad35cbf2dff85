/* What handlers may know of a request. */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/access/grant.h"
#include "server/access/scope.h"
#include "server/http/exchange.h"
#include "server/http/exchange_private.h"
#include "server/http/negotiate.h"
#include "server/http/router.h"
#include "server/http/server_private.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>

const char *http_param(const struct http_exchange *x, const char *name)
{
    const char *value = router_parameter(x->route->path, &x->target, name);
    assert(value);
    return value;
}

const char *http_query(const struct http_exchange *x, const char *name)
{
    return http_target_parameter(&x->target, name);
}

void http_query_each(const struct http_exchange *x,
                     void (*fn)(void *context, const char *name, const char *value), void *context)
{
    for (size_t i = 0; i < x->target.parameter_count; i++)
        fn(context, x->target.parameters[i].name, x->target.parameters[i].value);
}

const char *http_header(const struct http_exchange *x, const char *name)
{
    return headers_get(&x->headers, name);
}

const struct buf *http_body(const struct http_exchange *x)
{
    return &x->body;
}

const char *http_path(const struct http_exchange *x)
{
    return x->target.path;
}

const char *http_route(const struct http_exchange *x)
{
    return x->route ? x->route->path : "";
}

const char *http_method(const struct http_exchange *x)
{
    return x->method_name;
}

bool http_is_read(const struct http_exchange *x)
{
    return x->is_get;
}

const char *http_address(const struct http_exchange *x)
{
    return x->listener->is_unix ? "unix" : x->connection->origin.peer_address;
}

const char *http_request_id(struct http_exchange *x)
{
    if (!x->request_id[0]) {
        ulid_make(clock_engine_ms(), x->request_id);
        http_add_header(x, "Request-Id", x->request_id);
    }
    return x->request_id;
}

const char *http_principal(const struct http_exchange *x)
{
    return x->principal.name;
}

const struct principal *http_rights(const struct http_exchange *x)
{
    return &x->principal;
}

int http_confirm(const struct http_exchange *x, struct err *e)
{
    const struct grant *grant = x->principal.grant;
    return grant ? grant_check_time(grant, clock_wall_ms(), e) : 0;
}

int http_require(const struct http_exchange *x, uint32_t scopes, struct err *e)
{
    struct buf missing = {0};
    if (!(scopes & ~x->principal.scopes))
        return 0;
    uint32_t withheld = scopes & ~x->listener->scopes;
    scope_list(withheld ? withheld : scopes & ~x->principal.scopes, &missing);
    if (withheld)
        err_set(e, ERR_FORBIDDEN,
                "What is asked for takes a scope that this listener grants to nobody: %s.",
                buf_string(&missing));
    else
        err_set(e, ERR_FORBIDDEN, "What is asked for takes a scope that %s has not: %s.",
                x->principal.name, buf_string(&missing));
    buf_finish(&missing);
    return -1;
}

bool http_asks_for(const struct http_exchange *x, const char *media_type)
{
    char *accept = headers_joined(&x->headers, "Accept");
    bool asks = negotiate_names(accept, media_type) && !negotiate_names(accept, "application/json");
    free(accept);
    return asks;
}

int http_prefer_wait_seconds(const struct http_exchange *x)
{
    char *prefer = headers_joined(&x->headers, "Prefer");
    int seconds = negotiate_wait_seconds(prefer);
    free(prefer);
    return seconds;
}

/* Whether If-None-Match names what is there, "*" anything. */
static bool is_unwanted(const struct http_exchange *x, const char *etag)
{
    char *listed = headers_joined(&x->headers, "If-None-Match");
    bool unwanted = listed && etag && negotiate_etag_listed(listed, etag, true);
    free(listed);
    return unwanted;
}

bool http_accepts(const struct http_exchange *x, const char *media_type)
{
    char *accept = headers_joined(&x->headers, "Accept");
    bool accepted = negotiate_accepts(accept, media_type);
    free(accept);
    return accepted;
}

bool http_is_known(const struct http_exchange *x, const char *etag)
{
    return x->is_get && is_unwanted(x, etag);
}

int http_if_match(const struct http_exchange *x, const char *etag, struct err *e)
{
    if (is_unwanted(x, etag))
        return err_set(e, ERR_PRECONDITION, "If-None-Match wants none to exist, and %s does", etag);
    char *listed = headers_joined(&x->headers, "If-Match");
    bool matches = !listed || (etag && negotiate_etag_listed(listed, etag, false));
    free(listed);
    if (matches)
        return 0;
    if (!etag)
        return err_set(e, ERR_PRECONDITION, "If-Match wants it to exist, which it does not");
    return err_set(e, ERR_PRECONDITION, "The ETag is %s by now", etag);
}
