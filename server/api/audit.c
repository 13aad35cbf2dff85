/* /audit, and how secrets are given away. */
#include "server/api/audit.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/api/page.h"
#include "server/api/rights.h"
#include "server/api/show.h"
#include "store/audit.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

int audit_note_success(struct store_tx *tx, struct http_exchange *x, int status,
                       const char *resource, const char *job, struct err *e)
{
    const struct audit_note note = {
        .request = http_request_id(x),
        .principal = http_principal(x),
        .address = http_address(x),
        .method = http_method(x),
        .route = http_route(x),
        .resource = resource,
        .job = job,
        .status = status,
        .at = store_tx_now(tx),
        .count = 1,
    };
    return audit_add(tx, &note, e);
}

/* ---- secrets ---- */

struct disclosure {
    struct http_exchange *x;
    const char *content_type;
    struct buf body;
};

static int write_disclosure(struct store_tx *tx, void *arg, struct err *e)
{
    const struct disclosure *disclosure = arg;
    struct http_exchange *x = disclosure->x;
    if (http_confirm(x, e) < 0 || rights_permit(store_tx_db(tx), x, e) < 0)
        return -1;
    return audit_note_success(tx, x, 200, http_path(x), NULL, e);
}

static void disclose(void *arg, const struct err *e)
{
    struct disclosure *disclosure = arg;
    if (e) {
        http_drop_headers(disclosure->x);
        http_respond_error(disclosure->x, e, NULL, NULL);
    } else {
        http_respond(disclosure->x, 200, disclosure->content_type, &disclosure->body);
    }
    buf_finish_secret(&disclosure->body);
    free(disclosure);
}

void audit_disclose(struct api *api, struct http_exchange *x, const char *content_type,
                    struct buf *body)
{
    struct disclosure *disclosure = mem_new(1, sizeof *disclosure);
    *disclosure = (struct disclosure){.x = x, .content_type = content_type, .body = *body};
    *body = (struct buf){0};
    http_request_id(x);
    http_defer(x);
    store_write(api->options.store, write_disclosure, disclosure, disclose);
}

/* ---- /audit ---- */

static int load_page(const struct page *page, void *rows, size_t *count, struct err *e)
{
    const char *since = http_query(page->x, "since");
    struct audit_filter filter = {.principal = http_query(page->x, "principal"),
                                  .resource = http_query(page->x, "resource")};
    int64_t before = page->after ? strtoll(page->after, NULL, 10) : INT64_MAX;
    if (since && clock_parse_rfc3339(since, &filter.since) < 0)
        return err_set(e, ERR_MALFORMED,
                       "since has to be a time such as 2026-11-21T09:41:50Z (RFC 3339; a plus "
                       "sign in a URL is %%2B).");
    return audit_list(page->db, &filter, before, page->limit, rows, count, e);
}

static int show_row(const struct page *page, const void *row, struct json_object **out,
                    struct err *e)
{
    const struct audit_entry *entry = row;
    (void)page, (void)e;
    struct json_object *json = json_object_new_object();
    show_add_int(json, "n", entry->n);
    show_add_time(json, "at", entry->at);
    show_add_text(json, "request_id", entry->request);
    show_add_text(json, "principal", entry->principal);
    show_add_text(json, "address", entry->address);
    show_add_text(json, "method", entry->method);
    show_add_text(json, "route", entry->route);
    show_add_text(json, "resource", entry->resource);
    show_add_text(json, "job", entry->job);
    show_add_int(json, "status", entry->status);
    show_add_text(json, "code", entry->code);
    show_add_int(json, "count", entry->count);
    show_add_text(json, "previous_hash", entry->previous);
    show_add_text(json, "hash", entry->hash);
    *out = json;
    return 0;
}

static char *key_of(const void *row)
{
    const struct audit_entry *entry = row;
    return mem_printf("%lld", (long long)entry->n);
}

static void finish_row(void *row)
{
    audit_entry_finish(row);
}

static void list(struct http_exchange *x, void *context)
{
    static const char *const filters[] = {"principal", "resource", "since", NULL};
    static const struct page_source source = {
        .row_size = sizeof(struct audit_entry),
        .load = load_page,
        .show = show_row,
        .key = key_of,
        .finish = finish_row,
        .filters = filters,
        .has_lines = true,
    };
    page_answer(context, x, &source);
}

const struct http_route audit_routes[] = {
    {HTTP_GET, "/audit", list, HTTP_ROUTE_QUERY, SCOPE_AUDIT_READ},
    {0},
};
