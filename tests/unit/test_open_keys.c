/* A key that several use is opened once, and goes with the last of them. */
#include "server/engine/open_keys.h"
#include "tests/unit/unit.h"

static struct key *make(char thumbprint[KEY_THUMBPRINT_SIZE])
{
    struct key *key;
    struct err e;
    assert_int_equal(key_generate(KEY_EC_P256, &key, &e), 0);
    assert_int_equal(key_thumbprint(key, thumbprint, &e), 0);
    return key;
}

static struct key *copy_of(const struct key *key)
{
    struct key *copy;
    struct buf der = {0};
    struct err e;
    assert_int_equal(key_to_der(key, &der, &e), 0);
    assert_int_equal(key_from_der(der.data, der.size, &copy, &e), 0);
    buf_finish_secret(&der);
    return copy;
}

static void is_shared_while_it_is_used(void **state)
{
    (void)state;
    char thumbprint[KEY_THUMBPRINT_SIZE];
    struct err e;
    struct open_keys *keys = open_keys_create();
    struct key *key = make(thumbprint);
    assert_null(open_keys_take(keys, thumbprint));
    assert_int_equal(open_keys_share(keys, &key, &e), 0);
    assert_ptr_equal(open_keys_take(keys, thumbprint), key);
    open_keys_leave(keys, key);
    assert_ptr_equal(open_keys_take(keys, thumbprint), key);
    open_keys_leave(keys, key);
    open_keys_leave(keys, key);
    assert_null(open_keys_take(keys, thumbprint));
    open_keys_destroy(keys);
}

/* Two that found none have opened one each. */
static void one_of_two_is_kept(void **state)
{
    (void)state;
    char thumbprint[KEY_THUMBPRINT_SIZE];
    struct err e;
    struct open_keys *keys = open_keys_create();
    struct key *first = make(thumbprint), *second = copy_of(first);
    assert_int_equal(open_keys_share(keys, &first, &e), 0);
    assert_int_equal(open_keys_share(keys, &second, &e), 0);
    assert_ptr_equal(first, second);
    open_keys_leave(keys, first);
    open_keys_leave(keys, second);
    open_keys_destroy(keys);
}

static void others_are_not_it(void **state)
{
    (void)state;
    char one[KEY_THUMBPRINT_SIZE], other[KEY_THUMBPRINT_SIZE];
    struct err e;
    struct open_keys *keys = open_keys_create();
    struct key *key = make(one), *another = make(other);
    assert_int_equal(open_keys_share(keys, &key, &e), 0);
    assert_null(open_keys_take(keys, other));
    assert_null(open_keys_take(keys, NULL)); /* an account that has none yet */
    assert_int_equal(open_keys_share(keys, &another, &e), 0);
    assert_ptr_not_equal(key, another);
    assert_ptr_equal(open_keys_take(keys, one), key);
    open_keys_leave(keys, key);
    open_keys_leave(keys, key);
    open_keys_leave(keys, another);
    open_keys_leave(keys, NULL);
    open_keys_destroy(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_shared_while_it_is_used),
        cmocka_unit_test(one_of_two_is_kept),
        cmocka_unit_test(others_are_not_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
