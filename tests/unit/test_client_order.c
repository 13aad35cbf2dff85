/* Orders, authorizations, challenges, certificates: against a CA that says what the test wants. */
#include "acme/base/clock.h"
#include "acme/client.h"
#include "tests/unit/fake_ca.h"
#include "tests/unit/fixture.h"
#include "tests/unit/unit.h"

static const char pending_order[] =
    "{\"status\":\"pending\",\"expires\":\"2026-11-28T09:00:00Z\",\"identifiers\":[],"
    "\"authorizations\":[\"~/authz/1\",\"~/authz/2\"],\"finalize\":\"~/finalize/1\",\"new\":{}}";

static const struct fake_step nonce = {"HEAD /new-nonce", 200, "Replay-Nonce: n0\n", NULL};

static struct identifier parsed(const char *text)
{
    struct identifier id;
    struct err e;
    assert_int_equal(identifier_parse(text, &id, &e), 0);
    return id;
}

static void assert_url(const struct fake_ca *fake, const char *url, const char *expected)
{
    char *full = fake_expand(fake, expected);
    assert_string_equal(url, full);
    free(full);
}

static void places_an_order(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        nonce,
        {"POST /new-order", 201, "Location: ~/order/1\nReplay-Nonce: n1\n", pending_order},
        {"POST /new-order", 201, "Location: ~/order/2\nReplay-Nonce: n2\n", pending_order},
        {"POST /new-order", 201, "Replay-Nonce: n3\n", pending_order},
        {0},
    };
    struct identifier ids[] = {parsed("*.example.com"), parsed("2001:db8::1")};
    struct acme_order_request request = {.ids = ids, .count = 2};
    struct fake_ca fake;
    struct acme_order order = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_int_equal(acme_order_new(&fake.client, &request, &order, &e), 0);
    assert_string_equal(fake.payloads[1],
                        "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"*.example.com\"},"
                        "{\"type\":\"ip\",\"value\":\"2001:db8::1\"}]}");
    assert_url(&fake, order.url, "~/order/1");
    assert_url(&fake, order.finalize, "~/finalize/1");
    assert_url(&fake, order.document, pending_order);
    assert_int_equal(order.status, ACME_ORDER_PENDING);
    assert_int_equal(order.authorization_count, 2);
    assert_url(&fake, order.authorizations[1], "~/authz/2");
    assert_null(order.certificate);
    assert_int_equal(order.expires_ms, 1795856400000);
    assert_int_equal(order.retry_after_ms, 0);
    assert_int_equal(order.error.code, ERR_NONE);
    acme_order_finish(&order);

    request.profile = "tlsserver";
    request.replaces = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    request.not_before_ms = 1795856400000;
    request.not_after_ms = 1795856400000 + CLOCK_DAY_MS + 999;
    request.count = 1;
    assert_int_equal(acme_order_new(&fake.client, &request, &order, &e), 0);
    assert_string_equal(fake.payloads[2],
                        "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"*.example.com\"}],"
                        "\"notBefore\":\"2026-11-28T09:00:00Z\","
                        "\"notAfter\":\"2026-11-29T09:00:00Z\",\"profile\":\"tlsserver\","
                        "\"replaces\":\"aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE\"}");
    acme_order_finish(&order);

    assert_int_equal(acme_order_new(&fake.client, &request, &order, &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    assert_null(order.url);
    fake_stop(&fake);
}

static void follows_an_order(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        nonce,
        {"POST /finalize/1", 200, "Retry-After: 5\nReplay-Nonce: n1\n",
         "{\"status\":\"processing\",\"authorizations\":[\"~/authz/1\"],\"expires\":\"soon\"}"},
        {"POST /order/1", 200, "Replay-Nonce: n2\n",
         "{\"status\":\"valid\",\"certificate\":\"~/cert/1\"}"},
        {"POST /order/1", 200, "Replay-Nonce: n3\n",
         "{\"status\":\"invalid\",\"error\":{\"type\":\"urn:ietf:params:acme:error:caa\","
         "\"detail\":\"CAA forbids\",\"status\":403}}"},
        {"POST /order/1", 200, "Replay-Nonce: n4\n", "{\"status\":\"invalid\"}"},
        {"POST /finalize/1", 403, "Replay-Nonce: n5\n",
         "{\"type\":\"urn:ietf:params:acme:error:orderNotReady\",\"detail\":\"no\"}"},
        {0},
    };
    struct fake_ca fake;
    struct acme_order order = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    char *finalize = fake_expand(&fake, "~/finalize/1"), *url = fake_expand(&fake, "~/order/1");
    struct acme_client *client = &fake.client;
    assert_int_equal(acme_order_finalize(client, finalize, url, "\1\2\3", 3, &order, &e), 0);
    assert_string_equal(fake.payloads[1], "{\"csr\":\"AQID\"}");
    assert_int_equal(order.status, ACME_ORDER_PROCESSING);
    assert_int_equal(order.retry_after_ms, 5000);
    assert_int_equal(order.expires_ms, 0);
    assert_string_equal(order.url, url);
    acme_order_finish(&order);

    assert_int_equal(acme_order_get(client, url, &order, &e), 0);
    assert_string_equal(fake.payloads[2], "");
    assert_int_equal(order.status, ACME_ORDER_VALID);
    assert_url(&fake, order.certificate, "~/cert/1");
    acme_order_finish(&order);

    assert_int_equal(acme_order_get(client, url, &order, &e), 0);
    assert_int_equal(order.status, ACME_ORDER_INVALID);
    assert_int_equal(order.error.code, ERR_CA_CAA);
    assert_string_equal(order.error.detail, "CAA forbids");
    assert_string_equal(order.problem.type, "urn:ietf:params:acme:error:caa");
    acme_order_finish(&order);

    assert_int_equal(acme_order_get(client, url, &order, &e), 0);
    assert_int_equal(order.error.code, ERR_NONE);
    acme_order_finish(&order);

    assert_int_equal(acme_order_finalize(client, finalize, url, "\1", 1, &order, &e), -1);
    assert_int_equal(e.code, ERR_CA_ORDER_NOT_READY);
    free(finalize);
    free(url);
    fake_stop(&fake);
}

