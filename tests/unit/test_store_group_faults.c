/*
 * The disk fails at the nth operation under a group of writes, for every n: each write is there
 * whole or told to have failed, whether another of them fails by itself or not.
 */
#include "tests/unit/fault_vfs.h"
#include "tests/unit/sample.h"
#include "tests/unit/store_gate.h"

enum { ONE_IN = 8, WRITES = 5, ROWS = 12 };

struct write {
    char name[24];
    bool fails; /* by itself */
    bool over, failed;
    enum err_code code;
};

static int put_rows(struct store_tx *tx, void *arg, struct err *e)
{
    const struct write *write = arg;
    for (int i = 0; i < ROWS; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s-%d", write->name, i);
        if (fixture_put_token(tx, name, e) < 0)
            return -1;
    }
    return write->fails ? err_set(e, ERR_CONFLICT, "on purpose") : 0;
}

static void take_note(void *arg, const struct err *e)
{
    struct write *write = arg;
    write->over = true;
    write->failed = e;
    write->code = e ? e->code : ERR_NONE;
}

static int run_pragma(struct store_tx *tx, void *sql, struct err *e)
{
    struct db_row *row;
    if (db_query(store_tx_db(tx), &row, e, sql, "") < 0)
        return -1;
    int rc = db_next(row, e);
    db_row_finish(row);
    return rc < 0 ? -1 : 0;
}

static int do_nothing(struct store_tx *tx, void *arg, struct err *e)
{
    (void)tx;
    (void)arg;
    (void)e;
    return 0;
}

static int rows_of(struct fixture *f, const char *name)
{
    struct token *tokens;
    size_t count;
    struct err e;
    int rows = 0;
    assert_ok(token_list(f->db, &tokens, &count, &e), e);
    for (size_t i = 0; i < count; i++) {
        rows += !strncmp(tokens[i].name, name, strlen(name));
        token_finish(&tokens[i]);
    }
    free(tokens);
    return rows;
}

static void judge(struct fixture *f, const struct write *write, long nth)
{
    assert_true(write->over);
    if (rows_of(f, write->name) != (write->failed ? 0 : ROWS))
        fail_msg("nth %ld: %s, told as %s, has %d rows", nth, write->name,
                 err_info(write->code)->name, rows_of(f, write->name));
    if (write->fails)
        assert_true(write->failed);
    else if (write->failed)
        assert_true(write->code == ERR_STORE || write->code == ERR_STORE_FULL);
}

/* Whether the fault was met. */
static bool live(enum fault_kind kind, bool lasts, bool one_fails, long nth)
{
    struct fixture f = {.store = NULL};
    struct write writes[WRITES] = {0}, last = {.name = "last"};
    /* A transaction that changes more than a few pages spills them before its end. */
    char pages[] = "PRAGMA cache_size = 10", checkpoint[] = "PRAGMA wal_autocheckpoint = 8";
    struct gate gate;
    struct err e;
    snprintf(f.directory, sizeof f.directory, "/tmp/certwright-group-XXXXXX");
    assert_non_null(mkdtemp(f.directory));
    f.options.directory = f.directory;
    fixture_open(&f);
    must(&f, run_pragma, pages);
    must(&f, run_pragma, checkpoint);
    close_gate(&f, &gate);
    for (int i = 0; i < WRITES; i++) {
        snprintf(writes[i].name, sizeof writes[i].name, "write%d", i);
        writes[i].fails = one_fails && i == WRITES / 2;
        store_write(f.store, put_rows, &writes[i], take_note);
    }
    fault_arm(kind, lasts, nth);
    open_gate(&gate);
    (void)store_write_wait(f.store, do_nothing, NULL, &e); /* behind them all */
    bool struck = fault_has_struck();
    fault_lift();
    for (int i = 0; i < WRITES; i++)
        judge(&f, &writes[i], nth);
    must(&f, put_rows, &last);
    assert_ok(store_check(f.store, &e), e);
    store_close(f.store);
    fixture_files(&f, fixture_unlink, NULL);
    rmdir(f.directory);
    return struck;
}

static void live_with(enum fault_kind kind)
{
    long lives = 0;
    for (int how = 0; how < 4; how++)
        for (long nth = sample_stride(ONE_IN); live(kind, how & 1, how & 2, nth); lives++)
            nth += sample_stride(ONE_IN);
    print_message("%ld lives\n", lives);
    assert_true(lives > 4);
}

static void test_the_disk_fails_under_a_group(void **state)
{
    (void)state;
    live_with(FAULT_IO);
}

static void test_the_disk_is_full_under_a_group(void **state)
{
    (void)state;
    live_with(FAULT_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_disk_fails_under_a_group),
        cmocka_unit_test(test_the_disk_is_full_under_a_group),
    };
    sample_begin();
    fault_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
