#include "store/account.h"

#include "store/account_private.h"
#include "store/job.h"
#include "store/keys.h"
#include "store/record.h"

#include <assert.h>
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
    free(account->next_spki_sha256);
    free(account->terms_agreed_url);
    free(account->terms_current_url);
    free(account->status);
    free(account->url);
    free(account->ca_object);
    free(account->initial_ip);
    free(account->ca_created_at);
    free(account->ca_orders);
    free(account->last_error);
    free(account->person_error);
    free(account->job_error);
    free(account->active_job);
    *account = (struct account){0};
}

/* ---- reading ---- */

#define SELECT                                                                                     \
    "SELECT a.id, a.name, a.authority, a.spec, a.contacts, a.terms_of_service_agreed,"             \
    " a.only_existing, a.eab_kid, a.eab_mac, a.origin, a.key_type, a.key IS NOT NULL,"             \
    " a.thumbprint, a.jwk, a.public_pem, a.spki_sha256, a.next_spki_sha256, a.terms_agreed_url,"   \
    " u.terms_of_service, a.terms_due, a.status, a.url, a.ca_object, a.initial_ip,"                \
    " a.ca_created_at, a.ca_orders, a.last_error,"                                                 \
    " (SELECT COALESCE (j.error, '') FROM job j WHERE j.id = a.active_job"                         \
    "  AND j.state = 'waiting' AND j.due_at = 9223372036854775807),"                               \
    " (SELECT j.error FROM job j WHERE j.id = a.active_job AND j.finished_at = 0),"                \
    " a.active_job, a.created_at, a.updated_at"                                                    \
    " FROM account a JOIN authority u ON u.name = a.authority"

static enum jws_mac stored_mac(const char *name)
{
    enum jws_mac mac = JWS_HS256;
    int rc = jws_mac_by_name(name, &mac);
    assert(rc == 0);
    (void)rc;
    return mac;
}

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
    account->eab_mac = stored_mac(db_text(row, c++));
    account->origin = origin_by_name(db_text(row, c++));
    account->key_type = keys_type(db_text(row, c++));
    account->has_key = db_int(row, c++);
    account->thumbprint = db_text_copy(row, c++);
    account->jwk = db_text_copy(row, c++);
    account->public_pem = db_text_copy(row, c++);
    account->spki_sha256 = db_text_copy(row, c++);
    account->next_spki_sha256 = db_text_copy(row, c++);
    account->terms_agreed_url = db_text_copy(row, c++);
    account->terms_current_url = db_text_copy(row, c++);
    account->terms_due = db_int(row, c++);
    account->status = db_text_copy(row, c++);
    account->url = db_text_copy(row, c++);
    account->ca_object = db_text_copy(row, c++);
    account->initial_ip = db_text_copy(row, c++);
    account->ca_created_at = db_text_copy(row, c++);
    account->ca_orders = db_text_copy(row, c++);
    account->last_error = db_text_copy(row, c++);
    account->person_error = db_text_copy(row, c++);
    account->job_error = db_text_copy(row, c++);
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
    if (db_query(db, &row, e, SELECT " WHERE a.name = ?1", "t", name) < 0)
        return -1;
    int found = record_load(row, &account_type, out, e);
    return found < 0 ? -1 : record_expect(found, e, "account", name);
}

int account_load_by_id(struct db *db, int64_t id, struct account *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE a.id = ?1", "i", id) < 0)
        return -1;
    int found = record_load(row, &account_type, out, e);
    return found < 0 ? -1 : record_expect_id(found, e, "account", id);
}

int account_list(struct db *db, const char *after, size_t limit, struct account **out,
                 size_t *count, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE a.name > ?1 ORDER BY a.name LIMIT ?2", "ti",
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
    return record_exists(db, has, e,
                         "SELECT 1 FROM account WHERE spki_sha256 = ?1 UNION ALL"
                         " SELECT 1 FROM account WHERE next_spki_sha256 = ?1 LIMIT 1",
                         spki_sha256);
}

/* ---- writing ---- */

