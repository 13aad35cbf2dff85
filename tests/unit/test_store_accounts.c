/* Accounts and their keys. */
#include "tests/unit/store_fixture.h"

static struct key *new_key(void)
{
    struct key *key;
    struct err e;
    assert_ok(key_generate(KEY_EC_P384, &key, &e), e);
    return key;
}

static void expect_same_key(const struct key *a, const struct key *b)
{
    char one[KEY_SPKI_SHA256_SIZE], two[KEY_SPKI_SHA256_SIZE];
    struct err e;
    assert_ok(key_spki_sha256(a, one, &e), e);
    assert_ok(key_spki_sha256(b, two, &e), e);
    assert_string_equal(one, two);
}

static struct account load(struct fixture *f, const char *name)
{
    struct account account;
    struct err e;
    assert_ok(account_load(f->db, name, &account, &e), e);
    return account;
}

struct full_account {
    const struct key *key;
    const char *eab_key;
    int64_t id;
};

static int insert_full(struct store_tx *tx, void *arg, struct err *e)
{
    struct full_account *full = arg;
    char name[] = "full", ca[] = "ca", spec[] = "{\"s\":1}", contacts[] = "[\"mailto:a@b.c\"]";
    char kid[] = "kid-1";
    struct account account = {.name = name,
                              .authority = ca,
                              .spec = spec,
                              .contacts = contacts,
                              .terms_of_service_agreed = true,
                              .only_existing = true,
                              .eab_kid = kid,
                              .origin = ORIGIN_CONFIG,
                              .key_type = KEY_EC_P384};
    int rc = account_insert(tx, &account, full->key, full->eab_key, strlen(full->eab_key), e);
    full->id = account.id;
    return rc;
}

static void test_an_account_with_all_it_can_have(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca";
    struct key *key = new_key(), *opened;
    struct full_account full = {key, "mac key", 0};
    struct buf mac = {0};
    char thumbprint[KEY_THUMBPRINT_SIZE];
    struct err e;
    must(f, fixture_put_authority, ca);
    must(f, insert_full, &full);
    fixture_reopen(f);
    struct account a = load(f, "full");
    assert_int_equal(a.id, full.id);
    assert_string_equal(a.authority, "ca");
    assert_string_equal(a.spec, "{\"s\":1}");
    assert_string_equal(a.contacts, "[\"mailto:a@b.c\"]");
    assert_true(a.terms_of_service_agreed && a.only_existing && a.has_key);
    assert_string_equal(a.eab_kid, "kid-1");
    assert_int_equal(a.origin, ORIGIN_CONFIG);
    assert_int_equal(a.key_type, KEY_EC_P384);
    assert_ok(key_thumbprint(key, thumbprint, &e), e);
    assert_string_equal(a.thumbprint, thumbprint);
    assert_non_null(strstr(a.jwk, "P-384"));
    assert_non_null(strstr(a.public_pem, "BEGIN PUBLIC KEY"));
    assert_int_equal(strlen(a.spki_sha256), KEY_SPKI_SHA256_SIZE - 1);
    assert_string_equal(a.status, "pending");
    assert_null(a.url);
    assert_null(a.ca_object);
    assert_null(a.last_error);
    assert_null(a.active_job);
    assert_true(a.created_at > 0);
    bool has;
    assert_ok(account_has_spki(f->db, a.spki_sha256, &has, &e), e);
    assert_true(has);
    assert_ok(account_has_spki(f->db, "other", &has, &e), e);
    assert_false(has);
    account_finish(&a);

    assert_ok(account_open_key(f->db, full.id, &opened, &e), e);
    expect_same_key(key, opened);
    assert_ok(account_open_eab_key(f->db, full.id, &mac, &e), e);
    assert_string_equal(buf_string(&mac), "mac key");
    assert_ok(account_load_by_id(f->db, full.id, &a, &e), e);
    assert_string_equal(a.name, "full");
    account_finish(&a);
    buf_finish_secret(&mac);
    key_destroy(opened);
    key_destroy(key);
}

static void test_missing_accounts_and_authorities(void **state)
{
    struct fixture *f = *state;
    struct new_account orphan = {.name = "a", .authority = "nowhere"};
    struct account account;
    struct key *key = NULL;
    struct buf mac = {0};
    struct err e;
    assert_fails(store_write_wait(f->store, fixture_insert_account, &orphan, &e), e, ERR_INVALID);
    assert_string_equal(e.detail, "There is no authority \"nowhere\".");
    assert_fails(account_load(f->db, "a", &account, &e), e, ERR_NOT_FOUND);
    assert_string_equal(e.detail, "There is no account \"a\".");
    assert_fails(account_load_by_id(f->db, 5, &account, &e), e, ERR_NOT_FOUND);
    assert_fails(account_open_key(f->db, 5, &key, &e), e, ERR_NOT_FOUND);
    assert_fails(account_open_eab_key(f->db, 5, &mac, &e), e, ERR_NOT_FOUND);
}

