/*
 * The disk fails at the nth operation, for every n of a store's life: what is told to be written is
 * there, what is told to have failed is not, and once the disk works again the same store goes on.
 */
#include "tests/unit/fault_vfs.h"
#include "tests/unit/sample.h"
#include "tests/unit/store_fixture.h"

#include <pthread.h>
#include <sys/wait.h>

enum { ONE_IN = 12 };

/* One life of a store: every act may fail, is then done again, and is done in the end. */
struct life {
    struct fixture f;
    struct key *key;
    char job[2][ULID_SIZE];
    int64_t certificate;
    struct job claimed;
};

typedef int act_fn(struct life *life, struct err *e);

static int act_open(struct life *life, struct err *e)
{
    return store_open(&life->f.options, &life->f.store, e);
}

static int act_read(struct life *life, struct err *e)
{
    return store_reader(life->f.store, &life->f.db, e);
}

static int run_pragma(struct db_row *row, struct err *e)
{
    int rc = db_next(row, e);
    db_row_finish(row);
    return rc < 0 ? -1 : 0;
}

/* Every few pages go from the WAL to the database, not every thousand; and a transaction that
   changes more than a few spills them before its end. */
static int use_few_pages(struct store_tx *tx, void *arg, struct err *e)
{
    struct db *db = store_tx_db(tx);
    struct db_row *row;
    (void)arg;
    if (db_query(db, &row, e, "PRAGMA wal_autocheckpoint = 8", "") < 0 || run_pragma(row, e) < 0)
        return -1;
    return db_query(db, &row, e, "PRAGMA cache_size = 10", "") < 0 ? -1 : run_pragma(row, e);
}

static int act_set_up(struct life *life, struct err *e)
{
    return store_write_wait(life->f.store, use_few_pages, NULL, e);
}

static int act_account(struct life *life, struct err *e)
{
    char ca[] = "ca";
    struct new_account account = {.name = "main", .authority = ca, .key = life->key};
    if (store_write_wait(life->f.store, fixture_put_authority, ca, e) < 0)
        return -1;
    return store_write_wait(life->f.store, fixture_insert_account, &account, e);
}

static int act_certificate(struct life *life, struct err *e)
{
    struct new_certificate certificate = {.name = "a"};
    if (store_write_wait(life->f.store, fixture_insert_certificate, &certificate, e) < 0)
        return -1;
    life->certificate = certificate.id;
    return 0;
}

static int act_prepare(struct life *life, struct err *e)
{
    struct fixture_prepare p = {life->certificate, NULL, "spki", 0};
    if (store_write_wait(life->f.store, fixture_prepare_version, &p, e) < 0)
        return -1;
    assert_int_equal(p.n, 1);
    return 0;
}

static int insert_job(struct life *life, int i, struct err *e)
{
    struct new_job new = fixture_job("lane", i);
    if (store_write_wait(life->f.store, fixture_insert_job, &new, e) < 0)
        return -1;
    memcpy(life->job[i], new.id, sizeof new.id);
    return 0;
}

static int act_first_job(struct life *life, struct err *e)
{
    return insert_job(life, 0, e);
}

static int act_second_job(struct life *life, struct err *e)
{
    return insert_job(life, 1, e);
}

static int act_claim(struct life *life, struct err *e)
{
    bool found;
    int64_t next;
    if (job_claim(life->f.store, life->f.db, "lane", 1, &life->claimed, &found, &next, e) < 0)
        return -1;
    assert_true(found);
    assert_string_equal(life->claimed.id, life->job[0]);
    return 0;
}

static int commit_job(struct life *life, struct job_change change, struct err *e)
{
    struct fixture_commit commit = {
        .id = life->claimed.id, .epoch = life->claimed.epoch, .change = change};
    if (store_write_wait(life->f.store, fixture_commit_job, &commit, e) < 0)
        return -1;
    life->claimed.epoch = commit.new_epoch;
    return 0;
}

static int act_step(struct life *life, struct err *e)
{
    return commit_job(life, (struct job_change){.state = JOB_WAITING, .step = "middle"}, e);
}

static int act_end_job(struct life *life, struct err *e)
{
    return commit_job(life, (struct job_change){.state = JOB_SUCCEEDED, .due_at = INT64_MAX}, e);
}

static int sweep(struct store_tx *tx, void *swept, struct err *e)
{
    return job_sweep(tx, INT64_MAX, swept, e);
}

static int act_sweep(struct life *life, struct err *e)
{
    int64_t swept = 0;
    if (store_write_wait(life->f.store, sweep, &swept, e) < 0)
        return -1;
    assert_int_equal(swept, 1);
    return 0;
}

