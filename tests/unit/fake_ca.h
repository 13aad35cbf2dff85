/*
 * A CA that says exactly what a test wants it to: a list of expected requests and their answers.
 * "~" in headers and bodies stands for its base URL.
 */
#ifndef CERTWRIGHT_TESTS_UNIT_FAKE_CA_H
#define CERTWRIGHT_TESTS_UNIT_FAKE_CA_H

#include "acme/base/base64url.h"
#include "acme/client.h"
#include "tests/unit/unit.h"
#include "tests/unit/wire.h"

#include <json-c/json.h>

enum { FAKE_MAX_REQUESTS = 128 };

struct fake_step {
    const char *expect;  /* "POST /new-order" */
    int status;          /* 0: hang up without an answer */
    const char *headers; /* lines that end in "\n"; NULL: none */
    const char *body;    /* NULL: empty */
};

struct fake_ca {
    struct wire wire;
    char base[64];
    const struct fake_step *steps;
    int count; /* of requests so far */
    char *trouble;
    char *payloads[FAKE_MAX_REQUESTS]; /* of each request, NULL if it was not signed */
    struct json_object *headers[FAKE_MAX_REQUESTS];

    struct acme_http *http;
    struct acme_ca *ca;
    struct key *key;
    char *kid;
    struct acme_client client;
};

static const char fake_directory[] =
    "{\"newNonce\":\"~/new-nonce\",\"newAccount\":\"~/new-acct\",\"newOrder\":\"~/new-order\","
    "\"revokeCert\":\"~/revoke\",\"keyChange\":\"~/key-change\",\"renewalInfo\":\"~/ari\","
    "\"random\":\"~/x\",\"meta\":{"
    "\"termsOfService\":\"~/terms\",\"externalAccountRequired\":true}}";

/* text with every ~ replaced by the base URL; the caller frees. */
static inline char *fake_expand(const struct fake_ca *fake, const char *text)
{
    struct buf out = {0};
    for (const char *p = text ? text : ""; *p; p++) {
        if (*p == '~')
            buf_add_string(&out, fake->base);
        else
            buf_add_char(&out, *p);
    }
    return buf_take(&out);
}

static inline char *fake_member(struct json_object *json, const char *name)
{
    struct json_object *value = NULL;
    struct buf out = {0};
    struct err e;
    if (!json_object_object_get_ex(json, name, &value))
        return NULL;
    if (base64url_decode(json_object_get_string(value), (size_t)json_object_get_string_len(value),
                         &out, &e) < 0)
        return NULL;
    return buf_take(&out);
}

static inline void fake_note_jws(struct fake_ca *fake, const char *request)
{
    struct json_object *jws = json_tokener_parse(strstr(request, "\r\n\r\n") + 4);
    if (!jws)
        return;
    char *header = fake_member(jws, "protected");
    fake->headers[fake->count] = header ? json_tokener_parse(header) : NULL;
    struct json_object *payload = NULL;
    json_object_object_get_ex(jws, "payload", &payload);
    fake->payloads[fake->count] = payload && json_object_get_string_len(payload)
                                      ? fake_member(jws, "payload")
                                      : mem_strdup("");
    free(header);
    json_object_put(jws);
}

static inline char *fake_answer(const char *request, void *context)
{
    struct fake_ca *fake = context;
    const struct fake_step *step = &fake->steps[fake->count];
    size_t size = step->expect ? strlen(step->expect) : 0;
    bool due = fake->count < FAKE_MAX_REQUESTS && step->expect &&
               !strncmp(request, step->expect, size) && request[size] == ' ';
    if (!due) {
        if (!fake->trouble)
            fake->trouble = mem_printf("request %d is %.40s… instead of %s", fake->count + 1,
                                       request, step->expect ? step->expect : "none");
        return NULL;
    }
    if (!strncmp(request, "POST", 4))
        fake_note_jws(fake, request);
    fake->count++;
    if (step->status == 0)
        return NULL;

    char *headers = fake_expand(fake, step->headers), *body = fake_expand(fake, step->body);
    struct buf out = {0};
    buf_printf(&out, "HTTP/1.1 %d Said\r\n", step->status);
    for (const char *p = headers; *p; p++)
        buf_printf(&out, "%s%c", *p == '\n' ? "\r" : "", *p);
    bool head = !strncmp(request, "HEAD", 4);
    buf_printf(&out, "Content-Length: %zu\r\n\r\n%s", strlen(body), head ? "" : body);
    free(headers);
    free(body);
    return buf_take(&out);
}

/* Starts the CA, and a client with a fresh key and the account URL ~/acct/1 (NULL if asked). The
   steps end with an empty one. */
static inline void fake_start(struct fake_ca *fake, const struct fake_step *steps, bool account)
{
    struct err e;
    *fake = (struct fake_ca){.steps = steps};
    fake->wire.answer = fake_answer;
    fake->wire.context = fake;
    wire_start(&fake->wire);
    snprintf(fake->base, sizeof fake->base, "http://127.0.0.1:%d", fake->wire.port);
    struct acme_http_options options = {.user_agent = "unit/1", .allow_http = true};
    fake->http = acme_http_create(&options);
    assert_int_equal(key_generate(KEY_EC_P256, &fake->key, &e), 0);
    char *url = fake_expand(fake, "~/dir");
    fake->ca = acme_ca_create(url);
    free(url);
    fake->kid = account ? fake_expand(fake, "~/acct/1") : NULL;
    fake->client = (struct acme_client){
        .http = fake->http, .ca = fake->ca, .key = fake->key, .kid = fake->kid};
}

/* Gives the client the directory, so that the steps need not begin with it. */
static inline void fake_know_directory(struct fake_ca *fake)
{
    struct err e;
    char *document = fake_expand(fake, fake_directory);
    assert_int_equal(acme_ca_set_directory(fake->ca, document, &e), 0);
    free(document);
}

/* Every step must have been taken, and nothing else. */
static inline void fake_stop(struct fake_ca *fake)
{
    acme_client_finish(&fake->client);
    acme_http_destroy(fake->http);
    wire_stop(&fake->wire);
    acme_ca_destroy(fake->ca);
    key_destroy(fake->key);
    free(fake->kid);
    for (int i = 0; i < fake->count; i++) {
        free(fake->payloads[i]);
        json_object_put(fake->headers[i]);
    }
    if (fake->trouble)
        fail_msg("%s", fake->trouble);
    if (fake->steps[fake->count].expect)
        fail_msg("%s was never asked for", fake->steps[fake->count].expect);
}

/* A text member of the protected header of request i (from 0), or "". */
static inline const char *fake_header(const struct fake_ca *fake, int i, const char *name)
{
    struct json_object *value = NULL;
    if (!fake->headers[i] || !json_object_object_get_ex(fake->headers[i], name, &value))
        return "";
    return json_object_get_string(value);
}

#endif