static void test_names_and_keys_are_taken_once(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca", other[] = "other";
    struct key *key = new_key();
    struct new_account first = {.name = "a", .authority = ca, .key = key};
    struct new_account same_name = {.name = "a", .authority = other};
    struct new_account same_key = {.name = "b", .authority = ca, .key = key};
    struct new_account elsewhere = {.name = "c", .authority = other, .key = key};
    struct account account;
    struct err e;
    must(f, fixture_put_authority, ca);
    must(f, fixture_put_authority, other);
    must(f, fixture_insert_account, &first);
    assert_fails(store_write_wait(f->store, fixture_insert_account, &same_name, &e), e,
                 ERR_NAME_TAKEN);
    assert_fails(store_write_wait(f->store, fixture_insert_account, &same_key, &e), e,
                 ERR_NAME_TAKEN);
    assert_non_null(strstr(e.detail, "\"a\""));
    assert_fails(account_load(f->db, "b", &account, &e), e, ERR_NOT_FOUND);
    must(f, fixture_insert_account, &elsewhere);
    key_destroy(key);
}

static void test_a_certificates_key_is_refused(void **state)
{
    struct fixture *f = *state;
    struct key *key = new_key();
    struct new_certificate certificate = {.name = "b", .given_key = key};
    struct new_account account = {.name = "late", .authority = "ca", .key = key};
    struct err e;
    fixture_certificate(f, "a");
    must(f, fixture_insert_certificate, &certificate);
    assert_fails(store_write_wait(f->store, fixture_insert_account, &account, &e), e,
                 ERR_KEY_REUSED);
    key_destroy(key);
}

struct set_key {
    int64_t id;
    const struct key *key;
};

static int set_key(struct store_tx *tx, void *arg, struct err *e)
{
    const struct set_key *set = arg;
    return account_set_key(tx, set->id, set->key, e);
}

static void test_the_jobs_key_is_set_once(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca";
    struct new_account new = {.name = "a", .authority = ca};
    struct key *key = new_key(), *opened = NULL;
    struct err e;
    must(f, fixture_put_authority, ca);
    must(f, fixture_insert_account, &new);
    struct account account = load(f, "a");
    assert_false(account.has_key);
    assert_null(account.jwk);
    account_finish(&account);
    assert_fails(account_open_key(f->db, new.id, &opened, &e), e, ERR_NOT_FOUND);
    struct set_key set = {new.id, key};
    must(f, set_key, &set);
    assert_ok(account_open_key(f->db, new.id, &opened, &e), e);
    expect_same_key(key, opened);
    assert_fails(store_write_wait(f->store, set_key, &set, &e), e, ERR_CONFLICT);
    set.id = 99;
    assert_fails(store_write_wait(f->store, set_key, &set, &e), e, ERR_NOT_FOUND);
    key_destroy(opened);
    key_destroy(key);
}

struct update {
    int64_t id;
    const char *kid;
    const char *eab_key;
};

static int update_spec(struct store_tx *tx, void *arg, struct err *e)
{
    const struct update *update = arg;
    char spec[] = "{\"s\":2}", contacts[] = "[]", *kid = mem_strdup(update->kid);
    struct account account = {.id = update->id, .spec = spec, .contacts = contacts, .eab_kid = kid};
    int rc = account_update_spec(tx, &account, update->eab_key,
                                 update->eab_key ? strlen(update->eab_key) : 0, e);
    free(kid);
    return rc;
}

