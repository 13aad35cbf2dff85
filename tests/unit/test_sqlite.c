/* What only the SQLite driver can show: its schema, its plans, and how it fails. */
#include "store/certificate_search.h"
#include "store/sqlite.h"
#include "store/token.h"
#include "tests/unit/store_fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

static void alter(struct fixture *f, const char *sql)
{
    char *path = mem_printf("%s/certwright.db", f->directory);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    free(path);
}

static void close_store(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
}

static void test_a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;
    struct err e;
    close_store(f);
    alter(f, "PRAGMA user_version = 99");
    assert_fails(store_open(&f->options, &store, &e), e, ERR_STORE);
    assert_null(store);
    assert_non_null(strstr(e.detail, "schema 99"));
    assert_non_null(strstr(e.detail, "newer certwright"));
    assert_non_null(strstr(e.detail, CERTWRIGHT_VERSION));
    assert_non_null(strstr(e.detail, "backup"));
}

static void unlink_one(void *context, const char *path)
{
    (void)context;
    unlink(path);
}

/* A database of the first schema, with what these statements put into it. */
static void make_first(struct fixture *f, const char *const *rows)
{
    fixture_files(f, unlink_one, NULL);
    for (const char *const *sql = sqlite_migrations[0]; *sql; sql++)
        alter(f, *sql);
    for (; *rows; rows++)
        alter(f, *rows);
    alter(f, "PRAGMA user_version = 1");
}

static size_t count_found(struct fixture *f, const struct certificate_search *search)
{
    struct certificate *list;
    size_t count;
    struct err e;
    assert_ok(certificate_find(f->db, search, NULL, 0, 10, &list, &count, &e), e);
    for (size_t i = 0; i < count; i++)
        certificate_finish(&list[i]);
    free(list);
    return count;
}

static size_t count_unplanned(struct fixture *f)
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

static void test_a_database_of_the_first_schema_is_brought_up(void **state)
{
    static const char *const rows[] = {
        "INSERT INTO authority VALUES ('ca', 'https://ca.invalid', NULL, 0, 0, 'api', NULL, NULL, "
        "0,"
        " 0, NULL, 1, 1)",
        "INSERT INTO account (name, authority, spec, contacts, terms_of_service_agreed,"
        " only_existing, eab_mac, origin, key_type, created_at, updated_at)"
        " VALUES ('main', 'ca', '{}', '[]', 1, 0, 'HS256', 'api', 'ec-p256', 1, 1)",
        "INSERT INTO certificate (name, spec, identifiers, account_id, labels, key_type, key_reuse,"
        " retry_for_ms, origin, version, renew, renew_before_ms, renew_ari, created_at, updated_at)"
        " VALUES ('a', '{}', '[\"a.example.com\",\"b.example.com\"]', 1, '{\"team\":\"web\"}',"
        " 'ec-p256', 0, 0, 'api', 2, 1, 0, 1, 1, 1)",
        "INSERT INTO version (certificate_id, n, revision, state, key_type, spki_sha256, csr, leaf,"
        " chain, serial, issuer, not_after, created_at) VALUES"
        " (1, 1, 1, 'valid', 'ec-p256', 's', x'', 'L', '', '01', 'CN=i', 5000, 1),"
        " (1, 2, 1, 'valid', 'ec-p256', 's', x'', 'L', '', '02', 'CN=i', 9000, 1)",
        "INSERT INTO job (id, kind, state, step, lane, due_at, resource_type, resource_name,"
        " resource_id, part, args, exclusive, deadline_at, created_at, updated_at) VALUES"
        " (printf ('%026d', 1), 'certificate.renew', 'waiting', 'plan', 'local', 9000,"
        " 'certificate', 'a', 1, -1, '{}', 1, 9000, 1, 1)",
        NULL,
    };
    struct fixture *f = *state;
    struct certificate c;
    struct err e;
    close_store(f);
    make_first(f, rows);
    fixture_open(f);
    assert_ok(store_check(f->store, &e), e);
    assert_ok(certificate_load(f->db, "a", &c, &e), e);
    assert_string_equal(c.account, "main");
    assert_int_equal(c.not_after, 9000);
    certificate_finish(&c);
    assert_int_equal(count_unplanned(f), 0);
    struct certificate_search search = {.status = -1, .expires_before = 8999};
    assert_int_equal(count_found(f, &search), 0);
    search.expires_before = 9000;
    assert_int_equal(count_found(f, &search), 1);
    search.identifier = "b.example.com";
    assert_int_equal(count_found(f, &search), 1);
    search.label = "team";
    search.label_value = "web";
    assert_int_equal(count_found(f, &search), 1);
    search.label_value = "api";
    assert_int_equal(count_found(f, &search), 0);
    fixture_reopen(f); /* once is enough */
    assert_ok(store_check(f->store, &e), e);
}