static void refuses_orders_that_make_no_sense(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "<html>",
        "[]",
        "{}",
        "{\"status\":7}",
        "{\"status\":\"done\",\"finalize\":\"~/f\",\"authorizations\":[\"~/a\"]}",
        "{\"status\":\"pending\",\"finalize\":\"~/f\"}",
        "{\"status\":\"pending\",\"finalize\":\"~/f\",\"authorizations\":[]}",
        "{\"status\":\"pending\",\"finalize\":\"~/f\",\"authorizations\":\"~/a\"}",
        "{\"status\":\"pending\",\"finalize\":\"~/f\",\"authorizations\":[7]}",
        "{\"status\":\"pending\",\"finalize\":\"~/f\",\"authorizations\":[null]}",
        "{\"status\":\"pending\",\"finalize\":\"~/f\",\"authorizations\":[\"/relative\"]}",
        "{\"status\":\"pending\",\"finalize\":\"gopher://f\",\"authorizations\":[\"~/a\"]}",
        "{\"status\":\"pending\",\"authorizations\":[\"~/a\"]}",
        "{\"status\":\"ready\",\"authorizations\":[\"~/a\"]}",
        "{\"status\":\"valid\"}",
        "{\"status\":\"valid\",\"certificate\":\"~/a\\nb\"}",
    };
    enum { COUNT = sizeof bodies / sizeof *bodies };
    struct fake_step steps[COUNT + 2] = {nonce};
    for (size_t i = 0; i < COUNT; i++)
        steps[i + 1] = (struct fake_step){"POST /order/1", 200, "Replay-Nonce: nx\n", bodies[i]};
    struct fake_ca fake;
    struct acme_order order = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    char *url = fake_expand(&fake, "~/order/1");
    for (size_t i = 0; i < COUNT; i++) {
        struct err e = {0};
        if (acme_order_get(&fake.client, url, &order, &e) == 0)
            fail_msg("taken: %s", bodies[i]);
        assert_int_equal(e.code, ERR_CA_PROTOCOL);
        assert_null(order.url);
    }
    free(url);
    fake_stop(&fake);
}

