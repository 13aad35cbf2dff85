/* The target `webhook`: what it sends, how that is signed, what it makes of the answer. */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/http.h"
#include "acme/json.h"
#include "server/deploy/target.h"
#include "server/deploy/webhook_sign.h"
#include "tests/unit/unit.h"
#include "tests/unit/wire.h"

#include <json.h>
#include <stdio.h>
#include <string.h>

static const char job[] = "01M7Z9350D4N2EEBDABTR45R9Y";
static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/* A receiver that answers the same to all, and keeps the last request. */
struct receiver {
    struct wire wire;
    const char *answer; /* "200 text", headers may be put in between; "" hangs up */
    char *request;
    struct acme_http *http;
    struct json_object *settings, *credential;
    struct target_context context;
    struct json_object *state;
    struct target_work work;
};

static const char *const identifiers[] = {"www.example.com", "192.0.2.1"};

static const struct target_certificate certificate = {
    .name = "www",
    .version = 3,
    .identifiers = identifiers,
    .identifier_count = 2,
    .leaf = "-----BEGIN CERTIFICATE-----\nleaf\n-----END CERTIFICATE-----\n",
    .chain = "-----BEGIN CERTIFICATE-----\nchain\n-----END CERTIFICATE-----\n",
    .serial = "0a1b",
    .fingerprint = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    .not_before_ms = 1795251600000,
    .not_after_ms = 1803027599000,
};

static char *receive(const char *request, void *context)
{
    struct receiver *r = context;
    free(r->request);
    r->request = mem_strdup(request);
    if (!*r->answer)
        return NULL;
    const char *body = r->answer + 4;
    return mem_printf("HTTP/1.1 %.3s X\r\nContent-Length: %zu\r\nRetry-After: 7\r\n"
                      "Location: /elsewhere\r\n\r\n%s",
                      r->answer, strlen(body), body);
}

static void set_url(struct receiver *r, const char *url)
{
    json_object_object_add(r->settings, "url", json_object_new_string(url));
}

static int start(void **state)
{
    struct receiver *r = mem_new(1, sizeof *r);
    const struct acme_http_options options = {
        .user_agent = "test", .allow_http = true, .timeout_ms = 10000};
    r->wire.answer = receive;
    r->wire.context = r;
    r->answer = "204 ";
    wire_start(&r->wire);
    r->http = acme_http_create(&options);
    r->settings = json_object_new_object();
    r->credential = json_object_new_object();
    json_object_object_add(r->credential, "secret", json_object_new_string(secret));
    char *url = mem_printf("http://127.0.0.1:%d/hook?of=us", r->wire.port);
    set_url(r, url);
    free(url);
    r->context = (struct target_context){
        .http = r->http,
        .target = "hook",
        .job = job,
        .settings = r->settings,
        .credential = r->credential,
    };
    r->state = json_object_new_object();
    r->work = (struct target_work){.certificate = &certificate, .state = r->state};
    *state = r;
    return 0;
}

static int stop(void **state)
{
    struct receiver *r = *state;
    acme_http_destroy(r->http);
    wire_stop(&r->wire);
    json_object_put(r->settings);
    json_object_put(r->credential);
    json_object_put(r->state);
    free(r->request);
    free(r);
    return 0;
}

static int step(struct receiver *r, struct err *e)
{
    return target_step(&target_webhook, &r->context, &r->work, e);
}

static void assert_asked(const struct receiver *r, const char *text)
{
    assert_non_null(r->request);
    if (!strstr(r->request, text))
        fail_msg("%s is not in\n%s", text, r->request);
}

static const char *body_of(const struct receiver *r)
{
    return strstr(r->request, "\r\n\r\n") + 4;
}

/* The value of a request's header; the caller frees. */
static char *header_of(const struct receiver *r, const char *name)
{
    char *line = mem_printf("\r\n%s: ", name);
    const char *found = strstr(r->request, line);
    if (!found)
        fail_msg("there is no header %s in\n%s", name, r->request);
    found += strlen(line);
    free(line);
    return mem_strndup(found, strcspn(found, "\r"));
}

