/* Jobs and their timeline. */
#include "acme/base/clock.h"
#include "store/event.h"
#include "store/order.h"
#include "tests/unit/store_fixture.h"

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

/* ---- rows ---- */

static int request_cancel(struct store_tx *tx, void *id, struct err *e)
{
    return job_request_cancel(tx, id, e);
}

static void test_states_have_names(void **state)
{
    (void)state;
    for (int i = JOB_QUEUED; i <= JOB_CANCELLED; i++) {
        enum job_state found;
        assert_int_equal(job_state_by_name(job_state_name((enum job_state)i), &found), 0);
        assert_int_equal(found, i);
        assert_int_equal(job_state_is_final((enum job_state)i), i >= JOB_SUCCEEDED);
    }
    enum job_state untouched = JOB_FAILED;
    assert_int_equal(job_state_by_name("sleeping", &untouched), -1);
    assert_int_equal(untouched, JOB_FAILED);
}

static void test_a_new_job_is_queued(void **state)
{
    struct fixture *f = *state;
    struct new_job new = fixture_job("ca", 12345);
    new.job.args = "{\"x\":1}";
    new.job.resource_id = 9;
    new.job.deadline_at = 777;
    must(f, fixture_insert_job, &new);
    struct job job = load(f, new.id);
    assert_string_equal(job.id, new.id);
    assert_string_equal(job.kind, "test.kind");
    assert_int_equal(job.state, JOB_QUEUED);
    assert_string_equal(job.step, "begin");
    assert_int_equal(job.attempt, 0);
    assert_string_equal(job.lane, "ca");
    assert_int_equal(job.due_at, 12345);
    assert_string_equal(job.resource_type, "certificate");
    assert_string_equal(job.resource_name, "a");
    assert_int_equal(job.resource_id, 9);
    assert_string_equal(job.args, "{\"x\":1}");
    assert_null(job.error);
    assert_int_equal(job.deadline_at, 777);
    assert_int_equal(job.cancel_requested_at, 0);
    assert_true(job.created_at > 0);
    assert_int_equal(job.finished_at, 0);
    job_finish(&job);

    struct event *events;
    size_t count;
    struct err e;
    assert_ok(event_list(f->db, new.id, 10, &events, &count, &e), e);
    assert_int_equal(count, 1);
    assert_string_equal(events[0].step, "begin");
    assert_string_equal(events[0].job, new.id);
    event_finish(&events[0]);
    free(events);
}

static void test_a_new_job_may_wait_at_once(void **state)
{
    struct fixture *f = *state;
    struct new_job new = fixture_job("ca", 12345);
    new.job.waits = "planned";
    must(f, fixture_insert_job, &new);
    struct job job = load(f, new.id);
    assert_int_equal(job.state, JOB_WAITING);
    assert_int_equal(job.due_at, 12345);
    job_finish(&job);

    struct event *events;
    size_t count;
    struct err e;
    assert_ok(event_list(f->db, new.id, 10, &events, &count, &e), e);
    assert_int_equal(count, 2);
    assert_string_equal(events[0].message, "queued");
    assert_string_equal(events[1].message, "planned");
    assert_int_equal(events[1].state, JOB_WAITING);
    for (size_t i = 0; i < count; i++)
        event_finish(&events[i]);
    free(events);
}

static void test_a_missing_job_is_named(void **state)
{
    struct fixture *f = *state;
    struct job job = {.epoch = 5};
    struct err e;
    assert_fails(job_load(f->db, "nobody", &job, &e), e, ERR_NOT_FOUND);
    assert_string_equal(e.detail, "There is no job \"nobody\".");
    assert_int_equal(job.epoch, 5);
}

static void test_an_exclusive_twin_is_answered(void **state)
{
    struct fixture *f = *state;
    struct new_job first = fixture_job("ca", 0), second = fixture_job("ca", 0);
    first.job.exclusive = second.job.exclusive = true;
    must(f, fixture_insert_job, &first);
    must(f, fixture_insert_job, &second);
    assert_true(second.existing);
    assert_string_equal(first.id, second.id);

    struct new_job other = fixture_job("ca", 0);
    other.job.exclusive = true;
    other.job.resource_id = 2; /* the name again, after the first one's deletion */
    must(f, fixture_insert_job, &other);
    assert_false(other.existing);

    struct fixture_commit end = {.id = first.id, .change = {.state = JOB_FAILED}};
    must(f, fixture_commit_job, &end);
    must(f, fixture_insert_job, &second);
    assert_false(second.existing);
    assert_string_not_equal(first.id, second.id);

    must(f, request_cancel, second.id); /* one that is to end makes room */
    struct new_job third = second;
    must(f, fixture_insert_job, &third);
    assert_false(third.existing);
}

