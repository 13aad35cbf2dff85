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

/* ---- the key that is to follow ---- */

static int set_next_key(struct store_tx *tx, void *arg, struct err *e)
{
    const struct set_key *set = arg;
    return account_set_next_key(tx, set->id, set->key, e);
}

static int take_next_key(struct store_tx *tx, void *id, struct err *e)
{
    return account_take_next_key(tx, *(int64_t *)id, e);
}

static int drop_next_key(struct store_tx *tx, void *id, struct err *e)
{
    return account_drop_next_key(tx, *(int64_t *)id, e);
}

static void expect_key(struct fixture *f, int64_t id, const struct key *expected)
{
    struct key *opened;
    struct err e;
    assert_ok(account_open_key(f->db, id, &opened, &e), e);
    expect_same_key(expected, opened);
    key_destroy(opened);
}

static void test_the_next_key_lies_beside_the_one_in_use(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca", thumbprint[KEY_THUMBPRINT_SIZE];
    struct key *old = new_key(), *next = new_key(), *opened = NULL;
    struct new_account new = {.name = "a", .authority = ca, .key = old};
    struct err e;
    must(f, fixture_put_authority, ca);
    must(f, fixture_insert_account, &new);
    struct set_key set = {new.id, next};
    must(f, set_next_key, &set);
    fixture_reopen(f);
    expect_key(f, new.id, old);
    assert_ok(account_open_next_key(f->db, new.id, &opened, &e), e);
    expect_same_key(next, opened);
    key_destroy(opened);
    assert_fails(store_write_wait(f->store, set_next_key, &set, &e), e, ERR_CONFLICT);

    must(f, take_next_key, &new.id);
    expect_key(f, new.id, next);
    struct account a = load(f, "a");
    assert_ok(key_thumbprint(next, thumbprint, &e), e);
    assert_string_equal(a.thumbprint, thumbprint);
    assert_null(a.next_spki_sha256);
    account_finish(&a);
    assert_fails(account_open_next_key(f->db, new.id, &opened, &e), e, ERR_NOT_FOUND);
    assert_fails(store_write_wait(f->store, take_next_key, &new.id, &e), e, ERR_NOT_FOUND);
    assert_fails(store_write_wait(f->store, set_next_key, &set, &e), e, ERR_CONFLICT);

    set.key = old;
    must(f, set_next_key, &set);
    must(f, drop_next_key, &new.id);
    expect_key(f, new.id, next);
    assert_fails(account_open_next_key(f->db, new.id, &opened, &e), e, ERR_NOT_FOUND);
    key_destroy(old);
    key_destroy(next);
}

static void test_the_next_key_is_taken_too(void **state)
{
    struct fixture *f = *state;
    struct key *key = new_key(), *of_certificate = new_key();
    struct new_certificate late = {.name = "late", .given_key = key};
    struct new_certificate first = {.name = "first", .given_key = of_certificate};
    struct new_account other = {.name = "other", .authority = "ca", .key = key};
    struct err e;
    fixture_certificate(f, "a");
    must(f, fixture_insert_certificate, &first);
    struct account a = load(f, "main");
    struct set_key set = {a.id, of_certificate};
    assert_fails(store_write_wait(f->store, set_next_key, &set, &e), e, ERR_KEY_REUSED);
    set.key = key;
    must(f, set_next_key, &set);
    assert_fails(store_write_wait(f->store, fixture_insert_certificate, &late, &e), e,
                 ERR_KEY_REUSED);
    assert_fails(store_write_wait(f->store, fixture_insert_account, &other, &e), e, ERR_NAME_TAKEN);
    account_finish(&a);
    key_destroy(key);
    key_destroy(of_certificate);
}

/* ---- terms, orders, the end ---- */

static int set_directory(struct store_tx *tx, void *document, struct err *e)
{
    return authority_set_directory(tx, "ca", document, e);
}

static int ask_for_terms(struct store_tx *tx, void *id, struct err *e)
{
    return account_ask_for_terms(tx, *(int64_t *)id, e);
}

static int set_terms(struct store_tx *tx, void *id, struct err *e)
{
    return account_set_terms(tx, *(int64_t *)id, "https://ca/terms", e);
}

static int set_orders(struct store_tx *tx, void *id, struct err *e)
{
    return account_set_orders(tx, *(int64_t *)id, "{\"urls\":[]}", e);
}

static void test_terms_and_orders(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca", terms[] = "{\"meta\":{\"termsOfService\":\"https://ca/terms\"}}";
    char none[] = "{\"meta\":7}";
    struct new_account new = {.name = "a", .authority = ca};
    must(f, fixture_put_authority, ca);
    must(f, fixture_insert_account, &new);
    must(f, set_directory, terms);
    must(f, ask_for_terms, &new.id);
    must(f, set_orders, &new.id);
    struct account a = load(f, "a");
    assert_string_equal(a.terms_current_url, "https://ca/terms");
    assert_null(a.terms_agreed_url);
    assert_true(a.terms_due && a.terms_of_service_agreed);
    assert_string_equal(a.ca_orders, "{\"urls\":[]}");
    account_finish(&a);
    must(f, set_terms, &new.id);
    must(f, set_directory, none);
    a = load(f, "a");
    assert_string_equal(a.terms_agreed_url, "https://ca/terms");
    assert_null(a.terms_current_url);
    assert_false(a.terms_due);
    account_finish(&a);
}

static int delete_account(struct store_tx *tx, void *id, struct err *e)
{
    return account_delete(tx, *(int64_t *)id, e);
}

static int stop_certificates(struct store_tx *tx, void *id, struct err *e)
{
    return account_stop_certificates(tx, *(int64_t *)id, "{\"e\":1}", e);
}

static int delete_certificate(struct store_tx *tx, void *id, struct err *e)
{
    return certificate_delete(tx, *(int64_t *)id, e);
}

static void test_an_account_goes_after_its_certificates(void **state)
{
    struct fixture *f = *state;
    int64_t certificate = fixture_certificate(f, "a");
    struct new_job job = fixture_job("ca", INT64_MAX);
    struct certificate shown;
    struct job called;
    struct err e;
    struct account account = load(f, "main");
    int64_t id = account.id;
    account_finish(&account);
    job.job.resource_type = "account";
    job.job.resource_name = "main";
    job.job.resource_id = id;
    must(f, fixture_insert_job, &job);
    must(f, stop_certificates, &id);
    assert_ok(certificate_load(f->db, "a", &shown, &e), e);
    assert_true(shown.renew_stopped);
    assert_string_equal(shown.last_error, "{\"e\":1}");
    certificate_finish(&shown);
    assert_fails(store_write_wait(f->store, delete_account, &id, &e), e, ERR_IN_USE);
    must(f, delete_certificate, &certificate);
    must(f, delete_account, &id);
    assert_fails(account_load(f->db, "main", &account, &e), e, ERR_NOT_FOUND);
    assert_ok(job_load(f->db, job.id, &called, &e), e);
    assert_true(called.cancel_requested_at > 0 && called.due_at < INT64_MAX);
    job_finish(&called);
    assert_fails(store_write_wait(f->store, delete_account, &id, &e), e, ERR_NOT_FOUND);
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
        CASE(test_the_next_key_lies_beside_the_one_in_use),
        CASE(test_the_next_key_is_taken_too),
        CASE(test_terms_and_orders),
        CASE(test_an_account_goes_after_its_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