/* A migration that is cut off leaves the schema as it was, and its own table out of reach. */
static void test_a_migration_that_fails_leaves_nothing(void **state)
{
    static const char *const rows[] = {"CREATE TABLE revocation (in_the_way INTEGER) STRICT", NULL};
    struct fixture *f = *state;
    struct store *store = NULL;
    struct err e;
    close_store(f);
    make_first(f, rows);
    assert_fails(store_open(&f->options, &store, &e), e, ERR_STORE);
    assert_non_null(strstr(e.detail, "schema 2"));
    alter(f, "DROP TABLE revocation");
    alter(f, "SELECT 1 FROM certificate WHERE account_id IS NULL");
    fixture_open(f);
    assert_ok(store_check(f->store, &e), e);
}

static void test_a_file_that_is_no_database_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;
    struct err e;
    close_store(f);
    char *path = mem_printf("%s/certwright.db", f->directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("no database ", file);
    fclose(file);
    free(path);
    assert_fails(store_open(&f->options, &store, &e), e, ERR_STORE);
    assert_null(store);
}

static void test_a_damaged_reference_is_found(void **state)
{
    struct fixture *f = *state;
    struct err e;
    fixture_certificate(f, "a");
    assert_ok(store_check(f->store, &e), e);
    close_store(f);
    alter(f, "PRAGMA foreign_keys = OFF; DELETE FROM authority");
    fixture_open(f);
    assert_fails(store_check(f->store, &e), e, ERR_STORE);
    assert_non_null(strstr(e.detail, "account"));
}

static void test_a_moved_secret_does_not_open(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca";
    struct key *keys[2], *opened = NULL;
    struct new_account accounts[] = {{.name = "a", .authority = ca},
                                     {.name = "b", .authority = ca}};
    struct err e;
    must(f, fixture_put_authority, ca);
    for (size_t i = 0; i < 2; i++) {
        assert_ok(key_generate(KEY_EC_P256, &keys[i], &e), e);
        accounts[i].key = keys[i];
        must(f, fixture_insert_account, &accounts[i]);
        key_destroy(keys[i]);
    }
    close_store(f);
    alter(f, "UPDATE account SET key = (SELECT key FROM account WHERE name = 'a')");
    fixture_open(f);
    assert_ok(account_open_key(f->db, accounts[0].id, &opened, &e), e);
    key_destroy(opened);
    opened = NULL;
    assert_fails(account_open_key(f->db, accounts[1].id, &opened, &e), e, ERR_SEAL);
    assert_null(opened);
}

/* 10,000 jobs of a parked lane are not looked through, nor sorted. */
static void test_a_claim_goes_by_the_index(void **state)
{
    struct fixture *f = *state;
    struct db_row *row;
    struct err e;
    assert_ok(db_query(f->db, &row, &e,
                       "EXPLAIN QUERY PLAN SELECT id, due_at FROM job WHERE lane = ?1"
                       " AND finished_at = 0 ORDER BY due_at, n",
                       "t", "ca"),
              e);
    assert_int_equal(db_next(row, &e), 1);
    assert_non_null(strstr(db_text(row, 3), "USING INDEX job_due (lane=?)"));
    assert_int_equal(db_next(row, &e), 0);
    db_row_finish(row);
}

/* Each line of the plan, after the other. */
static char *plan_of(struct fixture *f, const struct certificate_search *search)
{
    char *path = mem_printf("%s/certwright.db", f->directory), *plan = mem_strdup("");
    char *sql = mem_printf("EXPLAIN QUERY PLAN %s", certificate_find_sql(search));
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        char *longer = mem_printf("%s%s\n", plan, (const char *)sqlite3_column_text(statement, 3));
        free(plan);
        plan = longer;
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    free(path);
    free(sql);
    return plan;
}

