/* Authorities, credentials, solvers, tokens; who owns them; requests with an Idempotency-Key. */
#include "acme/base/clock.h"
#include "store/credential.h"
#include "store/idempotency.h"
#include "store/order.h"
#include "store/owner.h"
#include "store/solver.h"
#include "store/token.h"
#include "tests/unit/store_fixture.h"

/* ---- authorities ---- */

struct put_authority {
    struct authority authority;
    bool created;
};

static int put_authority(struct store_tx *tx, void *arg, struct err *e)
{
    struct put_authority *put = arg;
    return authority_put(tx, &put->authority, &put->created, e);
}

static int delete_authority(struct store_tx *tx, void *name, struct err *e)
{
    return authority_delete(tx, name, e);
}

static int set_directory(struct store_tx *tx, void *name, struct err *e)
{
    return authority_set_directory(tx, name, "{\"newNonce\":1}", e);
}

static int park(struct store_tx *tx, void *name, struct err *e)
{
    return authority_park(tx, name, 4711, "busy", e);
}

static int unpark(struct store_tx *tx, void *name, struct err *e)
{
    return authority_park(tx, name, 0, "ignored", e);
}

static struct authority load_authority(struct fixture *f, const char *name)
{
    struct authority authority;
    struct err e;
    assert_ok(authority_load(f->db, name, &authority, &e), e);
    return authority;
}

static void test_an_authority_is_put_and_replaced(void **state)
{
    struct fixture *f = *state;
    char name[] = "ca", url[] = "https://one.example/", bundle[] = "PEM";
    struct put_authority put = {{.name = name,
                                 .directory_url = url,
                                 .trust_bundle = bundle,
                                 .test = true,
                                 .origin = ORIGIN_BUILTIN},
                                false};
    must(f, put_authority, &put);
    assert_true(put.created);
    must(f, set_directory, name);
    must(f, park, name);
    struct authority a = load_authority(f, "ca");
    assert_string_equal(a.directory_url, url);
    assert_string_equal(a.trust_bundle, "PEM");
    assert_true(a.test);
    assert_false(a.eab_required);
    assert_int_equal(a.origin, ORIGIN_BUILTIN);
    assert_string_equal(a.directory, "{\"newNonce\":1}");
    assert_true(a.directory_fetched_at > 0);
    assert_int_equal(a.parked_until, 4711);
    assert_string_equal(a.parked_reason, "busy");
    assert_true(a.created_at > 0 && a.updated_at >= a.created_at);
    authority_finish(&a);

    put.authority.trust_bundle = NULL;
    put.authority.eab_required = true;
    put.authority.origin = ORIGIN_CONFIG;
    must(f, put_authority, &put);
    assert_false(put.created);
    a = load_authority(f, "ca");
    assert_null(a.trust_bundle);
    assert_true(a.eab_required);
    assert_int_equal(a.origin, ORIGIN_CONFIG);
    assert_non_null(a.directory); /* of the same URL */
    assert_int_equal(a.parked_until, 4711);
    authority_finish(&a);

    must(f, unpark, name);
    a = load_authority(f, "ca");
    assert_int_equal(a.parked_until, 0);
    assert_null(a.parked_reason);
    authority_finish(&a);

    char other[] = "https://two.example/";
    put.authority.directory_url = other;
    must(f, put_authority, &put);
    a = load_authority(f, "ca");
    assert_null(a.directory);
    assert_int_equal(a.directory_fetched_at, 0);
    authority_finish(&a);
}

static void test_a_missing_authority(void **state)
{
    struct fixture *f = *state;
    char nobody[] = "nobody";
    struct authority a;
    struct err e;
    assert_fails(authority_load(f->db, nobody, &a, &e), e, ERR_NOT_FOUND);
    assert_string_equal(e.detail, "There is no authority \"nobody\".");
    assert_fails(store_write_wait(f->store, delete_authority, nobody, &e), e, ERR_NOT_FOUND);
    assert_fails(store_write_wait(f->store, set_directory, nobody, &e), e, ERR_NOT_FOUND);
    assert_fails(store_write_wait(f->store, park, nobody, &e), e, ERR_NOT_FOUND);
}

