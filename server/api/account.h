/* Accounts, for the API and the config alike. */
#ifndef CERTWRIGHT_SERVER_API_ACCOUNT_H
#define CERTWRIGHT_SERVER_API_ACCOUNT_H

#include "server/api/applied.h"
#include "server/api/spec_account.h"
#include "store/account.h"

struct json_object *account_show(const struct account *account);

/*
 * Complains of what the body names and the database lacks; body may be wrong otherwise, so that all
 * is told at once.
 */
int account_check(struct db *db, struct json_object *body, struct fields *errors, struct err *e);

/*
 * Makes and registers it, or brings it to the spec. retry_for_ms as intake.h. ERR_CONFLICT for
 * another key or authority, ERR_NAME_TAKEN, ERR_KEY_REUSED.
 */
int account_insert_spec(struct store_tx *tx, const char *name, const struct spec_account *spec,
                        enum origin origin, int64_t retry_for_ms, struct applied *out,
                        struct err *e);
int account_apply(struct store_tx *tx, const char *name, const struct spec_account *spec,
                  enum origin origin, int64_t retry_for_ms, struct applied *out, struct err *e);

/* Other contacts for an account that exists, or its CA's terms agreed to anew. */
int account_apply_patch(struct store_tx *tx, const char *name,
                        const struct spec_account_patch *patch, struct applied *out, struct err *e);

/* ERR_CONFLICT, naming it, for an account whose status lets it order no certificates any more. */
int account_check_usable(const struct account *account, struct err *e);

#endif
