/* The versions of a certificate. */
#include "tests/unit/store_fixture.h"

static struct key *new_key(void)
{
    struct key *key;
    struct err e;
    assert_ok(key_generate(KEY_EC_P256, &key, &e), e);
    return key;
}

static struct certificate load(struct fixture *f, int64_t id)
{
    struct certificate certificate;
    struct err e;
    assert_ok(certificate_load_by_id(f->db, id, &certificate, &e), e);
    return certificate;
}

/* ---- versions ---- */

struct change {
    int64_t id;
    int64_t n;
    int reason;
};

static int issue(struct store_tx *tx, void *arg, struct err *e)
{
    const struct change *change = arg;
    struct version_issued issued = {"LEAF", "CHAIN", "0a", "CN=Issuer", 1000, 2000 + change->n};
    return version_issue(tx, change->id, change->n, &issued, e);
}

static int fail_version(struct store_tx *tx, void *arg, struct err *e)
{
    const struct change *change = arg;
    return version_fail(tx, change->id, change->n, e);
}

static int revoke_version(struct store_tx *tx, void *arg, struct err *e)
{
    const struct change *change = arg;
    return version_revoke(tx, change->id, change->n, change->reason, e);
}

static struct version load_version(struct fixture *f, int64_t id, int64_t n)
{
    struct version version;
    struct err e;
    assert_ok(version_load(f->db, id, n, &version, &e), e);
    return version;
}

static void test_a_version_is_prepared_and_issued(void **state)
{
    struct fixture *f = *state;
    int64_t id = fixture_certificate(f, "a");
    struct key *key = new_key(), *opened;
    char spki[KEY_SPKI_SHA256_SIZE], again[KEY_SPKI_SHA256_SIZE];
    struct version v;
    struct err e;
    assert_ok(key_spki_sha256(key, spki, &e), e);
    struct fixture_prepare p = {id, key, spki, 0};
    must(f, fixture_prepare_version, &p);
    assert_int_equal(p.n, 1);
    assert_fails(version_load(f->db, id, 0, &v, &e), e, ERR_NOT_FOUND);
    assert_string_equal(e.detail, "The certificate \"a\" is not issued yet.");
    v = load_version(f, id, 1);
    assert_int_equal(v.state, VERSION_PREPARED);
    assert_true(v.has_key);
    assert_string_equal(v.spki_sha256, spki);
    assert_int_equal(v.csr_size, 3);
    assert_memory_equal(v.csr, "CSR", 3);
    assert_null(v.leaf);
    assert_int_equal(v.revocation_reason, -1);
    version_finish(&v);
    struct certificate c = load(f, id);
    assert_int_equal(c.version, 0); /* one being made is not in use */
    certificate_finish(&c);

    must(f, issue, &(struct change){id, 1, 0});
    fixture_reopen(f);
    v = load_version(f, id, 0);
    assert_int_equal(v.n, 1);
    assert_int_equal(v.state, VERSION_VALID);
    assert_string_equal(v.leaf, "LEAF");
    assert_string_equal(v.chain, "CHAIN");
    assert_string_equal(v.serial, "0a");
    assert_string_equal(v.issuer, "CN=Issuer");
    assert_int_equal(v.not_before, 1000);
    assert_int_equal(v.not_after, 2001);
    assert_true(v.issued_at >= v.created_at && v.created_at > 0);
    version_finish(&v);
    c = load(f, id);
    assert_int_equal(c.version, 1);
    assert_string_equal(c.serial, "0a");
    assert_string_equal(c.issuer, "CN=Issuer");
    assert_string_equal(c.spki_sha256, spki);
    assert_int_equal(c.version_key_type, KEY_EC_P256);
    assert_int_equal(c.not_before, 1000);
    assert_int_equal(c.not_after, 2001);
    assert_false(c.outdated);
    certificate_finish(&c);
    assert_ok(version_open_key(f->db, id, 1, &opened, &e), e);
    assert_ok(key_spki_sha256(opened, again, &e), e);
    assert_string_equal(spki, again);
    key_destroy(opened);
    key_destroy(key);
}

static int change_spec(struct store_tx *tx, void *id, struct err *e)
{
    struct certificate certificate;
    if (certificate_load_by_id(store_tx_db(tx), *(int64_t *)id, &certificate, e) < 0)
        return -1;
    int rc = certificate_update_spec(tx, &certificate, NULL, NULL, 0, NULL, e);
    certificate_finish(&certificate);
    return rc;
}

