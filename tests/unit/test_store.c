/* The store itself: opening, reading, the writer and its feed. */
#include "store/credential.h"
#include "store/token.h"
#include "store_fixture.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- opening ---- */

static void test_first_open_makes_private_files(void **state)
{
    struct fixture *f = *state;
    char *fresh = mem_printf("%s/made", f->directory);
    struct store_options options = f->options;
    struct store *store;
    struct stat status;
    struct err e;
    options.directory = fresh;
    assert_ok(store_open(&options, &store, &e), e);
    assert_int_equal(stat(fresh, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    store_close(store);

    char *remove = mem_printf("rm -r '%s'", fresh);
    assert_int_equal(system(remove), 0);
    free(remove);
    free(fresh);
}

static void expect_private(void *context, const char *path)
{
    struct stat status;
    size_t *seen = context;
    assert_int_equal(stat(path, &status), 0);
    if (S_ISREG(status.st_mode)) {
        assert_int_equal(status.st_mode & 07777, 0600);
        ++*seen;
    }
}

static void test_all_files_are_private(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca";
    size_t seen = 0;
    must(f, fixture_put_authority, ca);
    fixture_files(f, expect_private, &seen);
    assert_true(seen >= 2);
}

static void test_a_second_store_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *second = NULL;
    struct err e;
    assert_fails(store_open(&f->options, &second, &e), e, ERR_BUSY);
    assert_null(second);
}

static void test_a_second_process_is_refused(void **state)
{
    struct fixture *f = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store *second;
        struct err e;
        _exit(store_open(&f->options, &second, &e) < 0 && e.code == ERR_BUSY ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_an_unusable_directory_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct store_options options = f->options;
    struct store *store;
    struct err e;
    options.directory = "/proc/no/such/place";
    assert_fails(store_open(&options, &store, &e), e, ERR_IO);
    options.directory = "/etc/passwd";
    assert_fails(store_open(&options, &store, &e), e, ERR_IO);
}

static void test_reopening_keeps_rows(void **state)
{
    struct fixture *f = *state;
    struct certificate certificate;
    struct err e;
    fixture_certificate(f, "kept");
    fixture_reopen(f);
    assert_ok(certificate_load(f->db, "kept", &certificate, &e), e);
    assert_string_equal(certificate.account, "main");
    certificate_finish(&certificate);
    assert_ok(store_check(f->store, &e), e);
}

struct contents {
    char *data;
    size_t size;
};

static void read_database(void *context, const char *path)
{
    struct contents *out = context;
    if (!strstr(path, ".db"))
        return;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0) {
        out->data = mem_grow(out->data, out->size + n, 1);
        memcpy(out->data + out->size, chunk, n);
        out->size += n;
    }
    fclose(file);
}

static void test_a_wrong_master_key_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct contents before = {0}, after = {0};
    struct err e;
    fixture_certificate(f, "a");
    store_close(f->store);
    f->store = NULL;
    fixture_files(f, read_database, &before);

    struct store_options wrong = f->options;
    struct store *store = NULL;
    wrong.master[0] ^= 1;
    assert_fails(store_open(&wrong, &store, &e), e, ERR_SEAL);
    assert_null(store);
    fixture_files(f, read_database, &after);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    free(before.data);
    free(after.data);
    fixture_open(f);
}

/* ---- writes ---- */

static int put_token(struct store_tx *tx, void *name, struct err *e)
{
    unsigned char hash[TOKEN_HASH_SIZE] = {1};
    return token_put(tx, name, hash, e);
}

static int put_token_and_fail(struct store_tx *tx, void *name, struct err *e)
{
    if (put_token(tx, name, e) < 0)
        return -1;
    return err_set(e, ERR_CONFLICT, "on purpose");
}

static size_t token_count(struct fixture *f)
{
    struct token *tokens;
    size_t count;
    struct err e;
    assert_ok(token_list(f->db, &tokens, &count, &e), e);
    for (size_t i = 0; i < count; i++)
        token_finish(&tokens[i]);
    free(tokens);
    return count;
}

static void test_a_failing_write_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct err e;
    char name[] = "t";
    assert_fails(store_write_wait(f->store, put_token_and_fail, name, &e), e, ERR_CONFLICT);
    assert_string_equal(e.detail, "on purpose");
    assert_int_equal(token_count(f), 0);
    must(f, put_token, name);
    assert_int_equal(token_count(f), 1);
}

/* Holds the writer until it is let go, so that what is queued meanwhile becomes one group. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool entered;
    bool open;
};

static int wait_at_gate(struct store_tx *tx, void *arg, struct err *e)
{
    struct gate *gate = arg;
    (void)tx;
    (void)e;
    pthread_mutex_lock(&gate->mutex);
    gate->entered = true;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    return 0;
}

static void no_done(void *arg, const struct err *e)
{
    (void)arg;
    (void)e;
}

static void close_gate(struct fixture *f, struct gate *gate)
{
    *gate = (struct gate){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    store_write(f->store, wait_at_gate, gate, no_done);
    pthread_mutex_lock(&gate->mutex);
    while (!gate->entered)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

static void open_gate(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
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
    int rc = write->fail ? put_token_and_fail(tx, name, e) : put_token(tx, name, e);
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
    must(f, put_token, name);
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
    assert_int_equal(writes[0].runs, 1);
    assert_int_equal(token_count(f), 3);
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
    return put_token(tx, name, e);
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
    assert_int_equal(token_count(f), 1000);
}

/* ---- snapshots ---- */

