/* What each client may hold at once. */
#include "server/http/shares.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdio.h>

enum { MAX = 3, CLIENTS = 5000, THREADS = 4, ROUNDS = 20000 };

static void each_has_as_many(void **state)
{
    (void)state;
    struct shares *shares = shares_create(MAX);
    struct share *a[MAX], *b[MAX];
    for (int i = 0; i < MAX; i++) {
        a[i] = shares_take(shares, "token:a");
        assert_non_null(a[i]);
    }
    assert_null(shares_take(shares, "token:a"));
    for (int i = 0; i < MAX; i++) {
        b[i] = shares_take(shares, "token:b");
        assert_non_null(b[i]);
    }
    shares_give(shares, a[0]);
    assert_null(shares_take(shares, "token:b"));
    a[0] = shares_take(shares, "token:a");
    assert_non_null(a[0]);
    assert_null(shares_take(shares, "token:a"));
    for (int i = 0; i < MAX; i++) {
        shares_give(shares, a[i]);
        shares_give(shares, b[i]);
    }
    shares_give(shares, NULL);
    shares_destroy(shares);
}

/* More than there are places for, so that many share one. */
static void any_number_of_clients(void **state)
{
    static struct share *held[CLIENTS];
    char who[32];
    (void)state;
    struct shares *shares = shares_create(1);
    for (int i = 0; i < CLIENTS; i++) {
        snprintf(who, sizeof who, "token:%d", i);
        held[i] = shares_take(shares, who);
        assert_non_null(held[i]);
        assert_null(shares_take(shares, who));
    }
    for (int i = 0; i < CLIENTS; i += 2)
        shares_give(shares, held[i]);
    for (int i = 0; i < CLIENTS; i++) {
        snprintf(who, sizeof who, "token:%d", i);
        struct share *again = shares_take(shares, who);
        assert_int_equal(again != NULL, i % 2 == 0);
        shares_give(shares, again);
    }
    for (int i = 1; i < CLIENTS; i += 2)
        shares_give(shares, held[i]);
    shares_destroy(shares);
}

static void without_a_limit(void **state)
{
    static struct share *held[CLIENTS];
    (void)state;
    struct shares *shares = shares_create(0);
    for (int i = 0; i < CLIENTS; i++) {
        held[i] = shares_take(shares, "token:a");
        assert_non_null(held[i]);
    }
    for (int i = 0; i < CLIENTS; i++)
        shares_give(shares, held[i]);
    shares_destroy(shares);
}

static void *take_and_give(void *argument)
{
    struct shares *shares = argument;
    for (int i = 0; i < ROUNDS; i++)
        shares_give(shares, shares_take(shares, i % 3 ? "token:a" : "token:b"));
    return NULL;
}

static void from_several_threads(void **state)
{
    pthread_t threads[THREADS];
    (void)state;
    struct shares *shares = shares_create(THREADS - 1);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, shares), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct share *held[THREADS - 1];
    for (int i = 0; i < THREADS - 1; i++) {
        held[i] = shares_take(shares, "token:a");
        assert_non_null(held[i]);
    }
    assert_null(shares_take(shares, "token:a"));
    for (int i = 0; i < THREADS - 1; i++)
        shares_give(shares, held[i]);
    shares_destroy(shares);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_as_many),
        cmocka_unit_test(any_number_of_clients),
        cmocka_unit_test(without_a_limit),
        cmocka_unit_test(from_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
