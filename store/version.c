#include "acme/base/memory.h"
#include "store/certificate.h"
#include "store/keys.h"
#include "store/record.h"
#include "store/sealed.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {"prepared", "valid", "revoked", "failed"};

void version_finish(struct version *version)
{
    free(version->spki_sha256);
    free(version->csr);
    free(version->leaf);
    free(version->chain);
    free(version->serial);
    free(version->issuer);
    *version = (struct version){0};
}

/* ---- reading ---- */

#define SELECT                                                                                     \
    "SELECT certificate_id, n, state, key IS NOT NULL, key_type, spki_sha256, csr, leaf, chain,"   \
    " serial, issuer, not_before, not_after, created_at, issued_at, revoked_at, revocation_reason" \
    " FROM version WHERE certificate_id = ?1"

static enum version_state stored_state(const char *name)
{
    int state = record_word(name, state_names, sizeof state_names / sizeof *state_names);
    assert(state >= 0);
    return (enum version_state)state;
}

static void read_version(const struct db_row *row, void *out)
{
    struct version *version = out;
    int c = 0;
    version->certificate_id = db_int(row, c++);
    version->n = db_int(row, c++);
    version->state = stored_state(db_text(row, c++));
    version->has_key = db_int(row, c++);
    version->key_type = keys_type(db_text(row, c++));
    version->spki_sha256 = db_text_copy(row, c++);
    const void *csr = db_blob(row, c++, &version->csr_size);
    version->csr = mem_new(version->csr_size, 1);
    if (version->csr_size)
        memcpy(version->csr, csr, version->csr_size);
    version->leaf = db_text_copy(row, c++);
    version->chain = db_text_copy(row, c++);
    version->serial = db_text_copy(row, c++);
    version->issuer = db_text_copy(row, c++);
    version->not_before = db_int(row, c++);
    version->not_after = db_int(row, c++);
    version->created_at = db_int(row, c++);
    version->issued_at = db_int(row, c++);
    version->revoked_at = db_int(row, c++);
    version->revocation_reason = db_int(row, c++);
}

static void finish_version(void *out)
{
    version_finish(out);
}

static const struct record_type version_type = {sizeof(struct version), read_version,
                                                finish_version};

/* Names the certificate, or tells that there is none. */
static int missing(struct db *db, int64_t certificate_id, int64_t n, struct err *e)
{
    struct certificate certificate;
    if (certificate_load_by_id(db, certificate_id, &certificate, e) < 0)
        return -1;
    if (n > 0)
        err_set(e, ERR_NOT_FOUND, "The certificate \"%s\" has no version %" PRId64 ".",
                certificate.name, n);
    else
        err_set(e, ERR_NOT_FOUND, "The certificate \"%s\" is not issued yet.", certificate.name);
    certificate_finish(&certificate);
    return -1;
}

int version_load(struct db *db, int64_t certificate_id, int64_t n, struct version *out,
                 struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 SELECT " AND n = CASE WHEN ?2 > 0 THEN ?2"
                        " ELSE (SELECT version FROM certificate WHERE id = ?1) END",
                 "ii", certificate_id, n) < 0)
        return -1;
    int found = record_load(row, &version_type, out, e);
    if (found < 0)
        return -1;
    return found ? 0 : missing(db, certificate_id, n, e);
}

int version_list(struct db *db, int64_t certificate_id, struct version **out, size_t *count,
                 struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " ORDER BY n DESC", "i", certificate_id) < 0)
        return -1;
    return record_list(row, &version_type, out, count, e);
}

int version_open_key(struct db *db, int64_t certificate_id, int64_t n, struct key **out,
                     struct err *e)
{
    char place[SEALED_PLACE_SIZE];
    struct db_row *row;
    sealed_version_place(place, certificate_id, n);
    if (db_query(db, &row, e, "SELECT key FROM version WHERE certificate_id = ?1 AND n = ?2", "ii",
                 certificate_id, n) < 0)
        return -1;
    int found = sealed_key_open(db, row, place, out, e);
    if (found < 0)
        return -1;
    return found ? 0
                 : err_set(e, ERR_NOT_FOUND,
                           "The key of version %" PRId64 " of the certificate is not here.", n);
}