static void test_certificates_are_found_by_an_index_in_their_order(void **state)
{
    static const struct {
        struct certificate_search search;
        const char *index;
    } cases[] = {
        {{.status = -1}, "sqlite_autoindex_certificate_1 (name>?)"},
        {{.status = -1, .order = CERTIFICATE_BY_NOT_AFTER}, "certificate_by_expiry"},
        {{.status = -1, .order = CERTIFICATE_BY_CREATED_AT}, "certificate_by_creation"},
        {{.status = -1, .order = CERTIFICATE_BY_NOT_AFTER, .expires_before = 1},
         "certificate_by_expiry"},
        {{.status = CERTIFICATE_EXPIRED, .order = CERTIFICATE_BY_NOT_AFTER},
         "certificate_by_expiry"},
        {{.status = -1, .identifier = "a"}, "k USING PRIMARY KEY (identifier=? AND name>?)"},
        {{.status = -1, .label = "a", .label_value = "b"},
         "k USING PRIMARY KEY (key=? AND value=? AND name>?)"},
        {{.status = -1, .account = "a"}, "certificate_of_account (account_id=? AND name>?)"},
        {{.status = CERTIFICATE_PENDING}, "certificate_pending (name>?)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *plan = plan_of(*state, &cases[i].search);
        if (!strstr(plan, cases[i].index) || strstr(plan, "TEMP B-TREE"))
            fail_msg("case %zu: %s", i, plan);
        free(plan);
    }
}

/* What is sorted is at least not looked for in all there are. */
static void test_other_mixes_begin_with_an_index(void **state)
{
    static const struct certificate_search cases[] = {
        {.status = -1, .identifier = "a", .order = CERTIFICATE_BY_NOT_AFTER},
        {.status = -1, .label = "a", .label_value = "b", .order = CERTIFICATE_BY_CREATED_AT},
        {.status = -1, .account = "a", .order = CERTIFICATE_BY_NOT_AFTER},
        {.status = -1, .expires_before = 1},
        {.status = CERTIFICATE_PENDING, .order = CERTIFICATE_BY_CREATED_AT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *plan = plan_of(*state, &cases[i]);
        bool by_index =
            !strstr(plan, "SCAN c\n") && !strstr(plan, "autoindex_certificate_1 (name>");
        if (!by_index)
            fail_msg("case %zu: %s", i, plan);
        free(plan);
    }
}

static void test_a_reader_cannot_write(void **state)
{
    struct fixture *f = *state;
    struct err e;
    assert_fails(db_run(f->db, NULL, &e, "DELETE FROM feed", ""), e, ERR_STORE);
    assert_ok(store_check(f->store, &e), e);
}

/* ---- failing ---- */

static int put_token(struct store_tx *tx, void *name, struct err *e)
{
    unsigned char hash[TOKEN_HASH_SIZE] = {1};
    return token_put(tx, name, hash, e);
}

static bool has_token(struct fixture *f, const char *name)
{
    struct token *tokens;
    size_t count;
    bool has = false;
    struct err e;
    assert_ok(token_list(f->db, &tokens, &count, &e), e);
    for (size_t i = 0; i < count; i++) {
        has |= strcmp(tokens[i].name, name) == 0;
        token_finish(&tokens[i]);
    }
    free(tokens);
    return has;
}

static int limit_pages(struct store_tx *tx, void *extra, struct err *e)
{
    struct db_row *row;
    int rc;
    if (*(bool *)extra)
        rc = db_query(store_tx_db(tx), &row, e, "PRAGMA max_page_count = 1073741823", "");
    else
        rc = db_query(store_tx_db(tx), &row, e, "PRAGMA max_page_count = 1", "");
    if (rc < 0)
        return -1;
    rc = db_next(row, e);
    db_row_finish(row);
    return rc < 0 ? -1 : 0;
}

static int put_large_token(struct store_tx *tx, void *arg, struct err *e)
{
    char *name = mem_new(1, 1000001);
    (void)arg;
    memset(name, 'x', 1000000);
    int rc = put_token(tx, name, e);
    free(name);
    return rc;
}

/* max_page_count 1 means: no more pages than there are. */
static void test_a_full_database_recovers(void **state)
{
    struct fixture *f = *state;
    struct err e;
    bool full = false, roomy = true;
    char name[] = "small";
    must(f, limit_pages, &full);
    assert_fails(store_write_wait(f->store, put_large_token, NULL, &e), e, ERR_STORE_FULL);
    must(f, put_token, name); /* which fits */
    must(f, limit_pages, &roomy);
    must(f, put_large_token, NULL);
    assert_true(has_token(f, "small"));
    assert_ok(store_check(f->store, &e), e);
}

struct gated {
    const char *name;
    bool break_commit;
    int runs;
    bool over;
    bool failed;
    enum err_code code;
};

/* An orphan that is only noticed at the COMMIT, and so takes its whole group down. */
static int put_gated(struct store_tx *tx, void *arg, struct err *e)
{
    struct gated *gated = arg;
    struct db *db = store_tx_db(tx);
    char *name = mem_strdup(gated->name);
    gated->runs++;
    int rc = put_token(tx, name, e);
    free(name);
    if (rc == 0 && gated->break_commit)
        rc = db_run(db, NULL, e, "PRAGMA defer_foreign_keys = ON", "");
    if (rc == 0 && gated->break_commit)
        rc = db_run(db, NULL, e,
                    "INSERT INTO solver_zone (zone, solver) VALUES ('z.example', 'none')", "");
    return rc;
}

static void note(void *arg, const struct err *e)
{
    struct gated *gated = arg;
    gated->over = true;
    gated->failed = e;
    if (e)
        gated->code = e->code;
}

/* Keeps the writer busy until the pipe is closed, so that the others become one group. */
static int dawdle(struct store_tx *tx, void *arg, struct err *e)
{
    char byte;
    (void)tx;
    return read(*(int *)arg, &byte, 1) == 0 ? 0 : err_set(e, ERR_INTERNAL, "no end");
}

static void forget(void *arg, const struct err *e)
{
    (void)arg;
    (void)e;
}

/* Queues the writes as one group, and waits until they are over. */
static void run_as_group(struct fixture *f, struct gated *writes, size_t count)
{
    int ends[2];
    char name[] = "after";
    assert_int_equal(pipe(ends), 0);
    store_write(f->store, dawdle, &ends[0], forget);
    for (size_t i = 0; i < count; i++)
        store_write(f->store, put_gated, &writes[i], note);
    close(ends[1]);
    must(f, put_token, name);
    close(ends[0]);
}

static void test_who_breaks_the_commit_fails_alone(void **state)
{
    struct fixture *f = *state;
    struct gated writes[] = {{.name = "a"}, {.name = "b", .break_commit = true}, {.name = "c"}};
    struct err e;
    run_as_group(f, writes, 3);
    assert_true(writes[0].over && !writes[0].failed);
    assert_true(writes[1].over && writes[1].failed);
    assert_int_equal(writes[1].code, ERR_INTERNAL);
    assert_true(writes[2].over && !writes[2].failed);
    assert_true(writes[1].runs <= 2);
    assert_true(has_token(f, "a"));
    assert_false(has_token(f, "b"));
    assert_true(has_token(f, "c"));
    assert_ok(store_check(f->store, &e), e);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The disk refuses at the COMMIT, where all that a group wrote goes out at once. */
static void test_a_refusing_disk_fails_all_and_recovers(void **state)
{
    struct fixture *f = *state;
    struct gated writes[] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
    char before[] = "before", after[] = "after";
    struct err e;
    must(f, put_token, before);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    limit_files(1024);
    for (size_t i = 0; i < 3; i++)
        store_write(f->store, put_gated, &writes[i], note);
    assert_fails(store_write_wait(f->store, put_token, after, &e), e, ERR_STORE);
    limit_files(RLIM_INFINITY);
    signal(SIGXFSZ, handler);
    for (size_t i = 0; i < 3; i++) {
        assert_true(writes[i].over && writes[i].failed);
        assert_false(has_token(f, writes[i].name));
    }
    must(f, put_token, after);
    fixture_reopen(f);
    assert_true(has_token(f, "before"));
    assert_true(has_token(f, "after"));
    assert_ok(store_check(f->store, &e), e);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_newer_schema_is_refused),
        CASE(test_a_database_of_the_first_schema_is_brought_up),
        CASE(test_a_migration_that_fails_leaves_nothing),
        CASE(test_a_file_that_is_no_database_is_refused),
        CASE(test_a_damaged_reference_is_found),
        CASE(test_a_moved_secret_does_not_open),
        CASE(test_a_claim_goes_by_the_index),
        CASE(test_certificates_are_found_by_an_index_in_their_order),
        CASE(test_other_mixes_begin_with_an_index),
        CASE(test_a_reader_cannot_write),
        CASE(test_a_full_database_recovers),
        CASE(test_who_breaks_the_commit_fails_alone),
        CASE(test_a_refusing_disk_fails_all_and_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
