/* A certificate's targets: what is installed where. */
#ifndef CERTWRIGHT_SERVER_API_CERTIFICATE_TARGETS_H
#define CERTWRIGHT_SERVER_API_CERTIFICATE_TARGETS_H

#include "acme/base/ulid.h"
#include "server/api/api.h"
#include "server/api/target_items.h"
#include "store/certificate.h"

/*
 * Complains of what the body's items (or the defaults', if it has none) cannot be installed on;
 * account is the one it is ordered with, NULL if that is not known.
 */
int certificate_targets_check(struct db *db, const struct api_defaults *defaults,
                              struct json_object *body, const char *account, struct fields *errors,
                              struct err *e);
/* The same for a PATCH of a certificate; nothing if there is no such one. */
int certificate_targets_check_patch(struct db *db, const char *name, struct json_object *body,
                                    struct fields *errors, struct err *e);

/* Makes these the certificate's targets, and installs the version in use on those that are new. */
int certificate_targets_set(struct store_tx *tx, const char *certificate,
                            const struct target_items *items, struct err *e);

/* Which item is meant; NULL: not told. */
struct certificate_targets_choice {
    char *target;
    char *parameters; /* canonical */
};
/* The job that installs on the only item, or on the one chosen; see the contract for errors. */
int certificate_targets_deploy(struct store_tx *tx, const struct certificate *certificate,
                               const struct certificate_targets_choice *choice, char job[ULID_SIZE],
                               struct fields *errors, struct err *e);

/* Calls the jobs of its deployments back, where that is still possible. */
int certificate_targets_cancel(struct store_tx *tx, int64_t certificate_id, struct err *e);

#endif
