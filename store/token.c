#include "store/token.h"

#include "store/record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void token_finish(struct token *token)
{
    free(token->name);
    *token = (struct token){0};
}

static void read_token(const struct db_row *row, void *out)
{
    struct token *token = out;
    size_t size;
    const void *hash = db_blob(row, 1, &size);
    assert(size == TOKEN_HASH_SIZE);
    token->name = db_text_copy(row, 0);
    memcpy(token->hash, hash, TOKEN_HASH_SIZE);
}

static void finish_token(void *out)
{
    token_finish(out);
}

int token_put(struct store_tx *tx, const char *name, const unsigned char hash[TOKEN_HASH_SIZE],
              struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "INSERT INTO token (name, hash, created_at) VALUES (?1, ?2, ?3)"
                  " ON CONFLICT (name) DO UPDATE SET hash = excluded.hash",
                  "tbi", name, hash, (size_t)TOKEN_HASH_SIZE, store_tx_now(tx));
}

int token_list(struct db *db, struct token **out, size_t *count, struct err *e)
{
    static const struct record_type type = {sizeof(struct token), read_token, finish_token};
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT name, hash FROM token ORDER BY name", "") < 0)
        return -1;
    return record_list(row, &type, out, count, e);
}
