#include "store/revocation.h"

#include "store/certificate.h"
#include "store/record.h"
#include "store/sealed.h"

#include <stdlib.h>
#include <string.h>

void revocation_finish(struct revocation *revocation)
{
    free(revocation->authority);
    free(revocation->leaf);
    free(revocation->fingerprint);
    free(revocation->job);
    *revocation = (struct revocation){0};
}

static void read_revocation(const struct db_row *row, void *out)
{
    struct revocation *revocation = out;
    int c = 0;
    revocation->id = db_int(row, c++);
    revocation->authority = db_text_copy(row, c++);
    revocation->account_id = db_int(row, c++);
    revocation->leaf = db_text_copy(row, c++);
    revocation->fingerprint = db_text_copy(row, c++);
    revocation->reason = (int)db_int(row, c++);
    revocation->job = db_text_copy(row, c++);
}

static void finish_revocation(void *out)
{
    revocation_finish(out);
}

static const struct record_type revocation_type = {sizeof(struct revocation), read_revocation,
                                                   finish_revocation};

int revocation_load(struct db *db, int64_t id, struct revocation *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT id, authority, account_id, leaf, fingerprint, reason, job FROM revocation"
                 " WHERE id = ?1",
                 "i", id) < 0)
        return -1;
    int found = record_load(row, &revocation_type, out, e);
    return found < 0 ? -1 : record_expect_id(found, e, "revocation", id);
}

int revocation_find(struct db *db, const char *authority, const char *fingerprint, bool *found,
                    char job[ULID_SIZE], struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT r.job FROM revocation r JOIN job j ON j.id = r.job AND j.finished_at = 0"
                 " WHERE r.authority = ?1 AND r.fingerprint = ?2",
                 "tt", authority, fingerprint) < 0)
        return -1;
    int rc = db_next(row, e);
    if (rc > 0)
        memcpy(job, db_text(row, 0), ULID_SIZE);
    *found = rc > 0;
    db_row_finish(row);
    return rc < 0 ? -1 : 0;
}

static int put_key(struct db *db, int64_t id, const struct key *key, struct err *e)
{
    char place[SEALED_PLACE_SIZE];
    struct buf sealed = {0};
    sealed_place(place, "revocation", id, "key");
    int rc = sealed_key(db, place, key, &sealed, e);
    if (rc == 0)
        rc = db_run(db, NULL, e, "UPDATE revocation SET key = ?2 WHERE id = ?1", "ib", id,
                    sealed.data, sealed.size);
    buf_finish(&sealed);
    return rc;
}

int revocation_insert(struct store_tx *tx, struct revocation *revocation, const struct key *key,
                      struct err *e)
{
    struct db *db = store_tx_db(tx);
    struct db_row *row;
    int64_t id;
    if (db_run(db, NULL, e, "DELETE FROM revocation WHERE authority = ?1 AND fingerprint = ?2",
               "tt", revocation->authority, revocation->fingerprint) < 0 ||
        db_query(db, &row, e,
                 "INSERT INTO revocation (authority, account_id, leaf, fingerprint, reason,"
                 " created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
                 "tittii", revocation->authority, revocation->account_id, revocation->leaf,
                 revocation->fingerprint, (int64_t)revocation->reason, store_tx_now(tx)) < 0 ||
        record_int(row, &id, e) < 0 || (key && put_key(db, id, key, e) < 0))
        return -1;
    revocation->id = id;
    return 0;
}

int revocation_set_job(struct store_tx *tx, int64_t id, const char *job, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e, "UPDATE revocation SET job = ?2 WHERE id = ?1", "it",
                  id, job);
}

int revocation_open_key(struct db *db, int64_t id, struct key **out, struct err *e)
{
    char place[SEALED_PLACE_SIZE];
    struct db_row *row;
    sealed_place(place, "revocation", id, "key");
    if (db_query(db, &row, e, "SELECT key FROM revocation WHERE id = ?1", "i", id) < 0)
        return -1;
    int found = sealed_key_open(db, row, place, out, e);
    if (found < 0)
        return -1;
    return found ? 0 : err_set(e, ERR_NOT_FOUND, "The revocation has no key.");
}

int revocation_delete(struct store_tx *tx, int64_t id, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e, "DELETE FROM revocation WHERE id = ?1", "i", id);
}

/* A version that is not known to be revoked yet; n 0 if there is none. */
static int next_copy(struct db *db, const char *leaf, const char *spki, int64_t *certificate_id,
                     int64_t *n, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT certificate_id, n FROM version WHERE spki_sha256 = ?1 AND leaf = ?2"
                 " AND state = 'valid' LIMIT 1",
                 "tt", spki, leaf) < 0)
        return -1;
    int rc = db_next(row, e);
    *certificate_id = rc > 0 ? db_int(row, 0) : 0;
    *n = rc > 0 ? db_int(row, 1) : 0;
    db_row_finish(row);
    return rc < 0 ? -1 : 0;
}

int revocation_note(struct store_tx *tx, const char *leaf, const char *spki_sha256, int reason,
                    struct err *e)
{
    int64_t certificate_id, n;
    do {
        if (next_copy(store_tx_db(tx), leaf, spki_sha256, &certificate_id, &n, e) < 0 ||
            (n && version_revoke(tx, certificate_id, n, reason, e) < 0))
            return -1;
    } while (n);
    return 0;
}
