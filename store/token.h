/* API tokens, kept as SHA-256 only. */
#ifndef CERTWRIGHT_STORE_TOKEN_H
#define CERTWRIGHT_STORE_TOKEN_H

#include "store/store.h"

enum { TOKEN_HASH_SIZE = 32 };

struct token {
    char *name;
    unsigned char hash[TOKEN_HASH_SIZE];
};
void token_finish(struct token *token);

int token_put(struct store_tx *tx, const char *name, const unsigned char hash[TOKEN_HASH_SIZE],
              struct err *e);
int token_list(struct db *db, struct token **out, size_t *count, struct err *e);

#endif