static void test_an_authority_in_use_stays(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca", free_one[] = "free";
    struct new_account account = {.name = "main", .authority = ca};
    struct authority a;
    struct err e;
    must(f, fixture_put_authority, ca);
    must(f, fixture_put_authority, free_one);
    must(f, fixture_insert_account, &account);
    assert_fails(store_write_wait(f->store, delete_authority, ca, &e), e, ERR_IN_USE);
    must(f, delete_authority, free_one);
    assert_fails(authority_load(f->db, "free", &a, &e), e, ERR_NOT_FOUND);
}

/* Names in an order that only bytes have: a locale would put them otherwise. */
static void test_pages_go_by_bytes(void **state)
{
    struct fixture *f = *state;
    const char *const names[] = {"a", "a-b", "a.b", "a_b", "ab", "b"};
    for (size_t i = 6; i-- > 0;) {
        char *name = mem_strdup(names[i]);
        must(f, fixture_put_authority, name);
        free(name);
    }
    const char *after = NULL;
    struct err e;
    for (size_t i = 0; i < 6; i += 2) {
        struct authority *page;
        size_t count;
        assert_ok(authority_list(f->db, after, 2, &page, &count, &e), e);
        assert_int_equal(count, 2);
        for (size_t j = 0; j < 2; j++) {
            assert_string_equal(page[j].name, names[i + j]);
            authority_finish(&page[j]);
        }
        free(page);
        after = names[i + 1];
    }
    struct authority *page;
    size_t count;
    assert_ok(authority_list(f->db, "b", 2, &page, &count, &e), e);
    assert_int_equal(count, 0);
    free(page);
}

/* ---- credentials ---- */

struct put_credential {
    const char *name;
    const char *secrets;
    bool created;
};

static int put_credential(struct store_tx *tx, void *arg, struct err *e)
{
    struct put_credential *put = arg;
    char *name = mem_strdup(put->name);
    char type[] = "alidns", settings[] = "{\"region\":\"x\"}", set[] = "[\"key\"]";
    struct credential credential = {
        .name = name, .type = type, .settings = settings, .secrets_set = set};
    int rc = credential_put(tx, &credential, put->secrets, &put->created, e);
    free(name);
    return rc;
}

static int delete_credential(struct store_tx *tx, void *name, struct err *e)
{
    return credential_delete(tx, name, e);
}

static void expect_secrets(struct fixture *f, const char *name, const char *expected)
{
    struct buf plain = {0};
    struct err e;
    assert_ok(credential_open(f->db, name, &plain, &e), e);
    assert_string_equal(buf_string(&plain), expected);
    buf_finish_secret(&plain);
}

static void test_credentials_keep_their_secrets(void **state)
{
    struct fixture *f = *state;
    struct put_credential one = {"one", "{\"key\":\"1\"}", false};
    struct put_credential two = {"two", "{\"key\":\"2\"}", false};
    struct credential credential, *list;
    size_t count;
    struct buf plain = {0};
    struct err e;
    must(f, put_credential, &one);
    must(f, put_credential, &two);
    assert_true(one.created && two.created);
    expect_secrets(f, "one", "{\"key\":\"1\"}");
    one.secrets = "{}";
    must(f, put_credential, &one);
    assert_false(one.created);
    fixture_reopen(f);
    expect_secrets(f, "one", "{}");
    expect_secrets(f, "two", "{\"key\":\"2\"}");

    assert_ok(credential_load(f->db, "one", &credential, &e), e);
    assert_string_equal(credential.type, "alidns");
    assert_string_equal(credential.settings, "{\"region\":\"x\"}");
    assert_string_equal(credential.secrets_set, "[\"key\"]");
    assert_true(credential.created_at > 0 && credential.updated_at >= credential.created_at);
    credential_finish(&credential);
    assert_ok(credential_list(f->db, "one", 9, &list, &count, &e), e);
    assert_int_equal(count, 1);
    assert_string_equal(list[0].name, "two");
    credential_finish(&list[0]);
    free(list);
    assert_fails(credential_load(f->db, "nobody", &credential, &e), e, ERR_NOT_FOUND);
    assert_fails(credential_open(f->db, "nobody", &plain, &e), e, ERR_NOT_FOUND);
    assert_int_equal(plain.size, 0);
}

/* ---- solvers ---- */

