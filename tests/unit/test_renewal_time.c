/* When certificates are renewed (server/engine/renewal_time.h), and how fast that may begin. */
#include "acme/base/clock.h"
#include "server/engine/pace.h"
#include "server/engine/renewal_memory.h"
#include "server/engine/renewal_time.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOURS(n) ((n) * (int64_t)CLOCK_HOUR_MS)
#define DAYS(n)  ((n) * (int64_t)CLOCK_DAY_MS)

/* The certificates' validity begins here; times below are counted from it. */
static const int64_t START = (int64_t)1795000000000;

struct schedule {
    const char *name;
    int64_t life;
    int64_t before;
    int64_t window_start; /* both 0: none */
    int64_t window_end;
    int64_t low;  /* what comes out is from here … */
    int64_t high; /* … to here */
};

static const struct schedule schedules[] = {
    {"a third of 90 days", DAYS(90), 0, 0, 0, DAYS(60) - DAYS(90) * 3 / 100, DAYS(60)},
    {"a third of ten days", HOURS(240), 0, 0, 0, HOURS(160) - HOURS(240) * 3 / 100, HOURS(160)},
    {"half of less", HOURS(239), 0, 0, 0, HOURS(239) / 2 - HOURS(239) * 3 / 100, HOURS(239) / 2},
    {"half of 160 hours", HOURS(160), 0, 0, 0, HOURS(80) - HOURS(160) * 3 / 100, HOURS(80)},
    {"half of a minute", 60000, 0, 0, 0, 30000 - 1800, 30000},
    {"no life at all", 0, 0, 0, 0, 0, 0},
    {"a negative life", -5000, 0, 0, 0, 0, 0},
    {"before instead of the third", DAYS(90), DAYS(10), 0, 0, DAYS(80) - DAYS(90) * 3 / 100,
     DAYS(80)},
    {"before that is longer than its life", DAYS(7), DAYS(30), 0, 0, DAYS(7) / 10, DAYS(7) / 10},
    {"the window instead of the third", DAYS(90), 0, DAYS(70), DAYS(72), DAYS(70), DAYS(72)},
    {"a window that is past", DAYS(90), 0, DAYS(-9), DAYS(-8), DAYS(-9), DAYS(-8)},
    {"a window of a millisecond", DAYS(90), 0, DAYS(5), DAYS(5) + 1, DAYS(5), DAYS(5)},
    {"a window after the end", DAYS(90), 0, DAYS(91), DAYS(92), DAYS(60) - DAYS(90) * 3 / 100,
     DAYS(60)},
    {"a window that is none", DAYS(90), 0, DAYS(9), DAYS(9), DAYS(60) - DAYS(90) * 3 / 100,
     DAYS(60)},
    {"the window before before", DAYS(90), DAYS(10), DAYS(50), DAYS(51), DAYS(50), DAYS(51)},
    {"before before the window", DAYS(90), DAYS(30), DAYS(70), DAYS(71),
     DAYS(60) - DAYS(90) * 3 / 100, DAYS(60)},
};

static struct renewal_terms terms_of(const struct schedule *schedule, const char *serial)
{
    struct renewal_terms terms = {.serial = serial,
                                  .not_before = START,
                                  .not_after = START + schedule->life,
                                  .before_ms = schedule->before};
    if (schedule->window_start || schedule->window_end) {
        terms.window_start = START + schedule->window_start;
        terms.window_end = START + schedule->window_end;
    }
    return terms;
}

static void times_are_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++) {
        for (int n = 0; n < 200; n++) {
            char serial[16];
            snprintf(serial, sizeof serial, "%x", n);
            struct renewal_terms terms = terms_of(&schedules[i], serial);
            int64_t at = renewal_time(&terms) - START;
            if (at < schedules[i].low || at > schedules[i].high)
                fail_msg("%s: %lld is not in %lld … %lld", schedules[i].name, (long long)at,
                         (long long)schedules[i].low, (long long)schedules[i].high);
        }
    }
}

static void the_same_question_has_the_same_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++) {
        struct renewal_terms terms = terms_of(&schedules[i], "3f64bccb4974c018");
        int64_t first = renewal_time(&terms);
        assert_int_equal(renewal_time(&terms), first);
    }
}