static void test_an_updated_spec_keeps_key_and_authority(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca";
    struct key *key = new_key(), *opened;
    struct full_account full = {key, "mac key", 0};
    struct buf mac = {0};
    struct err e;
    must(f, fixture_put_authority, ca);
    must(f, insert_full, &full);
    must(f, update_spec, &(struct update){full.id, "kid-1", NULL});
    struct account a = load(f, "full");
    assert_string_equal(a.authority, "ca");
    assert_string_equal(a.spec, "{\"s\":2}");
    assert_string_equal(a.contacts, "[]");
    assert_false(a.terms_of_service_agreed || a.only_existing);
    assert_int_equal(a.origin, ORIGIN_API);
    account_finish(&a);
    assert_ok(account_open_key(f->db, full.id, &opened, &e), e);
    expect_same_key(key, opened);
    assert_ok(account_open_eab_key(f->db, full.id, &mac, &e), e);
    assert_string_equal(buf_string(&mac), "mac key");

    must(f, update_spec, &(struct update){full.id, "kid-2", "new mac"});
    buf_clear(&mac);
    assert_ok(account_open_eab_key(f->db, full.id, &mac, &e), e);
    assert_string_equal(buf_string(&mac), "new mac");
    must(f, update_spec, &(struct update){full.id, NULL, NULL});
    assert_fails(account_open_eab_key(f->db, full.id, &mac, &e), e, ERR_NOT_FOUND);
    struct update missing = {99, NULL, NULL};
    assert_fails(store_write_wait(f->store, update_spec, &missing, &e), e, ERR_NOT_FOUND);
    buf_finish_secret(&mac);
    key_destroy(opened);
    key_destroy(key);
}

struct registration {
    int64_t id;
    struct account_registration registration;
};

static int set_registration(struct store_tx *tx, void *arg, struct err *e)
{
    const struct registration *r = arg;
    return account_set_registration(tx, r->id, &r->registration, e);
}

struct set_job {
    int64_t id;
    const char *job;
    const char *error;
};

static int set_job(struct store_tx *tx, void *arg, struct err *e)
{
    const struct set_job *set = arg;
    return account_set_job(tx, set->id, set->job, set->error, e);
}

static void test_what_the_ca_and_the_jobs_tell(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca";
    struct new_account new = {.name = "a", .authority = ca};
    struct err e;
    must(f, fixture_put_authority, ca);
    must(f, fixture_insert_account, &new);
    struct registration full = {
        new.id, {"https://ca.example/1", "valid", "{\"o\":1}", "192.0.2.1", "2026-01-01"}};
    struct registration brief = {new.id, {.status = "deactivated", .ca_object = "{}"}};
    must(f, set_registration, &full);
    must(f, set_registration, &brief);
    must(f, set_job, &(struct set_job){new.id, "01JOB", "{\"e\":1}"});
    struct account a = load(f, "a");
    assert_string_equal(a.url, "https://ca.example/1");
    assert_string_equal(a.status, "deactivated");
    assert_string_equal(a.ca_object, "{}");
    assert_string_equal(a.initial_ip, "192.0.2.1");
    assert_string_equal(a.ca_created_at, "2026-01-01");
    assert_string_equal(a.active_job, "01JOB");
    assert_string_equal(a.last_error, "{\"e\":1}");
    account_finish(&a);
    must(f, set_job, &(struct set_job){new.id, NULL, NULL});
    a = load(f, "a");
    assert_null(a.active_job);
    assert_null(a.last_error);
    account_finish(&a);
    full.id = 99;
    assert_fails(store_write_wait(f->store, set_registration, &full, &e), e, ERR_NOT_FOUND);
    assert_fails(store_write_wait(f->store, set_job, &(struct set_job){.id = 99}, &e), e,
                 ERR_NOT_FOUND);
}

static void test_lists_and_names_of_an_authority(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca", other[] = "other";
    const char *const names[] = {"b", "a", "c"};
    struct account *list;
    size_t count;
    char *text;
    struct err e;
    must(f, fixture_put_authority, ca);
    must(f, fixture_put_authority, other);
    for (size_t i = 0; i < 3; i++) {
        struct new_account new = {.name = names[i], .authority = i < 2 ? ca : other};
        must(f, fixture_insert_account, &new);
    }
    assert_ok(account_names_of(f->db, "ca", &text, &count, &e), e);
    assert_int_equal(count, 2);
    assert_string_equal(text, "a, b");
    free(text);
    assert_ok(account_names_of(f->db, "none", &text, &count, &e), e);
    assert_int_equal(count, 0);
    assert_string_equal(text, "");
    free(text);
    assert_ok(account_list(f->db, "a", 1, &list, &count, &e), e);
    assert_int_equal(count, 1);
    assert_string_equal(list[0].name, "b");
    account_finish(&list[0]);
    free(list);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_an_account_with_all_it_can_have),
        CASE(test_missing_accounts_and_authorities),
        CASE(test_names_and_keys_are_taken_once),
        CASE(test_a_certificates_key_is_refused),
        CASE(test_the_jobs_key_is_set_once),
        CASE(test_an_updated_spec_keeps_key_and_authority),
        CASE(test_what_the_ca_and_the_jobs_tell),
        CASE(test_lists_and_names_of_an_authority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
