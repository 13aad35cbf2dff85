/* Certificates. */
#include "store/certificate_subject.h"
#include "store/order.h"
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

/* ---- certificates ---- */

struct spec {
    int64_t id;
    const char *account;
    const struct key *given_key;
    const char *given_csr;
    const char *csr_spki;
};

/* With everything that a caller may set. */
static int put_spec(struct store_tx *tx, void *arg, struct err *e)
{
    struct spec *spec = arg;
    char name[] = "full", text[] = "{\"s\":2}", identifiers[] = "[\"a.example\",\"b.example\"]";
    char *account = mem_strdup(spec->account), profile[] = "tlsserver", chain[] = "Root X1";
    char challenge[] = "{\"type\":\"dns-01\",\"solver\":\"s\"}", email[] = "a@b.example";
    char labels[] = "{\"team\":\"x\"}";
    struct certificate certificate = {.id = spec->id,
                                      .name = name,
                                      .spec = text,
                                      .identifiers = identifiers,
                                      .account = account,
                                      .profile = profile,
                                      .preferred_chain = chain,
                                      .challenge = challenge,
                                      .email = email,
                                      .labels = labels,
                                      .key_type = KEY_RSA_3072,
                                      .key_reuse = true,
                                      .retry_for_ms = 4711,
                                      .origin = ORIGIN_CONFIG};
    size_t size = spec->given_csr ? strlen(spec->given_csr) : 0;
    int rc;
    if (spec->id)
        rc = certificate_update_spec(tx, &certificate, spec->given_key, spec->given_csr, size,
                                     spec->csr_spki, e);
    else
        rc = certificate_insert(tx, &certificate, spec->given_key, spec->given_csr, size,
                                spec->csr_spki, e);
    spec->id = certificate.id;
    free(account);
    return rc;
}

static void expect_full(const struct certificate *c)
{
    assert_string_equal(c->spec, "{\"s\":2}");
    assert_string_equal(c->identifiers, "[\"a.example\",\"b.example\"]");
    assert_string_equal(c->authority, "ca");
    assert_string_equal(c->account, "main");
    assert_true(c->account_id > 0);
    assert_string_equal(c->profile, "tlsserver");
    assert_string_equal(c->preferred_chain, "Root X1");
    assert_string_equal(c->challenge, "{\"type\":\"dns-01\",\"solver\":\"s\"}");
    assert_string_equal(c->email, "a@b.example");
    assert_string_equal(c->labels, "{\"team\":\"x\"}");
    assert_int_equal(c->key_type, KEY_RSA_3072);
    assert_true(c->key_reuse);
    assert_int_equal(c->retry_for_ms, 4711);
    assert_int_equal(c->origin, ORIGIN_CONFIG);
}

static void test_a_certificate_with_all_it_can_have(void **state)
{
    struct fixture *f = *state;
    struct spec spec = {.account = "main"};
    struct certificate c;
    struct err e;
    fixture_certificate(f, "other");
    must(f, put_spec, &spec);
    assert_ok(certificate_load(f->db, "full", &c, &e), e);
    assert_int_equal(c.id, spec.id);
    assert_string_equal(c.name, "full");
    expect_full(&c);
    assert_false(c.has_given_key || c.has_given_csr || c.revoked || c.renew_stopped || c.outdated);
    assert_true(c.trusted);
    assert_int_equal(c.version, 0);
    assert_null(c.serial);
    assert_null(c.last_error);
    assert_null(c.active_job);
    assert_int_equal(c.not_after, 0);
    assert_true(c.created_at > 0 && c.updated_at >= c.created_at);
    certificate_finish(&c);
}

