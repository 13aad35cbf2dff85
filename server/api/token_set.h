/*
 * The tokens in memory: authentication asks no database. Changes come after their commit, on the
 * writer thread; requests are let in by what is there at that moment.
 */
#ifndef CERTWRIGHT_SERVER_API_TOKEN_SET_H
#define CERTWRIGHT_SERVER_API_TOKEN_SET_H

#include "acme/base/error.h"
#include "store/token.h"

#include <stdbool.h>
#include <stdint.h>

struct grant;
struct http_caller;
struct principal;
struct token_set;

/* Reads the database. A row that cannot be read lets nobody in, and is told in the log. */
int token_set_create(struct db *db, struct token_set **out, struct err *e);
void token_set_destroy(struct token_set *set);

/*
 * Who shows that token (not NULL), with a hold on its grant; ERR_UNAUTHENTICATED for one that is
 * not known, not good at this time, or from there. The use is written down at most once a minute.
 */
int token_set_admit(struct token_set *set, struct store *store, const struct http_caller *caller,
                    struct principal *principal, struct err *e);

/* A new one, with a hold of its own on the grant. */
void token_set_add(struct token_set *set, const char *name,
                   const unsigned char hash[TOKEN_HASH_SIZE], uint32_t scopes, struct grant *grant);

/* Ends their grants too, so that those who were let in by them know. Sorts names. */
void token_set_remove(struct token_set *set, char **names, size_t count);

/* Whether it is by the token of that hash, which is still there, that a grant was given: another
   one may have its name by now. */
bool token_set_gave(struct token_set *set, const unsigned char hash[TOKEN_HASH_SIZE],
                    const struct grant *grant);

#endif
