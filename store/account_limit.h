/*
 * Rate limits of a CA that concern all of an account: until then a step is of no use to any job of
 * the account.
 */
#ifndef CERTWRIGHT_STORE_ACCOUNT_LIMIT_H
#define CERTWRIGHT_STORE_ACCOUNT_LIMIT_H

#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* Engine time; a later time than before stays. */
int account_limit_set(struct store_tx *tx, int64_t account_id, const char *step, int64_t until,
                      struct err *e);
/* 0: there is none. */
int account_limit_load(struct db *db, int64_t account_id, const char *step, int64_t *until,
                       struct err *e);
/* Whether any account has one, or had. */
int account_limit_any(struct db *db, bool *any, struct err *e);

#endif
