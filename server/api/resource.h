/* Credentials, solvers and targets, for the API and the config alike. */
#ifndef CERTWRIGHT_SERVER_API_RESOURCE_H
#define CERTWRIGHT_SERVER_API_RESOURCE_H

#include "server/api/api.h"
#include "server/api/spec_credential.h"
#include "server/api/spec_solver.h"
#include "server/api/spec_target.h"
#include "store/credential.h"
#include "store/owner.h"
#include "store/solver.h"
#include "store/target.h"

struct json_object *credential_show(const struct credential *credential);
struct json_object *solver_show(const struct solver *solver);
struct json_object *target_show(const struct target *target);

/*
 * Each makes it, or changes it where the spec differs. What is installed on a target is brought up
 * to date after a change of it or of its credential. ERR_IN_USE for another type of a target that
 * certificates are installed on, and of a credential that is referred to, and for a solver that
 * could not take back the records that it has placed.
 */
int credential_apply(struct store_tx *tx, const char *name, const struct spec_credential *spec,
                     enum origin origin, bool *created, struct err *e);
int solver_apply(struct store_tx *tx, const char *name, const struct spec_solver *spec,
                 enum origin origin, bool *created, struct err *e);
int target_apply(struct store_tx *tx, const char *name, const struct spec_target *spec,
                 enum origin origin, bool *created, struct err *e);

/* Complain of a credential that does not exist, or is of the wrong type. */
int solver_check(struct db *db, struct json_object *body, struct fields *errors, struct err *e);
int target_check(struct db *db, struct json_object *body, struct fields *errors, struct err *e);

/* The member `credential`, if it is there and good in itself: it exists, and is of that type. */
int credential_check(struct db *db, struct json_object *body, const char *type,
                     struct fields *errors, struct err *e);

/* Brings up to date what is installed on the targets that use the credential. */
int credential_deploy_all(struct store_tx *tx, const char *credential, struct err *e);

#endif
