/* Accounts (RFC 8555 section 7.3). */
#include "acme/base/memory.h"
#include "acme/client_private.h"
#include "acme/json.h"
#include "acme/jws.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

void acme_account_finish(struct acme_account *account)
{
    free(account->url);
    free(account->status);
    free(account->document);
    free(account->initial_ip);
    free(account->created_at);
    free(account->orders_url);
    *account = (struct acme_account){0};
}

static void add_contacts(struct json_object *payload, const char *const *contacts, size_t count)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < count; i++)
        json_object_array_add(array, json_object_new_string(contacts[i]));
    json_object_object_add(payload, "contact", array);
}

/*
 * Reads an account object, or an empty body where some CAs send none; status is what the success of
 * the request implies. url is borrowed.
 */
static int read_account(const struct acme_client *client, const struct acme_http_response *response,
                        const char *url, const char *status, struct acme_account *out,
                        struct err *e)
{
    const char *text = buf_string(&response->body);
    size_t size = response->body.size;
    if (strspn(text, " \t\r\n") == size) {
        text = "{}";
        size = 2;
    }
    struct json_object *json = json_parse_object(text, size);
    if (!json)
        return err_set(e, ERR_CA_PROTOCOL, "the CA's account is not a JSON object");
    const char *told = json_text_of(json, "status"), *orders = json_text_of(json, "orders");
    if (orders && !directory_allows_url(ca_directory_url(client->ca), orders))
        orders = NULL;
    *out = (struct acme_account){
        .url = mem_strdup(url),
        .status = mem_strdup(told ? told : status),
        .document = mem_strdup(size > ACME_DOCUMENT_MAX_BYTES ? "{}" : text),
        .initial_ip = mem_strdup(json_text_of(json, "initialIp")),
        .created_at = mem_strdup(json_text_of(json, "createdAt")),
        .orders_url = mem_strdup(orders),
        .created = response->status == 201,
    };
    json_object_put(json);
    return 0;
}

static int bind_external(const struct acme_client *client, const char *url,
                         const struct acme_account_request *request, struct json_object *payload,
                         struct err *e)
{
    struct buf inner = {0};
    int rc = jws_bind_external(client->key, request->eab_mac, request->eab_kid, request->eab_key,
                               request->eab_key_size, url, &inner, e);
    if (rc == 0)
        json_object_object_add(payload, "externalAccountBinding",
                               json_parse_object(inner.data, inner.size));
    buf_finish(&inner);
    return rc;
}

/* The payload of newAccount, which the caller frees. */
static int new_account_payload(const struct acme_client *client, const char *url,
                               const struct acme_account_request *request, char **out,
                               struct err *e)
{
    struct json_object *payload = json_object_new_object();
    if (request->contact_count)
        add_contacts(payload, request->contacts, request->contact_count);
    if (request->terms_of_service_agreed)
        json_object_object_add(payload, "termsOfServiceAgreed", json_object_new_boolean(true));
    if (request->only_existing)
        json_object_object_add(payload, "onlyReturnExisting", json_object_new_boolean(true));
    int rc = request->eab_kid ? bind_external(client, url, request, payload, e) : 0;
    if (rc == 0)
        *out = json_write(payload);
    json_object_put(payload);
    return rc;
}

/* The account's URL stands in Location alone (section 7.3). */
static int read_new_account(const struct acme_client *client,
                            const struct acme_http_response *response, struct acme_account *out,
                            struct err *e)
{
    char *location = acme_http_header(response, "location"), *url = NULL;
    int rc = location ? client_check_url(client, "account Location", location, &url, e)
                      : err_set(e, ERR_CA_PROTOCOL, "the CA gave the account no Location");
    if (rc == 0)
        rc = read_account(client, response, url, "valid", out, e);
    free(location);
    free(url);
    return rc;
}

int acme_account_new(struct acme_client *client, const struct acme_account_request *request,
                     struct acme_account *out, struct err *e)
{
    char *url = NULL, *payload = NULL;
    if (acme_client_prepare(client, e) < 0 ||
        ca_endpoint_url(client->ca, CA_NEW_ACCOUNT, &url, e) < 0)
        return -1;
    struct acme_http_response response = {0};
    int rc = new_account_payload(client, url, request, &payload, e);
    if (rc == 0) {
        struct client_post post = {.url = url, .payload = payload, .with_jwk = true};
        rc = client_post(client, &post, &response, e);
    }
    if (rc == 0)
        rc = read_new_account(client, &response, out, e);
    acme_http_response_finish(&response);
    free(payload);
    free(url);
    return rc;
}

/* POSTs payload to the account's URL. */
static int post_account(struct acme_client *client, const char *payload, const char *status,
                        struct acme_account *out, struct err *e)
{
    assert(client->kid);
    struct client_post post = {.url = client->kid, .payload = payload};
    struct acme_http_response response = {0};
    int rc = client_post(client, &post, &response, e);
    if (rc == 0)
        rc = read_account(client, &response, client->kid, status, out, e);
    acme_http_response_finish(&response);
    return rc;
}

int acme_account_get(struct acme_client *client, struct acme_account *out, struct err *e)
{
    return post_account(client, "", "valid", out, e);
}

int acme_account_update_contacts(struct acme_client *client, const char *const *contacts,
                                 size_t count, struct acme_account *out, struct err *e)
{
    struct json_object *payload = json_object_new_object();
    add_contacts(payload, contacts, count);
    char *text = json_write(payload);
    int rc = post_account(client, text, "valid", out, e);
    free(text);
    json_object_put(payload);
    return rc;
}

int acme_account_deactivate(struct acme_client *client, struct acme_account *out, struct err *e)
{
    return post_account(client, "{\"status\":\"deactivated\"}", "deactivated", out, e);
}
