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

static int list_orders(struct fake_ca *fake, struct acme_order_list *out, struct err *e)
{
    char *url = fake_expand(fake, "~/orders/1");
    int rc = acme_account_list_orders(&fake->client, url, out, e);
    free(url);
    return rc;
}

static void assert_orders(const struct fake_ca *fake, const struct acme_order_list *list,
                          size_t count)
{
    assert_int_equal(list->count, count);
    for (size_t i = 0; i < count; i++) {
        char *url = mem_printf("%s/order/%zu", fake->base, i + 1);
        assert_string_equal(list->urls[i], url);
        free(url);
    }
}

/* An object with pages, a bare array (smallstep), and none at all (Boulder). */
static void lists_orders_in_every_dialect(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        nonce,
        {"POST /acct/1", 200, "Replay-Nonce: n1\n",
         "{\"status\":\"valid\",\"orders\":\"~/orders/1\"}"},
        {"POST /orders/1", 200,
         "Link: <~/dir>;rel=\"index\"\nLink: <~/orders/1?cursor=2>;rel=\"next\"\nReplay-Nonce: "
         "n2\n",
         "{\"orders\":[\"~/order/1\",\"~/order/2\"],\"new\":1}"},
        {"POST /orders/1?cursor=2", 200, "Link: </orders/1?cursor=3>;rel=next\nReplay-Nonce: n3\n",
         "{\"orders\":[]}"},
        {"POST /orders/1?cursor=3", 200, "Replay-Nonce: n4\n", "{\"orders\":[\"~/order/3\"]}"},
        {"POST /orders/1", 200, "Replay-Nonce: n5\n", "[\"~/order/1\",\"~/order/2\"]\n"},
        {"POST /orders/1", 200, "Replay-Nonce: n6\n", "[]"},
        {"POST /acct/1", 200, "Replay-Nonce: n7\n", "{\"status\":\"valid\"}"},
        {"POST /acct/1", 200, "Replay-Nonce: n8\n", "{\"orders\":\"gopher://ca/orders\"}"},
        {0},
    };
    struct fake_ca fake;
    struct acme_account account = {0};
    struct acme_order_list list = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_int_equal(acme_account_get(&fake.client, &account, &e), 0);
    assert_int_equal(acme_account_list_orders(&fake.client, account.orders_url, &list, &e), 0);
    assert_string_equal(fake.payloads[2], "");
    assert_orders(&fake, &list, 3);
    assert_false(list.truncated);
    acme_order_list_finish(&list);
    acme_account_finish(&account);

    static const size_t counts[] = {2, 0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(list_orders(&fake, &list, &e), 0);
        assert_orders(&fake, &list, counts[i]);
        assert_false(list.truncated);
        acme_order_list_finish(&list);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(acme_account_get(&fake.client, &account, &e), 0);
        assert_null(account.orders_url);
        acme_account_finish(&account);
    }
    fake_stop(&fake);
}

static void leaves_circles_of_pages(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        nonce,
        {"POST /orders/1", 200, "Link: <~/orders/2>;rel=\"next\"\nReplay-Nonce: n2\n",
         "{\"orders\":[\"~/order/1\"]}"},
        {"POST /orders/2", 200, "Link: <~/orders/1>;rel=\"next\"\nReplay-Nonce: n3\n",
         "{\"orders\":[\"~/order/2\"]}"},
        {0},
    };
    struct fake_ca fake;
    struct acme_order_list list = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_int_equal(list_orders(&fake, &list, &e), 0);
    assert_orders(&fake, &list, 2);
    assert_true(list.truncated);
    acme_order_list_finish(&list);
    fake_stop(&fake);
}

