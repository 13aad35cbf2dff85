/* Stored times, when the machine's clock was set between two starts or by one of them. */
#include "acme/base/clock.h"
#include "store/account_limit.h"
#include "store/clock_shift.h"
#include "store/idempotency.h"
#include "tests/unit/store_fixture.h"

#define YEARS_MS (10 * 365 * (int64_t)CLOCK_DAY_MS)

struct note {
    int64_t since, shifted;
};

static int note(struct store_tx *tx, void *arg, struct err *e)
{
    const struct note *n = arg;
    return clock_shift_note(tx, n->since, n->shifted, e);
}

static int settle(struct store_tx *tx, void *moved, struct err *e)
{
    return clock_shift_settle(tx, moved, e);
}

static int64_t settled(struct fixture *f)
{
    int64_t moved = 1;
    must(f, settle, &moved);
    return moved;
}

/* Everything was written by a clock that is ahead by so much. */
static int rewrite(struct store_tx *tx, void *arg, struct err *e)
{
    const int64_t *by = arg;
    struct db *db = store_tx_db(tx);
    return db_run(db, NULL, e,
                  "UPDATE job SET created_at = created_at + ?1, updated_at = updated_at + ?1,"
                  " due_at = due_at + ?1, deadline_at = CASE WHEN deadline_at = ?2 THEN ?2"
                  " ELSE deadline_at + ?1 END",
                  "ii", *by, INT64_MAX) < 0 ||
                   db_run(db, NULL, e, "UPDATE event SET at = at + ?1", "i", *by) < 0
               ? -1
               : 0;
}

static struct job load(struct fixture *f, const char *id)
{
    struct job job;
    struct err e;
    assert_ok(job_load(f->db, id, &job, &e), e);
    return job;
}

static int rest(struct store_tx *tx, void *ms, struct err *e)
{
    return clock_shift_rest(tx, ms, e);
}

static void test_how_long_it_rested(void **state)
{
    struct fixture *f = *state;
    int64_t ms = -1, back = -YEARS_MS, ahead = 2 * YEARS_MS;
    must(f, rest, &ms);
    assert_int_equal(ms, 0);
    struct new_job new = fixture_job("ca", clock_engine_ms());
    must(f, fixture_insert_job, &new);
    must(f, rest, &ms);
    assert_in_range(ms, 0, CLOCK_HOUR_MS);
    must(f, rewrite, &back);
    must(f, rest, &ms);
    assert_in_range(ms, YEARS_MS, YEARS_MS + CLOCK_HOUR_MS);
    must(f, rewrite, &ahead);
    must(f, rest, &ms);
    assert_int_equal(ms, 0);
}

static void test_as_a_rule_nothing_moves(void **state)
{
    struct fixture *f = *state;
    int64_t due = clock_engine_ms() + CLOCK_HOUR_MS;
    struct new_job new = fixture_job("ca", due);
    must(f, fixture_insert_job, &new);
    assert_int_equal(settled(f), 0);
    struct job job = load(f, new.id);
    assert_int_equal(job.due_at, due);
    job_finish(&job);
}

/* The process before started ten years back, and then the clock was put right. */
static void test_what_was_noted_moves_waits_and_deadlines(void **state)
{
    struct fixture *f = *state;
    struct note back = {clock_engine_ms() - YEARS_MS - CLOCK_MINUTE_MS, YEARS_MS};
    int64_t due = clock_engine_ms() + CLOCK_HOUR_MS, by = -YEARS_MS;
    struct new_job new = fixture_job("ca", due), endless = fixture_job("ca", due);
    new.job.deadline_at = due + CLOCK_DAY_MS;
    must(f, fixture_insert_job, &new);
    must(f, fixture_insert_job, &endless);
    must(f, rewrite, &by);
    must(f, note, &back);
    assert_int_equal(settled(f), YEARS_MS);
    struct job job = load(f, new.id), other = load(f, endless.id);
    assert_int_equal(job.due_at, due);
    assert_int_equal(job.deadline_at, due + CLOCK_DAY_MS);
    assert_in_range(clock_engine_ms() - job.created_at, 0, CLOCK_MINUTE_MS);
    assert_int_equal(other.deadline_at, INT64_MAX);
    job_finish(&job);
    job_finish(&other);
    assert_int_equal(settled(f), 0); /* once */
}

/* What was written before the process that noted is by another clock. */
static void test_a_note_is_about_its_own_process(void **state)
{
    struct fixture *f = *state;
    int64_t due = clock_engine_ms() + CLOCK_HOUR_MS;
    struct new_job new = fixture_job("ca", due);
    struct note later = {clock_engine_ms() + CLOCK_HOUR_MS, -CLOCK_HOUR_MS};
    must(f, fixture_insert_job, &new);
    must(f, note, &later);
    assert_int_equal(settled(f), -CLOCK_HOUR_MS);
    struct job job = load(f, new.id);
    assert_int_equal(job.due_at, due);
    job_finish(&job);
}

