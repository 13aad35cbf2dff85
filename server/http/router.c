#include "server/http/router.h"

#include <assert.h>
#include <string.h>

static const struct router_verb verbs[] = {
    {"GET", ROUTER_HANDLED, HTTP_GET},       {"POST", ROUTER_HANDLED, HTTP_POST},
    {"PUT", ROUTER_HANDLED, HTTP_PUT},       {"PATCH", ROUTER_HANDLED, HTTP_PATCH},
    {"DELETE", ROUTER_HANDLED, HTTP_DELETE}, {"HEAD", ROUTER_HEAD, HTTP_GET},
    {"OPTIONS", ROUTER_OPTIONS, HTTP_GET},   {"TRACE", ROUTER_REFUSED, HTTP_GET},
    {"CONNECT", ROUTER_REFUSED, HTTP_GET},
};

const struct router_verb *router_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
    return NULL;
}

/* One segment of a template: "{name}" or a literal. */
struct piece {
    const char *text;
    size_t size;
    bool is_parameter;
};

/* Reads the piece after a slash; returns where the next slash is, or NULL at the end. */
static const char *next_piece(const char *slash, struct piece *out)
{
    assert(*slash == '/');
    const char *text = slash + 1;
    size_t size = strcspn(text, "/");
    bool is_parameter = size > 2 && text[0] == '{' && text[size - 1] == '}';
    *out = (struct piece){.text = text, .size = size, .is_parameter = is_parameter};
    return text[size] ? text + size : NULL;
}

static bool fits(const struct piece *piece, const char *segment)
{
    if (piece->is_parameter)
        return *segment;
    return strlen(segment) == piece->size && !memcmp(segment, piece->text, piece->size);
}

/* The rank has a bit for each literal, the first segment's being the highest. */
static bool matches(const char *template, const struct http_target *target, unsigned *rank)
{
    const char *at = template;
    *rank = 0;
    for (size_t i = 0; i < target->segment_count; i++) {
        struct piece piece;
        if (!at)
            return false;
        at = next_piece(at, &piece);
        if (!fits(&piece, target->segments[i]))
            return false;
        *rank = *rank << 1 | !piece.is_parameter;
    }
    return !at;
}

static bool serves(enum http_listener_kind kind, const struct http_route *route)
{
    static const char challenges[] = "/.well-known/acme-challenge/";
    switch (kind) {
    case HTTP_LISTENER_API:
        return true;
    case HTTP_LISTENER_OPS:
        return route->flags & HTTP_ROUTE_OPS;
    case HTTP_LISTENER_HTTP01:
        return !strncmp(route->path, challenges, sizeof challenges - 1);
    }
    return false;
}

bool router_find(const struct http_route *const *tables, enum http_listener_kind kind,
                 const struct http_target *target, struct router_match *out)
{
    bool found = false;
    unsigned best = 0;
    *out = (struct router_match){0};
    for (; *tables; tables++)
        for (const struct http_route *route = *tables; route->path; route++) {
            unsigned rank;
            if (!serves(kind, route) || !matches(route->path, target, &rank))
                continue;
            if (found && rank < best)
                continue;
            if (!found || rank > best)
                *out = (struct router_match){0};
            found = true;
            best = rank;
            out->routes[route->method] = route;
        }
    return found;
}

void router_allow(const struct router_match *match, struct buf *out)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (verbs[i].kind == ROUTER_HANDLED && match->routes[verbs[i].method])
            buf_printf(out, "%s, ", verbs[i].name);
    if (match->routes[HTTP_GET])
        buf_add_string(out, "HEAD, ");
    buf_add_string(out, "OPTIONS");
}

const char *router_parameter(const char *template, const struct http_target *target,
                             const char *name)
{
    const char *at = template;
    for (size_t i = 0; at && i < target->segment_count; i++) {
        struct piece piece;
        at = next_piece(at, &piece);
        if (piece.is_parameter && strlen(name) == piece.size - 2 &&
            !memcmp(name, piece.text + 1, piece.size - 2))
            return target->segments[i];
    }
    return NULL;
}
