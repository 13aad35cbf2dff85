/* The keys of accounts: what they sign with, what is to follow it, and the EAB's MAC key. */
#include "store/account.h"
#include "store/account_private.h"
#include "store/keys.h"
#include "store/record.h"
#include "store/sealed.h"

#include <string.h>

/* What of a key is no secret. */
struct public_key {
    char spki_sha256[KEY_SPKI_SHA256_SIZE];
    char thumbprint[KEY_THUMBPRINT_SIZE];
    struct buf jwk;
    struct buf pem;
};

static int read_public_key(const struct key *key, struct public_key *out, struct err *e)
{
    if (key_spki_sha256(key, out->spki_sha256, e) < 0 ||
        key_thumbprint(key, out->thumbprint, e) < 0 || key_jwk(key, &out->jwk, e) < 0)
        return -1;
    return key_public_pem(key, &out->pem, e);
}

static int refuse_twin_key(struct db *db, int64_t id, const char *spki_sha256, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT other.name FROM account own JOIN account other"
                 " ON other.authority = own.authority AND other.id <> own.id"
                 " WHERE own.id = ?1 AND (other.spki_sha256 = ?2 OR other.next_spki_sha256 = ?2)",
                 "it", id, spki_sha256) < 0)
        return -1;
    int rc = db_next(row, e);
    if (rc > 0)
        rc =
            err_set(e, ERR_NAME_TAKEN, "The account \"%s\" has this key already.", db_text(row, 0));
    db_row_finish(row);
    return rc;
}

static int update_key(struct store_tx *tx, int64_t id, const struct key *key,
                      const struct public_key *public, const struct buf *sealed, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "UPDATE account SET key = ?2, key_type = ?3, thumbprint = ?4, jwk = ?5,"
                  " public_pem = ?6, spki_sha256 = ?7, updated_at = ?8 WHERE id = ?1",
                  "ibttttti", id, sealed->data, sealed->size, key_type_name(key_type_of(key)),
                  public->thumbprint, buf_string(&public->jwk), buf_string(&public->pem),
                  public->spki_sha256, store_tx_now(tx));
}

int account_put_key(struct store_tx *tx, int64_t id, const struct key *key, struct err *e)
{
    struct db *db = store_tx_db(tx);
    char place[SEALED_PLACE_SIZE];
    struct public_key public = {0};
    struct buf sealed = {0};
    sealed_place(place, "account", id, "key");
    int rc = read_public_key(key, &public, e);
    if (rc == 0)
        rc = keys_refuse_certificate_key(db, public.spki_sha256, e);
    if (rc == 0)
        rc = refuse_twin_key(db, id, public.spki_sha256, e);
    if (rc == 0)
        rc = sealed_key(db, place, key, &sealed, e);
    if (rc == 0)
        rc = update_key(tx, id, key, &public, &sealed, e);
    buf_finish(&public.jwk);
    buf_finish(&public.pem);
    buf_finish(&sealed);
    return rc;
}

int account_set_key(struct store_tx *tx, int64_t id, const struct key *key, struct err *e)
{
    struct account account;
    if (account_load_by_id(store_tx_db(tx), id, &account, e) < 0)
        return -1;
    int rc = 0;
    if (account.has_key)
        rc = err_set(e, ERR_CONFLICT, "The account \"%s\" has a key already.", account.name);
    account_finish(&account);
    return rc < 0 ? -1 : account_put_key(tx, id, key, e);
}

int account_open_key(struct db *db, int64_t id, struct key **out, struct err *e)
{
    char place[SEALED_PLACE_SIZE];
    struct db_row *row;
    sealed_place(place, "account", id, "key");
    if (db_query(db, &row, e, "SELECT key FROM account WHERE id = ?1", "i", id) < 0)
        return -1;
    int found = sealed_key_open(db, row, place, out, e);
    if (found < 0)
        return -1;
    return found ? 0 : err_set(e, ERR_NOT_FOUND, "The account has no key yet.");
}

/* ---- the key that is to follow ---- */