/* Each quarter of a window gets its share of a thousand certificates. */
static void a_window_is_used_evenly(void **state)
{
    (void)state;
    const struct schedule schedule = {"", DAYS(90), 0, DAYS(60), DAYS(64), 0, 0};
    int quarters[4] = {0};
    for (int n = 0; n < 1000; n++) {
        char serial[16];
        snprintf(serial, sizeof serial, "%x", n);
        struct renewal_terms terms = terms_of(&schedule, serial);
        int64_t day = (renewal_time(&terms) - START - DAYS(60)) / (DAYS(1));
        assert_in_range(day, 0, 3);
        quarters[day]++;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(quarters[i], 190, 310);
}

/* Another window is another draw. */
static void a_new_window_is_drawn_anew(void **state)
{
    (void)state;
    const struct schedule one = {"", DAYS(90), 0, DAYS(60), DAYS(64), 0, 0};
    const struct schedule other = {"", DAYS(90), 0, DAYS(60), DAYS(64) + 1, 0, 0};
    struct renewal_terms a = terms_of(&one, "01"), b = terms_of(&other, "01");
    assert_int_not_equal(renewal_time(&a), renewal_time(&b));
}

/* ---- pace ---- */

enum { MANY = 10000, SECONDS_OF_MANY = MANY - PACE_BURST };

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void many_at_once_are_spread(void **state)
{
    (void)state;
    struct pace *pace = pace_create();
    static int64_t places[MANY];
    for (int i = 0; i < MANY; i++)
        places[i] = pace_take(pace, "one", START) - START;
    qsort(places, MANY, sizeof *places, compare);
    for (int i = 0; i < PACE_BURST; i++)
        assert_int_equal(places[i], 0);
    /* In no second more than one. */
    for (int i = PACE_BURST; i < MANY; i++)
        assert_int_equal(places[i], (i - PACE_BURST + 1) * (int64_t)PACE_INTERVAL_MS);
    assert_int_equal(places[MANY - 1], SECONDS_OF_MANY * (int64_t)PACE_INTERVAL_MS);
    pace_destroy(pace);
}

static void authorities_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct pace *pace = pace_create();
    for (int i = 0; i < 100; i++)
        pace_take(pace, "one", START);
    assert_int_equal(pace_take(pace, "other", START), START);
    assert_int_equal(pace_take(pace, "one", START), START + 81 * (int64_t)PACE_INTERVAL_MS);
    pace_destroy(pace);
}

static void a_burst_comes_back_with_time(void **state)
{
    (void)state;
    struct pace *pace = pace_create();
    for (int i = 0; i < PACE_BURST; i++)
        assert_int_equal(pace_take(pace, "one", START), START);
    assert_int_equal(pace_take(pace, "one", START), START + PACE_INTERVAL_MS);
    /* Ten seconds later there are nine places: one was given away. */
    int64_t later = START + 10 * (int64_t)PACE_INTERVAL_MS;
    for (int i = 0; i < 9; i++)
        assert_int_equal(pace_take(pace, "one", later), later);
    assert_int_equal(pace_take(pace, "one", later), later + PACE_INTERVAL_MS);
    later += DAYS(1);
    for (int i = 0; i < PACE_BURST; i++)
        assert_int_equal(pace_take(pace, "one", later), later);
    assert_int_equal(pace_take(pace, "one", later), later + PACE_INTERVAL_MS);
    pace_destroy(pace);
}

static void one_question_without_an_answer_spares_others(void **state)
{
    (void)state;
    struct pace *pace = pace_create();
    assert_false(pace_is_silent(pace, "one", START));
    pace_silence(pace, "one", START);
    assert_true(pace_is_silent(pace, "one", START + PACE_SILENCE_MS - 1));
    assert_false(pace_is_silent(pace, "one", START + PACE_SILENCE_MS));
    assert_false(pace_is_silent(pace, "other", START));
    assert_int_equal(pace_take(pace, "one", START), START);
    pace_destroy(pace);
}

/* ---- memory ---- */

static void memory_is_of_one_version(void **state)
{
    (void)state;
    char page[] = "https://ca.example/why", error[] = "say \"no\"";
    const struct renewal_memory memory = {.window_start = 1,
                                          .window_end = INT64_MAX,
                                          .explanation_url = page,
                                          .asked_at = 3,
                                          .ask_again_at = 4,
                                          .error = error};
    struct renewal_memory read;
    char *json = renewal_memory_write(&memory, 7);
    renewal_memory_read(json, 7, &read);
    assert_int_equal(read.window_start, 1);
    assert_int_equal(read.window_end, INT64_MAX);
    assert_string_equal(read.explanation_url, page);
    assert_int_equal(read.asked_at, 3);
    assert_int_equal(read.ask_again_at, 4);
    assert_string_equal(read.error, error);
    renewal_memory_finish(&read);
    const char *const nothing[] = {json, NULL, "", "{", "[]", "{\"version\":\"x\"}"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        renewal_memory_read(nothing[i], 8, &read);
        assert_int_equal(read.window_end, 0);
        assert_null(read.explanation_url);
        renewal_memory_finish(&read);
    }
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_as_the_table_says),
        cmocka_unit_test(the_same_question_has_the_same_answer),
        cmocka_unit_test(a_window_is_used_evenly),
        cmocka_unit_test(a_new_window_is_drawn_anew),
        cmocka_unit_test(many_at_once_are_spread),
        cmocka_unit_test(authorities_do_not_wait_for_each_other),
        cmocka_unit_test(a_burst_comes_back_with_time),
        cmocka_unit_test(one_question_without_an_answer_spares_others),
        cmocka_unit_test(memory_is_of_one_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
