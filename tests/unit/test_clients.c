/* How many requests a client may send, by a clock of the test's own. */
#include "server/http/clients.h"
#include "tests/unit/unit.h"

#include <stdio.h>

enum { PERIOD_US = 1000, BURST = 3, NOW_US = 5000000 };

static void take_all(struct clients *clients, const char *who, int64_t now_us)
{
    for (int i = 0; i < BURST; i++)
        assert_int_equal(clients_take(clients, who, now_us), 0);
}

static void a_burst_then_one_a_period(void **state)
{
    (void)state;
    struct clients *clients = clients_create(PERIOD_US, BURST);
    take_all(clients, "a", NOW_US);
    assert_int_equal(clients_take(clients, "a", NOW_US), PERIOD_US);
    /* What is refused costs nothing. */
    assert_int_equal(clients_take(clients, "a", NOW_US + 400), PERIOD_US - 400);
    assert_int_equal(clients_take(clients, "a", NOW_US + PERIOD_US), 0);
    assert_int_equal(clients_take(clients, "a", NOW_US + PERIOD_US), PERIOD_US);
    /* It fills up to the burst, and no further. */
    take_all(clients, "a", NOW_US + 100 * PERIOD_US);
    assert_int_equal(clients_take(clients, "a", NOW_US + 100 * PERIOD_US), PERIOD_US);
    clients_destroy(clients);
}

static void clients_do_not_share(void **state)
{
    (void)state;
    struct clients *clients = clients_create(PERIOD_US, BURST);
    take_all(clients, "a", NOW_US);
    take_all(clients, "b", NOW_US);
    assert_int_equal(clients_take(clients, "a", NOW_US), PERIOD_US);
    assert_int_equal(clients_take(clients, "b", NOW_US), PERIOD_US);
    clients_destroy(clients);
}

static void a_crowd_does_not_wash_out_who_asks_most(void **state)
{
    (void)state;
    char name[32];
    struct clients *clients = clients_create(PERIOD_US, BURST);
    take_all(clients, "greedy", NOW_US);
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "other-%d", i);
        assert_int_equal(clients_take(clients, name, NOW_US), 0);
    }
    assert_int_equal(clients_take(clients, "greedy", NOW_US), PERIOD_US);
    clients_destroy(clients);
}

static void no_limit_is_none(void **state)
{
    (void)state;
    struct clients *clients = clients_create(0, BURST);
    assert_null(clients);
    for (int i = 0; i < 2 * BURST; i++)
        assert_int_equal(clients_take(clients, "a", NOW_US), 0);
    clients_destroy(clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_then_one_a_period),
        cmocka_unit_test(clients_do_not_share),
        cmocka_unit_test(a_crowd_does_not_wash_out_who_asks_most),
        cmocka_unit_test(no_limit_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
