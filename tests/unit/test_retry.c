/* Delays after failures, and between polls. */
#include "acme/base/clock.h"
#include "server/engine/retry.h"
#include "tests/unit/unit.h"

static struct err failure(enum err_code code, int status, int64_t retry_after_ms)
{
    struct err e = {0};
    err_set(&e, code, "for a test");
    e.http_status = status;
    e.retry_after_ms = retry_after_ms;
    return e;
}

static void what_cannot_succeed_is_not_tried_again(void **state)
{
    (void)state;
    const enum err_code permanent[] = {
        ERR_CA_MALFORMED,     ERR_CA_REJECTED_IDENTIFIER, ERR_CA_UNAUTHORIZED,
        ERR_CA_BAD_CSR,       ERR_CA_BAD_PUBLIC_KEY,      ERR_CERT_KEY_MISMATCH,
        ERR_PROVIDER_REFUSED, ERR_SOLVER_MISSING,         ERR_CA_ACCOUNT_MISSING,
        ERR_CA_CAA,           ERR_CA_EAB_REQUIRED,        ERR_CA_INVALID_PROFILE,
    };
    for (size_t i = 0; i < sizeof permanent / sizeof *permanent; i++) {
        struct err e = failure(permanent[i], 403, 0);
        assert_false(retry_decide(&e, 0, INT64_MAX, INT64_MAX).again);
    }
}

static void delays_grow_to_a_day(void **state)
{
    (void)state;
    struct err e = failure(ERR_CA_SERVER_INTERNAL, 500, 0);
    int64_t nominal = 5 * CLOCK_SECOND_MS;
    for (int attempt = 0; attempt < 40; attempt++) {
        struct retry retry = retry_decide(&e, attempt, INT64_MAX, INT64_MAX);
        assert_true(retry.again);
        int64_t capped = nominal > CLOCK_DAY_MS ? CLOCK_DAY_MS : nominal;
        assert_in_range(retry.delay_ms, capped * 4 / 5 - 1, CLOCK_DAY_MS);
        assert_true(retry.delay_ms <= nominal * 6 / 5 + 1);
        nominal = nominal > CLOCK_DAY_MS ? nominal : nominal * 3;
    }
}

static void delays_have_jitter(void **state)
{
    (void)state;
    struct err e = failure(ERR_CA_SERVER_INTERNAL, 500, 0);
    int64_t first = retry_decide(&e, 3, INT64_MAX, INT64_MAX).delay_ms;
    int different = 0;
    for (int i = 0; i < 20; i++)
        different += retry_decide(&e, 3, INT64_MAX, INT64_MAX).delay_ms != first;
    assert_true(different > 0);
}

static void a_rate_limit_waits_as_long_as_asked(void **state)
{
    (void)state;
    struct err e = failure(ERR_CA_RATE_LIMITED, 429, CLOCK_HOUR_MS);
    struct retry retry = retry_decide(&e, 0, INT64_MAX, INT64_MAX);
    assert_true(retry.again);
    assert_int_equal(retry.delay_ms, CLOCK_HOUR_MS);
    assert_int_equal(retry.park_ms, 0);
    e.retry_after_ms = 40 * (int64_t)CLOCK_DAY_MS;
    assert_int_equal(retry_decide(&e, 0, INT64_MAX, INT64_MAX).delay_ms, CLOCK_DAY_MS);
    e.retry_after_ms = 1;
    assert_int_equal(retry_decide(&e, 5, INT64_MAX, INT64_MAX).delay_ms, CLOCK_SECOND_MS);
}

static void untold_it_waits_as_lets_encrypt_suggests(void **state)
{
    (void)state;
    const int64_t minutes[] = {1, 10, 100, 1440, 1440, 1440};
    struct err e = failure(ERR_CA_RATE_LIMITED, 429, 0);
    for (size_t i = 0; i < sizeof minutes / sizeof *minutes; i++) {
        int64_t delay = retry_decide(&e, (int64_t)i, INT64_MAX, INT64_MAX).delay_ms;
        int64_t nominal = minutes[i] * CLOCK_MINUTE_MS, most = nominal * 6 / 5;
        assert_in_range(delay, nominal * 4 / 5, most < CLOCK_DAY_MS ? most + 1 : CLOCK_DAY_MS);
    }
}

static void a_person_is_waited_for_without_end(void **state)
{
    (void)state;
    const enum err_code codes[] = {ERR_CA_PAUSED, ERR_CA_USER_ACTION_REQUIRED};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct err e = failure(codes[i], 403, 0);
        struct retry retry = retry_decide(&e, 0, 0, INT64_MAX);
        assert_true(retry.again && retry.person);
        assert_int_equal(retry.park_ms, 0);
    }
}

