/* The writer, its groups and its feed. */
#include "store/event.h"
#include "store/token.h"
#include "tests/unit/store_gate.h"

/* ---- writes ---- */

static int put_token_and_fail(struct store_tx *tx, void *name, struct err *e)
{
    if (fixture_put_token(tx, name, e) < 0)
        return -1;
    return err_set(e, ERR_CONFLICT, "on purpose");
}

static void test_a_failing_write_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct err e;
    char name[] = "t";
    assert_fails(store_write_wait(f->store, put_token_and_fail, name, &e), e, ERR_CONFLICT);
    assert_string_equal(e.detail, "on purpose");
    assert_int_equal(fixture_token_count(f), 0);
    must(f, fixture_put_token, name);
    assert_int_equal(fixture_token_count(f), 1);
}

struct rehearsal {
    char name[8];
    bool fails;
    int in_between; /* tokens that were there within it, and after it */
    int afterwards;
};

static int count_tokens(struct store_tx *tx, int *count, struct err *e)
{
    struct token *tokens;
    size_t found;
    if (token_list(store_tx_db(tx), &tokens, &found, e) < 0)
        return -1;
    for (size_t i = 0; i < found; i++)
        token_finish(&tokens[i]);
    free(tokens);
    *count = (int)found;
    return 0;
}

static int put_and_count(struct store_tx *tx, void *arg, struct err *e)
{
    struct rehearsal *rehearsal = arg;
    if (fixture_put_token(tx, rehearsal->name, e) < 0 ||
        count_tokens(tx, &rehearsal->in_between, e) < 0)
        return -1;
    return rehearsal->fails ? err_set(e, ERR_CONFLICT, "on purpose") : 0;
}

static int rehearse_and_put(struct store_tx *tx, void *arg, struct err *e)
{
    struct rehearsal *rehearsal = arg;
    char other[] = "other";
    if (store_tx_rehearse(tx, put_and_count, arg, e) < 0 ||
        count_tokens(tx, &rehearsal->afterwards, e) < 0)
        return -1;
    return fixture_put_token(tx, other, e);
}

/* What is rehearsed does not stay, what comes after it does. */
static void test_a_rehearsal_is_taken_back(void **state)
{
    struct fixture *f = *state;
    struct rehearsal rehearsal = {.name = "t", .afterwards = -1};
    struct err e;
    must(f, rehearse_and_put, &rehearsal);
    assert_int_equal(rehearsal.in_between, 1);
    assert_int_equal(rehearsal.afterwards, 0);
    assert_int_equal(fixture_token_count(f), 1);
    rehearsal = (struct rehearsal){.name = "t", .fails = true, .afterwards = -1};
    assert_fails(store_write_wait(f->store, rehearse_and_put, &rehearsal, &e), e, ERR_CONFLICT);
    assert_int_equal(rehearsal.afterwards, -1);
    assert_int_equal(fixture_token_count(f), 1);
}

/* What the writer thread told, in order: news and dones. Read once the store is quiet. */
enum { TOLD_MAX = 64 };
struct told {
    char lines[TOLD_MAX][64];
    size_t count;
    size_t news;
    int64_t seq;
    char lanes[256];
};

static void hear_news(void *context, const struct store_news *news)
{
    struct told *told = context;
    assert_true(told->count < TOLD_MAX);
    snprintf(told->lines[told->count++], sizeof *told->lines, "news");
    told->news++;
    told->seq = news->seq;
    told->lanes[0] = '\0';
    for (size_t i = 0; i < news->lane_count; i++) {
        size_t at = strlen(told->lanes);
        snprintf(told->lanes + at, sizeof told->lanes - at, "%s=%lld ", news->lanes[i].name,
                 (long long)news->lanes[i].due_ms);
    }
}

struct named_write {
    const char *name;
    struct told *told;
    bool fail;
    int runs;
};

static int run_named(struct store_tx *tx, void *arg, struct err *e)
{
    struct named_write *write = arg;
    char *name = mem_strdup(write->name);
    write->runs++;
    int rc = write->fail ? put_token_and_fail(tx, name, e) : fixture_put_token(tx, name, e);
    free(name);
    return rc;
}

static void hear_done(void *arg, const struct err *e)
{
    struct named_write *write = arg;
    struct told *told = write->told;
    assert_true(told->count < TOLD_MAX);
    snprintf(told->lines[told->count++], sizeof *told->lines, "%s %s", write->name,
             e ? err_info(e->code)->name : "ok");
}

