#include "store/credential.h"

#include "store/record.h"
#include "store/sealed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void credential_finish(struct credential *credential)
{
    free(credential->name);
    free(credential->type);
    free(credential->settings);
    free(credential->secrets_set);
    *credential = (struct credential){0};
}

#define SELECT                                                                                     \
    "SELECT name, type, settings, secrets_set, origin, created_at, updated_at FROM credential"

static void read_credential(const struct db_row *row, void *out)
{
    struct credential *credential = out;
    credential->name = db_text_copy(row, 0);
    credential->type = db_text_copy(row, 1);
    credential->settings = db_text_copy(row, 2);
    credential->secrets_set = db_text_copy(row, 3);
    credential->origin = origin_by_name(db_text(row, 4));
    credential->created_at = db_int(row, 5);
    credential->updated_at = db_int(row, 6);
}

static void finish_credential(void *out)
{
    credential_finish(out);
}

static const struct record_type credential_type = {sizeof(struct credential), read_credential,
                                                   finish_credential};

int credential_load(struct db *db, const char *name, struct credential *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE name = ?1", "t", name) < 0)
        return -1;
    int found = record_load(row, &credential_type, out, e);
    return found < 0 ? -1 : record_expect(found, e, "credential", name);
}

int credential_list(struct db *db, const char *after, size_t limit, struct credential **out,
                    size_t *count, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE name > ?1 ORDER BY name LIMIT ?2", "ti",
                 after ? after : "", (int64_t)limit) < 0)
        return -1;
    return record_list(row, &credential_type, out, count, e);
}

static void place_of(char place[SEALED_PLACE_SIZE], const char *name)
{
    snprintf(place, SEALED_PLACE_SIZE, "credential/%s/secrets", name);
}

static int upsert(struct store_tx *tx, const struct credential *credential,
                  const struct buf *sealed, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "INSERT INTO credential (name, type, settings, secrets_set, secrets, origin,"
                  " created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)"
                  " ON CONFLICT (name) DO UPDATE SET type = ?2, settings = ?3, secrets_set = ?4,"
                  " secrets = ?5, origin = ?6, updated_at = ?7",
                  "ttttbti", credential->name, credential->type, credential->settings,
                  credential->secrets_set, sealed->data, sealed->size,
                  origin_name(credential->origin), store_tx_now(tx));
}

int credential_put(struct store_tx *tx, const struct credential *credential, const char *secrets,
                   bool *created, struct err *e)
{
    struct db *db = store_tx_db(tx);
    char place[SEALED_PLACE_SIZE];
    struct buf sealed = {0};
    bool exists;
    place_of(place, credential->name);
    int rc =
        record_exists(db, &exists, e, "SELECT 1 FROM credential WHERE name = ?1", credential->name);
    if (rc == 0)
        rc = seal_value(db_seal(db), place, secrets, strlen(secrets), &sealed, e);
    if (rc == 0)
        rc = upsert(tx, credential, &sealed, e);
    buf_finish(&sealed);
    if (rc == 0)
        *created = !exists;
    return rc;
}

int credential_check_unused(struct db *db, const char *name, struct err *e)
{
    if (record_unused(db, e, "SELECT name FROM solver WHERE credential = ?1 ORDER BY name",
                      "Solvers refer to the credential", name) < 0)
        return -1;
    return record_unused(db, e, "SELECT name FROM target WHERE credential = ?1 ORDER BY name",
                         "Targets refer to the credential", name);
}

int credential_delete(struct store_tx *tx, const char *name, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t deleted;
    if (credential_check_unused(db, name, e) < 0 ||
        db_run(db, &deleted, e, "DELETE FROM credential WHERE name = ?1", "t", name) < 0)
        return -1;
    return record_expect(deleted, e, "credential", name);
}

int credential_open(struct db *db, const char *name, struct buf *out, struct err *e)
{
    char place[SEALED_PLACE_SIZE];
    struct db_row *row;
    place_of(place, name);
    if (db_query(db, &row, e, "SELECT secrets FROM credential WHERE name = ?1", "t", name) < 0)
        return -1;
    int found = sealed_open(db, row, place, out, e);
    return found < 0 ? -1 : record_expect(found, e, "credential", name);
}