struct put_solver {
    const char *name;
    const char *zones;
    const char *credential;
    bool created;
    const char *type; /* NULL: "exec" */
};

static int put_solver(struct store_tx *tx, void *arg, struct err *e)
{
    struct put_solver *put = arg;
    char *name = mem_strdup(put->name), *zones = mem_strdup(put->zones);
    char *credential = mem_strdup(put->credential), settings[] = "{\"c\":1}";
    char *type = mem_strdup(put->type ? put->type : "exec");
    struct solver solver = {.name = name,
                            .type = type,
                            .zones = zones,
                            .credential = credential,
                            .settings = settings,
                            .origin = ORIGIN_CONFIG};
    int rc = solver_put(tx, &solver, &put->created, e);
    free(name);
    free(zones);
    free(credential);
    free(type);
    return rc;
}

static int delete_solver(struct store_tx *tx, void *name, struct err *e)
{
    return solver_delete(tx, name, e);
}

static void test_a_solver_is_put_and_replaced(void **state)
{
    struct fixture *f = *state;
    struct put_credential credential = {"key", "{}", false};
    struct put_solver put = {"s", "[\"a.example\"]", "missing", false, NULL};
    struct solver solver, *list;
    size_t count;
    struct err e;
    assert_fails(store_write_wait(f->store, put_solver, &put, &e), e, ERR_INVALID);
    assert_string_equal(e.detail, "There is no credential \"missing\".");
    must(f, put_credential, &credential);
    put.credential = "key";
    must(f, put_solver, &put);
    assert_true(put.created);
    assert_ok(solver_load(f->db, "s", &solver, &e), e);
    assert_string_equal(solver.type, "exec");
    assert_string_equal(solver.zones, "[\"a.example\"]");
    assert_string_equal(solver.credential, "key");
    assert_string_equal(solver.settings, "{\"c\":1}");
    assert_int_equal(solver.origin, ORIGIN_CONFIG);
    solver_finish(&solver);
    char key[] = "key", s[] = "s", nobody[] = "nobody";
    assert_fails(store_write_wait(f->store, delete_credential, key, &e), e, ERR_IN_USE);
    assert_string_equal(e.detail, "Solvers refer to the credential \"key\": s.");

    put = (struct put_solver){"s", "[\"b.example\"]", NULL, true, NULL};
    must(f, put_solver, &put);
    assert_false(put.created);
    assert_ok(solver_load(f->db, "s", &solver, &e), e);
    assert_null(solver.credential);
    solver_finish(&solver);
    assert_fails(solver_for_name(f->db, "a.example", false, &solver, &e), e, ERR_SOLVER_MISSING);
    must(f, delete_credential, key);
    assert_ok(solver_list(f->db, NULL, 9, &list, &count, &e), e);
    assert_int_equal(count, 1);
    solver_finish(&list[0]);
    free(list);
    must(f, delete_solver, s);
    assert_fails(solver_load(f->db, "s", &solver, &e), e, ERR_NOT_FOUND);
    assert_fails(solver_for_name(f->db, "b.example", false, &solver, &e), e, ERR_SOLVER_MISSING);
    assert_fails(store_write_wait(f->store, delete_solver, nobody, &e), e, ERR_NOT_FOUND);
}

static void test_zones_must_be_an_array_of_strings(void **state)
{
    struct fixture *f = *state;
    const char *const bad[] = {"{}", "[1]", "nonsense", "[\"a\", null]"};
    struct err e;
    for (size_t i = 0; i < 4; i++) {
        struct put_solver put = {"s", bad[i], NULL, false, NULL};
        assert_fails(store_write_wait(f->store, put_solver, &put, &e), e, ERR_INVALID);
    }
    struct solver solver;
    assert_fails(solver_load(f->db, "s", &solver, &e), e, ERR_NOT_FOUND);
}

