/* API tokens, kept as SHA-256 only. */
#ifndef CERTWRIGHT_STORE_TOKEN_H
#define CERTWRIGHT_STORE_TOKEN_H

#include "store/store.h"

enum { TOKEN_HASH_SIZE = 32 };

/* The one that comes from a file of the data directory or the environment. */
extern const char token_admin[];

struct token {
    char *name;
    unsigned char hash[TOKEN_HASH_SIZE];
    char *scopes;       /* JSON array of names */
    char *restrictions; /* JSON object: identifiers, labels, addresses; {}: none */
    int64_t not_before; /* wall time; 0: always */
    int64_t expires_at; /* wall time; 0: never */
    char *created_by;   /* a principal's name; NULL: the service itself */
    char *made_by;      /* the token that made it; NULL: none did */
    int64_t created_at;
    int64_t last_used_at; /* 0: never; may be late by a minute */
};
void token_finish(struct token *token);

/* The admin token: a new one, or another hash for it. */
int token_put(struct store_tx *tx, const char *name, const unsigned char hash[TOKEN_HASH_SIZE],
              struct err *e);

/* A new one, whose maker is there; created_at and last_used_at are not read. ERR_NAME_TAKEN. */
int token_insert(struct store_tx *tx, const struct token *token, struct err *e);

/* ERR_NOT_FOUND. */
int token_load(struct db *db, const char *name, struct token *out, struct err *e);

/* Deletes it with those that it has made, those that these have made, and so on. *names gets all
   their names, its own first; token_names_finish frees them. ERR_NOT_FOUND. */
int token_delete(struct store_tx *tx, const char *name, char ***names, size_t *count,
                 struct err *e);
void token_names_finish(char **names, size_t count);

/* It was used now; nothing if there is no such token any more. */
int token_touch(struct store_tx *tx, const char *name, const unsigned char hash[TOKEN_HASH_SIZE],
                struct err *e);

/* By name, from behind after on; NULL: from the first. */
int token_page(struct db *db, const char *after, size_t limit, struct token **out, size_t *count,
               struct err *e);
int token_list(struct db *db, struct token **out, size_t *count, struct err *e);

#endif