static void test_a_snapshot_sees_one_state(void **state)
{
    struct fixture *f = *state;
    struct err e;
    char name[] = "t";
    assert_ok(db_snapshot_begin(f->db, &e), e);
    assert_int_equal(token_count(f), 0);
    must(f, put_token, name);
    assert_int_equal(token_count(f), 0);
    db_snapshot_end(f->db);
    assert_int_equal(token_count(f), 1);
}

static int snapshot_in_write(struct store_tx *tx, void *arg, struct err *e)
{
    struct db *db = store_tx_db(tx);
    char name[] = "t";
    struct token *tokens;
    size_t count;
    if (put_token(tx, name, e) < 0 || db_snapshot_begin(db, e) < 0)
        return -1;
    int rc = token_list(db, &tokens, &count, e);
    db_snapshot_end(db);
    if (rc < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        token_finish(&tokens[i]);
    free(tokens);
    *(size_t *)arg = count;
    return 0;
}

static void test_a_write_sees_itself_in_a_snapshot(void **state)
{
    struct fixture *f = *state;
    size_t count = 0;
    must(f, snapshot_in_write, &count);
    assert_int_equal(count, 1);
    assert_int_equal(token_count(f), 1);
}

/* ---- secrets ---- */

static const char canary[] = "CANARY-this-must-never-lie-in-a-file";

static int put_secrets(struct store_tx *tx, void *arg, struct err *e)
{
    char name[] = "c", type[] = "alidns", empty[] = "{}", set[] = "[\"secret\"]";
    struct credential credential = {
        .name = name, .type = type, .settings = empty, .secrets_set = set};
    bool created;
    struct buf json = {0};
    (void)arg;
    buf_printf(&json, "{\"secret\":\"%s\"}", canary);
    int rc = credential_put(tx, &credential, buf_string(&json), &created, e);
    buf_finish_secret(&json);
    return rc;
}

static int put_key_and_eab(struct store_tx *tx, void *key, struct err *e)
{
    char name[] = "k", ca[] = "ca", spec[] = "{}", contacts[] = "[]", kid[] = "kid";
    struct account account = {
        .name = name, .authority = ca, .spec = spec, .contacts = contacts, .eab_kid = kid};
    return account_insert(tx, &account, key, canary, sizeof canary - 1, e);
}

struct search {
    const void *needle;
    size_t size;
    bool found;
    size_t bytes;
};

static void search_file(void *context, const char *path)
{
    struct search *search = context;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *data = NULL;
    size_t size = 0, n;
    char chunk[4096];
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0) {
        data = mem_grow(data, size + n, 1);
        memcpy(data + size, chunk, n);
        size += n;
    }
    fclose(file);
    search->found |= size && memmem(data, size, search->needle, search->size);
    search->bytes += size;
    free(data);
}

static void test_no_secret_lies_in_a_file(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca";
    struct key *key;
    struct buf der = {0};
    struct err e;
    assert_ok(key_generate(KEY_EC_P256, &key, &e), e);
    assert_ok(key_to_der(key, &der, &e), e);
    must(f, fixture_put_authority, ca);
    must(f, put_secrets, NULL);
    must(f, put_key_and_eab, key);

    /* The private scalar of a P-256 key stands in the 32 bytes that follow these seven. */
    const unsigned char before[] = {0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20};
    const char *scalar = memmem(der.data, der.size, before, sizeof before);
    assert_non_null(scalar);
    struct search searches[] = {{canary, sizeof canary - 1, false, 0},
                                {scalar + sizeof before, 32, false, 0},
                                {"kid", 3, false, 0}};
    for (size_t i = 0; i < 3; i++) {
        fixture_files(f, search_file, &searches[i]);
        assert_true(searches[i].bytes > 0);
    }
    assert_false(searches[0].found);
    assert_false(searches[1].found);
    assert_true(searches[2].found); /* the search would have found them */
    buf_finish_secret(&der);
    key_destroy(key);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_first_open_makes_private_files),
        CASE(test_all_files_are_private),
        CASE(test_a_second_store_is_refused),
        CASE(test_a_second_process_is_refused),
        CASE(test_an_unusable_directory_is_an_error),
        CASE(test_reopening_keeps_rows),
        CASE(test_a_wrong_master_key_writes_nothing),
        CASE(test_a_failing_write_leaves_nothing),
        CASE(test_a_group_is_one_commit_told_in_order),
        CASE(test_what_changes_nothing_is_no_news),
        CASE(test_news_tell_lanes_and_seq),
        CASE(test_many_threads_write_and_read),
        CASE(test_closing_runs_what_is_queued),
        CASE(test_a_snapshot_sees_one_state),
        CASE(test_a_write_sees_itself_in_a_snapshot),
        CASE(test_no_secret_lies_in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