static void test_a_changed_spec_outdates_the_version(void **state)
{
    struct fixture *f = *state;
    int64_t id = fixture_certificate(f, "a");
    must(f, issue, &(struct change){id, fixture_prepared(f, id), 0});
    must(f, change_spec, &id);
    struct certificate c = load(f, id);
    assert_true(c.outdated);
    certificate_finish(&c);
    must(f, issue, &(struct change){id, fixture_prepared(f, id), 0});
    c = load(f, id);
    assert_false(c.outdated);
    certificate_finish(&c);
}

static void test_a_later_version_stays_in_use(void **state)
{
    struct fixture *f = *state;
    int64_t id = fixture_certificate(f, "a");
    int64_t first = fixture_prepared(f, id), second = fixture_prepared(f, id);
    struct version *list;
    size_t count;
    struct err e;
    assert_int_equal(second, first + 1);
    must(f, issue, &(struct change){id, second, 0});
    must(f, issue, &(struct change){id, first, 0});
    struct certificate c = load(f, id);
    assert_int_equal(c.version, second);
    assert_int_equal(c.not_after, 2000 + second);
    certificate_finish(&c);
    assert_ok(version_list(f->db, id, &list, &count, &e), e);
    assert_int_equal(count, 2);
    assert_int_equal(list[0].n, second);
    assert_int_equal(list[1].n, first);
    assert_int_equal(list[1].state, VERSION_VALID);
    version_finish(&list[0]);
    version_finish(&list[1]);
    free(list);
}

static void test_a_failed_version_loses_its_key(void **state)
{
    struct fixture *f = *state;
    int64_t id = fixture_certificate(f, "a");
    struct change change = {id, fixture_prepared(f, id), 0};
    struct key *key = NULL;
    struct err e;
    must(f, fail_version, &change);
    must(f, fail_version, &change);
    struct version v = load_version(f, id, change.n);
    assert_int_equal(v.state, VERSION_FAILED);
    assert_false(v.has_key);
    version_finish(&v);
    assert_fails(version_open_key(f->db, id, change.n, &key, &e), e, ERR_NOT_FOUND);
    assert_fails(store_write_wait(f->store, issue, &change, &e), e, ERR_CONFLICT);
    assert_fails(store_write_wait(f->store, revoke_version, &change, &e), e, ERR_CONFLICT);

    struct change issued = {id, fixture_prepared(f, id), 0};
    must(f, issue, &issued);
    assert_fails(store_write_wait(f->store, fail_version, &issued, &e), e, ERR_CONFLICT);
    assert_ok(version_open_key(f->db, id, issued.n, &key, &e), e);
    key_destroy(key);
}

static void test_revoking_stops_renewal_until_the_next_issue(void **state)
{
    struct fixture *f = *state;
    int64_t id = fixture_certificate(f, "a");
    struct change old = {id, fixture_prepared(f, id), 4}, now = {id, fixture_prepared(f, id), 1};
    must(f, issue, &old);
    must(f, issue, &now);
    must(f, revoke_version, &old);
    struct certificate c = load(f, id);
    assert_false(c.revoked || c.renew_stopped); /* it was not the one in use */
    certificate_finish(&c);
    must(f, revoke_version, &now);
    struct version v = load_version(f, id, now.n);
    assert_int_equal(v.state, VERSION_REVOKED);
    assert_int_equal(v.revocation_reason, 1);
    assert_true(v.revoked_at > 0);
    version_finish(&v);
    now.reason = 5;
    must(f, revoke_version, &now); /* again: the first reason stays */
    v = load_version(f, id, now.n);
    assert_int_equal(v.revocation_reason, 1);
    version_finish(&v);
    c = load(f, id);
    assert_true(c.revoked && c.renew_stopped);
    certificate_finish(&c);
    must(f, issue, &(struct change){id, fixture_prepared(f, id), 0});
    c = load(f, id);
    assert_false(c.revoked || c.renew_stopped);
    certificate_finish(&c);
}

static void test_missing_versions(void **state)
{
    struct fixture *f = *state;
    int64_t id = fixture_certificate(f, "a");
    struct change change = {id, 7, 0};
    struct fixture_prepare p = {99, NULL, "x", 0};
    struct version v;
    struct key *key = NULL;
    struct err e;
    assert_fails(version_load(f->db, id, 7, &v, &e), e, ERR_NOT_FOUND);
    assert_string_equal(e.detail, "The certificate \"a\" has no version 7.");
    assert_fails(version_load(f->db, 99, 1, &v, &e), e, ERR_NOT_FOUND);
    assert_fails(version_open_key(f->db, id, 7, &key, &e), e, ERR_NOT_FOUND);
    assert_fails(store_write_wait(f->store, issue, &change, &e), e, ERR_NOT_FOUND);
    assert_fails(store_write_wait(f->store, fail_version, &change, &e), e, ERR_NOT_FOUND);
    assert_fails(store_write_wait(f->store, revoke_version, &change, &e), e, ERR_NOT_FOUND);
    assert_fails(store_write_wait(f->store, fixture_prepare_version, &p, &e), e, ERR_NOT_FOUND);
}

