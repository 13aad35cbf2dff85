/* Claims on jobs, the lanes they queue in, and waking them. */
#include "acme/base/clock.h"
#include "store/event.h"
#include "tests/unit/store_fixture.h"

#include <pthread.h>

static struct new_job insert(struct fixture *f, const char *lane, int64_t due)
{
    struct new_job new = fixture_job(lane, due);
    must(f, fixture_insert_job, &new);
    assert_false(new.existing);
    return new;
}

static struct job load(struct fixture *f, const char *id)
{
    struct job job;
    struct err e;
    assert_ok(job_load(f->db, id, &job, &e), e);
    return job;
}

/* ---- claims: the tests' clock is what they pass as now ---- */

static bool claim(struct fixture *f, const char *lane, int64_t now, char id[ULID_SIZE],
                  int64_t *epoch)
{
    struct job job;
    bool found;
    int64_t next, left;
    struct err e;
    assert_ok(job_claim(f->store, f->db, lane, now, &job, &found, &next, &e), e);
    assert_ok(job_lane_due(f->store, f->db, lane, &left, &e), e);
    assert_int_equal(next, left);
    if (found) {
        memcpy(id, job.id, ULID_SIZE);
        *epoch = job.epoch;
        job_finish(&job);
    }
    return found;
}

static void expect_claim(struct fixture *f, const char *lane, int64_t now, const char *expected)
{
    char id[ULID_SIZE];
    int64_t epoch;
    bool found = claim(f, lane, now, id, &epoch);
    assert_int_equal(found, expected != NULL);
    if (expected)
        assert_string_equal(id, expected);
}

static void expect_due(struct fixture *f, const char *lane, int64_t expected)
{
    int64_t due = -1;
    struct err e;
    assert_ok(job_lane_due(f->store, f->db, lane, &due, &e), e);
    assert_int_equal(due, expected);
}

static void test_claims_go_by_due_then_age(void **state)
{
    struct fixture *f = *state;
    struct new_job late = insert(f, "ca", 300), first = insert(f, "ca", 100);
    struct new_job second = insert(f, "ca", 100), other = insert(f, "zone", 0);
    expect_due(f, "ca", 100);
    expect_claim(f, "ca", 99, NULL);
    expect_claim(f, "ca", 200, first.id);
    expect_due(f, "ca", 100);
    expect_claim(f, "ca", 200, second.id);
    expect_due(f, "ca", 300);
    expect_claim(f, "ca", 200, NULL);
    expect_claim(f, "ca", 300, late.id);
    expect_due(f, "ca", INT64_MAX);
    job_unclaim(f->store, first.id);
    expect_claim(f, "ca", 300, first.id);
    expect_claim(f, "zone", 0, other.id);
    expect_claim(f, "nowhere", 300, NULL);
}

static void test_who_waits_for_someone_is_never_due(void **state)
{
    struct fixture *f = *state;
    insert(f, "ca", INT64_MAX);
    expect_due(f, "ca", INT64_MAX);
    expect_claim(f, "ca", INT64_MAX - 1, NULL);
}

/*
 * Two workers hold one job, as they could if a claim were lost while its step still ran: a lease
 * that ran out, or here one that was dropped. The first to commit wins and the other is refused.
 */
static void test_of_two_claims_one_commits(void **state)
{
    struct fixture *f = *state;
    struct new_job new = insert(f, "ca", 100);
    char mine[ULID_SIZE], theirs[ULID_SIZE];
    int64_t my_epoch, their_epoch;
    struct err e;
    assert_true(claim(f, "ca", 100, mine, &my_epoch));
    job_unclaim(f->store, new.id); /* lost; an hour later another finds it */
    assert_true(claim(f, "ca", 100 + CLOCK_HOUR_MS, theirs, &their_epoch));
    assert_string_equal(mine, theirs);

    struct fixture_commit ours = {.id = mine, .epoch = my_epoch, .change = {.state = JOB_RUNNING}};
    struct fixture_commit other = {
        .id = theirs, .epoch = their_epoch, .change = {.state = JOB_SUCCEEDED}};
    must(f, fixture_commit_job, &other);
    job_unclaim(f->store, new.id);
    assert_fails(store_write_wait(f->store, fixture_commit_job, &ours, &e), e, ERR_STORE_STALE);
    struct job job = load(f, new.id);
    assert_int_equal(job.state, JOB_SUCCEEDED);
    job_finish(&job);
    expect_claim(f, "ca", INT64_MAX - 1, NULL);
}

