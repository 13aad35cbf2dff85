/* /orders */
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/api/call.h"
#include "server/api/page.h"
#include "server/api/rights.h"
#include "server/api/show.h"
#include "store/order.h"

#include <json-c/json.h>
#include <stdlib.h>

static struct json_object *show_authorization(const struct authorization *a)
{
    struct json_object *identifier = NULL;
    if (a->identifier_value) {
        identifier = json_object_new_object();
        show_add_text(identifier, "type", a->identifier_type);
        show_add_text(identifier, "value", a->identifier_value);
    }
    struct json_object *json = json_object_new_object();
    show_add_text(json, "url", a->url);
    json_object_object_add(json, "identifier", identifier);
    show_add_bool(json, "wildcard", a->wildcard);
    show_add_text(json, "status", a->status);
    show_add_text(json, "state", authorization_step_name(a->step));
    json_object_object_add(json, "error", show_failure(a->error));
    json_object_object_add(json, "ca_object", show_stored(a->document));
    return json;
}

static int show_authorizations(struct db *db, const char *order, struct json_object **out,
                               struct err *e)
{
    struct authorization *list;
    size_t count;
    if (authorization_list(db, order, &list, &count, e) < 0)
        return -1;
    *out = json_object_new_array();
    for (size_t i = 0; i < count; i++) {
        json_object_array_add(*out, show_authorization(&list[i]));
        authorization_finish(&list[i]);
    }
    free(list);
    return 0;
}

static int show_order(struct db *db, const struct order *order, struct json_object **out,
                      struct err *e)
{
    struct json_object *authorizations;
    if (show_authorizations(db, order->id, &authorizations, e) < 0)
        return -1;
    struct json_object *json = json_object_new_object();
    show_add_text(json, "id", order->id);
    show_add_text(json, "url", order->url);
    show_add_text(json, "status", order->status);
    show_add_text(json, "certificate", order->certificate);
    show_add_int(json, "version", order->version);
    show_add_text(json, "account", order->account);
    show_add_text(json, "authority", order->authority);
    show_add_text(json, "job", order->job);
    show_add_time(json, "expires_at", order->expires_at);
    json_object_object_add(json, "error", show_failure(order->error));
    json_object_object_add(json, "ca_object", show_stored(order->document));
    json_object_object_add(json, "authorizations", authorizations);
    show_add_time(json, "created_at", order->created_at);
    show_add_time(json, "updated_at", order->updated_at);
    *out = json;
    return 0;
}

static int load_page(const struct page *page, void *rows, size_t *count, struct err *e)
{
    return order_list(page->db, http_query(page->x, "certificate"), page->after, page->limit, rows,
                      count, e);
}

static int sees_row(const struct page *page, const void *row, struct err *e)
{
    return rights_see_order(page->db, page->x, row, e);
}

static int show_row(const struct page *page, const void *row, struct json_object **out,
                    struct err *e)
{
    return show_order(page->db, row, out, e);
}

static char *key_of(const void *row)
{
    const struct order *order = row;
    return mem_strdup(order->id);
}

static void finish_row(void *row)
{
    order_finish(row);
}

static void list(struct http_exchange *x, void *context)
{
    static const char *const filters[] = {"certificate", NULL};
    static const struct page_source source = {
        .row_size = sizeof(struct order),
        .load = load_page,
        .sees = sees_row,
        .show = show_row,
        .key = key_of,
        .finish = finish_row,
        .filters = filters,
    };
    page_answer(context, x, &source);
}

static int load(struct db *db, const char *id, struct json_object **out, struct err *e)
{
    struct order order;
    if (db_snapshot_begin(db, e) < 0)
        return -1;
    int rc = order_load(db, id, &order, e);
    if (rc == 0) {
        rc = show_order(db, &order, out, e);
        order_finish(&order);
    }
    db_snapshot_end(db);
    return rc;
}

static void get(struct http_exchange *x, void *context)
{
    struct json_object *json = NULL;
    struct err e;
    struct db *db = call_reader(context, x);
    if (!db)
        return;
    if (load(db, http_param(x, "id"), &json, &e) < 0)
        http_respond_error(x, &e, NULL, NULL);
    else
        http_respond_json(x, 200, json);
}

const struct http_route orders_routes[] = {
    {HTTP_GET, "/orders", list, HTTP_ROUTE_QUERY, SCOPE_JOBS_READ},
    {HTTP_GET, "/orders/{id}", get, 0, SCOPE_JOBS_READ},
    {0},
};
