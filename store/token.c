#include "store/token.h"

#include "store/record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char token_admin[] = "admin";

void token_finish(struct token *token)
{
    free(token->name);
    free(token->scopes);
    free(token->restrictions);
    free(token->created_by);
    free(token->made_by);
    *token = (struct token){0};
}

#define SELECT                                                                                     \
    "SELECT name, hash, scopes, restrictions, not_before, expires_at, created_by, created_at,"     \
    " last_used_at, made_by FROM token"

static void read_token(const struct db_row *row, void *out)
{
    struct token *token = out;
    size_t size;
    const void *hash = db_blob(row, 1, &size);
    assert(size == TOKEN_HASH_SIZE);
    token->name = db_text_copy(row, 0);
    memcpy(token->hash, hash, TOKEN_HASH_SIZE);
    token->scopes = db_text_copy(row, 2);
    token->restrictions = db_text_copy(row, 3);
    token->not_before = db_int(row, 4);
    token->expires_at = db_int(row, 5);
    token->created_by = db_text_copy(row, 6);
    token->created_at = db_int(row, 7);
    token->last_used_at = db_int(row, 8);
    token->made_by = db_text_copy(row, 9);
}

static void finish_token(void *out)
{
    token_finish(out);
}

static const struct record_type token_type = {sizeof(struct token), read_token, finish_token};

int token_put(struct store_tx *tx, const char *name, const unsigned char hash[TOKEN_HASH_SIZE],
              struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "INSERT INTO token (name, hash, created_at) VALUES (?1, ?2, ?3)"
                  " ON CONFLICT (name) DO UPDATE SET hash = excluded.hash",
                  "tbi", name, hash, (size_t)TOKEN_HASH_SIZE, store_tx_now(tx));
}

int token_insert(struct store_tx *tx, const struct token *token, struct err *e)
{
    int64_t inserted;
    if (db_run(store_tx_db(tx), &inserted, e,
               "INSERT INTO token (name, hash, scopes, restrictions, not_before, expires_at,"
               " created_by, created_at, made_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
               " ON CONFLICT (name) DO NOTHING",
               "tbttiitit", token->name, token->hash, (size_t)TOKEN_HASH_SIZE, token->scopes,
               token->restrictions, token->not_before, token->expires_at, token->created_by,
               store_tx_now(tx), token->made_by) < 0)
        return -1;
    if (!inserted)
        return err_set(e, ERR_NAME_TAKEN, "There is a token \"%s\" already.", token->name);
    return 0;
}

int token_load(struct db *db, const char *name, struct token *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE name = ?1", "t", name) < 0)
        return -1;
    int found = record_load(row, &token_type, out, e);
    return found < 0 ? -1 : record_expect(found, e, "token", name);
}

/* ---- its end ---- */

#define FAMILY                                                                                     \
    "WITH RECURSIVE family (name, generation) AS (SELECT name, 0 FROM token WHERE name = ?1"       \
    " UNION ALL SELECT t.name, generation + 1 FROM token t JOIN family f ON t.made_by = f.name)"

static void read_name(const struct db_row *row, void *out)
{
    *(char **)out = db_text_copy(row, 0);
}

static void finish_name(void *out)
{
    free(*(char **)out);
}

void token_names_finish(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

int token_delete(struct store_tx *tx, const char *name, char ***names, size_t *count, struct err *e)
{
    static const struct record_type type = {sizeof(char *), read_name, finish_name};
    struct db *db = store_tx_db(tx);
    struct db_row *row;
    char **found;
    size_t found_count;
    if (db_query(db, &row, e, FAMILY " SELECT name FROM family ORDER BY generation", "t", name) <
            0 ||
        record_list(row, &type, &found, &found_count, e) < 0)
        return -1;
    /* In one statement, after which none is left that names another. */
    int rc = record_expect((int64_t)found_count, e, "token", name);
    if (rc == 0)
        rc = db_run(db, NULL, e,
                    FAMILY " DELETE FROM token WHERE name IN (SELECT name FROM family)", "t", name);
    if (rc < 0) {
        token_names_finish(found, found_count);
        return -1;
    }
    *names = found;
    *count = found_count;
    return 0;
}

int token_touch(struct store_tx *tx, const char *name, const unsigned char hash[TOKEN_HASH_SIZE],
                struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "UPDATE token SET last_used_at = ?3 WHERE name = ?1 AND hash = ?2", "tbi", name,
                  hash, (size_t)TOKEN_HASH_SIZE, store_tx_now(tx));
}

int token_page(struct db *db, const char *after, size_t limit, struct token **out, size_t *count,
               struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE name > ?1 ORDER BY name LIMIT ?2", "ti",
                 after ? after : "", (int64_t)limit) < 0)
        return -1;
    return record_list(row, &token_type, out, count, e);
}

int token_list(struct db *db, struct token **out, size_t *count, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " ORDER BY name", "") < 0)
        return -1;
    return record_list(row, &token_type, out, count, e);
}
