/* Directory, nonces, signed requests, accounts: against a CA that says what the test wants. */
#include "acme/client.h"
#include "tests/unit/fake_ca.h"
#include "tests/unit/unit.h"

static const char bad_nonce[] =
    "{\"type\":\"urn:ietf:params:acme:error:badNonce\",\"detail\":\"stale\"}";

static int read_directory(const char *document, const char *url, struct acme_directory *out,
                          struct err *e)
{
    *out = (struct acme_directory){0};
    return acme_directory_read(document, url, out, e);
}

static void reads_directories(void **state)
{
    (void)state;
    static const char full[] =
        "{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\",\"newOrder\":\"https://ca/o"
        "\",\"revokeCert\":\"https://ca/r\",\"keyChange\":\"https://ca/k\",\"renewalInfo\":"
        "\"https://ca/i\",\"AbCd\":\"https://community\",\"meta\":{\"termsOfService\":"
        "\"https://ca/t\",\"externalAccountRequired\":true,\"profiles\":{\"x\":\"y\"}}}\n";
    struct acme_directory d;
    struct err e;
    assert_int_equal(read_directory(full, "https://ca/dir", &d, &e), 0);
    assert_string_equal(d.document, full);
    assert_string_equal(d.new_nonce, "https://ca/n");
    assert_string_equal(d.new_account, "https://ca/a");
    assert_string_equal(d.new_order, "https://ca/o");
    assert_string_equal(d.revoke_cert, "https://ca/r");
    assert_string_equal(d.key_change, "https://ca/k");
    assert_string_equal(d.renewal_info, "https://ca/i");
    assert_string_equal(d.terms_of_service, "https://ca/t");
    assert_true(d.external_account_required);
    acme_directory_finish(&d);

    static const char least[] = "{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\","
                                "\"newOrder\":\"https://ca/o\"}";
    assert_int_equal(read_directory(least, "https://ca/dir", &d, &e), 0);
    assert_null(d.renewal_info);
    assert_null(d.terms_of_service);
    assert_false(d.external_account_required);
    acme_directory_finish(&d);
}

static void refuses_what_is_no_directory(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "<html>",
        "[]",
        "{}",
        "null",
        "{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\"}",
        "{\"newNonce\":7,\"newAccount\":\"https://ca/a\",\"newOrder\":\"https://ca/o\"}",
        "{\"newNonce\":\"http://ca/n\",\"newAccount\":\"https://ca/a\",\"newOrder\":\"https://ca/"
        "o\"}",
        "{\"newNonce\":\"/n\",\"newAccount\":\"https://ca/a\",\"newOrder\":\"https://ca/o\"}",
        "{\"newNonce\":\"file:///n\",\"newAccount\":\"https://ca/a\",\"newOrder\":\"https://ca/"
        "o\"}",
        "{\"newNonce\":\"https://ca/n x\",\"newAccount\":\"https://ca/a\","
        "\"newOrder\":\"https://ca/o\"}",
        "{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\",\"newOrder\":"
        "\"https://ca/o\",\"revokeCert\":\"http://ca/r\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct acme_directory d;
        struct err e = {0};
        assert_int_equal(read_directory(bad[i], "https://ca/dir", &d, &e), -1);
        assert_int_equal(e.code, ERR_CA_PROTOCOL);
        assert_null(d.document);
    }
    /* http is right where the directory itself has it */
    struct acme_directory d;
    struct err e;
    assert_int_equal(read_directory(bad[7], "http://ca/dir", &d, &e), 0);
    acme_directory_finish(&d);
}

