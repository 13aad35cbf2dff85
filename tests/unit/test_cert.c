/* Chains and leaves, made by another implementation (pyca/cryptography), and their checks. */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/cert.h"
#include "tests/unit/fixture.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static const int64_t not_before = 1795251600000; /* 2026-11-21T09:00:00Z */
static const int64_t not_after = 1803027599000;  /* 2027-02-19T08:59:59Z */

static struct cert_info read_leaf(const char *name)
{
    struct buf pem = fixture(name), leaf = {0}, chain = {0};
    struct cert_info info = {0};
    struct err e;
    if (cert_chain_read(pem.data, pem.size, &leaf, &chain, &info, &e) < 0)
        fail_msg("%s: %s", name, e.detail);
    buf_finish(&pem);
    buf_finish(&leaf);
    buf_finish(&chain);
    return info;
}

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, word)); p++)
        n++;
    return n;
}

static void reads_a_chain(void **state)
{
    (void)state;
    struct buf pem = fixture("certs/chain.pem"), leaf = {0}, chain = {0};
    struct buf expected = fixture("certs/leaf.pem");
    struct cert_info info = {0};
    struct err e;
    assert_int_equal(cert_chain_read(pem.data, pem.size, &leaf, &chain, &info, &e), 0);
    assert_string_equal(leaf.data, expected.data);
    assert_int_equal(count_of(chain.data, "-----BEGIN CERTIFICATE-----\n"), 2);
    assert_int_equal(count_of(chain.data, "\n\n"), 0);
    assert_string_equal(info.serial, "87654321");
    assert_string_equal(info.issuer, "CN=Test Intermediate é,O=Test CA\\, Ltd,C=XX");
    assert_string_equal(info.subject, "");
    assert_int_equal(info.not_before_ms, not_before);
    assert_int_equal(info.not_after_ms, not_after);
    assert_int_equal(info.key_type, KEY_EC_P256);
    static const char *const names[] = {"*.example.com", "example.com", "www.example.com",
                                        "192.0.2.1", "2001:db8::1"};
    assert_int_equal(info.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(info.ids[i].value, names[i]);
    cert_info_finish(&info);
    buf_finish(&pem);
    buf_finish(&leaf);
    buf_finish(&chain);
    buf_finish(&expected);
}

/* The leaf in place of each certificate of the chain in turn. */
static void tells_where_a_chain_breaks(void **state)
{
    (void)state;
    struct buf whole = fixture("certs/chain.pem"), alone = fixture("certs/leaf.pem");
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    const char *second = strstr(strstr(whole.data, begin) + 1, begin);
    const char *third = strstr(second + 1, begin);
    char *skips = mem_printf("%s%s", alone.data, third);
    char *repeats = mem_printf("%s%.*s%s", alone.data, (int)(third - second), second, second);
    char *alien = mem_printf("%s%s", whole.data, alone.data);
    const struct {
        const char *pem;
        int at;
    } rows[] = {{whole.data, 0}, {alone.data, 0}, {skips, 1}, {repeats, 2}, {alien, 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf leaf = {0}, chain = {0};
        struct cert_info info = {0};
        struct err e;
        assert_int_equal(
            cert_chain_read(rows[i].pem, strlen(rows[i].pem), &leaf, &chain, &info, &e), 0);
        assert_int_equal(info.chain_break, rows[i].at);
        cert_info_finish(&info);
        buf_finish(&leaf);
        buf_finish(&chain);
    }
    free(skips);
    free(repeats);
    free(alien);
    buf_finish(&whole);
    buf_finish(&alone);
}

static void drops_text_between_blocks(void **state)
{
    (void)state;
    struct buf one = fixture("certs/leaf.pem"), leaf = {0}, chain = {0};
    char *noisy = mem_printf("subject=x\r\n%s\nissuer=y\n%s trailing", one.data, one.data);
    struct cert_info info = {0};
    struct err e;
    assert_int_equal(cert_chain_read(noisy, strlen(noisy), &leaf, &chain, &info, &e), 0);
    assert_string_equal(leaf.data, one.data);
    assert_string_equal(chain.data, one.data);
    cert_info_finish(&info);
    free(noisy);
    buf_finish(&one);
    buf_finish(&leaf);
    buf_finish(&chain);
}

static void reads_unusual_leaves(void **state)
{
    (void)state;
    struct cert_info info = read_leaf("certs/no-san.pem");
    assert_int_equal(info.count, 0);
    assert_string_equal(info.subject, "CN=example.com");
    assert_string_equal(info.serial, "05");
    cert_info_finish(&info);

    info = read_leaf("certs/mail-san.pem");
    assert_int_equal(info.count, 1);
    assert_string_equal(info.serial, "4000000000000000000000000000000000000001");
    cert_info_finish(&info);
}

static void refuses_what_is_no_chain(void **state)
{
    (void)state;
    struct buf one = fixture("certs/leaf.pem"), many = {0};
    struct buf key = fixture("keys/p256-pkcs8.pem");
    for (int i = 0; i <= CERT_CHAIN_MAX_CERTS; i++)
        buf_add(&many, one.data, one.size);
    char *cut = mem_strndup(one.data, one.size - 40);
    char *with_key = mem_printf("%s%s", one.data, key.data);
    char *then_garbage = mem_printf("%s-----BEGIN CERTIFICATE-----\nAAAA\n"
                                    "-----END CERTIFICATE-----\n",
                                    one.data);
    char *big = mem_new(CERT_CHAIN_MAX_BYTES + 2, 1);
    memset(big, '\n', CERT_CHAIN_MAX_BYTES + 1);
    const char *const inputs[] = {
        "", "no PEM", "<html>502 Bad Gateway</html>", many.data, cut, with_key, then_garbage, big};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        struct buf leaf = {0}, chain = {0};
        struct cert_info info = {.count = 42};
        struct err e = {0};
        assert_int_equal(cert_chain_read(inputs[i], strlen(inputs[i]), &leaf, &chain, &info, &e),
                         -1);
        assert_int_equal(e.code, ERR_CERT_INVALID);
        assert_int_equal(info.count, 42);
        assert_int_equal(leaf.size + chain.size, 0);
    }
    free(cut);
    free(with_key);
    free(then_garbage);
    free(big);
    buf_finish(&one);
    buf_finish(&many);
    buf_finish_secret(&key);
}

static void refuses_leaves_it_cannot_judge(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum err_code code;
    } rows[] = {{"certs/nul-name.pem", ERR_CERT_INVALID}, {"certs/p521.pem", ERR_KEY_UNSUPPORTED}};
    for (size_t i = 0; i < 2; i++) {
        struct buf pem = fixture(rows[i].name), leaf = {0}, chain = {0};
        struct cert_info info = {0};
        struct err e = {0};
        assert_int_equal(cert_chain_read(pem.data, pem.size, &leaf, &chain, &info, &e), -1);
        assert_int_equal(e.code, rows[i].code);
        buf_finish(&pem);
    }
}