/* More than the pages of the cache. */
static int put_large_token(struct store_tx *tx, void *arg, struct err *e)
{
    enum { LARGE = 100000 };
    (void)arg;
    char *name = mem_new(1, LARGE + 1);
    memset(name, 'x', LARGE);
    int rc = fixture_put_token(tx, name, e);
    free(name);
    return rc;
}

static int act_large(struct life *life, struct err *e)
{
    return store_write_wait(life->f.store, put_large_token, NULL, e);
}

struct reading {
    struct life *life;
    int rc;
    struct err error;
};

/* A connection of a thread's own, opened and closed. */
static void *read_in_thread(void *arg)
{
    struct reading *reading = arg;
    struct db *db;
    struct job job;
    reading->rc = store_reader(reading->life->f.store, &db, &reading->error);
    if (reading->rc == 0)
        reading->rc = job_load(db, reading->life->job[1], &job, &reading->error);
    if (reading->rc == 0)
        job_finish(&job);
    return NULL;
}

static int act_read_elsewhere(struct life *life, struct err *e)
{
    struct reading reading = {.life = life};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_in_thread, &reading), 0);
    pthread_join(thread, NULL);
    if (reading.rc < 0)
        *e = reading.error;
    return reading.rc;
}

static int act_check(struct life *life, struct err *e)
{
    return store_check(life->f.store, e);
}

static int act_close(struct life *life, struct err *e)
{
    (void)e;
    store_close(life->f.store);
    life->f.store = NULL;
    return 0;
}

static const struct act {
    const char *name;
    act_fn *fn;
} acts[] = {
    {"open", act_open},
    {"read", act_read},
    {"set up", act_set_up},
    {"account", act_account},
    {"certificate", act_certificate},
    {"prepare", act_prepare},
    {"first job", act_first_job},
    {"second job", act_second_job},
    {"claim", act_claim},
    {"step", act_step},
    {"read elsewhere", act_read_elsewhere},
    {"end job", act_end_job},
    {"sweep", act_sweep},
    {"large", act_large},
    {"check", act_check},
    {"close", act_close},
};

static void expect_storage_error(const struct act *act, const struct err *e)
{
    if (e->code != ERR_STORE && e->code != ERR_STORE_FULL)
        fail_msg("%s: %s: %s", act->name, err_info(e->code)->name, e->detail);
    if (fault_vfs.kind == FAULT_FULL)
        assert_string_equal(err_info(e->code)->name, err_info(ERR_STORE_FULL)->name);
}

/* After a failure once more while the disk may still be broken, and then with one that works. */
static void play(struct life *life, const struct act *act)
{
    struct err e;
    if (act->fn(life, &e) == 0)
        return;
    expect_storage_error(act, &e);
    if (!fault_has_struck())
        fail_msg("%s: fails without a fault: %s", act->name, e.detail);
    if (act->fn(life, &e) == 0)
        return;
    expect_storage_error(act, &e);
    fault_lift();
    if (act->fn(life, &e) < 0)
        fail_msg("%s: does not recover: %s: %s", act->name, err_info(e.code)->name, e.detail);
}

/* Everything that was reported done, in a store that is opened anew. */
static void expect_all(struct life *life)
{
    struct err e;
    struct job job;
    struct version version;
    struct certificate certificate;
    fixture_open(&life->f);
    assert_ok(store_check(life->f.store, &e), e);
    assert_ok(certificate_load(life->f.db, "a", &certificate, &e), e);
    assert_int_equal(certificate.id, life->certificate);
    certificate_finish(&certificate);
    assert_ok(version_load(life->f.db, life->certificate, 1, &version, &e), e);
    version_finish(&version);
    assert_fails(job_load(life->f.db, life->job[0], &job, &e), e, ERR_NOT_FOUND);
    assert_ok(job_load(life->f.db, life->job[1], &job, &e), e);
    assert_int_equal(job.state, JOB_QUEUED);
    job_finish(&job);
    assert_int_equal(fixture_token_count(&life->f), 1);
    store_close(life->f.store);
    life->f.store = NULL;
}

