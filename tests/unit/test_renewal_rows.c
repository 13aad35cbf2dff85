/* What the store keeps of renewals, and the jobs that server/engine/renewal.h makes of it. */
#include "acme/base/clock.h"
#include "server/engine/backoff.h"
#include "server/engine/renewal.h"
#include "store/failure.h"
#include "tests/unit/store_fixture.h"

static struct certificate load(struct fixture *f, int64_t id)
{
    struct certificate certificate;
    struct err e;
    assert_ok(certificate_load_by_id(f->db, id, &certificate, &e), e);
    return certificate;
}

/* ---- the wish, the plan ---- */

static int wish(struct store_tx *tx, void *id, struct err *e)
{
    return certificate_update_renew(tx, *(int64_t *)id, true, 5000, true, e);
}

struct plan {
    int64_t id;
    int64_t version;
    int64_t at;
    const char *renewal;
};

static int set_plan(struct store_tx *tx, void *arg, struct err *e)
{
    const struct plan *plan = arg;
    return certificate_set_renewal(tx, plan->id, plan->version, plan->at, plan->renewal, e);
}

struct issue {
    int64_t id;
    int64_t n;
    int64_t life_ms; /* from now */
};

static int issue(struct store_tx *tx, void *arg, struct err *e)
{
    const struct issue *issue = arg;
    int64_t now = clock_wall_ms();
    const struct version_issued issued = {.leaf = "LEAF",
                                          .chain = "CHAIN",
                                          .serial = "0a",
                                          .issuer = "CN=Issuer",
                                          .not_before = now,
                                          .not_after = now + issue->life_ms};
    return version_issue(tx, issue->id, issue->n, &issued, e);
}

static int revoke_it(struct store_tx *tx, void *id, struct err *e)
{
    return version_revoke(tx, *(int64_t *)id, 1, 0, e);
}

/* A certificate with a version that lives for 90 days, to be renewed by itself. */
static int64_t issued(struct fixture *f, const char *name)
{
    int64_t id = fixture_certificate(f, name);
    struct issue first = {id, fixture_prepared(f, id), 90 * (int64_t)CLOCK_DAY_MS};
    must(f, wish, &id);
    must(f, issue, &first);
    return id;
}

static void a_plan_is_of_the_version_in_use(void **state)
{
    struct fixture *f = *state;
    int64_t id = issued(f, "a");
    must(f, set_plan, &(struct plan){id, 1, 77, "{\"version\":1}"});
    must(f, set_plan, &(struct plan){id, 2, 88, "{\"version\":2}"});
    fixture_reopen(f);
    struct certificate c = load(f, id);
    assert_true(c.renew && c.renew_ari);
    assert_int_equal(c.renew_before_ms, 5000);
    assert_int_equal(c.next_renewal_at, 77);
    assert_string_equal(c.renewal, "{\"version\":1}");
    assert_true(renewal_is_wanted(&c));
    certificate_finish(&c);
    must(f, revoke_it, &id);
    c = load(f, id);
    assert_false(renewal_is_wanted(&c));
    certificate_finish(&c);
}

static void versions_tell_when_they_were_issued(void **state)
{
    struct fixture *f = *state;
    int64_t id = issued(f, "a"), first, at;
    struct err e;
    assert_ok(version_issued_at(f->db, id, 0, &first, &e), e);
    assert_true(first > 0);
    assert_ok(version_issued_at(f->db, id, 1, &at, &e), e);
    assert_int_equal(at, 0);
    fixture_prepared(f, id); /* 2 never comes of age */
    struct issue third = {id, fixture_prepared(f, id), CLOCK_DAY_MS};
    must(f, issue, &third);
    assert_ok(version_issued_at(f->db, id, 1, &at, &e), e);
    assert_int_equal(at, first);
}

/* ---- the job ---- */

static int plan_now(struct store_tx *tx, void *id, struct err *e)
{
    struct certificate certificate;
    if (certificate_load_by_id(store_tx_db(tx), *(int64_t *)id, &certificate, e) < 0)
        return -1;
    int rc = renewal_plan(tx, &certificate, e);
    certificate_finish(&certificate);
    return rc;
}

static size_t unplanned(struct fixture *f)
{
    struct certificate *list;
    size_t count;
    struct err e;
    assert_ok(certificate_list_unplanned(f->db, 10, &list, &count, &e), e);
    for (size_t i = 0; i < count; i++)
        certificate_finish(&list[i]);
    free(list);
    return count;
}

/* The only job for the certificate's renewal. */
static struct job the_job(struct fixture *f)
{
    const struct job_filter filter = {.kind = "certificate.renew", .state = -1};
    struct job *list;
    size_t count;
    struct err e;
    assert_ok(job_list(f->db, &filter, NULL, 10, &list, &count, &e), e);
    assert_int_equal(count, 1);
    struct job job = list[0];
    free(list);
    return job;
}

static void each_certificate_has_one_job(void **state)
{
    struct fixture *f = *state;
    int64_t id = issued(f, "a");
    struct err e;
    assert_int_equal(unplanned(f), 1);
    assert_ok(renewal_plan_missing(f->store, &e), e);
    assert_int_equal(unplanned(f), 0);
    struct job job = the_job(f);
    assert_string_equal(job.step, "plan");
    assert_string_equal(job.lane, "local");
    assert_int_equal(job.deadline_at, INT64_MAX);
    /* It is none of those that the certificate waits for. */
    struct new_job other = fixture_job("ca", 1);
    other.job.resource_id = id;
    char beside[ULID_SIZE];
    must(f, fixture_insert_job, &other);
    struct job row;
    assert_ok(job_load(f->db, other.id, &row, &e), e);
    assert_ok(job_other(f->db, &row, beside, &e), e);
    assert_string_equal(beside, "");
    job_finish(&row);
    struct certificate c = load(f, id);
    assert_int_equal(c.next_renewal_at > clock_wall_ms(), 1);
    certificate_finish(&c);
    must(f, plan_now, &id);
    job_finish(&job);
    job = the_job(f);
    job_finish(&job);
}