/* A body cannot make us parse for ever. */
static void refuses_deep_json(void **state)
{
    (void)state;
    struct buf body = {0};
    buf_add_string(&body, "{\"status\":\"valid\",\"certificate\":\"~/c\",\"x\":");
    for (int i = 0; i < 1000; i++)
        buf_add_char(&body, '[');
    for (int i = 0; i < 1000; i++)
        buf_add_char(&body, ']');
    buf_add_char(&body, '}');
    const struct fake_step steps[] = {nonce, {"POST /order/1", 200, NULL, body.data}, {0}};
    struct fake_ca fake;
    struct acme_order order = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    char *url = fake_expand(&fake, "~/order/1");
    assert_int_equal(acme_order_get(&fake.client, url, &order, &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    free(url);
    buf_finish(&body);
    fake_stop(&fake);
}

static void reads_an_authorization(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        nonce,
        {"POST /authz/1", 200, "Retry-After: 2\nReplay-Nonce: n1\n",
         "{\"status\":\"pending\",\"expires\":\"2026-11-28T09:00:00Z\",\"wildcard\":true,"
         "\"identifier\":{\"type\":\"dns\",\"value\":\"example.com\"},\"challenges\":["
         "{\"type\":\"dns-01\",\"url\":\"~/chall/1\",\"token\":\"abc_-9\",\"status\":\"pending\"},"
         "{\"type\":\"dns-persist-01\",\"url\":\"~/chall/2\",\"issuer-domain-names\":"
         "[\"ca.example\",7,\"x.example\"],\"accounturi\":\"~/acct/1\"},"
         "{\"type\":\"dns-persist-01\",\"url\":\"~/chall/3\",\"issuer-domain-names\":"
         "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\"]},"
         "{\"type\":\"no-url-01\",\"token\":\"abc\"},{\"url\":\"~/no-type\"},7,null]}"},
        {"POST /authz/1", 200, "Replay-Nonce: n2\n",
         "{\"status\":\"invalid\",\"identifier\":{\"type\":\"ip\",\"value\":\"192.0.2.1\"},"
         "\"challenges\":[{\"type\":\"tls-alpn-01\",\"url\":\"~/chall/1\",\"status\":\"pending\"},"
         "{\"type\":\"http-01\",\"url\":\"~/chall/2\",\"token\":\"t\",\"status\":\"invalid\","
         "\"error\":{\"type\":\"urn:ietf:params:acme:error:connection\",\"detail\":\"refused\"}}]"
         "}"},
        {"POST /authz/1", 200, "Replay-Nonce: n3\n",
         "{\"status\":\"valid\",\"identifier\":{\"type\":\"dns\",\"value\":\"example.com\"}}"},
        {0},
    };
    struct fake_ca fake;
    struct acme_authorization a = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    char *url = fake_expand(&fake, "~/authz/1");
    assert_int_equal(acme_authorization_get(&fake.client, url, &a, &e), 0);
    assert_int_equal(a.status, ACME_AUTHORIZATION_PENDING);
    assert_string_equal(a.url, url);
    assert_string_equal(a.identifier_type, "dns");
    assert_string_equal(a.identifier_value, "example.com");
    assert_true(a.wildcard);
    assert_int_equal(a.retry_after_ms, 2000);
    assert_int_equal(a.expires_ms, 1795856400000);
    assert_int_equal(a.challenge_count, 3);
    assert_string_equal(a.challenges[0].type, "dns-01");
    assert_string_equal(a.challenges[0].token, "abc_-9");
    assert_url(&fake, a.challenges[0].url, "~/chall/1");
    assert_string_equal(a.challenges[1].type, "dns-persist-01");
    assert_null(a.challenges[1].token);
    assert_int_equal(a.challenges[0].issuer_name_count, 0);
    assert_null(a.challenges[0].account_url);
    assert_int_equal(a.challenges[1].issuer_name_count, 2);
    assert_string_equal(a.challenges[1].issuer_names[0], "ca.example");
    assert_string_equal(a.challenges[1].issuer_names[1], "x.example");
    assert_string_equal(a.challenges[1].account_url, fake.kid);
    assert_int_equal(a.challenges[2].issuer_name_count, 0); /* one more than the draft allows */
    assert_string_equal(a.challenges[1].status, "pending");
    assert_null(acme_authorization_failure(&a));
    acme_authorization_finish(&a);

    assert_int_equal(acme_authorization_get(&fake.client, url, &a, &e), 0);
    assert_int_equal(a.status, ACME_AUTHORIZATION_INVALID);
    const struct acme_challenge *failed = acme_authorization_failure(&a);
    assert_non_null(failed);
    assert_string_equal(failed->type, "http-01");
    assert_int_equal(failed->error.code, ERR_CA_CONNECTION);
    assert_string_equal(failed->problem.detail, "refused");
    acme_authorization_finish(&a);

    assert_int_equal(acme_authorization_get(&fake.client, url, &a, &e), 0);
    assert_int_equal(a.status, ACME_AUTHORIZATION_VALID);
    assert_int_equal(a.challenge_count, 0);
    acme_authorization_finish(&a);
    free(url);
    fake_stop(&fake);
}

static void refuses_authorizations_that_make_no_sense(void **state)
{
    (void)state;
#define IDENTIFIER "\"identifier\":{\"type\":\"dns\",\"value\":\"example.com\"}"
    static const char *const bodies[] = {
        "nothing",
        "{}",
        "{\"status\":\"pending\"}",
        "{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\"}}",
        "{\"status\":\"pending\",\"identifier\":\"example.com\"}",
        "{" IDENTIFIER "}",
        "{\"status\":\"processing\"," IDENTIFIER "}",
        "{\"status\":\"pending\"," IDENTIFIER
        ",\"challenges\":[{\"type\":\"http-01\",\"url\":\"~/c\",\"token\":\"../../etc/passwd\"}]}",
        "{\"status\":\"pending\"," IDENTIFIER
        ",\"challenges\":[{\"type\":\"http-01\",\"url\":\"~/c\",\"token\":\"\"}]}",
        "{\"status\":\"pending\"," IDENTIFIER
        ",\"challenges\":[{\"type\":\"http-01\",\"url\":\"file:///c\",\"token\":\"t\"}]}",
    };
#undef IDENTIFIER
    enum { COUNT = sizeof bodies / sizeof *bodies };
    struct fake_step steps[COUNT + 2] = {nonce};
    for (size_t i = 0; i < COUNT; i++)
        steps[i + 1] = (struct fake_step){"POST /authz/1", 200, "Replay-Nonce: nx\n", bodies[i]};
    struct fake_ca fake;
    struct acme_authorization a = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    char *url = fake_expand(&fake, "~/authz/1");
    for (size_t i = 0; i < COUNT; i++) {
        struct err e = {0};
        if (acme_authorization_get(&fake.client, url, &a, &e) == 0)
            fail_msg("taken: %s", bodies[i]);
        assert_int_equal(e.code, ERR_CA_PROTOCOL);
        assert_null(a.url);
    }
    free(url);
    fake_stop(&fake);
}

static void answers_challenges_and_withdraws(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        nonce,
        {"POST /chall/1", 200, "Retry-After: 4\nReplay-Nonce: n1\n", "whatever"},
        {"POST /chall/1", 400, "Replay-Nonce: n2\n",
         "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"not pending\"}"},
        {"POST /authz/1", 200, "Replay-Nonce: n3\n", NULL},
        {0},
    };
    struct fake_ca fake;
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    char *challenge = fake_expand(&fake, "~/chall/1"), *authz = fake_expand(&fake, "~/authz/1");
    int64_t wait = -1;
    assert_int_equal(acme_challenge_respond(&fake.client, challenge, &wait, &e), 0);
    assert_int_equal(wait, 4000);
    assert_string_equal(fake.payloads[1], "{}");
    wait = -1;
    assert_int_equal(acme_challenge_respond(&fake.client, challenge, &wait, &e), -1);
    assert_int_equal(e.code, ERR_CA_MALFORMED);
    assert_int_equal(wait, -1);
    assert_int_equal(acme_authorization_deactivate(&fake.client, authz, &e), 0);
    assert_string_equal(fake.payloads[3], "{\"status\":\"deactivated\"}");
    free(challenge);
    free(authz);
    fake_stop(&fake);
}

