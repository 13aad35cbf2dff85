/* Orders (RFC 8555 sections 7.1.3 and 7.4). */
#include "acme/base/base64url.h"
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/client_private.h"
#include "acme/json.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {
    [ACME_ORDER_PENDING] = "pending",       [ACME_ORDER_READY] = "ready",
    [ACME_ORDER_PROCESSING] = "processing", [ACME_ORDER_VALID] = "valid",
    [ACME_ORDER_INVALID] = "invalid",
};

void acme_order_finish(struct acme_order *order)
{
    free(order->url);
    free(order->document);
    free(order->finalize);
    free(order->certificate);
    for (size_t i = 0; i < order->authorization_count; i++)
        free(order->authorizations[i]);
    free(order->authorizations);
    acme_problem_finish(&order->problem);
    *order = (struct acme_order){0};
}

static int read_status(const struct json_object *json, enum acme_order_status *out, struct err *e)
{
    const char *text = json_text_of(json, "status");
    for (size_t i = 0; text && i < sizeof status_names / sizeof *status_names; i++) {
        if (!strcmp(text, status_names[i])) {
            *out = (enum acme_order_status)i;
            return 0;
        }
    }
    return err_set(e, ERR_CA_PROTOCOL, "the order's status is '%.40s', which RFC 8555 has not",
                   text ? text : "missing");
}

static bool is_listed(const struct acme_order *order, const char *url)
{
    for (size_t i = 0; i < order->authorization_count; i++)
        if (!strcmp(order->authorizations[i], url))
            return true;
    return false;
}

/* What is listed twice is proven once. */
static int read_authorizations(const struct acme_client *client, const struct json_object *json,
                               struct acme_order *order, struct err *e)
{
    struct json_object *array = json_array_of(json, "authorizations");
    size_t count = array ? json_object_array_length(array) : 0;
    if (count > IDENTIFIER_MAX_COUNT)
        return err_set(e, ERR_CA_PROTOCOL, "the order has %zu authorizations", count);
    order->authorizations = mem_new(count, sizeof *order->authorizations);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(array, i);
        const char *url =
            json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
        char **slot = &order->authorizations[order->authorization_count];
        if (is_listed(order, url))
            continue;
        if (client_check_url(client, "authorization", url, slot, e) < 0)
            return -1;
        order->authorization_count++;
    }
    return 0;
}

/* What has to be there in this status and is not. */
static int check_complete(const struct acme_order *order, struct err *e)
{
    if (order->status == ACME_ORDER_PENDING && order->authorization_count == 0)
        return err_set(e, ERR_CA_PROTOCOL, "the pending order has no authorizations");
    if ((order->status == ACME_ORDER_PENDING || order->status == ACME_ORDER_READY) &&
        !order->finalize)
        return err_set(e, ERR_CA_PROTOCOL, "the order has no finalize URL");
    if (order->status == ACME_ORDER_VALID && !order->certificate)
        return err_set(e, ERR_CA_PROTOCOL, "the valid order has no certificate URL");
    return 0;
}

/* Members in the order of the RFC's table; order is to be finished also on failure. */
static int read_members(const struct acme_client *client, const struct json_object *json,
                        struct acme_order *order, struct err *e)
{
    if (read_status(json, &order->status, e) < 0 ||
        client_url_member(client, json, "finalize", &order->finalize, e) < 0 ||
        client_url_member(client, json, "certificate", &order->certificate, e) < 0 ||
        read_authorizations(client, json, order, e) < 0 || check_complete(order, e) < 0)
        return -1;
    const char *expires = json_text_of(json, "expires");
    if (expires)
        clock_parse_rfc3339(expires, &order->expires_ms);
    const struct json_object *error = json_object_of(json, "error");
    if (error)
        acme_problem_from_json(error, 0, &order->problem, &order->error);
    return 0;
}

/* Sends post and reads the order of its answer; url NULL: it stands in Location. */
static int exchange(struct acme_client *client, const struct client_post *post, const char *url,
                    struct acme_order *out, struct err *e)
{
    struct acme_http_response response = {0};
    struct json_object *json = NULL;
    if (client_post_json(client, post, ACME_ORDER_MAX_BYTES, &response, &json, e) < 0)
        return -1;
    struct acme_order order = {0};
    char *location = url ? NULL : acme_http_header(&response, "location");
    int rc = url || location
                 ? client_check_url(client, "order Location", url ? url : location, &order.url, e)
                 : err_set(e, ERR_CA_PROTOCOL, "the CA gave the order no Location");
    if (rc == 0)
        rc = read_members(client, json, &order, e);
    if (rc == 0) {
        order.document = mem_strdup(response.body.data);
        order.retry_after_ms = acme_http_retry_after_ms(&response, clock_wall_ms());
        *out = order;
    } else {
        acme_order_finish(&order);
    }
    free(location);
    json_object_put(json);
    acme_http_response_finish(&response);
    return rc;
}

/* Nothing if ms is 0. Whole seconds: not every server reads fractions. */
static void add_time(struct json_object *payload, const char *name, int64_t ms)
{
    char at[CLOCK_RFC3339_SIZE];
    if (ms == 0)
        return;
    clock_rfc3339(ms, at);
    char *text = mem_printf("%.*sZ", (int)strcspn(at, "."), at);
    json_object_object_add(payload, name, json_object_new_string(text));
    free(text);
}

/* The payload of newOrder, which the caller frees. */
static char *new_order_payload(const struct acme_order_request *request, bool may_replace)
{
    struct json_object *payload = json_object_new_object(), *ids = json_object_new_array();
    for (size_t i = 0; i < request->count; i++) {
        struct json_object *id = json_object_new_object();
        const char *type = identifier_type_name(request->ids[i].type);
        json_object_object_add(id, "type", json_object_new_string(type));
        json_object_object_add(id, "value", json_object_new_string(request->ids[i].value));
        json_object_array_add(ids, id);
    }
    json_object_object_add(payload, "identifiers", ids);
    add_time(payload, "notBefore", request->not_before_ms);
    add_time(payload, "notAfter", request->not_after_ms);
    if (request->profile)
        json_object_object_add(payload, "profile", json_object_new_string(request->profile));
    if (request->replaces && may_replace)
        json_object_object_add(payload, "replaces", json_object_new_string(request->replaces));
    char *text = json_write(payload);
    json_object_put(payload);
    return text;
}

int acme_order_new(struct acme_client *client, const struct acme_order_request *request,
                   struct acme_order *out, struct err *e)
{
    char *url = NULL;
    if (acme_client_prepare(client, e) < 0 ||
        ca_endpoint_url(client->ca, CA_NEW_ORDER, &url, e) < 0)
        return -1;
    char *payload = new_order_payload(request, acme_ca_has_renewal_info(client->ca));
    struct client_post post = {.url = url, .payload = payload};
    int rc = exchange(client, &post, NULL, out, e);
    free(payload);
    free(url);
    return rc;
}

int acme_order_get(struct acme_client *client, const char *url, struct acme_order *out,
                   struct err *e)
{
    struct client_post post = {.url = url, .payload = ""};
    return exchange(client, &post, url, out, e);
}

int acme_order_finalize(struct acme_client *client, const char *finalize_url, const char *order_url,
                        const void *csr_der, size_t csr_size, struct acme_order *out, struct err *e)
{
    char *csr = base64url_string(csr_der, csr_size);
    char *payload = mem_printf("{\"csr\":\"%s\"}", csr);
    struct client_post post = {.url = finalize_url, .payload = payload};
    int rc = exchange(client, &post, order_url, out, e);
    free(payload);
    free(csr);
    return rc;
}