/* The plan that a step is about to commit may rest on what has changed under it. */
static void a_new_plan_wakes_the_job_under_its_step(void **state)
{
    struct fixture *f = *state;
    int64_t id = issued(f, "a");
    must(f, plan_now, &id);
    struct job job = the_job(f);
    struct fixture_commit commit = {
        .id = job.id, .change = {.state = JOB_WAITING, .due_at = job.due_at + CLOCK_DAY_MS}};
    must(f, plan_now, &id);
    must(f, fixture_commit_job, &commit);
    struct job now = the_job(f);
    assert_true(now.due_at < job.due_at + CLOCK_DAY_MS);
    job_finish(&now);
    /* Without news it waits as long as it wants. */
    commit.epoch = commit.new_epoch;
    must(f, fixture_commit_job, &commit);
    now = the_job(f);
    assert_int_equal(now.due_at, job.due_at + CLOCK_DAY_MS);
    job_finish(&now);
    job_finish(&job);
}

/* ---- failures ---- */

static int64_t end_job(struct fixture *f, enum job_state end, int64_t retry_after_ms)
{
    struct new_job new = fixture_job("local", 1);
    struct err error, e;
    struct job job;
    new.job.kind = "certificate.issue";
    must(f, fixture_insert_job, &new);
    err_set(&error, ERR_CA_MALFORMED, "no");
    error.retry_after_ms = retry_after_ms;
    char *failure = failure_write(&error, NULL);
    struct fixture_commit commit = {
        .id = new.id,
        .change = {.state = end, .due_at = INT64_MAX, .error = end == JOB_FAILED ? failure : NULL}};
    must(f, fixture_commit_job, &commit);
    free(failure);
    assert_ok(job_load(f->db, new.id, &job, &e), e);
    int64_t at = job.finished_at;
    job_finish(&job);
    return at;
}

static int64_t held(struct fixture *f, int64_t since)
{
    int64_t until;
    struct err e;
    assert_ok(backoff_until(f->db, "certificate.issue", "certificate", "a", INT64_MAX, &until, &e),
              e);
    return until ? until - since : 0;
}

/* Of a certificate with two hours left, a failure never holds for longer than six minutes. */
static void failures_hold_no_renewal_until_it_is_late(void **state)
{
    struct fixture *f = *state;
    struct err e;
    int64_t until;
    for (int i = 0; i < 4; i++) {
        int64_t at = end_job(f, JOB_FAILED, 0);
        assert_ok(backoff_until(f->db, "certificate.issue", "certificate", "a",
                                at + 2 * CLOCK_HOUR_MS, &until, &e),
                  e);
        assert_in_range(until - at, CLOCK_MINUTE_MS, 66 * CLOCK_MINUTE_MS / 10);
    }
    int64_t at = end_job(f, JOB_FAILED, CLOCK_HOUR_MS);
    assert_ok(backoff_until(f->db, "certificate.issue", "certificate", "a", at + CLOCK_HOUR_MS,
                            &until, &e),
              e);
    assert_int_equal(until - at, CLOCK_HOUR_MS);
}

static void failures_hold_the_next_try_back(void **state)
{
    struct fixture *f = *state;
    static const int64_t minutes[] = {1, 10, 100, 24 * 60L, 24 * 60L};
    assert_int_equal(held(f, 0), 0);
    for (size_t i = 0; i < sizeof minutes / sizeof *minutes; i++) {
        int64_t wait = minutes[i] * CLOCK_MINUTE_MS;
        int64_t hold = held(f, end_job(f, JOB_FAILED, 0));
        assert_in_range(hold, wait, wait + wait / 10);
    }
    assert_int_equal(held(f, end_job(f, JOB_SUCCEEDED, 0)), 0);
    assert_int_equal(held(f, end_job(f, JOB_FAILED, CLOCK_HOUR_MS)), CLOCK_HOUR_MS);
    assert_int_equal(held(f, end_job(f, JOB_FAILED, 9 * (int64_t)CLOCK_DAY_MS)), CLOCK_DAY_MS);
}

static void what_was_called_off_rests_for_a_day(void **state)
{
    struct fixture *f = *state;
    int64_t until, id = issued(f, "a");
    struct certificate c = load(f, id);
    struct err e;
    int64_t at = end_job(f, JOB_CANCELLED, 0);
    assert_ok(renewal_held_until(f->db, &c, at + 1, &until, &e), e);
    assert_int_equal(until, at + CLOCK_DAY_MS);
    assert_ok(renewal_held_until(f->db, &c, at + CLOCK_DAY_MS, &until, &e), e);
    assert_int_equal(until, 0);
    /* A clock that was set back does not hold it for ever. */
    assert_ok(renewal_held_until(f->db, &c, 1, &until, &e), e);
    assert_in_range(until, CLOCK_DAY_MS, 2 * (int64_t)CLOCK_DAY_MS);
    certificate_finish(&c);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_plan_is_of_the_version_in_use),
        CASE(versions_tell_when_they_were_issued),
        CASE(each_certificate_has_one_job),
        CASE(a_new_plan_wakes_the_job_under_its_step),
        CASE(failures_hold_no_renewal_until_it_is_late),
        CASE(failures_hold_the_next_try_back),
        CASE(what_was_called_off_rests_for_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
