/* A CA that means harm: what its answers may cost, and which of its URLs are used. */
#include "tests/unit/fake_ca.h"

static const struct fake_step nonce = {"HEAD /new-nonce", 200, "Replay-Nonce: n1\n", NULL};

static void uses_no_url_but_plain_https(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "https://",
        "https:///path",
        "https://?query",
        "https://:443/",
        "https://user@host/",
        "https://user:secret@host/",
        "https://@host/",
        "http://host/",
        "ftp://host/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//host/path",
        "/path",
        "host/path",
        "https:host",
        " https://host/",
        "https://host/ path",
        "https://host/\\tpath",
        "https://host/\\u007f",
        "https://host/\\u00fc",
        "https://host\\\\@other/ ",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *document =
            mem_printf("{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\","
                       "\"newOrder\":\"%s\"}",
                       bad[i]);
        struct acme_directory d;
        struct err e = {0};
        if (acme_directory_read(document, "https://ca/dir", &d, &e) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(e.code, ERR_CA_PROTOCOL);
        free(document);
    }
}

static void uses_urls_of_other_hosts(void **state)
{
    (void)state;
    static const char *const good[] = {"https://other.example/o",      "HTTPS://ca:8443/o",
                                       "https://127.0.0.1/o",          "https://[::1]:1/o",
                                       "https://ca?to=me@example.com", "https://ca/a@b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char *document =
            mem_printf("{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\","
                       "\"newOrder\":\"%s\"}",
                       good[i]);
        struct acme_directory d;
        struct err e = {0};
        assert_int_equal(acme_directory_read(document, "https://ca/dir", &d, &e), 0);
        assert_string_equal(d.new_order, good[i]);
        acme_directory_finish(&d);
        free(document);
    }
}

/* Asks for an order that is answered with body. */
static int get_order(const char *body, struct acme_order *order, struct err *e)
{
    const struct fake_step steps[] = {nonce, {"POST /order/1", 200, NULL, body}, {0}};
    struct fake_ca fake;
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    char *url = fake_expand(&fake, "~/order/1");
    int rc = acme_order_get(&fake.client, url, order, e);
    free(url);
    fake_stop(&fake);
    return rc;
}