static void download(const struct fake_step *steps, const char *preferred, const char *expected)
{
    struct fake_ca fake;
    struct buf chain = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    char *url = fake_expand(&fake, "~/cert/1");
    assert_int_equal(acme_certificate_download(&fake.client, url, preferred, &chain, &e), 0);
    assert_string_equal(chain.data, expected);
    assert_null(fake.client.problem.type);
    buf_finish(&chain);
    free(url);
    fake_stop(&fake);
}

static void chooses_among_chains(void **state)
{
    (void)state;
    struct buf leaf = fixture("certs/leaf.pem"), full = fixture("certs/chain.pem");
    /* alternates link back to the first and to each other, and elsewhere */
    static const char links[] = "Replay-Nonce: nx\n"
                                "Link: <~/cert/1>;rel=\"alternate\", <ftp://ca/x>;rel=alternate\n"
                                "Link: <~/cert/1/1>;rel=\"alternate\"\n"
                                "Link: <~/cert/1/1>;rel=\"alternate\"\n"
                                "Link: <~/cert/1/2>;rel=\"alternate\"\n";
    const struct fake_step one[] = {nonce, {"POST /cert/1", 200, links, leaf.data}, {0}};
    download(one, NULL, leaf.data);
    download(one, "Test Intermediate é", leaf.data);

    const struct fake_step second[] = {
        nonce,
        {"POST /cert/1", 200, links, leaf.data},
        {"POST /cert/1/1", 500, "Replay-Nonce: ny\n", ""},
        {"POST /cert/1/2", 200, "Replay-Nonce: nz\n", full.data},
        {0},
    };
    download(second, "Test Root", full.data);

    const struct fake_step none[] = {
        nonce,
        {"POST /cert/1", 200, links, leaf.data},
        {"POST /cert/1/1", 200, links, "junk"},
        {"POST /cert/1/2", 200, links, leaf.data},
        {0},
    };
    download(none, "Test Root", leaf.data);
    buf_finish(&leaf);
    buf_finish(&full);
}