static void fetches_the_directory_once(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"GET /dir", 503, "Retry-After: 30\n", "busy"},
        {"GET /dir", 200, NULL, "not json"},
        {"GET /dir", 200, "REPLAY-NONCE: from-directory\n", fake_directory},
        {"POST /acct/1", 200, NULL, "{}"},
        {0},
    };
    struct fake_ca fake;
    struct acme_account account = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    assert_null(acme_ca_directory_document(fake.ca));
    assert_int_equal(acme_client_prepare(&fake.client, &e), -1);
    assert_int_equal(e.code, ERR_CA_SERVER_INTERNAL);
    assert_int_equal(e.http_status, 503);
    assert_int_equal(e.retry_after_ms, 30000);
    assert_int_equal(acme_client_prepare(&fake.client, &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    assert_int_equal(acme_client_prepare(&fake.client, &e), 0);
    assert_int_equal(acme_client_prepare(&fake.client, &e), 0);
    char *document = acme_ca_directory_document(fake.ca);
    assert_non_null(strstr(document, "/new-nonce"));
    free(document);
    assert_int_equal(acme_account_get(&fake.client, &account, &e), 0);
    assert_string_equal(fake_header(&fake, 3, "nonce"), "from-directory");
    acme_account_finish(&account);
    fake_stop(&fake);
}

static void takes_nonces_in_the_order_they_came(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"HEAD /new-nonce", 200, "Replay-Nonce: n1\n", NULL},
        {"POST /acct/1", 200, "replay-nonce: n2\n", "{}"},
        /* errors carry nonces too */
        {"POST /acct/1", 500, "Replay-Nonce: n3\n", ""},
        {"POST /acct/1", 200, NULL, "{}"},
        /* none left */
        {"HEAD /new-nonce", 204, "Replay-Nonce: n4\n", NULL},
        /* not base64url: as if there were none */
        {"POST /acct/1", 200, "Replay-Nonce: b\"d=\n", "{}"},
        {"HEAD /new-nonce", 200, "Replay-Nonce: n5\n", NULL},
        {"POST /acct/1", 200, NULL, "{}"},
        {0},
    };
    struct fake_ca fake;
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    for (int i = 0; i < 5; i++) {
        struct acme_account account = {0};
        struct err e = {0};
        assert_int_equal(acme_account_get(&fake.client, &account, &e), i == 1 ? -1 : 0);
        acme_account_finish(&account);
    }
    static const char *const used[] = {NULL, "n1", "n2", "n3", NULL, "n4", NULL, "n5"};
    for (int i = 0; i < 8; i++)
        if (used[i])
            assert_string_equal(fake_header(&fake, i, "nonce"), used[i]);
    assert_string_equal(fake_header(&fake, 1, "alg"), "ES256");
    assert_string_equal(fake_header(&fake, 1, "kid"), fake.kid);
    assert_string_equal(fake_header(&fake, 1, "url"), fake.kid);
    assert_string_equal(fake.payloads[1], "");
    fake_stop(&fake);
}

static void answers_bad_nonce_with_the_errors_own(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"HEAD /new-nonce", 200, "Replay-Nonce: n1\n", NULL},
        {"POST /acct/1", 400, "Replay-Nonce: n2\n", bad_nonce},
        {"POST /acct/1", 400, NULL, bad_nonce},
        {"HEAD /new-nonce", 200, "Replay-Nonce: n3\n", NULL},
        {"POST /acct/1", 200, "Replay-Nonce: n4\n", "{}"},
        {0},
    };
    struct fake_ca fake;
    struct acme_account account = {0};
    struct err e = {.code = ERR_NONE};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_int_equal(acme_account_get(&fake.client, &account, &e), 0);
    assert_int_equal(e.code, ERR_NONE);
    assert_null(fake.client.problem.type);
    assert_string_equal(fake_header(&fake, 1, "nonce"), "n1");
    assert_string_equal(fake_header(&fake, 2, "nonce"), "n2");
    assert_string_equal(fake_header(&fake, 4, "nonce"), "n3");
    acme_account_finish(&account);
    fake_stop(&fake);
}

static void gives_up_on_nonces_after_eight_more(void **state)
{
    (void)state;
    static const struct fake_step refused = {"POST /acct/1", 400, "Replay-Nonce: nx\n", bad_nonce};
    struct fake_step steps[12] = {{"HEAD /new-nonce", 200, "Replay-Nonce: n1\n", NULL}};
    for (int i = 1; i <= 9; i++)
        steps[i] = refused;
    struct fake_ca fake;
    struct acme_account account = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_int_equal(acme_account_get(&fake.client, &account, &e), -1);
    assert_int_equal(e.code, ERR_CA_BAD_NONCE);
    assert_string_equal(fake.client.problem.detail, "stale");
    assert_null(account.url);
    fake_stop(&fake);
}

static void sends_nothing_again_after_a_broken_connection(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"HEAD /new-nonce", 200, "Replay-Nonce: n1\n", NULL},
        {"POST /acct/1", 0, NULL, NULL},
        {"HEAD /new-nonce", 200, "Replay-Nonce: n2\n", NULL},
        {"POST /acct/1", 200, NULL, "{}"},
        {0},
    };
    struct fake_ca fake;
    struct acme_account account = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_int_equal(acme_account_get(&fake.client, &account, &e), -1);
    assert_int_equal(e.code, ERR_CA_UNREACHABLE);
    assert_int_equal(acme_account_get(&fake.client, &account, &e), 0);
    assert_string_equal(fake_header(&fake, 3, "nonce"), "n2");
    acme_account_finish(&account);
    fake_stop(&fake);
}

