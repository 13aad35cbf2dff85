/* What has to cost the same however many certificates there are, counted in the steps that SQLite's
   virtual machine takes; and that what is counted and found that way is right. */
#include "store/certificate_search.h"
#include "store/owner.h"
#include "store/solver.h"
#include "store/target.h"
#include "tests/unit/store_fixture.h"

#include <sqlite3.h>
#include <stdatomic.h>

enum {
    FEW = 1100, /* more than a refusal to delete counts */
    MANY = 2300,
    SORTED = 10000, /* at most for a page */
    NOW = 5000,
    PAGE = 3,
};

/* ---- counting ---- */

static atomic_long steps;

static int count_steps(unsigned kind, void *context, void *statement, void *nanoseconds)
{
    (void)kind;
    (void)context;
    (void)nanoseconds;
    atomic_fetch_add(&steps, sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1));
    return 0;
}

struct sqlite3_api_routines;

/* Every connection that is opened from now on, the writer's and the readers'. */
static int watch(sqlite3 *db, char **error, const struct sqlite3_api_routines *api)
{
    (void)error;
    (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, count_steps, NULL);
}

static int watched_setup(void **state)
{
    if (sqlite3_auto_extension((void (*)(void))watch) != SQLITE_OK)
        return -1;
    return fixture_setup(state);
}

/* ---- rows ---- */

static void alter(struct fixture *f, const char *sql)
{
    char *path = mem_printf("%s/certwright.db", f->directory), *error = NULL;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, sql, NULL, NULL, &error);
    if (error)
        fail_msg("%s", error);
    sqlite3_close(db);
    free(path);
}

/* Certificates that are valid, and planned for by a job that waits. */
static void add(struct fixture *f, int from, int to)
{
    char *sql = mem_printf(
        "CREATE TEMP TABLE fresh AS WITH RECURSIVE f (i) AS (SELECT %d UNION ALL SELECT i + 1"
        "  FROM f WHERE i < %d) SELECT i FROM f;"
        "INSERT INTO certificate (id, name, spec, identifiers, account_id, challenge_solver, "
        "labels,"
        " key_type, key_reuse, retry_for_ms, origin, version, renew, renew_before_ms, renew_ari,"
        " not_after, created_at, updated_at) SELECT i, printf ('c%%06d', i), '{}', '[]', 1, 'dns',"
        " '{}', 'ec-p256', 0, 0, 'api', 1, 1, 0, 1, 9000 + i, 1, 1 FROM fresh;"
        "INSERT INTO version (certificate_id, n, revision, state, key_type, spki_sha256, csr, leaf,"
        " chain, serial, issuer, not_after, created_at) SELECT i, 1, 1, 'valid', 'ec-p256', 's',"
        " x'', 'L', '', '01', 'CN=i', 9000 + i, 1 FROM fresh;"
        "INSERT INTO job (id, kind, state, step, lane, due_at, resource_type, resource_name,"
        " resource_id, part, args, exclusive, deadline_at, created_at, updated_at)"
        " SELECT printf ('%%026d', i), 'certificate.renew', 'waiting', 'plan', 'local', 9000 + i,"
        " 'certificate', printf ('c%%06d', i), i, -1, '{}', 1, 9223372036854775807, 1, 1"
        " FROM fresh;"
        "INSERT INTO deployment (certificate_id, position, target, parameters, created_at,"
        " updated_at) SELECT i, 0, 'files', '{}', 1, 1 FROM fresh",
        from, to);
    alter(f, sql);
    free(sql);
}

/* The first ones are: of the config, failing, waiting for a person, revoked, expired, pending and
   unplanned; the revoked one has the rare authority. */
static void make(struct fixture *f)
{
    char rare[] = "rare";
    struct new_account account = {.name = "few", .authority = rare};
    fixture_certificate(f, "b");
    must(f, fixture_put_authority, rare);
    must(f, fixture_insert_account, &account);
    alter(f, "DELETE FROM certificate;"
             "INSERT INTO target VALUES ('files', 'files', NULL, '{}', 'api', 1, 1)");
    add(f, 1, FEW);
    alter(f, "UPDATE certificate SET last_error = '{}' WHERE id IN (2, 5);"
             "UPDATE certificate SET active_job = printf ('%026d', id) WHERE id IN (1, 2, 3);"
             "UPDATE job SET due_at = 9223372036854775807 WHERE resource_id IN (2, 3, 4);"
             "UPDATE version SET state = 'revoked' WHERE certificate_id = 4;"
             "UPDATE certificate SET renew_stopped = 1 WHERE id = 4;"
             "UPDATE certificate SET not_after = 5000 WHERE id = 5;"
             "UPDATE certificate SET not_after = 0, version = 0 WHERE id = 6;"
             "UPDATE job SET state = 'failed', finished_at = 1 WHERE resource_id IN (4, 6, 7)");
    char *sql =
        mem_printf("UPDATE certificate SET account_id = %lld WHERE id = 4", (long long)account.id);
    alter(f, sql);
    free(sql);
}