static void follows_ten_alternates_at_most(void **state)
{
    (void)state;
    struct buf leaf = fixture("certs/leaf.pem"), links = {0};
    buf_add_string(&links, "Replay-Nonce: nx\n");
    for (int i = 0; i < 50; i++)
        buf_printf(&links, "Link: <~/alt/%d>;rel=\"alternate\"\n", i);
    struct fake_step steps[13] = {nonce, {"POST /cert/1", 200, links.data, leaf.data}};
    char paths[10][24];
    for (int i = 0; i < 10; i++) {
        snprintf(paths[i], sizeof paths[i], "POST /alt/%d", i);
        steps[i + 2] = (struct fake_step){paths[i], 200, "Replay-Nonce: nx\n", leaf.data};
    }
    download(steps, "Test Root", leaf.data);
    buf_finish(&leaf);
    buf_finish(&links);
}

/* The wished chain may well be there: no other is taken in its place. */
static void takes_no_other_chain_for_nonces(void **state)
{
    (void)state;
    struct buf leaf = fixture("certs/leaf.pem"), chain = {0};
    struct fake_step steps[12] = {
        nonce,
        {"POST /cert/1", 200, "Replay-Nonce: nx\nLink: <~/cert/1/1>;rel=\"alternate\"\n",
         leaf.data},
    };
    for (int i = 2; i < 11; i++)
        steps[i] = (struct fake_step){"POST /cert/1/1", 400, "Replay-Nonce: ny\n",
                                      "{\"type\":\"urn:ietf:params:acme:error:badNonce\"}"};
    struct fake_ca fake;
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    char *url = fake_expand(&fake, "~/cert/1");
    assert_int_equal(acme_certificate_download(&fake.client, url, "Test Root", &chain, &e), -1);
    assert_int_equal(e.code, ERR_CA_BAD_NONCE);
    assert_int_equal(chain.size, 0);
    free(url);
    fake_stop(&fake);
    buf_finish(&leaf);
}