static int put_next_key(struct store_tx *tx, int64_t id, const struct key *key, const char *spki,
                        struct err *e)
{
    char place[SEALED_PLACE_SIZE];
    struct buf sealed = {0};
    sealed_place(place, "account", id, "next_key");
    int rc = sealed_key(store_tx_db(tx), place, key, &sealed, e);
    if (rc == 0)
        rc = db_run(store_tx_db(tx), NULL, e,
                    "UPDATE account SET next_key = ?2, next_spki_sha256 = ?3, updated_at = ?4"
                    " WHERE id = ?1",
                    "ibti", id, sealed.data, sealed.size, spki, store_tx_now(tx));
    buf_finish(&sealed);
    return rc;
}

int account_set_next_key(struct store_tx *tx, int64_t id, const struct key *key, struct err *e)
{
    struct db *db = store_tx_db(tx);
    struct account account;
    char spki[KEY_SPKI_SHA256_SIZE];
    if (key_spki_sha256(key, spki, e) < 0 || account_load_by_id(db, id, &account, e) < 0)
        return -1;
    int rc = 0;
    if (account.next_spki_sha256)
        rc = err_set(e, ERR_CONFLICT, "The account \"%s\" is about to get another key.",
                     account.name);
    else if (account.spki_sha256 && !strcmp(account.spki_sha256, spki))
        rc = err_set(e, ERR_CONFLICT, "The account \"%s\" has this key already.", account.name);
    account_finish(&account);
    if (rc < 0 || keys_refuse_certificate_key(db, spki, e) < 0 ||
        refuse_twin_key(db, id, spki, e) < 0)
        return -1;
    return put_next_key(tx, id, key, spki, e);
}

int account_open_next_key(struct db *db, int64_t id, struct key **out, struct err *e)
{
    char place[SEALED_PLACE_SIZE];
    struct db_row *row;
    sealed_place(place, "account", id, "next_key");
    if (db_query(db, &row, e, "SELECT next_key FROM account WHERE id = ?1", "i", id) < 0)
        return -1;
    int found = sealed_key_open(db, row, place, out, e);
    if (found < 0)
        return -1;
    return found ? 0 : err_set(e, ERR_NOT_FOUND, "The account has no key that is to follow.");
}

int account_drop_next_key(struct store_tx *tx, int64_t id, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE account SET next_key = NULL, next_spki_sha256 = NULL, updated_at = ?2"
               " WHERE id = ?1",
               "ii", id, store_tx_now(tx)) < 0)
        return -1;
    return record_expect_id(changed, e, "account", id);
}

int account_take_next_key(struct store_tx *tx, int64_t id, struct err *e)
{
    struct key *key;
    if (account_open_next_key(store_tx_db(tx), id, &key, e) < 0)
        return -1;
    int rc = account_put_key(tx, id, key, e);
    key_destroy(key);
    return rc < 0 ? -1 : account_drop_next_key(tx, id, e);
}

/* ---- external account binding ---- */

int account_put_eab_key(struct db *db, int64_t id, const void *eab_key, size_t size, struct err *e)
{
    char place[SEALED_PLACE_SIZE];
    struct buf sealed = {0};
    sealed_place(place, "account", id, "eab");
    int rc = seal_value(db_seal(db), place, eab_key, size, &sealed, e);
    if (rc == 0)
        rc = db_run(db, NULL, e, "UPDATE account SET eab_key = ?2 WHERE id = ?1", "ib", id,
                    sealed.data, sealed.size);
    buf_finish(&sealed);
    return rc;
}

int account_open_eab_key(struct db *db, int64_t id, struct buf *out, struct err *e)
{
    char place[SEALED_PLACE_SIZE];
    struct db_row *row;
    sealed_place(place, "account", id, "eab");
    if (db_query(db, &row, e, "SELECT eab_key FROM account WHERE id = ?1", "i", id) < 0)
        return -1;
    int found = sealed_open(db, row, place, out, e);
    if (found < 0)
        return -1;
    return found ? 0 : err_set(e, ERR_NOT_FOUND, "The account has no external account binding.");
}
