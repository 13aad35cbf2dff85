/* From method and path to a route. Private to server/http. */
#ifndef CERTWRIGHT_SERVER_HTTP_ROUTER_H
#define CERTWRIGHT_SERVER_HTTP_ROUTER_H

#include "acme/base/buffer.h"
#include "server/http/exchange.h"
#include "server/http/server.h"
#include "server/http/target.h"

#include <stdbool.h>

enum router_verb_kind {
    ROUTER_HANDLED, /* one of enum http_method */
    ROUTER_HEAD,
    ROUTER_OPTIONS,
    ROUTER_REFUSED, /* known, and served nowhere */
};

struct router_verb {
    const char *name;
    enum router_verb_kind kind;
    enum http_method method; /* HTTP_GET for HEAD */
};

/* NULL for a method that is not known at all. */
const struct router_verb *router_verb(const char *name);

/* The routes of one path; all NULL: the path is not served. */
struct router_match {
    const struct http_route *routes[HTTP_METHOD_COUNT];
};

/*
 * The routes of that path that a listener of this kind serves. Where several templates fit, the one
 * whose literal comes first wins: /a/b over /a/{name}. False if there is none.
 */
bool router_find(const struct http_route *const *tables, enum http_listener_kind kind,
                 const struct http_target *target, struct router_match *out);

/* "GET, HEAD, POST, OPTIONS" */
void router_allow(const struct router_match *match, struct buf *out);

/* The segment of target that template calls {name}; NULL if it has no such parameter. */
const char *router_parameter(const char *template, const struct http_target *target,
                             const char *name);

#endif