/*
 * The same with two handles, as two processes are that somebody has helped past the lock: each has
 * its own claims, and only the epoch tells them apart. What the stale one writes beside its job's
 * step is not there either.
 */
static int commit_and_remark(struct store_tx *tx, void *arg, struct err *e)
{
    struct fixture_commit *commit = arg;
    const struct event_new event = {commit->id, JOB_RUNNING, "order", "the stale handle was here",
                                    NULL};
    if (event_add(tx, &event, e) < 0)
        return -1;
    return fixture_commit_job(tx, commit, e);
}

static void test_a_stale_handle_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fixture second = *f;
    struct new_job new = insert(f, "ca", 100);
    char mine[ULID_SIZE], theirs[ULID_SIZE];
    int64_t my_epoch, their_epoch;
    struct err e;
    assert_true(claim(f, "ca", 100, mine, &my_epoch));

    assert_fails(store_open(&f->options, &second.store, &e), e, ERR_BUSY);
    char *lock = mem_printf("%s/lock", f->directory);
    assert_int_equal(unlink(lock), 0);
    free(lock);
    fixture_open(&second);
    assert_true(claim(&second, "ca", 100 + CLOCK_HOUR_MS, theirs, &their_epoch));
    assert_string_equal(mine, theirs);
    assert_int_equal(my_epoch, their_epoch);

    struct fixture_commit other = {
        .id = theirs, .epoch = their_epoch, .change = {.state = JOB_RUNNING, .step = "authorize"}};
    struct fixture_commit ours = {
        .id = mine, .epoch = my_epoch, .change = {.state = JOB_FAILED, .error = "{}"}};
    must(&second, fixture_commit_job, &other);
    assert_fails(store_write_wait(f->store, commit_and_remark, &ours, &e), e, ERR_STORE_STALE);
    struct job job = load(&second, new.id);
    assert_int_equal(job.state, JOB_RUNNING);
    assert_string_equal(job.step, "authorize");
    assert_null(job.error);
    job_finish(&job);
    struct event *events;
    size_t count;
    assert_ok(event_list(second.db, new.id, 10, &events, &count, &e), e);
    for (size_t i = 0; i < count; i++) {
        assert_string_not_equal(events[i].message, "the stale handle was here");
        event_finish(&events[i]);
    }
    free(events);
    store_close(second.store);
}

static void test_reopening_forgets_claims(void **state)
{
    struct fixture *f = *state;
    struct new_job new = insert(f, "ca", 100);
    expect_claim(f, "ca", 100, new.id);
    expect_claim(f, "ca", 100, NULL);
    fixture_reopen(f);
    expect_claim(f, "ca", 100, new.id);
}

enum { CLAIMERS = 4, CLAIMED_JOBS = 200 };

struct claimer {
    struct fixture *f;
    int taken;
    bool failed;
};

/* Takes, steps and lets go until the lane is empty. */
static void *claim_all(void *arg)
{
    struct claimer *claimer = arg;
    struct store *store = claimer->f->store;
    struct db *db;
    struct err e;
    claimer->failed = store_reader(store, &db, &e) < 0;
    while (!claimer->failed) {
        struct job job;
        bool found;
        int64_t next;
        if (job_claim(store, db, "ca", 100, &job, &found, &next, &e) < 0) {
            claimer->failed = true;
            break;
        }
        if (!found)
            break;
        struct fixture_commit commit = {
            .id = job.id, .epoch = job.epoch, .change = {.state = JOB_SUCCEEDED}};
        claimer->failed = store_write_wait(store, fixture_commit_job, &commit, &e) < 0;
        job_unclaim(store, job.id);
        job_finish(&job);
        claimer->taken++;
    }
    return NULL;
}