static void test_missing_and_taken(void **state)
{
    struct fixture *f = *state;
    struct spec orphan = {.account = "nobody"};
    struct new_certificate again = {.name = "a"};
    struct certificate c;
    struct key *key = NULL;
    struct buf csr = {0};
    struct err e;
    int64_t id = fixture_certificate(f, "a");
    assert_fails(store_write_wait(f->store, put_spec, &orphan, &e), e, ERR_INVALID);
    assert_string_equal(e.detail, "There is no account \"nobody\".");
    assert_fails(store_write_wait(f->store, fixture_insert_certificate, &again, &e), e,
                 ERR_NAME_TAKEN);
    assert_fails(certificate_load(f->db, "x", &c, &e), e, ERR_NOT_FOUND);
    assert_string_equal(e.detail, "There is no certificate \"x\".");
    assert_fails(certificate_load_by_id(f->db, 99, &c, &e), e, ERR_NOT_FOUND);
    assert_fails(certificate_given_csr(f->db, id, &csr, &e), e, ERR_NOT_FOUND);
    assert_fails(certificate_open_given_key(f->db, id, &key, &e), e, ERR_NOT_FOUND);
    struct spec missing = {.id = 99, .account = "main"};
    assert_fails(store_write_wait(f->store, put_spec, &missing, &e), e, ERR_NOT_FOUND);
}

static void test_a_given_key_and_a_given_csr(void **state)
{
    struct fixture *f = *state;
    struct key *key = new_key(), *opened;
    struct buf csr = {0};
    char one[KEY_SPKI_SHA256_SIZE], two[KEY_SPKI_SHA256_SIZE];
    struct err e;
    int64_t id = fixture_certificate(f, "a");
    struct spec spec = {.id = id, .account = "main", .given_key = key};
    must(f, put_spec, &spec);
    struct certificate c = load(f, id);
    expect_full(&c);
    assert_string_equal(c.name, "a"); /* which a spec does not change */
    assert_true(c.has_given_key && !c.has_given_csr);
    certificate_finish(&c);
    assert_ok(certificate_open_given_key(f->db, id, &opened, &e), e);
    assert_ok(key_spki_sha256(key, one, &e), e);
    assert_ok(key_spki_sha256(opened, two, &e), e);
    assert_string_equal(one, two);

    spec = (struct spec){.id = id, .account = "main", .given_csr = "DER", .csr_spki = "abc"};
    must(f, put_spec, &spec);
    c = load(f, id);
    assert_true(!c.has_given_key && c.has_given_csr);
    certificate_finish(&c);
    assert_ok(certificate_given_csr(f->db, id, &csr, &e), e);
    assert_string_equal(buf_string(&csr), "DER");
    struct key *untouched = NULL;
    assert_fails(certificate_open_given_key(f->db, id, &untouched, &e), e, ERR_NOT_FOUND);
    buf_finish(&csr);
    key_destroy(opened);
    key_destroy(key);
}

static void test_an_accounts_key_is_refused(void **state)
{
    struct fixture *f = *state;
    struct key *key = new_key();
    struct new_account account = {.name = "owner", .authority = "ca", .key = key};
    char spki[KEY_SPKI_SHA256_SIZE];
    struct err e;
    int64_t id = fixture_certificate(f, "a");
    must(f, fixture_insert_account, &account);
    assert_ok(key_spki_sha256(key, spki, &e), e);
    struct new_certificate by_key = {.name = "b", .given_key = key};
    struct new_certificate by_csr = {
        .name = "b", .given_csr = "DER", .given_csr_size = 3, .csr_spki = spki};
    struct spec update = {.id = id, .account = "main", .given_key = key};
    struct certificate c;
    assert_fails(store_write_wait(f->store, fixture_insert_certificate, &by_key, &e), e,
                 ERR_KEY_REUSED);
    assert_fails(store_write_wait(f->store, fixture_insert_certificate, &by_csr, &e), e,
                 ERR_KEY_REUSED);
    assert_fails(store_write_wait(f->store, put_spec, &update, &e), e, ERR_KEY_REUSED);
    assert_fails(certificate_load(f->db, "b", &c, &e), e, ERR_NOT_FOUND);
    c = load(f, id);
    assert_string_equal(c.spec, "{\"a\":1}"); /* nothing of the update stayed */
    certificate_finish(&c);
    key_destroy(key);
}

