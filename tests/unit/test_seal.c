/* Sealed values. */
#include "store/seal.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static const unsigned char master[SEAL_KEY_SIZE] = {1, 2, 3};

static struct seal *new_seal(struct buf *wrapped)
{
    struct seal *seal;
    struct err e;
    assert_int_equal(seal_create(master, &seal, wrapped, &e), 0);
    return seal;
}

static void test_a_value_opens_in_its_place_alone(void **state)
{
    struct buf wrapped = {0}, sealed = {0}, plain = {0};
    struct seal *seal = new_seal(&wrapped);
    struct err e;
    (void)state;
    assert_int_equal(seal_value(seal, "account/1/key", "secret", 6, &sealed, &e), 0);
    assert_int_equal(sealed.size, 1 + 4 + 12 + 6 + 16);
    assert_int_equal(seal_plain_size(sealed.size), 6);
    assert_null(memmem(sealed.data, sealed.size, "secret", 6));
    assert_int_equal(seal_unseal(seal, "account/1/key", sealed.data, sealed.size, &plain, &e), 0);
    assert_string_equal(plain.data, "secret");

    buf_clear(&plain);
    buf_add_string(&plain, "before");
    assert_int_equal(seal_unseal(seal, "account/2/key", sealed.data, sealed.size, &plain, &e), -1);
    assert_int_equal(e.code, ERR_SEAL);
    assert_string_equal(plain.data, "before");
    buf_finish(&sealed);
    buf_finish(&wrapped);
    buf_finish_secret(&plain);
    seal_destroy(seal);
}

static void test_every_changed_byte_is_noticed(void **state)
{
    struct buf wrapped = {0}, sealed = {0}, plain = {0};
    struct seal *seal = new_seal(&wrapped);
    struct err e;
    (void)state;
    assert_int_equal(seal_value(seal, "p", "secret", 6, &sealed, &e), 0);
    for (size_t i = 0; i < sealed.size; i++) {
        sealed.data[i] ^= 1;
        assert_int_equal(seal_unseal(seal, "p", sealed.data, sealed.size, &plain, &e), -1);
        assert_int_equal(e.code, ERR_SEAL);
        sealed.data[i] ^= 1;
    }
    for (size_t size = 0; size < sealed.size; size++)
        assert_int_equal(seal_unseal(seal, "p", sealed.data, size, &plain, &e), -1);
    assert_int_equal(seal_unseal(seal, "p", sealed.data, sealed.size, &plain, &e), 0);
    assert_int_equal(plain.size, 6);
    buf_finish(&sealed);
    buf_finish(&wrapped);
    buf_finish_secret(&plain);
    seal_destroy(seal);
}

static void test_an_empty_value(void **state)
{
    struct buf wrapped = {0}, sealed = {0}, plain = {0};
    struct seal *seal = new_seal(&wrapped);
    struct err e;
    (void)state;
    assert_int_equal(seal_value(seal, "p", "", 0, &sealed, &e), 0);
    assert_int_equal(seal_unseal(seal, "p", sealed.data, sealed.size, &plain, &e), 0);
    assert_int_equal(plain.size, 0);
    buf_finish(&sealed);
    buf_finish(&wrapped);
    buf_finish_secret(&plain);
    seal_destroy(seal);
}

static void test_no_two_sealings_are_alike(void **state)
{
    struct buf wrapped = {0}, one = {0}, two = {0};
    struct seal *seal = new_seal(&wrapped);
    struct err e;
    (void)state;
    assert_int_equal(seal_value(seal, "p", "secret", 6, &one, &e), 0);
    assert_int_equal(seal_value(seal, "p", "secret", 6, &two, &e), 0);
    assert_memory_not_equal(one.data, two.data, one.size);
    buf_finish(&one);
    buf_finish(&two);
    buf_finish(&wrapped);
    seal_destroy(seal);
}

static void test_the_data_key_opens_again(void **state)
{
    struct buf wrapped = {0}, sealed = {0}, plain = {0};
    struct seal *first = new_seal(&wrapped), *again, *other;
    char a[SEAL_FINGERPRINT_SIZE], b[SEAL_FINGERPRINT_SIZE], c[SEAL_FINGERPRINT_SIZE];
    struct buf other_wrapped = {0};
    struct err e;
    (void)state;
    assert_int_equal(seal_value(first, "p", "secret", 6, &sealed, &e), 0);
    seal_fingerprint(first, "body", 4, a);
    seal_destroy(first);

    assert_int_equal(seal_open(master, wrapped.data, wrapped.size, &again, &e), 0);
    assert_int_equal(seal_unseal(again, "p", sealed.data, sealed.size, &plain, &e), 0);
    assert_string_equal(plain.data, "secret");
    seal_fingerprint(again, "body", 4, b);
    assert_string_equal(a, b);
    seal_fingerprint(again, "bodz", 4, b);
    assert_string_not_equal(a, b);

    other = new_seal(&other_wrapped);
    seal_fingerprint(other, "body", 4, c);
    assert_string_not_equal(a, c);
    assert_int_equal(strspn(c, "0123456789abcdef"), SEAL_FINGERPRINT_SIZE - 1);
    assert_int_equal(seal_unseal(other, "p", sealed.data, sealed.size, &plain, &e), -1);
    assert_int_equal(e.code, ERR_SEAL);
    buf_finish(&wrapped);
    buf_finish(&other_wrapped);
    buf_finish(&sealed);
    buf_finish_secret(&plain);
    seal_destroy(again);
    seal_destroy(other);
}

static void test_another_master_key_opens_nothing(void **state)
{
    unsigned char wrong[SEAL_KEY_SIZE];
    struct buf wrapped = {0};
    struct seal *seal = new_seal(&wrapped), *untouched = NULL;
    struct err e;
    (void)state;
    memcpy(wrong, master, sizeof wrong);
    wrong[31] ^= 128;
    assert_int_equal(seal_open(wrong, wrapped.data, wrapped.size, &untouched, &e), -1);
    assert_int_equal(e.code, ERR_SEAL);
    assert_int_equal(seal_open(master, wrapped.data, wrapped.size - 1, &untouched, &e), -1);
    assert_int_equal(e.code, ERR_SEAL);
    assert_null(untouched);
    buf_finish(&wrapped);
    seal_destroy(seal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_value_opens_in_its_place_alone),
        cmocka_unit_test(test_every_changed_byte_is_noticed),
        cmocka_unit_test(test_an_empty_value),
        cmocka_unit_test(test_no_two_sealings_are_alike),
        cmocka_unit_test(test_the_data_key_opens_again),
        cmocka_unit_test(test_another_master_key_opens_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