/* A commit that is refused would show that two had the same job. */
static void test_no_job_is_claimed_twice(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[CLAIMERS];
    struct claimer claimers[CLAIMERS];
    int taken = 0;
    for (int i = 0; i < CLAIMED_JOBS; i++)
        insert(f, "ca", i % 7);
    for (int i = 0; i < CLAIMERS; i++) {
        claimers[i] = (struct claimer){.f = f};
        assert_int_equal(pthread_create(&threads[i], NULL, claim_all, &claimers[i]), 0);
    }
    for (int i = 0; i < CLAIMERS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(claimers[i].failed);
        taken += claimers[i].taken;
    }
    assert_int_equal(taken, CLAIMED_JOBS);
}

static void test_a_claim_among_thousands(void **state)
{
    struct fixture *f = *state;
    struct fixture_many parked = {"ca", 10000, 1000};
    must(f, fixture_insert_many, &parked);
    expect_claim(f, "ca", 999, NULL);
    expect_due(f, "ca", 1000);
}

/* ---- lanes ---- */

struct lanes {
    char text[256];
};

static void add_lane(void *context, const char *lane, int64_t due)
{
    struct lanes *lanes = context;
    size_t at = strlen(lanes->text);
    if (due == INT64_MAX)
        snprintf(lanes->text + at, sizeof lanes->text - at, "%s=never ", lane);
    else
        snprintf(lanes->text + at, sizeof lanes->text - at, "%s=%lld ", lane, (long long)due);
}

static void test_lanes_with_unfinished_jobs(void **state)
{
    struct fixture *f = *state;
    struct lanes lanes = {""};
    struct err e;
    insert(f, "b", 20);
    insert(f, "b", 10);
    insert(f, "c", INT64_MAX);
    struct new_job ended = insert(f, "a", 5);
    struct fixture_commit end = {.id = ended.id, .change = {.state = JOB_SUCCEEDED}};
    must(f, fixture_commit_job, &end);
    assert_ok(job_lanes(f->db, add_lane, &lanes, &e), e);
    assert_string_equal(lanes.text, "b=10 c=never ");
}

/* ---- waking ---- */

static int request_cancel(struct store_tx *tx, void *id, struct err *e)
{
    return job_request_cancel(tx, id, e);
}

static int hasten(struct store_tx *tx, void *id, struct err *e)
{
    return job_hasten(tx, id, e);
}

static void test_a_cancelled_job_is_due_at_once(void **state)
{
    struct fixture *f = *state;
    struct new_job new = insert(f, "ca", INT64_MAX);
    struct err e;
    must(f, request_cancel, new.id);
    struct job job = load(f, new.id);
    int64_t requested = job.cancel_requested_at;
    assert_true(requested > 0);
    assert_true(job.due_at < INT64_MAX);
    assert_int_equal(job.epoch, 0);
    job_finish(&job);
    expect_claim(f, "ca", clock_engine_ms() + 1, new.id);

    must(f, request_cancel, new.id); /* again changes nothing of the request */
    job = load(f, new.id);
    assert_int_equal(job.cancel_requested_at, requested);
    job_finish(&job);

    struct fixture_commit end = {.id = new.id, .change = {.state = JOB_CANCELLED}};
    must(f, fixture_commit_job, &end);
    assert_fails(store_write_wait(f->store, request_cancel, new.id, &e), e, ERR_CONFLICT);
    assert_non_null(strstr(e.detail, "it is cancelled"));
    char nobody[] = "nobody";
    assert_fails(store_write_wait(f->store, request_cancel, nobody, &e), e, ERR_NOT_FOUND);
}

