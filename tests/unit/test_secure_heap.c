/* Keys that are unsealed lie in OpenSSL's secure heap, and leave nothing there. */
#include "tests/unit/store_fixture.h"

#include <openssl/crypto.h>

static int prepare(struct store_tx *tx, void *arg, struct err *e)
{
    struct fixture_prepare *p = arg;
    return version_prepare(tx, p->id, p->key, p->spki, KEY_EC_P256, "CSR", 3, &p->n, e);
}

static void expect_in_heap(struct fixture *f, int64_t certificate, enum key_type type)
{
    struct key *key;
    char spki[KEY_SPKI_SHA256_SIZE];
    struct err e;
    assert_ok(key_generate(type, &key, &e), e);
    assert_ok(key_spki_sha256(key, spki, &e), e);
    struct fixture_prepare p = {certificate, key, spki, 0};
    must(f, prepare, &p);
    key_destroy(key);
    size_t before = CRYPTO_secure_used();
    assert_ok(version_open_key(f->db, certificate, p.n, &key, &e), e);
    assert_true(CRYPTO_secure_used() > before);
    key_destroy(key);
    assert_int_equal(CRYPTO_secure_used(), before);
}

static void test_opened_keys_are_there(void **state)
{
    struct fixture *f = *state;
    int64_t certificate = fixture_certificate(f, "a");
    /* The data key. */
    assert_true(CRYPTO_secure_used() > 0);
    expect_in_heap(f, certificate, KEY_EC_P256);
    expect_in_heap(f, certificate, KEY_EC_P384);
    expect_in_heap(f, certificate, KEY_RSA_2048);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_opened_keys_are_there),
    };
    if (CRYPTO_secure_malloc_init((size_t)1024 * 1024, 64) == 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