static void proves_each_authorization_once(void **state)
{
    (void)state;
    struct acme_order order = {0};
    struct err e;
    assert_int_equal(get_order("{\"status\":\"pending\",\"finalize\":\"~/f\",\"authorizations\":"
                               "[\"~/a\",\"~/b\",\"~/a\",\"~/a\",\"~/c\",\"~/b\"]}",
                               &order, &e),
                     0);
    assert_int_equal(order.authorization_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(order.authorizations[i][strlen(order.authorizations[i]) - 1], 'a' + i);
    acme_order_finish(&order);
}

/* An order with so many names, with `filler` in between. */
static char *order_of(int names, const char *filler)
{
    struct buf body = {0};
    buf_add_string(&body, "{\"status\":\"pending\",\"finalize\":\"~/f\",\"identifiers\":[");
    for (int i = 0; i < names; i++)
        buf_printf(&body, "%s{\"type\":\"dns\",\"value\":\"%0200d.example.com\"}", i ? "," : "", i);
    buf_add_string(&body, "],\"authorizations\":[");
    for (int i = 0; i < names; i++)
        buf_printf(&body, "%s\"~/authz/%0100d\"", i ? "," : "", i);
    buf_printf(&body, "],\"x\":%s}", filler);
    return buf_take(&body);
}

static void takes_the_greatest_order_and_no_greater(void **state)
{
    (void)state;
    struct acme_order order = {0};
    struct err e = {0};
    char *great = order_of(IDENTIFIER_MAX_COUNT, "0");
    assert_int_equal(get_order(great, &order, &e), 0);
    assert_int_equal(order.authorization_count, IDENTIFIER_MAX_COUNT);
    acme_order_finish(&order);
    free(great);

    char *padding = mem_new(ACME_ORDER_MAX_BYTES + 1, 1);
    memset(padding, '1', ACME_ORDER_MAX_BYTES);
    char *giant = order_of(1, padding);
    assert_int_equal(get_order(giant, &order, &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    assert_int_equal(e.http_status, 200);
    assert_non_null(strstr(e.detail, "larger"));
    free(giant);
    free(padding);
}

/* Three bytes of JSON can be 800 bytes of memory. */
static void makes_no_million_values(void **state)
{
    (void)state;
    static const char *const values[] = {"{}", "[]", "0"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buf many = {0};
        buf_add_char(&many, '[');
        for (int n = 0; n < 100000; n++)
            buf_printf(&many, "%s,", values[i]);
        buf_add_string(&many, "0]");
        char *body = order_of(1, many.data);
        struct acme_order order = {0};
        struct err e = {0};
        assert_int_equal(get_order(body, &order, &e), -1);
        assert_int_equal(e.code, ERR_CA_PROTOCOL);
        assert_non_null(strstr(e.detail, "not a JSON object"));
        free(body);
        buf_finish(&many);
    }
}

static char *padded(const char *members)
{
    char *padding = mem_new(ACME_DOCUMENT_MAX_BYTES + 1, 1);
    memset(padding, 'x', ACME_DOCUMENT_MAX_BYTES);
    char *document = mem_printf("{%s,\"x\":\"%s\"}", members, padding);
    free(padding);
    return document;
}

static void keeps_no_giant_documents(void **state)
{
    (void)state;
    struct err e = {0};
    struct acme_directory d;
    char *directory = padded("\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\","
                             "\"newOrder\":\"https://ca/o\"");
    assert_int_equal(acme_directory_read(directory, "https://ca/dir", &d, &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    free(directory);

    char *authorization = padded("\"status\":\"valid\",\"identifier\":"
                                 "{\"type\":\"dns\",\"value\":\"example.com\"}");
    char *account = padded("\"status\":\"deactivated\"");
    const struct fake_step steps[] = {nonce,
                                      {"POST /authz/1", 200, "Replay-Nonce: n2\n", authorization},
                                      {"POST /acct/1", 200, "Replay-Nonce: n3\n", account},
                                      {"POST /acct/1", 200, "Replay-Nonce: n4\n", " \r\n\t"},
                                      {0}};
    struct fake_ca fake;
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    char *url = fake_expand(&fake, "~/authz/1");
    struct acme_authorization a;
    assert_int_equal(acme_authorization_get(&fake.client, url, &a, &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    /* what an account is counts more than the words about it */
    struct acme_account got;
    static const char *const expected[] = {"deactivated", "valid"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(acme_account_get(&fake.client, &got, &e), 0);
        assert_string_equal(got.status, expected[i]);
        assert_string_equal(got.document, "{}");
        acme_account_finish(&got);
    }
    free(url);
    free(authorization);
    free(account);
    fake_stop(&fake);
}

/* What a person is to click is a page of the web. */
static void shows_no_links_but_to_pages(void **state)
{
    (void)state;
    static const struct {
        const char *links;
        const char *help;
    } rows[] = {
        {"Replay-Nonce: nx\nLink: <http://docs.example/limits>;rel=\"help\"\n",
         "http://docs.example/limits"},
        {"Replay-Nonce: nx\nLink: <https://docs.example/limits>;rel=\"help\"\n",
         "https://docs.example/limits"},
        {"Replay-Nonce: nx\nLink: <file:///etc/passwd>;rel=\"help\"\n", NULL},
        {"Replay-Nonce: nx\nLink: <ftp://docs.example/>;rel=\"help\"\n", NULL},
        {"Replay-Nonce: nx\nLink: <https://user:secret@docs.example/>;rel=\"help\"\n", NULL},
    };
    enum { COUNT = sizeof rows / sizeof *rows };
    struct fake_step steps[COUNT + 2] = {nonce};
    for (size_t i = 0; i < COUNT; i++)
        steps[i + 1] = (struct fake_step){"POST /order/1", 429, rows[i].links,
                                          "{\"type\":\"urn:ietf:params:acme:error:rateLimited\"}"};
    struct fake_ca fake;
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    char *url = fake_expand(&fake, "~/order/1");
    for (size_t i = 0; i < COUNT; i++) {
        struct acme_order order = {0};
        struct err e;
        assert_int_equal(acme_order_get(&fake.client, url, &order, &e), -1);
        assert_int_equal(e.code, ERR_CA_RATE_LIMITED);
        if (rows[i].help)
            assert_string_equal(fake.client.problem.help, rows[i].help);
        else
            assert_null(fake.client.problem.help);
    }
    free(url);
    fake_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uses_no_url_but_plain_https),
        cmocka_unit_test(uses_urls_of_other_hosts),
        cmocka_unit_test(proves_each_authorization_once),
        cmocka_unit_test(takes_the_greatest_order_and_no_greater),
        cmocka_unit_test(makes_no_million_values),
        cmocka_unit_test(keeps_no_giant_documents),
        cmocka_unit_test(shows_no_links_but_to_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
