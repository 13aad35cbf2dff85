#include "store/certificate.h"

#include "store/account.h"
#include "store/keys.h"
#include "store/record.h"
#include "store/sealed.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>

void certificate_finish(struct certificate *certificate)
{
    free(certificate->name);
    free(certificate->spec);
    free(certificate->identifiers);
    free(certificate->authority);
    free(certificate->account);
    free(certificate->profile);
    free(certificate->preferred_chain);
    free(certificate->challenge);
    free(certificate->email);
    free(certificate->labels);
    free(certificate->renewal);
    free(certificate->last_error);
    free(certificate->person_error);
    free(certificate->active_job);
    free(certificate->active_error);
    free(certificate->serial);
    free(certificate->issuer);
    free(certificate->spki_sha256);
    *certificate = (struct certificate){0};
}

/* ---- reading ---- */

/* The version in use is joined, so that it cannot tell anything else than its own row. */
#define SELECT                                                                                     \
    "SELECT c.id, c.name, c.spec, c.identifiers, a.authority, a.name, c.account_id, c.profile,"    \
    " c.validity_ms,"                                                                              \
    " c.preferred_chain, c.challenge, c.email, c.labels, c.key_type, c.key_reuse,"                 \
    " c.given_key IS NOT NULL, c.given_csr IS NOT NULL, c.retry_for_ms, c.origin, c.version,"      \
    " COALESCE (v.state = 'revoked', 0), COALESCE (v.revision <> c.revision, 0), "                 \
    "c.renew, c.renew_before_ms, c.renew_ari, c.renew_stopped, c.next_renewal_at, c.renewal,"      \
    " u.test, c.last_error,"                                                                       \
    " CASE WHEN j.state = 'waiting' AND j.due_at = 9223372036854775807"                            \
    "  THEN COALESCE (j.error, '') END, c.active_job, j.error,"                                    \
    " EXISTS (SELECT 1 FROM deployment d WHERE d.certificate_id = c.id),"                          \
    " c.created_at, c.updated_at, v.serial, v.issuer, v.spki_sha256, v.key_type, v.not_before,"    \
    " v.not_after, c.key_exportable FROM certificate c LEFT JOIN account a ON a.id = c.account_id" \
    " LEFT JOIN authority u ON u.name = a.authority"                                               \
    " LEFT JOIN version v ON v.certificate_id = c.id AND v.n = c.version"                          \
    " LEFT JOIN job j ON j.id = c.active_job"

static void read_certificate(const struct db_row *row, void *out)
{
    struct certificate *certificate = out;
    int c = 0;
    certificate->id = db_int(row, c++);
    certificate->name = db_text_copy(row, c++);
    certificate->spec = db_text_copy(row, c++);
    certificate->identifiers = db_text_copy(row, c++);
    certificate->authority = db_text_copy(row, c++);
    certificate->account = db_text_copy(row, c++);
    certificate->account_id = db_int(row, c++);
    certificate->profile = db_text_copy(row, c++);
    certificate->validity_ms = db_int(row, c++);
    certificate->preferred_chain = db_text_copy(row, c++);
    certificate->challenge = db_text_copy(row, c++);
    certificate->email = db_text_copy(row, c++);
    certificate->labels = db_text_copy(row, c++);
    certificate->key_type = keys_type(db_text(row, c++));
    certificate->key_reuse = db_int(row, c++);
    certificate->has_given_key = db_int(row, c++);
    certificate->has_given_csr = db_int(row, c++);
    certificate->retry_for_ms = db_int(row, c++);
    certificate->origin = origin_by_name(db_text(row, c++));
    certificate->version = db_int(row, c++);
    certificate->revoked = db_int(row, c++);
    certificate->outdated = db_int(row, c++);
    certificate->renew = db_int(row, c++);
    certificate->renew_before_ms = db_int(row, c++);
    certificate->renew_ari = db_int(row, c++);
    certificate->renew_stopped = db_int(row, c++);
    certificate->next_renewal_at = db_int(row, c++);
    certificate->renewal = db_text_copy(row, c++);
    certificate->trusted = !db_int(row, c++);
    certificate->last_error = db_text_copy(row, c++);
    certificate->person_error = db_text_copy(row, c++);
    certificate->active_job = db_text_copy(row, c++);
    certificate->active_error = db_text_copy(row, c++);
    certificate->has_targets = db_int(row, c++);
    certificate->created_at = db_int(row, c++);
    certificate->updated_at = db_int(row, c++);
    certificate->serial = db_text_copy(row, c++);
    certificate->issuer = db_text_copy(row, c++);
    certificate->spki_sha256 = db_text_copy(row, c++);
    if (!db_is_null(row, c))
        certificate->version_key_type = keys_type(db_text(row, c));
    c++;
    certificate->not_before = db_int(row, c++);
    certificate->not_after = db_int(row, c++);
    certificate->key_exportable = db_int(row, c++);
}