static int check(const struct cert_info *info, const char *spki, size_t skip, const char *more,
                 int64_t now, struct err *e)
{
    struct identifier ids[8];
    size_t n = 0;
    for (size_t i = 0; i < info->count; i++)
        if (i != skip)
            ids[n++] = info->ids[i];
    if (more)
        assert_int_equal(identifier_parse(more, &ids[n++], e), 0);
    n = identifiers_sort(ids, n);
    return cert_check(info, spki, ids, n, now, e);
}

static void checks_key_names_and_time(void **state)
{
    (void)state;
    struct cert_info info = read_leaf("certs/leaf.pem");
    struct err e = {0};
    const size_t none = 99;
    char spki[KEY_SPKI_SHA256_SIZE], other[KEY_SPKI_SHA256_SIZE];
    memcpy(spki, info.spki_sha256, sizeof spki);
    memset(other, '0', sizeof other - 1);
    other[sizeof other - 1] = '\0';

    assert_int_equal(check(&info, spki, none, NULL, not_before, &e), 0);
    assert_int_equal(check(&info, spki, none, NULL, not_before - CLOCK_HOUR_MS, &e), 0);
    assert_int_equal(check(&info, spki, none, NULL, not_after, &e), 0);

    assert_int_equal(check(&info, other, none, NULL, not_before, &e), -1);
    assert_int_equal(e.code, ERR_CERT_KEY_MISMATCH);
    for (size_t i = 0; i < info.count; i++) {
        assert_int_equal(check(&info, spki, i, NULL, not_before, &e), -1);
        assert_int_equal(e.code, ERR_CERT_NAMES_MISMATCH);
        assert_non_null(strstr(e.detail, info.ids[i].value));
    }
    assert_int_equal(check(&info, spki, none, "zzz.example.com", not_before, &e), -1);
    assert_int_equal(e.code, ERR_CERT_NAMES_MISMATCH);
    assert_non_null(strstr(e.detail, "lacks 'zzz.example.com'"));
    assert_int_equal(check(&info, spki, none, NULL, not_before - CLOCK_HOUR_MS - 1, &e), -1);
    assert_int_equal(e.code, ERR_CERT_VALIDITY);
    assert_int_equal(check(&info, spki, none, NULL, not_after + 1, &e), -1);
    assert_int_equal(e.code, ERR_CERT_VALIDITY);
    cert_info_finish(&info);
}

