/* What a certificate's body refers to: its account and its solver. */
#ifndef CERTWRIGHT_SERVER_API_REFERENCES_H
#define CERTWRIGHT_SERVER_API_REFERENCES_H

#include "acme/identifier.h"
#include "server/api/api.h"
#include "server/api/fields.h"
#include "store/db.h"
#include "store/origin.h"

/*
 * The account that a certificate is ordered with: the given one, the only one of the given
 * authority, or the config's default. *name is a copy that the caller frees, NULL after a
 * complaint; account and authority may be NULL.
 */
int references_account(struct db *db, const char *account, const char *authority,
                       const struct api_defaults *defaults, enum origin origin,
                       struct fields *errors, char **name, struct err *e);

/* Complains unless there is such a solver, and it does challenges of that type (NULL: any). */
int references_solver(struct db *db, const char *solver, const char *challenge_type,
                      const struct api_defaults *defaults, struct fields *errors, struct err *e);

/* Complains at the pointer if challenges of that type want a listener that there is not. */
void references_listener(const char *challenge_type, const struct api_defaults *defaults,
                         const char *pointer, struct fields *errors);

/*
 * Complains unless the CA of that account has the profile, as far as its directory is known (see
 * authority_profiles): one that lists no profiles must be sent none.
 */
int references_profile(struct db *db, const char *account, const char *profile,
                       struct fields *errors, struct err *e);

/*
 * Complains at the pointer if the identifier needs dns-01 (a wildcard, or because the challenge
 * says so) and no solver of that has a zone that holds it.
 */
int references_zone(struct db *db, const struct identifier *id, bool needs_dns, const char *pointer,
                    struct fields *errors, struct err *e);

#endif