/* ---- preparing ---- */

static int next_number(struct db *db, int64_t certificate_id, int64_t *n, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT 1 + COALESCE ((SELECT max (n) FROM version WHERE certificate_id = ?1), 0)"
                 " FROM certificate WHERE id = ?1",
                 "i", certificate_id) < 0)
        return -1;
    int found = record_int(row, n, e);
    return found < 0 ? -1 : record_expect_id(found, e, "certificate", certificate_id);
}

int version_prepare(struct store_tx *tx, int64_t certificate_id, const struct key *key,
                    const char *spki_sha256, enum key_type key_type, const void *csr,
                    size_t csr_size, int64_t *n, struct err *e)
{
    struct db *db = store_tx_db(tx);
    char place[SEALED_PLACE_SIZE];
    struct buf sealed = {0};
    int64_t number;
    if (next_number(db, certificate_id, &number, e) < 0 ||
        keys_refuse_account_key(db, spki_sha256, e) < 0)
        return -1;
    sealed_version_place(place, certificate_id, number);
    int rc = key ? sealed_key(db, place, key, &sealed, e) : 0;
    if (rc == 0)
        rc = db_run(db, NULL, e,
                    "INSERT INTO version (certificate_id, n, state, key_type, key, spki_sha256,"
                    " csr, created_at, revision) SELECT ?1, ?2, 'prepared', ?3, ?4, ?5, ?6, ?7,"
                    " revision FROM certificate WHERE id = ?1",
                    "iitbtbi", certificate_id, number, key_type_name(key_type), sealed.data,
                    sealed.size, spki_sha256, csr, csr_size, store_tx_now(tx));
    buf_finish(&sealed);
    if (rc == 0)
        *n = number;
    return rc;
}

/* A certificate that was revoked is renewed again once there is a new one. */
static int use_version(struct store_tx *tx, int64_t certificate_id, int64_t n, struct err *e)
{
    return db_run(
        store_tx_db(tx), NULL, e,
        "UPDATE certificate SET version = ?2, renew_stopped = 0, updated_at = ?3,"
        " not_after = (SELECT not_after FROM version WHERE certificate_id = ?1 AND n = ?2)"
        " WHERE id = ?1 AND version < ?2",
        "iii", certificate_id, n, store_tx_now(tx));
}

/* *spki and *sealed, to which is appended, are what the row holds of the key. */
static int seal_imported(struct db *db, int64_t certificate_id, int64_t n, const struct key *key,
                         char spki[KEY_SPKI_SHA256_SIZE], struct buf *sealed, struct err *e)
{
    char place[SEALED_PLACE_SIZE];
    sealed_version_place(place, certificate_id, n);
    if (key_spki_sha256(key, spki, e) < 0 || keys_refuse_account_key(db, spki, e) < 0)
        return -1;
    return sealed_key(db, place, key, sealed, e);
}

int version_import(struct store_tx *tx, int64_t certificate_id, const struct key *key,
                   const struct version_issued *issued, int64_t *n, struct err *e)
{
    struct db *db = store_tx_db(tx);
    char spki[KEY_SPKI_SHA256_SIZE];
    struct buf sealed = {0};
    int64_t number, now = store_tx_now(tx);
    if (next_number(db, certificate_id, &number, e) < 0)
        return -1;
    int rc = seal_imported(db, certificate_id, number, key, spki, &sealed, e);
    if (rc == 0)
        rc = db_run(db, NULL, e,
                    "INSERT INTO version (certificate_id, n, state, key_type, key, spki_sha256,"
                    " csr, leaf, chain, serial, issuer, not_before, not_after, created_at,"
                    " issued_at, revision) SELECT ?1, ?2, 'valid', ?3, ?4, ?5, x'', ?6, ?7, ?8,"
                    " ?9, ?10, ?11, ?12, ?13, revision FROM certificate WHERE id = ?1",
                    "iitbtttttiiii", certificate_id, number, key_type_name(key_type_of(key)),
                    sealed.data, sealed.size, spki, issued->leaf, issued->chain, issued->serial,
                    issued->issuer, issued->not_before, issued->not_after, now,
                    issued->not_before < now ? issued->not_before : now);
    buf_finish(&sealed);
    if (rc == 0)
        rc = use_version(tx, certificate_id, number, e);
    if (rc == 0)
        *n = number;
    return rc;
}

