/*
 * Tells a URL that a version is there: one POST of JSON, never with the key, signed as the Standard
 * Webhooks specification has it (webhook-id, webhook-timestamp, webhook-signature). The id is the
 * job's, so that a receiver can tell a second try, or one after a crash, from another event.
 */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/http.h"
#include "acme/json.h"
#include "server/deploy/target.h"
#include "server/deploy/webhook_sign.h"
#include "server/outside/outside.h"
#include "server/outside/quote.h"

#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HTTP_REQUEST_TIMEOUT = 408, HTTP_TOO_EARLY = 425, HTTP_TOO_MANY_REQUESTS = 429 };

/* ---- the body ---- */

static void add_text(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, json_object_new_string(text));
}

static void add_time(struct json_object *object, const char *name, int64_t ms)
{
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(ms, text);
    add_text(object, name, text);
}

static void add_certificate(struct json_object *object,
                            const struct target_certificate *certificate)
{
    struct json_object *identifiers = json_object_new_array();
    for (size_t i = 0; i < certificate->identifier_count; i++)
        json_object_array_add(identifiers, json_object_new_string(certificate->identifiers[i]));
    char *fullchain = mem_printf("%s%s", certificate->leaf, certificate->chain);
    add_text(object, "certificate", certificate->name);
    json_object_object_add(object, "version", json_object_new_int64(certificate->version));
    json_object_object_add(object, "identifiers", identifiers);
    add_text(object, "serial", certificate->serial);
    add_text(object, "fingerprint_sha256", certificate->fingerprint);
    add_time(object, "not_before", certificate->not_before_ms);
    add_time(object, "not_after", certificate->not_after_ms);
    add_text(object, "fullchain_pem", fullchain);
    free(fullchain);
}

/* The caller frees. certificate NULL: the event is about none. */
static char *make_body(const char *event, const struct target_certificate *certificate)
{
    struct json_object *object = json_object_new_object();
    add_text(object, "event", event);
    if (certificate)
        add_certificate(object, certificate);
    char *body = json_write(object);
    json_object_put(object);
    return body;
}

/* ---- the request ---- */

/* The header's line, which the caller frees; *out stays as it is without a credential. */
static int make_signature(const struct target_context *context, int64_t timestamp, const char *body,
                          char **out, struct err *e)
{
    char signature[WEBHOOK_SIGNATURE_SIZE];
    if (!context->credential)
        return 0;
    const char *secret = json_text_of(context->credential, "secret");
    if (!secret)
        return err_set(e, ERR_INVALID, "the credential has no secret");
    if (webhook_sign(secret, context->job, timestamp, body, signature, e) < 0)
        return -1;
    *out = mem_printf("webhook-signature: %s", signature);
    return 0;
}

/* 408, 425, 429 and 5xx: the receiver may take it later. */
static int judge(const struct acme_http_response *response, struct err *e)
{
    char quote[QUOTE_SIZE];
    int status = response->status;
    if (status >= 200 && status <= 299)
        return 0;
    bool later = status >= 500 || status == HTTP_REQUEST_TIMEOUT || status == HTTP_TOO_EARLY ||
                 status == HTTP_TOO_MANY_REQUESTS;
    bool redirect = status >= 300 && status <= 399;
    quote_text(buf_string(&response->body), response->body.size, quote);
    err_set(e, later ? ERR_PROVIDER_UNREACHABLE : ERR_PROVIDER_REFUSED, "the URL answered %d%s%s%s",
            status, redirect ? ", and redirects are not followed" : "", *quote ? ": " : "", quote);
    e->http_status = status;
    e->retry_after_ms = acme_http_retry_after_ms(response, clock_wall_ms());
    return -1;
}

static int post(const struct target_context *context, const char *url, const char *body,
                char message[TARGET_MESSAGE_SIZE], struct err *e)
{
    int64_t timestamp = clock_wall_ms() / CLOCK_SECOND_MS;
    char *signature = NULL;
    if (make_signature(context, timestamp, body, &signature, e) < 0)
        return -1;
    char *id = mem_printf("webhook-id: %s", context->job);
    char *at = mem_printf("webhook-timestamp: %" PRId64, timestamp);
    const char *const headers[] = {"Content-Type: application/json", id, at, signature, NULL};
    const struct acme_http_request request = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .body = body,
        .body_size = strlen(body),
    };
    struct acme_http_response response = {0};
    int64_t begun = clock_monotonic_ms();
    int rc = acme_http_send(context->http, &request, &response, e);
    int64_t took = clock_monotonic_ms() - begun;
    if (rc == 0) {
        rc = judge(&response, e);
        if (rc == 0)
            snprintf(message, TARGET_MESSAGE_SIZE, "the URL answered %d after %" PRId64 " ms",
                     response.status, took);
        acme_http_response_finish(&response);
    } else {
        outside_transport_error(e);
    }
    free(id);
    free(at);
    free(signature);
    return rc;
}

static int send_event(const struct target_context *context, const char *event,
                      const struct target_certificate *certificate,
                      char message[TARGET_MESSAGE_SIZE], struct err *e)
{
    const char *url = json_text_of(context->settings, "url");
    if (!url)
        return err_set(e, ERR_INVALID, "the target has no url");
    if (outside_url_check(url, e) < 0)
        return -1;
    char *body = make_body(event, certificate);
    int rc = post(context, url, body, message, e);
    free(body);
    return rc;
}

static int webhook_step(const struct target_context *context, struct target_work *work,
                        struct err *e)
{
    if (send_event(context, "certificate.deployed", work->certificate, work->message, e) < 0)
        return -1;
    work->outcome = TARGET_DONE;
    return 0;
}

static int webhook_test(const struct target_context *context,
                        const struct target_certificate *certificate,
                        char message[TARGET_MESSAGE_SIZE], struct err *e)
{
    return send_event(context, "ping", certificate, message, e);
}

const struct target_type target_webhook = {
    .name = "webhook",
    .credential_type = "webhook-secret",
    .step = webhook_step,
    .test = webhook_test,
};
