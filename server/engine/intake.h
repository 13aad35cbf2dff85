/*
 * New work for the engine: each function inserts a job in the caller's transaction, beside the
 * resource that it is for, and marks the resource with it. The feed wakes the engine after the
 * commit; nothing else is to be done.
 *
 * id gets the job's ULID. Where an unfinished job of that kind serves the resource already, it is
 * answered instead and *existing is true.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_INTAKE_H
#define CERTWRIGHT_SERVER_ENGINE_INTAKE_H

#include "acme/base/ulid.h"
#include "store/account.h"
#include "store/certificate.h"
#include "store/deployment.h"
#include "store/job.h"
#include "store/revocation.h"
#include "store/store.h"

/* For how long transient errors are tried; INTAKE_FOREVER for what the config owns. */
#define INTAKE_FOREVER          INT64_MAX
#define INTAKE_RETRY_DEFAULT_MS ((int64_t)24 * 60 * 60 * 1000)

/* "account.create": key, newAccount. */
int intake_account_create(struct store_tx *tx, const struct account *account, int64_t retry_for_ms,
                          char id[ULID_SIZE], bool *existing, struct err *e);
/* "account.update": tells the CA the contacts that the row holds. */
int intake_account_update(struct store_tx *tx, const struct account *account, int64_t retry_for_ms,
                          char id[ULID_SIZE], bool *existing, struct err *e);
/* "account.refresh": asks the CA for the account. */
int intake_account_refresh(struct store_tx *tx, const struct account *account, char id[ULID_SIZE],
                           bool *existing, struct err *e);

/* "account.rollover": another key of that type, or one that is brought: the caller then sets it as
   the next one (account_set_next_key). It is tried until the CA has told which key it has. */
int intake_account_rollover(struct store_tx *tx, const struct account *account, enum key_type type,
                            bool brought, char id[ULID_SIZE], bool *existing, struct err *e);
/* "account.deactivate". */
int intake_account_deactivate(struct store_tx *tx, const struct account *account,
                              char id[ULID_SIZE], bool *existing, struct err *e);

/* "certificate.issue": the next version, from the spec that the row holds. */
int intake_certificate_issue(struct store_tx *tx, const struct certificate *certificate,
                             int64_t retry_for_ms, char id[ULID_SIZE], bool *existing,
                             struct err *e);
/* The same for a renewal that is due: a stuck one ends after a day, and is begun anew. */
int intake_certificate_renewal(struct store_tx *tx, const struct certificate *certificate,
                               char id[ULID_SIZE], bool *existing, struct err *e);
/* Who signs a revocation: the account, and where the CA does not let it the certificate's own key;
   or one of them alone. */
enum intake_signer { INTAKE_SIGNER_ANY, INTAKE_SIGNER_ACCOUNT, INTAKE_SIGNER_CERTIFICATE_KEY };

/* "certificate.revoke". reason is the code of RFC 5280 section 5.3.1, -1: none. version 0: the one
   in use. then_delete: the certificate is deleted afterwards. */
int intake_certificate_revoke(struct store_tx *tx, const struct certificate *certificate,
                              int64_t version, int reason, enum intake_signer by, bool then_delete,
                              char id[ULID_SIZE], bool *existing, struct err *e);

/*
 * "certificate.deploy": brings the deployment to the version in use. A job that waits to try again
 * is brought forward.
 */
int intake_certificate_deploy(struct store_tx *tx, const struct certificate *certificate,
                              const struct deployment *deployment, char id[ULID_SIZE],
                              bool *existing, struct err *e);
/* The same, not before after_ms have gone by. */
int intake_certificate_deploy_later(struct store_tx *tx, const struct certificate *certificate,
                                    const struct deployment *deployment, int64_t after_ms,
                                    char id[ULID_SIZE], bool *existing, struct err *e);
/* Each deployment of the certificate, if a version is in use that is not revoked. */
int intake_certificate_deploy_all(struct store_tx *tx, const struct certificate *certificate,
                                  struct err *e);
/* Each deployment on the target: its settings or its credential have changed. */
int intake_target_deploy_all(struct store_tx *tx, const char *target, struct err *e);
/* "target.test": rehearses. certificate is a name, parameters JSON text; both may be NULL. */
int intake_target_test(struct store_tx *tx, const char *target, const char *certificate,
                       const char *parameters, char id[ULID_SIZE], struct err *e);

/* "solver.test": rehearses the proof of that name. ERR_NOT_FOUND; ERR_CONFLICT for one that
   places no records by itself. */
int intake_solver_test(struct store_tx *tx, const char *solver, const char *name,
                       char id[ULID_SIZE], struct err *e);

/* "preflight": tells what would fail of an order for that certificate, which need not be in the
   database. ERR_CONFLICT if it has no account. */
int intake_preflight(struct store_tx *tx, const struct certificate *certificate, char id[ULID_SIZE],
                     struct err *e);

/* "revocation.send". key: NULL if an account signs. The job that is under way for that certificate
   at that authority is answered instead of a second one. */
int intake_revocation(struct store_tx *tx, struct revocation *revocation, const struct key *key,
                      char id[ULID_SIZE], struct err *e);

/* "authority.refresh": fetches the directory. */
int intake_authority_refresh(struct store_tx *tx, const char *authority, char id[ULID_SIZE],
                             bool *existing, struct err *e);

/* Asks for the end of a job; it is honoured at the next step's boundary. ERR_NOT_FOUND;
   ERR_CONFLICT if it has ended, or can no longer be stopped (from finalize on). */
int intake_cancel(struct store_tx *tx, const char *job, struct err *e);

/* A waiting job is tried at once (id is its own); for a failed or cancelled one a new job is made.
   ERR_NOT_FOUND; ERR_CONFLICT if it runs or has succeeded. */
int intake_retry(struct store_tx *tx, const char *job, char id[ULID_SIZE], struct err *e);

/* The records of a manual challenge are in place. ERR_NOT_FOUND; ERR_CONFLICT if the job does not
   wait for that. */
int intake_continue(struct store_tx *tx, const char *job, struct err *e);

#endif