static void finish_certificate(void *out)
{
    certificate_finish(out);
}

static const struct record_type certificate_type = {sizeof(struct certificate), read_certificate,
                                                    finish_certificate};

int certificate_load(struct db *db, const char *name, struct certificate *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE c.name = ?1", "t", name) < 0)
        return -1;
    int found = record_load(row, &certificate_type, out, e);
    return found < 0 ? -1 : record_expect(found, e, "certificate", name);
}

int certificate_load_by_id(struct db *db, int64_t id, struct certificate *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE c.id = ?1", "i", id) < 0)
        return -1;
    int found = record_load(row, &certificate_type, out, e);
    return found < 0 ? -1 : record_expect_id(found, e, "certificate", id);
}

int certificate_list(struct db *db, const char *after, size_t limit, struct certificate **out,
                     size_t *count, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE c.name > ?1 ORDER BY c.name LIMIT ?2", "ti",
                 after ? after : "", (int64_t)limit) < 0)
        return -1;
    return record_list(row, &certificate_type, out, count, e);
}

/* ---- what the caller gave: a key or a CSR ---- */

int certificate_given_csr(struct db *db, int64_t id, struct buf *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT given_csr FROM certificate WHERE id = ?1", "i", id) < 0)
        return -1;
    int rc = db_next(row, e);
    if (rc > 0 && !db_is_null(row, 0)) {
        size_t size;
        const void *csr = db_blob(row, 0, &size);
        buf_add(out, csr, size);
        rc = 0;
    } else if (rc >= 0) {
        rc = err_set(e, ERR_NOT_FOUND, "The certificate has no CSR of its caller.");
    }
    db_row_finish(row);
    return rc;
}

int certificate_open_given_key(struct db *db, int64_t id, struct key **out, struct err *e)
{
    char place[SEALED_PLACE_SIZE];
    struct db_row *row;
    sealed_place(place, "certificate", id, "given_key");
    if (db_query(db, &row, e, "SELECT given_key FROM certificate WHERE id = ?1", "i", id) < 0)
        return -1;
    int found = sealed_key_open(db, row, place, out, e);
    if (found < 0)
        return -1;
    return found ? 0 : err_set(e, ERR_NOT_FOUND, "The certificate has no key of its caller.");
}

static int put_given_key(struct db *db, int64_t id, const struct key *key, struct err *e)
{
    char place[SEALED_PLACE_SIZE];
    char spki[KEY_SPKI_SHA256_SIZE];
    struct buf sealed = {0};
    sealed_place(place, "certificate", id, "given_key");
    int rc = key_spki_sha256(key, spki, e);
    if (rc == 0)
        rc = keys_refuse_account_key(db, spki, e);
    if (rc == 0)
        rc = sealed_key(db, place, key, &sealed, e);
    if (rc == 0)
        rc = db_run(db, NULL, e,
                    "UPDATE certificate SET given_key = ?2, given_spki_sha256 = ?3 WHERE id = ?1",
                    "ibt", id, sealed.data, sealed.size, spki);
    buf_finish(&sealed);
    return rc;
}

static int put_given_csr(struct db *db, int64_t id, const void *csr, size_t size, const char *spki,
                         struct err *e)
{
    if (keys_refuse_account_key(db, spki, e) < 0)
        return -1;
    return db_run(db, NULL, e,
                  "UPDATE certificate SET given_csr = ?2, given_spki_sha256 = ?3 WHERE id = ?1",
                  "ibt", id, csr, size, spki);
}

/* Into a row that has neither. */
static int put_given(struct db *db, int64_t id, const struct key *key, const void *csr,
                     size_t csr_size, const char *csr_spki, struct err *e)
{
    assert(!(key && csr));
    if (key)
        return put_given_key(db, id, key, e);
    return csr ? put_given_csr(db, id, csr, csr_size, csr_spki, e) : 0;
}

/* ---- writing ---- */