static void quiesce(struct fixture *f)
{
    char name[] = "last";
    must(f, fixture_put_token, name);
}

static void test_a_group_is_one_commit_told_in_order(void **state)
{
    struct fixture *f = *state;
    static struct told told;
    told = (struct told){0};
    struct gate gate;
    struct named_write writes[] = {
        {"a", &told, false, 0}, {"b", &told, true, 0}, {"c", &told, false, 0}};
    store_subscribe(f->store, hear_news, &told);
    close_gate(f, &gate);
    for (size_t i = 0; i < 3; i++)
        store_write(f->store, run_named, &writes[i], hear_done);
    open_gate(&gate);
    quiesce(f);
    /* The gate's own commit changed nothing, so it was no news; b did not harm a and c. */
    assert_true(told.count >= 4);
    assert_string_equal(told.lines[0], "news");
    assert_string_equal(told.lines[1], "a ok");
    assert_string_equal(told.lines[2], "b state.conflict");
    assert_string_equal(told.lines[3], "c ok");
    /* b's failure took all back; then each was run for itself. */
    assert_int_equal(writes[0].runs, 2);
    assert_int_equal(writes[1].runs, 2);
    assert_int_equal(writes[2].runs, 1);
    assert_int_equal(fixture_token_count(f), 3);
}

static void test_a_group_without_a_failure_runs_once(void **state)
{
    struct fixture *f = *state;
    static struct told told;
    told = (struct told){0};
    struct gate gate;
    struct named_write writes[] = {{"a", &told, false, 0}, {"b", &told, false, 0}};
    store_subscribe(f->store, hear_news, &told);
    close_gate(f, &gate);
    for (size_t i = 0; i < 2; i++)
        store_write(f->store, run_named, &writes[i], hear_done);
    open_gate(&gate);
    quiesce(f);
    assert_string_equal(told.lines[0], "news");
    assert_string_equal(told.lines[1], "a ok");
    assert_string_equal(told.lines[2], "b ok");
    assert_int_equal(writes[0].runs, 1);
    assert_int_equal(writes[1].runs, 1);
}

/* As SQLite does after some errors, of reads too. */
static int lose_transaction(struct store_tx *tx, void *name, struct err *e)
{
    struct db_row *row;
    struct err ignored;
    if (fixture_put_token(tx, name, e) < 0 ||
        db_query(store_tx_db(tx), &row, e, "ROLLBACK", "") < 0)
        return -1;
    int rc = db_next(row, e);
    db_row_finish(row);
    assert_int_equal(fixture_put_token(tx, name, &ignored), -1);
    return rc;
}

static void test_a_lost_transaction_is_not_told_as_done(void **state)
{
    struct fixture *f = *state;
    struct err e;
    char name[] = "t";
    assert_fails(store_write_wait(f->store, lose_transaction, name, &e), e, ERR_STORE);
    assert_int_equal(fixture_token_count(f), 0);
    must(f, fixture_put_token, name);
}

static int read_only(struct store_tx *tx, void *arg, struct err *e)
{
    bool *has = arg;
    return account_has_spki(store_tx_db(tx), "none", has, e);
}

static void test_what_changes_nothing_is_no_news(void **state)
{
    struct fixture *f = *state;
    static struct told told;
    told = (struct told){0};
    bool has;
    struct err e;
    char name[] = "t";
    store_subscribe(f->store, hear_news, &told);
    must(f, read_only, &has);
    assert_fails(store_write_wait(f->store, put_token_and_fail, name, &e), e, ERR_CONFLICT);
    quiesce(f);
    assert_int_equal(told.news, 1); /* that of quiesce */
}

static int insert_jobs(struct store_tx *tx, void *arg, struct err *e)
{
    struct new_job jobs[] = {fixture_job("b", 50), fixture_job("a", 30), fixture_job("b", 20),
                             fixture_job("c", INT64_MAX)};
    bool *fail = arg;
    for (size_t i = 0; i < 4; i++)
        if (fixture_insert_job(tx, &jobs[i], e) < 0)
            return -1;
    return *fail ? err_set(e, ERR_CONFLICT, "on purpose") : 0;
}

