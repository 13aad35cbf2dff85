/* What an account can do beyond registering: against a CA that says what the test wants. */
#include "acme/client.h"
#include "tests/unit/fake_ca.h"
#include "tests/unit/unit.h"

static const struct fake_step nonce = {"HEAD /new-nonce", 200, "Replay-Nonce: n0\n", NULL};

static struct key *fresh_key(enum key_type type)
{
    struct key *key = NULL;
    struct err e;
    assert_int_equal(key_generate(type, &key, &e), 0);
    return key;
}

/* The whole inner JWS of request i: its header and its payload. */
static void assert_consent(const struct fake_ca *fake, int i, const struct key *new_key)
{
    struct json_object *jws = json_tokener_parse(fake->payloads[i]);
    char *header = fake_member(jws, "protected"), *payload = fake_member(jws, "payload");
    struct buf old_jwk = {0}, new_jwk = {0};
    struct err e;
    assert_int_equal(key_jwk(fake->key, &old_jwk, &e), 0);
    assert_int_equal(key_jwk(new_key, &new_jwk, &e), 0);
    char *want = mem_printf("{\"alg\":\"ES384\",\"jwk\":%s,\"url\":\"%s/key-change\"}",
                            new_jwk.data, fake->base);
    assert_string_equal(header, want);
    free(want);
    want = mem_printf("{\"account\":\"%s\",\"oldKey\":%s}", fake->kid, old_jwk.data);
    assert_string_equal(payload, want);
    free(want);
    free(header);
    free(payload);
    buf_finish(&old_jwk);
    buf_finish(&new_jwk);
    json_object_put(jws);
}

static void changes_the_key(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        nonce,
        {"POST /key-change", 400, "Replay-Nonce: n1\n",
         "{\"type\":\"urn:ietf:params:acme:error:badNonce\"}"},
        {"POST /key-change", 200, "Replay-Nonce: n2\n", NULL},
        {"POST /acct/1", 200, NULL, "{}"},
        {0},
    };
    struct fake_ca fake;
    struct acme_account account = {0};
    struct err e = {0};
    struct key *new_key = fresh_key(KEY_EC_P384);
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_int_equal(acme_account_key_change(&fake.client, new_key, &e), 0);
    for (int i = 1; i <= 2; i++) {
        assert_string_equal(fake_header(&fake, i, "alg"), "ES256");
        assert_string_equal(fake_header(&fake, i, "kid"), fake.kid);
        assert_string_equal(fake_header(&fake, i, "jwk"), "");
        assert_consent(&fake, i, new_key);
    }
    assert_string_equal(fake_header(&fake, 2, "nonce"), "n1");
    fake.client.key = new_key;
    assert_int_equal(acme_account_get(&fake.client, &account, &e), 0);
    assert_string_equal(fake_header(&fake, 3, "alg"), "ES384");
    acme_account_finish(&account);
    key_destroy(new_key);
    fake_stop(&fake);
}

static void tells_whose_key_it_is(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        nonce,
        {"POST /key-change", 409, "Replay-Nonce: n1\nLocation: ~/acct/2\n",
         "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"key in use\"}"},
        {"POST /key-change", 409, "Replay-Nonce: n2\nLocation: javascript:x\n", NULL},
        {"POST /key-change", 403, "Replay-Nonce: n3\nLocation: ~/acct/2\n",
         "{\"type\":\"urn:ietf:params:acme:error:unauthorized\"}"},
        {0},
    };
    struct fake_ca fake;
    struct err e = {0};
    struct key *new_key = fresh_key(KEY_EC_P384);
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    const struct acme_problem *problem = &fake.client.problem;
    char *holder = fake_expand(&fake, "~/acct/2");
    assert_int_equal(acme_account_key_change(&fake.client, new_key, &e), -1);
    assert_int_equal(e.code, ERR_CA_CONFLICT);
    assert_string_equal(e.detail, "key in use");
    assert_string_equal(problem->location, holder);
    assert_int_equal(acme_account_key_change(&fake.client, new_key, &e), -1);
    assert_int_equal(e.code, ERR_CA_CONFLICT);
    assert_null(problem->location);
    assert_int_equal(acme_account_key_change(&fake.client, new_key, &e), -1);
    assert_int_equal(e.code, ERR_CA_UNAUTHORIZED);
    assert_null(problem->location);
    free(holder);
    key_destroy(new_key);
    fake_stop(&fake);
}

/* The answer is lost: both keys are asked for, and the account's URL tells which one counts. */
static void finds_out_which_key_counts(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        nonce,
        {"POST /key-change", 0, NULL, NULL},
        {"HEAD /new-nonce", 200, "Replay-Nonce: n1\n", NULL},
        {"POST /new-acct", 200, "Location: ~/acct/1\nReplay-Nonce: n2\n", NULL},
        {"POST /new-acct", 400, "Replay-Nonce: n3\n",
         "{\"type\":\"urn:ietf:params:acme:error:accountDoesNotExist\"}"},
        {0},
    };
    struct fake_ca fake;
    struct acme_account account = {0};
    struct acme_account_request find = {.only_existing = true};
    struct err e = {0};
    struct key *new_key = fresh_key(KEY_EC_P384);
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_int_equal(acme_account_key_change(&fake.client, new_key, &e), -1);
    assert_int_equal(e.code, ERR_CA_UNREACHABLE);
    fake.client.key = new_key;
    assert_int_equal(acme_account_new(&fake.client, &find, &account, &e), 0);
    assert_string_equal(account.url, fake.kid);
    assert_string_equal(fake_header(&fake, 3, "alg"), "ES384");
    acme_account_finish(&account);
    fake.client.key = fake.key;
    assert_int_equal(acme_account_new(&fake.client, &find, &account, &e), -1);
    assert_int_equal(e.code, ERR_CA_ACCOUNT_MISSING);
    assert_string_equal(fake_header(&fake, 4, "alg"), "ES256");
    key_destroy(new_key);
    fake_stop(&fake);
}

static void says_so_when_keys_cannot_change(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {"GET /dir", 200, NULL,
         "{\"newNonce\":\"~/n\",\"newAccount\":\"~/a\",\"newOrder\":\"~/o\"}"},
        {0},
    };
    struct fake_ca fake;
    struct err e = {0};
    fake_start(&fake, steps, true);
    assert_int_equal(acme_account_key_change(&fake.client, fake.key, &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    assert_non_null(strstr(e.detail, "keyChange"));
    fake_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_the_key),
        cmocka_unit_test(tells_whose_key_it_is),
        cmocka_unit_test(finds_out_which_key_counts),
        cmocka_unit_test(says_so_when_keys_cannot_change),
    };
    struct err e;
    if (acme_http_library_init(&e) < 0)
        return 1;
    return cmocka_run_group_tests_name("client_account", tests, NULL, NULL);
}