/* 1 with its id, 0 if the name is taken. */
static int insert_row(struct store_tx *tx, const struct account *account, int64_t *id,
                      struct err *e)
{
    struct db_row *row;
    if (db_query(store_tx_db(tx), &row, e,
                 "INSERT INTO account (name, authority, spec, contacts, terms_of_service_agreed,"
                 " only_existing, eab_kid, eab_mac, origin, key_type, created_at, updated_at)"
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)"
                 " ON CONFLICT (name) DO NOTHING RETURNING id",
                 "ttttiitttti", account->name, account->authority, account->spec, account->contacts,
                 (int64_t)account->terms_of_service_agreed, (int64_t)account->only_existing,
                 account->eab_kid, jws_mac_name(account->eab_mac), origin_name(account->origin),
                 key_type_name(account->key_type), store_tx_now(tx)) < 0)
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
    if (key && account_put_key(tx, id, key, e) < 0)
        return -1;
    if (eab_key && account_put_eab_key(db, id, eab_key, eab_key_size, e) < 0)
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
               " eab_kid = ?6, eab_mac = ?7, origin = ?8, updated_at = ?9 WHERE id = ?1",
               "ittiittti", account->id, account->spec, account->contacts,
               (int64_t)account->terms_of_service_agreed, (int64_t)account->only_existing,
               account->eab_kid, jws_mac_name(account->eab_mac), origin_name(account->origin),
               store_tx_now(tx)) < 0)
        return -1;
    if (record_expect_id(changed, e, "account", account->id) < 0)
        return -1;
    return eab_key ? account_put_eab_key(db, account->id, eab_key, eab_key_size, e) : 0;
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

int account_set_terms(struct store_tx *tx, int64_t id, const char *agreed_url, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE account SET terms_agreed_url = ?2, terms_due = 0, updated_at = ?3"
               " WHERE id = ?1",
               "iti", id, agreed_url, store_tx_now(tx)) < 0)
        return -1;
    return record_expect_id(changed, e, "account", id);
}

int account_ask_for_terms(struct store_tx *tx, int64_t id, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE account SET terms_of_service_agreed = 1, terms_due = 1, updated_at = ?2"
               " WHERE id = ?1",
               "ii", id, store_tx_now(tx)) < 0)
        return -1;
    return record_expect_id(changed, e, "account", id);
}

int account_set_orders(struct store_tx *tx, int64_t id, const char *orders, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE account SET ca_orders = ?2, updated_at = ?3 WHERE id = ?1", "iti", id,
               orders, store_tx_now(tx)) < 0)
        return -1;
    return record_expect_id(changed, e, "account", id);
}

/* ---- the end of an account ---- */

int account_stop_certificates(struct store_tx *tx, int64_t id, const char *error, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "UPDATE certificate SET renew_stopped = 1, last_error = ?2, updated_at = ?3"
                  " WHERE account_id = ?1",
                  "iti", id, error, store_tx_now(tx));
}

/* Nobody waits for what a deleted account's jobs were to do. */
static int call_back_jobs(struct store_tx *tx, const char *name, struct err *e)
{
    enum { JOBS_MAX = 100 };
    struct job_filter filter = {.state = -1, .resource_type = "account", .resource_name = name};
    struct job *jobs;
    size_t count;
    if (job_list(store_tx_db(tx), &filter, NULL, JOBS_MAX, &jobs, &count, e) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        if (rc == 0 && !job_state_is_final(jobs[i].state))
            rc = job_request_cancel(tx, jobs[i].id, e);
        job_finish(&jobs[i]);
    }
    free(jobs);
    return rc;
}

int account_delete(struct store_tx *tx, int64_t id, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t deleted;
    struct account account;
    if (account_load_by_id(db, id, &account, e) < 0)
        return -1;
    int rc = record_unused(db, e,
                           "SELECT certificate.name FROM certificate JOIN account ON account.id ="
                           " certificate.account_id WHERE account.name = ?1 ORDER BY 1",
                           "Certificates refer to the account", account.name);
    if (rc == 0)
        rc = call_back_jobs(tx, account.name, e);
    account_finish(&account);
    if (rc < 0 || db_run(db, &deleted, e, "DELETE FROM account WHERE id = ?1", "i", id) < 0)
        return -1;
    return record_expect_id(deleted, e, "account", id);
}
