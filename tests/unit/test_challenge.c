#include "acme/challenge.h"
#include "tests/unit/fixture.h"
#include "tests/unit/unit.h"

#include <string.h>

/* The thumbprint of RFC 7638; the value by `printf %s … | openssl dgst -sha256`. */
static void derives_dns01(void **state)
{
    (void)state;
    struct buf pem = fixture("keys/rfc7517-a2-rsa.pem");
    struct key *key = NULL;
    struct err e = {0};
    char *authorization = NULL, value[CHALLENGE_DNS01_VALUE_SIZE];
    assert_int_equal(key_from_pem(pem.data, pem.size, &key, &e), 0);
    assert_int_equal(challenge_key_authorization("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA", key,
                                                 &authorization, &e),
                     0);
    assert_string_equal(authorization, "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA."
                                       "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    challenge_dns01_value(authorization, value);
    assert_string_equal(value, "ZTRx1Ckl1-tM05o5zaizTTA0yUy5AGereMgSNWC6Ll8");
    free(authorization);
    key_destroy(key);
    buf_finish_secret(&pem);
}

static void refuses_tokens_that_are_not_base64url(void **state)
{
    (void)state;
    char long_token[CHALLENGE_TOKEN_MAX + 2];
    memset(long_token, 'a', sizeof long_token - 1);
    long_token[sizeof long_token - 1] = '\0';
    const char *const bad[] = {
        "", "../../etc/passwd", "a/b", "a b", "a=", "a.b", "<script>", "a\n", "ü", long_token};
    struct key *key = NULL;
    struct err e = {0};
    assert_int_equal(key_generate(KEY_EC_P256, &key, &e), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *authorization = NULL;
        assert_int_equal(challenge_key_authorization(bad[i], key, &authorization, &e), -1);
        assert_int_equal(e.code, ERR_CA_PROTOCOL);
        assert_null(authorization);
    }
    key_destroy(key);
}

static void names_the_record(void **state)
{
    (void)state;
    char name[CHALLENGE_DNS01_NAME_SIZE], longest[254];
    challenge_dns01_name("www.example.com", name);
    assert_string_equal(name, "_acme-challenge.www.example.com");
    challenge_dns01_name("*.example.com", name);
    assert_string_equal(name, "_acme-challenge.example.com");
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    challenge_dns01_name(longest, name);
    assert_int_equal(strlen(name), 16 + 253);
}

/* The vector of draft-ietf-acme-dns-account-label. */
static void names_the_record_of_an_account(void **state)
{
    (void)state;
    static const char url[] = "https://example.com/acme/acct/ExampleAccount";
    char name[CHALLENGE_DNS_ACCOUNT01_NAME_SIZE], longest[254];
    challenge_dns_account01_name(url, "example.org", name);
    assert_string_equal(name, "_ujmmovf2vn55tgye._acme-challenge.example.org");
    challenge_dns_account01_name(url, "*.example.org", name);
    assert_string_equal(name, "_ujmmovf2vn55tgye._acme-challenge.example.org");
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    challenge_dns_account01_name(url, longest, name);
    assert_int_equal(strlen(name), 18 + 16 + 253);
}

static char *persistent(const char *issuer, const char *url, bool wildcard, int64_t until)
{
    char *value = NULL;
    struct err e;
    assert_int_equal(challenge_dns_persist01_value(issuer, url, wildcard, until, &value, &e), 0);
    return value;
}

static void reads_persistent_records(void **state)
{
    (void)state;
    static const char wanted[] = "ca.example,other.example.; accounturi=https://ca.example/1";
    static const char wild[] = "ca.example; accounturi=https://ca.example/1; policy=wildcard";
    static const struct {
        const char *value;
        bool fits, fits_wild;
    } cases[] = {
        {"ca.example; accounturi=https://ca.example/1", true, false},
        {"other.example; accounturi=https://ca.example/1", true, false},
        {"CA.example.;AccountURI=https://ca.example/1;POLICY=WildCard", true, true},
        {"  ca.example ;x=y;; policy = wildcard ; accounturi = https://ca.example/1 ", true, true},
        {"ca.example; policy=all; accounturi=https://ca.example/1", true, false},
        {"ca.example; accounturi=https://ca.example/1; persistUntil=2001", true, false},
        {"ca.example; accounturi=https://ca.example/1; persistuntil=2000", false, false},
        {"ca.example; accounturi=https://ca.example/1; persistUntil=", false, false},
        {"ca.example; accounturi=https://ca.example/1; persistUntil=2e9", false, false},
        {"ca.example; accounturi=https://ca.example/1; persistUntil=9999999999999999999", false,
         false},
        {"ca.example; accounturi=https://CA.example/1", false, false},
        {"ca.example; accounturi=https://ca.example/1; accounturi=https://ca.example/1", false,
         false},
        {"ca.example; accounturi=https://ca.example/1; lone", false, false},
        {"ca.example; accounturi=", false, false},
        {"; accounturi=https://ca.example/1", false, false},
        {"ca.example,other.example; accounturi=https://ca.example/1", false, false},
        {"example; accounturi=https://ca.example/1", false, false},
        {"ca.example", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (challenge_dns_persist01_fits(cases[i].value, wanted, 2000) != cases[i].fits)
            fail_msg("%s", cases[i].value);
        if (challenge_dns_persist01_fits(cases[i].value, wild, 2000) != cases[i].fits_wild)
            fail_msg("%s, for a wildcard", cases[i].value);
    }
}

static void makes_the_persistent_record(void **state)
{
    (void)state;
    static const char url[] = "https://ca.example/acct/123";
    char name[CHALLENGE_DNS_PERSIST01_NAME_SIZE], longest[254];
    challenge_dns_persist01_name("*.example.org", name);
    assert_string_equal(name, "_validation-persist.example.org");
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    challenge_dns_persist01_name(longest, name);
    assert_int_equal(strlen(name), 20 + 253);

    char *value = persistent("letsencrypt.org", url, false, 0);
    assert_string_equal(value, "letsencrypt.org; accounturi=https://ca.example/acct/123");
    free(value);
    value = persistent("letsencrypt.org", url, true, 1795856400);
    assert_string_equal(value, "letsencrypt.org; accounturi=https://ca.example/acct/123; "
                               "policy=wildcard; persistUntil=1795856400");
    free(value);
}

static void refuses_what_breaks_the_record(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "https://ca/1"},
        {"ca.example; policy=wildcard", "https://ca/1"},
        {"ca example", "https://ca/1"},
        {"ca\".example", "https://ca/1"},
        {"ca.example", ""},
        {"ca.example", "https://ca/1; policy=wildcard"},
        {"ca.example", "https://ca/1 2"},
        {"ca.example", "https://ca/1\n"},
        {"ca.example", "https://ca/ü"},
        {"ca.example", "https://ca/\"1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *value = NULL;
        struct err e = {0};
        assert_int_equal(
            challenge_dns_persist01_value(rows[i][0], rows[i][1], false, 0, &value, &e), -1);
        assert_int_equal(e.code, ERR_CA_PROTOCOL);
        assert_null(value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derives_dns01),
        cmocka_unit_test(refuses_tokens_that_are_not_base64url),
        cmocka_unit_test(names_the_record),
        cmocka_unit_test(names_the_record_of_an_account),
        cmocka_unit_test(makes_the_persistent_record),
        cmocka_unit_test(reads_persistent_records),
        cmocka_unit_test(refuses_what_breaks_the_record),
    };
    return cmocka_run_group_tests_name("challenge", tests, NULL, NULL);
}
