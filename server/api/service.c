/* Health, metrics, the contract and its page, and the http-01 responder's path. */
#include "acme/base/memory.h"
#include "api-spec/openapi.h"
#include "server/access/scope.h"
#include "server/api/call.h"
#include "server/api/metrics.h"
#include "server/api/show.h"
#include "server/solver/http01.h"

#include <json-c/json.h>

static struct json_object *all_is_well(void)
{
    struct json_object *json = json_object_new_object();
    show_add_text(json, "status", "ok");
    return json;
}

static void get_liveness(struct http_exchange *x, void *context)
{
    (void)context;
    http_respond_json(x, 200, all_is_well());
}

/* A write that writes nothing: it tells whether the writer is there and gets through. */
static int apply_nothing(struct call *call, struct store_tx *tx, struct err *e)
{
    (void)tx, (void)e;
    call_answer(call, 200, all_is_well());
    return 0;
}

static void get_readiness(struct http_exchange *x, void *context)
{
    struct api *api = context;
    struct err e;
    if (atomic_load(&api->ready)) {
        call_write(api, x, apply_nothing, NULL, NULL);
        return;
    }
    err_set(&e, ERR_BUSY, "The service is starting or stopping.");
    http_respond_error(x, &e, NULL, NULL);
}

static void get_metrics(struct http_exchange *x, void *context)
{
    struct buf text = {0};
    struct err e;
    struct api *api = context;
    struct db *db = call_reader(api, x);
    if (!db)
        return;
    if (metrics_write(api, db, &text, &e) < 0) {
        buf_finish(&text);
        http_respond_error(x, &e, NULL, NULL);
        return;
    }
    http_respond(x, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

/* What was linked in, and changes with the program alone. */
static void respond_constant(struct http_exchange *x, const char *type, const char *text,
                             size_t size)
{
    char etag[HTTP_ETAG_SIZE];
    struct buf body = {0};
    http_etag(text, size, etag);
    http_add_header(x, "ETag", etag);
    http_add_header(x, "Cache-Control", "no-cache");
    buf_add(&body, text, size);
    http_respond(x, 200, type, &body);
}

static void get_contract(struct http_exchange *x, void *context)
{
    (void)context;
    respond_constant(x, "application/json", openapi_json, openapi_json_size);
}

static void get_page(struct http_exchange *x, void *context)
{
    (void)context;
    http_add_header(x, "Content-Security-Policy", openapi_page_policy);
    http_add_header(x, "Referrer-Policy", "no-referrer");
    respond_constant(x, "text/html; charset=utf-8", openapi_page, openapi_page_size);
}

static void get_challenge(struct http_exchange *x, void *context)
{
    struct api *api = context;
    struct buf body = {0};
    struct err e;
    if (http01_lookup(api->options.http01, http_param(x, "token"), &body)) {
        http_respond(x, 200, "application/octet-stream", &body);
        return;
    }
    err_set(&e, ERR_NOT_FOUND, "There is no such challenge here.");
    http_respond_error(x, &e, NULL, NULL);
}

const struct http_route service_routes[] = {
    {HTTP_GET, "/livez", get_liveness, HTTP_ROUTE_OPEN | HTTP_ROUTE_OPS, 0},
    {HTTP_GET, "/readyz", get_readiness, HTTP_ROUTE_OPEN | HTTP_ROUTE_OPS, 0},
    {HTTP_GET, "/metrics", get_metrics, HTTP_ROUTE_OPS, SCOPE_METRICS_READ},
    {HTTP_GET, "/openapi.json", get_contract, HTTP_ROUTE_OPEN, 0},
    {HTTP_GET, "/docs", get_page, HTTP_ROUTE_OPEN, 0},
    {HTTP_GET, "/.well-known/acme-challenge/{token}", get_challenge,
     HTTP_ROUTE_OPEN | HTTP_ROUTE_ANY_HOST, 0},
    {0},
};
