/* The scheduler's memory: who is served, how many at once, and when a parked lane opens. */
#include "server/engine/lanes.h"
#include "tests/unit/unit.h"

static struct lane *take(struct lanes *lanes, int64_t now, int64_t *next)
{
    return lanes_take(lanes, now, false, next);
}

static void serves_what_is_due(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(4);
    int64_t next;
    assert_null(take(lanes, 100, &next));
    assert_int_equal(next, INT64_MAX);
    lanes_due(lanes, "local", 150);
    assert_null(take(lanes, 100, &next));
    assert_int_equal(next, 150);
    struct lane *lane = take(lanes, 150, &next);
    assert_non_null(lane);
    assert_string_equal(lane->name, "local");
    lanes_learn(lane, INT64_MAX, lane->changed);
    assert_null(take(lanes, 1000, &next));
    lanes_leave(lanes, lane);
    lanes_destroy(lanes);
}

static void an_earlier_due_time_wins(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(4);
    int64_t next;
    lanes_due(lanes, "ca:a", 500);
    lanes_due(lanes, "ca:a", 200);
    lanes_due(lanes, "ca:a", 900);
    assert_null(take(lanes, 100, &next));
    assert_int_equal(next, 200);
    lanes_destroy(lanes);
}

/* What wakes an idle worker is what it would take. */
static void the_next_time_is_told_without_taking(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(2);
    int64_t next;
    assert_int_equal(lanes_next(lanes, false), INT64_MAX);
    lanes_due(lanes, "ca:a", 200);
    lanes_due(lanes, "keys", 100);
    assert_int_equal(lanes_next(lanes, false), 200);
    assert_int_equal(lanes_next(lanes, true), 100);
    struct lane *lane = take(lanes, 200, &next);
    assert_int_equal(lanes_next(lanes, false), INT64_MAX); /* full */
    lanes_leave(lanes, lane);
    assert_int_equal(lanes_next(lanes, false), 200);
    lanes_destroy(lanes);
}

/* What is held in memory does not count among what the database tells. */
static void held_jobs_are_due_beside_the_others(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(4);
    int64_t next;
    lanes_held(lanes, "ca:a", 200);
    lanes_due(lanes, "ca:a", 500);
    struct lane *lane = take(lanes, 200, &next);
    assert_non_null(lane);
    lanes_learn(lane, INT64_MAX, lane->changed);
    lanes_leave(lanes, lane); /* not forgotten: it has what is held */
    assert_int_equal(lanes_next(lanes, false), 200);
    lanes_due(lanes, "ca:a", 500);
    lanes_held(lanes, "ca:a", INT64_MAX);
    assert_int_equal(lanes_next(lanes, false), 500);
    lanes_destroy(lanes);
}

static void one_authority_holds_half_of_the_workers(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(4);
    int64_t next;
    lanes_due(lanes, "ca:hanging", 0);
    struct lane *first = take(lanes, 10, &next);
    struct lane *second = take(lanes, 10, &next);
    assert_non_null(first);
    assert_ptr_equal(first, second);
    assert_null(take(lanes, 10, &next));
    assert_int_equal(next, INT64_MAX);
    lanes_due(lanes, "ca:other", 0);
    struct lane *other = take(lanes, 10, &next);
    assert_non_null(other);
    assert_string_equal(other->name, "ca:other");
    lanes_leave(lanes, first);
    assert_non_null(take(lanes, 10, &next));
    lanes_destroy(lanes);
}

static void a_zone_is_changed_by_one_at_a_time(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(8);
    int64_t next;
    lanes_due(lanes, "zone:dns/example.com", 0);
    struct lane *lane = take(lanes, 10, &next);
    assert_non_null(lane);
    assert_null(take(lanes, 10, &next));
    assert_null(lanes_enter(lanes, "zone:dns/example.com", 10));
    assert_non_null(lanes_enter(lanes, "zone:dns/example.net", 10));
    lanes_leave(lanes, lane);
    assert_non_null(lanes_enter(lanes, "zone:dns/example.com", 10));
    lanes_destroy(lanes);
}

static void slow_keys_have_a_thread_of_their_own(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(4);
    int64_t next;
    lanes_due(lanes, "keys", 0);
    assert_null(take(lanes, 10, &next));
    assert_null(lanes_enter(lanes, "keys", 10));
    struct lane *lane = lanes_take(lanes, 10, true, &next);
    assert_non_null(lane);
    assert_null(lanes_take(lanes, 10, true, &next));
    lanes_destroy(lanes);
}

