/* Renewal information (RFC 9773): against a CA that says what the test wants. */
#include "acme/base/clock.h"
#include "acme/cert.h"
#include "acme/client.h"
#include "tests/unit/fake_ca.h"
#include "tests/unit/fixture.h"
#include "tests/unit/unit.h"

static const char rfc_id[] = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

/* RFC 9773 appendix A and section 4.1; the serial number has its leading 00. */
static void names_the_certificate(void **state)
{
    (void)state;
    struct buf pem = fixture("certs/rfc9773.pem"), leaf = fixture("certs/leaf.pem");
    struct err e = {0};
    char *id = NULL;
    assert_int_equal(cert_renewal_id(pem.data, pem.size, &id, &e), 0);
    assert_string_equal(id, rfc_id);
    free(id);
    id = NULL;
    /* no AKI */
    assert_int_equal(cert_renewal_id(leaf.data, leaf.size, &id, &e), -1);
    assert_int_equal(e.code, ERR_CERT_INVALID);
    assert_int_equal(cert_renewal_id("junk", 4, &id, &e), -1);
    assert_int_equal(e.code, ERR_CERT_INVALID);
    assert_null(id);
    buf_finish(&pem);
    buf_finish(&leaf);
}

#define WINDOW                                                                                     \
    "{\"suggestedWindow\":{\"start\":\"2026-11-21T09:00:00Z\",\"end\":\"2026-11-22T09:00:00Z\"}"

static void reads_windows(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        const char *body;
        int64_t retry_after_ms;
        const char *page;
    } rows[] = {
        {"Retry-After: 21600\n", WINDOW ",\"explanationURL\":\"https://ca/why\",\"new\":{}}",
         6 * CLOCK_HOUR_MS, "https://ca/why"},
        {"Retry-After: 7\n", WINDOW ",\"explanationURL\":\"javascript:x\"}", CLOCK_MINUTE_MS, NULL},
        {"Retry-After: 99999999\n", WINDOW ",\"explanationURL\":7}", CLOCK_DAY_MS, NULL},
        {"Retry-After: soon\n", WINDOW "}", 6 * CLOCK_HOUR_MS, NULL},
        {NULL, WINDOW "}", 6 * CLOCK_HOUR_MS, NULL},
        {"Date: Sat, 21 Nov 2026 09:00:00 GMT\nRetry-After: Sat, 21 Nov 2026 10:30:00 GMT\n",
         WINDOW "}", 90 * CLOCK_MINUTE_MS, NULL},
        {"Date: Sat, 21 Nov 2026 09:00:00 GMT\nRetry-After: Sat, 21 Nov 2037 10:30:00 GMT\n",
         WINDOW "}", CLOCK_DAY_MS, NULL},
    };
    enum { COUNT = sizeof rows / sizeof *rows };
    struct fake_step steps[COUNT + 1] = {0};
    char *path = mem_printf("GET /ari/%s", rfc_id);
    for (size_t i = 0; i < COUNT; i++)
        steps[i] = (struct fake_step){path, 200, rows[i].headers, rows[i].body};
    struct fake_ca fake;
    struct err e = {0};
    fake_start(&fake, steps, false);
    fake_know_directory(&fake);
    fake.client.key = NULL;
    for (size_t i = 0; i < COUNT; i++) {
        struct acme_renewal_info info = {0};
        assert_int_equal(acme_renewal_info_get(&fake.client, rfc_id, &info, &e), 0);
        assert_int_equal(info.start_ms, 1795251600000);
        assert_int_equal(info.end_ms, 1795251600000 + CLOCK_DAY_MS);
        assert_int_equal(info.retry_after_ms, rows[i].retry_after_ms);
        if (rows[i].page)
            assert_string_equal(info.explanation_url, rows[i].page);
        else
            assert_null(info.explanation_url);
        acme_renewal_info_finish(&info);
    }
    free(path);
    fake_stop(&fake);
}