/* Nobody saw it: the newest event is in the future. */
static void check_set_back(struct fixture *f, int64_t by)
{
    int64_t now = clock_engine_ms(), due = now + CLOCK_HOUR_MS;
    struct new_job new = fixture_job("ca", due);
    new.job.deadline_at = due + CLOCK_DAY_MS;
    must(f, fixture_insert_job, &new);
    must(f, rewrite, &by);
    assert_in_range(settled(f) + by + CLOCK_MINUTE_MS, 0, 2 * CLOCK_MINUTE_MS);
    struct job job = load(f, new.id);
    assert_in_range(job.due_at - due + CLOCK_MINUTE_MS, 0, 2 * CLOCK_MINUTE_MS);
    assert_int_equal(job.deadline_at - job.due_at, CLOCK_DAY_MS);
    job_finish(&job);
    assert_int_equal(settled(f), 0);
}

static void test_a_clock_that_was_set_back_stops_no_wait(void **state)
{
    check_set_back(*state, YEARS_MS);
}

static void test_an_hour_back(void **state)
{
    check_set_back(*state, CLOCK_HOUR_MS);
}

static int age_note(struct store_tx *tx, void *arg, struct err *e)
{
    const int64_t *by = arg;
    return db_run(store_tx_db(tx), NULL, e, "UPDATE clock SET since = since + ?1", "i", *by);
}

/* One process ran ten years back, as after a night without a battery; the next one has the time. */
static void test_what_was_moved_back_comes_forward_again(void **state)
{
    struct fixture *f = *state;
    int64_t now = clock_engine_ms(), due = now + CLOCK_HOUR_MS, by = YEARS_MS, back = -YEARS_MS;
    struct new_job new = fixture_job("ca", due);
    new.job.deadline_at = due + CLOCK_DAY_MS;
    must(f, fixture_insert_job, &new);
    must(f, rewrite, &by);
    settled(f);
    assert_int_equal(settled(f), 0); /* and it starts again and again */
    must(f, rewrite, &back);
    must(f, age_note, &back);
    assert_in_range(settled(f) + CLOCK_MINUTE_MS - YEARS_MS, 0, 2 * CLOCK_MINUTE_MS);
    struct job job = load(f, new.id);
    assert_in_range(job.due_at - due + CLOCK_MINUTE_MS, 0, 2 * CLOCK_MINUTE_MS);
    assert_int_equal(job.deadline_at - job.due_at, CLOCK_DAY_MS);
    job_finish(&job);
}

static int put_key(struct store_tx *tx, void *job, struct err *e)
{
    struct idempotency request = {.scope = "s", .key = "k", .body = "b"};
    return idempotency_put(tx, &request, job, e);
}

static int find_key(struct store_tx *tx, void *found, struct err *e)
{
    struct idempotency request = {.scope = "s", .key = "k", .body = "b"};
    char job[ULID_SIZE];
    return idempotency_find(tx, &request, job, found, e);
}

static int age_key(struct store_tx *tx, void *arg, struct err *e)
{
    const int64_t *by = arg;
    return db_run(store_tx_db(tx), NULL, e, "UPDATE idempotency SET at = at + ?1", "i", *by);
}

/* It lives for a day, not for ten years and a day. */
static void test_an_idempotency_key_ages_again(void **state)
{
    struct fixture *f = *state;
    struct new_job new = fixture_job("ca", 0);
    int64_t by = YEARS_MS, day = -(int64_t)CLOCK_DAY_MS - CLOCK_MINUTE_MS;
    bool found = false;
    must(f, fixture_insert_job, &new);
    must(f, put_key, new.id);
    must(f, rewrite, &by);
    must(f, age_key, &by);
    settled(f);
    must(f, find_key, &found);
    assert_true(found);
    must(f, age_key, &day);
    must(f, find_key, &found);
    assert_false(found);
}

struct limit {
    int64_t account, until;
};

static int set_limits(struct store_tx *tx, void *arg, struct err *e)
{
    const struct limit *limit = arg;
    return account_limit_set(tx, limit->account, "order", limit->until, e) < 0 ||
                   authority_park(tx, "ca", limit->until, "down", e) < 0
               ? -1
               : 0;
}

static void test_parks_and_limits_end(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca";
    struct err e;
    struct new_account account = {.name = "main", .authority = ca};
    struct new_job new = fixture_job("ca", 0);
    int64_t by = YEARS_MS, until;
    struct authority authority;
    must(f, fixture_put_authority, ca);
    must(f, fixture_insert_account, &account);
    must(f, fixture_insert_job, &new);
    bool any;
    assert_ok(account_limit_any(f->db, &any, &e), e);
    assert_false(any);
    struct limit limit = {account.id, clock_engine_ms() + YEARS_MS + CLOCK_HOUR_MS};
    must(f, set_limits, &limit);
    must(f, rewrite, &by);
    settled(f);
    assert_ok(account_limit_load(f->db, account.id, "order", &until, &e), e);
    assert_in_range(until, clock_engine_ms(), clock_engine_ms() + 2 * CLOCK_HOUR_MS);
    assert_ok(account_limit_any(f->db, &any, &e), e);
    assert_true(any);
    assert_ok(authority_load(f->db, ca, &authority, &e), e);
    assert_int_equal(authority.parked_until, until);
    authority_finish(&authority);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_how_long_it_rested, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_as_a_rule_nothing_moves, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_what_was_noted_moves_waits_and_deadlines,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_note_is_about_its_own_process, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_clock_that_was_set_back_stops_no_wait, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_what_was_moved_back_comes_forward_again, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_an_hour_back, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_an_idempotency_key_ages_again, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_parks_and_limits_end, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