static void tells_of_the_certificate(void **state)
{
    struct receiver *r = *state;
    struct err e = {0};
    if (step(r, &e) < 0)
        fail_msg("%s", e.detail);
    assert_int_equal(r->work.outcome, TARGET_DONE);
    assert_int_equal(strncmp(r->work.message, "the URL answered 204 after ", 27), 0);
    assert_int_equal(r->wire.requests, 1);
    assert_asked(r, "POST /hook?of=us HTTP/1.1\r\n");
    assert_asked(r, "\r\nContent-Type: application/json\r\n");
    struct json_object *sent = json_parse_object(body_of(r), strlen(body_of(r)));
    struct json_object *expected = json_tokener_parse(
        "{\"event\": \"certificate.deployed\", \"certificate\": \"www\", \"version\": 3,"
        "\"identifiers\": [\"www.example.com\", \"192.0.2.1\"], \"serial\": \"0a1b\","
        "\"fingerprint_sha256\":"
        " \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","
        "\"not_before\": \"2026-11-21T09:00:00.000Z\", \"not_after\": \"2027-02-19T08:59:59.000Z\","
        "\"fullchain_pem\": \"-----BEGIN CERTIFICATE-----\\nleaf\\n-----END CERTIFICATE-----\\n"
        "-----BEGIN CERTIFICATE-----\\nchain\\n-----END CERTIFICATE-----\\n\"}");
    assert_non_null(sent);
    assert_non_null(expected);
    assert_int_equal(json_object_equal(sent, expected), 1);
    json_object_put(sent);
    json_object_put(expected);
}

