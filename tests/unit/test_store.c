/* The store itself: opening, reading, and what lies in its files. */
#include "store/credential.h"
#include "store/token.h"
#include "store_fixture.h"

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

    char *database = mem_printf("%s/certwright.db", fresh), *lock = mem_printf("%s/lock", fresh);
    assert_int_equal(unlink(database), 0); /* closing has tidied the rest away */
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(rmdir(fresh), 0);
    free(database);
    free(lock);
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

/* ---- snapshots ---- */

static void test_a_snapshot_sees_one_state(void **state)
{
    struct fixture *f = *state;
    struct err e;
    char name[] = "t";
    assert_ok(db_snapshot_begin(f->db, &e), e);
    assert_int_equal(fixture_token_count(f), 0);
    must(f, fixture_put_token, name);
    assert_int_equal(fixture_token_count(f), 0);
    db_snapshot_end(f->db);
    assert_int_equal(fixture_token_count(f), 1);
}

static int snapshot_in_write(struct store_tx *tx, void *arg, struct err *e)
{
    struct db *db = store_tx_db(tx);
    char name[] = "t";
    struct token *tokens;
    size_t count;
    if (fixture_put_token(tx, name, e) < 0 || db_snapshot_begin(db, e) < 0)
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
    assert_int_equal(fixture_token_count(f), 1);
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
        CASE(test_first_open_makes_private_files),    CASE(test_all_files_are_private),
        CASE(test_a_second_store_is_refused),         CASE(test_a_second_process_is_refused),
        CASE(test_an_unusable_directory_is_an_error), CASE(test_reopening_keeps_rows),
        CASE(test_a_wrong_master_key_writes_nothing), CASE(test_a_snapshot_sees_one_state),
        CASE(test_a_write_sees_itself_in_a_snapshot), CASE(test_no_secret_lies_in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