/* Whether the nth operation came up at all. */
static bool live(enum fault_kind kind, bool lasts, long nth)
{
    static struct key *key; /* the same one each time: to make it is not what is tried here */
    struct life life = {.key = key};
    struct err e;
    if (!key)
        assert_ok(key_generate(KEY_EC_P256, &key, &e), e);
    life.key = key;
    snprintf(life.f.directory, sizeof life.f.directory, "/tmp/certwright-fault-XXXXXX");
    assert_non_null(mkdtemp(life.f.directory));
    life.f.options.directory = life.f.directory;
    fault_arm(kind, lasts, nth);
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        play(&life, &acts[i]);
    bool struck = fault_has_struck();
    fault_lift();
    expect_all(&life);
    job_finish(&life.claimed);
    fixture_files(&life.f, fixture_unlink, NULL);
    rmdir(life.f.directory);
    return struck;
}

static void live_with(enum fault_kind kind, bool lasts)
{
    long lives = 0;
    long nth = sample_stride(ONE_IN);
    while (live(kind, lasts, nth)) {
        nth += sample_stride(ONE_IN);
        lives++;
    }
    print_message("%ld lives, of about %ld\n", lives, nth);
    assert_true(lives > 1);
}

static void test_one_operation_fails(void **state)
{
    (void)state;
    live_with(FAULT_IO, false);
}

static void test_the_disk_is_broken(void **state)
{
    (void)state;
    live_with(FAULT_IO, true);
}

static void test_one_write_finds_the_disk_full(void **state)
{
    (void)state;
    live_with(FAULT_FULL, false);
}

static void test_the_disk_is_full(void **state)
{
    (void)state;
    live_with(FAULT_FULL, true);
}

/* Whether the child was killed: it brings the database to the newest schema. */
static bool migrate_in_child(struct life *life, long nth)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct err e;
        fault_arm(FAULT_KILL, false, nth);
        _exit(act_open(life, &e) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static int64_t number_of(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

static void make_schema_1(const char *path)
{
    struct buf sql = {0};
    char piece[4096], *error = NULL;
    sqlite3 *db;
    size_t size;
    FILE *file = fopen("tests/integration/schema-1.sql", "rb");
    assert_non_null(file);
    while ((size = fread(piece, 1, sizeof piece, file)) > 0)
        buf_add(&sql, piece, size);
    fclose(file);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, buf_string(&sql), NULL, NULL, &error);
    if (error)
        fail_msg("%s", error);
    sqlite3_close(db);
    buf_finish(&sql);
}

/* What each schema has that the one before has not. */
static void expect_whole(const char *path, int64_t version)
{
    int64_t tables = number_of(path, "SELECT count (*) FROM sqlite_master"
                                     " WHERE name IN ('job', 'audit', 'job_total')");
    assert_int_equal(tables, version);
    if (version == 0)
        assert_int_equal(number_of(path, "SELECT count (*) FROM sqlite_master"), 0);
    if (version == 3)
        assert_int_equal(number_of(path, "SELECT count (*) FROM job"),
                         number_of(path, "SELECT ifnull (sum (number), 0) FROM job_total"));
}

/* The old schema, of nothing or of a database with all there was, or a newer one; never half. */
static void kill_inside_a_migration(int64_t old)
{
    bool killed = true, saw_old = false, saw_new = false;
    for (long nth = 1; killed; nth += sample_stride(2)) {
        struct life life = {.key = NULL};
        struct err e;
        snprintf(life.f.directory, sizeof life.f.directory, "/tmp/certwright-fault-XXXXXX");
        assert_non_null(mkdtemp(life.f.directory));
        life.f.options.directory = life.f.directory;
        memset(life.f.options.master, 7, sizeof life.f.options.master);
        char *path = mem_printf("%s/certwright.db", life.f.directory);
        if (old)
            make_schema_1(path);
        killed = migrate_in_child(&life, nth);
        int64_t version = number_of(path, "PRAGMA user_version");
        expect_whole(path, version);
        saw_old |= version == old;
        saw_new |= killed && version > old;
        fixture_open(&life.f);
        assert_ok(store_check(life.f.store, &e), e);
        store_close(life.f.store);
        expect_whole(path, 3);
        free(path);
        fixture_files(&life.f, fixture_unlink, NULL);
        rmdir(life.f.directory);
    }
    assert_true(saw_old && saw_new);
}

static void test_killed_inside_the_first_migration(void **state)
{
    (void)state;
    kill_inside_a_migration(0);
}

static void test_killed_inside_an_upgrade(void **state)
{
    (void)state;
    kill_inside_a_migration(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_operation_fails),
        cmocka_unit_test(test_the_disk_is_broken),
        cmocka_unit_test(test_one_write_finds_the_disk_full),
        cmocka_unit_test(test_the_disk_is_full),
        cmocka_unit_test(test_killed_inside_the_first_migration),
        cmocka_unit_test(test_killed_inside_an_upgrade),
    };
    sample_begin();
    fault_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