static void test_a_commit_moves_the_job(void **state)
{
    struct fixture *f = *state;
    struct new_job new = insert(f, "ca", 0);
    struct fixture_commit commit = {.id = new.id,
                                    .change = {.state = JOB_WAITING,
                                               .step = "validate",
                                               .lane = "zone",
                                               .attempt = 3,
                                               .due_at = INT64_MAX,
                                               .error = "{\"e\":1}"}};
    must(f, fixture_commit_job, &commit);
    assert_int_equal(commit.new_epoch, 1);
    struct job job = load(f, new.id);
    assert_int_equal(job.state, JOB_WAITING);
    assert_string_equal(job.step, "validate");
    assert_string_equal(job.lane, "zone");
    assert_int_equal(job.attempt, 3);
    assert_int_equal(job.epoch, 1);
    assert_int_equal(job.due_at, INT64_MAX);
    assert_string_equal(job.error, "{\"e\":1}");
    assert_int_equal(job.finished_at, 0);
    job_finish(&job);

    commit = (struct fixture_commit){.id = new.id, .epoch = 1, .change = {.state = JOB_SUCCEEDED}};
    must(f, fixture_commit_job, &commit);
    job = load(f, new.id);
    assert_string_equal(job.step, "validate");
    assert_null(job.error);
    assert_true(job.finished_at > 0);
    job_finish(&job);
}

static int insert_then_commit(struct store_tx *tx, void *arg, struct err *e)
{
    struct fixture_commit *commit = arg;
    const struct event_new event = {commit->id, JOB_RUNNING, "x", "must not stay", NULL};
    if (event_add(tx, &event, e) < 0)
        return -1;
    return fixture_commit_job(tx, arg, e);
}

static void test_a_stale_commit_is_refused(void **state)
{
    struct fixture *f = *state;
    struct new_job new = insert(f, "ca", 0);
    struct fixture_commit commit = {.id = new.id, .change = {.state = JOB_RUNNING}};
    struct err e;
    int64_t before, after;
    must(f, fixture_commit_job, &commit);
    assert_ok(event_last_seq(f->db, &before, &e), e);
    assert_fails(store_write_wait(f->store, insert_then_commit, &commit, &e), e, ERR_STORE_STALE);
    assert_ok(event_last_seq(f->db, &after, &e), e);
    assert_int_equal(before, after);
    commit.id = "nobody";
    assert_fails(store_write_wait(f->store, fixture_commit_job, &commit, &e), e, ERR_NOT_FOUND);
}

static void test_an_ended_job_stays_ended(void **state)
{
    struct fixture *f = *state;
    struct new_job new = insert(f, "ca", 0);
    struct fixture_commit commit = {.id = new.id, .change = {.state = JOB_CANCELLED}};
    struct err e;
    must(f, fixture_commit_job, &commit);
    commit.epoch = commit.new_epoch;
    commit.change.state = JOB_RUNNING;
    assert_fails(store_write_wait(f->store, fixture_commit_job, &commit, &e), e, ERR_STORE_STALE);
}

/* ---- lists ---- */

static void expect_page(struct fixture *f, const struct job_filter *filter, const char *after,
                        size_t limit, const struct new_job *const expected[], size_t expected_count)
{
    struct job *jobs;
    size_t count;
    struct err e;
    assert_ok(job_list(f->db, filter, after, limit, &jobs, &count, &e), e);
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(jobs[i].id, expected[i]->id);
        job_finish(&jobs[i]);
    }
    free(jobs);
}