static void test_a_version_without_a_key_or_with_an_accounts(void **state)
{
    struct fixture *f = *state;
    struct key *key = new_key(), *untouched = NULL;
    struct new_account account = {.name = "owner", .authority = "ca", .key = key};
    char spki[KEY_SPKI_SHA256_SIZE];
    struct err e;
    int64_t id = fixture_certificate(f, "a");
    struct fixture_prepare p = {id, NULL, "of the caller's CSR", 0};
    must(f, fixture_prepare_version, &p);
    struct version v = load_version(f, id, 1);
    assert_false(v.has_key);
    version_finish(&v);
    assert_fails(version_open_key(f->db, id, 1, &untouched, &e), e, ERR_NOT_FOUND);

    must(f, fixture_insert_account, &account);
    assert_ok(key_spki_sha256(key, spki, &e), e);
    p.spki = spki;
    assert_fails(store_write_wait(f->store, fixture_prepare_version, &p, &e), e, ERR_KEY_REUSED);
    key_destroy(key);
}

static void test_a_versions_key_is_no_accounts(void **state)
{
    struct fixture *f = *state;
    struct key *key;
    int64_t id = fixture_certificate(f, "a"), n = fixture_prepared(f, id);
    struct err e;
    assert_ok(version_open_key(f->db, id, n, &key, &e), e);
    struct new_account account = {.name = "late", .authority = "ca", .key = key};
    assert_fails(store_write_wait(f->store, fixture_insert_account, &account, &e), e,
                 ERR_KEY_REUSED);
    key_destroy(key);
}

/* ---- imports ---- */

struct import {
    int64_t id;
    const struct key *key;
    int64_t not_before;
    int64_t n;
};

static int insert_accountless(struct store_tx *tx, void *arg, struct err *e)
{
    struct import *import = arg;
    char text[] = "{}", names[] = "[\"b.example.com\"]", name[] = "b";
    struct certificate row = {
        .name = name, .spec = text, .identifiers = names, .labels = text, .renew = true};
    if (certificate_insert(tx, &row, NULL, NULL, 0, NULL, e) < 0)
        return -1;
    import->id = row.id;
    return 0;
}

static int import_version(struct store_tx *tx, void *arg, struct err *e)
{
    struct import *import = arg;
    struct version_issued issued = {"LEAF",   "", "0a", "CN=Elsewhere", import->not_before,
                                    INT64_MAX};
    return version_import(tx, import->id, import->key, &issued, &import->n, e);
}

static void test_an_imported_version_is_in_use_and_has_no_csr(void **state)
{
    struct fixture *f = *state;
    struct key *key = new_key(), *opened;
    struct import import = {.key = key, .not_before = 1000};
    struct certificate *unplanned;
    size_t count;
    struct err e;
    must(f, insert_accountless, &import);
    must(f, import_version, &import);
    assert_int_equal(import.n, 1);
    struct certificate c = load(f, import.id);
    assert_int_equal(c.version, 1);
    assert_null(c.account);
    assert_null(c.authority);
    assert_int_equal(c.account_id, 0);
    assert_true(c.trusted);
    assert_false(c.outdated);
    certificate_finish(&c);
    struct version v = load_version(f, import.id, 0);
    assert_int_equal(v.state, VERSION_VALID);
    assert_int_equal(v.csr_size, 0);
    assert_int_equal(v.issued_at, 1000);
    version_finish(&v);
    assert_ok(version_open_key(f->db, import.id, 1, &opened, &e), e);
    key_destroy(opened);
    assert_ok(certificate_list_unplanned(f->db, 10, &unplanned, &count, &e), e);
    assert_int_equal(count, 0); /* nobody could renew it */
    free(unplanned);
    import.not_before = INT64_MAX;
    must(f, import_version, &import);
    assert_int_equal(import.n, 2);
    v = load_version(f, import.id, 2);
    assert_int_equal(v.issued_at, v.created_at); /* not in the future */
    version_finish(&v);
    key_destroy(key);
    assert_ok(store_check(f->store, &e), e);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_version_is_prepared_and_issued),
        CASE(test_a_changed_spec_outdates_the_version),
        CASE(test_a_later_version_stays_in_use),
        CASE(test_a_failed_version_loses_its_key),
        CASE(test_revoking_stops_renewal_until_the_next_issue),
        CASE(test_missing_versions),
        CASE(test_a_version_without_a_key_or_with_an_accounts),
        CASE(test_a_versions_key_is_no_accounts),
        CASE(test_an_imported_version_is_in_use_and_has_no_csr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
