/* When to look at what a CA is working on. */
#include "server/engine/polls.h"
#include "server/engine/retry.h"
#include "tests/unit/unit.h"

/* Plays work that takes so long; returns the number of looks, and when the last of them came. */
static int64_t look(struct polls *polls, int64_t takes_ms, int64_t *seen_ms)
{
    int64_t at = 0;
    for (int64_t n = 0; n < 100; n++) {
        at += polls_wait_ms(polls, n, 0);
        if (at >= takes_ms) {
            polls_learn(polls, n);
            *seen_ms = at;
            return n + 1;
        }
    }
    fail_msg("a hundred looks");
    return 0;
}

static void the_first_time_is_the_plain_schedule(void **state)
{
    (void)state;
    struct polls polls = {0};
    for (int64_t n = 0; n < 20; n++)
        assert_int_equal(polls_wait_ms(&polls, n, 0), retry_poll_ms(n, 0));
}

static void few_looks_and_none_later_than_without_learning(void **state)
{
    (void)state;
    static const int64_t takes[] = {0, 30, 90, 250, 700, 1500, 3000, 5500, 20000};
    for (size_t i = 0; i < sizeof takes / sizeof *takes; i++) {
        struct polls polls = {0}, plain = {0};
        int64_t seen = 0, expected = 0, looks = 0;
        look(&plain, takes[i], &expected);
        for (int round = 0; round < 20; round++) {
            looks = look(&polls, takes[i], &seen);
            assert_int_equal(seen, expected);
        }
        assert_true(looks <= (takes[i] < 6000 ? 2 : 4));
    }
}

static void a_ca_that_has_become_fast_is_seen_early_again(void **state)
{
    (void)state;
    struct polls polls = {0};
    int64_t seen = 0;
    for (int round = 0; round < 20; round++)
        look(&polls, 5500, &seen);
    assert_true(polls_wait_ms(&polls, 0, 0) > 1000);
    for (int round = 0; round < 10; round++)
        look(&polls, 10, &seen);
    assert_int_equal(polls_wait_ms(&polls, 0, 0), retry_poll_ms(0, 0));
}

static void the_cas_own_word_comes_first(void **state)
{
    (void)state;
    struct polls polls = {0};
    int64_t seen = 0;
    for (int round = 0; round < 20; round++)
        look(&polls, 5500, &seen);
    assert_int_equal(polls_wait_ms(&polls, 0, 2000), 2000);
    assert_int_equal(polls_wait_ms(&polls, 3, 9000), 9000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_time_is_the_plain_schedule),
        cmocka_unit_test(few_looks_and_none_later_than_without_learning),
        cmocka_unit_test(a_ca_that_has_become_fast_is_seen_early_again),
        cmocka_unit_test(the_cas_own_word_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