static void tells_what_the_ca_said(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"HEAD /new-nonce", 200, "Replay-Nonce: n1\n", NULL},
        {"POST /new-order", 429,
         "Retry-After: 3600\nReplay-Nonce: n2\nLink: </help>;rel=\"help\"\n"
         "Link: <~/tos>;rel=\"terms-of-service\", <~/dir>;rel=\"index\"\n",
         "{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"too many\"}"},
        {"POST /new-order", 502, NULL, "<html>Bad Gateway"},
        {"HEAD /new-nonce", 500, NULL, NULL},
        {"HEAD /new-nonce", 200, NULL, NULL},
        {0},
    };
    struct fake_ca fake;
    struct identifier id;
    struct acme_order order = {0};
    struct err e = {0};
    assert_int_equal(identifier_parse("example.com", &id, &e), 0);
    struct acme_order_request request = {.ids = &id, .count = 1};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    const struct acme_problem *problem = &fake.client.problem;
    assert_int_equal(acme_order_new(&fake.client, &request, &order, &e), -1);
    assert_int_equal(e.code, ERR_CA_RATE_LIMITED);
    assert_int_equal(e.retry_after_ms, 3600000);
    assert_int_equal(e.http_status, 429);
    assert_string_equal(e.detail, "too many");
    char *help = fake_expand(&fake, "~/help"), *terms = fake_expand(&fake, "~/tos");
    assert_string_equal(problem->help, help);
    assert_string_equal(problem->terms, terms);
    free(help);
    free(terms);

    assert_int_equal(acme_order_new(&fake.client, &request, &order, &e), -1);
    assert_int_equal(e.code, ERR_CA_SERVER_INTERNAL);
    assert_int_equal(e.retry_after_ms, 0);
    assert_null(problem->document);
    assert_null(problem->help);
    assert_int_equal(problem->status, 502);

    assert_int_equal(acme_order_new(&fake.client, &request, &order, &e), -1);
    assert_int_equal(e.code, ERR_CA_SERVER_INTERNAL);
    assert_int_equal(acme_order_new(&fake.client, &request, &order, &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    fake_stop(&fake);
}

static void registers_an_account(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"HEAD /new-nonce", 200, "Replay-Nonce: n1\n", NULL},
        {"POST /new-acct", 201, "Location: ~/acct/7\nReplay-Nonce: n2\n",
         "{\"status\":\"valid\",\"contact\":[\"mailto:a@example.com\"],\"initialIp\":\"192.0.2.1\","
         "\"createdAt\":\"2026-11-21T09:00:00Z\",\"orders\":7}"},
        /* it exists: an empty body */
        {"POST /new-acct", 200, "LOCATION: ~/acct/7\nReplay-Nonce: n3\n", NULL},
        {"POST /new-acct", 400, "Replay-Nonce: n4\n",
         "{\"type\":\"urn:ietf:params:acme:error:accountDoesNotExist\"}"},
        {"POST /new-acct", 201, "Replay-Nonce: n5\n", "{}"},
        {"POST /new-acct", 201, "Location: ftp://ca/acct\nReplay-Nonce: n6\n", "{}"},
        {"POST /new-acct", 201, "Location: ~/acct/7\nReplay-Nonce: n7\n", "nonsense"},
        {0},
    };
    static const char *const contacts[] = {"mailto:a@example.com", "mailto:b@example.com"};
    struct acme_account_request request = {
        .contacts = contacts, .contact_count = 2, .terms_of_service_agreed = true};
    struct fake_ca fake;
    struct acme_account account = {0};
    struct err e = {0};
    fake_start(&fake, steps, false);
    fake_know_directory(&fake);
    char *url = fake_expand(&fake, "~/acct/7");
    assert_int_equal(acme_account_new(&fake.client, &request, &account, &e), 0);
    assert_true(account.created);
    assert_string_equal(account.url, url);
    assert_string_equal(account.status, "valid");
    assert_string_equal(account.initial_ip, "192.0.2.1");
    assert_string_equal(account.created_at, "2026-11-21T09:00:00Z");
    assert_non_null(strstr(account.document, "\"orders\":7"));
    assert_string_equal(fake.payloads[1],
                        "{\"contact\":[\"mailto:a@example.com\",\"mailto:b@example.com\"],"
                        "\"termsOfServiceAgreed\":true}");
    assert_string_equal(fake_header(&fake, 1, "kid"), "");
    assert_non_null(strstr(fake_header(&fake, 1, "jwk"), "\"EC\""));
    acme_account_finish(&account);

    request = (struct acme_account_request){.only_existing = true};
    assert_int_equal(acme_account_new(&fake.client, &request, &account, &e), 0);
    assert_false(account.created);
    assert_string_equal(account.url, url);
    assert_string_equal(account.status, "valid");
    assert_string_equal(account.document, "{}");
    assert_null(account.initial_ip);
    assert_string_equal(fake.payloads[2], "{\"onlyReturnExisting\":true}");
    acme_account_finish(&account);

    assert_int_equal(acme_account_new(&fake.client, &request, &account, &e), -1);
    assert_int_equal(e.code, ERR_CA_ACCOUNT_MISSING);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(acme_account_new(&fake.client, &request, &account, &e), -1);
        assert_int_equal(e.code, ERR_CA_PROTOCOL);
        assert_null(account.url);
    }
    free(url);
    fake_stop(&fake);
}

