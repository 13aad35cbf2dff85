/* lego's protocol over HTTP: POST {endpoint}/present or /cleanup {"fqdn", "value"}; any 2xx. */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/http.h"
#include "acme/json.h"
#include "server/outside/outside.h"
#include "server/outside/quote.h"
#include "server/solver/provider.h"

#include <stdlib.h>
#include <string.h>

static int httpreq_judge(const struct acme_http_response *response, const char *verb, struct err *e)
{
    char quote[QUOTE_SIZE];
    int status = response->status;
    if (status >= 200 && status <= 299)
        return 0;
    bool later = status >= 500 || status == 429 || status == 408;
    quote_text(buf_string(&response->body), response->body.size, quote);
    err_set(e, later ? ERR_PROVIDER_UNREACHABLE : ERR_PROVIDER_REFUSED,
            "the endpoint answered %d to /%s%s%s", status, verb, *quote ? ": " : "", quote);
    e->http_status = status;
    e->retry_after_ms = acme_http_retry_after_ms(response, clock_wall_ms());
    return -1;
}

static int httpreq_send(const struct solver_context *context, const char *url, const char *verb,
                        const char *body, struct err *e)
{
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Accept: application/json", NULL};
    struct acme_http_request request = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .body = body,
        .body_size = strlen(body),
    };
    struct acme_http_response response = {0};
    if (context->credential) {
        request.username = json_text_of(context->credential, "username");
        request.password = json_text_of(context->credential, "password");
    }
    if (acme_http_send(context->http, &request, &response, e))
        return outside_transport_error(e);
    int rc = httpreq_judge(&response, verb, e);
    acme_http_response_finish(&response);
    return rc;
}

static int httpreq_call(const struct solver_context *context, const char *verb,
                        const struct solver_record *record, struct err *e)
{
    const char *endpoint = json_text_of(context->settings, "endpoint");
    if (!endpoint)
        return err_set(e, ERR_INVALID, "the solver has no endpoint");
    if (outside_endpoint_check(endpoint, e))
        return -1;
    size_t length = strlen(endpoint);
    while (length > 0 && endpoint[length - 1] == '/')
        length--;
    char *url = mem_printf("%.*s/%s", (int)length, endpoint, verb);
    /* both were checked to be plain, so they need no escaping */
    char *body = mem_printf("{\"fqdn\":\"%s.\",\"value\":\"%s\"}", record->fqdn, record->value);
    int rc = httpreq_send(context, url, verb, body, e);
    free(body);
    free(url);
    return rc;
}

static int httpreq_present(const struct solver_context *context, const struct solver_record *record,
                           struct buf *state, struct err *e)
{
    (void)state;
    return httpreq_call(context, "present", record, e);
}

static int httpreq_cleanup(const struct solver_context *context, const struct solver_record *record,
                           const char *state, struct err *e)
{
    (void)state;
    return httpreq_call(context, "cleanup", record, e);
}

const struct solver_provider provider_httpreq = {
    .name = "httpreq",
    .credential_type = "basic",
    .present = httpreq_present,
    .cleanup = httpreq_cleanup,
};
