/* Targets as resources: where certificates are installed, with what settings. */
#ifndef CERTWRIGHT_STORE_TARGET_H
#define CERTWRIGHT_STORE_TARGET_H

#include "store/origin.h"
#include "store/store.h"

struct target {
    char *name;
    char *type;       /* "files", "aliyun-cas", … */
    char *credential; /* name; NULL */
    char *settings;   /* JSON object of everything else, canonical */
    enum origin origin;
    int64_t created_at;
    int64_t updated_at;
};

void target_finish(struct target *target);
/* ERR_NOT_FOUND. */
int target_load(struct db *db, const char *name, struct target *out, struct err *e);
int target_list(struct db *db, const char *after, size_t limit, struct target **out, size_t *count,
                struct err *e);
/* ERR_INVALID if the credential does not exist. */
int target_put(struct store_tx *tx, const struct target *target, bool *created, struct err *e);
/* ERR_IN_USE, with their names, while certificates are installed on it. */
int target_check_unused(struct db *db, const char *name, struct err *e);
/* ERR_IN_USE as above. */
int target_delete(struct store_tx *tx, const char *name, struct err *e);

#endif