static void binds_an_external_account(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"HEAD /new-nonce", 200, "Replay-Nonce: n1\n", NULL},
        {"POST /new-acct", 201, "Location: ~/acct/7\n", "{}"},
        {0},
    };
    struct acme_account_request request = {
        .eab_kid = "kid-1", .eab_key = "secret", .eab_key_size = 6};
    struct fake_ca fake;
    struct acme_account account = {0};
    struct err e = {0};
    fake_start(&fake, steps, false);
    fake_know_directory(&fake);
    assert_int_equal(acme_account_new(&fake.client, &request, &account, &e), 0);
    struct json_object *payload = json_tokener_parse(fake.payloads[1]), *eab = NULL;
    assert_true(json_object_object_get_ex(payload, "externalAccountBinding", &eab));
    char *header = fake_member(eab, "protected"), *inner = fake_member(eab, "payload");
    char *expected =
        fake_expand(&fake, "{\"alg\":\"HS256\",\"kid\":\"kid-1\",\"url\":\"~/new-acct\"}");
    assert_string_equal(header, expected);
    struct buf jwk = {0};
    assert_int_equal(key_jwk(fake.key, &jwk, &e), 0);
    assert_string_equal(inner, jwk.data);
    buf_finish(&jwk);
    free(header);
    free(inner);
    free(expected);
    json_object_put(payload);
    acme_account_finish(&account);
    fake_stop(&fake);
}

static void changes_and_ends_an_account(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"HEAD /new-nonce", 200, "Replay-Nonce: n1\n", NULL},
        {"POST /acct/1", 200, "Replay-Nonce: n2\n", "{\"status\":\"valid\"}"},
        {"POST /acct/1", 200, "Replay-Nonce: n3\n", NULL},
        {"POST /acct/1", 200, "Replay-Nonce: n4\n", NULL},
        {"POST /acct/1", 401, "Replay-Nonce: n5\n",
         "{\"type\":\"urn:ietf:params:acme:error:unauthorized\",\"detail\":\"deactivated\"}"},
        {0},
    };
    static const char *const contacts[] = {"mailto:\"odd\"@example.com"};
    struct fake_ca fake;
    struct acme_account account = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_int_equal(acme_account_update_contacts(&fake.client, contacts, 1, &account, &e), 0);
    assert_string_equal(fake.payloads[1], "{\"contact\":[\"mailto:\\\"odd\\\"@example.com\"]}");
    assert_string_equal(account.url, fake.kid);
    acme_account_finish(&account);
    assert_int_equal(acme_account_update_contacts(&fake.client, NULL, 0, &account, &e), 0);
    assert_string_equal(fake.payloads[2], "{\"contact\":[]}");
    acme_account_finish(&account);
    assert_int_equal(acme_account_deactivate(&fake.client, &account, &e), 0);
    assert_string_equal(fake.payloads[3], "{\"status\":\"deactivated\"}");
    assert_string_equal(account.status, "deactivated");
    acme_account_finish(&account);
    assert_int_equal(acme_account_get(&fake.client, &account, &e), -1);
    assert_int_equal(e.code, ERR_CA_UNAUTHORIZED);
    fake_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_directories),
        cmocka_unit_test(refuses_what_is_no_directory),
        cmocka_unit_test(fetches_the_directory_once),
        cmocka_unit_test(takes_nonces_in_the_order_they_came),
        cmocka_unit_test(answers_bad_nonce_with_the_errors_own),
        cmocka_unit_test(gives_up_on_nonces_after_eight_more),
        cmocka_unit_test(sends_nothing_again_after_a_broken_connection),
        cmocka_unit_test(tells_what_the_ca_said),
        cmocka_unit_test(registers_an_account),
        cmocka_unit_test(binds_an_external_account),
        cmocka_unit_test(changes_and_ends_an_account),
    };
    struct err e;
    if (acme_http_library_init(&e) < 0)
        return 1;
    return cmocka_run_group_tests_name("client_request", tests, NULL, NULL);
}
