/*
 * Deployments: the items of a certificate's `targets`, each with the version that is installed
 * there and what its target type remembers. A job of kind "certificate.deploy" whose part is the
 * deployment's id brings it up to date.
 */
#ifndef CERTWRIGHT_STORE_DEPLOYMENT_H
#define CERTWRIGHT_STORE_DEPLOYMENT_H

#include "store/store.h"

struct deployment {
    int64_t id;
    int64_t certificate_id;
    int64_t position; /* in the certificate's list, from 0 */
    char *target;     /* name */
    char *parameters; /* JSON object, canonical: what the item says beside the target's settings */
    int64_t version;  /* installed; 0: none */
    int64_t deployed_at;
    char *memory;       /* JSON object of the target type */
    int64_t failures;   /* jobs that failed since the last one that succeeded */
    char *error;        /* of the last job, if it failed (store/failure.h); NULL */
    char *active_job;   /* ULID; it may be one that is to try again later; NULL */
    char *active_error; /* what that goes on with all the same; NULL */
    int64_t created_at;
    int64_t updated_at;
};

void deployment_finish(struct deployment *deployment);
/* Each of a list, and the list. */
void deployment_list_finish(struct deployment *list, size_t count);

/* ERR_NOT_FOUND. */
int deployment_load(struct db *db, int64_t id, struct deployment *out, struct err *e);
/* Of a certificate, by position. */
int deployment_list(struct db *db, int64_t certificate_id, struct deployment **out, size_t *count,
                    struct err *e);
int deployment_list_of_target(struct db *db, const char *target, struct deployment **out,
                              size_t *count, struct err *e);

/* The highest id there is: whatever is inserted later has a higher one. 0: there is none. */
int deployment_last_id(struct db *db, int64_t *id, struct err *e);

struct deployment_item {
    const char *target;
    const char *parameters;
};
/*
 * Makes these the certificate's list: an item that was there keeps its row and what is known of it.
 * The items are unique. *changed tells whether anything is different. ERR_INVALID if there is no
 * such target.
 */
int deployment_set(struct store_tx *tx, int64_t certificate_id, const struct deployment_item *items,
                   size_t count, bool *changed, struct err *e);

/* These give ERR_NOT_FOUND without such a row. */
int deployment_set_memory(struct store_tx *tx, int64_t id, const char *memory, struct err *e);
/* job NULL: none. */
int deployment_set_job(struct store_tx *tx, int64_t id, const char *job, struct err *e);
/* Its job has succeeded: that version is installed. No job is active then. */
int deployment_succeed(struct store_tx *tx, int64_t id, int64_t version, struct err *e);
/* Its job has failed; likewise. */
int deployment_fail(struct store_tx *tx, int64_t id, const char *error, struct err *e);

#endif