static void signs_what_it_sends(void **state)
{
    struct receiver *r = *state;
    struct err e = {0};
    assert_int_equal(step(r, &e), 0);
    char *id = header_of(r, "webhook-id");
    char *timestamp = header_of(r, "webhook-timestamp");
    char *signature = header_of(r, "webhook-signature");
    int64_t at = strtoll(timestamp, NULL, 10);
    char expected[WEBHOOK_SIGNATURE_SIZE];
    assert_string_equal(id, job);
    assert_true(llabs(clock_wall_ms() / CLOCK_SECOND_MS - at) < 300);
    assert_int_equal(webhook_sign(secret, job, at, body_of(r), expected, &e), 0);
    assert_string_equal(signature, expected);
    assert_null(strstr(r->request, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    free(id);
    free(timestamp);
    free(signature);
}

static void goes_unsigned_without_a_credential(void **state)
{
    struct receiver *r = *state;
    struct err e = {0};
    r->context.credential = NULL;
    assert_int_equal(step(r, &e), 0);
    assert_asked(r, "\r\nwebhook-id: ");
    assert_asked(r, "\r\nwebhook-timestamp: ");
    assert_null(strstr(r->request, "webhook-signature"));
}

static void never_sends_the_key(void **state)
{
    struct receiver *r = *state;
    struct target_certificate with_key = certificate;
    struct key *key;
    struct err e = {0};
    assert_int_equal(key_generate(KEY_EC_P256, &key, &e), 0);
    with_key.key = key;
    r->work.certificate = &with_key;
    assert_int_equal(step(r, &e), 0);
    assert_null(strstr(r->request, "PRIVATE KEY"));
    key_destroy(key);
}

static void pings(void **state)
{
    struct receiver *r = *state;
    struct err e = {0};
    char message[TARGET_MESSAGE_SIZE];
    assert_int_equal(target_test(&target_webhook, &r->context, NULL, message, &e), 0);
    assert_string_equal(body_of(r), "{\"event\":\"ping\"}");
    assert_asked(r, "\r\nwebhook-signature: v1,");
    assert_int_equal(target_test(&target_webhook, &r->context, &certificate, message, &e), 0);
    assert_asked(r, "{\"event\":\"ping\",\"certificate\":\"www\",");
    assert_int_equal(strncmp(message, "the URL answered 204 ", 21), 0);
}

static void tells_answers_apart(void **state)
{
    struct receiver *r = *state;
    static const struct {
        const char *answer;
        enum err_code code;
        const char *detail;
    } cases[] = {
        {"301 ", ERR_PROVIDER_REFUSED, "the URL answered 301, and redirects are not followed"},
        {"304 ", ERR_PROVIDER_REFUSED, "the URL answered 304, and redirects are not followed"},
        {"400 who\nare you", ERR_PROVIDER_REFUSED, "the URL answered 400: who are you"},
        {"404 ", ERR_PROVIDER_REFUSED, "the URL answered 404"},
        {"408 ", ERR_PROVIDER_UNREACHABLE, "the URL answered 408"},
        {"410 gone", ERR_PROVIDER_REFUSED, "the URL answered 410: gone"},
        {"425 ", ERR_PROVIDER_UNREACHABLE, "the URL answered 425"},
        {"429 slowly", ERR_PROVIDER_UNREACHABLE, "the URL answered 429: slowly"},
        {"500 ", ERR_PROVIDER_UNREACHABLE, "the URL answered 500"},
        {"503 later", ERR_PROVIDER_UNREACHABLE, "the URL answered 503: later"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {0};
        int before = r->wire.requests;
        r->answer = cases[i].answer;
        assert_int_equal(step(r, &e), -1);
        assert_int_equal(e.code, cases[i].code);
        assert_string_equal(e.detail, cases[i].detail);
        assert_int_equal(e.http_status, atoi(cases[i].answer));
        assert_int_equal(e.retry_after_ms, 7000);
        assert_int_equal(r->wire.requests, before + 1);
        assert_int_equal(json_object_object_length(r->state), 0);
    }
}

static void takes_any_success(void **state)
{
    struct receiver *r = *state;
    static const char *const answers[] = {"200 thanks", "202 ", "299 ?"};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct err e = {0};
        r->answer = answers[i];
        assert_int_equal(step(r, &e), 0);
        assert_int_equal(r->work.outcome, TARGET_DONE);
    }
}

static void tries_again_without_an_answer(void **state)
{
    struct receiver *r = *state;
    struct err e = {0};
    r->answer = "";
    assert_int_equal(step(r, &e), -1);
    assert_int_equal(e.code, ERR_PROVIDER_UNREACHABLE);
    assert_int_equal(e.http_status, 0);
    set_url(r, "https://127.0.0.1:1/");
    assert_int_equal(step(r, &e), -1);
    assert_int_equal(e.code, ERR_PROVIDER_UNREACHABLE);
}

static void refuses_urls_it_should_not_call(void **state)
{
    struct receiver *r = *state;
    static const char *const urls[] = {"",
                                       "hook",
                                       "http://example.com/hook",
                                       "http://127.0.0.1.example.com/",
                                       "https://user:password@example.com/",
                                       "https://user@example.com/",
                                       "https://example.com/#part",
                                       "ftp://127.0.0.1/",
                                       "file:///etc/passwd"};
    struct err e = {0};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        set_url(r, urls[i]);
        assert_int_equal(step(r, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
    }
    json_object_object_del(r->settings, "url");
    assert_int_equal(step(r, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(e.detail, "the target has no url");
    assert_int_equal(r->wire.requests, 0);
}

/* ---- signatures ---- */

/* The example that the libraries of Standard Webhooks test themselves with. */
static void signs_as_the_specification_does(void **state)
{
    (void)state;
    char signature[WEBHOOK_SIGNATURE_SIZE];
    struct err e = {0};
    assert_int_equal(webhook_sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                                  "{\"test\": 2432232314}", signature, &e),
                     0);
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

/* The same key as text: what base64 decodes to is what is signed with. */
static void takes_secrets_of_both_forms(void **state)
{
    (void)state;
    char coded[WEBHOOK_SIGNATURE_SIZE], plain[WEBHOOK_SIGNATURE_SIZE];
    struct err e = {0};
    static const char *const forms[] = {"whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=",
                                        "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo"};
    assert_int_equal(webhook_sign("abcdefghijklmnopqrstuvwxyz", "i", 1, "b", plain, &e), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(webhook_sign(forms[i], "i", 1, "b", coded, &e), 0);
        assert_string_equal(coded, plain);
    }
}

static void refuses_weak_secrets(void **state)
{
    struct receiver *r = *state;
    static const char *const secrets[] = {
        "",
        "abcdefghijklmnopqrstuvw",
        "whsec_",
        "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnc=",           /* 23 bytes */
        "whsec_not base64 at all, however long it may be",  /* */
        "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=YWJj",   /* padding within */
        "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoYWJjYQ=x" /* and before the end */
    };
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        struct err e = {0};
        assert_int_equal(webhook_secret_check(secrets[i], &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        json_object_object_add(r->credential, "secret", json_object_new_string(secrets[i]));
        assert_int_equal(step(r, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
    }
    assert_int_equal(r->wire.requests, 0);
    struct err e = {0};
    assert_int_equal(webhook_secret_check("abcdefghijklmnopqrstuvwx", &e), 0);
    assert_int_equal(webhook_secret_check(secret, &e), 0);
}

static void is_registered(void **state)
{
    (void)state;
    assert_ptr_equal(target_type_by_name("webhook"), &target_webhook);
    assert_string_equal(target_webhook.credential_type, "webhook-secret");
    assert_false(target_webhook.credential_required || target_webhook.needs_key ||
                 target_webhook.cloud);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_of_the_certificate, start, stop),
        cmocka_unit_test_setup_teardown(signs_what_it_sends, start, stop),
        cmocka_unit_test_setup_teardown(goes_unsigned_without_a_credential, start, stop),
        cmocka_unit_test_setup_teardown(never_sends_the_key, start, stop),
        cmocka_unit_test_setup_teardown(pings, start, stop),
        cmocka_unit_test_setup_teardown(tells_answers_apart, start, stop),
        cmocka_unit_test_setup_teardown(takes_any_success, start, stop),
        cmocka_unit_test_setup_teardown(tries_again_without_an_answer, start, stop),
        cmocka_unit_test_setup_teardown(refuses_urls_it_should_not_call, start, stop),
        cmocka_unit_test(signs_as_the_specification_does),
        cmocka_unit_test(takes_secrets_of_both_forms),
        cmocka_unit_test_setup_teardown(refuses_weak_secrets, start, stop),
        cmocka_unit_test(is_registered),
    };
    struct err e;
    if (acme_http_library_init(&e) < 0)
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