static void finish_all(struct certificate *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        certificate_finish(&list[i]);
    free(list);
}

/* ---- what is looked for ---- */

static void look_at_totals(struct fixture *f)
{
    struct certificate_totals totals;
    struct err e;
    assert_ok(certificate_total(f->db, NOW, &totals, &e), e);
    assert_int_equal(totals.all - totals.ready, 3);
    assert_int_equal(totals.failing, 3);
    assert_int_equal(totals.first_expiry, 9001);
}

static void look_for_unplanned(struct fixture *f)
{
    struct certificate *list;
    size_t count;
    struct err e;
    assert_ok(certificate_list_unplanned(f->db, PAGE, &list, &count, &e), e);
    assert_int_equal(count, 1);
    assert_int_equal(list[0].id, 7);
    finish_all(list, count);
}

static void expect(struct fixture *f, struct certificate_search search, size_t expected,
                   int64_t first)
{
    struct certificate *list;
    size_t count;
    struct err e;
    search.now = NOW;
    assert_ok(certificate_find(f->db, &search, NULL, 0, PAGE, &list, &count, &e), e);
    assert_int_equal(count, expected);
    assert_int_equal(list[0].id, first);
    finish_all(list, count);
}

static void look_for_revoked(struct fixture *f)
{
    for (int order = CERTIFICATE_BY_NAME; order <= CERTIFICATE_BY_CREATED_AT; order++)
        expect(f,
               (struct certificate_search){.status = CERTIFICATE_REVOKED,
                                           .order = (enum certificate_order)order},
               1, 4);
}

static void look_for_a_rare_authority(struct fixture *f)
{
    expect(f, (struct certificate_search){.status = -1, .authority = "rare"}, 1, 4);
}

static void look_for_a_common_authority(struct fixture *f)
{
    expect(f, (struct certificate_search){.status = -1, .authority = "ca"}, PAGE, 1);
}

static void look_for_failed_jobs(struct fixture *f)
{
    const struct job_filter filter = {.state = JOB_FAILED};
    const int64_t ids[] = {7, 6, 4};
    struct job *list;
    size_t count;
    struct err e;
    assert_ok(job_list(f->db, &filter, NULL, PAGE + 1, &list, &count, &e), e);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list[i].resource_id, ids[i]);
        job_finish(&list[i]);
    }
    free(list);
}

static void look_for_a_certificates_jobs(struct fixture *f)
{
    const struct job_filter filter = {.kind = "certificate.renew",
                                      .state = -1,
                                      .resource_type = "certificate",
                                      .resource_name = "c000009"};
    struct job *list;
    size_t count;
    struct err e;
    assert_ok(job_list(f->db, &filter, NULL, PAGE, &list, &count, &e), e);
    assert_int_equal(count, 1);
    assert_int_equal(list[0].resource_id, 9);
    job_finish(&list[0]);
    free(list);
}

static void note_lane(void *context, const char *lane, int64_t due)
{
    assert_string_equal(lane, "local");
    assert_int_equal(due, 9001);
    ++*(int *)context;
}

static void look_at_lanes(struct fixture *f)
{
    int count = 0;
    struct err e;
    assert_ok(job_lanes(f->db, note_lane, &count, &e), e);
    assert_int_equal(count, 1);
}

static int wake(struct store_tx *tx, void *step, struct err *e)
{
    return job_hasten_step(tx, "certificate.renew", step, e);
}

static void wake_what_waits(struct fixture *f)
{
    char propagate[] = "propagate";
    must(f, wake, propagate);
}

static int release(struct store_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return owner_set(tx, OWNED_CERTIFICATE, "c000001", ORIGIN_CONFIG, e) < 0
               ? -1
               : owner_release_config(tx, e);
}

static void release_config(struct fixture *f)
{
    struct certificate c;
    struct err e;
    must(f, release, NULL);
    assert_ok(certificate_load(f->db, "c000001", &c, &e), e);
    assert_int_equal(c.origin, ORIGIN_API);
    certificate_finish(&c);
}

static int delete_account(struct store_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return account_delete(tx, 1, e);
}

static int delete_target(struct store_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return target_delete(tx, "files", e);
}

static int delete_solver(struct store_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return solver_delete(tx, "dns", e);
}

static void keep_what_is_in_use(struct fixture *f)
{
    static store_fn *const deletions[] = {delete_account, delete_target, delete_solver};
    struct err e;
    for (size_t i = 0; i < sizeof deletions / sizeof *deletions; i++) {
        assert_fails(store_write_wait(f->store, deletions[i], NULL, &e), e, ERR_IN_USE);
        if (!strstr(e.detail, ": c000001, c000002, c000003 and more than 997 more."))
            fail_msg("%s", e.detail);
    }
    assert_ok(target_check_unused(f->db, "other", &e), e);
}

static int sweep_jobs(struct store_tx *tx, void *arg, struct err *e)
{
    return job_sweep(tx, 1, arg, e);
}

static void sweep(struct fixture *f)
{
    int64_t swept;
    must(f, sweep_jobs, &swept);
    assert_int_equal(swept, 0);
}