static void test_news_tell_lanes_and_seq(void **state)
{
    struct fixture *f = *state;
    static struct told told;
    told = (struct told){0};
    bool yes = true, no = false;
    struct err e;
    int64_t seq;
    store_subscribe(f->store, hear_news, &told);
    assert_fails(store_write_wait(f->store, insert_jobs, &yes, &e), e, ERR_CONFLICT);
    must(f, insert_jobs, &no);
    assert_ok(event_last_seq(f->db, &seq, &e), e);
    assert_int_equal(seq, 4);
    assert_int_equal(told.news, 1);
    assert_int_equal(told.seq, 4);
    assert_string_equal(told.lanes, "a=30 b=20 ");
    quiesce(f);
    assert_int_equal(told.seq, 4);
    assert_string_equal(told.lanes, "");
}

/* ---- many threads ---- */

enum { WRITERS = 8, WRITES_EACH = 100 };

struct crowd {
    struct fixture *f;
    int64_t last_seq; /* of the feed; on the writer thread */
    size_t news;
    bool in_order;
};

struct member {
    struct crowd *crowd;
    int number;
    bool saw_own_writes;
};

static void watch_order(void *context, const struct store_news *news)
{
    struct crowd *crowd = context;
    if (news->seq <= crowd->last_seq)
        crowd->in_order = false;
    crowd->last_seq = news->seq;
    crowd->news++;
}

static void *write_many(void *arg)
{
    struct member *member = arg;
    struct store *store = member->crowd->f->store;
    struct db *db;
    struct err e;
    char name[16];
    snprintf(name, sizeof name, "r%d", member->number);
    member->saw_own_writes = store_reader(store, &db, &e) == 0;
    for (int i = 0; i < WRITES_EACH && member->saw_own_writes; i++) {
        struct new_job new = fixture_job("lane", 0);
        struct job job;
        new.job.resource_name = name;
        if (store_write_wait(store, fixture_insert_job, &new, &e) < 0 ||
            job_load(db, new.id, &job, &e) < 0) {
            member->saw_own_writes = false;
            break;
        }
        job_finish(&job);
    }
    return NULL;
}

static void test_many_threads_write_and_read(void **state)
{
    struct fixture *f = *state;
    static struct crowd crowd;
    crowd = (struct crowd){.f = f, .in_order = true};
    pthread_t threads[WRITERS];
    struct member members[WRITERS];
    store_subscribe(f->store, watch_order, &crowd);
    for (int i = 0; i < WRITERS; i++) {
        members[i] = (struct member){&crowd, i, false};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &members[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(members[i].saw_own_writes);
    }
    store_close(f->store); /* the writer has told all */
    f->store = NULL;
    assert_true(crowd.in_order);
    assert_int_equal(crowd.last_seq, WRITERS * WRITES_EACH);
    assert_true(crowd.news <= WRITERS * WRITES_EACH);
    fixture_open(f);
}

static void count_done(void *arg, const struct err *e)
{
    int *count = arg;
    assert_null(e);
    ++*count;
}

static int put_any_token(struct store_tx *tx, void *arg, struct err *e)
{
    char name[32];
    snprintf(name, sizeof name, "t%d", *(int *)arg);
    ++*(int *)arg;
    return fixture_put_token(tx, name, e);
}

struct counted {
    int done;
    int next;
};

static int put_counted(struct store_tx *tx, void *arg, struct err *e)
{
    return put_any_token(tx, &((struct counted *)arg)->next, e);
}

static void count_counted(void *arg, const struct err *e)
{
    count_done(&((struct counted *)arg)->done, e);
}

static void test_closing_runs_what_is_queued(void **state)
{
    struct fixture *f = *state;
    struct counted counted = {0};
    for (int i = 0; i < 1000; i++)
        store_write(f->store, put_counted, &counted, count_counted);
    store_close(f->store);
    assert_int_equal(counted.done, 1000);
    f->store = NULL;
    fixture_open(f);
    assert_int_equal(fixture_token_count(f), 1000);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_failing_write_leaves_nothing),
        CASE(test_a_group_is_one_commit_told_in_order),
        CASE(test_a_group_without_a_failure_runs_once),
        CASE(test_a_lost_transaction_is_not_told_as_done),
        CASE(test_what_changes_nothing_is_no_news),
        CASE(test_news_tell_lanes_and_seq),
        CASE(test_a_rehearsal_is_taken_back),
        CASE(test_many_threads_write_and_read),
        CASE(test_closing_runs_what_is_queued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