static void test_a_name_finds_its_longest_zone(void **state)
{
    struct fixture *f = *state;
    struct put_solver solvers[] = {{"wide", "[\"example\"]", NULL, false, NULL},
                                   {"narrow", "[\"a.example\",\"other.test\"]", NULL, false, NULL},
                                   {"empty", "[]", NULL, false, NULL}};
    const char *const cases[][2] = {{"example", "wide"},        {"b.example", "wide"},
                                    {"a.example", "narrow"},    {"x.a.example", "narrow"},
                                    {"*.a.example", "narrow"},  {"ba.example", "wide"},
                                    {"*.other.test", "narrow"}, {"y.x.a.example", "narrow"}};
    struct solver solver;
    struct err e;
    for (size_t i = 0; i < 3; i++)
        must(f, put_solver, &solvers[i]);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(solver_for_name(f->db, cases[i][0], false, &solver, &e), e);
        assert_string_equal(solver.name, cases[i][1]);
        solver_finish(&solver);
    }
    const char *const none[] = {"test", "nother.test", "a.example.org", ""};
    for (size_t i = 0; i < 4; i++)
        assert_fails(solver_for_name(f->db, none[i], false, &solver, &e), e, ERR_SOLVER_MISSING);
}

static void test_records_want_a_solver_that_places_them(void **state)
{
    struct fixture *f = *state;
    struct put_solver solvers[] = {
        {"dns", "[\"a.example\"]", NULL, false, NULL},
        {"also", "[\"a.example\",\"b.example\"]", NULL, false, "http-01"},
        {"alpn", "[\"www.a.example\"]", NULL, false, "tls-alpn-01"}};
    const struct {
        const char *name, *any, *records;
    } cases[] = {{"a.example", "also", "dns"},
                 {"www.a.example", "alpn", "dns"},
                 {"x.www.a.example", "alpn", "dns"},
                 {"b.example", "also", NULL}};
    struct solver solver;
    struct err e;
    for (size_t i = 0; i < 3; i++)
        must(f, put_solver, &solvers[i]);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(solver_for_name(f->db, cases[i].name, false, &solver, &e), e);
        assert_string_equal(solver.name, cases[i].any);
        solver_finish(&solver);
        int rc = solver_for_name(f->db, cases[i].name, true, &solver, &e);
        if (!cases[i].records) {
            assert_fails(rc, e, ERR_SOLVER_MISSING);
            continue;
        }
        assert_ok(rc, e);
        assert_string_equal(solver.name, cases[i].records);
        solver_finish(&solver);
    }
}

static int owe(struct store_tx *tx, void *solver, struct err *e)
{
    char name[] = "_acme-challenge.a.example", value[] = "v";
    struct duty duty = {
        .order = "order", .solver = solver, .record_name = name, .record_value = value};
    return duty_insert(tx, &duty, e);
}

static void test_a_solver_in_use_stays(void **state)
{
    struct fixture *f = *state;
    struct put_solver named = {"named", "[]", NULL, false, NULL},
                      owing = {"owing", "[]", NULL, false, NULL};
    struct new_certificate certificate = {
        .name = "b", .challenge = "{\"type\":\"dns-01\",\"solver\":\"named\"}"};
    char named_name[] = "named", owing_name[] = "owing";
    struct err e;
    must(f, put_solver, &named);
    must(f, put_solver, &owing);
    fixture_certificate(f, "a");
    must(f, fixture_insert_certificate, &certificate);
    must(f, owe, owing_name);
    assert_fails(store_write_wait(f->store, delete_solver, named_name, &e), e, ERR_IN_USE);
    assert_fails(store_write_wait(f->store, delete_solver, owing_name, &e), e, ERR_IN_USE);
}

/* ---- tokens ---- */

static int put_token(struct store_tx *tx, void *first, struct err *e)
{
    unsigned char hash[TOKEN_HASH_SIZE] = {*(unsigned char *)first};
    return token_put(tx, "admin", hash, e);
}

static void test_a_token_is_replaced(void **state)
{
    struct fixture *f = *state;
    unsigned char first = 1, second = 2;
    struct token *tokens;
    size_t count;
    struct err e;
    must(f, put_token, &first);
    must(f, put_token, &second);
    assert_ok(token_list(f->db, &tokens, &count, &e), e);
    assert_int_equal(count, 1);
    assert_string_equal(tokens[0].name, "admin");
    assert_int_equal(tokens[0].hash[0], 2);
    assert_int_equal(tokens[0].hash[31], 0);
    token_finish(&tokens[0]);
    free(tokens);
}

/* ---- owners ---- */

static int own_ca(struct store_tx *tx, void *name, struct err *e)
{
    return owner_set(tx, OWNED_AUTHORITY, name, ORIGIN_CONFIG, e);
}

