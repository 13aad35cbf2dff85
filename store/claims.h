/*
 * Claims on jobs, held in memory: right for a database that one process has to itself, which the
 * lock file sees to. Private to the store.
 *
 * A job's claim is decided under one mutex that is held while the job is looked for. A claim that
 * ends does so after its step was committed, so whoever looks sees either the claim or the commit.
 */
#ifndef CERTWRIGHT_STORE_CLAIMS_H
#define CERTWRIGHT_STORE_CLAIMS_H

#include "store/job.h"

struct claims;

struct claims *claims_create(void);
void claims_destroy(struct claims *claims);

/* The store's; in store.c. */
struct claims *store_claims(struct store *store);

/* As job_claim, job_unclaim and job_lane_due. */
int claims_take_job(struct store *store, struct db *db, const char *lane, int64_t now,
                    struct job *out, bool *found, int64_t *next_due, struct err *e);
void claims_drop_job(struct store *store, const char *id);
int claims_lane_due(struct store *store, struct db *db, const char *lane, int64_t *due,
                    struct err *e);

#endif
