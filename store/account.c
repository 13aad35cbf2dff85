#include "store/account.h"

#include "store/keys.h"
#include "store/record.h"
#include "store/sealed.h"

#include <stdlib.h>

void account_finish(struct account *account)
{
    free(account->name);
    free(account->authority);
    free(account->spec);
    free(account->contacts);
    free(account->eab_kid);
    free(account->thumbprint);
    free(account->jwk);
    free(account->public_pem);
    free(account->spki_sha256);
    free(account->status);
    free(account->url);
    free(account->ca_object);
    free(account->initial_ip);
    free(account->ca_created_at);
    free(account->last_error);
    free(account->active_job);
    *account = (struct account){0};
}

/* ---- reading ---- */

#define SELECT                                                                                     \
    "SELECT id, name, authority, spec, contacts, terms_of_service_agreed, only_existing, eab_kid," \
    " origin, key_type, key IS NOT NULL, thumbprint, jwk, public_pem, spki_sha256, status, url,"   \
    " ca_object, initial_ip, ca_created_at, last_error, active_job, created_at, updated_at"        \
    " FROM account"

static void read_account(const struct db_row *row, void *out)
{
    struct account *account = out;
    int c = 0;
    account->id = db_int(row, c++);
    account->name = db_text_copy(row, c++);
    account->authority = db_text_copy(row, c++);
    account->spec = db_text_copy(row, c++);
    account->contacts = db_text_copy(row, c++);
    account->terms_of_service_agreed = db_int(row, c++);
    account->only_existing = db_int(row, c++);
    account->eab_kid = db_text_copy(row, c++);
    account->origin = origin_by_name(db_text(row, c++));
    account->key_type = keys_type(db_text(row, c++));
    account->has_key = db_int(row, c++);
    account->thumbprint = db_text_copy(row, c++);
    account->jwk = db_text_copy(row, c++);
    account->public_pem = db_text_copy(row, c++);
    account->spki_sha256 = db_text_copy(row, c++);
    account->status = db_text_copy(row, c++);
    account->url = db_text_copy(row, c++);
    account->ca_object = db_text_copy(row, c++);
    account->initial_ip = db_text_copy(row, c++);
    account->ca_created_at = db_text_copy(row, c++);
    account->last_error = db_text_copy(row, c++);
    account->active_job = db_text_copy(row, c++);
    account->created_at = db_int(row, c++);
    account->updated_at = db_int(row, c++);
}

static void finish_account(void *out)
{
    account_finish(out);
}

static const struct record_type account_type = {sizeof(struct account), read_account,
                                                finish_account};

int account_load(struct db *db, const char *name, struct account *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE name = ?1", "t", name) < 0)
        return -1;
    int found = record_load(row, &account_type, out, e);
    return found < 0 ? -1 : record_expect(found, e, "account", name);
}

int account_load_by_id(struct db *db, int64_t id, struct account *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE id = ?1", "i", id) < 0)
        return -1;
    int found = record_load(row, &account_type, out, e);
    return found < 0 ? -1 : record_expect_id(found, e, "account", id);
}

int account_list(struct db *db, const char *after, size_t limit, struct account **out,
                 size_t *count, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE name > ?1 ORDER BY name LIMIT ?2", "ti",
                 after ? after : "", (int64_t)limit) < 0)
        return -1;
    return record_list(row, &account_type, out, count, e);
}

int account_names_of(struct db *db, const char *authority, char **names, size_t *count,
                     struct err *e)
{
    struct db_row *row;
    struct buf list = {0};
    size_t found = 0;
    int rc;
    if (db_query(db, &row, e, "SELECT name FROM account WHERE authority = ?1 ORDER BY name", "t",
                 authority) < 0)
        return -1;
    while ((rc = db_next(row, e)) > 0)
        buf_printf(&list, found++ ? ", %s" : "%s", db_text(row, 0));
    db_row_finish(row);
    if (rc < 0) {
        buf_finish(&list);
        return -1;
    }
    *names = buf_take(&list);
    *count = found;
    return 0;
}

int account_has_spki(struct db *db, const char *spki_sha256, bool *has, struct err *e)
{
    return record_exists(db, has, e, "SELECT 1 FROM account WHERE spki_sha256 = ?1 LIMIT 1",
                         spki_sha256);
}