static void test_lists_are_newest_first_and_filtered(void **state)
{
    struct fixture *f = *state;
    struct new_job a = insert(f, "ca", 0), b = fixture_job("ca", 0), c = insert(f, "ca", 0);
    struct job_filter all = {.state = -1};
    b.job.kind = "other.kind";
    b.job.resource_type = "account";
    b.job.resource_name = "main";
    must(f, fixture_insert_job, &b);
    struct fixture_commit end = {.id = c.id, .change = {.state = JOB_FAILED}};
    must(f, fixture_commit_job, &end);

    expect_page(f, &all, NULL, 10, (const struct new_job *[]){&b, &c, &a}, 3);
    expect_page(f, &all, NULL, 2, (const struct new_job *[]){&b, &c}, 2);
    expect_page(f, &all, c.id, 2, (const struct new_job *[]){&a}, 1);
    expect_page(f, &all, a.id, 2, NULL, 0);
    struct job_filter kind = {.kind = "other.kind", .state = -1};
    expect_page(f, &kind, NULL, 10, (const struct new_job *[]){&b}, 1);
    struct job_filter failed = {.state = JOB_FAILED};
    expect_page(f, &failed, NULL, 10, (const struct new_job *[]){&c}, 1);
    struct job_filter type = {.state = -1, .resource_type = "certificate"};
    expect_page(f, &type, b.id, 10, (const struct new_job *[]){&c, &a}, 2);
    struct job_filter resource = {
        .state = JOB_QUEUED, .resource_type = "certificate", .resource_name = "a"};
    expect_page(f, &resource, NULL, 10, (const struct new_job *[]){&a}, 1);

    struct job *jobs;
    size_t count;
    struct err e;
    assert_fails(job_list(f->db, &all, "nobody", 10, &jobs, &count, &e), e, ERR_NOT_FOUND);
}

struct counts {
    int64_t queued;
    int64_t failed;
    size_t rows;
};

static void add_count(void *context, const char *kind, enum job_state state, int64_t count)
{
    struct counts *counts = context;
    assert_string_equal(kind, "test.kind");
    counts->rows++;
    if (state == JOB_QUEUED)
        counts->queued = count;
    if (state == JOB_FAILED)
        counts->failed = count;
}

static void test_jobs_are_counted(void **state)
{
    struct fixture *f = *state;
    struct counts counts = {0};
    struct err e;
    insert(f, "ca", 0);
    insert(f, "ca", 0);
    struct new_job c = insert(f, "ca", 0);
    struct fixture_commit end = {.id = c.id, .change = {.state = JOB_FAILED}};
    must(f, fixture_commit_job, &end);
    assert_ok(job_count(f->db, add_count, &counts, &e), e);
    assert_int_equal(counts.rows, 2);
    assert_int_equal(counts.queued, 2);
    assert_int_equal(counts.failed, 1);
}

/* ---- timeline and sweeping ---- */

struct new_event {
    const char *job;
    const char *message;
};

static int add_event(struct store_tx *tx, void *arg, struct err *e)
{
    const struct new_event *new = arg;
    const struct event_new event = {new->job, JOB_RUNNING, "step", new->message, NULL};
    return event_add(tx, &event, e);
}

static void test_events_are_the_newest_oldest_first(void **state)
{
    struct fixture *f = *state;
    struct new_job new = insert(f, "ca", 0), other = insert(f, "ca", 0);
    struct event *events;
    size_t count;
    struct err e;
    for (int i = 0; i < 5; i++) {
        char message[] = {(char)('a' + i), '\0'};
        must(f, add_event, &(struct new_event){new.id, message});
        must(f, add_event, &(struct new_event){other.id, "noise"});
    }
    assert_ok(event_list(f->db, new.id, 2, &events, &count, &e), e);
    assert_int_equal(count, 2);
    assert_string_equal(events[0].message, "d");
    assert_string_equal(events[1].message, "e");
    assert_true(events[0].seq < events[1].seq);
    assert_true(events[0].at > 0);
    for (size_t i = 0; i < count; i++)
        event_finish(&events[i]);
    free(events);
}

struct sweep {
    int64_t before;
    int64_t swept;
};

static int run_sweep(struct store_tx *tx, void *arg, struct err *e)
{
    struct sweep *sweep = arg;
    return job_sweep(tx, sweep->before, &sweep->swept, e);
}

static int insert_order_with_duty(struct store_tx *tx, void *arg, struct err *e)
{
    char name[] = "a", account[] = "main", authority[] = "ca", solver[] = "s", value[] = "v";
    struct order order = {
        .job = arg, .certificate = name, .account = account, .authority = authority};
    if (order_insert(tx, &order, e) < 0)
        return -1;
    struct duty duty = {.solver = solver, .record_name = name, .record_value = value};
    memcpy(duty.order, order.id, ULID_SIZE);
    return duty_insert(tx, &duty, e);
}