struct labels {
    int64_t id;
    const char *labels;
};

static int update_labels(struct store_tx *tx, void *arg, struct err *e)
{
    const struct labels *labels = arg;
    return certificate_update_labels(tx, labels->id, labels->labels, "{\"new\":1}", e);
}

struct set_job {
    int64_t id;
    const char *job;
    const char *error;
};

static int set_job(struct store_tx *tx, void *arg, struct err *e)
{
    const struct set_job *set = arg;
    return certificate_set_job(tx, set->id, set->job, set->error, e);
}

static void test_labels_and_jobs(void **state)
{
    struct fixture *f = *state;
    int64_t id = fixture_certificate(f, "a");
    struct err e;
    must(f, update_labels, &(struct labels){id, "{\"x\":\"y\"}"});
    must(f, set_job, &(struct set_job){id, "01JOB", "{\"e\":1}"});
    struct certificate c = load(f, id);
    assert_string_equal(c.labels, "{\"x\":\"y\"}");
    assert_string_equal(c.spec, "{\"new\":1}");
    assert_string_equal(c.active_job, "01JOB");
    assert_string_equal(c.last_error, "{\"e\":1}");
    certificate_finish(&c);
    must(f, set_job, &(struct set_job){id, NULL, NULL});
    c = load(f, id);
    assert_null(c.active_job);
    assert_null(c.last_error);
    certificate_finish(&c);
    assert_fails(store_write_wait(f->store, update_labels, &(struct labels){99, "{}"}, &e), e,
                 ERR_NOT_FOUND);
    assert_fails(store_write_wait(f->store, set_job, &(struct set_job){.id = 99}, &e), e,
                 ERR_NOT_FOUND);
}

static void test_lists_go_by_name(void **state)
{
    struct fixture *f = *state;
    struct new_certificate b = {.name = "b"}, c = {.name = "a-1"};
    struct certificate *list;
    size_t count;
    struct err e;
    fixture_certificate(f, "a");
    must(f, fixture_insert_certificate, &b);
    must(f, fixture_insert_certificate, &c);
    assert_ok(certificate_list(f->db, "a", 2, &list, &count, &e), e);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].name, "a-1");
    assert_string_equal(list[1].name, "b");
    certificate_finish(&list[0]);
    certificate_finish(&list[1]);
    free(list);
}

static int put_test_authority(struct store_tx *tx, void *arg, struct err *e)
{
    char ca[] = "ca", url[] = "https://staging.example/";
    struct authority authority = {.name = ca, .directory_url = url, .test = true};
    bool created;
    (void)arg;
    return authority_put(tx, &authority, &created, e);
}

static void test_trust_is_the_authoritys(void **state)
{
    struct fixture *f = *state;
    int64_t id = fixture_certificate(f, "a");
    must(f, put_test_authority, NULL);
    struct certificate c = load(f, id);
    assert_false(c.trusted);
    certificate_finish(&c);
}

/* ---- deleting ---- */

static int delete_certificate(struct store_tx *tx, void *id, struct err *e)
{
    return certificate_delete(tx, *(int64_t *)id, e);
}

struct new_order {
    int64_t certificate_id;
    const char *job;
    char id[ULID_SIZE];
};

static int insert_order(struct store_tx *tx, void *arg, struct err *e)
{
    struct new_order *new = arg;
    char *job = mem_strdup(new->job), name[] = "a", account[] = "main", authority[] = "ca";
    struct order order = {.certificate_id = new->certificate_id,
                          .job = job,
                          .certificate = name,
                          .account = account,
                          .authority = authority};
    int rc = order_insert(tx, &order, e);
    memcpy(new->id, order.id, ULID_SIZE);
    free(job);
    return rc;
}