static void test_only_a_waiting_job_is_hastened(void **state)
{
    struct fixture *f = *state;
    struct new_job new = insert(f, "ca", 0);
    struct err e;
    assert_fails(store_write_wait(f->store, hasten, new.id, &e), e, ERR_CONFLICT);
    struct fixture_commit wait = {.id = new.id,
                                  .change = {.state = JOB_WAITING, .due_at = INT64_MAX}};
    must(f, fixture_commit_job, &wait);
    expect_due(f, "ca", INT64_MAX);
    must(f, hasten, new.id);
    struct job job = load(f, new.id);
    assert_int_equal(job.epoch, 1);
    assert_true(job.due_at <= clock_engine_ms());
    job_finish(&job);
    char nobody[] = "nobody";
    assert_fails(store_write_wait(f->store, hasten, nobody, &e), e, ERR_NOT_FOUND);
}

/* A step that was under way when its job was woken does not put it back to sleep. */
static void test_waking_in_mid_step_is_not_lost(void **state)
{
    struct fixture *f = *state;
    struct new_job new = insert(f, "ca", 0);
    struct fixture_commit wait = {.id = new.id, .change = {.state = JOB_WAITING, .due_at = 0}};
    must(f, fixture_commit_job, &wait);
    must(f, hasten, new.id); /* the step of epoch 1 runs already */
    wait.change.due_at = INT64_MAX;
    wait.epoch = 1;
    must(f, fixture_commit_job, &wait);
    struct job job = load(f, new.id);
    assert_true(job.due_at <= clock_engine_ms());
    job_finish(&job);
    wait.epoch = 2; /* the next step knew */
    must(f, fixture_commit_job, &wait);
    expect_due(f, "ca", INT64_MAX);
}

/* What fails again after somebody hastened it is not tried a third time at once. */
static void test_waking_before_a_step_is_for_that_step(void **state)
{
    struct fixture *f = *state;
    struct new_job new = insert(f, "ca", 0);
    struct fixture_commit wait = {.id = new.id,
                                  .change = {.state = JOB_WAITING, .due_at = INT64_MAX}};
    must(f, fixture_commit_job, &wait);
    must(f, hasten, new.id);
    wait.epoch = 1;
    must(f, fixture_commit_job, &wait);
    expect_due(f, "ca", INT64_MAX);
}

static int bring_forward(struct store_tx *tx, void *id, struct err *e)
{
    return job_bring_forward(tx, id, e);
}

static void test_what_waits_is_brought_forward(void **state)
{
    struct fixture *f = *state;
    struct new_job new = insert(f, "ca", 0);
    struct fixture_commit wait = {.id = new.id,
                                  .change = {.state = JOB_WAITING, .due_at = INT64_MAX}};
    must(f, bring_forward, new.id); /* it is queued: nothing */
    must(f, fixture_commit_job, &wait);
    expect_due(f, "ca", INT64_MAX);
    must(f, bring_forward, new.id);
    struct job job = load(f, new.id);
    assert_true(job.due_at <= clock_engine_ms());
    job_finish(&job);
    must(f, bring_forward, new.id); /* the step of epoch 1 runs already, and waits again */
    wait.epoch = 1;
    must(f, fixture_commit_job, &wait);
    expect_due(f, "ca", INT64_MAX);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_claims_go_by_due_then_age),      CASE(test_who_waits_for_someone_is_never_due),
        CASE(test_of_two_claims_one_commits),      CASE(test_a_stale_handle_is_refused),
        CASE(test_reopening_forgets_claims),       CASE(test_no_job_is_claimed_twice),
        CASE(test_a_claim_among_thousands),        CASE(test_lanes_with_unfinished_jobs),
        CASE(test_a_cancelled_job_is_due_at_once), CASE(test_only_a_waiting_job_is_hastened),
        CASE(test_waking_in_mid_step_is_not_lost), CASE(test_waking_before_a_step_is_for_that_step),
        CASE(test_what_waits_is_brought_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
