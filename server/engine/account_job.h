/* What the jobs of accounts share. */
#ifndef CERTWRIGHT_SERVER_ENGINE_ACCOUNT_JOB_H
#define CERTWRIGHT_SERVER_ENGINE_ACCOUNT_JOB_H

#include "server/engine/step.h"

/* The account and its authority. */
int account_job_load(struct step_context *c, struct err *e);
/* Keeps the job's error with the account, unless the account is gone or has another job by now. */
int account_job_end(struct store_tx *tx, struct step_context *c, enum job_state state,
                    const char *error, struct err *e);

/* ERR_CA_ACCOUNT_MISSING before it is registered. */
int account_job_expect_registered(const struct step_context *c, struct err *e);

/*
 * Changes of the key (account_rollover_steps.c): whether one is under way. New orders wait for it,
 * since the responses to their challenges would hold the thumbprint of a key that is about to go.
 */
int account_rolls_over(struct db *db, const struct account *account, bool *under_way,
                       struct err *e);

/*
 * Whether a step failed since the account's key changed under it: the CA refused a signature, and
 * the row has another key than the step began with, or is about to. Then nothing of the step is
 * kept, and the job waits to run it again.
 */
bool account_key_has_moved(struct step_context *c, const struct err *error);

#endif