static void finds_issuers_anywhere(void **state)
{
    (void)state;
    struct buf chain = fixture("certs/chain.pem"), leaf = fixture("certs/leaf.pem");
    assert_true(cert_chain_has_issuer(chain.data, chain.size, "Test Root"));
    assert_true(cert_chain_has_issuer(chain.data, chain.size, "Test Intermediate é"));
    assert_true(cert_chain_has_issuer(leaf.data, leaf.size, "Test Intermediate é"));
    assert_false(cert_chain_has_issuer(leaf.data, leaf.size, "Test Root"));
    assert_false(cert_chain_has_issuer(chain.data, chain.size, "Test"));
    assert_false(cert_chain_has_issuer(chain.data, chain.size, ""));
    assert_false(cert_chain_has_issuer("junk", 4, "Test Root"));
    buf_finish(&chain);
    buf_finish(&leaf);
}

/* The intermediate's key, the root's (named by the intermediate too), and RFC 9773's issuer's. */
static void finds_key_identifiers_anywhere(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        bool in_chain;
        bool in_leaf;
    } rows[] = {
        {"55F45683B9274B253BBE8033BCD4A964ABE4269F", true, false},
        {"f3:d6:70:1f:66:da:17:d4:09:3b:97:b4:8a:47:2c:74:b3:99:8b:39", true, false},
        {"69885b6b87464041e1b37b847ba0ae2cde01c8d4", false, true},
        {"55F45683B9274B253BBE8033BCD4A964ABE4269", false, false},
        {"55F45683B9274B253BBE8033BCD4A964ABE426", false, false},
        {"0055F45683B9274B253BBE8033BCD4A964ABE4269F", false, false},
    };
    struct buf chain = fixture("certs/chain.pem"), leaf = fixture("certs/rfc9773.pem");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(cert_chain_has_issuer(chain.data, chain.size, rows[i].id),
                         rows[i].in_chain);
        assert_int_equal(cert_chain_has_issuer(leaf.data, leaf.size, rows[i].id), rows[i].in_leaf);
    }
    buf_finish(&chain);
    buf_finish(&leaf);
}

static void gives_the_first_certificates_der(void **state)
{
    (void)state;
    struct buf chain = fixture("certs/chain.pem"), leaf = fixture("certs/leaf.pem");
    struct buf a = {0}, b = {0};
    struct err e = {0};
    assert_int_equal(cert_to_der(chain.data, chain.size, &a, &e), 0);
    assert_int_equal(cert_to_der(leaf.data, leaf.size, &b, &e), 0);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    assert_int_equal((unsigned char)a.data[0], 0x30);
    assert_int_equal(cert_to_der("junk", 4, &a, &e), -1);
    assert_int_equal(e.code, ERR_CERT_INVALID);
    assert_int_equal(a.size, b.size);
    buf_finish(&a);
    buf_finish(&b);
    buf_finish(&chain);
    buf_finish(&leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_chain),
        cmocka_unit_test(tells_where_a_chain_breaks),
        cmocka_unit_test(drops_text_between_blocks),
        cmocka_unit_test(reads_unusual_leaves),
        cmocka_unit_test(refuses_what_is_no_chain),
        cmocka_unit_test(refuses_leaves_it_cannot_judge),
        cmocka_unit_test(checks_key_names_and_time),
        cmocka_unit_test(finds_issuers_anywhere),
        cmocka_unit_test(finds_key_identifiers_anywhere),
        cmocka_unit_test(gives_the_first_certificates_der),
    };
    return cmocka_run_group_tests_name("cert", tests, NULL, NULL);
}