static void tells_when_there_is_no_certificate(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        nonce,
        {"POST /cert/1", 404, NULL,
         "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"no such certificate\"}"},
        {0},
    };
    struct fake_ca fake;
    struct buf chain = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    char *url = fake_expand(&fake, "~/cert/1");
    assert_int_equal(acme_certificate_download(&fake.client, url, NULL, &chain, &e), -1);
    assert_int_equal(e.code, ERR_CA_MALFORMED);
    assert_int_equal(e.http_status, 404);
    assert_int_equal(chain.size, 0);
    free(url);
    fake_stop(&fake);
}

static void revokes(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        nonce,
        {"POST /revoke", 200, "Replay-Nonce: n1\n", NULL},
        {"POST /revoke", 200, "Replay-Nonce: n2\n", NULL},
        {"POST /revoke", 400, "Replay-Nonce: n3\n",
         "{\"type\":\"urn:ietf:params:acme:error:alreadyRevoked\"}"},
        {0},
    };
    struct fake_ca fake;
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_int_equal(acme_certificate_revoke(&fake.client, "\1\2\3", 3, 4, &e), 0);
    assert_string_equal(fake.payloads[1], "{\"certificate\":\"AQID\",\"reason\":4}");
    assert_string_equal(fake_header(&fake, 1, "kid"), fake.kid);
    /* by the certificate's own key */
    fake.client.kid = NULL;
    assert_int_equal(acme_certificate_revoke(&fake.client, "\1\2\3", 3, -1, &e), 0);
    assert_string_equal(fake.payloads[2], "{\"certificate\":\"AQID\"}");
    assert_string_equal(fake_header(&fake, 2, "kid"), "");
    assert_non_null(strstr(fake_header(&fake, 2, "jwk"), "\"EC\""));
    assert_int_equal(acme_certificate_revoke(&fake.client, "\1\2\3", 3, 0, &e), -1);
    assert_int_equal(e.code, ERR_CA_ALREADY_REVOKED);
    fake_stop(&fake);
}

static void says_so_when_there_is_no_revocation(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"GET /dir", 200, NULL,
         "{\"newNonce\":\"~/n\",\"newAccount\":\"~/a\",\"newOrder\":\"~/o\",\"meta\":{}}"},
        {0},
    };
    struct fake_ca fake;
    struct err e = {0};
    fake_start(&fake, steps, true);
    assert_int_equal(acme_certificate_revoke(&fake.client, "\1", 1, 0, &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    fake_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_an_order),
        cmocka_unit_test(follows_an_order),
        cmocka_unit_test(refuses_orders_that_make_no_sense),
        cmocka_unit_test(refuses_deep_json),
        cmocka_unit_test(reads_an_authorization),
        cmocka_unit_test(refuses_authorizations_that_make_no_sense),
        cmocka_unit_test(answers_challenges_and_withdraws),
        cmocka_unit_test(chooses_among_chains),
        cmocka_unit_test(follows_ten_alternates_at_most),
        cmocka_unit_test(takes_no_other_chain_for_nonces),
        cmocka_unit_test(tells_when_there_is_no_certificate),
        cmocka_unit_test(revokes),
        cmocka_unit_test(says_so_when_there_is_no_revocation),
    };
    struct err e;
    if (acme_http_library_init(&e) < 0)
        return 1;
    return cmocka_run_group_tests_name("client_order", tests, NULL, NULL);
}
