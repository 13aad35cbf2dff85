/* Solvers as resources: which provider proves names of which zones, with what settings. */
#ifndef CERTWRIGHT_STORE_SOLVER_H
#define CERTWRIGHT_STORE_SOLVER_H

#include "store/origin.h"
#include "store/store.h"

struct solver {
    char *name;
    char *type;       /* "http-01", "tls-alpn-01", "exec", "httpreq", "manual", "alidns" */
    char *zones;      /* JSON array of A-label names, sorted */
    char *credential; /* name; NULL */
    char *settings;   /* JSON object of everything else */
    enum origin origin;
    int64_t created_at;
    int64_t updated_at;
};

void solver_finish(struct solver *solver);
int solver_load(struct db *db, const char *name, struct solver *out, struct err *e);
int solver_list(struct db *db, const char *after, size_t limit, struct solver **out, size_t *count,
                struct err *e);
/* ERR_INVALID if the credential does not exist. */
int solver_put(struct store_tx *tx, const struct solver *solver, bool *created, struct err *e);
/* ERR_IN_USE, with their jobs, while records that were placed with it are to be taken back. */
int solver_expect_no_records(struct db *db, const char *name, struct err *e);
/* ERR_IN_USE while a certificate's challenge names it or a duty is open with it. */
int solver_delete(struct store_tx *tx, const char *name, struct err *e);
/*
 * The solver whose zones have the longest suffix of name, the first by its own name where several
 * have it; of those that place records alone if they are needed. ERR_SOLVER_MISSING.
 */
int solver_for_name(struct db *db, const char *name, bool needs_records, struct solver *out,
                    struct err *e);

#endif