static void turns_a_hundred_pages_at_most(void **state)
{
    (void)state;
    enum { COUNT = ACME_ORDER_LIST_PAGES_MAX };
    static struct fake_step steps[COUNT + 2];
    static char expected[COUNT][32], headers[COUNT][80];
    steps[0] = nonce;
    for (int i = 0; i < COUNT; i++) {
        snprintf(expected[i], sizeof expected[i], "POST /orders/%d", i + 1);
        snprintf(headers[i], sizeof headers[i], "Link: <~/orders/%d>;rel=next\nReplay-Nonce: nx\n",
                 i + 2);
        steps[i + 1] = (struct fake_step){expected[i], 200, headers[i], "[]"};
    }
    struct fake_ca fake;
    struct acme_order_list list = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_int_equal(list_orders(&fake, &list, &e), 0);
    assert_int_equal(list.count, 0);
    assert_true(list.truncated);
    acme_order_list_finish(&list);
    fake_stop(&fake);
}

static void takes_a_thousand_orders_at_most(void **state)
{
    (void)state;
    enum { PAGE = 400 };
    struct buf pages[3] = {{0}};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 1; j <= PAGE; j++)
            buf_printf(&pages[i], "%s\"~/order/%zu\"", j == 1 ? "[" : ",", i * PAGE + j);
        buf_add_char(&pages[i], ']');
    }
    const struct fake_step steps[] = {
        nonce,
        {"POST /orders/1", 200, "Link: <~/o/2>;rel=next\nReplay-Nonce: nx\n", pages[0].data},
        {"POST /o/2", 200, "Link: <~/o/3>;rel=next\nReplay-Nonce: nx\n", pages[1].data},
        {"POST /o/3", 200, "Link: <~/o/4>;rel=next\nReplay-Nonce: nx\n", pages[2].data},
        {0},
    };
    struct fake_ca fake;
    struct acme_order_list list = {0};
    struct err e = {0};
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    assert_int_equal(list_orders(&fake, &list, &e), 0);
    assert_orders(&fake, &list, ACME_ORDER_LIST_MAX);
    assert_true(list.truncated);
    acme_order_list_finish(&list);
    for (size_t i = 0; i < 3; i++)
        buf_finish(&pages[i]);
    fake_stop(&fake);
}

static void refuses_lists_that_make_no_sense(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        const char *body;
    } rows[] = {
        {"Replay-Nonce: nx\n", ""},
        {"Replay-Nonce: nx\n", "null"},
        {"Replay-Nonce: nx\n", "{}"},
        {"Replay-Nonce: nx\n", "{\"orders\":\"~/order/1\"}"},
        {"Replay-Nonce: nx\n", "[7]"},
        {"Replay-Nonce: nx\n", "[\"~/order/1\",\"/order/2\"]"},
        {"Replay-Nonce: nx\n", "[\"~/order/1\"] x"},
        {"Replay-Nonce: nx\nLink: <file:///etc/passwd>;rel=next\n", "[\"~/order/1\"]"},
    };
    enum { COUNT = sizeof rows / sizeof *rows };
    struct fake_step steps[COUNT + 2] = {nonce};
    for (size_t i = 0; i < COUNT; i++)
        steps[i + 1] = (struct fake_step){"POST /orders/1", 200, rows[i].headers, rows[i].body};
    struct fake_ca fake;
    fake_start(&fake, steps, true);
    fake_know_directory(&fake);
    for (size_t i = 0; i < COUNT; i++) {
        struct acme_order_list list = {0};
        struct err e = {0};
        if (list_orders(&fake, &list, &e) == 0)
            fail_msg("taken: %s", rows[i].body);
        assert_int_equal(e.code, ERR_CA_PROTOCOL);
        assert_int_equal(list.count, 0);
    }
    fake_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_the_key),
        cmocka_unit_test(tells_whose_key_it_is),
        cmocka_unit_test(finds_out_which_key_counts),
        cmocka_unit_test(says_so_when_keys_cannot_change),
        cmocka_unit_test(lists_orders_in_every_dialect),
        cmocka_unit_test(leaves_circles_of_pages),
        cmocka_unit_test(turns_a_hundred_pages_at_most),
        cmocka_unit_test(takes_a_thousand_orders_at_most),
        cmocka_unit_test(refuses_lists_that_make_no_sense),
    };
    struct err e;
    if (acme_http_library_init(&e) < 0)
        return 1;
    return cmocka_run_group_tests_name("client_account", tests, NULL, NULL);
}
