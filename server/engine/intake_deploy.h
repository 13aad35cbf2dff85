/* The deployments' part of intake.c. */
#ifndef CERTWRIGHT_SERVER_ENGINE_INTAKE_DEPLOY_H
#define CERTWRIGHT_SERVER_ENGINE_INTAKE_DEPLOY_H

#include "store/job.h"

/* New jobs in the place of ended ones. */
int intake_deploy_again(struct store_tx *tx, const struct job *job, char id[ULID_SIZE],
                        struct err *e);
int intake_test_again(struct store_tx *tx, const struct job *job, char id[ULID_SIZE],
                      struct err *e);

#endif