static void the_longest_unserved_lane_goes_first(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(2);
    int64_t next;
    lanes_due(lanes, "ca:a", 0);
    lanes_due(lanes, "ca:b", 0);
    struct lane *lane = take(lanes, 10, &next);
    assert_string_equal(lane->name, "ca:a");
    lanes_leave(lanes, lane);
    lane = take(lanes, 10, &next);
    assert_string_equal(lane->name, "ca:b");
    lanes_leave(lanes, lane);
    lane = take(lanes, 10, &next);
    assert_string_equal(lane->name, "ca:a");
    lanes_destroy(lanes);
}

static void news_beat_a_slower_look_at_the_database(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(4);
    int64_t next;
    struct lane *lane = lanes_due(lanes, "ca:a", 0);
    assert_ptr_equal(take(lanes, 10, &next), lane);
    uint64_t asked_at = lane->changed;
    lanes_due(lanes, "ca:a", 20); /* a job was inserted after the question was put */
    lanes_learn(lane, INT64_MAX, asked_at);
    assert_int_equal(lane->due, 0);
    lanes_learn(lane, 20, lane->changed);
    assert_int_equal(lane->due, 20);
    lanes_destroy(lanes);
}

static void a_question_that_saw_a_job_taken_does_not_hide_it_once_it_is_put_back(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(4);
    int64_t next;
    lanes_due(lanes, "local", 0);
    struct lane *lane = take(lanes, 10, &next);
    assert_ptr_equal(take(lanes, 10, &next), lane);
    uint64_t asked_at = lane->changed;
    lanes_put_off(lane, 1010); /* one worker could not read the job, and has put it back */
    lanes_learn(lane, INT64_MAX, asked_at);
    assert_int_equal(lane->due, 1010);
    lanes_destroy(lanes);
}

static void a_parked_lane_opens_with_one_probe(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(8);
    int64_t next;
    lanes_due(lanes, "ca:a", 0);
    assert_false(lanes_is_parked(lanes, "ca:a", 999));
    lanes_park(lanes, "ca:a", 1000);
    assert_true(lanes_is_parked(lanes, "ca:a", 999));
    assert_false(lanes_is_parked(lanes, "ca:a", 1000));
    assert_false(lanes_is_parked(lanes, "ca:b", 999));
    assert_null(take(lanes, 999, &next));
    assert_int_equal(next, 1000);
    assert_null(lanes_enter(lanes, "ca:a", 999));
    struct lane *probe = take(lanes, 1000, &next);
    assert_non_null(probe);
    assert_null(take(lanes, 1000, &next));
    lanes_open(probe);
    assert_non_null(take(lanes, 1000, &next));
    lanes_destroy(lanes);
}

static void a_failed_probe_parks_again(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(8);
    int64_t next;
    lanes_due(lanes, "ca:a", 0);
    lanes_park(lanes, "ca:a", 1000);
    struct lane *probe = take(lanes, 1000, &next);
    lanes_park(lanes, probe->name, 3000);
    lanes_leave(lanes, probe);
    assert_null(take(lanes, 2999, &next));
    assert_int_equal(next, 3000);
    assert_non_null(take(lanes, 3000, &next));
    assert_null(take(lanes, 3000, &next));
    lanes_destroy(lanes);
}

static void who_insists_is_the_probe(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_create(8);
    int64_t next;
    lanes_due(lanes, "ca:a", 0);
    lanes_park(lanes, "ca:a", 1000);
    lanes_unpark(lanes, "ca:a", 500);
    struct lane *probe = take(lanes, 500, &next);
    assert_non_null(probe);
    assert_null(take(lanes, 500, &next));
    lanes_unpark(lanes, "ca:a", 500);
    assert_null(take(lanes, 500, &next));
    lanes_park(lanes, probe->name, 3000);
    lanes_leave(lanes, probe);
    assert_null(take(lanes, 2999, &next));
    lanes_destroy(lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_what_is_due),
        cmocka_unit_test(an_earlier_due_time_wins),
        cmocka_unit_test(the_next_time_is_told_without_taking),
        cmocka_unit_test(held_jobs_are_due_beside_the_others),
        cmocka_unit_test(one_authority_holds_half_of_the_workers),
        cmocka_unit_test(a_zone_is_changed_by_one_at_a_time),
        cmocka_unit_test(slow_keys_have_a_thread_of_their_own),
        cmocka_unit_test(the_longest_unserved_lane_goes_first),
        cmocka_unit_test(news_beat_a_slower_look_at_the_database),
        cmocka_unit_test(a_question_that_saw_a_job_taken_does_not_hide_it_once_it_is_put_back),
        cmocka_unit_test(a_parked_lane_opens_with_one_probe),
        cmocka_unit_test(a_failed_probe_parks_again),
        cmocka_unit_test(who_insists_is_the_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