/* ---- keys ---- */

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
                 " WHERE own.id = ?1 AND other.spki_sha256 = ?2",
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

static int put_key(struct store_tx *tx, int64_t id, const struct key *key, struct err *e)
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
    return rc < 0 ? -1 : put_key(tx, id, key, e);
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

static int put_eab_key(struct db *db, int64_t id, const void *eab_key, size_t size, struct err *e)
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

/* ---- writing ---- */

/* 1 with its id, 0 if the name is taken. */
static int insert_row(struct store_tx *tx, const struct account *account, int64_t *id,
                      struct err *e)
{
    struct db_row *row;
    if (db_query(store_tx_db(tx), &row, e,
                 "INSERT INTO account (name, authority, spec, contacts, terms_of_service_agreed,"
                 " only_existing, eab_kid, origin, key_type, created_at, updated_at)"
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)"
                 " ON CONFLICT (name) DO NOTHING RETURNING id",
                 "ttttiittti", account->name, account->authority, account->spec, account->contacts,
                 (int64_t)account->terms_of_service_agreed, (int64_t)account->only_existing,
                 account->eab_kid, origin_name(account->origin), key_type_name(account->key_type),
                 store_tx_now(tx)) < 0)
        return -1;
    return record_int(row, id, e);
}

int account_insert(struct store_tx *tx, struct account *account, const struct key *key,
                   const void *eab_key, size_t eab_key_size, struct err *e)
{
    struct db *db = store_tx_db(tx);
    bool exists;
    int64_t id;
    if (record_exists(db, &exists, e, "SELECT 1 FROM authority WHERE name = ?1",
                      account->authority) < 0)
        return -1;
    if (!exists)
        return err_set(e, ERR_INVALID, "There is no authority \"%s\".", account->authority);
    int inserted = insert_row(tx, account, &id, e);
    if (inserted < 0)
        return -1;
    if (!inserted)
        return err_set(e, ERR_NAME_TAKEN, "There is an account \"%s\" already.", account->name);
    if (key && put_key(tx, id, key, e) < 0)
        return -1;
    if (eab_key && put_eab_key(db, id, eab_key, eab_key_size, e) < 0)
        return -1;
    account->id = id;
    return 0;
}

/* Without another kid, the MAC key that is there stays. */
int account_update_spec(struct store_tx *tx, const struct account *account, const void *eab_key,
                        size_t eab_key_size, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t changed;
    if (db_run(db, &changed, e,
               "UPDATE account SET spec = ?2, contacts = ?3, terms_of_service_agreed = ?4,"
               " only_existing = ?5, eab_key = CASE WHEN eab_kid = ?6 THEN eab_key END,"
               " eab_kid = ?6, origin = ?7, updated_at = ?8 WHERE id = ?1",
               "ittiitti", account->id, account->spec, account->contacts,
               (int64_t)account->terms_of_service_agreed, (int64_t)account->only_existing,
               account->eab_kid, origin_name(account->origin), store_tx_now(tx)) < 0)
        return -1;
    if (record_expect_id(changed, e, "account", account->id) < 0)
        return -1;
    return eab_key ? put_eab_key(db, account->id, eab_key, eab_key_size, e) : 0;
}

int account_set_registration(struct store_tx *tx, int64_t id,
                             const struct account_registration *registration, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE account SET status = ?2, ca_object = ?3, url = COALESCE (?4, url),"
               " initial_ip = COALESCE (?5, initial_ip),"
               " ca_created_at = COALESCE (?6, ca_created_at), updated_at = ?7 WHERE id = ?1",
               "ittttti", id, registration->status, registration->ca_object, registration->url,
               registration->initial_ip, registration->ca_created_at, store_tx_now(tx)) < 0)
        return -1;
    return record_expect_id(changed, e, "account", id);
}

int account_set_job(struct store_tx *tx, int64_t id, const char *job, const char *error,
                    struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE account SET active_job = ?2, last_error = ?3, updated_at = ?4 WHERE id = ?1",
               "itti", id, job, error, store_tx_now(tx)) < 0)
        return -1;
    return record_expect_id(changed, e, "account", id);
}