static void overload_parks_the_authority(void **state)
{
    (void)state;
    struct err e = failure(ERR_CA_SERVER_INTERNAL, 503, 60 * CLOCK_SECOND_MS);
    struct retry retry = retry_decide(&e, 0, INT64_MAX, INT64_MAX);
    assert_int_equal(retry.delay_ms, 60 * CLOCK_SECOND_MS);
    assert_int_equal(retry.park_ms, 60 * CLOCK_SECOND_MS);
}

static void silence_parks_it_the_second_time(void **state)
{
    (void)state;
    struct err e = failure(ERR_CA_UNREACHABLE, 0, 0);
    assert_int_equal(retry_decide(&e, 0, INT64_MAX, INT64_MAX).park_ms, 0);
    struct retry again = retry_decide(&e, 1, INT64_MAX, INT64_MAX);
    assert_true(again.park_ms > 0);
    assert_int_equal(again.park_ms, again.delay_ms);
}

static void a_day_of_back_off_parks_for_minutes(void **state)
{
    (void)state;
    struct err e = failure(ERR_CA_UNREACHABLE, 0, 0);
    assert_int_equal(retry_decide(&e, 20, INT64_MAX, INT64_MAX).park_ms, 10 * CLOCK_MINUTE_MS);
    e = failure(ERR_CA_SERVER_INTERNAL, 503, CLOCK_DAY_MS);
    assert_int_equal(retry_decide(&e, 20, INT64_MAX, INT64_MAX).park_ms, CLOCK_DAY_MS);
}

/* However long the CA has been down, the renewal is tried at least 8 times in each half of what is
 * left. */
static void a_renewal_comes_in_time(void **state)
{
    (void)state;
    struct err down = failure(ERR_CA_UNREACHABLE, 0, 0), asked = down;
    for (int64_t left = 90 * (int64_t)CLOCK_DAY_MS; left > CLOCK_HOUR_MS; left /= 2) {
        int64_t most = retry_patience_ms(left);
        assert_int_equal(most, left / 20);
        int64_t delay = retry_decide(&down, 50, INT64_MAX, most).delay_ms;
        assert_true(delay <= left * 6 / 100);
    }
    assert_int_equal(retry_patience_ms(CLOCK_MINUTE_MS), CLOCK_MINUTE_MS);
    assert_int_equal(retry_patience_ms(0), CLOCK_HOUR_MS);
    assert_int_equal(retry_patience_ms(-(int64_t)CLOCK_DAY_MS), CLOCK_HOUR_MS);
    asked.retry_after_ms = CLOCK_HOUR_MS;
    assert_int_equal(retry_decide(&asked, 0, INT64_MAX, CLOCK_MINUTE_MS).delay_ms, CLOCK_HOUR_MS);
    struct err limit = failure(ERR_CA_RATE_LIMITED, 429, 0);
    assert_true(retry_decide(&limit, 9, INT64_MAX, CLOCK_HOUR_MS).delay_ms <=
                CLOCK_HOUR_MS * 6 / 5);
}

static void the_time_to_retry_ends(void **state)
{
    (void)state;
    struct err e = failure(ERR_CA_RATE_LIMITED, 429, CLOCK_HOUR_MS);
    assert_false(retry_decide(&e, 0, CLOCK_HOUR_MS - 1, INT64_MAX).again);
    assert_true(retry_decide(&e, 0, CLOCK_HOUR_MS, INT64_MAX).again);
}

static void polls_begin_early_and_become_rare(void **state)
{
    (void)state;
    int64_t before = 0;
    for (int64_t n = 0; n < 30; n++) {
        int64_t delay = retry_poll_ms(n, 0);
        assert_true(delay >= before);
        before = delay;
    }
    assert_true(retry_poll_ms(0, 0) <= 100);
    assert_int_equal(before, 30 * CLOCK_SECOND_MS);
}

static void a_retry_after_counts_within_its_clamp(void **state)
{
    (void)state;
    assert_int_equal(retry_poll_ms(0, 3000), 3000);
    assert_int_equal(retry_poll_ms(7, 10), CLOCK_SECOND_MS);
    assert_int_equal(retry_poll_ms(0, CLOCK_DAY_MS), CLOCK_HOUR_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_succeed_is_not_tried_again),
        cmocka_unit_test(delays_grow_to_a_day),
        cmocka_unit_test(delays_have_jitter),
        cmocka_unit_test(a_rate_limit_waits_as_long_as_asked),
        cmocka_unit_test(untold_it_waits_as_lets_encrypt_suggests),
        cmocka_unit_test(a_person_is_waited_for_without_end),
        cmocka_unit_test(overload_parks_the_authority),
        cmocka_unit_test(silence_parks_it_the_second_time),
        cmocka_unit_test(a_day_of_back_off_parks_for_minutes),
        cmocka_unit_test(a_renewal_comes_in_time),
        cmocka_unit_test(the_time_to_retry_ends),
        cmocka_unit_test(polls_begin_early_and_become_rare),
        cmocka_unit_test(a_retry_after_counts_within_its_clamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