static void refuses_what_is_no_window(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"GET /ari/a.b", 200, NULL, ""},
        {"GET /ari/a.b", 200, NULL, "[]"},
        {"GET /ari/a.b", 200, NULL, "{}"},
        {"GET /ari/a.b", 200, NULL, "{\"suggestedWindow\":[]}"},
        {"GET /ari/a.b", 200, NULL, "{\"suggestedWindow\":{\"start\":\"2026-11-21T09:00:00Z\"}}"},
        {"GET /ari/a.b", 200, NULL,
         "{\"suggestedWindow\":{\"start\":\"2026-11-21T09:00:00Z\",\"end\":\"later\"}}"},
        {"GET /ari/a.b", 200, NULL,
         "{\"suggestedWindow\":{\"start\":\"2026-11-21T09:00:00Z\",\"end\":"
         "\"2026-11-21T09:00:00Z\"}}"},
        {"GET /ari/a.b", 200, NULL,
         "{\"suggestedWindow\":{\"start\":\"2026-11-21T09:00:00Z\",\"end\":"
         "\"2026-11-20T09:00:00Z\"}}"},
        {"GET /ari/a.b", 404, NULL,
         "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"unknown\"}"},
        {"GET /ari/a.b", 503, "Retry-After: 120\n", NULL},
        {"GET /ari/a.b", 301, "Location: ~/elsewhere\n", NULL},
        {0},
    };
    struct fake_ca fake;
    fake_start(&fake, steps, false);
    fake_know_directory(&fake);
    struct acme_renewal_info info = {0};
    struct err e = {0};
    for (int i = 0; i < 8; i++) {
        e = (struct err){0};
        assert_int_equal(acme_renewal_info_get(&fake.client, "a.b", &info, &e), -1);
        assert_int_equal(e.code, ERR_CA_PROTOCOL);
    }
    assert_int_equal(acme_renewal_info_get(&fake.client, "a.b", &info, &e), -1);
    assert_int_equal(e.code, ERR_CA_MALFORMED);
    assert_string_equal(fake.client.problem.detail, "unknown");
    assert_int_equal(acme_renewal_info_get(&fake.client, "a.b", &info, &e), -1);
    assert_int_equal(e.code, ERR_CA_SERVER_INTERNAL);
    assert_int_equal(e.retry_after_ms, 120000);
    assert_int_equal(acme_renewal_info_get(&fake.client, "a.b", &info, &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    assert_int_equal(e.http_status, 301);
    assert_null(info.explanation_url);
    fake_stop(&fake);
}

static void chooses_within_the_window(void **state)
{
    (void)state;
    const struct acme_renewal_info info = {.start_ms = 1000, .end_ms = 1010};
    bool seen[10] = {false};
    for (uint64_t i = 0; i < 1000; i++) {
        int64_t at = acme_renewal_time(&info, i * 7919);
        assert_in_range(at, 1000, 1009);
        seen[at - 1000] = true;
    }
    for (int i = 0; i < 10; i++)
        assert_true(seen[i]);
    assert_in_range(acme_renewal_time(&info, UINT64_MAX), 1000, 1009);
}

static struct acme_order_request order_of(struct identifier *id)
{
    struct err e;
    assert_int_equal(identifier_parse("example.com", id, &e), 0);
    return (struct acme_order_request){.ids = id, .count = 1, .replaces = rfc_id};
}

static void tells_of_a_refused_replacement(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"HEAD /new-nonce", 200, "Replay-Nonce: n0\n", NULL},
        {"POST /new-order", 409, "Replay-Nonce: n1\n",
         "{\"type\":\"urn:ietf:params:acme:error:alreadyReplaced\",\"detail\":\"replaced\"}"},
        {"POST /new-order", 201, "Location: ~/order/1\n",
         "{\"status\":\"ready\",\"finalize\":\"~/finalize/1\"}"},
        {0},
    };
    struct identifier id;
    struct acme_order_request request = order_of(&id);
    struct fake_ca fake;
    struct acme_order order = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_true(acme_ca_has_renewal_info(fake.ca));
    assert_int_equal(acme_order_new(&fake.client, &request, &order, &e), -1);
    assert_int_equal(e.code, ERR_CA_ALREADY_REPLACED);
    assert_non_null(strstr(fake.payloads[1], rfc_id));
    request.replaces = NULL;
    assert_int_equal(acme_order_new(&fake.client, &request, &order, &e), 0);
    assert_null(strstr(fake.payloads[2], "replaces"));
    acme_order_finish(&order);
    fake_stop(&fake);
}

