/* The audit trail: appended to, chained, and swept from its beginning alone. */
#include "acme/base/clock.h"
#include "store/audit.h"
#include "tests/unit/store_fixture.h"

#include <openssl/evp.h>
#include <sqlite3.h>

static int add(struct store_tx *tx, void *arg, struct err *e)
{
    return audit_add(tx, arg, e);
}

static struct audit_note note_at(int64_t at)
{
    return (struct audit_note){.request = "01KAJX4FZZ8N3C5D7F9H1K3M5P",
                               .principal = "token:admin",
                               .address = "127.0.0.1",
                               .method = "PUT",
                               .route = "/targets/{name}",
                               .resource = "/targets/web",
                               .status = 201,
                               .at = at,
                               .count = 1};
}

static void add_some(struct fixture *f, int count)
{
    for (int i = 1; i <= count; i++) {
        struct audit_note note = note_at(i * 1000);
        if (i % 2 == 0) {
            note.principal = "token:ci";
            note.resource = NULL;
            note.code = "auth.forbidden";
        }
        must(f, add, &note);
    }
}

/* All there are, newest first. */
static struct audit_entry *list(struct fixture *f, const struct audit_filter *filter, size_t *count)
{
    struct audit_entry *entries;
    struct err e;
    assert_ok(audit_list(f->db, filter, INT64_MAX, 1000, &entries, count, &e), e);
    return entries;
}

static void finish(struct audit_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        audit_entry_finish(&entries[i]);
    free(entries);
}

static void test_entries_are_a_chain(void **state)
{
    struct fixture *f = *state;
    const struct audit_filter all = {0};
    size_t count;
    add_some(f, 3);
    fixture_reopen(f);
    struct audit_note note = note_at(4000);
    must(f, add, &note);
    struct audit_entry *entries = list(f, &all, &count);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i].n, 4 - i);
        if (i)
            assert_string_equal(entries[i - 1].previous, entries[i].hash);
    }
    assert_int_equal(strspn(entries[3].previous, "0"), AUDIT_HASH_SIZE - 1);
    finish(entries, count);
}

static void test_the_hash_is_as_described(void **state)
{
    struct fixture *f = *state;
    const struct audit_filter all = {0};
    unsigned char digest[32];
    char hex[AUDIT_HASH_SIZE];
    size_t count;
    struct audit_note note = note_at(1000);
    must(f, add, &note);
    struct audit_entry *entries = list(f, &all, &count);
    char *text =
        mem_printf("%064d\n1\n1970-01-01T00:00:01.000Z\n01KAJX4FZZ8N3C5D7F9H1K3M5P\n"
                   "token:admin\n127.0.0.1\nPUT\n/targets/{name}\n/targets/web\n\n201\n\n1\n",
                   0);
    assert_int_equal(EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL), 1);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(entries[0].hash, hex);
    free(text);
    finish(entries, count);
}

static void test_filters(void **state)
{
    struct fixture *f = *state;
    const struct audit_filter by_principal = {.principal = "token:ci"};
    const struct audit_filter by_resource = {.resource = "/targets/web"};
    const struct audit_filter by_both = {.resource = "/targets/web", .principal = "token:ci"};
    const struct audit_filter since = {.since = 4000};
    const struct {
        const struct audit_filter *filter;
        size_t count;
    } cases[] = {{&by_principal, 2}, {&by_resource, 3}, {&by_both, 0}, {&since, 2}};
    add_some(f, 5);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t count;
        struct audit_entry *entries = list(f, cases[i].filter, &count);
        assert_int_equal(count, cases[i].count);
        finish(entries, count);
    }
    const char *const others[] = {"/targets/web/test", "/targets/web/test/more", "/targets/web0",
                                  "/targets/web-2", "/targets/web.2"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct audit_note note = note_at(6000);
        note.resource = others[i];
        must(f, add, &note);
    }
    struct audit_entry *entries;
    size_t count;
    entries = list(f, &by_resource, &count); /* and what is below, but not beside */
    assert_int_equal(count, 5);
    assert_string_equal(entries[0].resource, "/targets/web/test/more");
    finish(entries, count);
    struct err e;
    assert_ok(audit_list(f->db, &since, 5, 1, &entries, &count, &e), e);
    assert_int_equal(count, 1);
    assert_int_equal(entries[0].n, 4);
    finish(entries, count);
}

/* ---- append-only ---- */

static void expect_refused(sqlite3 *db, const char *sql)
{
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_CONSTRAINT);
    assert_non_null(strstr(sqlite3_errmsg(db), "only appended to"));
}

static void test_the_database_refuses_changes(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    add_some(f, 2);
    char *path = mem_printf("%s/certwright.db", f->directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    expect_refused(db, "UPDATE audit SET principal = 'nobody' WHERE n = 1");
    expect_refused(db, "DELETE FROM audit WHERE n = 2");
    expect_refused(db, "DELETE FROM audit");
    sqlite3_close(db);
    free(path);
}

struct sweep {
    int64_t before;
    int64_t swept;
};

static int sweep(struct store_tx *tx, void *arg, struct err *e)
{
    struct sweep *sweep = arg;
    return audit_sweep(tx, sweep->before, &sweep->swept, e);
}

static void test_the_sweep_takes_the_oldest_alone(void **state)
{
    struct fixture *f = *state;
    const struct audit_filter all = {0};
    struct sweep some = {.before = 3000};
    size_t count;
    add_some(f, 5);
    /* A clock that was set back: what is in the midst stays, for there are no gaps. */
    struct audit_note early = note_at(500);
    must(f, add, &early);
    must(f, sweep, &some);
    assert_int_equal(some.swept, 2);
    must(f, sweep, &some);
    assert_int_equal(some.swept, 0);
    struct audit_entry *entries = list(f, &all, &count);
    assert_int_equal(count, 4);
    assert_int_equal(entries[0].n, 6);
    assert_int_equal(entries[3].n, 3);
    finish(entries, count);
}

static void test_the_chain_outlives_the_sweep(void **state)
{
    struct fixture *f = *state;
    const struct audit_filter all = {0};
    struct sweep everything = {.before = INT64_MAX};
    char hash[AUDIT_HASH_SIZE];
    size_t count;
    add_some(f, 3);
    struct audit_entry *entries = list(f, &all, &count);
    snprintf(hash, sizeof hash, "%s", entries[0].hash);
    finish(entries, count);
    must(f, sweep, &everything);
    assert_int_equal(everything.swept, 3);
    struct audit_note note = note_at(9000);
    must(f, add, &note);
    entries = list(f, &all, &count);
    assert_int_equal(count, 1);
    assert_int_equal(entries[0].n, 4);
    assert_string_equal(entries[0].previous, hash);
    finish(entries, count);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_entries_are_a_chain),
        CASE(test_the_hash_is_as_described),
        CASE(test_filters),
        CASE(test_the_database_refuses_changes),
        CASE(test_the_sweep_takes_the_oldest_alone),
        CASE(test_the_chain_outlives_the_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