static int delete_duty(struct store_tx *tx, void *id, struct err *e)
{
    return duty_delete(tx, *(int64_t *)id, e);
}

static void test_sweeping_spares_the_unfinished_and_the_owing(void **state)
{
    struct fixture *f = *state;
    struct new_job open = insert(f, "ca", 0), ended = insert(f, "ca", 0),
                   owing = insert(f, "ca", 0);
    struct sweep sweep = {.before = INT64_MAX};
    struct job job;
    struct order order;
    struct duty *duties;
    size_t count;
    int64_t before, after;
    struct err e;
    must(f, insert_order_with_duty, owing.id);
    const struct new_job *ends[] = {&ended, &owing};
    for (size_t i = 0; i < 2; i++) {
        struct fixture_commit end = {.id = ends[i]->id, .change = {.state = JOB_FAILED}};
        must(f, fixture_commit_job, &end);
    }
    assert_ok(event_last_seq(f->db, &before, &e), e);
    must(f, run_sweep, &(struct sweep){.before = 1});
    must(f, run_sweep, &sweep);
    assert_int_equal(sweep.swept, 1);
    assert_fails(job_load(f->db, ended.id, &job, &e), e, ERR_NOT_FOUND);
    job = load(f, open.id);
    job_finish(&job);

    assert_ok(duty_list_of_solver(f->db, "s", &duties, &count, &e), e);
    assert_int_equal(count, 1);
    must(f, delete_duty, &duties[0].id);
    duty_finish(&duties[0]);
    free(duties);
    must(f, run_sweep, &sweep);
    assert_int_equal(sweep.swept, 1);
    assert_fails(order_load_of_job(f->db, owing.id, &order, &e), e, ERR_NOT_FOUND);
    assert_ok(event_last_seq(f->db, &after, &e), e);
    assert_int_equal(before, after); /* deleted events take no number with them */
}

static int end_all(struct store_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return db_run(store_tx_db(tx), NULL, e, "UPDATE job SET state = 'failed', finished_at = 1", "");
}

static void test_sweeping_goes_in_chunks(void **state)
{
    struct fixture *f = *state;
    struct fixture_many many = {"ca", 1200, 0};
    struct sweep sweep = {.before = 2, .swept = -1};
    int64_t total = 0;
    must(f, fixture_insert_many, &many);
    must(f, end_all, NULL);
    for (int i = 0; i < 10 && sweep.swept; i++) {
        must(f, run_sweep, &sweep);
        assert_true(sweep.swept < 1000);
        total += sweep.swept;
    }
    assert_int_equal(sweep.swept, 0);
    assert_int_equal(total, 1200);
}

static void test_the_other_job_of_a_resource(void **state)
{
    struct fixture *f = *state;
    struct new_job first = insert(f, "ca", 1), second = fixture_job("ca", 2);
    char other[ULID_SIZE];
    struct err e;
    struct job job = load(f, first.id);
    assert_ok(job_other(f->db, &job, other, &e), e);
    assert_string_equal(other, "");
    second.job.kind = "test.other";
    must(f, fixture_insert_job, &second);
    assert_ok(job_other(f->db, &job, other, &e), e);
    assert_string_equal(other, second.id);
    must(f, request_cancel, second.id);
    assert_ok(job_other(f->db, &job, other, &e), e);
    assert_string_equal(other, "");
    job_finish(&job);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_have_names),
        CASE(test_a_new_job_is_queued),
        CASE(test_a_new_job_may_wait_at_once),
        CASE(test_a_missing_job_is_named),
        CASE(test_an_exclusive_twin_is_answered),
        CASE(test_a_commit_moves_the_job),
        CASE(test_a_stale_commit_is_refused),
        CASE(test_an_ended_job_stays_ended),
        CASE(test_lists_are_newest_first_and_filtered),
        CASE(test_jobs_are_counted),
        CASE(test_the_other_job_of_a_resource),
        CASE(test_events_are_the_newest_oldest_first),
        CASE(test_sweeping_spares_the_unfinished_and_the_owing),
        CASE(test_sweeping_goes_in_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