static void keeps_quiet_where_there_is_none(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"GET /dir", 200, "Replay-Nonce: n0\n",
         "{\"newNonce\":\"~/n\",\"newAccount\":\"~/a\",\"newOrder\":\"~/new-order\"}"},
        {"POST /new-order", 201, "Location: ~/order/1\n",
         "{\"status\":\"ready\",\"finalize\":\"~/finalize/1\"}"},
        {0},
    };
    struct identifier id;
    struct acme_order_request request = order_of(&id);
    struct acme_renewal_info info = {0};
    struct fake_ca fake;
    struct acme_order order = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    assert_false(acme_ca_has_renewal_info(fake.ca));
    assert_int_equal(acme_renewal_info_get(&fake.client, rfc_id, &info, &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    assert_false(acme_ca_has_renewal_info(fake.ca));
    assert_int_equal(acme_order_new(&fake.client, &request, &order, &e), 0);
    assert_string_equal(fake.payloads[1],
                        "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"example.com\"}]}");
    acme_order_finish(&order);
    fake_stop(&fake);
}

/* By the last Date; an answer without one tells nothing new. */
static void compares_the_clocks(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"GET /dir", 200, NULL, fake_directory},
        {"GET /dir", 200, "Date: Sat, 21 Nov 2026 09:00:00 GMT\n", fake_directory},
        {"GET /dir", 200, "Date: yesterday\n", fake_directory},
        {"GET /dir", 503, "Date: Sat, 21 Nov 2037 09:00:00 GMT\n", NULL},
        {0},
    };
    struct fake_ca fake;
    struct err e;
    int64_t ahead = -1, date;
    assert_int_equal(clock_parse_rfc3339("2026-11-21T09:00:00Z", &date), 0);
    fake_start(&fake, steps, false);
    assert_int_equal(acme_client_prepare(&fake.client, &e), 0);
    assert_false(acme_ca_clock_ahead(fake.ca, CLOCK_HOUR_MS, &ahead));
    assert_int_equal(ahead, -1);
    int64_t before = clock_wall_ms();
    assert_int_equal(acme_client_refresh(&fake.client, &e), 0);
    for (int i = 0; i < 2; i++) {
        assert_true(acme_ca_clock_ahead(fake.ca, CLOCK_HOUR_MS, &ahead));
        /* Two clocks, each cut to the millisecond. */
        assert_in_range(ahead, before - date - 2, clock_wall_ms() - date + 2);
        assert_false(acme_ca_clock_ahead(fake.ca, -1, &ahead));
        if (i == 0)
            assert_int_equal(acme_client_refresh(&fake.client, &e), 0);
    }
    /* The directory in use stays. */
    assert_int_equal(acme_client_refresh(&fake.client, &e), -1);
    assert_int_equal(e.http_status, 503);
    assert_true(acme_ca_has_renewal_info(fake.ca));
    fake_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_certificate),
        cmocka_unit_test(reads_windows),
        cmocka_unit_test(refuses_what_is_no_window),
        cmocka_unit_test(chooses_within_the_window),
        cmocka_unit_test(tells_of_a_refused_replacement),
        cmocka_unit_test(compares_the_clocks),
        cmocka_unit_test(keeps_quiet_where_there_is_none),
    };
    struct err e;
    if (acme_http_library_init(&e) < 0)
        return 1;
    return cmocka_run_group_tests_name("renewal_info", tests, NULL, NULL);
}
