/*
 * Accounts that the CA does not know any more (RFC 8555 section 6.7, accountDoesNotExist): they are
 * looked up by their key, or registered again, by an "account.create" of which there is one for all
 * the jobs that met it. These go on afterwards.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_ACCOUNT_RECOVERY_H
#define CERTWRIGHT_SERVER_ENGINE_ACCOUNT_RECOVERY_H

#include "server/engine/step.h"

/*
 * For a job_kind.remedy of REMEDY_REGISTER: 0 with the outcome that the job goes on with step, and
 * with save, which calls account_recovery_save. -1: there was nothing to find (e is what it was),
 * or this job has seen it registered already, to no avail.
 */
int account_recover(struct step_context *c, const char *step,
                    int (*save)(struct store_tx *tx, struct step_context *c, struct err *e),
                    struct err *e);
int account_recovery_save(struct store_tx *tx, struct step_context *c, struct err *e);

/* The whole remedy, for kinds that have no other: the same step again. */
int account_recovery_remedy(struct step_context *c, enum remedy remedy, struct err *e);

/*
 * Before a step that wants an account in use: *ready, or a wait as the outcome while it is being
 * registered. ERR_CA_UNAUTHORIZED, ERR_CA_ACCOUNT_MISSING if it will not be.
 */
int account_expect_valid(struct step_context *c, bool *ready, struct err *e);

/* The same for what an account of any status may ask: a wait only while it is being registered. */
int account_expect_known(struct step_context *c, bool *ready, struct err *e);

#endif
