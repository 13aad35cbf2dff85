#include "store/authority.h"

#include "acme/base/memory.h"
#include "acme/url.h"
#include "store/record.h"

#include <json-c/json.h>
#include <stdlib.h>

void authority_finish(struct authority *authority)
{
    free(authority->name);
    free(authority->directory_url);
    free(authority->trust_bundle);
    free(authority->directory);
    free(authority->parked_reason);
    *authority = (struct authority){0};
}

#define SELECT                                                                                     \
    "SELECT name, directory_url, trust_bundle, test, eab_required, origin, directory,"             \
    " directory_fetched_at, parked_until, parked_reason, created_at, updated_at FROM authority"

static void read_authority(const struct db_row *row, void *out)
{
    struct authority *authority = out;
    int c = 0;
    authority->name = db_text_copy(row, c++);
    authority->directory_url = db_text_copy(row, c++);
    authority->trust_bundle = db_text_copy(row, c++);
    authority->test = db_int(row, c++);
    authority->eab_required = db_int(row, c++);
    authority->origin = origin_by_name(db_text(row, c++));
    authority->directory = db_text_copy(row, c++);
    authority->directory_fetched_at = db_int(row, c++);
    authority->parked_until = db_int(row, c++);
    authority->parked_reason = db_text_copy(row, c++);
    authority->created_at = db_int(row, c++);
    authority->updated_at = db_int(row, c++);
}

static void finish_authority(void *out)
{
    authority_finish(out);
}

static const struct record_type authority_type = {sizeof(struct authority), read_authority,
                                                  finish_authority};

int authority_load(struct db *db, const char *name, struct authority *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE name = ?1", "t", name) < 0)
        return -1;
    int found = record_load(row, &authority_type, out, e);
    return found < 0 ? -1 : record_expect(found, e, "authority", name);
}

int authority_list(struct db *db, const char *after, size_t limit, struct authority **out,
                   size_t *count, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE name > ?1 ORDER BY name LIMIT ?2", "ti",
                 after ? after : "", (int64_t)limit) < 0)
        return -1;
    return record_list(row, &authority_type, out, count, e);
}

/* On conflict: a directory, and a rest that was asked for, are of a URL and go with it. */
static int upsert(struct store_tx *tx, const struct authority *authority, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "INSERT INTO authority (name, directory_url, trust_bundle, test, eab_required,"
                  " origin, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)"
                  " ON CONFLICT (name) DO UPDATE SET directory_url = ?2, trust_bundle = ?3,"
                  " test = ?4, eab_required = ?5, origin = ?6, updated_at = ?7,"
                  " directory = CASE WHEN authority.directory_url = ?2"
                  "  THEN authority.directory END,"
                  " terms_of_service = CASE WHEN authority.directory_url = ?2"
                  "  THEN authority.terms_of_service END,"
                  " directory_fetched_at = CASE WHEN authority.directory_url = ?2"
                  "  THEN authority.directory_fetched_at ELSE 0 END,"
                  " parked_until = CASE WHEN authority.directory_url = ?2"
                  "  THEN authority.parked_until ELSE 0 END,"
                  " parked_reason = CASE WHEN authority.directory_url = ?2"
                  "  THEN authority.parked_reason END",
                  "tttiiti", authority->name, authority->directory_url, authority->trust_bundle,
                  (int64_t)authority->test, (int64_t)authority->eab_required,
                  origin_name(authority->origin), store_tx_now(tx));
}

int authority_put(struct store_tx *tx, const struct authority *authority, bool *created,
                  struct err *e)
{
    struct db *db = store_tx_db(tx);
    bool exists;
    if (record_exists(db, &exists, e, "SELECT 1 FROM authority WHERE name = ?1", authority->name) <
            0 ||
        upsert(tx, authority, e) < 0)
        return -1;
    *created = !exists;
    return 0;
}

int authority_delete(struct store_tx *tx, const char *name, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t deleted;
    if (record_unused(db, e, "SELECT name FROM account WHERE authority = ?1 ORDER BY name",
                      "Accounts refer to the authority", name) < 0 ||
        db_run(db, &deleted, e, "DELETE FROM authority WHERE name = ?1", "t", name) < 0)
        return -1;
    return record_expect(deleted, e, "authority", name);
}

/* meta.termsOfService (RFC 8555 section 7.1.1), set apart so that accounts can show it. */
static char *terms_of(const char *document)
{
    struct json_object *json = json_tokener_parse(document), *meta = NULL, *terms = NULL;
    bool told = json_object_object_get_ex(json, "meta", &meta) &&
                json_object_object_get_ex(meta, "termsOfService", &terms) &&
                json_object_is_type(terms, json_type_string);
    const char *page = told ? json_object_get_string(terms) : NULL;
    char *text = mem_strdup(page && url_is_page(page) ? page : NULL);
    json_object_put(json);
    return text;
}

int authority_set_directory(struct store_tx *tx, const char *name, const char *document,
                            struct err *e)
{
    int64_t changed;
    char *terms = terms_of(document);
    int rc = db_run(store_tx_db(tx), &changed, e,
                    "UPDATE authority SET directory = ?2, terms_of_service = ?3,"
                    " directory_fetched_at = ?4 WHERE name = ?1",
                    "ttti", name, document, terms, store_tx_now(tx));
    free(terms);
    return rc < 0 ? -1 : record_expect(changed, e, "authority", name);
}

int authority_park(struct store_tx *tx, const char *name, int64_t until, const char *reason,
                   struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE authority SET parked_until = ?2, parked_reason = ?3 WHERE name = ?1", "tit",
               name, until, until ? reason : NULL) < 0)
        return -1;
    return record_expect(changed, e, "authority", name);
}