static int release(struct store_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return owner_release_config(tx, e);
}

static void test_owners_change(void **state)
{
    struct fixture *f = *state;
    char ca[] = "ca", nobody[] = "nobody";
    struct err e;
    must(f, fixture_put_authority, ca);
    must(f, own_ca, ca);
    struct authority a = load_authority(f, "ca");
    assert_int_equal(a.origin, ORIGIN_CONFIG);
    authority_finish(&a);
    must(f, release, NULL);
    a = load_authority(f, "ca");
    assert_int_equal(a.origin, ORIGIN_API);
    authority_finish(&a);
    assert_fails(store_write_wait(f->store, own_ca, nobody, &e), e, ERR_NOT_FOUND);
}

/* ---- idempotency ---- */

struct request {
    struct idempotency key;
    char job[ULID_SIZE];
    bool found;
};

static int find_request(struct store_tx *tx, void *arg, struct err *e)
{
    struct request *request = arg;
    return idempotency_find(tx, &request->key, request->job, &request->found, e);
}

static int put_request(struct store_tx *tx, void *arg, struct err *e)
{
    struct request *request = arg;
    return idempotency_put(tx, &request->key, "01ARZ3NDEKTSV4RRFFQ69G5FAV", e);
}

static void test_a_request_is_remembered(void **state)
{
    struct fixture *f = *state;
    struct request request = {.key = {"admin POST /certificates", "k", "hash"}};
    struct err e;
    must(f, find_request, &request);
    assert_false(request.found);
    must(f, put_request, &request);
    must(f, find_request, &request);
    assert_true(request.found);
    assert_string_equal(request.job, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    request.key.body = "other";
    assert_fails(store_write_wait(f->store, find_request, &request, &e), e, ERR_INVALID);
    request.key.scope = "other";
    must(f, find_request, &request);
    assert_false(request.found);
}

/* The test's clock: what was asked lies so much longer ago. */
static int let_pass(struct store_tx *tx, void *arg, struct err *e)
{
    const int64_t *ms = arg;
    return db_run(store_tx_db(tx), NULL, e, "UPDATE idempotency SET at = at - ?1", "i", *ms);
}

static int64_t requests_kept(struct fixture *f)
{
    struct db_row *row;
    struct err e;
    assert_ok(db_query(f->db, &row, &e, "SELECT count(*) FROM idempotency", ""), e);
    assert_int_equal(db_next(row, &e), 1);
    int64_t count = db_int(row, 0);
    db_row_finish(row);
    return count;
}

static void test_a_request_is_forgotten_after_a_day(void **state)
{
    struct fixture *f = *state;
    struct request first = {.key = {"admin POST /certificates", "k", "hash"}};
    struct request other = {.key = {"admin POST /certificates", "other", "hash"}};
    int64_t almost = CLOCK_DAY_MS - CLOCK_MINUTE_MS, rest = 2 * CLOCK_MINUTE_MS;
    must(f, put_request, &first);
    must(f, let_pass, &almost);
    must(f, find_request, &first);
    assert_true(first.found);
    must(f, put_request, &other);
    assert_int_equal(requests_kept(f), 2);
    must(f, let_pass, &rest);
    first.key.body = "another";
    must(f, find_request, &first);
    assert_false(first.found);
    must(f, put_request, &first); /* the key is free for another body */
    assert_int_equal(requests_kept(f), 2);
    must(f, find_request, &first);
    assert_true(first.found);
    must(f, find_request, &other);
    assert_true(other.found);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_an_authority_is_put_and_replaced),
        CASE(test_a_missing_authority),
        CASE(test_an_authority_in_use_stays),
        CASE(test_pages_go_by_bytes),
        CASE(test_credentials_keep_their_secrets),
        CASE(test_a_solver_is_put_and_replaced),
        CASE(test_zones_must_be_an_array_of_strings),
        CASE(test_a_name_finds_its_longest_zone),
        CASE(test_records_want_a_solver_that_places_them),
        CASE(test_a_solver_in_use_stays),
        CASE(test_a_token_is_replaced),
        CASE(test_owners_change),
        CASE(test_a_request_is_remembered),
        CASE(test_a_request_is_forgotten_after_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