static void test_deleting_takes_versions_and_ended_orders(void **state)
{
    struct fixture *f = *state;
    int64_t id = fixture_certificate(f, "a"), n = fixture_prepared(f, id);
    struct new_job running = fixture_job("ca", 0), ended = fixture_job("ca", 0);
    struct certificate c;
    struct version v;
    struct order order;
    struct err e;
    must(f, fixture_insert_job, &running);
    must(f, fixture_insert_job, &ended);
    struct new_order live = {id, running.id, ""}, done = {id, ended.id, ""};
    must(f, insert_order, &live);
    must(f, insert_order, &done);
    struct fixture_commit end = {.id = ended.id, .change = {.state = JOB_SUCCEEDED}};
    must(f, fixture_commit_job, &end);

    must(f, delete_certificate, &id);
    assert_fails(certificate_load(f->db, "a", &c, &e), e, ERR_NOT_FOUND);
    assert_fails(version_load(f->db, id, n, &v, &e), e, ERR_NOT_FOUND);
    assert_fails(order_load(f->db, done.id, &order, &e), e, ERR_NOT_FOUND);
    assert_ok(order_load(f->db, live.id, &order, &e), e); /* its job has yet to clean up */
    assert_string_equal(order.certificate, "a");
    order_finish(&order);
    assert_fails(store_write_wait(f->store, delete_certificate, &id, &e), e, ERR_NOT_FOUND);

    struct new_certificate again = {.name = "a"};
    must(f, fixture_insert_certificate, &again);
    assert_true(again.id > id); /* jobs and sealed values name it */
    assert_ok(store_check(f->store, &e), e);
}

/* ---- what a job was for ---- */

static struct certificate_subject subject_of(struct fixture *f, const struct new_job *job)
{
    struct certificate_subject subject;
    struct err e;
    assert_ok(certificate_subject_load_of_job(f->db, job->id, &subject, &e), e);
    return subject;
}

static void expect_subject(struct fixture *f, const struct new_job *job, const char *identifiers,
                           const char *former)
{
    struct certificate_subject subject = subject_of(f, job);
    assert_string_equal(subject.identifiers, identifiers);
    if (former)
        assert_string_equal(subject.former, former);
    else
        assert_null(subject.former);
    certificate_subject_finish(&subject);
}

static void test_a_job_knows_the_names_of_then(void **state)
{
    static const char then[] = "[\"a.example\"]", now[] = "[\"a.example\",\"b.example\"]";
    struct fixture *f = *state;
    int64_t id = fixture_certificate(f, "a");
    struct spec spec = {.id = id, .account = "main"};
    struct new_job before = fixture_job("ca", 0), planned = before, after = before, other = before;
    struct certificate_subject subject;
    struct err e;
    before.job.resource_id = planned.job.resource_id = after.job.resource_id = id;
    planned.job.kind = "certificate.renew";
    other.job.resource_type = "account";
    must(f, fixture_insert_job, &before);
    must(f, fixture_insert_job, &planned);
    must(f, fixture_insert_job, &other);
    expect_subject(f, &before, then, NULL);
    must(f, put_spec, &spec);
    must(f, fixture_insert_job, &after);
    expect_subject(f, &before, now, then);
    expect_subject(f, &planned, now, NULL); /* it is for whatever names there are in the end */
    expect_subject(f, &after, now, NULL);
    must(f, put_spec, &spec);
    expect_subject(f, &before, now, then);
    must(f, delete_certificate, &id);
    expect_subject(f, &before, now, then);
    expect_subject(f, &after, now, NULL);
    assert_fails(certificate_subject_load_of_job(f->db, other.id, &subject, &e), e, ERR_NOT_FOUND);
    assert_fails(certificate_subject_load_of_job(f->db, "nothing", &subject, &e), e, ERR_NOT_FOUND);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_certificate_with_all_it_can_have),
        CASE(test_missing_and_taken),
        CASE(test_a_given_key_and_a_given_csr),
        CASE(test_an_accounts_key_is_refused),
        CASE(test_labels_and_jobs),
        CASE(test_lists_go_by_name),
        CASE(test_trust_is_the_authoritys),
        CASE(test_deleting_takes_versions_and_ended_orders),
        CASE(test_a_job_knows_the_names_of_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