int version_issued_at(struct db *db, int64_t certificate_id, int64_t nth, int64_t *at,
                      struct err *e)
{
    struct db_row *row;
    int64_t found = 0;
    if (db_query(db, &row, e,
                 "SELECT issued_at FROM version WHERE certificate_id = ?1 AND issued_at > 0"
                 " ORDER BY n DESC LIMIT 1 OFFSET ?2",
                 "ii", certificate_id, nth) < 0 ||
        record_int(row, &found, e) < 0)
        return -1;
    *at = found;
    return 0;
}

/* ---- changing its state ---- */

/* Why nothing was changed: there is no such version, or its state does not allow it. */
static int refuse(struct db *db, int64_t certificate_id, int64_t n, struct err *e)
{
    struct version version;
    if (version_load(db, certificate_id, n, &version, e) < 0)
        return -1;
    err_set(e, ERR_CONFLICT, "Version %" PRId64 " of the certificate is %s.", n,
            state_names[version.state]);
    version_finish(&version);
    return -1;
}

int version_issue(struct store_tx *tx, int64_t certificate_id, int64_t n,
                  const struct version_issued *issued, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t changed;
    if (db_run(db, &changed, e,
               "UPDATE version SET state = 'valid', leaf = ?3, chain = ?4, serial = ?5,"
               " issuer = ?6, not_before = ?7, not_after = ?8, issued_at = ?9"
               " WHERE certificate_id = ?1 AND n = ?2 AND state = 'prepared'",
               "iittttiii", certificate_id, n, issued->leaf, issued->chain, issued->serial,
               issued->issuer, issued->not_before, issued->not_after, store_tx_now(tx)) < 0)
        return -1;
    if (changed == 0)
        return refuse(db, certificate_id, n, e);
    return use_version(tx, certificate_id, n, e);
}

int version_fail(struct store_tx *tx, int64_t certificate_id, int64_t n, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t changed;
    if (db_run(db, &changed, e,
               "UPDATE version SET state = 'failed', key = NULL WHERE certificate_id = ?1"
               " AND n = ?2 AND state IN ('prepared', 'failed')",
               "ii", certificate_id, n) < 0)
        return -1;
    return changed ? 0 : refuse(db, certificate_id, n, e);
}

int version_revoke(struct store_tx *tx, int64_t certificate_id, int64_t n, int reason,
                   struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t changed;
    if (db_run(db, &changed, e,
               "UPDATE version SET state = 'revoked',"
               " revoked_at = CASE WHEN state = 'revoked' THEN revoked_at ELSE ?4 END,"
               " revocation_reason = CASE WHEN state = 'revoked' THEN revocation_reason ELSE ?3 END"
               " WHERE certificate_id = ?1 AND n = ?2 AND state IN ('valid', 'revoked')",
               "iiii", certificate_id, n, (int64_t)reason, store_tx_now(tx)) < 0)
        return -1;
    if (changed == 0)
        return refuse(db, certificate_id, n, e);
    return db_run(db, NULL, e,
                  "UPDATE certificate SET renew_stopped = 1, updated_at = ?3"
                  " WHERE id = ?1 AND version = ?2",
                  "iii", certificate_id, n, store_tx_now(tx));
}
