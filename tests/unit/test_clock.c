/* Engine time, when the machine's clocks do what they like. */
#include "acme/base/clock.h"
#include "tests/unit/unit.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t set_s;       /* by how much the wall clock was set */
static int64_t suspended_s; /* how long the machine was suspended */

/* In the place of the C library's. */
int clock_gettime(clockid_t id, struct timespec *out)
{
    long rc = syscall(SYS_clock_gettime, id, out);
    if (id == CLOCK_REALTIME)
        out->tv_sec += set_s + suspended_s;
    if (id == CLOCK_BOOTTIME)
        out->tv_sec += suspended_s;
    return (int)rc;
}

enum { TEN_YEARS_S = 3652 * 24 * 3600 };

static int calm(void **state)
{
    (void)state;
    set_s = suspended_s = 0;
    (void)clock_engine_ms();
    return 0;
}

static void a_clock_that_is_set_moves_no_wait(void **state)
{
    (void)state;
    const int64_t jumps[] = {3600, -3600, TEN_YEARS_S, -(int64_t)TEN_YEARS_S};
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        int64_t engine = clock_engine_ms(), wall = clock_wall_ms();
        set_s = jumps[i];
        assert_in_range(clock_engine_ms() - engine, 0, CLOCK_MINUTE_MS);
        int64_t moved = clock_wall_ms() - wall - jumps[i] * 1000;
        assert_in_range(moved, 0, CLOCK_MINUTE_MS);
        assert_in_range(clock_shifted_ms() - jumps[i] * 1000 + 1000, 0, 2000);
        set_s = 0;
        assert_in_range(clock_shifted_ms() + 1000, 0, 2000);
    }
}

static void time_asleep_counts_and_is_no_jump(void **state)
{
    (void)state;
    int64_t engine = clock_engine_ms(), monotonic = clock_monotonic_ms();
    suspended_s = 3600;
    assert_in_range(clock_engine_ms() - engine, CLOCK_HOUR_MS, CLOCK_HOUR_MS + CLOCK_MINUTE_MS);
    assert_in_range(clock_monotonic_ms() - monotonic, CLOCK_HOUR_MS,
                    CLOCK_HOUR_MS + CLOCK_MINUTE_MS);
    assert_in_range(clock_shifted_ms() + 1000, 0, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_clock_that_is_set_moves_no_wait, calm),
        cmocka_unit_test_setup(time_asleep_counts_and_is_no_jump, calm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
