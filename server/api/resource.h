/* Credentials and solvers, for the API and the config alike. */
#ifndef CERTWRIGHT_SERVER_API_RESOURCE_H
#define CERTWRIGHT_SERVER_API_RESOURCE_H

#include "server/api/spec_credential.h"
#include "server/api/spec_solver.h"
#include "store/credential.h"
#include "store/owner.h"
#include "store/solver.h"

struct commands;

struct json_object *credential_show(const struct credential *credential);
struct json_object *solver_show(const struct solver *solver);

/* Both make it, or change it where the spec differs. */
int credential_apply(struct store_tx *tx, const char *name, const struct spec_credential *spec,
                     enum origin origin, bool *created, struct err *e);
int solver_apply(struct store_tx *tx, const char *name, const struct spec_solver *spec,
                 enum origin origin, bool *created, struct err *e);

/* Complains of a credential or command that does not exist, or is of the wrong type. */
int solver_check(struct db *db, const struct commands *commands, struct json_object *body,
                 struct fields *errors, struct err *e);

#endif