/* ---- the tests ---- */

static void others_cost_nothing(void **state)
{
    static void (*const looks[])(struct fixture *f) = {
        look_at_totals,
        look_for_unplanned,
        look_for_revoked,
        look_for_a_rare_authority,
        look_for_a_common_authority,
        look_for_a_certificates_jobs,
        look_for_failed_jobs,
        look_at_lanes,
        wake_what_waits,
        release_config,
        keep_what_is_in_use,
        sweep,
    };
    enum { COUNT = sizeof looks / sizeof *looks };
    struct fixture *f = *state;
    long before[COUNT];
    make(f);
    for (size_t i = 0; i < COUNT; i++) {
        atomic_store(&steps, 0);
        looks[i](f);
        before[i] = atomic_load(&steps);
        assert_true(before[i] > 0);
    }
    add(f, FEW + 1, MANY);
    for (size_t i = 0; i < COUNT; i++) {
        atomic_store(&steps, 0);
        looks[i](f);
        if (atomic_load(&steps) > before[i])
            fail_msg("look %zu: %ld steps, %ld before", i, atomic_load(&steps), before[i]);
    }
}

static void look_through_many(struct fixture *f)
{
    const struct certificate_search searches[] = {
        {.status = -1, .account = "main", .order = CERTIFICATE_BY_NOT_AFTER},
        {.status = -1, .authority = "ca", .order = CERTIFICATE_BY_NOT_AFTER},
        {.status = -1, .account = "main", .order = CERTIFICATE_BY_CREATED_AT},
        {.status = -1, .expires_before = INT64_MAX - 1},
    };
    const int64_t firsts[] = {6, 6, 1, 1};
    for (size_t i = 0; i < sizeof searches / sizeof *searches; i++)
        expect(f, searches[i], PAGE, firsts[i]);
    struct certificate_search rare = {
        .status = -1, .authority = "rare", .order = CERTIFICATE_BY_NOT_AFTER};
    expect(f, rare, 1, 4);
}

/* Those that are many are not sorted, and those that are few not looked for among the many. */
static void orders_that_no_index_has(void **state)
{
    struct fixture *f = *state;
    make(f);
    look_through_many(f);
    add(f, FEW + 1, SORTED + 100);
    atomic_store(&steps, 0);
    look_through_many(f);
    long before = atomic_load(&steps);
    add(f, SORTED + 101, 2 * SORTED);
    atomic_store(&steps, 0);
    look_through_many(f);
    assert_true(atomic_load(&steps) <= before);
}

/* The pages of an authority with several accounts come in the order of names. */
static void pages_of_an_authority(void **state)
{
    struct fixture *f = *state;
    struct certificate_search search = {.status = -1, .authority = "ca", .now = NOW};
    char *after = NULL;
    int64_t next = 1;
    size_t count = PAGE;
    struct err e;
    make(f);
    alter(f, "INSERT INTO account (id, name, authority, spec, contacts, terms_of_service_agreed,"
             " only_existing, eab_mac, origin, key_type, created_at, updated_at) SELECT 100,"
             " 'second', 'ca', '{}', '[]', 1, 0, 'HS256', 'api', 'ec-p256', 1, 1;"
             "UPDATE certificate SET account_id = 100 WHERE id % 3 = 0");
    while (count == PAGE) {
        struct certificate *list;
        assert_ok(certificate_find(f->db, &search, after, 0, PAGE, &list, &count, &e), e);
        for (size_t i = 0; i < count; i++, next++) {
            next += next == 4; /* of the other authority */
            assert_int_equal(list[i].id, next);
        }
        free(after);
        after = count ? mem_strdup(list[count - 1].name) : NULL;
        finish_all(list, count);
    }
    free(after);
    assert_int_equal(next, FEW + 1);
}

/* Of a certificate's jobs only those count that issue it or plan for it, as long as they last. */
static void a_job_that_ends_leaves_it_unplanned(void **state)
{
    struct fixture *f = *state;
    struct new_job job = fixture_job("ca", 1);
    make(f);
    job.job.resource_name = "c000007";
    job.job.resource_id = 7;
    must(f, fixture_insert_job, &job);
    look_for_unplanned(f);
    struct new_job issue = job;
    issue.job.kind = "certificate.issue";
    must(f, fixture_insert_job, &issue);
    struct certificate *list;
    size_t count;
    struct err e;
    assert_ok(certificate_list_unplanned(f->db, PAGE, &list, &count, &e), e);
    assert_int_equal(count, 0);
    free(list);
    struct fixture_commit end = {.id = issue.id, .change = {.state = JOB_RUNNING, .due_at = 1}};
    must(f, fixture_commit_job, &end);
    end.epoch = end.new_epoch;
    end.change = (struct job_change){.state = JOB_FAILED, .due_at = INT64_MAX};
    must(f, fixture_commit_job, &end);
    look_for_unplanned(f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, watched_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(others_cost_nothing),
        CASE(orders_that_no_index_has),
        CASE(pages_of_an_authority),
        CASE(a_job_that_ends_leaves_it_unplanned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
