/* Who may do what: patterns, addresses, grants, and the text of tokens. */
#include "server/access/grant.h"
#include "server/access/network.h"
#include "server/access/pattern.h"
#include "server/access/secret.h"
#include "tests/unit/unit.h"

#include <string.h>

static bool fits(const char *pattern_text, const char *name)
{
    struct pattern pattern;
    struct identifier id;
    struct err e;
    if (pattern_parse(pattern_text, &pattern, &e) < 0 || identifier_parse(name, &id, &e) < 0)
        fail_msg("%s or %s: %s", pattern_text, name, e.detail);
    return pattern_matches(&pattern, &id);
}

static void patterns_grant_what_they_say(void **state)
{
    static const struct {
        const char *pattern;
        const char *name;
        bool fits;
    } cases[] = {
        {"example.com", "example.com", true},
        {"example.com", "EXAMPLE.com.", true},
        {"example.com", "www.example.com", false},
        {"example.com", "*.example.com", false},
        {"www.example.com", "example.com", false},
        {"*.example.com", "www.example.com", true},
        {"*.Example.COM", "www.example.com", true},
        {"*.example.com", "example.com", false},
        {"*.example.com", "a.b.example.com", false},
        {"*.example.com", "*.example.com", false},
        {"*.example.com", "*.www.example.com", false},
        {"*.example.com", "www.notexample.com", false},
        {"*.example.com", "wwwexample.com", false},
        {"=*.example.com", "*.example.com", true},
        {"=*.example.com", "www.example.com", false},
        {"=*.example.com", "example.com", false},
        {"=*.example.com", "*.www.example.com", false},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.0/24", "192.0.2.200", true},
        {"192.0.2.0/24", "192.0.3.1", false},
        {"2001:db8::/32", "2001:db8:1::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"0.0.0.0/0", "example.com", false},
        {"*.example.com", "192.0.2.1", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (fits(cases[i].pattern, cases[i].name) != cases[i].fits)
            fail_msg("%s and %s: not %d", cases[i].pattern, cases[i].name, cases[i].fits);
}

static void patterns_that_are_none(void **state)
{
    static const char *const bad[] = {"",
                                      "*",
                                      "*.*.example.com",
                                      "w*.example.com",
                                      "=example.com",
                                      "==*.example.com",
                                      "=192.0.2.1",
                                      "192.0.2.1/24",
                                      "192.0.2.0/33",
                                      "unix/0",
                                      "example.com/24",
                                      "com"};
    struct pattern pattern;
    struct err e;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (pattern_parse(bad[i], &pattern, &e) != -1)
            fail_msg("%s is taken", bad[i]);
}

static bool contains(const char *outer_text, const char *inner_text)
{
    struct network outer;
    struct network inner;
    assert_null(network_parse(outer_text, &outer));
    assert_null(network_parse(inner_text, &inner));
    return network_contains(&outer, &inner);
}

static void ranges_contain_addresses(void **state)
{
    static const char *const bad[] = {"",           "10.0.0.0/",  "10.0.0.0/33",  "10.0.0.0/08",
                                      "10.0.0.1/8", "10.0.0/8",   "::/129",       "::1/127",
                                      "localhost",  "10.0.0.0/-", "10.0.0.0/8/8", "UNIX"};
    struct network network;
    (void)state;
    assert_true(contains("10.0.0.0/8", "10.255.0.1"));
    assert_false(contains("10.0.0.0/8", "11.0.0.1"));
    assert_true(contains("10.0.0.0/8", "10.1.0.0/16"));
    assert_false(contains("10.1.0.0/16", "10.0.0.0/8"));
    assert_true(contains("0.0.0.0/0", "192.0.2.1"));
    assert_false(contains("0.0.0.0/0", "::1"));
    assert_false(contains("0.0.0.0/0", "unix"));
    assert_false(contains("unix", "127.0.0.1"));
    assert_true(contains("unix", "unix"));
    assert_true(contains("fe80::/10", "febf::1"));
    assert_false(contains("fe80::/10", "fec0::1"));
    assert_true(contains("127.0.0.1", "127.0.0.1"));
    assert_false(contains("127.0.0.1", "127.0.0.0"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!network_parse(bad[i], &network))
            fail_msg("%s is taken", bad[i]);
}

static struct grant *make_grant(const char *pattern, const char *network, const char *label)
{
    struct grant *grant = grant_create();
    struct err e;
    if (pattern)
        assert_int_equal(grant_add_identifier(grant, pattern, &e), 0);
    if (network)
        assert_int_equal(grant_add_address(grant, network, &e), 0);
    if (label)
        grant_add_label(grant, "team", label);
    return grant;
}

static void grants_take_whole_certificates(void **state)
{
    (void)state;
    struct grant *none = make_grant(NULL, "10.0.0.0/8", NULL);
    assert_false(grant_is_narrow(none));
    assert_false(grant_is_narrow(NULL));
    assert_true(grant_takes(none, "[\"a.example\"]", "{}"));
    assert_true(grant_takes(NULL, "[\"a.example\"]", "{}"));
    grant_release(none);

    struct grant *names = make_grant("*.a.example", NULL, NULL);
    assert_true(grant_is_narrow(names));
    assert_true(grant_takes(names, "[\"1.a.example\",\"2.a.example\"]", "{}"));
    assert_false(grant_takes(names, "[\"1.a.example\",\"b.example\"]", "{}"));
    assert_false(grant_takes(names, "[]", "{}"));
    assert_false(grant_takes(names, "no JSON", "{}"));
    grant_release(names);

    struct grant *labels = make_grant(NULL, NULL, "web");
    assert_true(grant_is_narrow(labels));
    assert_true(grant_takes(labels, "[\"a.example\"]", "{\"team\":\"web\",\"x\":\"y\"}"));
    assert_false(grant_takes(labels, "[\"a.example\"]", "{\"team\":\"db\"}"));
    assert_false(grant_takes(labels, "[\"a.example\"]", "{}"));
    grant_release(labels);

    struct grant *both = make_grant("a.example", NULL, "web");
    assert_true(grant_takes(both, "[\"a.example\"]", "{\"team\":\"web\"}"));
    assert_false(grant_takes(both, "[\"a.example\"]", "{}"));
    assert_false(grant_takes(both, "[\"b.example\"]", "{\"team\":\"web\"}"));
    grant_release(both);
}

static void grants_take_their_addresses(void **state)
{
    struct err e;
    (void)state;
    struct grant *grant = make_grant(NULL, "10.0.0.0/8", NULL);
    assert_true(grant_takes_address(grant, "10.1.2.3"));
    assert_false(grant_takes_address(grant, "127.0.0.1"));
    assert_false(grant_takes_address(grant, "::1"));
    assert_false(grant_takes_address(grant, NULL));
    assert_false(grant_takes_address(grant, ""));
    assert_int_equal(grant_add_address(grant, "unix", &e), 0);
    assert_true(grant_takes_address(grant, NULL));
    grant_release(grant);
}

static void grants_have_their_time(void **state)
{
    struct err e;
    (void)state;
    struct grant *grant = grant_create();
    assert_int_equal(grant_check_time(grant, 0, &e), 0);
    grant_set_times(grant, 1000, 2000);
    assert_int_equal(grant_check_time(grant, 999, &e), -1);
    assert_int_equal(e.code, ERR_UNAUTHENTICATED);
    assert_int_equal(grant_check_time(grant, 1000, &e), 0);
    assert_int_equal(grant_check_time(grant, 1999, &e), 0);
    assert_int_equal(grant_check_time(grant, 2000, &e), -1);
    struct grant *held = grant_hold(grant);
    grant_end(grant);
    grant_release(grant);
    assert_int_equal(grant_check_time(held, 1500, &e), -1);
    grant_release(held);
}

static bool covers(const char *outer_network, int64_t outer_from, int64_t outer_to,
                   const char *inner_network, int64_t inner_from, int64_t inner_to)
{
    struct grant *outer = make_grant(NULL, outer_network, NULL);
    struct grant *inner = make_grant(NULL, inner_network, NULL);
    grant_set_times(outer, outer_from, outer_to);
    grant_set_times(inner, inner_from, inner_to);
    bool covered = grant_covers(outer, inner);
    grant_release(outer);
    grant_release(inner);
    return covered;
}

static void grants_cover_what_is_no_wider(void **state)
{
    (void)state;
    assert_true(covers(NULL, 0, 0, NULL, 0, 0));
    assert_true(covers(NULL, 0, 0, "10.0.0.0/8", 5, 6));
    assert_true(covers("10.0.0.0/8", 0, 0, "10.1.0.0/16", 0, 0));
    assert_false(covers("10.1.0.0/16", 0, 0, "10.0.0.0/8", 0, 0));
    assert_false(covers("10.0.0.0/8", 0, 0, NULL, 0, 0));
    assert_true(covers(NULL, 5, 9, NULL, 5, 9));
    assert_false(covers(NULL, 5, 9, NULL, 4, 9));
    assert_false(covers(NULL, 5, 9, NULL, 5, 10));
    assert_false(covers(NULL, 5, 9, NULL, 5, 0));
}

static void secrets_have_a_checksum(void **state)
{
    char one[SECRET_SIZE];
    char other[SECRET_SIZE];
    unsigned char hash[SECRET_HASH_SIZE];
    struct err e;
    (void)state;
    assert_int_equal(secret_make(one, &e), 0);
    assert_int_equal(secret_make(other, &e), 0);
    assert_int_equal(strlen(one), SECRET_SIZE - 1);
    assert_int_equal(strspn(one + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "abcdefghijklmnopqrstuvwxyz"),
                     SECRET_SIZE - 4);
    assert_string_not_equal(one, other);
    assert_false(secret_is_damaged(one));
    assert_false(secret_is_damaged("another-text-of-the-operator"));
    for (int i = 3; i < SECRET_SIZE - 1; i++) {
        char before = one[i];
        one[i] = before == 'x' ? 'y' : 'x';
        if (!secret_is_damaged(one))
            fail_msg("the typing error at %d is not seen", i);
        one[i] = before;
    }
    one[20] = '\0';
    assert_true(secret_is_damaged(one));
    /* As others compute it: the check by zlib's crc32, SHA-256 by FIPS 180-4. */
    assert_false(secret_is_damaged("cw_00000000000000000000000000000000000000000002CZclj"));
    secret_hash("abc", hash);
    assert_int_equal(hash[0], 0xba);
    assert_int_equal(hash[31], 0xad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_grant_what_they_say),
        cmocka_unit_test(patterns_that_are_none),
        cmocka_unit_test(ranges_contain_addresses),
        cmocka_unit_test(grants_take_whole_certificates),
        cmocka_unit_test(grants_take_their_addresses),
        cmocka_unit_test(grants_have_their_time),
        cmocka_unit_test(grants_cover_what_is_no_wider),
        cmocka_unit_test(secrets_have_a_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