/* By its id, else by its name. */
static int find_account(struct db *db, const struct certificate *certificate, int64_t *id,
                        struct err *e)
{
    struct db_row *row;
    int rc;
    *id = 0;
    if (!certificate->account_id && !certificate->account)
        return 0;
    if (certificate->account_id)
        rc = db_query(db, &row, e, "SELECT id FROM account WHERE id = ?1", "i",
                      certificate->account_id);
    else
        rc = db_query(db, &row, e, "SELECT id FROM account WHERE name = ?1", "t",
                      certificate->account);
    int found = rc < 0 ? -1 : record_int(row, id, e);
    if (found == 0)
        return err_set(e, ERR_INVALID, "There is no account \"%s\".", certificate->account);
    return found < 0 ? -1 : 0;
}

/* Set apart from the challenge's JSON, so that a solver in use can be told by an index. */
static struct json_object *parse_challenge(const struct certificate *certificate)
{
    return certificate->challenge ? json_tokener_parse(certificate->challenge) : NULL;
}

static const char *solver_of(const struct json_object *challenge)
{
    struct json_object *solver;
    if (!json_object_object_get_ex(challenge, "solver", &solver))
        return NULL;
    return json_object_get_string(solver);
}

/* 1 with its id, 0 if the name is taken. */
static int insert_row(struct store_tx *tx, const struct certificate *certificate, int64_t *id,
                      struct err *e)
{
    struct db_row *row;
    struct json_object *challenge = parse_challenge(certificate);
    int rc = db_query(
        store_tx_db(tx), &row, e,
        "INSERT INTO certificate (name, spec, identifiers, account_id, profile,"
        " preferred_chain, challenge, challenge_solver, email, labels, key_type,"
        " key_reuse, retry_for_ms, origin, created_at, updated_at, renew,"
        " renew_before_ms, renew_ari, validity_ms) VALUES"
        " (?1, ?2, ?3, nullif (?4, 0), ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15,"
        " ?16, ?17, ?18, ?19) ON CONFLICT (name) DO NOTHING RETURNING id",
        "tttitttttttiitiiiii", certificate->name, certificate->spec, certificate->identifiers,
        certificate->account_id, certificate->profile, certificate->preferred_chain,
        certificate->challenge, solver_of(challenge), certificate->email, certificate->labels,
        key_type_name(certificate->key_type), (int64_t)certificate->key_reuse,
        certificate->retry_for_ms, origin_name(certificate->origin), store_tx_now(tx),
        (int64_t)certificate->renew, certificate->renew_before_ms, (int64_t)certificate->renew_ari,
        certificate->validity_ms);
    json_object_put(challenge);
    return rc < 0 ? -1 : record_int(row, id, e);
}

int certificate_insert(struct store_tx *tx, struct certificate *certificate,
                       const struct key *given_key, const void *given_csr, size_t given_csr_size,
                       const char *csr_spki_sha256, struct err *e)
{
    struct db *db = store_tx_db(tx);
    struct certificate row = *certificate; /* borrows */
    int64_t id;
    if (find_account(db, certificate, &row.account_id, e) < 0)
        return -1;
    int inserted = insert_row(tx, &row, &id, e);
    if (inserted < 0)
        return -1;
    if (!inserted)
        return err_set(e, ERR_NAME_TAKEN, "There is a certificate \"%s\" already.",
                       certificate->name);
    if (put_given(db, id, given_key, given_csr, given_csr_size, csr_spki_sha256, e) < 0)
        return -1;
    certificate->id = id;
    return 0;
}

static int update_row(struct store_tx *tx, const struct certificate *certificate,
                      int64_t account_id, int64_t *changed, struct err *e)
{
    struct json_object *challenge = parse_challenge(certificate);
    int rc = db_run(store_tx_db(tx), changed, e,
                    "UPDATE certificate SET spec = ?2, identifiers = ?3, account_id = ?4,"
                    " revision = revision + 1,"
                    " profile = ?5, preferred_chain = ?6, challenge = ?7, challenge_solver = ?8,"
                    " email = ?9, labels = ?10, key_type = ?11, key_reuse = ?12,"
                    " retry_for_ms = ?13, origin = ?14, updated_at = ?15, given_key = NULL,"
                    " given_csr = NULL, given_spki_sha256 = NULL, renew = ?16,"
                    " renew_before_ms = ?17, renew_ari = ?18, validity_ms = ?19 WHERE id = ?1",
                    "ittitttttttiitiiiii", certificate->id, certificate->spec,
                    certificate->identifiers, account_id, certificate->profile,
                    certificate->preferred_chain, certificate->challenge, solver_of(challenge),
                    certificate->email, certificate->labels, key_type_name(certificate->key_type),
                    (int64_t)certificate->key_reuse, certificate->retry_for_ms,
                    origin_name(certificate->origin), store_tx_now(tx), (int64_t)certificate->renew,
                    certificate->renew_before_ms, (int64_t)certificate->renew_ari,
                    certificate->validity_ms);
    json_object_put(challenge);
    return rc;
}

