/* Credentials of providers: one place for an access key with many users. Secrets are sealed. */
#ifndef CERTWRIGHT_STORE_CREDENTIAL_H
#define CERTWRIGHT_STORE_CREDENTIAL_H

#include "store/origin.h"
#include "store/store.h"

struct credential {
    char *name;
    char *type;
    char *settings;    /* JSON object of the members that are no secrets */
    char *secrets_set; /* JSON array: the names of the sealed members */
    enum origin origin;
    int64_t created_at;
    int64_t updated_at;
};

void credential_finish(struct credential *credential);
int credential_load(struct db *db, const char *name, struct credential *out, struct err *e);
int credential_list(struct db *db, const char *after, size_t limit, struct credential **out,
                    size_t *count, struct err *e);
/* secrets: JSON object text; sealed as a whole. */
int credential_put(struct store_tx *tx, const struct credential *credential, const char *secrets,
                   bool *created, struct err *e);
/* ERR_IN_USE, with their names, while solvers or targets refer to it. */
int credential_check_unused(struct db *db, const char *name, struct err *e);
/* ERR_IN_USE as above. */
int credential_delete(struct store_tx *tx, const char *name, struct err *e);
/* Appends the secrets' JSON text; the caller ends it with buf_finish_secret. */
int credential_open(struct db *db, const char *name, struct buf *out, struct err *e);

#endif
