/* The http-01 responder's table (RFC 8555 section 8.3). */
#include "server/solver/http01.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdio.h>

static const char token[] = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
static const char authorization[] = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
                                    ".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";

static int setup(void **state)
{
    *state = http01_create();
    return 0;
}

static int teardown(void **state)
{
    http01_destroy(*state);
    return 0;
}

static void answers_what_was_added(void **state)
{
    struct http01_table *table = *state;
    struct err e = {0};
    struct buf out = {0};
    assert_int_equal(http01_add(table, "order-1", token, authorization, &e), 0);
    assert_true(http01_lookup(table, token, &out));
    assert_string_equal(buf_string(&out), authorization);
    buf_clear(&out);
    assert_false(http01_lookup(table, "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX", &out));
    assert_int_equal(out.size, 0);
    buf_finish(&out);
}

static void stays_until_the_last_owner_leaves(void **state)
{
    struct http01_table *table = *state;
    struct err e = {0};
    struct buf out = {0};
    assert_int_equal(http01_add(table, "order-1", token, authorization, &e), 0);
    assert_int_equal(http01_add(table, "order-1", token, authorization, &e), 0);
    assert_int_equal(http01_add(table, "order-2", token, authorization, &e), 0);
    http01_remove(table, "order-3", token);
    http01_remove(table, "order-1", "other");
    http01_remove(table, "order-1", token);
    assert_true(http01_lookup(table, token, &out));
    assert_int_equal(http01_count(table), 1);
    http01_remove(table, "order-2", token);
    assert_false(http01_lookup(table, token, &out));
    assert_int_equal(http01_count(table), 0);
    buf_finish(&out);
}

static void refuses_what_is_no_token(void **state)
{
    struct http01_table *table = *state;
    struct err e = {0};
    assert_int_equal(http01_add(table, "o", "../etc", "../etc.x", &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    assert_int_equal(http01_add(table, "o", "", ".x", &e), -1);
    assert_int_equal(http01_add(table, "o", token, "another.x", &e), -1);
    assert_int_equal(http01_add(table, "o", token, token, &e), -1);
    assert_int_equal(http01_count(table), 0);
}

enum { THREADS = 4, TOKENS = 200 };

static void *add_and_remove(void *argument)
{
    struct http01_table *table = argument;
    struct err e = {0};
    char own[32], value[64];
    for (int i = 0; i < TOKENS; i++) {
        struct buf out = {0};
        snprintf(own, sizeof own, "t%d", i);
        snprintf(value, sizeof value, "%s.x", own);
        char owner[32];
        snprintf(owner, sizeof owner, "%lu", (unsigned long)pthread_self());
        if (http01_add(table, owner, own, value, &e) || !http01_lookup(table, own, &out))
            return argument;
        http01_remove(table, owner, own);
        buf_finish(&out);
    }
    return NULL;
}

static void serves_threads(void **state)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_and_remove, *state), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(http01_count(*state), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_what_was_added, setup, teardown),
        cmocka_unit_test_setup_teardown(stays_until_the_last_owner_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_token, setup, teardown),
        cmocka_unit_test_setup_teardown(serves_threads, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