int certificate_update_spec(struct store_tx *tx, const struct certificate *certificate,
                            const struct key *given_key, const void *given_csr,
                            size_t given_csr_size, const char *csr_spki_sha256, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t account_id;
    int64_t changed;
    if (find_account(db, certificate, &account_id, e) < 0 ||
        update_row(tx, certificate, account_id, &changed, e) < 0 ||
        record_expect_id(changed, e, "certificate", certificate->id) < 0)
        return -1;
    return put_given(db, certificate->id, given_key, given_csr, given_csr_size, csr_spki_sha256, e);
}

int certificate_keep_key(struct store_tx *tx, const char *name, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "UPDATE certificate SET key_exportable = 0, updated_at = ?2 WHERE name = ?1"
                  " AND key_exportable = 1",
                  "ti", name, store_tx_now(tx));
}

int certificate_update_labels(struct store_tx *tx, int64_t id, const char *labels, const char *spec,
                              struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE certificate SET labels = ?2, spec = ?3, updated_at = ?4 WHERE id = ?1",
               "itti", id, labels, spec, store_tx_now(tx)) < 0)
        return -1;
    return record_expect_id(changed, e, "certificate", id);
}

int certificate_update_renew(struct store_tx *tx, int64_t id, bool renew, int64_t before_ms,
                             bool ari, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE certificate SET renew = ?2, renew_before_ms = ?3, renew_ari = ?4,"
               " updated_at = ?5 WHERE id = ?1",
               "iiiii", id, (int64_t)renew, before_ms, (int64_t)ari, store_tx_now(tx)) < 0)
        return -1;
    return record_expect_id(changed, e, "certificate", id);
}

int certificate_set_renewal(struct store_tx *tx, int64_t id, int64_t version, int64_t at,
                            const char *renewal, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "UPDATE certificate SET next_renewal_at = ?3, renewal = ?4"
                  " WHERE id = ?1 AND version = ?2",
                  "iiit", id, version, at, renewal);
}

int certificate_list_unplanned(struct db *db, size_t limit, struct certificate **out, size_t *count,
                               struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 SELECT " WHERE c.planning_jobs = 0 AND c.renew = 1 AND c.renew_stopped = 0"
                        " AND c.version > 0 AND c.account_id IS NOT NULL AND v.state = 'valid'"
                        " ORDER BY c.name LIMIT ?1",
                 "i", (int64_t)limit) < 0)
        return -1;
    return record_list(row, &certificate_type, out, count, e);
}

/* An order stays whose job still runs or that has left something to clean up: both need it. */
int certificate_delete(struct store_tx *tx, int64_t id, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t deleted;
    if (db_run(db, NULL, e,
               "DELETE FROM acme_order WHERE certificate_id = ?1"
               " AND job IN (SELECT id FROM job WHERE finished_at > 0)"
               " AND NOT EXISTS (SELECT 1 FROM duty d WHERE d.acme_order = acme_order.id)",
               "i", id) < 0 ||
        db_run(db, NULL, e,
               "INSERT INTO deleted_certificate (id, name, identifiers, labels, deleted_at)"
               " SELECT id, name, identifiers, labels, ?2 FROM certificate WHERE id = ?1",
               "ii", id, store_tx_now(tx)) < 0 ||
        db_run(db, &deleted, e, "DELETE FROM certificate WHERE id = ?1", "i", id) < 0)
        return -1;
    return record_expect_id(deleted, e, "certificate", id);
}

int certificate_set_job(struct store_tx *tx, int64_t id, const char *job, const char *error,
                        struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE certificate SET active_job = ?2, last_error = ?3, updated_at = ?4"
               " WHERE id = ?1",
               "itti", id, job, error, store_tx_now(tx)) < 0)
        return -1;
    return record_expect_id(changed, e, "certificate", id);
}
